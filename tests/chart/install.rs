//! docs/install.md, command by command, against a hub and a region with real API servers.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use serde_json::{Value, json};
use tradewind::api::EvidenceRecord;
use tradewind::evidence::{About, Entry, Kind, Object, Tip};
use tradewind_dev::{
    build::{self, What},
    fleet::{Cluster, Fleet, FleetSpec},
    story,
};

use crate::HUB;
use crate::helm::{Helm, checkout, documents, of_kind};

const SYSTEM: &str = "tradewind-system";

/// The commands that the page shows: those that install, one after the other, and those that leave nothing of a trial. Blocks
/// without a language are for another day.
fn commands() -> (String, String) {
    let page = fs::read_to_string(checkout().join("docs/install.md")).unwrap();
    let blocks: Vec<&str> = page
        .split("\n```sh\n")
        .skip(1)
        .map(|rest| rest.split("\n```").next().unwrap())
        .collect();
    assert_eq!(
        blocks.len(),
        5,
        "docs/install.md has other blocks than this test knows"
    );
    (blocks[..4].join("\n"), blocks[4].to_owned())
}

/// A shell as a person would have it: helm and kubectl on the path, a context per cluster.
async fn shell(fleet: &Fleet, home: &Path) -> Command {
    let programs = build::build(&[What::ControlPlane, What::Helm])
        .await
        .unwrap();
    let bin = home.join("bin");
    fs::create_dir(&bin).unwrap();
    let link = |from: &Path, name| std::os::unix::fs::symlink(from, bin.join(name)).unwrap();
    link(&programs.helm(), "helm");
    link(&programs.kubectl(), "kubectl");
    std::os::unix::fs::symlink(checkout().join("charts"), home.join("charts")).unwrap();
    let kubeconfigs: Vec<String> = fleet
        .clusters()
        .map(|cluster| cluster.kubeconfig_admin().display().to_string())
        .collect();
    let mut command = Command::new("bash");
    command
        .args(["-euo", "pipefail", "-s"])
        .current_dir(home)
        .env_clear()
        .env("HOME", home)
        .env("PATH", format!("{}:/usr/bin:/bin", bin.display()))
        .env("KUBECONFIG", kubeconfigs.join(":"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

async fn run(fleet: &Fleet, script: &str) -> String {
    let home = tempfile::tempdir().unwrap();
    let mut child = shell(fleet, home.path()).await.spawn().unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), script.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let complaints = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}\n{complaints}");
    assert!(!complaints.contains("Warning"), "{complaints}");
    said
}

async fn get(cluster: &Cluster, args: &[&str]) -> Value {
    let args = [&["get", "-o", "json"], args].concat();
    serde_json::from_str(&cluster.kubectl(&args).await.unwrap()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_commands_of_the_page_install_a_hub_and_a_region() {
    let spec = FleetSpec::for_test("chart", &["eu-west"]).without_nodes();
    let fleet = Fleet::start(spec).await.unwrap();
    let (hub, region) = (
        fleet.cluster("hub").unwrap(),
        fleet.cluster("eu-west").unwrap(),
    );

    let said = run(&fleet, &commands().0).await;
    assert!(
        said.contains("Tradewind runs as fleet \"aurora\""),
        "{said}"
    );
    assert!(said.contains("connectors and feeds in: aurora"), "{said}");
    assert!(said.lines().any(|line| line == "yes"), "{said}");
    assert!(
        said.contains("region.tradewind.dev/eu-west created"),
        "{said}"
    );

    the_kubeconfig_is_one_that_tradewind_takes(&hub, &region).await;
    the_pods_of_the_deployment_are_admitted(&hub).await;
    the_dry_run_of_a_server_takes_both_roles(&hub, &region).await;
    the_crds_and_their_objects_outlive_the_release(&fleet, &hub).await;
    nothing_is_left_of_a_trial(&fleet).await;
    fleet.stop().await.unwrap();
}

async fn the_kubeconfig_is_one_that_tradewind_takes(hub: &Cluster, region: &Cluster) {
    let secret = ["get", "secret", "eu-west-kubeconfig", "-n", SYSTEM];
    let decoded = "go-template={{.data.value | base64decode}}";
    let kubeconfig = hub
        .kubectl(&[&secret[..], &["-o", decoded]].concat())
        .await
        .unwrap();
    tradewind::clusters::kubeconfig::parse(kubeconfig.as_bytes()).unwrap();
    let file = region.dir().join("page.kubeconfig");
    fs::write(&file, &kubeconfig).unwrap();
    let may = async |verb: &str, resource: &str, namespace: &str| {
        let mut command = region.kubectl_command();
        command.env("KUBECONFIG", &file);
        command.args(["auth", "can-i", verb, resource, "-n", namespace]);
        let output = command.output().await.unwrap();
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    };
    for (verb, resource, namespace, answer) in [
        ("create", "deployments.apps", "aurora", "yes"),
        ("patch", "secrets", "aurora", "yes"),
        ("get", "secrets", "aurora", "no"),
        ("create", "cronjobs.batch", "tradewind-runs", "yes"),
        ("list", "secrets", "tradewind-runs", "no"),
        ("patch", "secrets", "tradewind-runs", "no"),
        ("create", "deployments.apps", "tradewind-runs", "no"),
        ("list", "pods", "default", "no"),
        ("create", "namespaces", "default", "no"),
    ] {
        let said = may(verb, resource, namespace).await;
        assert_eq!(said, answer, "{verb} {resource} in {namespace}");
    }
}

/// The namespace enforces the restricted Pod Security standard; the same pod without its security context is refused.
async fn the_pods_of_the_deployment_are_admitted(hub: &Cluster) {
    let deployment = get(hub, &["deployment", "tradewind", "-n", SYSTEM]).await;
    let mut pod = json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": "as-the-deployment-makes-it", "namespace": SYSTEM},
        "spec": deployment["spec"]["template"]["spec"],
    });
    let create = ["create", "--dry-run=server", "-f", "-"];
    hub.kubectl_with(&create, &pod.to_string()).await.unwrap();
    pod["spec"]["containers"][0]["securityContext"] = json!({});
    let refused = hub
        .kubectl_with(&create, &pod.to_string())
        .await
        .unwrap_err();
    assert!(
        refused.to_string().contains("violates PodSecurity"),
        "{refused}"
    );
}

/// Everything that can be set is set, and the server checks it field by field.
async fn the_dry_run_of_a_server_takes_both_roles(hub: &Cluster, region: &Cluster) {
    let helm = Helm::built().await;
    let more = [
        "localRegion=true",
        "imagePullSecrets[0].name=pull",
        "packsConfigMap=packs",
        "packsTrustedKeys[0]=ed25519-8a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c",
        "packsMayGoBack=true",
        "tolerations[0].key=hub",
    ];
    for namespace in ["borealis", "tradewind-runs"] {
        hub.kubectl(&["create", "namespace", namespace])
            .await
            .unwrap();
    }
    region
        .kubectl(&["create", "namespace", "borealis"])
        .await
        .unwrap();
    let chart = checkout().join("charts/tradewind");
    for (cluster, values) in [
        (hub, [HUB, &more].concat()),
        (region, crate::REGION.to_vec()),
    ] {
        let rendered = helm.template(&chart, &values).unwrap();
        let strict = [
            "apply",
            "--server-side",
            "--force-conflicts",
            "--dry-run=server",
            "--validate=strict",
            "-f",
            "-",
        ];
        let said = cluster.kubectl_with(&strict, &rendered).await.unwrap();
        assert_eq!(said.lines().count(), documents(&rendered).len(), "{said}");
    }
}

async fn the_crds_and_their_objects_outlive_the_release(fleet: &Fleet, hub: &Cluster) {
    let uninstall = "helm uninstall tradewind --kube-context hub --namespace tradewind-system 2>&1";
    run(fleet, uninstall).await;
    let crds = get(hub, &["crd"]).await;
    assert_eq!(
        of_kind(
            crds["items"].as_array().unwrap(),
            "CustomResourceDefinition"
        )
        .len(),
        6
    );
    get(hub, &["region", "eu-west"]).await;
    let gone = hub
        .kubectl(&["get", "deployment", "tradewind", "-n", SYSTEM])
        .await;
    assert!(gone.unwrap_err().to_string().contains("not found"));
    let again = commands().0;
    let install = again
        .lines()
        .skip_while(|line| !line.starts_with("helm install"))
        .take(2);
    run(fleet, &install.collect::<Vec<_>>().join("\n")).await;
    get(hub, &["deployment", "tradewind", "-n", SYSTEM]).await;
}

/// A record of evidence.
fn record() -> String {
    let entry = Entry {
        kind: Kind::Run,
        at: jiff::Timestamp::now(),
        about: About::cluster("DataPolicy", "customers"),
        source: "0b0f0e0a".to_owned(),
        body: Object::new(),
    };
    let record =
        EvidenceRecord::of(&entry.append("eu-west", &Tip::genesis("aurora", "eu-west"))).unwrap();
    serde_json::to_string(&record).unwrap()
}

/// As `make up` installs it, with a record of evidence that the chart's policy protects.
async fn nothing_is_left_of_a_trial(fleet: &Fleet) {
    let hub = fleet.cluster("hub").unwrap();
    let uninstall = "helm uninstall tradewind --namespace tradewind-system --kube-context";
    for context in ["hub", "eu-west"] {
        run(fleet, &format!("{uninstall} {context} 2>&1")).await;
    }
    story::install::install(fleet, &checkout()).await.unwrap();
    story::install::apply(&hub, &record()).await.unwrap();
    let kind = "crd/evidencerecords.tradewind.dev";
    // A policy is in force a moment after it was made.
    let mut tries = 240;
    while hub
        .kubectl(&["delete", kind, "--dry-run=server"])
        .await
        .is_ok()
    {
        tries -= 1;
        assert!(tries > 0, "evidence is not protected");
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    // Nothing of an operator's is on it: there was none.
    hub.kubectl(&["delete", "regions.tradewind.dev", "--all"])
        .await
        .unwrap();

    run(fleet, &commands().1).await;
    let kinds = "crd,clusterroles,clusterrolebindings,validatingadmissionpolicies,validatingadmissionpolicybindings,namespaces";
    for cluster in fleet.clusters() {
        let all = cluster.kubectl(&["get", kinds, "-o", "name"]).await;
        let all = all.unwrap();
        assert!(all.contains("clusterrole.rbac.authorization.k8s.io/view"));
        let left: Vec<&str> = all
            .lines()
            .filter(|name| name.contains("tradewind") || name.ends_with("/aurora"))
            .collect();
        assert_eq!(left, Vec::<&str>::new(), "in {}", cluster.name());
    }
}
