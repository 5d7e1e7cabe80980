//! Task files that mean harm, and names that look as if they did and are the database's own: the first change nothing,
//! the second work. A name or a word that reached SQL as text would be an error of syntax, or do what it says.

use std::io::Write as _;
use std::time::Instant;

use futures::StreamExt as _;
use serde_json::{Value, json};
use tradewind::agent::{Stop, load, retain};
use tradewind::contract::{Report, Retain, RetainReport};

use super::dice::Dice;
use super::world::{SPEC_HASH, World, access, exact};

/// So many files, half of them with names of things that are there.
const TASKS: u64 = 10_000;
const AT_ONCE: usize = 4;
const TABLES: u64 = 60;

/// What names and words are put together from.
const PIECES: [&str; 40] = [
    "\"",
    "\"\"",
    "'",
    "''",
    ";",
    "--",
    "/*",
    "*/",
    "\\",
    "$1",
    "$$",
    "%I",
    "%s",
    "{}",
    "(",
    ")",
    ",",
    " ",
    "\t",
    "\n",
    "\u{202e}",
    "ß",
    "表",
    "🛒",
    "İ",
    "DROP TABLE canary",
    "DELETE FROM canary",
    "select",
    "FROM",
    "WHERE",
    "OR 1=1",
    "null",
    "ctid",
    "t",
    "tableoid",
    "E'\\''",
    "::text",
    "public.",
    "pg_catalog.",
    "U&\"\\0061\"",
];

/// A name of at most 50 bytes, one for each number.
fn odd_name(dice: &mut Dice, number: u64) -> String {
    let mut name = String::new();
    for _ in 0..=dice.roll(6) {
        let piece = dice.pick(&PIECES);
        if name.len() + piece.len() <= 46 {
            name.push_str(piece);
        }
    }
    format!("{name}{number}")
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A table with odd names for all that has one.
struct Odd {
    schema: String,
    table: String,
    clock: String,
    key: String,
    column: String,
}

impl Odd {
    fn new(dice: &mut Dice, number: u64) -> Self {
        Self {
            // The server keeps names in pg_ for itself.
            schema: format!("x{}", odd_name(dice, number % 7)),
            table: odd_name(dice, number),
            clock: odd_name(dice, 1),
            key: odd_name(dice, 2),
            column: odd_name(dice, 3),
        }
    }

    fn name(&self) -> String {
        format!("{}.{}", quoted(&self.schema), quoted(&self.table))
    }

    /// Four rows, three due.
    fn sql(&self, role: &str) -> String {
        let (schema, table) = (quoted(&self.schema), self.name());
        let (key, clock, column) = (quoted(&self.key), quoted(&self.clock), quoted(&self.column));
        format!(
            "CREATE SCHEMA IF NOT EXISTS {schema}; CREATE TABLE {table} ({key} text PRIMARY KEY, {clock} date, {column} text);
            INSERT INTO {table} VALUES ('''; --', '2000-01-01', 'x'), ('\"', '2000-01-02', 'y'), ('$1', '2000-01-03', 'z'), ('new', now(), 'n');
            GRANT USAGE ON SCHEMA {schema} TO {role}; GRANT SELECT, DELETE, UPDATE ({column}) ON {table} TO {role};"
        )
    }

    fn rule(&self, url: &str, changes: bool) -> Value {
        let mut rule = json!({"name": self.table, "store": self.schema, "url": url,
            "table": format!("{}.{}", self.schema, self.table), "clock": self.clock, "after": "P1Y"});
        if changes {
            rule["method"] = json!("Nullify");
            rule["columns"] = json!([{"name": self.column}]);
        }
        rule
    }
}

fn task(policy: &str, mode: &str, rule: &Value) -> Value {
    json!({"version": 1, "command": "retain", "region": policy, "spec": {
        "policy": policy, "mode": mode, "specHash": SPEC_HASH, "timeZone": "Europe/Berlin", "window": "PT1H", "batchRows": 1000, "smallCounts": 1,
        "maxPercent": 100, "rules": [rule]}})
}

/// What comes of a file; nothing when it is no task.
async fn run(world: &World, nth: u64, file: &[u8]) -> Option<Report<RetainReport>> {
    let path = world.dir.path().join(format!("task-{nth}"));
    std::fs::write(&path, file).unwrap();
    let task = load::<Retain>(&path, "retain").ok();
    std::fs::remove_file(&path).unwrap();
    let (_sender, stop) = Stop::new();
    Some(retain::run(task?, None, stop).await)
}

/// Something that is there, under its own name.
async fn works(world: &World, odd: &Odd, (seed, nth): (u64, u64), enforce: bool) {
    let mut dice = Dice::new(seed, nth);
    let url = world.dir.path().join("url");
    let rule = odd.rule(url.to_str().unwrap(), dice.percent(40));
    let mode = if enforce { "Enforce" } else { "DryRun" };
    let policy = odd_name(&mut dice, nth);
    let file = task(&policy, mode, &rule).to_string();
    let report = run(world, nth, file.as_bytes()).await.unwrap();
    let told = report.body.as_ref().map(|body| &body.rules[0]);
    let told = told.unwrap_or_else(|| panic!("{nth} of {seed}: {report:?}\n{file}"));
    if enforce {
        assert_eq!(report.reason, "Done", "{nth} of {seed}: {report:?}");
        assert_eq!(
            [told.due, told.erased].map(exact),
            [3, 3],
            "{nth} of {seed}: {report:?}"
        );
    } else {
        assert_eq!(report.reason, "Previewed", "{nth} of {seed}: {report:?}");
        assert_eq!(
            [told.rows, told.due].map(exact),
            [4, 3],
            "{nth} of {seed}: {report:?}"
        );
    }
}

/// Something that is not there, is no name, or is no task. Where it stands for a table or a column, nothing has its name: then
/// the file means to erase, from a table that no other file is about, and only its being refused keeps the rows.
async fn is_harmless(world: &World, (odd, spare): (&Odd, &Odd), (seed, nth): (u64, u64)) {
    let mut dice = Dice::new(seed, nth);
    let url = world.dir.path().join("url");
    let mut word = odd_name(&mut dice, nth);
    if dice.percent(5) {
        word.push('\0');
    }
    let policy = odd_name(&mut dice, nth);
    let field = dice.roll(12);
    let erases = matches!(field, 0..=3 | 5 | 7);
    let odd = if erases { spare } else { odd };
    if erases {
        // The names of things that are there end in a digit.
        word.push('~');
    }
    let mut rule = odd.rule(url.to_str().unwrap(), false);
    match field {
        0 => rule["table"] = word.clone().into(),
        1 => rule["table"] = format!("{}.{word}", odd.schema).into(),
        2 => rule["table"] = format!("{word}.{}", odd.table).into(),
        3 => rule["clock"] = word.clone().into(),
        4 => rule["after"] = word.clone().into(),
        5 | 6 => {
            rule["method"] = json!("Anonymise");
            let name = if field == 5 { &word } else { &odd.column };
            rule["columns"] = json!([{"name": name, "set": "Constant", "value": word}]);
        }
        7 | 8 => {
            let clock = if field == 7 { &word } else { &odd.clock };
            rule["keeps"] =
                json!([{"clock": clock, "for": "P2Y", "reference": word, "policy": word}]);
        }
        _ => {}
    }
    let mode = if erases { "Enforce" } else { "DryRun" };
    let mut task = task(&policy, mode, &rule);
    match field {
        9 => task["spec"]["timeZone"] = word.clone().into(),
        10 => task["spec"][&word] = word.clone().into(),
        _ => {}
    }
    let mut file = task.to_string().into_bytes();
    if field == 11 {
        let at = usize::try_from(dice.roll(file.len() as u64)).unwrap();
        file.splice(at..at, word.bytes());
    }
    let Some(report) = run(world, nth, &file).await else {
        return;
    };
    let reason = report.reason.as_str();
    let fine = [
        "TaskInvalid",
        "SystemTable",
        "TableMissing",
        "TableAmbiguous",
        "ClockMissing",
        "ClockWrongType",
        "ColumnMissing",
        "KeepUnreadable",
    ];
    let counted = !erases && reason == "Previewed";
    // The server takes no text with a zero byte.
    let zero = word.contains('\0') && ["StoreFailed", "ConstantUnfit"].contains(&reason);
    let cut = field == 11 && reason == "StoreUrlInvalid";
    assert!(
        fine.contains(&reason) || counted || zero || cut,
        "{nth} of {seed}: {report:?}\n{}",
        String::from_utf8_lossy(&file)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hostile_tasks_change_nothing_and_odd_names_work() {
    let seed = Dice::seed("HOSTILE_SEED");
    let tasks = std::env::var("HOSTILE_TASKS").map_or(TASKS, |tasks| tasks.parse().unwrap());
    let begun = Instant::now();
    let sql = "CREATE TABLE canary (id int PRIMARY KEY, at date); INSERT INTO canary SELECT i, '2000-01-01' FROM generate_series(1, 9) AS i";
    let world = World::new("hostile", sql).await;
    let mut dice = Dice::new(seed, 0);
    let tables: Vec<Odd> = (0..TABLES).map(|nth| Odd::new(&mut dice, nth)).collect();
    let spare = Odd::new(&mut dice, TABLES);
    let all = tables.iter().chain([&spare]);
    let sql: Vec<String> = all.map(|odd| odd.sql(&world.role)).collect();
    world.sql(&sql.join("\n")).await;
    let spared = format!("SELECT count(*) FROM {}", spare.name());
    let before = world.dump_all().await;
    let pick = |nth: u64| &tables[usize::try_from((nth / 2) % TABLES).unwrap()];
    let (world, spare) = (&world, &spare);
    let all = futures::stream::iter((0..tasks).map(|nth| async move {
        if nth % 2 == 0 {
            works(world, pick(nth), (seed, nth), false).await;
        } else {
            is_harmless(world, (pick(nth), spare), (seed, nth)).await;
        }
    }));
    all.buffer_unordered(AT_ONCE).collect::<Vec<()>>().await;
    assert_eq!(world.dump_all().await, before, "seed {seed}");
    assert_eq!(world.sql(&spared).await, "4", "seed {seed}");
    writeln!(
        std::io::stderr(),
        "{tasks} tasks of HOSTILE_SEED={seed} in {:?}",
        begun.elapsed()
    )
    .unwrap();
    // Each odd thing is erased from, too; so could have been the spare one.
    for (nth, odd) in (tasks..).zip(tables.iter().chain([spare])) {
        works(world, odd, (seed, nth), true).await;
    }
    let canary = access()
        .await
        .query("hostile", "SELECT count(*) FROM canary")
        .await;
    assert_eq!(canary.unwrap(), "9");
}

const TRIGGERED: &str = "CREATE TABLE t (id int PRIMARY KEY, at date, who text); INSERT INTO t SELECT i, '2000-01-01', 'w' FROM generate_series(1, 9) AS i;
    CREATE FUNCTION tell() RETURNS trigger LANGUAGE plpgsql AS
      $$ BEGIN IF OLD.id % 3 = 0 THEN INSERT INTO public.not_there VALUES (OLD.id); END IF; RETURN OLD; END $$;
    CREATE TRIGGER tell BEFORE DELETE ON t FOR EACH ROW EXECUTE FUNCTION tell()";

/// A trigger that misses a table of its own: its rows do not go, all others do, and the rule's table did not change.
#[tokio::test]
async fn what_a_trigger_misses_is_no_drift() {
    let world = World::new("hos_missing", TRIGGERED)
        .await
        .rule("t", "at", "P1Y");
    let rule = world.run().await.expect("RowsFailed").rule("t").clone();
    assert_eq!((rule.erased, rule.failed), (6, 3), "{rule:?}");
    world
        .sql("CREATE TABLE not_there (id int); GRANT INSERT ON not_there TO PUBLIC")
        .await;
    assert_eq!(world.run().await.expect("Done").rule("t").erased, 3);
}

/// The server cannot tell what a rule of the table's makes of a statement; nobody finds that out at night.
#[tokio::test]
async fn a_table_with_rules_is_refused() {
    let sql = "CREATE TABLE t (id int PRIMARY KEY, at date, who text); CREATE TABLE old (id int);";
    for (database, rule, reason) in [
        (
            "hos_rule_also",
            "ON DELETE TO t DO ALSO INSERT INTO old VALUES (OLD.id)",
            "TableRewritten",
        ),
        (
            "hos_rule_none",
            "ON DELETE TO t DO INSTEAD NOTHING",
            "TableRewritten",
        ),
        (
            "hos_rule_other",
            "ON UPDATE TO t DO ALSO INSERT INTO old VALUES (OLD.id)",
            "Previewed",
        ),
    ] {
        let sql = format!("{sql} CREATE RULE r AS {rule}");
        let mut world = World::new(database, &sql).await.rule("t", "at", "P1Y");
        world.set("mode", "DryRun");
        world.run().await.expect(reason);
    }
}
