//! Periods that run from the last contact: customers whose newest order, in a table that refers to them, is old enough.

use serde_json::{Value, json};

use super::world::World;

/// Customers 1 to 1000, all created in 2000. By their number:
///
/// | customers | orders | |
/// |---|---|---|
/// | 1 to 300 | none | due |
/// | 301 to 500 | of 2001 | due |
/// | 501 to 700 | of 2001, and one of today | in touch |
/// | 701 to 750 | one that goes to them as a gift, of today | in touch |
/// | 751 to 770 | one without a date | nobody knows |
/// | 771 to 780 | one of `-infinity` | nobody knows |
/// | 781 to 1000 | of today, but the customers are new | not due anyway |
const SHOP: &str = r#"
    CREATE TABLE "cus""tomers" (id int PRIMARY KEY, since date, email text);
    CREATE TABLE "or""ders" (id serial, by int REFERENCES "cus""tomers", "for" int REFERENCES "cus""tomers", "placed ""at" timestamptz, note text);
    CREATE INDEX ON "or""ders" (by); CREATE INDEX ON "or""ders" ("for");
    INSERT INTO "cus""tomers" SELECT i, CASE WHEN i <= 780 THEN '2000-06-01'::date ELSE current_date END, 'p' || i FROM generate_series(1, 1000) AS i;
    INSERT INTO "or""ders" (by, "placed ""at") SELECT i, '2001-02-03 12:00Z' FROM generate_series(301, 700) AS i;
    INSERT INTO "or""ders" (by, "placed ""at") SELECT i, now() FROM generate_series(501, 700) AS i;
    INSERT INTO "or""ders" (by, "for", "placed ""at") SELECT 1, i, '2001-02-03 12:00Z' FROM generate_series(1, 3) AS i;
    INSERT INTO "or""ders" (by, "for", "placed ""at") SELECT 600, i, now() FROM generate_series(701, 750) AS i;
    INSERT INTO "or""ders" (by) SELECT i FROM generate_series(751, 770) AS i;
    INSERT INTO "or""ders" (by, "placed ""at") SELECT i, '-infinity' FROM generate_series(771, 780) AS i;
    INSERT INTO "or""ders" (by, "placed ""at") SELECT i, now() FROM generate_series(781, 1000) AS i;"#;

const CUSTOMERS: &str = r#"cus"tomers"#;

/// A shop whose customers lose their address five years after the last contact.
async fn shop(database: &str, contact: Value) -> World {
    let mut world = World::new(database, SHOP)
        .await
        .rule(CUSTOMERS, "since", "P5Y");
    world
        .sql(&format!(
            r#"REVOKE ALL ON ALL TABLES IN SCHEMA public FROM {0};
            GRANT SELECT (id, since, email), UPDATE (email) ON "cus""tomers" TO {0};
            GRANT SELECT (by, "for", "placed ""at") ON "or""ders" TO {0}"#,
            world.role
        ))
        .await;
    let rule = &mut world.task["spec"]["rules"][0];
    rule["method"] = json!("Nullify");
    rule["columns"] = json!([{"name": "email"}]);
    rule["lastContact"] = contact;
    world
}

fn orders() -> Value {
    json!({"tables": [{"table": r#"or"ders"#, "clock": r#"placed "at"#}]})
}

const LEFT: &str = r#"SELECT count(*) FROM "cus""tomers" WHERE email IS NOT NULL"#;

#[tokio::test]
async fn who_is_in_touch_stays_and_the_preview_says_so() {
    let mut world = shop("contact_touch", orders()).await;
    world.set("mode", "DryRun");
    let seen = world.run().await;
    let rule = seen.expect("Previewed").rule(CUSTOMERS).clone();
    assert_eq!(
        (rule.rows, rule.due, rule.remaining, rule.null_clock),
        (1000, 500, 500, 30),
        "{rule:?}"
    );
    world.set("mode", "Enforce");
    let ran = world.run().await;
    let rule = ran.expect("Done").rule(CUSTOMERS).clone();
    assert_eq!(
        (rule.due, rule.erased, rule.late, rule.null_clock),
        (500, 500, 0, 30),
        "{rule:?}"
    );
    assert_eq!(world.sql(LEFT).await, "500");
    let spared = r#"SELECT min(id) FROM "cus""tomers" WHERE email IS NOT NULL"#;
    assert_eq!(world.sql(spared).await, "501");
}

#[tokio::test]
async fn a_minimum_and_a_maximum_bound_what_contacts_say() {
    let mut contact = orders();
    // All were created in 2000: after so long, no contact counts.
    contact["atMost"] = json!("P20Y");
    let mut world = shop("contact_most", contact.clone()).await;
    let ran = world.run().await;
    let rule = ran.expect("Done").rule(CUSTOMERS).clone();
    assert_eq!(
        (rule.due, rule.erased, rule.null_clock),
        (780, 780, 0),
        "{rule:?}"
    );
    world
        .sql(r#"UPDATE "cus""tomers" SET email = 'again'"#)
        .await;
    contact["atMost"] = json!("P900Y");
    contact["atLeast"] = json!("P800Y");
    world.task["spec"]["rules"][0]["lastContact"] = contact;
    let ran = world.run().await;
    let rule = ran.expect("Done").rule(CUSTOMERS).clone();
    assert_eq!(
        (rule.due, rule.erased, rule.null_clock),
        (0, 0, 30),
        "{rule:?}"
    );
    assert_eq!(world.sql(LEFT).await, "1000");
}

/// The end of the year of the last contact, in the region's zone.
#[tokio::test]
async fn a_period_from_the_end_of_a_year_takes_the_year_of_the_last_contact() {
    let mut world = shop("contact_year", orders()).await;
    let years = "date_part('year', now() AT TIME ZONE 'Europe/Berlin')::int";
    world
        .sql(&format!(
            r#"DELETE FROM "or""ders"; INSERT INTO "or""ders" (by, "placed ""at")
              SELECT 1, make_timestamptz({years} - 6, 12, 31, 23, 59, 59, 'Europe/Berlin')
              UNION ALL SELECT 2, make_timestamptz({years} - 5, 1, 1, 0, 0, 0, 'Europe/Berlin');
            DELETE FROM "cus""tomers" WHERE id > 2"#
        ))
        .await;
    world.task["spec"]["rules"][0]["from"] = json!("EndOfCalendarYear");
    world.run().await.expect("Done");
    assert_eq!(
        world
            .sql(r#"SELECT string_agg(id::text, ' ') FROM "cus""tomers" WHERE email IS NULL"#)
            .await,
        "1"
    );
}

#[tokio::test]
async fn a_contact_that_commits_during_a_run_spares_the_row() {
    let mut world = shop("contact_during", orders()).await;
    world.set("batchRows", 50);
    world
        .sql(
            r#"CREATE FUNCTION public.slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(0.6); RETURN NULL; END $$;
            CREATE TRIGGER slow AFTER UPDATE ON "cus""tomers" FOR EACH STATEMENT EXECUTE FUNCTION public.slow()"#,
        )
        .await;
    let running = world.start("one");
    world.wait_for_ledger(1).await;
    // All that are in nobody's books yet; which these are, the snapshot of this statement says.
    let order = r#"WITH o AS (INSERT INTO "or""ders" (by, "placed ""at")
        SELECT id, now() FROM "cus""tomers" WHERE id <= 500 AND email IS NOT NULL RETURNING by) SELECT count(*) FROM o"#;
    let ordered: i64 = world.sql(order).await.parse().unwrap();
    let ran = running.finish().await;
    let rule = ran.expect("Done").rule(CUSTOMERS).clone();
    assert_eq!((rule.due, rule.late), (500, 0), "{rule:?}");
    // One batch may have looked at the world already, and committed after.
    assert!(
        rule.gone >= ordered - 50 && rule.gone > 0,
        "{ordered} {rule:?}"
    );
    assert_eq!(rule.erased + rule.gone, 500, "{rule:?}");
    let left: i64 = world.sql(LEFT).await.parse().unwrap();
    assert_eq!(left, 500 + rule.gone, "{rule:?}");
}

#[tokio::test]
async fn a_customer_goes_whole_once_no_younger_order_refers_to_him() {
    let world = World::new("contact_delete", SHOP)
        .await
        .rule(CUSTOMERS, "since", "P5Y");
    let mut world = world.rule(r#"or"ders"#, r#"placed "at"#, "P5Y");
    world
        .sql(r#"ALTER TABLE "or""ders" ADD PRIMARY KEY (id)"#)
        .await;
    world
        .sql(&format!(
            "ALTER ROLE {} SET log_error_verbosity = terse",
            world.role
        ))
        .await;
    world.task["spec"]["rules"][0]["lastContact"] = orders();
    let ran = world.run().await;
    let rule = ran.expect("Done").rule(CUSTOMERS).clone();
    assert_eq!(
        (rule.due, rule.erased, rule.blocked),
        (500, 500, 0),
        "{rule:?}"
    );
    assert_eq!(ran.rule(r#"or"ders"#).erased, 403);
    assert_eq!(world.sql(LEFT).await, "500");
}

#[tokio::test]
async fn what_is_no_contact_or_may_not_be_read_is_refused() {
    let mut world = shop("contact_refused", orders()).await;
    world
        .sql("CREATE TABLE visits (id int PRIMARY KEY, customer int, at date)")
        .await;
    for (table, clock, reason) in [
        ("visits", "at", "ContactUnrelated"),
        (r#"or"ders"#, "note", "ClockWrongType"),
        (r#"or"ders"#, "at", "ClockMissing"),
        ("orders", "at", "TableMissing"),
    ] {
        world.task["spec"]["rules"][0]["lastContact"] =
            json!({"tables": [{"table": table, "clock": clock}]});
        let ran = world.run().await;
        assert_eq!(ran.report.reason, reason, "{:?}", ran.report);
    }
    world.task["spec"]["rules"][0]["lastContact"] = orders();
    let revoke = format!(
        r#"REVOKE SELECT ("placed ""at") ON "or""ders" FROM {}"#,
        world.role
    );
    world.sql(&revoke).await;
    world.set("mode", "DryRun");
    let ran = world.run().await;
    assert_eq!(ran.report.reason, "GrantsMissing", "{:?}", ran.report);
    for columns in [r#""placed ""at", by"#, r#""for", "placed ""at""#] {
        let mend = format!(
            r#"GRANT SELECT ({columns}) ON public."or""ders" TO {};"#,
            world.role
        );
        assert!(
            ran.report.message.contains(&mend),
            "{mend} {:?}",
            ran.report
        );
    }
    assert_eq!(world.sql(LEFT).await, "1000");
}

/// The contacts' columns are pinned as the rule's own are.
#[tokio::test]
async fn contacts_whose_columns_change_places_stop_the_run() {
    let mut world = shop("contact_swap", orders()).await;
    world.set("batchRows", 50);
    world
        .sql(
            r#"ALTER TABLE "or""ders" ADD shipped timestamptz DEFAULT '1999-01-01';
            CREATE FUNCTION public.slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(0.6); RETURN NULL; END $$;
            CREATE TRIGGER slow AFTER UPDATE ON "cus""tomers" FOR EACH STATEMENT EXECUTE FUNCTION public.slow();"#,
        )
        .await;
    world
        .sql(&format!(
            r#"GRANT SELECT (shipped) ON "or""ders" TO {}"#,
            world.role
        ))
        .await;
    let running = world.start("one");
    world.wait_for_ledger(1).await;
    world
        .sql(
            r#"BEGIN; ALTER TABLE "or""ders" RENAME "placed ""at" TO old; ALTER TABLE "or""ders" RENAME shipped TO "placed ""at";
            ALTER TABLE "or""ders" RENAME old TO shipped; COMMIT"#,
        )
        .await;
    let ran = running.finish().await;
    assert_eq!(ran.report.reason, "SchemaDrift", "{:?}", ran.report);
    let left: i64 = world.sql(LEFT).await.parse().unwrap();
    assert!(left > 500, "{left}");
}
