//! A store's world: a database with some tables, a role that retention logs in as, a task, and the real binary.

use std::cell::Cell;
use std::net::{IpAddr, Ipv4Addr};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::OnceCell;
use tradewind::contract::{
    Count, Method, Preview, Report, RetainReport, RetainedRule, Space, Strategy,
};
use tradewind::evidence::{Standing, standing};
use tradewind_dev::postgres::{Access, Server};

/// Nothing in these tests takes longer on a busy machine of two cores.
pub(crate) const PATIENCE: Duration = Duration::from_mins(10);

pub(crate) const SPEC_HASH: &str =
    "sha256-1111111111111111111111111111111111111111111111111111111111111111";

/// One server for all tests of this binary; its watchdog stops it when the binary ends.
static SERVER: OnceCell<Server> = OnceCell::const_new();

/// Another one, of a newer release than Debian's.
static NEWER: OnceCell<Server> = OnceCell::const_new();

/// One for the test whose standby keeps rows of every database.
static FOLLOWED: OnceCell<Server> = OnceCell::const_new();

thread_local! {
    static ON_NEWER: Cell<bool> = const { Cell::new(false) };
    static ON_FOLLOWED: Cell<bool> = const { Cell::new(false) };
}

/// Runs a test on the server that has a standby, whose runtime is this thread alone.
pub(crate) fn on_followed(test: impl FnOnce()) {
    ON_FOLLOWED.set(true);
    test();
    ON_FOLLOWED.set(false);
}

/// Runs a test on the newer server, whose runtime is this thread alone.
pub(crate) fn on_newer(test: impl FnOnce()) {
    ON_NEWER.set(true);
    test();
    ON_NEWER.set(false);
}

/// A server of a hundred databases whose own upkeep does not go round: it would be at work in one of them all the time,
/// read in it, and write. Where a vacuum matters, a test asks for it.
async fn quiet(server: Server) -> Server {
    for sql in [
        "ALTER SYSTEM SET autovacuum_naptime = '7d'",
        "SELECT pg_reload_conf()",
    ] {
        server.access().query("postgres", sql).await.unwrap();
    }
    server
}

pub(crate) async fn access() -> &'static Access {
    const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
    if ON_NEWER.get() {
        let start = async || quiet(Server::start_newer(LOOPBACK).await.unwrap()).await;
        return NEWER.get_or_init(start).await.access();
    }
    let start = async || quiet(Server::start(LOOPBACK).await.unwrap()).await;
    if ON_FOLLOWED.get() {
        return FOLLOWED.get_or_init(start).await.access();
    }
    SERVER.get_or_init(start).await.access()
}

pub(crate) struct World {
    pub(crate) dir: TempDir,
    pub(crate) database: String,
    pub(crate) role: String,
    pub(crate) task: Value,
}

/// A rule's numbers where a task's `smallCounts` is 1.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Exact {
    pub(crate) method: Method,
    pub(crate) strategy: Strategy,
    pub(crate) partitions: i64,
    pub(crate) rows: i64,
    pub(crate) due: i64,
    pub(crate) erased: i64,
    pub(crate) held: i64,
    pub(crate) restricted: i64,
    pub(crate) gone: i64,
    pub(crate) blocked: i64,
    pub(crate) failed: i64,
    pub(crate) remaining: i64,
    pub(crate) late: i64,
    pub(crate) null_clock: i64,
    pub(crate) untold: i64,
    pub(crate) oldest_kept: Option<String>,
    pub(crate) space: Option<Space>,
    pub(crate) released_until: Option<String>,
}

/// What one run of the binary left behind.
pub(crate) struct Ran<B = RetainReport> {
    pub(crate) code: i32,
    pub(crate) log: String,
    pub(crate) report: Report<B>,
}

impl Ran {
    pub(crate) fn body(&self) -> &RetainReport {
        self.report
            .body
            .as_ref()
            .unwrap_or_else(|| panic!("no body: {:?}\n{}", self.report, self.log))
    }

    /// A rule's numbers, all of which are told.
    pub(crate) fn rule(&self, name: &str) -> Exact {
        let told = serde_json::to_value(self.told(name)).unwrap();
        serde_json::from_value(told).unwrap()
    }

    /// A rule's numbers as they are told.
    pub(crate) fn told(&self, name: &str) -> &RetainedRule {
        self.body()
            .rules
            .iter()
            .find(|rule| rule.name == name)
            .unwrap()
    }

    /// A ledger that was read back says what the run itself said, and when the run ended.
    pub(crate) fn says_what_was_said(&self, by: &Self) {
        let mut body = self.body().clone();
        assert!(body.ended_at.take().is_some(), "{body:?}");
        assert_eq!(&body, by.body());
    }

    /// The preview that the report names.
    pub(crate) fn preview(&self) -> Preview {
        self.body().preview("eu-west", SPEC_HASH).unwrap()
    }

    /// Outcome and books agree: the exit code, and every rule's sum.
    pub(crate) fn expect(&self, reason: &str) -> &Self {
        assert_eq!(
            self.report.reason, reason,
            "{:?}\n{}",
            self.report, self.log
        );
        assert_eq!(self.code, i32::from(self.report.outcome.exit_code()));
        if let Some(body) = &self.report.body {
            assert_balanced(&body.rules);
        }
        self
    }
}

/// `due = erased + held + restricted + gone + blocked + failed + remaining`, told or by commitments.
pub(crate) fn assert_balanced(rules: &[RetainedRule]) {
    for rule in rules {
        let standing = standing(&rule.sum(), &rule.commitments);
        let holds = matches!(standing, Standing::Told | Standing::Committed);
        assert!(holds, "{standing:?}: {rule:?}");
    }
}

/// A number that is told.
#[track_caller]
pub(crate) fn exact(count: Count) -> i64 {
    count.told().unwrap()
}

impl World {
    /// A database made by `sql` as the superuser; the role may see and delete everything in `public`.
    pub(crate) async fn new(database: &str, sql: &str) -> Self {
        let role = format!("{database}_retain");
        let access = access().await;
        access.create_role(&role, "secret").await.unwrap();
        access.create_database(database, "postgres").await.unwrap();
        let terse = format!("ALTER ROLE {role} SET log_error_verbosity = terse");
        access.query("postgres", &terse).await.unwrap();
        access.query(database, sql).await.unwrap();
        let grants = format!(
            "GRANT SELECT, DELETE ON ALL TABLES IN SCHEMA public TO {role};
            GRANT pg_read_all_stats TO {role}; CREATE SCHEMA tradewind AUTHORIZATION {role}"
        );
        access.query(database, &grants).await.unwrap();
        let url = access.url_as(&role, "secret", database);
        Self::of(database, &role, &url)
    }

    /// A database that is there already.
    pub(crate) fn of(database: &str, role: &str, url: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("url"), url).unwrap();
        let task = json!({
            "version": 1, "command": "retain", "region": "eu-west",
            "spec": {
                "policy": "eu-customers", "mode": "Enforce", "specHash": SPEC_HASH,
                "timeZone": "Europe/Berlin", "window": "PT1H", "batchRows": 1000, "maxPercent": 100, "smallCounts": 1,
                "rules": [],
            },
        });
        Self {
            dir,
            database: database.to_owned(),
            role: role.to_owned(),
            task,
        }
    }

    /// Adds a rule whose name is its table's.
    pub(crate) fn rule(mut self, table: &str, clock: &str, after: &str) -> Self {
        let url = self.dir.path().join("url");
        let rule = json!({"name": table, "store": "orders", "url": url, "table": table, "clock": clock, "after": after});
        self.task["spec"]["rules"]
            .as_array_mut()
            .unwrap()
            .push(rule);
        self
    }

    /// What a rule's period runs from.
    pub(crate) fn runs_from(mut self, rule: &str, anchor: impl Into<Value>) -> Self {
        self.rule_of(rule)["from"] = anchor.into();
        self
    }

    /// Adds a law that keeps rows of a rule's table.
    pub(crate) fn keep(mut self, rule: &str, clock: &str, period: &str, from: Value) -> Self {
        let keep = json!({"clock": clock, "for": period, "from": from, "reference": "AO 147(3)", "policy": "tax"});
        let rule = self.rule_of(rule);
        match rule["keeps"].as_array_mut() {
            Some(keeps) => keeps.push(keep),
            None => rule["keeps"] = json!([keep]),
        }
        self
    }

    fn rule_of(&mut self, name: &str) -> &mut Value {
        let rules = self.task["spec"]["rules"].as_array_mut().unwrap();
        rules.iter_mut().find(|rule| rule["name"] == name).unwrap()
    }

    /// Changes a field of the task's spec.
    pub(crate) fn set(&mut self, field: &str, value: impl Into<Value>) {
        self.task["spec"][field] = value.into();
    }

    /// Approves what a run previewed.
    pub(crate) fn approve(&mut self, seen: &Ran) {
        let preview = seen.preview();
        let approval =
            json!({"hash": preview.hash(), "by": "dpo@shop.example", "preview": preview});
        self.set("approval", approval);
    }

    /// Waits until nobody else is in the database: a client ends before its session has, which tells then what it wrote.
    pub(crate) async fn alone(&self) {
        let others = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()";
        let limit = Instant::now() + PATIENCE;
        while self.sql(others).await != "0" {
            assert!(Instant::now() < limit, "somebody stays");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Runs SQL as the superuser.
    pub(crate) async fn sql(&self, sql: &str) -> String {
        access().await.query(&self.database, sql).await.unwrap()
    }

    /// Runs SQL as retention's role.
    pub(crate) async fn as_role(
        &self,
        sql: &str,
    ) -> Result<String, tradewind_dev::postgres::Error> {
        let sql = format!("SET ROLE {}; {sql}", self.role);
        access().await.query(&self.database, &sql).await
    }

    /// Runs the binary to its end.
    pub(crate) async fn run(&self) -> Ran {
        self.run_with(&[]).await
    }

    pub(crate) async fn run_with(&self, flags: &[&str]) -> Ran {
        self.start_with("report", flags).finish().await
    }

    /// Starts the binary; several may run at once, each with a report of its own.
    pub(crate) fn start(&self, name: &str) -> Running {
        self.start_with(name, &[])
    }

    pub(crate) fn start_with(&self, name: &str, flags: &[&str]) -> Running {
        self.start_task(name, &self.task, flags)
    }

    /// Starts the command that a task is for.
    pub(crate) fn start_task(&self, name: &str, content: &Value, flags: &[&str]) -> Running {
        let file = |suffix: &str| self.dir.path().join(format!("{name}.{suffix}"));
        let (task, report, log) = (file("task"), file("json"), file("log"));
        std::fs::write(&task, content.to_string()).unwrap();
        let _ = std::fs::remove_file(&report);
        let child = Command::new(env!("CARGO_BIN_EXE_tradewind-agent"))
            .arg(content["command"].as_str().unwrap())
            .arg("--task")
            .arg(&task)
            .arg("--report-path")
            .arg(&report)
            .args(["--log", "debug"])
            .args(flags)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(&log).unwrap())
            .spawn()
            .unwrap();
        Running { child, report, log }
    }

    /// The rows of some tables, in order, in one text.
    pub(crate) async fn dump(&self, tables: &[&str]) -> String {
        let rows = |table: &&str| format!("SELECT '{table}' || t::text AS row FROM {table} AS t");
        let rows = tables
            .iter()
            .map(rows)
            .collect::<Vec<_>>()
            .join(" UNION ALL ");
        self.sql(&format!(
            "SELECT string_agg(row, E'\\n' ORDER BY row) FROM ({rows}) AS rows"
        ))
        .await
    }

    /// The whole database as `pg_dump` has it: schemas, grants, rows.
    pub(crate) async fn dump_all(&self) -> String {
        if ON_NEWER.get() {
            // Debian's `pg_dump` does not read it: all rows, grants and columns.
            let all = "SELECT string_agg(concat_ws(' ', c.oid::regclass, c.relacl, a.names,
                  query_to_xml(format('SELECT * FROM %s', c.oid::regclass), true, true, '')), E'\\n' ORDER BY c.oid)
                FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace,
                  LATERAL (SELECT string_agg(concat(attname, attacl), ' ' ORDER BY attnum) AS names
                    FROM pg_attribute WHERE attrelid = c.oid AND attnum > 0) AS a
                WHERE c.relkind = 'r' AND n.nspname <> 'information_schema' AND n.nspname NOT LIKE 'pg\\_%'";
            return self.sql(all).await;
        }
        let text = access().await.dump(&self.database).await.unwrap();
        // Newer releases fence a dump with a random word.
        text.lines()
            .filter(|line| !line.starts_with('\\'))
            .collect::<Vec<_>>()
            .join("\n")
    }

    /// Makes every batch on a table take so long, between its deletes and its commit.
    pub(crate) async fn slow_down(&self, table: &str, seconds: f32) {
        self.sql(&format!(
            "CREATE FUNCTION public.slow() RETURNS trigger LANGUAGE plpgsql AS
              $$ BEGIN PERFORM pg_sleep({seconds}); RETURN NULL; END $$;
            CREATE TRIGGER slow AFTER DELETE ON {table} FOR EACH STATEMENT EXECUTE FUNCTION public.slow()"
        ))
        .await;
    }

    /// The books as the first run leaves them; it erases nothing.
    pub(crate) async fn set_up_books(&self) {
        let task = self.task["spec"]["rules"].clone();
        let mut world = Self::of(&self.database, &self.role, "");
        std::fs::copy(self.dir.path().join("url"), world.dir.path().join("url")).unwrap();
        world.set("rules", task);
        for rule in world.task["spec"]["rules"].as_array_mut().unwrap() {
            rule["after"] = json!("P1900Y");
        }
        world.run().await.expect("Done");
    }

    /// Waits until the ledger has so many rows.
    pub(crate) async fn wait_for_ledger(&self, rows: i64) {
        let limit = Instant::now() + PATIENCE;
        while self.ledger_rows().await < rows {
            assert!(Instant::now() < limit, "the ledger never had {rows} rows");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// How often the ledger was written.
    pub(crate) async fn ledger_rows(&self) -> i64 {
        let sql = "SELECT CASE WHEN to_regclass('tradewind.ledger') IS NULL THEN 0 ELSE
            (xpath('/row/c/text()', query_to_xml('SELECT count(*) AS c FROM tradewind.ledger', true, true, '')))[1]::text::bigint END";
        self.sql(sql).await.parse().unwrap()
    }
}

pub(crate) struct Running {
    child: Child,
    report: std::path::PathBuf,
    log: std::path::PathBuf,
}

impl Running {
    /// SIGKILL.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// SIGTERM, as Kubernetes says it.
    pub(crate) fn terminate(&self) {
        let id = self.child.id().to_string();
        assert!(
            Command::new("kill")
                .args(["-TERM", &id])
                .status()
                .unwrap()
                .success()
        );
    }

    /// What it has logged so far.
    pub(crate) fn said(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }

    pub(crate) fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Waits for its end.
    pub(crate) async fn finish(self) -> Ran {
        self.finish_as().await
    }

    /// Waits for the end of any command.
    pub(crate) async fn finish_as<B: serde::de::DeserializeOwned + Default>(mut self) -> Ran<B> {
        let limit = Instant::now() + PATIENCE;
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(
                Instant::now() < limit,
                "{}",
                std::fs::read_to_string(&self.log).unwrap()
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        };
        let log = std::fs::read_to_string(&self.log).unwrap();
        let report = std::fs::read(&self.report).unwrap_or_else(|_| panic!("no report:\n{log}"));
        assert!(report.len() <= 4096);
        let report = serde_json::from_slice(&report).unwrap();
        Ran {
            code: status.code().unwrap(),
            log,
            report,
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
