//! An example's resources, planned as the operator plans them, and a kubelet's part of a pod: its volumes as files.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{ConfigMap, PodSpec};
use kube::ResourceExt;
use serde_json::{Value, json};
use tradewind::api::{DataPolicy, LegalHold, Region};
use tradewind::contract::Preview;
use tradewind::packs::{BUILTIN_PLATFORMS, BUILTIN_REGIMES, Packs};
use tradewind::plan::{self, HoldFacts, PolicyFacts, Reach, RegionFacts, Settings};

use super::super::world::World;

/// The resources of a hub.
pub(super) struct Hub {
    pub(super) region: Arc<Region>,
    pub(super) policies: BTreeMap<String, Value>,
    pub(super) hold: Option<Value>,
    /// Secrets of the region, each key's text by `name/key`.
    pub(super) secrets: BTreeMap<String, String>,
}

impl Hub {
    /// A folder of `examples/`: one Region, and policies.
    pub(super) fn of(folder: &str) -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
        let mut region = None;
        let mut policies = BTreeMap::new();
        for file in std::fs::read_dir(root.join(folder)).unwrap() {
            let text = std::fs::read_to_string(file.unwrap().path()).unwrap();
            for document in text.split("\n---\n") {
                let mut value: Value = serde_yaml::from_str(document).unwrap();
                value["metadata"]["generation"] = json!(1);
                if value["kind"] == "Region" {
                    value["status"] = json!({"clusterId": "known"});
                    region = Some(serde_json::from_value(value).unwrap());
                } else {
                    assert_eq!(value["kind"], "DataPolicy");
                    let name = value["metadata"]["name"].as_str().unwrap().to_owned();
                    policies.insert(name, value);
                }
            }
        }
        Self {
            region: Arc::new(region.unwrap()),
            policies,
            hold: None,
            secrets: BTreeMap::new(),
        }
    }

    /// Somebody approves what a region previewed, and has it enforced.
    pub(super) fn approve(&mut self, policy: &str, preview: &Preview) {
        let (region, hash) = (self.region.name_any(), preview.hash());
        let policy = self.policies.get_mut(policy).unwrap();
        policy["spec"]["mode"] = json!("Enforce");
        policy["spec"]["approvals"] =
            json!([{"region": &region, "previewHash": &hash, "by": "dpo@aurora.example"}]);
        policy["status"] = json!({"regions": [{"name": &region, "state": "Run", "reason": "AwaitingApproval",
            "preview": preview, "previewHash": &hash}]});
    }

    /// What a policy's CronJob runs in the region, with the files of its pod; and the hash that a preview is of.
    pub(super) fn retain(&self, policy: &str, world: &World) -> (Value, String) {
        let policies = self.policies.iter().map(|(name, policy)| {
            let policy: DataPolicy = serde_json::from_value(policy.clone()).unwrap();
            (name.clone(), Arc::new(policy))
        });
        let policies: BTreeMap<_, _> = policies.collect();
        let facts = PolicyFacts {
            policy: policies[policy].clone(),
            regions: self.regions(),
            channels: Vec::new(),
            holds: self.holds(),
            packs: packs(),
            settings: settings(),
            policies,
        };
        let plan = plan::policy(&facts, Timestamp::now());
        let region = self.region.name_any();
        let made = plan.regions[&region].workloads();
        let made = made.unwrap_or_else(|| panic!("nothing runs: {:?}", plan.findings));
        let job = made.cron_job.spec.as_ref().unwrap();
        let pod = job.job_template.spec.as_ref().unwrap();
        let pod = pod.template.spec.as_ref().unwrap();
        let task = self.pod(&made.config_map, pod, world);
        (task, made.permit.spec_hash.clone())
    }

    /// What the hold's Job runs in the region.
    pub(super) fn open_or_release(&self, world: &World) -> Value {
        let holds = self.holds();
        let facts = HoldFacts {
            hold: holds.values().next().unwrap().clone(),
            regions: self.regions(),
            channels: Vec::new(),
            policies: BTreeMap::new(),
            settings: settings(),
        };
        let plan = plan::legal_hold(&facts, Timestamp::now());
        let made = plan.regions[&self.region.name_any()].workloads().unwrap();
        let pod = made.job.spec.as_ref().unwrap().template.spec.as_ref();
        self.pod(&made.config_map, pod.unwrap(), world)
    }

    fn regions(&self) -> BTreeMap<String, RegionFacts> {
        let facts = RegionFacts {
            region: self.region.clone(),
            reach: Reach::Ready,
            namespaces: Some(BTreeSet::from([self.region.spec.run_namespace.clone()])),
            remains: false,
        };
        BTreeMap::from([(self.region.name_any(), facts)])
    }

    fn holds(&self) -> BTreeMap<String, Arc<LegalHold>> {
        let holds = self.hold.iter().map(|hold| {
            let hold: LegalHold = serde_json::from_value(hold.clone()).unwrap();
            (hold.name_any(), Arc::new(hold))
        });
        holds.collect()
    }

    /// The task as the pod reads it: each of its paths stands for a file that a volume really has.
    fn pod(&self, map: &ConfigMap, pod: &PodSpec, world: &World) -> Value {
        let root = world.dir.path().join("pod");
        let inside = |path: &str| root.join(path.trim_start_matches('/'));
        let mounts = pod.containers[0].volume_mounts.iter().flatten();
        let volumes = pod.volumes.as_ref().unwrap();
        for mount in mounts {
            let volume = volumes.iter().find(|volume| volume.name == mount.name);
            let volume = volume.expect("a volume for each mount");
            let place = inside(&mount.mount_path);
            std::fs::create_dir_all(&place).unwrap();
            if let Some(secret) = &volume.secret {
                for item in secret.items.iter().flatten() {
                    let name = format!("{}/{}", secret.secret_name.as_ref().unwrap(), item.key);
                    let text = &self.secrets[&name];
                    std::fs::write(place.join(&item.path), text).unwrap();
                }
            }
            // The hub's word that it knows of all holds.
            let map = volume.config_map.as_ref();
            if map.is_some_and(|map| map.name == "tradewind-holds") {
                std::fs::write(place.join("seen-at"), Timestamp::now().to_string()).unwrap();
            }
        }
        let text = &map.data.as_ref().unwrap()["task.json"];
        let here = root.to_str().unwrap();
        let text = text.replace("\"/var/run/", &format!("\"{here}/var/run/"));
        serde_json::from_str(&text).unwrap()
    }
}

fn packs() -> Arc<Packs> {
    Arc::new(Packs::load(BUILTIN_PLATFORMS, BUILTIN_REGIMES).unwrap())
}

fn settings() -> Arc<Settings> {
    Arc::new(Settings {
        fleet: "aurora-fleet".into(),
        image: "ghcr.example/tradewind:0.1.0".into(),
        image_pull_policy: None,
    })
}
