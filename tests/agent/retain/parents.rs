//! Children before parents; a child without a due rule of its own is never deleted.

use super::world::World;

#[tokio::test]
pub(crate) async fn parents_wait_for_children_of_every_kind() {
    let world = World::new(
        "par_kinds",
        "CREATE TABLE parent (a int, b text, at date NOT NULL, PRIMARY KEY (a, b), UNIQUE (b, a));
        INSERT INTO parent SELECT i, 'k' || i, date '2000-01-01' FROM generate_series(1, 100) AS i;
        -- ruled, due and not due; two columns, in another order
        CREATE TABLE ruled (id int PRIMARY KEY, pb text, pa int, at timestamp, FOREIGN KEY (pb, pa) REFERENCES parent (b, a));
        INSERT INTO ruled SELECT i, 'k' || i, i, '2000-01-01' FROM generate_series(1, 20) AS i;
        INSERT INTO ruled SELECT i, 'k' || i, i, now() FROM generate_series(21, 25) AS i;
        INSERT INTO ruled VALUES (26, 'k26', 26, NULL), (27, 'k27', NULL, '2000-01-01');
        -- with rules and not due, and with actions that would change it silently
        CREATE TABLE cascades (id int PRIMARY KEY, pa int, pb text, at date DEFAULT now(), FOREIGN KEY (pa, pb) REFERENCES parent ON DELETE CASCADE);
        INSERT INTO cascades VALUES (1, 31, 'k31'), (2, 32, 'k32'), (3, 33, NULL);
        CREATE TABLE nulls (id int PRIMARY KEY, pa int, pb text, at date, FOREIGN KEY (pa, pb) REFERENCES parent ON DELETE SET NULL);
        INSERT INTO nulls VALUES (1, 41, 'k41');
        -- without a rule
        CREATE TABLE deferred (id int PRIMARY KEY, pa int, pb text,
          FOREIGN KEY (pa, pb) REFERENCES parent DEFERRABLE INITIALLY DEFERRED);
        INSERT INTO deferred VALUES (1, 51, 'k51')",
    )
    .await
    .rule("parent", "at", "P1Y")
    .rule("ruled", "at", "P1Y")
    .rule("cascades", "at", "P1Y")
    .rule("nulls", "at", "P1Y");
    let untouched = ["cascades", "nulls", "deferred"];
    let before = world.dump(&untouched).await;
    let ran = world.run().await;
    ran.expect("Done");
    let (parent, ruled) = (ran.rule("parent").clone(), ran.rule("ruled").clone());
    assert_eq!(
        (ruled.due, ruled.erased, ruled.null_clock),
        (21, 21, 1),
        "{ruled:?}"
    );
    assert_eq!(
        (parent.due, parent.erased, parent.blocked),
        (100, 90, 10),
        "{parent:?}"
    );
    assert_eq!(world.dump(&untouched).await, before);
    assert_eq!(
        world
            .sql("SELECT string_agg(a::text, ' ' ORDER BY a) FROM parent")
            .await,
        "21 22 23 24 25 26 31 32 41 51"
    );
}

#[tokio::test]
async fn a_family_tree_goes_leaf_by_leaf_and_a_kept_leaf_keeps_its_ancestors() {
    let world = World::new(
        "par_tree",
        "CREATE TABLE reply (id int PRIMARY KEY, parent int REFERENCES reply, at timestamptz NOT NULL);
        -- ten threads of five, each reply to the one before; one in thread 7 is young
        INSERT INTO reply SELECT t * 10 + i, CASE WHEN i > 0 THEN t * 10 + i - 1 END,
          CASE WHEN t = 7 AND i = 3 THEN now() ELSE timestamptz '2020-01-01' + (t * 10 + 5 - i) * interval '1 hour' END
        FROM generate_series(0, 9) AS t, generate_series(0, 4) AS i;
        INSERT INTO reply VALUES (200, 200, '2020-01-01') -- refers to itself",
    )
    .await
    .rule("reply", "at", "P1Y");
    let forecast = {
        let mut dry = world;
        dry.set("mode", "DryRun");
        let seen = dry.run().await;
        let rule = seen.expect("Previewed").rule("reply").clone();
        dry.set("mode", "Enforce");
        (dry, rule)
    };
    let (world, seen) = forecast;
    let ran = world.run().await;
    let rule = ran.expect("Done").rule("reply").clone();
    assert_eq!(
        (rule.due, rule.erased, rule.blocked),
        (50, 47, 3),
        "{rule:?}"
    );
    assert_eq!(
        (seen.blocked, seen.remaining),
        (rule.blocked, rule.erased),
        "the forecast"
    );
    assert_eq!(
        world
            .sql("SELECT string_agg(id::text, ' ' ORDER BY id) FROM reply")
            .await,
        "70 71 72 73"
    );
}

#[tokio::test]
async fn three_generations_are_forecast_as_they_go() {
    let mut world = World::new(
        "par_three",
        "CREATE TABLE a (id int PRIMARY KEY, at date); CREATE TABLE b (id int PRIMARY KEY, a int REFERENCES a, at date);
        CREATE TABLE c (id int PRIMARY KEY, b int REFERENCES b, at date); CREATE TABLE loose (b int REFERENCES b);
        INSERT INTO a SELECT i, '2000-01-01' FROM generate_series(1, 100) AS i;
        INSERT INTO b SELECT i, i, '2000-01-01' FROM generate_series(1, 60) AS i;
        INSERT INTO c SELECT i, i, CASE WHEN i <= 10 THEN current_date ELSE date '2000-01-01' END FROM generate_series(1, 40) AS i;
        INSERT INTO loose VALUES (50), (NULL)",
    )
    .await
    .rule("a", "at", "P1Y")
    .rule("b", "at", "P1Y")
    .rule("c", "at", "P1Y");
    world.set("mode", "DryRun");
    let seen = world.run().await;
    seen.expect("Previewed");
    world.set("mode", "Enforce");
    let ran = world.run().await;
    ran.expect("Done");
    for (rule, erased, blocked) in [("a", 89, 11), ("b", 49, 11), ("c", 30, 0)] {
        let (seen, ran) = (seen.rule(rule), ran.rule(rule));
        assert_eq!((ran.erased, ran.blocked), (erased, blocked), "{ran:?}");
        assert_eq!(
            (seen.remaining, seen.blocked),
            (erased, blocked),
            "{seen:?}"
        );
    }
}

/// The window in which a cascade could reach a row that nobody saw: a child arrives between the batch's look
/// and its delete. The batch must give way, not take the child along.
#[tokio::test]
async fn a_child_that_arrives_during_the_batch_is_never_cascaded_away() {
    let mut world = World::new(
        "par_race",
        "CREATE TABLE parent (id int PRIMARY KEY, at date);
        CREATE TABLE child (id serial PRIMARY KEY, p int REFERENCES parent ON DELETE CASCADE, at date DEFAULT now());
        INSERT INTO parent SELECT i, '2000-01-01' FROM generate_series(1, 50) AS i;
        CREATE FUNCTION pause() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(3); RETURN NULL; END $$;
        CREATE TRIGGER pause BEFORE DELETE ON parent FOR EACH STATEMENT EXECUTE FUNCTION pause()",
    )
    .await
    .rule("parent", "at", "P1Y")
    .rule("child", "at", "P1Y");
    world.set("batchRows", 100);
    let running = world.start("one");
    // The statement's snapshot is taken before the trigger sleeps.
    let asleep = "SELECT count(*) FROM pg_stat_activity WHERE datname = 'par_race' AND wait_event = 'PgSleep'";
    while world.sql(asleep).await == "0" {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    world.sql("INSERT INTO child (p) VALUES (7), (8)").await;
    let ran = running.finish().await;
    let rule = ran.expect("Done").rule("parent").clone();
    assert_eq!(
        (rule.erased, rule.blocked),
        (48, 2),
        "{rule:?}\n{}",
        ran.log
    );
    assert_eq!(world.sql("SELECT count(*) FROM child").await, "2");
}

#[tokio::test]
pub(crate) async fn partitions_and_their_references_are_seen() {
    let world = World::new(
        "par_parts",
        "CREATE TABLE log (id int, at date NOT NULL, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
        CREATE TABLE log_old PARTITION OF log FOR VALUES FROM ('2000-01-01') TO ('2010-01-01');
        CREATE TABLE log_new PARTITION OF log FOR VALUES FROM ('2010-01-01') TO ('2099-01-01');
        INSERT INTO log SELECT i, date '2005-01-01' + i * 50 FROM generate_series(0, 99) AS i;
        CREATE TABLE note (id int PRIMARY KEY, log int, at date, FOREIGN KEY (log, at) REFERENCES log);
        INSERT INTO note SELECT 1, id, at FROM log WHERE id = 3;
        CREATE TABLE old_note (id int PRIMARY KEY, log int, at date, FOREIGN KEY (log, at) REFERENCES log_old);
        INSERT INTO old_note SELECT 1, id, at FROM log WHERE id = 5",
    )
    .await
    .rule("log", "at", "P10Y");
    let ran = world.run().await;
    let rule = ran.expect("Done").rule("log").clone();
    assert_eq!(rule.blocked, 2, "{rule:?}");
    assert_eq!(rule.erased, rule.due - 2);
    assert_eq!(
        world
            .sql("SELECT string_agg(id::text, ' ' ORDER BY id) FROM log WHERE at < '2016-01-01'")
            .await,
        "3 5"
    );
}
