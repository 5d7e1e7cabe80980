//! Installs Tradewind into a fleet, from the checkout: CRDs, namespaces, the chart's rules and nothing more,
//! ServiceAccounts, and their kubeconfigs. Run again, it changes nothing.

use std::{fmt::Write as _, fs, path::Path};

use super::{Error, Result};
use crate::fleet::{Cluster, Fleet, HUB};

/// The operator's namespace, on the hub and for its ServiceAccount in the regions.
pub const SYSTEM: &str = "tradewind-system";
/// The namespace of retention runs in every region.
pub const RUNS: &str = "tradewind-runs";
/// The brand team's namespace.
pub const TENANT: &str = "aurora";
/// The operator's ServiceAccount in every cluster.
pub const ACCOUNT: &str = "tradewind";
/// The file in the fleet's folder with which the operator reaches the hub.
pub const HUB_KUBECONFIG: &str = "operator-hub.kubeconfig";

/// Installs into every cluster of the fleet.
pub async fn install(fleet: &Fleet, checkout: &Path) -> Result<()> {
    let hub = fleet.cluster(HUB)?;
    apply(&hub, &crds(checkout)?).await?;
    hub.kubectl(&[
        "wait",
        "--for=condition=Established",
        "crd",
        "--timeout=300s",
        "regions.tradewind.dev",
        "socialchannels.tradewind.dev",
        "datapolicies.tradewind.dev",
        "legalholds.tradewind.dev",
        "datasubjectrequests.tradewind.dev",
        "evidencerecords.tradewind.dev",
    ])
    .await?;
    apply(&hub, &hub_rights(checkout, &[TENANT])?).await?;
    let own = hub.service_account_kubeconfig(SYSTEM, ACCOUNT).await?;
    write_private(&fleet.dir().join(HUB_KUBECONFIG), &own)?;
    for region in fleet.clusters().filter(|cluster| cluster.name() != HUB) {
        apply(&region, &region_rights(checkout, &[TENANT])?).await?;
        let kubeconfig = region.service_account_kubeconfig(SYSTEM, ACCOUNT).await?;
        let name = kubeconfig_secret(region.name());
        apply(&hub, &secret(SYSTEM, &name, &[("value", &kubeconfig)])).await?;
    }
    Ok(())
}

/// The Secret on the hub that holds a region's kubeconfig.
#[must_use]
pub fn kubeconfig_secret(region: &str) -> String {
    format!("{region}-kubeconfig")
}

/// Applies a manifest as the cluster's administrator, by server-side apply.
pub async fn apply(cluster: &Cluster, manifest: &str) -> Result<String> {
    let args = [
        "apply",
        "--server-side",
        "--force-conflicts",
        "--field-manager=platform-engineer",
        "-f",
        "-",
    ];
    Ok(cluster.kubectl_with(&args, manifest).await?)
}

/// A Secret's manifest.
#[must_use]
pub fn secret(namespace: &str, name: &str, data: &[(&str, &str)]) -> String {
    let data: serde_json::Map<String, serde_json::Value> = data
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).into()))
        .collect();
    serde_json::json!({
        "apiVersion": "v1", "kind": "Secret", "type": "Opaque",
        "metadata": {"namespace": namespace, "name": name},
        "stringData": data,
    })
    .to_string()
}

/// The CRDs as the chart has them.
fn crds(checkout: &Path) -> Result<String> {
    let folder = checkout.join("charts/tradewind/files/crds");
    let mut all = String::new();
    for file in read_folder(&folder)? {
        let _ = writeln!(all, "---\n{}", read(&file)?);
    }
    Ok(all)
}

/// What the chart's role `Hub` makes, without the Deployment: the operator runs on this machine.
pub fn hub_rights(checkout: &Path, tenants: &[&str]) -> Result<String> {
    let mut out = namespaces(tenants);
    out += &cluster_wide(checkout, "hub")?;
    out += &per_namespace(checkout, "hub-namespace", &[SYSTEM])?;
    out += &per_namespace(checkout, "hub-tenant", tenants)?;
    for file in ["approval", "evidence"] {
        let guard = checkout.join(format!("charts/tradewind/files/{file}.yaml"));
        out += &document(&read(&guard)?);
    }
    Ok(out)
}

/// What the chart's role `Hub` makes beside that where an archive of evidence is named.
pub fn archive_rights(checkout: &Path) -> Result<String> {
    cluster_wide(checkout, "hub-archive")
}

/// What the chart's role `Region` makes.
pub fn region_rights(checkout: &Path, tenants: &[&str]) -> Result<String> {
    let mut out = namespaces(&[tenants, &[RUNS]].concat());
    out += &cluster_wide(checkout, "region")?;
    out += &per_namespace(checkout, "region-tenant", tenants)?;
    out += &per_namespace(checkout, "region-runs", &[RUNS])?;
    for (file, name) in [("signing", "evidence"), ("requests", "requests")] {
        let rights = read(&checkout.join(format!("charts/tradewind/files/{file}.yaml")))?;
        let named = format!("metadata:\n  name: tradewind-{name}\n");
        let subject = format!("  - kind: ServiceAccount\n    name: tradewind-{name}\n");
        let rights = rights
            .replace(&named, &format!("{named}  namespace: {RUNS}\n"))
            .replace(&subject, &format!("{subject}    namespace: {RUNS}\n"));
        out += &document(&rights);
    }
    Ok(out)
}

fn document(text: &str) -> String {
    format!("---\n{}\n", text.trim_end())
}

/// Namespaces in which only restricted pods may run, and the operator's own with its ServiceAccount.
fn namespaces(names: &[&str]) -> String {
    let mut out = String::new();
    for name in names {
        let _ = writeln!(
            out,
            "---\napiVersion: v1\nkind: Namespace\nmetadata:\n  name: {name}\n  labels:\n    pod-security.kubernetes.io/enforce: restricted"
        );
    }
    let _ = writeln!(
        out,
        "---\napiVersion: v1\nkind: Namespace\nmetadata:\n  name: {SYSTEM}\n---\napiVersion: v1\nkind: ServiceAccount\nmetadata:\n  name: {ACCOUNT}\n  namespace: {SYSTEM}"
    );
    out
}

fn cluster_wide(checkout: &Path, rules: &str) -> Result<String> {
    Ok(format!(
        "{}---\napiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRoleBinding\nmetadata:\n  name: tradewind-{rules}\n{}",
        role(checkout, rules)?,
        binding(rules)
    ))
}

fn per_namespace(checkout: &Path, rules: &str, namespaces: &[&str]) -> Result<String> {
    let mut out = role(checkout, rules)?;
    for namespace in namespaces {
        let _ = write!(
            out,
            "---\napiVersion: rbac.authorization.k8s.io/v1\nkind: RoleBinding\nmetadata:\n  name: tradewind-{rules}\n  namespace: {namespace}\n{}",
            binding(rules)
        );
    }
    Ok(out)
}

fn role(checkout: &Path, rules: &str) -> Result<String> {
    let file = checkout.join(format!("charts/tradewind/rules/{rules}.yaml"));
    Ok(format!(
        "---\napiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata:\n  name: tradewind-{rules}\nrules:\n{}\n",
        read(&file)?.trim_end()
    ))
}

fn binding(rules: &str) -> String {
    format!(
        "roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: tradewind-{rules}}}\nsubjects:\n- {{kind: ServiceAccount, name: {ACCOUNT}, namespace: {SYSTEM}}}\n"
    )
}

/// The files of a folder in the order of their names.
pub(crate) fn read_folder(folder: &Path) -> Result<Vec<std::path::PathBuf>> {
    let entries = fs::read_dir(folder).map_err(|source| Error::File {
        path: folder.into(),
        source,
    })?;
    let mut files: Vec<_> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .collect();
    files.retain(|file| {
        file.extension()
            .is_some_and(|extension| extension == "yaml")
    });
    files.sort();
    Ok(files)
}

pub(crate) fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).map_err(|source| Error::File {
        path: path.into(),
        source,
    })
}

/// Writes a file that only its owner may read.
pub(crate) fn write_private(path: &Path, content: &str) -> Result<()> {
    use std::{io::Write as _, os::unix::fs::OpenOptionsExt as _};
    fs::OpenOptions::new()
        .create(true)
        .write(true)
        .truncate(true)
        .mode(0o600)
        .open(path)
        .and_then(|mut file| file.write_all(content.as_bytes()))
        .map_err(|source| Error::File {
            path: path.into(),
            source,
        })
}
