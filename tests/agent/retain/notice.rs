//! Persons who are told before their rows go, as Indian law wants it of those who were not heard of for three years.

use serde_json::json;

use super::world::World;

/// Customers 1 to 1000; but for the last hundred, all created in 2000 and last in touch in 2001. By their number:
///
/// | customers | told | |
/// |---|---|---|
/// | 1 to 200 | three days ago | due |
/// | 201 to 300 | 47 hours ago | too late |
/// | 301 to 500 | never | not told |
/// | 501 to 550 | three days ago, before their contact of 2001 was followed by none: in 2000 | in touch since |
/// | 551 to 560 | `-infinity` | nobody knows |
/// | 561 to 600 | `infinity` | nobody knows |
/// | 601 to 700 | 49 hours ago | due |
/// | 701 to 800 | three days ago, and there is a contact of yesterday | in touch, and not inactive |
/// | 801 to 900 | on the very day on which they were created, of which no hour is known | in touch since |
/// | 901 to 1000 | three days ago, but they are new | not due anyway |
const SHOP: &str = r#"
    CREATE TABLE customers (id int PRIMARY KEY, since date, "told ""at" timestamptz, email text);
    CREATE TABLE visits (id serial, by int REFERENCES customers, at timestamp);
    CREATE INDEX ON visits (by);
    INSERT INTO customers SELECT i, CASE WHEN i <= 900 THEN '2000-06-01'::date ELSE current_date END,
      CASE WHEN i <= 200 OR i BETWEEN 701 AND 800 OR i > 900 THEN now() - interval '3 days'
        WHEN i <= 300 THEN now() - interval '47 hours'
        WHEN i <= 500 THEN NULL
        WHEN i <= 550 THEN '2000-12-31 12:00Z'::timestamptz
        WHEN i <= 560 THEN '-infinity'::timestamptz
        WHEN i <= 600 THEN 'infinity'::timestamptz
        WHEN i <= 700 THEN now() - interval '49 hours'
        ELSE '2000-06-01 12:00Z'::timestamptz END, 'p' || i
      FROM generate_series(1, 1000) AS i;
    INSERT INTO visits (by, at) SELECT i, '2001-02-03 12:00' FROM generate_series(1, 800) AS i;
    INSERT INTO visits (by, at) SELECT i, now() - interval '1 day' FROM generate_series(701, 800) AS i;"#;

/// A shop that takes the address of whoever was not heard of for three years and was told two days before.
async fn shop(database: &str, column: &str) -> World {
    let mut world = World::new(database, SHOP)
        .await
        .rule("customers", "since", "P3Y");
    world
        .sql(&format!(
            "GRANT UPDATE (email) ON customers TO {}",
            world.role
        ))
        .await;
    let rule = &mut world.task["spec"]["rules"][0];
    rule["method"] = json!("Nullify");
    rule["columns"] = json!([{"name": "email"}]);
    rule["lastContact"] = json!({"tables": [{"table": "visits", "clock": "at"}]});
    rule["notice"] = json!({"column": column, "hours": 48});
    world
}

#[tokio::test]
async fn only_who_was_told_in_time_and_not_in_touch_since_goes() {
    let mut world = shop("notice_told", r#"told "at"#).await;
    world.set("mode", "DryRun");
    let seen = world.run().await;
    let rule = seen.expect("Previewed").rule("customers").clone();
    assert_eq!(
        (rule.rows, rule.due, rule.remaining, rule.null_clock),
        (1000, 300, 300, 0),
        "{rule:?}"
    );
    // 201 to 600, and 801 to 900: whoever is in touch, or new, waits for nothing.
    assert_eq!(rule.untold, 500, "{rule:?}");
    world.set("mode", "Enforce");
    let ran = world.run().await;
    let rule = ran.expect("Done").rule("customers").clone();
    assert_eq!(
        (rule.due, rule.erased, rule.late, rule.untold),
        (300, 300, 0, 500),
        "{rule:?}"
    );
    let books = "SELECT untold::text FROM tradewind.rule";
    assert_eq!(world.sql(books).await, "500");
    let gone = "SELECT count(*) || ' ' || min(id) || ' ' || max(id) || ' ' || count(*) FILTER (WHERE id BETWEEN 201 AND 600) FROM customers WHERE email IS NULL";
    assert_eq!(world.sql(gone).await, "300 1 700 0");
}

/// Hours are of moments: a day has none.
#[tokio::test]
async fn a_notice_of_a_day_is_refused() {
    let world = shop("notice_day", "since").await;
    let refused = world.run().await;
    refused.expect("NoticeNoMoment");
}
