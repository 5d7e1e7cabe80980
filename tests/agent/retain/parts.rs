//! What goes of rows that a law keeps some columns of: a rule beside that of the rows, over one table.

use serde_json::json;

use super::world::World;

/// A row a day for twenty years, paid a while later; some never, and some at the end of time.
const YEARS: &str = "CREATE TABLE days (id int PRIMARY KEY, at date, paid date, total int NOT NULL DEFAULT 7, mail text DEFAULT 'planted');
    INSERT INTO days SELECT i, current_date - i, current_date - i / 2 FROM generate_series(0, 7300) AS i;
    UPDATE days SET paid = NULL WHERE id % 97 = 0; UPDATE days SET paid = 'infinity' WHERE id % 101 = 0;
    UPDATE days SET at = NULL WHERE id % 103 = 0; UPDATE days SET mail = NULL WHERE id % 7 = 0";

/// The rule of `table`, kept for six years from `paid`, and the part of it that takes `mail` of kept rows; four years whole.
fn with_part(world: World, table: &str) -> World {
    let others = format!("{table}/others");
    let world = world
        .rule(table, "at", "P2Y")
        .keep(table, "at", "P4Y", json!("EndOfCalendarYear"))
        .keep(table, "paid", "P6Y", json!("EventDate"));
    let mut world = world
        .rule(&others, "at", "P2Y")
        .keep(&others, "at", "P4Y", json!("EndOfCalendarYear"))
        .keep(&others, "paid", "P6Y", json!("EventDate"));
    let rules = world.task["spec"]["rules"].as_array_mut().unwrap();
    let part = rules.last_mut().unwrap();
    part["table"] = table.into();
    part["method"] = "Anonymise".into();
    part["columns"] = json!([{"name": "mail"}]);
    part["keeps"][1]["columns"] = json!(["total"]);
    part["keeps"][1]["lasts"] = json!(true);
    world
}

async fn may_change(world: &World, table: &str) {
    let grant = format!("GRANT UPDATE (mail) ON {table} TO {}", world.role);
    world.sql(&grant).await;
}

/// Against what SQL says of each row: none goes, and nothing of it, inside a law that keeps it; the rest does.
#[tokio::test]
async fn the_rest_of_a_kept_row_goes_at_its_time_and_the_row_at_the_law_s() {
    let mut world = with_part(World::new("parts_years", YEARS).await, "days");
    may_change(&world, "days").await;
    world.set("timeZone", "UTC");
    world.sql("CREATE TABLE before AS SELECT * FROM days").await;
    let now = "(now() AT TIME ZONE 'UTC')";
    let free = format!(
        "(at IS NOT NULL AND at + interval '2 years' <= {now} AND date_trunc('year', at) + interval '5 years' <= {now})"
    );
    let ended = format!(
        "(paid IS NOT NULL AND isfinite(paid) AND paid + interval '6 years 1 day' <= {now})"
    );
    let count = async |what: &str| -> i64 {
        let sql = format!("SELECT count(*) FROM before WHERE {what}");
        world.sql(&sql).await.parse().unwrap()
    };
    let whole = count(&format!("{free} AND {ended}")).await;
    let part = count(&format!("{free} AND NOT {ended} AND mail IS NOT NULL")).await;
    let undated = count("at IS NULL AND mail IS NOT NULL").await;
    assert!(
        whole > 500 && part > 500 && undated > 50,
        "{whole} {part} {undated}"
    );
    world.set("mode", "DryRun");
    let seen = world.run().await;
    world.set("mode", "Enforce");
    let ran = world.run().await;
    for (rule, due) in [("days", whole), ("days/others", part)] {
        let (seen, rule) = (
            seen.expect("Previewed").rule(rule),
            ran.expect("Done").rule(rule),
        );
        assert_eq!((seen.due, seen.remaining), (due, due), "{seen:?}");
        assert_eq!(
            (rule.due, rule.erased, rule.late),
            (due, due, 0),
            "{rule:?}"
        );
    }
    // Who has not paid is kept for ever, and loses the rest all the same: no clock is missing for that.
    assert_eq!(ran.rule("days/others").null_clock, undated);
    let wrong = format!(
        "SELECT count(*) FROM before AS b LEFT JOIN days AS d USING (id, total),
          LATERAL (SELECT {free} AS free, {ended} AS ended FROM (SELECT b.at, b.paid) AS x) AS so
        WHERE (d.id IS NULL) <> (so.free AND so.ended)
          OR d.id IS NOT NULL AND (d.mail IS NULL) <> (so.free OR b.mail IS NULL)"
    );
    assert_eq!(world.sql(&wrong).await, "0");
    let again = world.run().await;
    let left = |rule| again.expect("Done").rule(rule).due;
    assert_eq!((left("days"), left("days/others")), (0, 0));
}

/// Rows that refer to each other and to a parent, whose rule was written first: no circle. What is kept keeps its parent, and
/// what refers to a kept row keeps nothing of it but the row.
#[tokio::test]
async fn a_part_stands_in_no_order_s_way_and_its_rows_hold_back_what_they_refer_to() {
    let sql = "CREATE TABLE customers (id int PRIMARY KEY, at date);
        CREATE TABLE invoices (id int PRIMARY KEY, customer int NOT NULL REFERENCES customers, replaces int REFERENCES invoices, at date, paid date,
          total int DEFAULT 7, mail text DEFAULT 'planted');
        CREATE INDEX ON invoices (customer); CREATE INDEX ON invoices (replaces);
        INSERT INTO customers SELECT i, '2000-01-01' FROM generate_series(1, 100) AS i;
        INSERT INTO invoices SELECT i, i, CASE WHEN i % 10 = 0 THEN i - 1 END, '2000-01-01', CASE WHEN i <= 30 THEN now() ELSE '2000-01-01' END
          FROM generate_series(1, 100) AS i";
    let world = World::new("parts_refer", sql)
        .await
        .rule("customers", "at", "P1Y");
    let world = with_part(world, "invoices");
    may_change(&world, "invoices").await;
    let ran = world.run().await;
    let told = |rule| {
        let rule = ran.expect("Done").rule(rule);
        (rule.due, rule.erased, rule.blocked)
    };
    assert_eq!(told("customers"), (100, 70, 30));
    assert_eq!(told("invoices"), (70, 70, 0));
    assert_eq!(told("invoices/others"), (30, 30, 0));
    let left = "SELECT count(*), count(mail), sum(total), count(replaces) FROM invoices";
    assert_eq!(world.sql(left).await, "30|0|210|3");
}

/// Without the law between them a row would be of both; a column that has to be something, and one that the role may not change,
/// stop the run before anything goes.
#[tokio::test]
async fn rules_that_may_meet_in_a_row_are_refused_and_what_a_part_lacks_is_named() {
    let world = World::new("parts_refused", YEARS).await;
    let mut world = with_part(world, "days");
    world
        .sql("UPDATE days SET mail = 'planted'; ALTER TABLE days ALTER mail SET NOT NULL")
        .await;
    let rows = "SELECT md5(string_agg(t::text, ',' ORDER BY id)) FROM days AS t";
    let before = world.sql(rows).await;
    let ran = world.run().await;
    let message = &ran.expect("ColumnNotNull").report.message;
    assert!(
        message.contains("days/others") && message.contains("mail"),
        "{message}"
    );
    world.sql("ALTER TABLE days ALTER mail DROP NOT NULL").await;
    let ran = world.run().await;
    ran.expect("GrantsMissing");
    let message = &ran.report.message;
    assert!(message.contains("UPDATE (mail)"), "{message}");
    may_change(&world, "days").await;
    for (kept, reason, says) in [
        (
            "Total",
            "ColumnMissing",
            "rule `days/others`: column `Total` of public.days is not there (case counts), and the keep's `columns` name it",
        ),
        (
            "id",
            "ColumnIsKey",
            "the keep's `columns` name nothing else",
        ),
    ] {
        world.task["spec"]["rules"][1]["keeps"][1]["columns"] = json!([kept]);
        for mode in ["DryRun", "Enforce"] {
            world.set("mode", mode);
            let ran = world.run().await;
            let message = &ran.expect(reason).report.message;
            assert!(message.contains(says), "{message}");
        }
    }
    world.task["spec"]["rules"][1]["keeps"][1]["columns"] = json!(["total"]);
    world.task["spec"]["rules"][0]["keeps"][1]["for"] = "P5Y".into();
    let ran = world.run().await;
    let message = &ran.expect("SameTable").report.message;
    assert!(message.contains("`days/others` and `days`"), "{message}");
    assert_eq!(world.sql(rows).await, before);
}
