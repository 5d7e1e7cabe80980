//! A person's rows are few: they are told as few, add up by commitments, and open in the region.

use std::collections::BTreeMap;

use tradewind::evidence::{Commitment, Opening, Standing, standing};

use super::world::{EMAIL, World};

#[tokio::test(flavor = "multi_thread")]
async fn a_persons_few_rows_are_told_as_few() {
    let mut world = World::shop("erw_few").await;
    world.sql("DROP TABLE items").await;
    world.spec().as_object_mut().unwrap().remove("smallCounts");
    let ran = world.run().await;
    ran.expect("Kept");
    // One row of customers, five of invoices that stay and five that go: see the story.
    let told = |name: &str| {
        let table = ran.table(name);
        [table.found, table.erased, table.kept].map(|count| count.to_string())
    };
    assert_eq!(told("customers"), ["<5", "<5", "0"]);
    assert_eq!(told("invoices"), ["10", "5", "5"]);
    assert_eq!(ran.body().suppressed.to_string(), "<5");
    assert_eq!(
        ran.report.message,
        "erased 26-29 rows; 5 kept by law, 0 held"
    );
    let customers = ran.table("customers");
    assert_eq!(
        standing(&customers.sum(), &customers.commitments),
        Standing::Committed
    );
    // Asked again it is the same to the bit.
    let again = world.run().await;
    assert_eq!(again.body().stores, ran.body().stores);
    let file = world.path("openings.jsonl");
    let opened = world
        .start("erase", &["--open", file.to_str().unwrap()])
        .finish()
        .await;
    assert_eq!((opened.code, opened.report.reason.as_str()), (0, "Opened"));
    let openings = openings(&std::fs::read_to_string(&file).unwrap());
    let values: Vec<i64> = customers
        .commitments
        .iter()
        .map(|it| openings[it])
        .collect();
    assert_eq!(values, [1, 1]);

    // Another bound is one for requests that are yet to begin.
    world.spec()["smallCounts"] = 1.into();
    let again = world.run().await;
    assert_eq!(
        (&again.body().stores, again.body().suppressed),
        (&ran.body().stores, ran.body().suppressed)
    );
}

/// What is erased again after a restore has books of its own, and opens as well.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_erased_again_opens() {
    let mut world = World::shop("erw_few_again").await;
    world.sql("DROP TABLE items").await;
    world.spec().as_object_mut().unwrap().remove("smallCounts");
    world.run().await.expect("Kept");
    world
        .sql(&format!(
            "INSERT INTO customers VALUES (7, '{EMAIL}', '', '2020-01-01')"
        ))
        .await;
    let ran = world.reapply().await;
    ran.expect("Kept");
    let customers = ran.table("customers");
    assert_eq!(customers.erased.to_string(), "<5");
    let file = world.path("openings.jsonl");
    let open = ["--reapply", "--open", file.to_str().unwrap()];
    let opened = world.start("erase", &open).finish().await;
    assert_eq!((opened.code, opened.report.reason.as_str()), (0, "Opened"));
    let openings = openings(&std::fs::read_to_string(&file).unwrap());
    let values = customers.commitments.iter().map(|it| openings[it]);
    assert_eq!(values.collect::<Vec<_>>(), [1, 1]);
}

fn openings(text: &str) -> BTreeMap<Commitment, i64> {
    let line = |line| serde_json::from_str::<Opening>(line).unwrap();
    let all = text.lines().map(line);
    all.map(|one| (one.commitment, one.value)).collect()
}
