//! Reports that were lost: of each Job the books tell what it did, however many came after it.

use super::world::{Ran, World};

const OLD: &str = "INSERT INTO t SELECT i, date '2000-01-01' FROM generate_series";

async fn world(database: &str) -> World {
    let sql = "CREATE TABLE t (id int PRIMARY KEY, at date)";
    World::new(database, sql).await.rule("t", "at", "P1Y")
}

/// A run of 600 rows whose pod was killed in its midst.
async fn killed(database: &str, flags: &[&str]) -> World {
    let mut world = world(database).await;
    world.sql(&format!("{OLD} (1, 600) AS i")).await;
    world.set("batchRows", 200);
    world.slow_down("t", 0.4).await;
    let running = world.start_with("killed", flags);
    world.wait_for_ledger(1).await;
    running.kill();
    world
}

async fn read_back(world: &World, job: &str) -> Ran {
    world.run_with(&["--report", "--run-of", job]).await
}

async fn take_over(world: &World, job: &str) -> Ran {
    let flags = ["--report", "--run-of", job, "--take-over"];
    world.run_with(&flags).await
}

fn told(ran: &Ran) -> (String, i64, i64) {
    let rule = ran.rule("t");
    (ran.body().run.clone(), rule.due, rule.erased)
}

#[tokio::test]
async fn every_job_whose_report_was_lost_is_read_back() {
    let world = world("lost_in_a_row").await;
    let mut said = Vec::new();
    for (job, rows) in [("night-1", "(1, 10)"), ("night-2", "(11, 13)")] {
        world.sql(&format!("{OLD} {rows} AS i")).await;
        said.push(world.run_with(&["--job", job]).await);
    }
    assert_eq!(
        (told(&said[0]).2, told(&said[1]).2),
        (10, 3),
        "each what was due then"
    );

    // Nobody has read either: both are told, each as its own.
    for (job, was) in ["night-1", "night-2"].iter().zip(&said) {
        let read = read_back(&world, job).await;
        read.expect("Done");
        assert_eq!(told(&read), told(was));
        assert!(read.body().ended_at.is_some());
    }
    let last = world.run_with(&["--report"]).await;
    assert_eq!(told(&last), told(&said[1]), "without a name, the last");
    let none = read_back(&world, "night-3").await;
    none.expect("NoRun");
    assert!(none.report.message.contains("no run is Job night-3's"));

    // A Job's second pod repeats what the first said, and begins nothing: the first one's word may be lost.
    world.sql(&format!("{OLD} (14, 17) AS i")).await;
    let again = world.run_with(&["--job", "night-2"]).await;
    assert_eq!(told(&again), told(&said[1]));
    assert_eq!(world.sql("SELECT count(*) FROM t").await, "4");

    // Books of before name no Job: of them the last is told.
    world.sql("ALTER TABLE tradewind.run DROP COLUMN job").await;
    let read = read_back(&world, "night-1").await;
    assert_eq!(told(read.expect("Done")), told(&said[1]));
}

#[tokio::test]
async fn a_run_that_another_job_went_on_with_is_told_by_that_one_alone() {
    let world = killed("lost_then_gone_on", &["--job", "night-1"]).await;
    let early = read_back(&world, "night-1").await;
    early.expect("Unfinished");
    assert!(early.body().ended_at.is_none());

    let ran = world.run_with(&["--job", "night-2"]).await;
    ran.expect("Done");
    assert_eq!((told(&ran).0, told(&ran).2), (told(&early).0, 600));
    read_back(&world, "night-1").await.expect("NoRun");
    let read = read_back(&world, "night-2").await;
    assert_eq!(told(read.expect("Done")), told(&ran));
}

/// As the hub asks of a pod whose node is lost: it may work on, out of everybody's sight.
#[tokio::test]
async fn a_pod_that_nobody_ends_commits_nothing_once_its_run_was_taken_over() {
    let mut world = world("lost_with_its_node").await;
    world.sql(&format!("{OLD} (1, 600) AS i")).await;
    world.set("batchRows", 10);
    world.slow_down("t", 0.15).await;
    let away = world.start_with("away", &["--job", "night-1"]);
    world.wait_for_ledger(1).await;
    // Whoever has the lock may be a pod of this one that has begun nothing yet.
    let early = take_over(&world, "night-2").await;
    assert_eq!(early.expect("AnotherRunActive").code, 75);
    let taken = take_over(&world, "night-1").await;
    let (_, due, erased) = told(taken.expect("Unfinished"));
    assert!(due == 600 && 0 < erased && erased < 600, "{due} {erased}");

    assert_eq!(away.finish().await.expect("AnotherRunActive").code, 75);
    let left = (600 - erased).to_string();
    assert_eq!(world.sql("SELECT count(*) FROM t").await, left);
    let read = read_back(&world, "night-1").await;
    assert_eq!(told(&read), told(&taken));
    take_over(&world, "night-2").await.expect("NoRun");

    // The next run goes on with it; one that has ended is told as it ended.
    world.set("batchRows", 1000);
    let ran = world.run_with(&["--job", "night-3"]).await;
    assert_eq!(told(ran.expect("Done")), (told(&taken).0, 600, 600));
    let read = take_over(&world, "night-3").await;
    assert_eq!(told(read.expect("Done")), told(&ran));
}

/// Its rows are of nobody's rule any more, and there are so many that to write so takes longer than a batch may: it ends all the
/// same, and does not meet each later run in the same way.
#[tokio::test]
async fn a_run_with_very_many_pins_ends_when_its_table_has_changed() {
    let world = killed("lost_and_changed", &[]).await;
    let change = "DROP TRIGGER slow ON t; ALTER TABLE t DROP CONSTRAINT t_pkey; ALTER TABLE t ADD no int GENERATED ALWAYS AS (id) STORED PRIMARY KEY;
        CREATE FUNCTION many() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(5.3); RETURN NULL; END $$;
        CREATE TRIGGER many AFTER UPDATE OR DELETE ON tradewind.pin FOR EACH STATEMENT EXECUTE FUNCTION many()";
    world.sql(change).await;
    let ran = world.run().await;
    assert_eq!(ran.expect("SchemaDrift").code, 64);
    let state = "SELECT reason, (SELECT count(*) FROM tradewind.pin), (SELECT sum(erased) + sum(remaining) FROM tradewind.ledger)
        FROM tradewind.run";
    assert_eq!(world.sql(state).await, "SchemaDrift|0|600");
}

/// Its policy went in its midst, say: the keys of what it was to erase do not stand there for as long as the store does.
#[tokio::test]
async fn a_run_that_nobody_goes_on_with_is_ended_by_that_of_another_policy() {
    let world = killed("lost_and_forsaken", &[]).await;
    let state = async |days: i64| {
        let over = "UPDATE tradewind.run SET policy = 'gone', window_ends = now() - interval";
        let which = "WHERE policy = 'gone' OR ended_at IS NULL";
        world.sql(&format!("{over} '{days} days' {which}")).await;
        world.run().await.expect("Done");
        let told = "SELECT reason, token, (SELECT count(*) > 0 FROM tradewind.pin), (SELECT sum(erased) + sum(remaining)
            FROM tradewind.ledger AS l WHERE l.run = r.id) FROM tradewind.run AS r WHERE policy = 'gone'";
        world.sql(told).await
    };
    let early = state(6).await;
    assert!(
        early.starts_with("|1|t|"),
        "it may be gone on with: {early}"
    );
    assert_eq!(state(8).await, "WindowElapsed|2|f|600");
}
