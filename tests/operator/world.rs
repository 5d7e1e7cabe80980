//! The fleet, the operator, and what a test does with them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tradewind_dev::fleet::{Cluster, Fleet, HUB};
use tradewind_dev::process::Daemon;
use tradewind_dev::story::programs::{Operator, OperatorSpec, launch_operator};
use tradewind_dev::story::{install, settle};

use crate::audit::Mark;
use crate::fleets::Turn;
use crate::given::{self, REGIONS, RUNS, TENANT};

/// Kinds of children, as `kubectl` calls them.
pub(crate) const KINDS: [&str; 9] = [
    "configmaps",
    "cronjobs.batch",
    "deployments.apps",
    "ingresses.networking.k8s.io",
    "jobs.batch",
    "poddisruptionbudgets.policy",
    "secrets",
    "serviceaccounts",
    "services",
];

/// Our own kinds, Regions last.
const CUSTOM: &str = "datasubjectrequests.tradewind.dev,socialchannels.tradewind.dev,datapolicies.tradewind.dev,legalholds.tradewind.dev,regions.tradewind.dev";

/// A machine that does other things too may be slow; a world that stands still is seen earlier.
pub(crate) const PATIENCE: Duration = Duration::from_mins(10);

/// Runs a test in a world in which nothing of Tradewind's is left, with an operator, and cleans up after it.
pub(crate) fn with_operator<F: Future<Output = ()>>(test: impl FnOnce(World) -> F) {
    Turn::take().run(async |fleet: &'static Fleet| {
        let mut world = World {
            fleet,
            operator: None,
        };
        for cluster in fleet.clusters() {
            // A test that failed may have left it frozen.
            let _ = cluster.thaw();
        }
        world.start().await;
        world.clean().await;
        let handle = World {
            fleet: world.fleet,
            operator: world.operator.take(),
        };
        test(handle).await;
        let mut after = World {
            fleet,
            operator: None,
        };
        after.end().await;
    });
}

pub(crate) struct World {
    fleet: &'static Fleet,
    operator: Option<Operator>,
}

impl World {
    pub(crate) fn hub(&self) -> Cluster {
        self.fleet.cluster(HUB).unwrap()
    }

    /// The file by which the operator reaches the hub.
    pub(crate) fn hub_kubeconfig(&self) -> String {
        let file = self.fleet.dir().join(install::HUB_KUBECONFIG);
        file.to_str().unwrap().to_owned()
    }

    pub(crate) fn cluster(&self, region: &str) -> Cluster {
        self.fleet.cluster(region).unwrap()
    }

    fn spec(more: &[&str]) -> OperatorSpec {
        let mut spec = OperatorSpec {
            name: "operator".to_owned(),
            program: PathBuf::from(env!("CARGO_BIN_EXE_tradewind")),
            image: "tradewind:test".to_owned(),
            args: [
                // Short, so that a successor need not wait long, and no shorter: a hub that stalls for some seconds on a
                // busy machine is no reason for this process to end.
                "--lease-duration=8s",
                "--lease-renew-deadline=6s",
                "--lease-retry-period=500ms",
            ]
            .map(str::to_owned)
            .to_vec(),
        };
        spec.args.extend(more.iter().map(|arg| (*arg).to_owned()));
        spec
    }

    /// Starts the operator and waits until it is ready.
    pub(crate) async fn start(&mut self) {
        self.launch(&[]).await;
        self.until_ready().await;
    }

    /// Waits until the operator is ready and leads: one that waits for the lease of a killed one is ready as well, and so
    /// quiet that nothing seems left to do.
    pub(crate) async fn until_ready(&self) {
        self.until("the operator is ready and leads", async || {
            let ready = self.asks("/readyz").await.map_err(|e| e.to_string())?;
            if !ready.starts_with("HTTP/1.0 200") {
                return Err(ready);
            }
            let metrics = self.asks("/metrics").await.map_err(|e| e.to_string())?;
            let leads = metrics.lines().any(|line| line == "tradewind_leader 1");
            leads.then_some(()).ok_or_else(|| "not leading".to_owned())
        })
        .await;
    }

    /// Starts the operator without waiting for anything.
    pub(crate) async fn launch(&mut self, args: &[&str]) {
        self.operator = None;
        // One that a failed test left.
        self.daemon().stop(Duration::from_secs(25)).await.unwrap();
        self.operator = Some(launch_operator(self.fleet, &Self::spec(args)).unwrap());
    }

    fn daemon(&self) -> Daemon {
        Daemon::named("operator", self.fleet.dir())
    }

    /// Asks it to stop, as Kubernetes would, and sees that it gives its lease back.
    pub(crate) async fn stop(&mut self) {
        assert!(self.is_running(), "it ended before it was asked to");
        self.end().await;
        let hub = self.hub();
        let lease = self.get(&hub, "lease", install::SYSTEM, "tradewind");
        let holder = lease.await.unwrap()["spec"]["holderIdentity"].clone();
        assert!(
            holder.as_str().unwrap_or_default().is_empty(),
            "the lease is still held: {holder}"
        );
    }

    /// Ends it in the act.
    pub(crate) async fn kill(&mut self) {
        self.operator = None;
        self.daemon().stop(Duration::ZERO).await.unwrap();
    }

    /// Asks it to stop if it runs, and sees that it does by itself, in time and without an error.
    pub(crate) async fn end(&mut self) {
        self.operator = None;
        let daemon = self.daemon();
        if daemon.identity().is_none() {
            return;
        }
        // Then it is killed, which is seen below.
        daemon.stop(Duration::from_secs(15)).await.unwrap();
        let ended = self
            .until("how the operator ended", async || {
                daemon.ended().ok_or_else(|| "unknown".to_owned())
            })
            .await;
        assert_eq!(ended, "exit status: 0", "{}", daemon.tail());
    }

    /// Whether the operator runs.
    pub(crate) fn is_running(&self) -> bool {
        self.operator
            .as_ref()
            .is_some_and(|o| o.daemon.identity().is_some())
    }

    /// What the operator logged.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.daemon().log_path()).unwrap_or_default()
    }

    /// What the operator answers at a path.
    pub(crate) async fn asks(&self, path: &str) -> std::io::Result<String> {
        let address = &self.operator.as_ref().unwrap().address;
        let mut stream = tokio::net::TcpStream::connect(address).await?;
        let request = format!("GET {path} HTTP/1.0\r\nHost: operator\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        Ok(answer)
    }

    pub(crate) fn mark(&self) -> Mark {
        let clusters = self.fleet.clusters();
        let logs: Vec<_> = clusters
            .map(|c| (c.name().to_owned(), c.audit_log()))
            .collect();
        Mark::now(&logs)
    }

    /// Applies on the hub as a platform engineer.
    pub(crate) async fn apply(&self, objects: &[Value]) {
        for object in objects {
            install::apply(&self.hub(), &object.to_string())
                .await
                .unwrap();
        }
    }

    /// Takes everything away, with an operator that runs, and waits until nothing is left anywhere.
    pub(crate) async fn clean(&self) {
        self.give_rights().await;
        for region in REGIONS {
            self.give_kubeconfig(region).await;
        }
        let kinds = CUSTOM;
        let all = [
            "delete",
            kinds,
            "--all",
            "-A",
            "--wait=false",
            "--ignore-not-found",
        ];
        self.hub().kubectl(&all).await.unwrap();
        self.hub()
            .kubectl(&[
                "delete",
                "secret",
                "aurora-meta",
                "-n",
                TENANT,
                "--ignore-not-found",
            ])
            .await
            .unwrap();
        self.until("everything is gone", async || {
            let left = self.left().await;
            if left.is_empty() {
                Ok(())
            } else {
                self.end_read_backs().await;
                Err(left.join(", "))
            }
        })
        .await;
    }

    /// Ends what reads ledgers back, as if its pods had refused: no node of this fleet starts one, and a policy that goes
    /// waits for what they tell.
    pub(crate) async fn end_read_backs(&self) {
        for region in REGIONS {
            let cluster = self.cluster(region);
            let pods = ["get", "pods", "-n", RUNS, "-o", "json"];
            let list: Value = serde_json::from_str(&cluster.kubectl(&pods).await.unwrap()).unwrap();
            for pod in list["items"].as_array().unwrap() {
                let job = pod["metadata"]["labels"]["job-name"].as_str();
                let reads = job.is_some_and(|job| job.ends_with("-read-back"));
                if !reads || pod["status"]["phase"] != "Pending" {
                    continue;
                }
                let now = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ");
                let now = now.to_string();
                let status = serde_json::json!({"status": {
                    "phase": "Failed", "startTime": now,
                    "containerStatuses": [{
                        "name": "agent", "image": "i", "imageID": "i", "ready": false, "restartCount": 0,
                        "state": {"terminated": {"exitCode": 64, "startedAt": now, "finishedAt": now}},
                    }],
                }});
                let (pod, status) = (
                    pod["metadata"]["name"].as_str().unwrap(),
                    status.to_string(),
                );
                let subresource = ["--subresource=status", "--type=merge", "-p", &status];
                let patch = [["patch", "pod", pod, "-n", RUNS].as_slice(), &subresource].concat();
                // It may be gone by now.
                let _ = cluster.kubectl(&patch).await;
            }
        }
    }

    /// What of Tradewind's is left anywhere.
    pub(crate) async fn left(&self) -> Vec<String> {
        let mut left = Vec::new();
        let kinds = CUSTOM;
        let names = self
            .hub()
            .kubectl(&["get", kinds, "-A", "-o", "name"])
            .await
            .unwrap();
        left.extend(names.lines().map(str::to_owned));
        for region in REGIONS {
            let children = self.children(region).await;
            left.extend(
                children
                    .into_iter()
                    .map(|child| format!("{region}: {child}")),
            );
        }
        left
    }

    /// Children of any kind in a region, as `kind namespace/name`.
    pub(crate) async fn children(&self, region: &str) -> Vec<String> {
        self.objects(region).await.into_keys().collect()
    }

    /// Children in a region by `kind namespace/name`.
    pub(crate) async fn objects(&self, region: &str) -> BTreeMap<String, Value> {
        let cluster = self.cluster(region);
        let mut all = BTreeMap::new();
        for namespace in [TENANT, RUNS] {
            let kinds = KINDS.join(",");
            let label = "app.kubernetes.io/managed-by=tradewind";
            let args = ["get", &kinds, "-n", namespace, "-l", label, "-o", "json"];
            let list: Value = serde_json::from_str(&cluster.kubectl(&args).await.unwrap()).unwrap();
            for object in list["items"].as_array().unwrap() {
                all.insert(name_of(object), object.clone());
            }
        }
        all
    }

    pub(crate) async fn get(
        &self,
        cluster: &Cluster,
        kind: &str,
        namespace: &str,
        name: &str,
    ) -> Option<Value> {
        let mut args = vec!["get", kind, name, "-o", "json", "--ignore-not-found"];
        if !namespace.is_empty() {
            args.extend(["-n", namespace]);
        }
        let text = cluster.kubectl(&args).await.unwrap();
        (!text.trim().is_empty()).then(|| serde_json::from_str(&text).unwrap())
    }

    pub(crate) async fn channel(&self, name: &str) -> Value {
        self.get(&self.hub(), "socialchannels.tradewind.dev", TENANT, name)
            .await
            .unwrap_or_default()
    }

    pub(crate) async fn region(&self, name: &str) -> Value {
        self.get(&self.hub(), "regions.tradewind.dev", "", name)
            .await
            .unwrap_or_default()
    }

    /// A fresh kubeconfig for the operator's ServiceAccount in a region, in its Secret on the hub.
    pub(crate) async fn give_kubeconfig(&self, region: &str) {
        let account = (install::SYSTEM, install::ACCOUNT);
        let kubeconfig = self
            .cluster(region)
            .service_account_kubeconfig(account.0, account.1)
            .await
            .unwrap();
        self.put_kubeconfig(region, &kubeconfig).await;
    }

    /// The operator's rights on the hub, as the chart has them.
    pub(crate) async fn give_rights(&self) {
        let checkout = Path::new(env!("CARGO_MANIFEST_DIR"));
        let rights = install::hub_rights(checkout, &[TENANT]).unwrap();
        install::apply(&self.hub(), &rights).await.unwrap();
    }

    /// Takes verbs (none: all) on a resource from one of the chart's roles on the hub.
    pub(crate) async fn take_rights(&self, rules: &str, resource: &str, verbs: &[&str]) {
        let name = format!("tradewind-{rules}");
        let mut role = self
            .get(&self.hub(), "clusterrole", "", &name)
            .await
            .unwrap();
        for rule in role["rules"].as_array_mut().unwrap() {
            if rule["resources"][0] == resource {
                let taken =
                    |verb: &Value| verbs.is_empty() || verbs.contains(&verb.as_str().unwrap());
                rule["verbs"]
                    .as_array_mut()
                    .unwrap()
                    .retain(|verb| !taken(verb));
            }
        }
        role["rules"]
            .as_array_mut()
            .unwrap()
            .retain(|rule| rule["verbs"] != serde_json::json!([]));
        let patch = serde_json::json!({"rules": role["rules"]}).to_string();
        let args = ["patch", "clusterrole", &name, "--type=merge", "-p", &patch];
        self.hub().kubectl(&args).await.unwrap();
    }

    pub(crate) async fn put_kubeconfig(&self, region: &str, kubeconfig: &str) {
        let name = install::kubeconfig_secret(region);
        let secret = install::secret(install::SYSTEM, &name, &[("value", kubeconfig)]);
        install::apply(&self.hub(), &secret).await.unwrap();
    }

    /// Waits until the check finds what it looks for; its `Err` says what is missing.
    pub(crate) async fn until<T>(
        &self,
        what: &str,
        check: impl AsyncFn() -> Result<T, String>,
    ) -> T {
        let begun = Instant::now();
        loop {
            match check().await {
                Ok(found) => return found,
                Err(missing) if begun.elapsed() > PATIENCE => {
                    let log = self.log();
                    let lines: Vec<&str> = log.lines().collect();
                    let tail = lines[lines.len().saturating_sub(15)..].join("\n");
                    panic!("{what}: still {missing}\nthe operator's log ends with:\n{tail}");
                }
                Err(_) => tokio::time::sleep(settle::pause(begun.elapsed())).await,
            }
        }
    }

    /// Waits until a region has exactly these children, and none is on its way out.
    pub(crate) async fn until_children(&self, region: &str, wanted: &[String]) {
        self.until(&format!("the children in {region}"), async || {
            let there = self.children(region).await;
            if there == wanted {
                return Ok(());
            }
            let missing: Vec<_> = wanted.iter().filter(|w| !there.contains(w)).collect();
            let spare: Vec<_> = there.iter().filter(|t| !wanted.contains(t)).collect();
            Err(format!("missing {missing:?}, spare {spare:?}"))
        })
        .await;
    }

    /// Applies everything and waits until it is there and said.
    pub(crate) async fn converged(&self) {
        self.apply(&given::all()).await;
        self.until_converged().await;
    }

    pub(crate) async fn until_converged(&self) {
        for region in REGIONS {
            self.until_children(region, &given::children(region)).await;
        }
        self.quiet().await;
    }

    /// Waits until the operator has written nothing for some seconds.
    pub(crate) async fn quiet(&self) {
        let begun = Instant::now();
        loop {
            let mark = self.mark();
            tokio::time::sleep(Duration::from_secs(3)).await;
            let writes = mark.writes();
            if writes.is_empty() {
                return;
            }
            assert!(
                begun.elapsed() < PATIENCE,
                "the operator does not come to rest: {writes:?}"
            );
        }
    }
}

/// `kind namespace/name`.
pub(crate) fn name_of(object: &Value) -> String {
    let text = |pointer: &str| {
        object
            .pointer(pointer)
            .and_then(Value::as_str)
            .unwrap_or_default()
    };
    let kind = text("/kind").to_lowercase();
    let listed = KINDS.iter().find(|k| {
        let singular = k.split('.').next().unwrap_or_default();
        singular.strip_suffix('s') == Some(&kind) || singular.strip_suffix("es") == Some(&kind)
    });
    format!(
        "{} {}/{}",
        listed.unwrap_or(&kind.as_str()),
        text("/metadata/namespace"),
        text("/metadata/name")
    )
}

/// A condition's status, reason and message.
pub(crate) fn condition(object: &Value, kind: &str) -> (String, String, String) {
    let conditions = object
        .pointer("/status/conditions")
        .and_then(Value::as_array);
    let found = conditions
        .into_iter()
        .flatten()
        .find(|c| c["type"] == kind)
        .cloned()
        .unwrap_or_default();
    let text = |field: &str| found[field].as_str().unwrap_or_default().to_owned();
    (text("status"), text("reason"), text("message"))
}

/// A region's entry in a status.
pub(crate) fn entry(object: &Value, region: &str) -> Value {
    let regions = object.pointer("/status/regions").and_then(Value::as_array);
    regions
        .into_iter()
        .flatten()
        .find(|r| r["name"] == region)
        .cloned()
        .unwrap_or_default()
}
