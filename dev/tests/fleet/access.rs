//! A ServiceAccount's kubeconfig: data only, and no rights but those it was given.

use std::fs;

use serde_json::Value;
use tradewind_dev::fleet::Cluster;

use crate::NAMESPACE;

pub(crate) async fn a_service_account_may_only_what_it_was_given(cluster: &Cluster) {
    create_reader(cluster).await;
    let kubeconfig = cluster
        .service_account_kubeconfig(NAMESPACE, "reader")
        .await
        .unwrap();
    let parsed: Value = serde_json::from_str(&kubeconfig).unwrap();
    let keys = |pointer: &str| -> Vec<String> {
        parsed
            .pointer(pointer)
            .unwrap()
            .as_object()
            .unwrap()
            .keys()
            .cloned()
            .collect()
    };
    assert_eq!(keys("/users/0/user"), ["token"]);
    assert_eq!(
        keys("/clusters/0/cluster"),
        ["certificate-authority-data", "server"]
    );

    let file = cluster.dir().join("reader.kubeconfig");
    fs::write(&file, kubeconfig).unwrap();
    let list = async |scope: &[&str]| {
        let mut command = cluster.kubectl_command();
        command
            .env("KUBECONFIG", &file)
            .args(["get", "secrets"])
            .args(scope);
        command.output().await.unwrap()
    };
    assert!(list(&["-n", NAMESPACE]).await.status.success());
    let everywhere = list(&["--all-namespaces"]).await;
    assert!(String::from_utf8_lossy(&everywhere.stderr).contains("Forbidden"));
    the_audit_log_names_who_was_refused(cluster);
}

/// No two clusters share an authority: each refuses the other's clients, and its own clients refuse the other.
pub(crate) async fn each_cluster_believes_its_own_authority(one: &Cluster, other: &Cluster) {
    let [ours, theirs] = [one, other].map(|cluster| -> Value {
        serde_json::from_slice(&fs::read(cluster.kubeconfig_admin()).unwrap()).unwrap()
    });
    let authority = "/clusters/0/cluster/certificate-authority-data";
    assert!(ours.pointer(authority).unwrap().is_string());
    assert_ne!(ours.pointer(authority), theirs.pointer(authority));

    // With another's certificate, and then with another's authority, at this server.
    let (mut client, mut server) = (ours.clone(), ours.clone());
    client["users"][0]["user"] = theirs["users"][0]["user"].clone();
    *server.pointer_mut(authority).unwrap() = theirs.pointer(authority).unwrap().clone();
    let file = one.dir().join("mixed.kubeconfig");
    for (mixed, refusal) in [
        (&ours, None),
        (&client, Some("Unauthorized")),
        (&server, Some("certificate signed by unknown authority")),
    ] {
        fs::write(&file, mixed.to_string()).unwrap();
        let mut command = one.kubectl_command();
        command
            .env("KUBECONFIG", &file)
            .args(["get", "--raw", "/api"]);
        let done = command.output().await.unwrap();
        let said = String::from_utf8_lossy(&done.stderr).into_owned();
        assert_eq!(done.status.success(), refusal.is_none(), "{said}");
        assert!(said.contains(refusal.unwrap_or_default()), "{said}");
    }
}

fn the_audit_log_names_who_was_refused(cluster: &Cluster) {
    let audit = fs::read_to_string(cluster.audit_log()).unwrap();
    let refused = audit
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .find(|event| event["responseStatus"]["code"] == 403 && event["verb"] == "list")
        .unwrap();
    assert_eq!(
        refused["user"]["username"],
        format!("system:serviceaccount:{NAMESPACE}:reader")
    );
    assert_eq!(refused["objectRef"]["resource"], "secrets");
}

/// A ServiceAccount that may list the secrets of one namespace.
async fn create_reader(cluster: &Cluster) {
    cluster
        .kubectl(&["create", "serviceaccount", "reader", "-n", NAMESPACE])
        .await
        .unwrap();
    let grant = [
        "create",
        "role",
        "reader",
        "-n",
        NAMESPACE,
        "--verb=list",
        "--resource=secrets",
    ];
    cluster.kubectl(&grant).await.unwrap();
    let account = format!("--serviceaccount={NAMESPACE}:reader");
    let bind = [
        "create",
        "rolebinding",
        "reader",
        "-n",
        NAMESPACE,
        "--role=reader",
        &account,
    ];
    cluster.kubectl(&bind).await.unwrap();
}
