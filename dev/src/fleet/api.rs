//! What a start asks an API server: is it ready, have its controllers begun, is its node ready.

use std::{fs, io, time::Duration};

use serde_json::Value;

use super::pki::Pki;

/// A client of one API server, as its administrator.
pub(super) struct Api {
    client: reqwest::Client,
    server: String,
}

impl Api {
    pub(super) fn new(server: String, pki: &Pki) -> io::Result<Self> {
        // An error means that the process has chosen its provider already, which is as good.
        rustls::crypto::ring::default_provider()
            .install_default()
            .ok();
        let authority = fs::read(pki.certificate("ca"))?;
        let mut identity = fs::read(pki.key("admin"))?;
        identity.extend(fs::read(pki.certificate("admin"))?);
        let client = reqwest::Certificate::from_pem(&authority)
            .and_then(|authority| {
                reqwest::Client::builder()
                    .tls_certs_only([authority])
                    .identity(reqwest::Identity::from_pem(&identity)?)
                    .no_proxy()
                    .timeout(Duration::from_secs(5))
                    .build()
            })
            .map_err(io::Error::other)?;
        Ok(Self { client, server })
    }

    /// `Err` says what it waits for.
    pub(super) async fn is_ready(&self) -> Result<(), String> {
        let answer = self
            .client
            .get(format!("{}/readyz", self.server))
            .send()
            .await;
        match answer {
            Ok(answer) if answer.status().is_success() => Ok(()),
            Ok(answer) => Err(format!("/readyz answers {}", answer.status())),
            Err(_) => Err("/readyz does not answer".into()),
        }
    }

    /// The controller manager makes this account in every namespace.
    pub(super) async fn has_default_account(&self) -> Result<(), String> {
        let url = format!(
            "{}/api/v1/namespaces/default/serviceaccounts/default",
            self.server
        );
        match self.client.get(url).send().await {
            Ok(answer) if answer.status().is_success() => Ok(()),
            Ok(_) => Err("no ServiceAccount `default` yet".into()),
            Err(_) => Err("no answer".into()),
        }
    }

    /// Ready, and free of the taint that keeps pods away from a new node.
    pub(super) async fn node_is_ready(&self, node: &str) -> Result<(), String> {
        let url = format!("{}/api/v1/nodes/{node}", self.server);
        let answer = self
            .client
            .get(url)
            .send()
            .await
            .map_err(|_| "no answer".to_owned())?;
        if !answer.status().is_success() {
            return Err("the node has not registered".into());
        }
        let node: Value = answer
            .json()
            .await
            .map_err(|_| "an answer that is no JSON".to_owned())?;
        readiness(&node)
    }
}

fn readiness(node: &Value) -> Result<(), String> {
    let list = |pointer: &str| {
        node.pointer(pointer)
            .and_then(Value::as_array)
            .cloned()
            .unwrap_or_default()
    };
    let ready = list("/status/conditions")
        .into_iter()
        .find(|one| one["type"] == "Ready");
    match ready {
        Some(condition) if condition["status"] == "True" => {}
        Some(condition) => return Err(format!("the node is not ready: {}", condition["message"])),
        None => return Err("the node has not reported".into()),
    }
    match list("/spec/taints").first() {
        Some(taint) => Err(format!("the node has the taint {}", taint["key"])),
        None => Ok(()),
    }
}
