//! An example's resources, planned as the operator plans them, and a kubelet's part of a pod: its volumes as files.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{ConfigMap, KeyToPath, PodSpec, Volume};
use kube::ResourceExt;
use serde_json::{Value, json};
use tradewind::api::{DataPolicy, DataSubjectRequest, LegalHold, Region, SocialChannel};
use tradewind::contract::Preview;
use tradewind::packs::{BUILTIN_PLATFORMS, BUILTIN_REGIMES, Packs};
use tradewind::plan::{
    self, ChannelFacts, HoldFacts, PolicyFacts, Reach, RegionFacts, RequestFacts, SecretFact,
    Settings,
};

use super::super::world::World;

/// The resources of a hub.
pub(super) struct Hub {
    pub(super) region: Arc<Region>,
    pub(super) policies: BTreeMap<String, Value>,
    pub(super) hold: Option<Value>,
    /// At most one.
    pub(super) channel: Option<Value>,
    pub(super) requests: BTreeMap<String, Value>,
    /// Secrets of the region, each key's text by `name/key`.
    pub(super) secrets: BTreeMap<String, String>,
}

impl Hub {
    /// A folder of `examples/`: one Region, policies, and a channel if there is one.
    pub(super) fn of(folder: &str) -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
        let (mut region, mut channel) = (None, None);
        let mut policies = BTreeMap::new();
        for file in std::fs::read_dir(root.join(folder)).unwrap() {
            let text = std::fs::read_to_string(file.unwrap().path()).unwrap();
            for document in text.split("\n---\n") {
                let mut value: Value = serde_yaml::from_str(document).unwrap();
                value["metadata"]["generation"] = json!(1);
                if value["kind"] == "Region" {
                    value["status"] = json!({"clusterId": "known"});
                    region = Some(serde_json::from_value(value).unwrap());
                } else if value["kind"] == "SocialChannel" {
                    channel = Some(value);
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
            channel,
            requests: BTreeMap::new(),
            secrets: BTreeMap::new(),
        }
    }

    /// Somebody approves what a region previewed, and has it enforced.
    pub(super) fn approve(&mut self, policy: &str, preview: &Preview) {
        let (region, hash) = (self.region.name_any(), preview.hash());
        self.previewed(policy, preview);
        let policy = self.policies.get_mut(policy).unwrap();
        policy["spec"]["mode"] = json!("Enforce");
        policy["spec"]["approvals"] =
            json!([{"region": region, "previewHash": hash, "by": "dpo@aurora.example"}]);
    }

    /// A region has previewed it, and the hub knows.
    pub(super) fn previewed(&mut self, policy: &str, preview: &Preview) {
        let (region, hash) = (self.region.name_any(), preview.hash());
        let policy = self.policies.get_mut(policy).unwrap();
        policy["status"] = json!({"regions": [{"name": region, "state": "Run", "reason": "AwaitingApproval",
            "preview": preview, "previewHash": hash}]});
    }

    /// What a policy's CronJob runs in the region, with the files of its pod; and the hash that a preview is of.
    pub(super) fn retain(&self, policy: &str, world: &World) -> (Value, String) {
        let policies = self.policies();
        let facts = PolicyFacts {
            policy: policies[policy].clone(),
            regions: self.regions(),
            channels: self.channels(),
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
        let task = self.pod(&made.config_map, pod, world.dir.path());
        (task, made.permit.spec_hash.clone())
    }

    /// What the hold's Job runs in the region.
    pub(super) fn open_or_release(&self, world: &World) -> Value {
        let holds = self.holds();
        let facts = HoldFacts {
            hold: holds.values().next().unwrap().clone(),
            regions: self.regions(),
            channels: self.channels(),
            policies: BTreeMap::new(),
            settings: settings(),
        };
        let plan = plan::legal_hold(&facts, Timestamp::now());
        let made = plan.regions[&self.region.name_any()].workloads().unwrap();
        let pod = made.job.spec.as_ref().unwrap().template.spec.as_ref();
        self.pod(&made.config_map, pod.unwrap(), world.dir.path())
    }

    /// What a request's Job runs in the region, if it has one now; and the Job's name.
    pub(super) fn erase(&self, name: &str, world: &World) -> Option<(String, Value)> {
        let plan = plan::subject_request(&self.request_facts(name), Timestamp::now());
        let made = plan.regions[&self.region.name_any()].workloads()?;
        let pod = made.job.spec.as_ref().unwrap().template.spec.as_ref();
        let task = self.pod(&made.config_map, pod.unwrap(), world.dir.path());
        Some((made.job.name_any(), task))
    }

    /// What the channel's connector runs in the region, with the files of its pod below a folder.
    pub(super) fn connect(&self, folder: &Path) -> Value {
        let channel = self.channels().remove(0);
        let facts = ChannelFacts {
            channel,
            regions: self.regions(),
            policies: self.policies(),
            credentials: SecretFact::Present(BTreeMap::from([(
                "signing_secret".to_owned(),
                "its hash".to_owned(),
            )])),
            holds_seen: Some(Timestamp::now()),
            packs: packs(),
            settings: settings(),
        };
        let plan = plan::channel(&facts, Timestamp::now());
        let made = plan.regions[&self.region.name_any()].workloads();
        let made = made.unwrap_or_else(|| panic!("nothing runs: {:?}", plan.findings));
        let made = made.connector.as_ref().unwrap();
        let pod = &made.deployment.spec.as_ref().unwrap().template.spec;
        self.pod(&made.config_map, pod.as_ref().unwrap(), folder)
    }

    /// All that is known of a request.
    pub(super) fn request_facts(&self, name: &str) -> RequestFacts {
        let requests = self.requests.iter().map(|(name, request)| {
            let request: DataSubjectRequest = serde_json::from_value(request.clone()).unwrap();
            (name.clone(), Arc::new(request))
        });
        let requests: BTreeMap<_, _> = requests.collect();
        RequestFacts {
            request: requests[name].clone(),
            regions: self.regions(),
            channels: self.channels(),
            policies: self.policies(),
            holds: self.holds(),
            requests: requests.into_values().collect(),
            packs: packs(),
            settings: settings(),
        }
    }

    fn policies(&self) -> BTreeMap<String, Arc<DataPolicy>> {
        let policies = self.policies.iter().map(|(name, policy)| {
            let policy: DataPolicy = serde_json::from_value(policy.clone()).unwrap();
            (name.clone(), Arc::new(policy))
        });
        policies.collect()
    }

    fn channels(&self) -> Vec<Arc<SocialChannel>> {
        let channels = self.channel.iter();
        let channel = |channel: &Value| serde_json::from_value(channel.clone()).unwrap();
        channels.map(|one| Arc::new(channel(one))).collect()
    }

    fn regions(&self) -> BTreeMap<String, RegionFacts> {
        let spec = &self.region.spec;
        let tenants = spec.tenants.iter().map(|tenant| tenant.namespace.clone());
        let mut namespaces: BTreeSet<String> = tenants.collect();
        namespaces.insert(spec.run_namespace.clone());
        let facts = RegionFacts {
            region: self.region.clone(),
            reach: Reach::Ready,
            namespaces: Some(namespaces),
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
    fn pod(&self, map: &ConfigMap, pod: &PodSpec, folder: &Path) -> Value {
        let root = folder.join("pod");
        let inside = |path: &str| root.join(path.trim_start_matches('/'));
        let mounts = pod.containers[0].volume_mounts.iter().flatten();
        let volumes = pod.volumes.as_ref().unwrap();
        for mount in mounts {
            let volume = volumes.iter().find(|volume| volume.name == mount.name);
            let volume = volume.expect("a volume for each mount");
            let place = inside(&mount.mount_path);
            std::fs::create_dir_all(&place).unwrap();
            for (secret, items, optional) in secrets(volume) {
                for item in items {
                    let name = format!("{secret}/{}", item.key);
                    match self.secrets.get(&name) {
                        Some(text) => std::fs::write(place.join(&item.path), text).unwrap(),
                        None => assert!(optional, "a pod waits for {name}"),
                    }
                }
            }
            let Some(of) = &volume.config_map else {
                continue;
            };
            // The hub's word that it knows of all holds.
            if of.name.ends_with("-holds") {
                std::fs::write(place.join("seen-at"), Timestamp::now().to_string()).unwrap();
            }
            for item in of.items.iter().flatten() {
                let text = &map.data.as_ref().unwrap()[&item.key];
                std::fs::write(place.join(&item.path), text).unwrap();
            }
        }
        let mut text = map.data.as_ref().unwrap()["task.json"].clone();
        let here = root.to_str().unwrap();
        for top in ["/var/run/", "/etc/tradewind/"] {
            text = text.replace(&format!("\"{top}"), &format!("\"{here}{top}"));
        }
        serde_json::from_str(&text).unwrap()
    }
}

/// The Secrets of a volume with their keys, and whether it does without.
fn secrets(volume: &Volume) -> Vec<(&str, &[KeyToPath], bool)> {
    let own = volume.secret.iter().map(|secret| {
        let items = secret.items.as_deref().unwrap_or_default();
        let name = secret.secret_name.as_deref().unwrap();
        (name, items, secret.optional == Some(true))
    });
    let sources = volume.projected.iter().flat_map(|all| &all.sources);
    let projected = sources.flatten().map(|source| {
        let secret = source.secret.as_ref().expect("a Secret in the volume");
        let items = secret.items.as_deref().unwrap_or_default();
        (secret.name.as_str(), items, secret.optional == Some(true))
    });
    own.chain(projected).collect()
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
