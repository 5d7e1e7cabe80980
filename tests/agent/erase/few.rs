//! A person's rows are few: they are told as few, add up by commitments, and open in the region.

use std::collections::BTreeMap;

use tradewind::evidence::{Commitment, Opening, Standing, standing};

use super::world::World;

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
    let text = std::fs::read_to_string(&file).unwrap();
    let openings = text
        .lines()
        .map(|line| serde_json::from_str::<Opening>(line).unwrap());
    let openings: BTreeMap<Commitment, i64> =
        openings.map(|one| (one.commitment, one.value)).collect();
    let values: Vec<i64> = customers
        .commitments
        .iter()
        .map(|it| openings[it])
        .collect();
    assert_eq!(values, [1, 1]);
}
