//! Pods under restricted Pod Security: they run, report, are reached and reach the host.

use std::{
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
};

use serde_json::{Value, json};
use tradewind_dev::fleet::Cluster;

use crate::NAMESPACE;

const GREETING: &str = "hello from the host";

/// A pod that restricted Pod Security admits.
fn pod(image: &str, args: [&str; 2]) -> Value {
    json!({
        "automountServiceAccountToken": false,
        "securityContext": {
            "runAsNonRoot": true,
            "seccompProfile": { "type": "RuntimeDefault" },
        },
        "containers": [{
            "name": "probe",
            "image": image,
            "imagePullPolicy": "Never",
            "args": args,
            "resources": { "limits": { "memory": "64Mi", "cpu": "200m" } },
            "securityContext": {
                "allowPrivilegeEscalation": false,
                "readOnlyRootFilesystem": true,
                "capabilities": { "drop": ["ALL"] },
            },
        }],
    })
}

async fn apply(cluster: &Cluster, object: &Value) {
    let args = ["apply", "--server-side", "-f", "-"];
    cluster
        .kubectl_with(&args, &object.to_string())
        .await
        .unwrap();
}

async fn get(cluster: &Cluster, args: &[&str]) -> Value {
    let args = [&["get", "-n", NAMESPACE, "-o", "json"], args].concat();
    serde_json::from_str(&cluster.kubectl(&args).await.unwrap()).unwrap()
}

/// A namespace that enforces restricted Pod Security, whose ServiceAccount is there.
pub(crate) async fn namespace(cluster: &Cluster) {
    let labels = json!({ "pod-security.kubernetes.io/enforce": "restricted" });
    let metadata = json!({ "name": NAMESPACE, "labels": labels });
    apply(
        cluster,
        &json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": metadata }),
    )
    .await;
}

pub(crate) async fn a_job_reads_from_the_host_and_reports(cluster: &Cluster, image: &str) {
    let server = TcpListener::bind((cluster.host_address(), 0)).unwrap();
    let address = server.local_addr().unwrap().to_string();
    let answering = std::thread::spawn(move || {
        server
            .accept()
            .unwrap()
            .0
            .write_all(GREETING.as_bytes())
            .unwrap();
    });
    let mut spec = pod(image, ["fetch", &address]);
    spec["restartPolicy"] = json!("Never");
    apply(
        cluster,
        &json!({
            "apiVersion": "batch/v1",
            "kind": "Job",
            "metadata": { "name": "fetch", "namespace": NAMESPACE },
            "spec": { "backoffLimit": 0, "template": { "spec": spec } },
        }),
    )
    .await;
    let wait = [
        "wait",
        "-n",
        NAMESPACE,
        "--for=condition=complete",
        "job/fetch",
        "--timeout=90s",
    ];
    cluster.kubectl(&wait).await.unwrap();
    answering.join().unwrap();
    let pods = get(cluster, &["pods", "-l", "job-name=fetch"]).await;
    let message = pods.pointer("/items/0/status/containerStatuses/0/state/terminated/message");
    assert_eq!(message, Some(&json!(GREETING)));
    let logs = cluster
        .kubectl(&["logs", "-n", NAMESPACE, "job/fetch"])
        .await
        .unwrap();
    assert!(logs.contains(GREETING), "{logs}");
}

pub(crate) async fn a_deployment_is_reached_from_the_host(cluster: &Cluster, image: &str) {
    let labels = json!({ "app": "serve" });
    let mut spec = pod(image, ["serve", "0.0.0.0:8080"]);
    spec["containers"][0]["readinessProbe"] =
        json!({ "httpGet": { "path": "/", "port": 8080 }, "periodSeconds": 1 });
    apply(
        cluster,
        &json!({
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": { "name": "serve", "namespace": NAMESPACE },
            "spec": {
                "selector": { "matchLabels": labels },
                "template": { "metadata": { "labels": labels }, "spec": spec },
            },
        }),
    )
    .await;
    let wait = [
        "rollout",
        "status",
        "-n",
        NAMESPACE,
        "deployment/serve",
        "--timeout=90s",
    ];
    cluster.kubectl(&wait).await.unwrap();
    let pods = get(cluster, &["pods", "-l", "app=serve"]).await;
    let address = pods
        .pointer("/items/0/status/podIP")
        .and_then(Value::as_str)
        .unwrap();
    answers(&format!("{address}:8080"));
}

/// That the deployment answers at this address.
pub(crate) fn answers(address: &str) {
    let mut answer = String::new();
    let mut stream = TcpStream::connect(address).unwrap();
    stream
        .write_all(b"GET / HTTP/1.1\r\nHost: pod\r\n\r\n")
        .unwrap();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.ends_with("up\n"), "{answer}");
}

/// Pod Security is enforced: else the tests of restricted pods would prove nothing.
pub(crate) async fn a_pod_with_rights_is_refused(cluster: &Cluster, image: &str) {
    let mut spec = pod(image, ["serve", "0.0.0.0:8080"]);
    spec["hostNetwork"] = json!(true);
    let object = json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": { "name": "rights", "namespace": NAMESPACE },
        "spec": spec,
    });
    let args = ["create", "-f", "-"];
    let refused = cluster
        .kubectl_with(&args, &object.to_string())
        .await
        .unwrap_err()
        .to_string();
    assert!(refused.contains("violates PodSecurity"), "{refused}");
}
