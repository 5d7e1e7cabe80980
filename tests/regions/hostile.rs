//! A hostile kubeconfig on the way that a real one takes: nothing runs, nothing is read, nobody is asked.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use rcgen::{CertificateParams, KeyPair};
use tokio::net::TcpListener;
use tokio::time::{sleep, timeout};
use tradewind::clusters::{Cause, Clusters, Limits, Target};
use tradewind::metrics::Metrics;

use crate::world::desired;

fn certificate() -> String {
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec!["127.0.0.1".into()]).unwrap();
    let pem = params.self_signed(&key).unwrap().pem();
    base64::engine::general_purpose::STANDARD.encode(pem)
}

/// What each would do: make the marker, read the pipe (and hang), or call the server.
fn corpus(marker: &Path, pipe: &Path) -> Vec<(&'static str, String)> {
    let (marker, pipe) = (marker.display(), pipe.display());
    let run = format!(
        "{{apiVersion: client.authentication.k8s.io/v1, command: /usr/bin/touch, args: [{marker}], interactiveMode: Never}}"
    );
    let provider = format!(
        "{{name: gcp, config: {{cmd-path: /usr/bin/touch, cmd-args: {marker}, token-key: x, expiry-key: x}}}}"
    );
    // What kubectl's own plugins are configured by.
    let extensions = format!(
        "[{{name: client.authentication.k8s.io/exec, extension: {{command: /usr/bin/touch, args: [{marker}], tokenFile: {pipe}}}}}]"
    );
    let mut all = Vec::new();
    for (place, key, value) in [
        ("user", "exec", run),
        ("user", "auth-provider", provider),
        ("user", "tokenFile", pipe.to_string()),
        ("user", "client-certificate", pipe.to_string()),
        ("user", "client-key", pipe.to_string()),
        ("user", "as", "admin".to_owned()),
        ("user", "as-groups", "[system:masters]".to_owned()),
        ("user", "as-uid", "x".to_owned()),
        ("user", "as-user-extra", "{a: [b]}".to_owned()),
        ("user", "username", "admin".to_owned()),
        ("user", "password", "x".to_owned()),
        ("cluster", "certificate-authority", pipe.to_string()),
        ("cluster", "insecure-skip-tls-verify", "true".to_owned()),
        ("cluster", "tls-server-name", "eu".to_owned()),
        ("cluster", "proxy-url", "http://127.0.0.1:PORT".to_owned()),
        ("user", "extensions", extensions.clone()),
        ("cluster", "extensions", extensions.clone()),
        ("context", "extensions", extensions.clone()),
        ("top", "extensions", extensions),
    ] {
        all.push((place, format!("{key}: {value}")));
        all.push((place, format!("\"{key}\": {value}")));
        all.push((place, format!("<<: {{{key}: {value}}}")));
        all.push((place, format!("{key}: &a {value}")));
    }
    all
}

fn document(place: &str, line: &str, port: u16, ca: &str) -> String {
    let line = line.replace("PORT", &port.to_string());
    let of = |here: &str| if here == place { line.as_str() } else { "" };
    format!(
        "clusters:\n- name: c\n  cluster:\n    server: https://127.0.0.1:{port}\n    certificate-authority-data: {ca}\n    {}\n\
         users:\n- name: u\n  user:\n    token: x\n    {}\ncontexts:\n- name: m\n  context:\n    cluster: c\n    user: u\n    {}\ncurrent-context: m\n{}\n",
        of("cluster"),
        of("user"),
        of("context"),
        of("top")
    )
}

#[tokio::test]
async fn a_hostile_kubeconfig_runs_reads_and_asks_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (marker, pipe) = (dir.path().join("ran"), dir.path().join("pipe"));
    // Whoever opens a pipe that nobody writes to hangs, and the test with it.
    assert!(
        Command::new("mkfifo")
            .arg(&pipe)
            .status()
            .unwrap()
            .success()
    );
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let ca = certificate();
    let (clusters, _wakes) = Clusters::new("proof", Limits::default(), Metrics::new());
    let corpus = corpus(&marker, &pipe);
    assert_eq!(corpus.len(), 76);
    for (index, (place, line)) in corpus.iter().enumerate() {
        let text = document(place, line, port, &ca);
        let target = Target::Kubeconfig {
            bytes: Arc::from(text.into_bytes()),
            hash: index.to_string(),
        };
        clusters.ensure("hostile", desired(target, None));
        let refused = async {
            loop {
                let state = clusters.get("hostile").err().unwrap();
                if state.cause == Cause::KubeconfigRefused {
                    return state.message;
                }
                sleep(Duration::from_millis(2)).await;
            }
        };
        let message = timeout(Duration::from_secs(10), refused).await.expect(line);
        assert!(message.contains("kubeconfig"), "{message}");
        // In plain dress it is this field that is refused, and nothing else.
        let key = line.split(':').next().unwrap().trim_matches('"');
        if key != "<<" && !line.contains(": &a ") {
            assert!(message.contains(&format!("{key}`")), "{line}: {message}");
        }
        clusters.remove("hostile");
    }
    let asked = timeout(Duration::from_secs(1), listener.accept()).await;
    assert!(asked.is_err(), "somebody connected");
    assert!(!marker.exists(), "a program ran");

    // The same way with nothing hostile in it does ask: what was proven above is not that nothing works.
    let text = document("none", "", port, &ca);
    let target = Target::Kubeconfig {
        bytes: Arc::from(text.into_bytes()),
        hash: "sound".into(),
    };
    clusters.ensure("sound", desired(target, None));
    timeout(Duration::from_secs(10), listener.accept())
        .await
        .unwrap()
        .unwrap();
    clusters.shutdown().await;
}
