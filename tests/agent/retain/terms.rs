//! A run in which no term of the sum is nothing.

use super::restrict;
use super::world::{Exact, Ran, World, access};

/// Events by age, oldest first: ten that an invoice refers to, which has no rule; twenty to be held; 400 that the database
/// refuses to delete; fifty that somebody else deletes as soon as the first batch has gone, and then fifteen come with an old
/// date. Letters are hidden. So many refusals end the rule before it has come to the youngest.
const SHOP: &str = "CREATE TABLE events (id int PRIMARY KEY, at timestamptz);
    INSERT INTO events SELECT i, timestamptz '2000-01-01' + i * interval '1 minute' FROM generate_series(1, 3000) AS i;
    CREATE TABLE invoice (id int PRIMARY KEY, event int REFERENCES events); CREATE INDEX ON invoice (event);
    INSERT INTO invoice SELECT i, i FROM generate_series(1, 10) AS i;
    CREATE TABLE letters (id int PRIMARY KEY, at date); INSERT INTO letters SELECT i, '2000-01-01' FROM generate_series(1, 100) AS i;
    CREATE FUNCTION guard() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
      IF OLD.id BETWEEN 1501 AND 1900 THEN RAISE EXCEPTION 'no'; END IF; RETURN OLD; END $$;
    CREATE TRIGGER guard BEFORE DELETE ON events FOR EACH ROW EXECUTE FUNCTION guard();
    CREATE FUNCTION meanwhile() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN
      IF pg_trigger_depth() = 1 AND NOT EXISTS (SELECT FROM public.events WHERE id = 5001) THEN
        INSERT INTO public.events SELECT i, '2001-01-01' FROM generate_series(5001, 5015) AS i ON CONFLICT DO NOTHING;
        DELETE FROM public.events WHERE id BETWEEN 2901 AND 2950;
      END IF; RETURN NULL; END $$;
    CREATE TRIGGER meanwhile AFTER DELETE ON events FOR EACH STATEMENT EXECUTE FUNCTION meanwhile()";

async fn shop(database: &str) -> World {
    let app = format!("{database}_app");
    access().await.create_role(&app, "secret").await.unwrap();
    let sql = format!("{SHOP}; ALTER TABLE letters OWNER TO {app}");
    let world = World::new(database, &sql).await;
    let mut world = world
        .rule("events", "at", "P1Y")
        .rule("letters", "at", "P1Y");
    world.set("batchRows", 200);
    world.task["spec"]["rules"][1]["method"] = "Restrict".into();
    let ran = world.run().await;
    ran.expect("RestrictionUnprepared");
    world.sql(&restrict::said(&ran)).await;
    world.set_up_books().await;
    let hold = "SELECT tradewind.open_hold('one', 'case 7', 'ann', NULL, jsonb_build_array(
        jsonb_build_object('table', 'public.events', 'column', 'id', 'values', (SELECT jsonb_agg(i) FROM generate_series(11, 30) AS i)),
        jsonb_build_object('table', 'public.letters', 'column', 'id', 'values', jsonb_build_array(1, 2, 3))))";
    world.sql(hold).await;
    world
}

/// Every term is what the tables say, and none is nothing.
async fn add_up(world: &World, ran: &Ran) -> Exact {
    let rule = ran.expect("RowsFailed").rule("events").clone();
    let terms = (rule.due, rule.held, rule.blocked, rule.gone, rule.late);
    assert_eq!(terms, (3000, 20, 10, 50, 15), "{rule:?}");
    let left = world
        .sql("SELECT count(*) FROM events WHERE id <= 3000")
        .await;
    let left: i64 = left.parse().unwrap();
    assert!(rule.failed > 0 && rule.remaining > 0, "{rule:?}");
    assert_eq!(rule.failed + rule.remaining, left - 20 - 10, "{rule:?}");
    assert_eq!(rule.erased, 3000 - 50 - left, "{rule:?}");
    let erased = "SELECT sum(erased) FROM tradewind.ledger WHERE rule = 'events'";
    assert_eq!(world.sql(erased).await, rule.erased.to_string());
    let letters = ran.rule("letters");
    assert_eq!(
        (letters.due, letters.restricted, letters.held),
        (100, 97, 3)
    );
    let read = world.run_with(&["--report"]).await;
    read.expect("RowsFailed").says_what_was_said(ran);
    rule
}

#[tokio::test]
async fn no_term_is_nothing_and_all_add_up() {
    let world = shop("terms_whole").await;
    let rule = add_up(&world, &world.run().await).await;
    assert_eq!(rule.failed, 100, "as many as end a rule");
}

#[tokio::test]
pub(crate) async fn no_term_is_nothing_and_all_add_up_over_kills() {
    let world = shop("terms_killed").await;
    world.slow_down("events", 0.2).await;
    // Twice: a third process could be the one that is refused too often.
    for _ in 0..2 {
        let before = world.ledger_rows().await;
        let mut running = world.start("one");
        while world.ledger_rows().await < before + 2 && running.is_running() {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        running.kill();
        world.alone().await;
    }
    // Each process counts anew how much is refused.
    let rule = add_up(&world, &world.run().await).await;
    assert!((100..400).contains(&rule.failed), "{rule:?}");
}
