//! What cannot be recorded is not taken away: it is stopped, says why, and holds up no other region.

use crate::deletion::delete;
use crate::given::{REGIONS, RUNS};
use crate::world::{condition, with_operator};

#[test]
fn a_deletion_waits_for_its_record_and_says_so() {
    with_operator(|world| async move {
        world.converged().await;
        let policy = format!("{}-customers", REGIONS[0]);
        let job = format!("{policy}-retention");
        world
            .take_rights("hub", "evidencerecords", &["create"])
            .await;
        delete(&world, "datapolicy", &policy).await;
        world
            .until("the deletion says what it waits for", async || {
                let hub = world.hub();
                let policy = world.get(&hub, "datapolicy", "", &policy).await;
                let policy = policy.ok_or("it is gone")?;
                let (status, reason, message) = condition(&policy, "Deleting");
                if status == "True" && message.contains("is recorded before anything is taken away")
                {
                    Ok(())
                } else {
                    Err(format!("{status} {reason} {message}"))
                }
            })
            .await;
        let region = world.cluster(REGIONS[0]);
        let there = world.get(&region, "cronjob", RUNS, &job).await;
        let there = there.expect("nothing was taken away");
        assert_eq!(there["spec"]["suspend"], true, "it is stopped");
        world.give_rights().await;
        // Nobody tells the operator that it may: a person does.
        let look = [
            "annotate",
            "--overwrite",
            "datapolicy",
            &policy,
            "tradewind.dev/reconcile-at=now",
        ];
        // Unless something else woke it before: then it may be gone by now.
        let _ = world.hub().kubectl(&look).await;
        world
            .until("the policy and what it had are gone", async || {
                let hub = world.hub();
                let told = world.get(&hub, "datapolicy", "", &policy).await;
                let left = world.get(&region, "cronjob", RUNS, &job).await;
                match (told, left) {
                    (None, None) => Ok(()),
                    (told, left) => Err(format!("{} {}", told.is_some(), left.is_some())),
                }
            })
            .await;
    });
}
