//! The admission policy for approvals: who may approve, in whose name, and who else may go on writing policies.

use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding};
use kube::Client;
use kube::api::{Api, Patch, PatchParams, PostParams};
use serde_json::{Value, json};
use tradewind::api::DataPolicy;
use tradewind_dev::fleet::Fleet;

use crate::server::{self, Server};

const NAME: &str = "approved";
/// May change policies, as who writes them and a program that applies them may.
const AUTHOR: &str = "system:serviceaccount:gitops:applier";
/// May approve this one policy beside that.
const OFFICER: &str = "dpo@aurora.example";

fn policy(name: &str, approvals: Value) -> DataPolicy {
    serde_json::from_value(json!({
        "apiVersion": "tradewind.dev/v1alpha1", "kind": "DataPolicy", "metadata": {"name": name},
        "spec": {
            "regimes": ["eu-gdpr"], "selector": {"regions": ["eu-west", "us-east"]}, "approvals": approvals,
            "rules": [{"name": "orders", "dataset": {"store": "orders", "table": "orders", "clock": "placed_at"},
                "erase": {"after": "P8Y", "method": "Delete"}}],
            "retention": {"schedule": "0 2 * * *"},
        },
    }))
    .unwrap()
}

fn approval(region: &str, by: &str) -> Value {
    json!({"region": region, "previewHash": format!("sha256-{}", "0".repeat(64)), "by": by})
}

/// What a person does with `kubectl patch`.
async fn patched(policies: &Api<DataPolicy>, spec: Value, dry_run: bool) -> Result<(), String> {
    let params = PatchParams {
        dry_run,
        ..PatchParams::default()
    };
    let patch = Patch::Merge(json!({"spec": spec}));
    let done = policies.patch(NAME, &params, &patch).await;
    done.map(|_| ()).map_err(|error| error.to_string())
}

async fn rights(client: &Client) {
    let roles: Api<ClusterRole> = Api::all(client.clone());
    let bindings: Api<ClusterRoleBinding> = Api::all(client.clone());
    let kind = json!(["tradewind.dev"]);
    let writes = json!({"apiGroups": kind, "resources": ["datapolicies"], "verbs": ["get", "create", "update", "patch"]});
    let approves = json!({"apiGroups": kind, "resources": ["datapolicies"], "resourceNames": [NAME], "verbs": ["approve"]});
    for (name, user, rules) in [
        ("author", AUTHOR, json!([writes])),
        ("officer", OFFICER, json!([writes, approves])),
    ] {
        let role = json!({"metadata": {"name": name}, "rules": rules});
        let role = serde_json::from_value(role).unwrap();
        roles.create(&PostParams::default(), &role).await.unwrap();
        let binding = json!({
            "metadata": {"name": name},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": name},
            "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": user}],
        });
        let binding = serde_json::from_value(binding).unwrap();
        let made = bindings.create(&PostParams::default(), &binding).await;
        made.unwrap();
    }
}

pub(crate) async fn walk(server: &Server, fleet: &Fleet) {
    let admin = server.client();
    rights(&admin).await;
    let of = async |name| Api::<DataPolicy>::all(Server::of_user(fleet, name).await);
    let (author, officer) = (of(AUTHOR).await, of(OFFICER).await);
    let made = author
        .create(&PostParams::default(), &policy(NAME, json!([])))
        .await;
    made.unwrap();
    server::guard(&admin, "approval").await;

    // The server takes a moment to put a policy into force.
    let mut tries = 0;
    let own = json!({"approvals": [approval("eu-west", AUTHOR)]});
    let refused = loop {
        match patched(&author, own.clone(), true).await {
            Err(told) => break told,
            Ok(()) => tokio::time::sleep(std::time::Duration::from_millis(200)).await,
        }
        tries += 1;
        assert!(tries < 600, "anybody who may change a policy approves");
    };
    let needs = format!("spec.approvals: {AUTHOR} may not approve: that needs the verb approve");
    assert!(refused.contains(&needs), "{refused}");

    // In no name but one's own; the right is for one policy.
    let foreign = json!({"mode": "Enforce", "approvals": [approval("eu-west", AUTHOR)]});
    let refused = patched(&officer, foreign, false).await.unwrap_err();
    let name = format!("by must be who asks, {OFFICER}");
    assert!(refused.contains(&name), "{refused}");
    let other = policy("other", json!([approval("eu-west", OFFICER)]));
    let made = officer.create(&PostParams::default(), &other).await;
    let refused = made.unwrap_err().to_string();
    assert!(refused.contains("may not approve"), "{refused}");
    let approved = json!({"mode": "Enforce", "approvals": [approval("eu-west", OFFICER)]});
    patched(&officer, approved.clone(), false).await.unwrap();

    // What stands may be carried along, also by who applies the whole policy, and be taken back; not be changed or put back.
    patched(&author, json!({"deletionPolicy": "Orphan"}), false)
        .await
        .unwrap();
    let params = PatchParams::apply("gitops").force();
    let mut whole = policy(NAME, approved["approvals"].clone());
    whole.spec.mode = Some(tradewind::contract::RetainMode::Enforce);
    let applied = author.patch(NAME, &params, &Patch::Apply(&whole)).await;
    assert_eq!(applied.unwrap().spec.approvals.len(), 1);
    let more = json!({"approvals": [approval("eu-west", OFFICER), approval("us-east", OFFICER)]});
    for changed in [more, json!({"approvals": [approval("eu-west", "cfo")]})] {
        let refused = patched(&author, changed, false).await.unwrap_err();
        assert!(refused.contains("may not approve"), "{refused}");
    }
    patched(&author, json!({"approvals": []}), false)
        .await
        .unwrap();
    let refused = patched(&author, approved, false).await.unwrap_err();
    assert!(refused.contains("may not approve"), "{refused}");
    bound(&author, &officer).await;
}

/// Above the bound a run asks for an approval: who may not approve lowers it, and raises it no more than that.
async fn bound(author: &Api<DataPolicy>, officer: &Api<DataPolicy>) {
    let most = |percent: Value| json!({"retention": {"maxPercent": percent}});
    let refused = patched(author, most(json!(100)), false).await.unwrap_err();
    let needs = format!("spec.retention.maxPercent: {AUTHOR} may not raise it from 5 to 100");
    assert!(refused.contains(&needs), "{refused}");
    let mut other = policy("wide", json!([]));
    other.spec.retention.max_percent = Some(6);
    let made = author.create(&PostParams::default(), &other).await;
    let refused = made.unwrap_err().to_string();
    assert!(refused.contains("from 5 to 6"), "{refused}");
    patched(author, most(json!(1)), false).await.unwrap();
    // Absent is 5 again, and more than 1.
    let refused = patched(author, most(Value::Null), false).await.unwrap_err();
    assert!(refused.contains("from 1 to 5"), "{refused}");
    patched(officer, most(json!(100)), false).await.unwrap();
    // What the officer allowed is carried along, and lowered.
    patched(author, json!({"mode": "DryRun"}), false)
        .await
        .unwrap();
    patched(author, most(json!(50)), false).await.unwrap();
}
