//! What a law keeps stays, whatever the rule's own period says.

use serde_json::json;

use super::methods::changing;
use super::world::World;

/// A row a day for twenty years, in a table for each type of clock; the n-th was paid n days after a long credit.
const YEARS: &str = "CREATE TABLE days (id int PRIMARY KEY, at date, paid date);
    CREATE TABLE walls (id int PRIMARY KEY, at timestamp, paid timestamptz);
    CREATE TABLE moments (id int PRIMARY KEY, at timestamptz, paid timestamp);
    INSERT INTO days SELECT i, current_date - i, current_date - i / 2 FROM generate_series(0, 7300) AS i;
    INSERT INTO walls SELECT id, at + time '12:00', paid + time '12:00' FROM days;
    INSERT INTO moments SELECT id, at + time '12:00', paid + time '12:00' FROM days";

const OLD: &str = "CREATE TABLE t (id int PRIMARY KEY, at date, paid date, seen date, note text);
    INSERT INTO t SELECT i, date '2000-01-01' + i % 300, '2001-01-01', now(), 'x' FROM generate_series(1, 2000) AS i";

#[tokio::test]
async fn a_row_goes_when_its_own_period_and_every_keep_are_over() {
    let mut world = World::new("keep_years", YEARS).await;
    world.set("timeZone", "UTC");
    let wall = |column: &str| format!("({column})::timestamp");
    // A law keeps the whole of the last day, at whatever hour the row was paid.
    let kept = |at: String, paid: String| {
        format!(
            "date_trunc('year', {at}) + interval '9 years' > now() AT TIME ZONE 'UTC'
              OR date_trunc('day', {paid}) + interval '6 years 1 day' > now() AT TIME ZONE 'UTC' OR {at} + interval '3 years' > now() AT TIME ZONE 'UTC'"
        )
    };
    let mut wanted = Vec::new();
    let moment = |column: &str| format!("({column} AT TIME ZONE 'UTC')");
    for (table, at, paid) in [
        ("days", wall("at"), wall("paid")),
        ("walls", wall("at"), moment("paid")),
        ("moments", moment("at"), wall("paid")),
    ] {
        world = world
            .rule(table, "at", "P3Y")
            .keep(table, "at", "P8Y", json!("EndOfCalendarYear"))
            .keep(table, "paid", "P6Y", json!("EventDate"));
        let stays = kept(at, paid);
        let stays = format!("SELECT count(*), min(at), max(at) FROM {table} WHERE {stays}");
        wanted.push((table, world.sql(&stays).await));
    }
    world.set("mode", "DryRun");
    let seen = world.run().await;
    world.set("mode", "Enforce");
    let ran = world.run().await;
    for (table, stays) in wanted {
        let (seen, rule) = (
            seen.expect("Previewed").rule(table),
            ran.expect("Done").rule(table),
        );
        assert_eq!((seen.due, rule.due), (rule.due, rule.erased), "{rule:?}");
        assert!(rule.erased > 1000, "{rule:?}");
        let left = world
            .sql(&format!("SELECT count(*), min(at), max(at) FROM {table}"))
            .await;
        assert_eq!(left, stays, "{table}");
        assert_eq!(rule.late, 0, "{rule:?}");
    }
}

#[tokio::test]
async fn a_row_without_a_keeps_clock_stays_and_is_counted() {
    let world = World::new("keep_null", OLD).await.rule("t", "at", "P1Y");
    let world = world.keep("t", "paid", "P1Y", json!("EventDate"));
    world
        .sql(
            "UPDATE t SET paid = NULL WHERE id <= 10; UPDATE t SET paid = 'infinity' WHERE id BETWEEN 11 AND 20;
            UPDATE t SET paid = '-infinity' WHERE id BETWEEN 21 AND 30; UPDATE t SET at = NULL WHERE id BETWEEN 26 AND 35",
        )
        .await;
    let ran = world.run().await;
    let rule = ran.expect("Done").rule("t").clone();
    assert_eq!(
        (rule.due, rule.erased, rule.null_clock),
        (1965, 1965, 35),
        "{rule:?}"
    );
    assert_eq!(world.sql("SELECT count(*), max(id) FROM t").await, "35|35");
}

#[tokio::test]
async fn a_kept_row_keeps_what_it_refers_to() {
    let sql = "CREATE TABLE orders (id int PRIMARY KEY, at date);
        CREATE TABLE invoices (id int PRIMARY KEY, order_id int REFERENCES orders, at date, paid date);
        CREATE INDEX ON invoices (order_id);
        INSERT INTO orders SELECT i, '2000-01-01' FROM generate_series(1, 100) AS i;
        INSERT INTO invoices SELECT i, i, '2000-01-01', CASE WHEN i <= 30 THEN now() ELSE '2000-01-01' END FROM generate_series(1, 100) AS i";
    let mut world = World::new("keep_parents", sql)
        .await
        .rule("orders", "at", "P1Y")
        .rule("invoices", "at", "P1Y")
        .keep("invoices", "paid", "P8Y", json!("EndOfCalendarYear"));
    world.set("mode", "DryRun");
    let seen = world.run().await;
    world.set("mode", "Enforce");
    let ran = world.run().await;
    for (rule, went) in [("orders", 70), ("invoices", 70)] {
        assert_eq!(seen.expect("Previewed").rule(rule).remaining, went);
        assert_eq!(ran.expect("Done").rule(rule).erased, went);
    }
    assert_eq!(
        (ran.rule("orders").blocked, ran.rule("invoices").due),
        (30, 70)
    );
    assert_eq!(
        world
            .sql("SELECT count(*) FROM orders JOIN invoices ON order_id = orders.id")
            .await,
        "30"
    );
}

/// A killed run's successor goes by the cut-offs in the run row: they are another's after a night, and the rows that
/// were pinned are judged by those that they were pinned by.
#[tokio::test]
async fn a_resumed_run_keeps_its_pinned_keeps() {
    let world = World::new("keep_pinned", OLD).await.rule("t", "at", "P1Y");
    let mut world = world.keep("t", "paid", "P1Y", json!("EventDate"));
    world
        .sql("UPDATE t SET paid = '2002-02-02' WHERE id > 1900")
        .await;
    world.set("batchRows", 200);
    world.slow_down("t", 0.3).await;
    let running = world.start("one");
    world.wait_for_ledger(1).await;
    running.kill();
    let stored = "SELECT due_set -> 'keeps' -> 0 ->> 'clock' FROM tradewind.rule";
    assert_eq!(world.sql(stored).await, "paid");
    // As if the keep had ended for less: nobody computes it anew.
    world
        .sql("UPDATE tradewind.rule SET due_set = jsonb_set(due_set, '{keeps,0,due,latest}', '\"2001-06-01\"')")
        .await;
    let ran = world.run().await;
    let rule = ran.expect("Done").rule("t").clone();
    assert_eq!(rule.due, 2000, "{rule:?}");
    let left = world.sql("SELECT count(*) FROM t WHERE id > 1900").await;
    assert_eq!(rule.gone.to_string(), left, "{rule:?}");
    assert!(rule.gone > 0 && rule.erased + rule.gone == 2000, "{rule:?}");
}

/// A keep's column is pinned as the rule's own clock is.
#[tokio::test]
async fn a_keeps_column_that_changes_stops_the_run() {
    for (database, change) in [
        (
            "keep_swap",
            "ALTER TABLE t RENAME paid TO x; ALTER TABLE t RENAME seen TO paid; ALTER TABLE t RENAME x TO seen",
        ),
        ("keep_type", "ALTER TABLE t ALTER paid TYPE timestamptz"),
        ("keep_drop", "ALTER TABLE t DROP paid"),
    ] {
        let world = World::new(database, OLD).await.rule("t", "at", "P1Y");
        let mut world = world.keep("t", "paid", "P1Y", json!("EventDate"));
        world.set("batchRows", 200);
        world.slow_down("t", 0.3).await;
        let running = world.start("one");
        world.wait_for_ledger(2).await;
        world
            .sql(&format!(
                "BEGIN; SET LOCAL lock_timeout = '20s'; {change}; COMMIT"
            ))
            .await;
        let left = world.sql("SELECT count(*) FROM t").await;
        running.finish().await.expect("SchemaDrift");
        assert_eq!(
            world.sql("SELECT count(*) FROM t").await,
            left,
            "{database}"
        );
    }
}

#[tokio::test]
async fn a_keep_that_cannot_be_read_stops_everything() {
    let world = World::new("keep_unread", OLD).await;
    for clock in ["paid_at", "note", "Paid", "paid; DROP TABLE t", "ctid"] {
        let mut world = World::of(
            &world.database,
            &world.role,
            &std::fs::read_to_string(world.dir.path().join("url")).unwrap(),
        )
        .rule("t", "at", "P1Y")
        .keep("t", clock, "P8Y", json!("EndOfCalendarYear"));
        for mode in ["DryRun", "Enforce"] {
            world.set("mode", mode);
            let ran = world.run().await;
            assert_eq!(ran.expect("KeepUnreadable").code, 64);
            let message = &ran.report.message;
            let told = format!("AO 147(3) (DataPolicy tax) keeps rows of public.t by `{clock}`");
            assert!(message.contains(&told), "{message}");
        }
    }
    assert_eq!(world.sql("SELECT count(*) FROM t").await, "2000");
}

#[tokio::test]
async fn a_keeps_column_needs_its_grant_and_says_so() {
    let world = World::new("keep_grant", OLD).await.rule("t", "at", "P1Y");
    let role = &world.role;
    world
        .sql(&format!(
            "REVOKE SELECT ON t FROM {role}; GRANT SELECT (id, at, ctid) ON t TO {role}"
        ))
        .await;
    let world = world.keep("t", "paid", "P1Y", json!("EventDate"));
    let ran = world.run().await;
    let message = &ran.expect("GrantsMissing").report.message;
    let (_, statement) = message.split_once("grants: ").unwrap();
    assert_eq!(
        statement,
        format!("GRANT SELECT (at, id, paid) ON public.t TO {};", world.role)
    );
    world.sql(statement).await;
    assert_eq!(world.run().await.expect("Done").rule("t").erased, 2000);
}

/// An approval is for the columns that were counted by.
#[tokio::test]
async fn an_approval_does_not_outlive_a_new_keep() {
    let mut world = World::new("keep_approved", OLD)
        .await
        .rule("t", "at", "P1Y");
    world.set("maxPercent", 5);
    let seen = world.run().await;
    world.approve(seen.expect("AwaitingApproval"));
    let mut world = world.keep("t", "paid", "P1Y", json!("EventDate"));
    let again = world.run().await;
    again.expect("AwaitingApproval");
    let message = &again.report.message;
    assert!(
        message.contains("for other tables, keys, clocks"),
        "{message}"
    );
    world.approve(&again);
    assert_eq!(world.run().await.expect("Done").rule("t").erased, 2000);
}

/// A rule that changes rows is bound like one that deletes them, and must not change what a keep counts from.
#[tokio::test]
async fn what_a_law_keeps_keeps_its_columns() {
    let sql = "CREATE TABLE bills (id int PRIMARY KEY, at date, issued_on date, name text);
        INSERT INTO bills VALUES (1, '2001-01-01', '2001-01-01', 'old'), (2, '2001-01-01', now()::date, 'kept'),
          (3, '2001-01-01', NULL, 'unknown')";
    let world = World::new("kee_columns", sql)
        .await
        .rule("bills", "at", "P1Y")
        .keep("bills", "issued_on", "P8Y", json!("EventDate"));
    let grant = format!("GRANT UPDATE (name) ON bills TO {}", world.role);
    world.sql(&grant).await;
    let world = changing(
        world,
        "Nullify",
        json!([{"name": "name"}, {"name": "issued_on"}]),
    );
    world.run().await.expect("ColumnIsClock");
    let world = changing(world, "Nullify", json!([{"name": "name"}]));
    let ran = world.run().await;
    let rule = ran.expect("Done").rule("bills").clone();
    assert_eq!(
        (rule.due, rule.erased, rule.null_clock),
        (1, 1, 1),
        "{rule:?}"
    );
    let left =
        "SELECT string_agg(concat_ws(' ', id, coalesce(name, '-')), ', ' ORDER BY id) FROM bills";
    assert_eq!(world.sql(left).await, "1 -, 2 kept, 3 unknown");
    let again = world.run().await;
    assert_eq!(again.expect("Done").rule("bills").due, 0);
}
