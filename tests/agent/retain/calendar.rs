//! Rows on the edge of the cut-off, in the database that compares them.

use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};

use super::world::World;

const TABLES: [&str; 3] = ["moments", "walls", "days"];

/// A little before and after a wall clock, in each type.
fn rows_around(middle: DateTime) -> String {
    format!(
        "CREATE TABLE moments (at timestamptz PRIMARY KEY);
        CREATE TABLE walls (at timestamp PRIMARY KEY);
        CREATE TABLE days (at date PRIMARY KEY);
        INSERT INTO moments SELECT timestamp '{middle}' AT TIME ZONE 'UTC' + i * interval '13 minutes' FROM generate_series(-400, 400) AS i;
        INSERT INTO walls SELECT timestamp '{middle}' + i * interval '13 minutes' FROM generate_series(-400, 400) AS i;
        INSERT INTO days SELECT date '{}' + i FROM generate_series(-5, 5) AS i",
        middle.date()
    )
}

/// When a row's period ends, by the definition.
fn end(table: &str, row: &str, period: Span, zone: &TimeZone) -> Timestamp {
    let zone = zone.clone();
    let end = match table {
        "moments" => row.parse::<Timestamp>().unwrap().to_zoned(zone) + period,
        "walls" => row.parse::<DateTime>().unwrap().to_zoned(zone).unwrap() + period,
        _ => (row.parse::<Date>().unwrap() + period)
            .to_zoned(zone)
            .unwrap(),
    };
    end.timestamp()
}

async fn clocks(world: &World, table: &str) -> Vec<String> {
    let rows = world
        .sql(&format!("SELECT at FROM {table} ORDER BY at"))
        .await;
    rows.lines().map(String::from).collect()
}

/// Runs over rows on the edge; those stay whose period ends after the run's own now.
async fn edges(database: &str, after: &str, zone_name: &str) {
    let zone = TimeZone::get(zone_name).unwrap();
    let period: Span = after.parse().unwrap();
    let middle = zone
        .to_datetime(Timestamp::now())
        .checked_sub(period)
        .unwrap();
    let mut world = World::new(database, &rows_around(middle)).await;
    world.set("timeZone", zone_name);
    let mut before = Vec::new();
    for table in TABLES {
        world = world.rule(table, "at", after);
        before.push(clocks(&world, table).await);
    }
    world.run().await.expect("Done");
    let now = "SELECT to_char(now AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"') FROM tradewind.run";
    let now: Timestamp = world.sql(now).await.parse().unwrap();
    for (table, mut rows) in TABLES.into_iter().zip(before) {
        let all = rows.len();
        rows.retain(|row| end(table, row, period, &zone) > now);
        assert!(!rows.is_empty() && rows.len() < all, "{table}");
        assert_eq!(clocks(&world, table).await, rows, "{table}");
    }
}

#[tokio::test]
async fn rows_on_the_edge_go_by_the_definition() {
    edges("cal_years", "P3Y", "Europe/Berlin").await;
    edges("cal_months", "P9M", "America/New_York").await;
    edges("cal_days", "P30D", "Pacific/Auckland").await;
}

/// The last year of that end whose period is over, by the definition: the moment after it.
fn year_that_is_over(zone: &TimeZone, period: Span, (month, day): (i8, i8)) -> Date {
    let now = Timestamp::now();
    let begins = |year: i16| jiff::civil::date(year, month, day).tomorrow().unwrap();
    let is_over = |first: &Date| {
        let end = first.checked_add(period).unwrap().to_zoned(zone.clone());
        end.unwrap().start_of_day().unwrap().timestamp() <= now
    };
    let this = zone.to_datetime(now).year();
    let years = (0..60).map(|back| begins(this - back));
    years.into_iter().find(is_over).unwrap()
}

/// Every row of the year that is over goes, to its last microsecond in the region, and none of the next.
#[tokio::test]
async fn a_year_goes_as_one() {
    for (database, after, zone_name, anchor, end) in [
        (
            "cal_year",
            "P3Y",
            "America/New_York",
            serde_json::json!("EndOfCalendarYear"),
            (12, 31),
        ),
        (
            "cal_fiscal",
            "P18M",
            "Pacific/Auckland",
            serde_json::json!({"EndOfFiscalYear": "04-05"}),
            (4, 5),
        ),
    ] {
        let zone = TimeZone::get(zone_name).unwrap();
        let first = year_that_is_over(&zone, after.parse().unwrap(), end);
        let begin = first
            .to_zoned(zone.clone())
            .unwrap()
            .start_of_day()
            .unwrap()
            .timestamp();
        let mut world = World::new(database, &rows_around(zone.to_datetime(begin))).await;
        // The edge itself, and a microsecond before it.
        world
            .sql(&format!(
                "INSERT INTO moments VALUES (timestamptz '{begin}' - interval '1 microsecond'), (timestamptz '{begin}') ON CONFLICT DO NOTHING;
                INSERT INTO walls VALUES (timestamp '{first}' - interval '1 microsecond'), (timestamp '{first}') ON CONFLICT DO NOTHING"
            ))
            .await;
        world.set("timeZone", zone_name);
        for table in TABLES {
            world = world
                .rule(table, "at", after)
                .runs_from(table, anchor.clone());
        }
        let count = |world: &World, table: &'static str| {
            let before = if table == "moments" {
                format!("timestamptz '{begin}'")
            } else {
                format!("timestamp '{first}'")
            };
            let sql = format!(
                "SELECT count(*) FILTER (WHERE at < {before}), count(*) FILTER (WHERE at >= {before}) FROM {table}"
            );
            let (world, sql) = (world.database.clone(), sql);
            async move {
                super::world::access()
                    .await
                    .query(&world, &sql)
                    .await
                    .unwrap()
            }
        };
        let mut young = Vec::new();
        for table in TABLES {
            let both = count(&world, table).await;
            let (old, new) = both.split_once('|').unwrap();
            assert!(old != "0" && new != "0", "{table}: {both}");
            young.push(new.to_owned());
        }
        world.run().await.expect("Done");
        for (table, young) in TABLES.into_iter().zip(young) {
            assert_eq!(
                count(&world, table).await,
                format!("0|{young}"),
                "{database} {table}"
            );
        }
    }
}

/// The database's own clock decides when several days are due at once: the run's `now` is moved to noon of a
/// 28 February by the books, which a resumed run must believe.
#[tokio::test]
async fn a_resumed_run_keeps_the_gaps_of_its_pinned_cut_off() {
    let world = World::new(
        "cal_pinned",
        "CREATE TABLE t (id int PRIMARY KEY, at timestamptz);
        INSERT INTO t SELECT i, now() - interval '3 days' + i * interval '1 second' FROM generate_series(1, 600) AS i",
    )
    .await;
    let mut world = world.rule("t", "at", "P1D");
    world.set("batchRows", 100);
    world.slow_down("t", 0.3).await;
    let running = world.start("one");
    world.wait_for_ledger(1).await;
    running.kill();
    // As if seconds 301 to 400 were a gap: pinned, and not due by the pinned set.
    world
        .sql(
            "UPDATE tradewind.rule SET due_set = jsonb_set(due_set, '{gaps}', jsonb_build_array(jsonb_build_array(
              (SELECT to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"') FROM t WHERE id = 301),
              (SELECT to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"') FROM t WHERE id = 400))))",
        )
        .await;
    let ran = world.run().await;
    let rule = ran.expect("Done").rule("t").clone();
    assert_eq!(
        (rule.due, rule.erased, rule.gone),
        (600, 500, 100),
        "{rule:?}"
    );
    assert_eq!(
        world
            .sql("SELECT min(id) || ' ' || max(id) || ' ' || count(*) FROM t")
            .await,
        "301 400 100"
    );
}
