//! Whoever goes through a walk-through without being the cluster's administrator: the chart's roles for people, bound as
//! docs/install.md binds them, and one officer in these groups.
//!
//! In: a hub. Out: roles and bindings there, a kubeconfig that acts as the officer, and kubectl where there is none. The
//! kubeconfig has the administrator's own key and asks to be taken for somebody else: the officer's rights are real, and
//! a secret from whoever started the fleet it is not.

use std::{
    fmt::Write as _,
    io::ErrorKind,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
};

use serde_json::{Value, json};

use super::{Error, Result, install};
use crate::fleet::{Fleet, HUB};
use crate::paths;

/// The officer, as the hub knows them.
pub const NAME: &str = "officer@aurora.example";
/// The file in the fleet's folder with which the officer reaches the hub.
const KUBECONFIG: &str = "officer.kubeconfig";

/// Each group, and whether the officer is in it; its role is named after it.
const GROUPS: [(&str, &str, bool); 5] = [
    ("approvers", "tradewind-approver", true),
    ("auditors", "tradewind-auditor", false),
    ("compliance", "tradewind-compliance", true),
    ("counsel", "tradewind-counsel", true),
    ("privacy", "tradewind-privacy", true),
];

/// The roles of the chart for people, and who has them.
pub fn rights(checkout: &Path) -> Result<String> {
    let roles = install::read(&checkout.join("charts/tradewind/files/people.yaml"))?;
    let mut out = format!("---\n{}\n", roles.trim_end());
    for (group, role, _) in GROUPS {
        let _ = write!(
            out,
            "---\napiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRoleBinding\nmetadata:\n  name: {group}\n\
             roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: {role}}}\n\
             subjects:\n- {{apiGroup: rbac.authorization.k8s.io, kind: Group, name: {group}}}\n"
        );
    }
    Ok(out)
}

/// Lets the officer in: rights on the hub, and the file with which they come.
pub async fn admit(fleet: &Fleet, checkout: &Path) -> Result<()> {
    let hub = fleet.cluster(HUB)?;
    install::apply(&hub, &rights(checkout)?).await?;
    let view = hub.admin_view().await?;
    let view = serde_json::from_str(&view).map_err(|source| Error::Answer {
        what: "the hub's kubeconfig".into(),
        source,
    })?;
    let file = kubeconfig(fleet);
    install::write_private(&file, &acting(view).to_string())?;
    tools(fleet)
}

/// The file with which the officer reaches the hub.
#[must_use]
pub fn kubeconfig(fleet: &Fleet) -> PathBuf {
    fleet.dir().join(KUBECONFIG)
}

/// An administrator's kubeconfig that asks to be taken for the officer.
fn acting(mut kubeconfig: Value) -> Value {
    let groups = GROUPS.iter().filter(|(.., is_in)| *is_in);
    let groups: Vec<&str> = groups.map(|(group, ..)| *group).collect();
    if let Some(user) = kubeconfig.pointer_mut("/users/0/user") {
        user["as"] = NAME.into();
        user["as-groups"] = json!(groups);
    }
    kubeconfig
}

/// The folder for the path of whoever has no kubectl: where the clusters are our own, it is one of their programs.
#[must_use]
pub fn path(fleet: &Fleet) -> Option<PathBuf> {
    let folder = fleet.dir().join("bin");
    folder.join("kubectl").exists().then_some(folder)
}

fn tools(fleet: &Fleet) -> Result<()> {
    let command = fleet.cluster(HUB)?.kubectl_command();
    let program = Path::new(command.as_std().get_program());
    if paths::program("kubectl").is_some_and(|there| there == program) {
        return Ok(());
    }
    let folder = fleet.dir().join("bin");
    let link = folder.join("kubectl");
    let made = std::fs::create_dir_all(&folder).and_then(|()| {
        // One of an earlier build of the programs leads elsewhere.
        match std::fs::remove_file(&link) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
            _ => symlink(program, &link),
        }
    });
    made.map_err(|source| Error::File { path: link, source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_officer_acts_in_their_groups_and_as_nobody_else() {
        let given = json!({"users": [{"name": "hub", "user": {"client-key-data": "a"}}]});
        let made = acting(given);
        let user = made.pointer("/users/0/user").unwrap();
        assert_eq!(user["as"], NAME);
        let groups = json!(["approvers", "compliance", "counsel", "privacy"]);
        assert_eq!(user["as-groups"], groups);
    }
}
