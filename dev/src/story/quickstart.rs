//! The quickstart's own steps: its Secrets, its manifests with this machine's addresses, and what a user does next.

use std::{
    collections::BTreeMap,
    path::Path,
    time::{Duration, SystemTime},
};

use serde_json::{Value, json};

use super::{
    Error, Result,
    install::{self, RUNS, TENANT},
    peers::Info,
    settle,
};
use crate::choice::Machinery;
use crate::fleet::{Cluster, Fleet, HUB};

/// The channels of the quickstart.
pub const CHANNELS: [&str; 2] = ["aurora-instagram", "aurora-partner"];
/// The policies of the quickstart, with the region that each is for.
pub const POLICIES: [(&str, &str); 2] = [("eu-customers", "eu-west"), ("us-customers", "us-east")];

/// Makes every Secret that the quickstart's resources name: the platform's on the hub, all others in the regions.
pub async fn secrets(fleet: &Fleet, info: &Info) -> Result<()> {
    let hub = fleet.cluster(HUB)?;
    for (name, data) in &info.platform_secrets {
        let data: Vec<(&str, &str)> = data.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        install::apply(&hub, &install::secret(TENANT, name, &data)).await?;
    }
    for region in fleet.clusters().filter(|cluster| cluster.name() != HUB) {
        let Some(databases) = info.databases.get(region.name()) else {
            continue;
        };
        let store = &info.object_store;
        let manifests = [
            install::secret(RUNS, "aurora-orders-db", &[("url", &databases.orders)]),
            install::secret(RUNS, "suppression-db", &[("url", &databases.suppression)]),
            install::secret(TENANT, "aurora-inbox-db", &[("url", &databases.inbox)]),
            install::secret(TENANT, "erp-hook", &[("secret", &info.sink_secret)]),
            install::secret(
                TENANT,
                "aurora-feeds",
                &[
                    ("accessKeyId", &store.access_key),
                    ("secretAccessKey", &store.secret_key),
                    ("endpoint", &store.url),
                    ("region", "us-east-1"),
                ],
            ),
            install::secret(TENANT, "aurora-shop", &[("token", &info.merchant_token)]),
        ];
        // JSON in YAML: what begins with a brace is JSON to kubectl, and older ones take no second document of it.
        let manifests = manifests.map(|secret| format!("---\n{secret}\n"));
        install::apply(&region, &manifests.concat()).await?;
    }
    Ok(())
}

/// The manifests of `examples/quickstart/`, with the example's addresses replaced by those of this machine.
pub fn manifests(checkout: &Path, info: &Info) -> Result<String> {
    let mut all = String::new();
    for file in install::read_folder(&checkout.join("examples/quickstart"))? {
        all += "---\n";
        all += &install::read(&file)?;
    }
    for (example, local) in [
        ("https://erp.aurora.example/hooks", &info.sink),
        ("https://shop.aurora.example/catalogue.json", &info.merchant),
    ] {
        if !all.contains(example) {
            return Err(Error::Example {
                missing: example.to_owned(),
            });
        }
        all = all.replace(example, local);
    }
    Ok(all)
}

/// The same, with each region's API server: no proxy runs in clusters of our own, so that pods reach it nowhere else.
pub fn with_api_servers(manifests: String, fleet: &Fleet) -> Result<String> {
    if matches!(fleet.machinery(), Machinery::Existing(_)) {
        return Ok(manifests);
    }
    let mut all = manifests;
    for region in fleet.clusters().filter(|cluster| cluster.name() != HUB) {
        let example = format!(
            "kubeconfigSecretRef: {{name: {}-kubeconfig}}\n",
            region.name()
        );
        if !all.contains(&example) {
            return Err(Error::Example { missing: example });
        }
        let own = format!(
            "{example}  evidence: {{apiServer: \"{}\"}}\n",
            region.server()
        );
        all = all.replace(&example, &own);
    }
    Ok(all)
}

/// Waits until every Region, DataPolicy and SocialChannel is ready, and each Region takes requests.
pub async fn ready(fleet: &Fleet, limit: Duration) -> Result<()> {
    let hub = fleet.cluster(HUB)?;
    for region in fleet.clusters().filter(|cluster| cluster.name() != HUB) {
        settle::condition_true(&hub, ("region", None, region.name()), "Ready", limit).await?;
        takes_requests(&hub, region.name(), limit).await?;
    }
    for (policy, _) in POLICIES {
        settle::condition_true(&hub, ("datapolicy", None, policy), "Ready", limit).await?;
    }
    for channel in CHANNELS {
        settle::condition_true(
            &hub,
            ("socialchannel", Some(TENANT), channel),
            "Ready",
            limit,
        )
        .await?;
    }
    Ok(())
}

/// Waits until a Region tells the key that who a person is is encrypted to.
async fn takes_requests(hub: &Cluster, region: &str, limit: Duration) -> Result<()> {
    settle::until(&format!("the key of {region}"), limit, || async {
        let object = settle::get(hub, "region", None, region).await?;
        let told = object.unwrap_or_default()["status"]["requests"].take();
        Ok(if told["recipient"].is_string() {
            Ok(())
        } else {
            Err(told.to_string())
        })
    })
    .await
}

/// Asks for a run of a resource's feeds or retention in every region, under this request's name.
pub async fn run_as(
    hub: &Cluster,
    (kind, namespace, name): (&str, Option<&str>, &str),
    asked: &str,
) -> Result<()> {
    let annotation = format!("tradewind.dev/run-at={asked}");
    let mut args = vec!["annotate", "--overwrite", kind, name, &annotation];
    if let Some(namespace) = namespace {
        args.extend(["-n", namespace]);
    }
    hub.kubectl(&args).await?;
    Ok(())
}

/// A request's name that was never used before.
#[must_use]
pub fn fresh_request() -> String {
    let since = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    since.as_nanos().to_string()
}

/// Asks for a retention run and waits until each region of the policy has reported it.
pub async fn retention_run(hub: &Cluster, policy: &str, limit: Duration) -> Result<Value> {
    retention_run_as(hub, policy, &fresh_request(), limit).await
}

/// The same under a request's name.
pub async fn retention_run_as(
    hub: &Cluster,
    policy: &str,
    asked: &str,
    limit: Duration,
) -> Result<Value> {
    run_as(hub, ("datapolicy", None, policy), asked).await?;
    settle::until(&format!("retention run of {policy}"), limit, || async {
        let Some(object) = settle::get(hub, "datapolicy", None, policy).await? else {
            return Ok(Err("the policy is not there".into()));
        };
        let regions = object
            .pointer("/status/regions")
            .and_then(Value::as_array)
            .cloned()
            .unwrap_or_default();
        let waiting: Vec<String> = regions
            .iter()
            .filter(|region| region["state"] == "Run")
            .filter(|region| {
                region["lastHandledRunAt"] != asked
                    || region
                        .pointer("/lastRun/phase")
                        .is_none_or(|phase| phase == "Running")
                    || !region
                        .pointer("/lastRun/job")
                        .and_then(Value::as_str)
                        .is_some_and(|job| job_is_of(job, policy, asked))
            })
            .map(|region| format!("{}: {}", region["name"], region["lastRun"]))
            .collect();
        Ok(if regions.is_empty() {
            Err("no region in status".into())
        } else if waiting.is_empty() {
            Ok(object)
        } else {
            Err(waiting.join("; "))
        })
    })
    .await
}

/// The run's Job is named after the CronJob and the request, so that asking twice makes one Job.
fn job_is_of(job: &str, policy: &str, asked: &str) -> bool {
    use sha2::{Digest, Sha256};
    let cron_job = format!("{policy}-retention");
    let mut hash = Sha256::new();
    for part in [cron_job.as_str(), asked] {
        hash.update(part.as_bytes());
        hash.update([0]);
    }
    job.strip_prefix(&format!("{cron_job}-"))
        .is_some_and(|suffix| hex::encode(hash.finalize()).starts_with(suffix))
}

/// The previews that a policy's regions show: region and hash.
#[must_use]
pub fn previews(policy: &Value) -> BTreeMap<String, String> {
    let regions = policy.pointer("/status/regions").and_then(Value::as_array);
    regions
        .into_iter()
        .flatten()
        .filter_map(|region| {
            Some((
                region["name"].as_str()?.to_owned(),
                region["previewHash"].as_str()?.to_owned(),
            ))
        })
        .collect()
}

/// Approves previews and switches the policy to `Enforce`, as a compliance officer does: in the name that the hub knows
/// whoever asks by.
pub async fn approve(
    hub: &Cluster,
    policy: &str,
    previews: &BTreeMap<String, String>,
) -> Result<()> {
    let who = [
        "auth",
        "whoami",
        "-o",
        "jsonpath={.status.userInfo.username}",
    ];
    let by = hub.kubectl(&who).await?;
    let approvals: Vec<Value> = previews
        .iter()
        .map(|(region, hash)| json!({"region": region, "previewHash": hash, "by": by.trim()}))
        .collect();
    let patch = json!({"spec": {"mode": "Enforce", "approvals": approvals}}).to_string();
    hub.kubectl(&["patch", "datapolicy", policy, "--type=merge", "-p", &patch])
        .await?;
    Ok(())
}

/// Pod addresses of a channel's connector in a region, as an ingress controller finds them: from its EndpointSlices.
pub async fn connector_addresses(region: &Cluster, channel: &str) -> Result<Vec<String>> {
    let selector = format!("kubernetes.io/service-name={channel}-connector");
    let text = region
        .kubectl(&[
            "get",
            "endpointslices",
            "-n",
            TENANT,
            "-l",
            &selector,
            "-o",
            "json",
        ])
        .await?;
    let slices: Value = serde_json::from_str(&text).map_err(|source| Error::Answer {
        what: format!("endpoint slices of {channel}"),
        source,
    })?;
    let mut found = Vec::new();
    for slice in slices["items"].as_array().into_iter().flatten() {
        let port = slice
            .pointer("/ports/0/port")
            .and_then(Value::as_u64)
            .unwrap_or_default();
        for endpoint in slice["endpoints"].as_array().into_iter().flatten() {
            let ready = endpoint
                .pointer("/conditions/ready")
                .and_then(Value::as_bool)
                .unwrap_or(false);
            for address in endpoint["addresses"]
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(Value::as_str)
            {
                if ready {
                    found.push(format!("{address}:{port}"));
                }
            }
        }
    }
    Ok(found)
}
