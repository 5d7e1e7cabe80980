//! Rows are found where they lay when they were pinned. What lies there by now may be another's.

use sqlx::{Connection, PgConnection};

use super::world::{Exact, Ran, World, access};

/// Twenty rows that are due and one that is not.
const ROWS: &str = "CREATE TABLE t (id int PRIMARY KEY, at date, rest text NOT NULL DEFAULT 'r');
    INSERT INTO t SELECT i, '2000-01-01' FROM generate_series(1, 20) AS i; INSERT INTO t VALUES (100, current_date)";

/// What a batch comes to that no quick statement is exact for.
const ROW_BY_ROW: [(&str, bool); 3] = [("Versions", false), ("Keys", false), ("Rows", true)];

/// A run whose rows are pinned and that waits to erase them, as somebody keeps the list of holds locked.
struct Waiting {
    world: World,
    running: super::world::Running,
    /// Idle in its transaction, without a look at anything: a vacuum does not wait for it.
    locks: PgConnection,
}

impl Waiting {
    async fn begun(database: &str) -> Self {
        let world = World::new(database, ROWS).await.rule("t", "at", "P1Y");
        world.set_up_books().await;
        let mut locks = PgConnection::connect(&access().await.url(database))
            .await
            .unwrap();
        let lock = "BEGIN; LOCK TABLE tradewind.hold IN EXCLUSIVE MODE";
        sqlx::raw_sql(lock).execute(&mut locks).await.unwrap();
        let running = world.start("one");
        while world
            .sql("SELECT coalesce(sum(rows), 0) FROM tradewind.pin")
            .await
            != "20"
        {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        Self {
            world,
            running,
            locks,
        }
    }

    async fn ended(mut self) -> (Ran, Exact, World) {
        sqlx::raw_sql("COMMIT")
            .execute(&mut self.locks)
            .await
            .unwrap();
        let ran = self.running.finish().await;
        let rule = ran.expect("Done").rule("t").clone();
        (ran, rule, self.world)
    }
}

/// How the batches of a run were erased, in their order.
fn ways(ran: &Ran) -> Vec<(String, bool)> {
    let lines = ran
        .log
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    let tried = lines.filter(|line| line["message"] == "tried a batch");
    let tried = tried.map(|line| {
        (
            line["way"].as_str().unwrap().to_owned(),
            line["exact"] == true,
        )
    });
    tried.collect()
}

fn way(name: &str, exact: bool) -> (String, bool) {
    (name.to_owned(), exact)
}

#[tokio::test]
async fn rows_that_lie_where_they_lay_go_by_their_age_alone() {
    let (ran, rule, world) = Waiting::begun("ver_same").await.ended().await;
    assert_eq!((rule.erased, rule.gone, rule.late), (20, 0, 0));
    assert_eq!(ways(&ran), [way("Versions", true)]);
    assert_eq!(
        world.sql("SELECT string_agg(id::text, ' ') FROM t").await,
        "100"
    );
}

/// The place of a pinned row that somebody deleted is another's, whose date is as old: nobody pinned it.
#[tokio::test]
async fn a_newer_row_in_a_pinned_place_stays() {
    let waiting = Waiting::begun("ver_place").await;
    waiting.world.sql("DELETE FROM t WHERE id = 1").await;
    while waiting.world.sql("SELECT ctid FROM t WHERE id = 200").await != "(0,1)" {
        waiting.world.sql("DELETE FROM t WHERE id = 200").await;
        waiting.world.sql("VACUUM t").await;
        waiting
            .world
            .sql("INSERT INTO t VALUES (200, '2000-01-01')")
            .await;
    }
    let (ran, rule, world) = waiting.ended().await;
    assert_eq!((rule.erased, rule.gone, rule.late), (19, 1, 1), "{rule:?}");
    assert_eq!(ways(&ran), ROW_BY_ROW.map(|(name, exact)| way(name, exact)));
    assert_eq!(
        world
            .sql("SELECT string_agg(id::text, ' ' ORDER BY id) FROM t")
            .await,
        "100 200"
    );
}

/// A table that is written anew has old rows in other places.
#[tokio::test]
async fn another_file_has_other_places() {
    let waiting = Waiting::begun("ver_file").await;
    waiting.world.sql("VACUUM FULL t").await;
    let (ran, rule, _) = waiting.ended().await;
    assert_eq!((rule.erased, rule.gone), (20, 0), "{rule:?}");
    assert_eq!(ways(&ran), [way("Versions", false), way("Keys", true)]);
    // Those that were deleted before are not in the new file.
    let waiting = Waiting::begun("ver_moved").await;
    waiting.world.sql("DELETE FROM t WHERE id = 7").await;
    waiting.world.sql("VACUUM FULL t").await;
    let (ran, rule, world) = waiting.ended().await;
    assert_eq!((rule.erased, rule.gone), (19, 1), "{rule:?}");
    assert_eq!(ways(&ran), ROW_BY_ROW.map(|(name, exact)| way(name, exact)));
    assert_eq!(
        world.sql("SELECT string_agg(id::text, ' ') FROM t").await,
        "100"
    );
}
