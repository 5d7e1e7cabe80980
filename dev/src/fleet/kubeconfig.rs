//! Kubeconfigs: everything inside the file, no program to run, no other file to read.

use std::path::Path;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

/// How the client proves who it is.
pub(super) enum Identity<'a> {
    /// By certificate and key, in PEM.
    Certificate {
        certificate: &'a [u8],
        key: &'a [u8],
    },
    /// By token.
    Token(&'a str),
}

/// The kubeconfig (JSON is YAML) for one cluster and one user.
pub(super) fn kubeconfig(name: &str, server: &str, ca: &[u8], identity: &Identity<'_>) -> Value {
    let user = match identity {
        Identity::Certificate { certificate, key } => json!({
            "client-certificate-data": STANDARD.encode(certificate),
            "client-key-data": STANDARD.encode(key),
        }),
        Identity::Token(token) => json!({ "token": token }),
    };
    let cluster = json!({ "server": server, "certificate-authority-data": STANDARD.encode(ca) });
    json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{ "name": name, "cluster": cluster }],
        "users": [{ "name": name, "user": user }],
        "contexts": [{ "name": name, "context": { "cluster": name, "user": name } }],
        "current-context": name,
    })
}

/// Server and authority of a kubeconfig that `kubectl config view --raw --minify --flatten -o json` printed.
pub(super) fn server_and_authority(flattened: &Value) -> Option<(String, Vec<u8>)> {
    let cluster = flattened.pointer("/clusters/0/cluster")?;
    let server = cluster.get("server")?.as_str()?.to_owned();
    let ca = cluster.get("certificate-authority-data")?.as_str()?;
    Some((server, STANDARD.decode(ca).ok()?))
}

/// Writes it where only we can read it.
pub(super) fn write(path: &Path, kubeconfig: &Value) -> std::io::Result<()> {
    super::pki::write_private(path, &serde_json::to_vec_pretty(kubeconfig)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_kubeconfig_holds_data_only() {
        let made = kubeconfig(
            "hub",
            "https://10.0.0.1:6443",
            b"ca",
            &Identity::Token("secret"),
        );
        let user = made
            .pointer("/users/0/user")
            .and_then(Value::as_object)
            .unwrap();
        assert_eq!(user.keys().collect::<Vec<_>>(), ["token"]);
        let read = server_and_authority(&made).unwrap();
        assert_eq!(read, ("https://10.0.0.1:6443".to_owned(), b"ca".to_vec()));
    }
}
