//! Few rows are told as few, by the bound that holds where nobody says another: in previews, runs, what is read back and
//! what a killed run tells; and what is not told adds up, and opens.

use std::collections::BTreeMap;
use std::time::Duration;

use tradewind::contract::RetainedRule;
use tradewind::evidence::{Commitment, Opening, Standing, standing};

use super::world::{Ran, World};

/// 600 letters, of which 100 are due, 3 of these held; 2 have no date. 40 notes, of which 2 are due.
const SQL: &str = "CREATE TABLE letters (id bigint PRIMARY KEY, at timestamptz);
    INSERT INTO letters SELECT i, CASE WHEN i <= 100 THEN now() - interval '2 years' WHEN i > 102 THEN now() END
      FROM generate_series(1, 600) AS i;
    CREATE TABLE notes (id bigint PRIMARY KEY, at timestamptz);
    INSERT INTO notes SELECT i, now() - CASE WHEN i <= 2 THEN interval '2 years' ELSE '0' END FROM generate_series(1, 40) AS i";

const HOLD: &str = r#"SELECT tradewind.open_hold('case-1', 'litigation', 'counsel', NULL,
    '[{"table": "public.letters", "column": "id", "values": ["1", "2", "3"]}]')"#;

async fn world(database: &str) -> World {
    let mut world = World::new(database, SQL)
        .await
        .rule("letters", "at", "P1Y")
        .rule("notes", "at", "P1Y");
    // As the operator writes it where the Region says nothing.
    world.task["spec"]
        .as_object_mut()
        .unwrap()
        .remove("smallCounts");
    world.set_up_books().await;
    world.sql(HOLD).await;
    world
}

fn told(rule: &RetainedRule) -> String {
    let RetainedRule {
        rows,
        due,
        erased,
        held,
        remaining,
        null_clock,
        ..
    } = rule;
    format!("{rows} due {due} erased {erased} held {held} left {remaining} clockless {null_clock}")
}

fn commitments(ran: &Ran) -> Vec<Commitment> {
    let rules = ran.body().rules.iter();
    rules.flat_map(|rule| rule.commitments.clone()).collect()
}

/// No exact number of a small term is in what leaves.
fn says_nothing_more(ran: &Ran) {
    let text = serde_json::to_string(&ran.report).unwrap();
    for wrong in [
        "\"held\":3",
        "\"erased\":97",
        "\"nullClock\":2",
        "\"due\":2",
        " 97 ",
        " 99 ",
    ] {
        assert!(!text.contains(wrong), "{wrong} in {text}");
    }
    for rule in &ran.body().rules {
        assert_eq!(
            standing(&rule.sum(), &rule.commitments),
            Standing::Committed,
            "{rule:?}"
        );
    }
}

#[tokio::test]
async fn few_rows_are_told_as_few_and_open_by_the_salts_of_the_books() {
    let mut world = world("few_told").await;
    world.set("maxPercent", 1);
    let seen = world.run().await;
    seen.expect("AwaitingApproval");
    says_nothing_more(&seen);
    assert_eq!(
        told(seen.told("letters")),
        "600 due 100 erased 0 held <5 left - clockless <5"
    );
    assert_eq!(
        told(seen.told("notes")),
        "40 due <5 erased 0 held 0 left <5 clockless 0"
    );
    // Who approves this approves what it stands for.
    world.approve(&seen);
    let ran = world.run().await;
    ran.expect("Done");
    says_nothing_more(&ran);
    assert_eq!(ran.report.message, "erased 2+ rows; 0 blocked, 0 left");
    assert_eq!(
        told(ran.told("letters")),
        "600 due 100 erased - held <5 left 0 clockless <5"
    );
    assert_eq!(
        told(ran.told("notes")),
        "40 due <5 erased <5 held 0 left 0 clockless 0"
    );
    assert_eq!(
        world
            .sql("SELECT (SELECT count(*) FROM letters), (SELECT count(*) FROM notes)")
            .await,
        "503|38"
    );
    // Read back it is the same to the bit.
    let again = world.run_with(&["--report"]).await;
    again.says_what_was_said(&ran);

    // An auditor in the region: each commitment of the run has its number, and no other salt fits.
    let file = world.dir.path().join("openings.jsonl");
    let open = ["--open", file.to_str().unwrap()];
    let opened = world.run_with(&open).await;
    assert_eq!((opened.code, opened.report.reason.as_str()), (0, "Opened"));
    let text = std::fs::read_to_string(&file).unwrap();
    let openings = text
        .lines()
        .map(|line| serde_json::from_str::<Opening>(line).unwrap());
    let openings: BTreeMap<Commitment, i64> = openings
        .inspect(|opening| assert!(opening.fits()))
        .map(|opening| (opening.commitment, opening.value))
        .collect();
    let values: Vec<i64> = commitments(&ran).iter().map(|one| openings[one]).collect();
    assert_eq!(values, [97, 3, 2, 2]);
    // What was only counted has salts that nobody kept.
    assert!(
        commitments(&seen)
            .iter()
            .all(|one| !openings.contains_key(one))
    );
    for line in text.lines() {
        let opening: serde_json::Value = serde_json::from_str(line).unwrap();
        let salt = opening["salt"].as_str().unwrap();
        assert!(!opened.log.contains(salt) && !ran.log.contains(salt));
    }
    // A file that is there is left alone.
    let twice = world.run_with(&open).await;
    assert_eq!(
        (twice.code, twice.report.reason.as_str()),
        (64, "FileUnwritable")
    );
    assert_eq!(std::fs::read_to_string(&file).unwrap(), text);

    nothing_of_the_approval_is_left(&world).await;
}

/// 97 of the 100 letters that were approved went, which was told as `-`: to whoever reads that all 100 may have gone.
async fn nothing_of_the_approval_is_left(world: &World) {
    world
        .sql("UPDATE letters SET at = now() - interval '2 years' WHERE id BETWEEN 201 AND 205")
        .await;
    let more = world.run().await;
    more.expect("AwaitingApproval");
    let why = "`letters` has more due rows than the approval still covers";
    assert!(
        more.report.message.starts_with(why),
        "{}",
        more.report.message
    );
    assert_eq!(
        told(more.told("letters")),
        "- due <10 erased 0 held <5 left - clockless <5"
    );
}

/// That a run went without an approval says nothing of how few rows it took: they count as the most that they may be.
#[tokio::test]
async fn few_rows_go_unasked_only_where_as_many_as_they_may_be_would() {
    let mut world = World::new("few_unasked", SQL)
        .await
        .rule("notes", "at", "P1Y");
    world.task["spec"]
        .as_object_mut()
        .unwrap()
        .remove("smallCounts");
    world.set("maxPercent", 5);
    // Two of 40 are 5 %, and four are not.
    let asked = world.run().await;
    asked.expect("AwaitingApproval");
    world
        .sql("INSERT INTO notes SELECT i, now() FROM generate_series(41, 80) AS i")
        .await;
    let ran = world.run().await;
    ran.expect("Done");
    assert_eq!(
        told(ran.told("notes")),
        "80 due <5 erased <5 held 0 left 0 clockless 0"
    );
}

/// Killed between two batches it tells in the end what an undisturbed run tells, and the same again each time; other
/// numbers, told on its way, have nothing in common with these.
#[tokio::test]
async fn a_killed_run_tells_the_same_as_one_that_was_left_alone() {
    let reference = world("few_reference").await;
    let expected = reference.run().await;
    let mut killed = world("few_killed").await;
    killed.set("batchRows", 10);
    killed.slow_down("letters", 0.4).await;
    let pod = killed.start("one");
    killed.wait_for_ledger(1).await;
    pod.kill();
    let early = killed.run_with(&["--report"]).await;
    killed.sql("DROP TRIGGER slow ON letters").await;
    let mut ran = killed.run().await;
    // The server holds the lock of a pod that it does not know to be dead.
    for _ in 0..100 {
        if ran.report.reason != "AnotherRunActive" {
            break;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
        ran = killed.run().await;
    }
    ran.expect("Done");
    let tell = |ran: &Ran| ran.body().rules.iter().map(told).collect::<Vec<_>>();
    assert_eq!(tell(&ran), tell(&expected));
    let last = killed.run_with(&["--report"]).await;
    assert_eq!(last.body().rules, ran.body().rules);
    for (early, last) in early.body().rules.iter().zip(&ran.body().rules) {
        let shared = |one: &Commitment| last.commitments.contains(one);
        let is_other = !early.commitments.iter().any(shared);
        assert!(told(early) == told(last) || is_other, "a salt of two sums");
    }
    // Other runs, other salts.
    let own = commitments(&ran);
    assert!(!own.is_empty() && commitments(&expected).iter().all(|one| !own.contains(one)));
}

/// Where the Region says so, every number is told; a bound that hides nothing, or what it should hide, is refused.
#[tokio::test]
async fn the_bound_is_the_regions() {
    let mut world = world("few_bound").await;
    for (bound, held) in [(1, "3"), (3, "3"), (4, "<4"), (100, "<100")] {
        world.set("mode", "DryRun");
        world.set("smallCounts", bound);
        let ran = world.run().await;
        assert_eq!(
            ran.expect("Previewed").told("letters").held.to_string(),
            held
        );
    }
    for wrong in [0, 2, 101] {
        world.set("smallCounts", wrong);
        let ran = world.run().await;
        assert_eq!(ran.code, 64);
        assert!(
            ran.report.message.contains("`smallCounts`"),
            "{}",
            ran.report.message
        );
    }
}
