//! Random schemas, rules, methods, holds and kills, against a naive answer in SQL: which rows go, what the others hold,
//! and every term of the sum.

use std::io::Write as _;
use std::time::Duration;

use futures::StreamExt as _;

use super::dice::Dice;
use super::world::{World, access};
use case::Case;

#[path = "oracle/answer.rs"]
mod answer;
#[path = "oracle/case.rs"]
mod case;
#[path = "oracle/tables.rs"]
mod tables;

const CASES: u64 = 1_000;
const AT_ONCE: usize = 4;

async fn case(seed: u64, nth: u64, url: &str) {
    let mut dice = Dice::new(seed, nth);
    let case = Case::new(&format!("case_{nth}"), &mut dice);
    println!(
        "-- case {nth} of seed {seed}: {} holds\n{}",
        case.holds.len(),
        case.sql
    );
    let mut world = World::of("oracle", "oracle_retain", url);
    let grants = case.grants(&world.role, dice.percent(30));
    let (oracle, holds) = (case.oracle(), case.open_holds());
    let script = [case.sql.as_str(), &oracle, &grants, &holds].concat();
    world.sql(&script).await;
    case.task(&mut world, &mut dice);
    let expected = world.sql(&case.expected_sql()).await;
    world.set("mode", "DryRun");
    let seen = world.run().await;
    seen.expect("Previewed");
    case.check(&seen, &expected, false);
    world.set("mode", "Enforce");
    if dice.percent(40) {
        for _ in 0..=dice.roll(3) {
            let running = world.start("killed");
            tokio::time::sleep(Duration::from_millis(40 + dice.roll(250))).await;
            running.kill();
        }
        // The one that was killed may have ended its run; then this is the next.
        let ran = world.run().await;
        ran.expect("Done");
        assert_eq!(ran.report.outcome.exit_code(), 0);
    } else {
        let ran = world.run().await;
        case.check(ran.expect("Done"), &expected, true);
    }
    assert_eq!(
        world.sql(&case.there_sql()).await,
        world.sql(&case.kept_sql()).await,
        "what is left"
    );
    let books = format!(
        "SELECT coalesce(sum(l.erased), 0) - (SELECT count(*) FROM {0}.mark WHERE goes),
          (SELECT count(*) FROM tradewind.pin WHERE run IN (SELECT id FROM tradewind.run WHERE policy = '{0}'))
        FROM tradewind.run AS r JOIN tradewind.ledger AS l ON l.run = r.id WHERE r.policy = '{0}'",
        case.schema
    );
    assert_eq!(
        world.sql(&books).await,
        "0|0",
        "erased and not in the books, pins left"
    );
    world
        .sql(&format!(
            "SET client_min_messages = error; DROP SCHEMA {} CASCADE",
            case.schema
        ))
        .await;
}

#[tokio::test]
async fn random_schemas_end_as_a_naive_answer_has_it() {
    let seed = Dice::seed("ORACLE_SEED");
    let cases = std::env::var("ORACLE_CASES").map_or(CASES, |cases| cases.parse().unwrap());
    let world = World::new("oracle", "CREATE TABLE first (id int PRIMARY KEY, at date)")
        .await
        .rule("first", "at", "P1Y");
    world.run().await.expect("Done");
    world.sql("ALTER ROLE oracle_retain BYPASSRLS").await;
    let url = access().await.url_as("oracle_retain", "secret", "oracle");
    let all = futures::stream::iter((0..cases).map(|nth| case(seed, nth, &url)));
    all.buffer_unordered(AT_ONCE).collect::<Vec<()>>().await;
    writeln!(std::io::stderr(), "{cases} cases of ORACLE_SEED={seed}").unwrap();
}
