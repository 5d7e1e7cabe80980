//! From YAML to objects, once; and then silence.

use std::time::Duration;

use serde_json::{Value, json};

use crate::given::{self, REGIONS, RUNS, TENANT};
use crate::world::{condition, entry, with_operator};

#[test]
fn everything_is_made_once_and_then_nothing_is_written_or_read() {
    with_operator(|mut world| async move {
        let begun = world.mark();
        world.converged().await;

        for region in REGIONS {
            let in_region = |r: &&crate::audit::Request| r.cluster == region;
            let writes = begun.writes();
            // The task of what signs grows with the chain, and the list of holds gets older.
            let (tasks, children): (Vec<_>, Vec<_>) = writes
                .iter()
                .filter(in_region)
                .partition(|r| r.is_task_of_signing());
            assert!((1..40).contains(&tasks.len()), "{tasks:#?}");
            let wanted = given::children(region);
            let lists = wanted.iter().filter(|child| child.ends_with("-holds"));
            assert_eq!(
                children.len(),
                wanted.len() - 1 - lists.count(),
                "one write per child: {children:#?}"
            );
            assert!(
                children.iter().all(|r| r.code == 201 && r.verb == "patch"),
                "{children:#?}"
            );
        }
        let instagram = world.channel("instagram").await;
        assert_eq!(condition(&instagram, "Accepted").0, "True", "{instagram:#}");
        assert_eq!(condition(&instagram, "ReferencesResolved").0, "True");
        assert_eq!(condition(&instagram, "PolicyCovered").0, "True");
        assert_eq!(entry(&instagram, "eu-west")["state"], "Run");
        assert_eq!(
            instagram["status"]["observedGeneration"],
            instagram["metadata"]["generation"]
        );
        assert_eq!(world.region("eu-west").await["status"]["channels"], 2);

        let kinds = "regions.tradewind.dev,socialchannels.tradewind.dev,datapolicies.tradewind.dev";
        let (hub, args) = (world.hub(), ["get", kinds, "-A", "-o", "json"]);
        let all: Value = serde_json::from_str(&hub.kubectl(&args).await.unwrap()).unwrap();
        for object in all["items"].as_array().unwrap() {
            let generation = &object["metadata"]["generation"];
            assert_eq!(*generation, 1, "somebody wrote the spec: {object:#}");
        }

        let copy = world
            .get(
                &world.cluster("eu-west"),
                "secret",
                TENANT,
                "instagram-credentials",
            )
            .await
            .unwrap();
        let keys: Vec<&String> = copy["data"].as_object().unwrap().keys().collect();
        assert_eq!(
            keys,
            ["app_secret", "verify_token"],
            "only the platform's keys are copied"
        );
        assert!(
            !world.log().contains("0123456789abcdef"),
            "a secret is in the log"
        );

        let mark = world.mark();
        tokio::time::sleep(Duration::from_secs(12)).await;
        assert_eq!(mark.writes(), [], "a converged fleet costs no write");
        assert_eq!(mark.reads(), [], "a converged fleet costs no read");

        let mark = world.mark();
        world.stop().await;
        world.start().await;
        world.quiet().await;
        tokio::time::sleep(Duration::from_secs(5)).await;
        assert_eq!(mark.writes(), [], "a restart costs no write");
    });
}

#[test]
fn what_is_changed_reverted_and_removed_is_followed() {
    with_operator(|world| async move {
        world.converged().await;
        let before = world.objects("eu-west").await;

        let mut more = given::instagram();
        more["spec"]["connector"]["replicas"] = json!({"min": 5});
        let feeds = more["spec"]["feeds"].as_array_mut().unwrap();
        feeds.push(given::feed("extra", "Delta"));
        feeds.retain(|f| f["name"] != "full");
        world.apply(&[more]).await;
        let mut wanted = given::children("eu-west");
        wanted.retain(|c| !c.contains("feed-full"));
        wanted.extend(
            ["configmaps", "cronjobs.batch"].map(|k| format!("{k} {TENANT}/instagram-feed-extra")),
        );
        wanted.sort();
        world.until_children("eu-west", &wanted).await;
        world.quiet().await;
        let replicas = |objects: &std::collections::BTreeMap<String, Value>| {
            objects["deployments.apps aurora/instagram-connector"]["spec"]["replicas"].clone()
        };
        assert_eq!(replicas(&world.objects("eu-west").await), 5);

        world.apply(&[given::instagram()]).await;
        world.until_converged().await;
        let after = world.objects("eu-west").await;
        // The task of what signs grows with the chain, and the list of holds gets older.
        let evidence = format!("configmaps {RUNS}/tradewind-evidence");
        let changes = |name: &str| name == evidence || name.ends_with("-holds");
        for (name, object) in before.iter().filter(|(name, _)| !changes(name)) {
            assert_eq!(after[name]["spec"], object["spec"], "{name} is as it was");
            assert_eq!(after[name]["data"], object["data"], "{name} is as it was");
            assert_eq!(
                after[name]["metadata"]["labels"], object["metadata"]["labels"],
                "{name}"
            );
        }
    });
}

#[test]
fn rotated_credentials_are_copied_and_roll_the_pods() {
    with_operator(|world| async move {
        world.converged().await;
        let hash = async || {
            let objects = world.objects("us-east").await;
            let template =
                &objects["deployments.apps aurora/instagram-connector"]["spec"]["template"];
            template["metadata"]["annotations"]["tradewind.dev/config-hash"]
                .as_str()
                .unwrap()
                .to_owned()
        };
        let before = hash().await;
        let mut rotated = given::credentials();
        rotated["stringData"]["app_secret"] = json!("fedcba9876543210fedcba9876543210");
        world.apply(&[rotated]).await;
        world
            .until("the pods are rolled", async || {
                if hash().await == before {
                    Err("the old hash".into())
                } else {
                    Ok(())
                }
            })
            .await;
        let copy = world
            .get(
                &world.cluster("us-east"),
                "secret",
                TENANT,
                "instagram-credentials",
            )
            .await
            .unwrap();
        assert_eq!(
            copy["data"]["app_secret"],
            "ZmVkY2JhOTg3NjU0MzIxMGZlZGNiYTk4NzY1NDMyMTA="
        );

        let without = r#"[{"op": "remove", "path": "/data/verify_token"}]"#;
        let patch = [
            "patch",
            "secret",
            "aurora-meta",
            "-n",
            TENANT,
            "--type=json",
            "-p",
            without,
        ];
        world.hub().kubectl(&patch).await.unwrap();
        world
            .until("the missing key is said", async || {
                let said = condition(&world.channel("instagram").await, "ReferencesResolved");
                if said.0 == "False" && said.2.contains("verify_token") {
                    Ok(())
                } else {
                    Err(format!("{said:?}"))
                }
            })
            .await;
        world
            .until_children("us-east", &given::children("us-east"))
            .await;
    });
}

#[test]
fn a_run_is_started_once_and_acknowledged() {
    with_operator(|world| async move {
        world.converged().await;
        let mark = world.mark();
        let annotate = [
            "annotate",
            "socialchannel",
            "-n",
            TENANT,
            "instagram",
            "tradewind.dev/run-at=first",
        ];
        world.hub().kubectl(&annotate).await.unwrap();
        world
            .until("both regions acknowledge the run", async || {
                let channel = world.channel("instagram").await;
                let all = REGIONS
                    .iter()
                    .all(|r| entry(&channel, r)["lastHandledRunAt"] == "first");
                if all {
                    Ok(())
                } else {
                    Err(channel["status"]["regions"].to_string())
                }
            })
            .await;
        world.quiet().await;
        let writes = mark.writes();
        let jobs: Vec<_> = writes.iter().filter(|r| r.resource == "jobs").collect();
        assert_eq!(jobs.len(), 4, "two feeds in two regions: {jobs:#?}");
        let objects = world.objects("eu-west").await;
        let jobs: Vec<_> = objects
            .iter()
            .filter(|(name, _)| name.starts_with("jobs"))
            .collect();
        assert_eq!(jobs.len(), 2);
        for (name, job) in jobs {
            assert_eq!(
                job["metadata"]["ownerReferences"][0]["kind"], "CronJob",
                "{name} goes with its CronJob"
            );
        }
    });
}
