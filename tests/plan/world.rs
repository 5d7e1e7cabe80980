//! A case: resources of an example, changed, and what is known of the clusters.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use jiff::Timestamp;
use kube::ResourceExt;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use tradewind::api::{
    CredentialsLocation, DataPolicy, DataSubjectRequest, LegalHold, Region, SocialChannel,
};
use tradewind::evidence::{Hash, Tip};
use tradewind::packs::{BUILTIN_PLATFORMS, BUILTIN_REGIMES, Packs};
use tradewind::plan::{
    ChannelFacts, FleetFacts, HoldFacts, Holdings, PolicyFacts, Reach, Reason, RegionFacts,
    RequestFacts, SecretFact, Settings, SigningFacts,
};
use tradewind::status::Recorded;

/// `given.yaml`.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct World {
    /// What the case is about, in a sentence.
    #[allow(dead_code, reason = "for the reader of the file")]
    pub(crate) about: String,
    /// The folder of `examples/` to begin with.
    pub(crate) base: String,
    pub(crate) now: Timestamp,
    /// Whether every object is shown, or only its name.
    #[serde(default)]
    pub(crate) objects: bool,
    /// The resources that are shown, `SocialChannel aurora/aurora-instagram`.
    #[serde(default)]
    pub(crate) show: Vec<String>,
    /// JSON merge patches by resource.
    #[serde(default)]
    patch: BTreeMap<String, Value>,
    /// Resources that are not there.
    #[serde(default)]
    remove: Vec<String>,
    /// Further resources.
    #[serde(default)]
    add: Vec<Value>,
    /// Clusters that do not answer; all others do.
    #[serde(default)]
    silent: BTreeMap<String, Silence>,
    /// Namespaces that are missing, by region; all others are there.
    #[serde(default)]
    no_namespace: BTreeMap<String, BTreeSet<String>>,
    /// Regions in which objects of a resource were seen though its status doesn't know.
    #[serde(default)]
    remains: BTreeMap<String, BTreeSet<String>>,
    /// Keys of the hub's Secrets, `aurora/aurora-meta`; absent: all that the platform asks for. Null: no such Secret.
    #[serde(default)]
    secrets: BTreeMap<String, Option<BTreeSet<String>>>,
    /// Secrets that cannot be read, and why.
    #[serde(default)]
    unreadable: BTreeMap<String, String>,
    /// A platform pack instead of the one that is shipped.
    #[serde(default)]
    platforms: Option<String>,
    /// Texts of the shipped regime pack with what stands there instead; each is there once.
    #[serde(default)]
    regimes: BTreeMap<String, String>,
    /// What was seen, by resource and region.
    #[serde(default)]
    pub(crate) seen: BTreeMap<String, BTreeMap<String, Look>>,
    /// What is known of the chains, by policy and region.
    #[serde(default)]
    chains: BTreeMap<String, BTreeMap<String, Told>>,
    /// Whether what is to be recorded is shown.
    #[serde(default)]
    pub(crate) evidence: bool,
    /// Where nothing else is said: everything that is planned is there and works.
    #[serde(default)]
    pub(crate) well: bool,
    #[serde(skip)]
    resources: BTreeMap<String, Value>,
}

/// What is known of a policy's evidence in a region.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Told {
    #[serde(default)]
    runs: BTreeSet<String>,
    last_run: Option<Timestamp>,
    signed_at: Option<Timestamp>,
    unsigned_since: Option<Timestamp>,
    fault: Option<u64>,
    unwritten: Option<String>,
    unsigned_because: Option<(String, String)>,
    #[serde(default)]
    unproven_by: Vec<String>,
    #[serde(default)]
    behind_by: Vec<String>,
    untrusted_key: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Silence {
    pub(crate) since: Timestamp,
    pub(crate) reason: String,
    pub(crate) message: String,
}

/// What was seen of a resource in a region.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Look {
    pub(crate) unknown: Option<Silence>,
    pub(crate) connector: Option<(i32, i32)>,
    pub(crate) waits: Option<String>,
    #[serde(default)]
    pub(crate) feeds: BTreeMap<String, Value>,
    pub(crate) run: Option<Value>,
    /// The Jobs of a hold: `{succeeded, report, waits}` by `planned` or by their names; of a Region, `again` is the one that
    /// erases again.
    #[serde(default)]
    pub(crate) jobs: BTreeMap<String, Value>,
    /// Absent: everything that is planned.
    pub(crate) inventory: Option<Vec<tradewind::api::InventoryEntry>>,
    #[serde(default)]
    pub(crate) troubles: Vec<(String, String, String)>,
}

impl World {
    pub(crate) fn read(file: &Path) -> Self {
        let text = fs::read_to_string(file).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
        let mut world: Self =
            serde_yaml::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
        world.resources = example(&world.base);
        for value in &world.add {
            world.resources.insert(key(value), value.clone());
        }
        for gone in &world.remove {
            assert!(world.resources.remove(gone).is_some(), "no {gone}");
        }
        for (of, patch) in &world.patch {
            let resource = world.resources.get_mut(of);
            let resource = resource.unwrap_or_else(|| panic!("{}: no {of}", file.display()));
            merge(resource, patch);
        }
        world
    }

    /// Whether the example stands as it is.
    pub(crate) fn is_untouched(&self) -> bool {
        self.patch.is_empty() && self.remove.is_empty() && self.add.is_empty()
    }

    /// What is known of a policy's evidence, by region; nothing where the case says nothing.
    pub(crate) fn recorded(&self, policy: &str) -> BTreeMap<String, Recorded> {
        let chains = self.chains.get(policy).into_iter().flatten();
        let of = |(region, told): (&String, &Told)| {
            let recorded = Recorded {
                zone: "Europe/Berlin".to_owned(),
                signing: "7 * * * *".to_owned(),
                runs: told.runs.clone(),
                last_run: told.last_run,
                signed_at: told.signed_at,
                unsigned_since: told.unsigned_since,
                fault: told.fault,
                unwritten: told.unwritten.clone(),
                unsigned_because: told
                    .unsigned_because
                    .clone()
                    .map(|(word, message)| Reason { word, message }),
                unproven_by: told.unproven_by.clone(),
                behind_by: told.behind_by.clone(),
                untrusted_key: told.untrusted_key.clone(),
            };
            (region.clone(), recorded)
        };
        chains.map(of).collect()
    }

    fn all<T: DeserializeOwned>(&self, kind: &str) -> BTreeMap<String, Arc<T>> {
        let of_kind = |key: &&String| key.starts_with(&format!("{kind} "));
        self.resources
            .iter()
            .filter(|(key, _)| of_kind(key))
            .map(|(key, value)| {
                let resource = serde_json::from_value(value.clone());
                let resource = resource.unwrap_or_else(|error| panic!("{key}: {error}"));
                (key.clone(), Arc::new(resource))
            })
            .collect()
    }

    pub(crate) fn channels(&self) -> BTreeMap<String, Arc<SocialChannel>> {
        self.all("SocialChannel")
    }

    pub(crate) fn policies(&self) -> BTreeMap<String, Arc<DataPolicy>> {
        self.all("DataPolicy")
    }

    pub(crate) fn holds(&self) -> BTreeMap<String, Arc<LegalHold>> {
        self.all("LegalHold")
    }

    pub(crate) fn requests(&self) -> BTreeMap<String, Arc<DataSubjectRequest>> {
        self.all("DataSubjectRequest")
    }

    pub(crate) fn regions(&self) -> BTreeMap<String, Arc<Region>> {
        self.all("Region")
    }

    pub(crate) fn packs(&self) -> Arc<Packs> {
        static BUILTIN: OnceLock<Arc<Packs>> = OnceLock::new();
        let load = |platforms: &str, regimes: &str| {
            let packs = Packs::load(platforms, regimes);
            Arc::new(packs.unwrap_or_else(|error| panic!("{error:?}")))
        };
        let builtin = || load(BUILTIN_PLATFORMS, BUILTIN_REGIMES);
        if self.platforms.is_none() && self.regimes.is_empty() {
            return BUILTIN.get_or_init(builtin).clone();
        }
        let mut regimes = BUILTIN_REGIMES.to_owned();
        for (from, to) in &self.regimes {
            assert_eq!(
                regimes.matches(from).count(),
                1,
                "{from} must be there once"
            );
            regimes = regimes.replace(from, to);
        }
        load(
            self.platforms.as_deref().unwrap_or(BUILTIN_PLATFORMS),
            &regimes,
        )
    }

    fn settings() -> Arc<Settings> {
        Arc::new(Settings {
            fleet: "aurora-fleet".into(),
            image: "ghcr.example/tradewind:0.1.0".into(),
            image_pull_policy: None,
        })
    }

    fn region_facts(&self, resource: &str) -> BTreeMap<String, RegionFacts> {
        let remains = self.remains.get(resource);
        self.regions()
            .into_values()
            .map(|region| {
                let name = region.name_any();
                let gone = self.no_namespace.get(&name);
                let mut namespaces = BTreeSet::from([region.spec.run_namespace.clone()]);
                let tenants = region.spec.tenants.iter();
                namespaces.extend(tenants.map(|tenant| tenant.namespace.clone()));
                namespaces.retain(|one| !gone.is_some_and(|gone| gone.contains(one)));
                let facts = RegionFacts {
                    reach: self.reach(&name),
                    namespaces: Some(namespaces),
                    remains: remains.is_some_and(|regions| regions.contains(&name)),
                    region,
                };
                (name, facts)
            })
            .collect()
    }

    fn reach(&self, region: &str) -> Reach {
        self.silent
            .get(region)
            .map_or(Reach::Ready, |silence| Reach::Unreachable {
                since: silence.since,
                reason: silence.reason.clone(),
                message: silence.message.clone(),
            })
    }

    fn secret(&self, channel: &SocialChannel, packs: &Packs) -> SecretFact {
        let Some(credentials) = &channel.spec.credentials_ref else {
            return SecretFact::Absent;
        };
        if credentials.location == Some(CredentialsLocation::Region) {
            return SecretFact::InRegion;
        }
        let namespace = channel.namespace().unwrap_or_default();
        let name = format!("{namespace}/{}", credentials.name);
        if let Some(why) = self.unreadable.get(&name) {
            return SecretFact::Unreadable(why.clone());
        }
        let keys = match self.secrets.get(&name) {
            Some(None) => return SecretFact::Absent,
            Some(Some(keys)) => keys.clone(),
            None => packs
                .platform(&channel.spec.platform.name)
                .into_iter()
                .flat_map(|platform| &platform.secrets)
                .map(|fact| fact.value.key.clone())
                .collect(),
        };
        let hashed = |key: String| (key.clone(), format!("hash-of-{key}"));
        SecretFact::Present(keys.into_iter().map(hashed).collect())
    }

    pub(crate) fn channel_facts(&self, key: &str, channel: &Arc<SocialChannel>) -> ChannelFacts {
        let packs = self.packs();
        let policies = self.policies().into_values();
        ChannelFacts {
            channel: channel.clone(),
            regions: self.region_facts(key),
            policies: policies.map(|policy| (policy.name_any(), policy)).collect(),
            credentials: self.secret(channel, &packs),
            // A hub that has just spoken.
            holds_seen: Some(self.now),
            packs,
            settings: Self::settings(),
        }
    }

    pub(crate) fn policy_facts(&self, key: &str, policy: &Arc<DataPolicy>) -> PolicyFacts {
        PolicyFacts {
            policy: policy.clone(),
            regions: self.region_facts(key),
            channels: self.channels().into_values().collect(),
            policies: self
                .policies()
                .into_values()
                .map(|policy| (policy.name_any(), policy))
                .collect(),
            holds: self
                .holds()
                .into_values()
                .map(|hold| (hold.name_any(), hold))
                .collect(),
            packs: self.packs(),
            settings: Self::settings(),
        }
    }

    pub(crate) fn hold_facts(&self, key: &str, hold: &Arc<LegalHold>) -> HoldFacts {
        HoldFacts {
            hold: hold.clone(),
            regions: self.region_facts(key),
            channels: self.channels().into_values().collect(),
            policies: self
                .policies()
                .into_values()
                .map(|policy| (policy.name_any(), policy))
                .collect(),
            settings: Self::settings(),
        }
    }

    pub(crate) fn request_facts(
        &self,
        key: &str,
        request: &Arc<DataSubjectRequest>,
    ) -> RequestFacts {
        let PolicyFacts {
            regions,
            channels,
            policies,
            holds,
            packs,
            settings,
            ..
        } = self.policy_facts(key, self.policies().values().next().unwrap());
        RequestFacts {
            request: request.clone(),
            regions,
            channels,
            policies,
            holds,
            requests: self.requests().into_values().collect(),
            packs,
            settings,
        }
    }

    pub(crate) fn signing_facts(&self, key: &str, region: &Arc<Region>) -> SigningFacts {
        let settings = Self::settings();
        SigningFacts {
            region: region.clone(),
            regions: self.region_facts(key),
            from: Tip::genesis(&settings.fleet, &region.name_any()),
            digests: vec![Hash([7; 32])],
            // A hub that has just spoken.
            holds_seen: Some(self.now),
            successor: None,
            witness: Vec::new(),
            in_use: false,
            policies: self
                .policies()
                .into_values()
                .map(|policy| (policy.name_any(), policy))
                .collect(),
            channels: self.channels().into_values().collect(),
            holds: self
                .holds()
                .into_values()
                .map(|hold| (hold.name_any(), hold))
                .collect(),
            packs: self.packs(),
            settings,
        }
    }

    pub(crate) fn fleet_facts(&self, key: &str, region: &Arc<Region>) -> FleetFacts {
        FleetFacts {
            region: region.clone(),
            regions: self.region_facts(key),
            channels: self.channels().into_values().collect(),
            policies: self.policies().into_values().collect(),
            holds: self.holds().into_values().collect(),
            requests: self.requests().into_values().collect(),
            holdings: Holdings::default(),
        }
    }
}

/// The resources of an example, as the API server would give them back: with a generation.
fn example(of: &str) -> BTreeMap<String, Value> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("examples")
        .join(of);
    let mut files: Vec<_> = fs::read_dir(&folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    let mut resources = BTreeMap::new();
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        for document in text.split("\n---\n") {
            let mut value: Value = serde_yaml::from_str(document)
                .unwrap_or_else(|error| panic!("{}: {error}", file.display()));
            value["metadata"]["generation"] = 1.into();
            if value["kind"] == "Region" {
                // It has been connected before: which cluster it is, is known.
                let name = value.pointer("/metadata/name").and_then(Value::as_str);
                value["status"] =
                    serde_json::json!({"clusterId": format!("uid-of-{}", name.unwrap())});
            }
            resources.insert(key(&value), value);
        }
    }
    resources
}

fn key(value: &Value) -> String {
    let text = |pointer: &str| value.pointer(pointer).and_then(Value::as_str);
    let (kind, name) = (text("/kind").unwrap(), text("/metadata/name").unwrap());
    match text("/metadata/namespace") {
        Some(namespace) => format!("{kind} {namespace}/{name}"),
        None => format!("{kind} {name}"),
    }
}

/// RFC 7396.
fn merge(into: &mut Value, patch: &Value) {
    let Value::Object(fields) = patch else {
        *into = patch.clone();
        return;
    };
    if !into.is_object() {
        *into = Value::Object(serde_json::Map::new());
    }
    for (key, value) in fields {
        if value.is_null() {
            into.as_object_mut().unwrap().remove(key);
        } else {
            merge(&mut into[key.as_str()], value);
        }
    }
}
