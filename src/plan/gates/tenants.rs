//! May a channel of this namespace run in this Region?

use kube::ResourceExt;

use super::{Word, list};
use crate::api::Region;
use crate::plan::Reason;

/// Nothing when the namespace is a tenant of the Region; else why not, and what would make it one.
pub fn tenant(namespace: &str, region: &Region) -> Result<(), Reason> {
    let name = region.name_any();
    if namespace == region.spec.run_namespace {
        return Err(Word::NotATenant.because(format!(
            "namespace {namespace} is the runNamespace of Region {name}, where no channel may run: \
             move the channel to a namespace of its own"
        )));
    }
    let tenants = region.spec.tenants.iter().map(|tenant| &tenant.namespace);
    if tenants.clone().any(|tenant| tenant == namespace) {
        return Ok(());
    }
    let there = match list(tenants) {
        none if none.is_empty() => "it has none".to_owned(),
        some => format!("they are {some}"),
    };
    Err(Word::NotATenant.because(format!(
        "namespace {namespace} is no tenant of Region {name} ({there}): add {{namespace: {namespace}}} to its \
         spec.tenants, or leave the Region out of the channel's spec.regions"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn region(tenants: &[&str]) -> Region {
        let tenants: Vec<_> = tenants
            .iter()
            .map(|t| serde_json::json!({"namespace": t}))
            .collect();
        serde_json::from_value(serde_json::json!({
            "apiVersion": "tradewind.dev/v1alpha1", "kind": "Region", "metadata": {"name": "eu-west"},
            "spec": {
                "jurisdictions": ["DE"], "cluster": {"local": {}}, "tenants": tenants, "runNamespace": "runs",
                "locale": {"default": "de-DE", "currency": "EUR", "timeZone": "Europe/Berlin"},
            },
        }))
        .unwrap()
    }

    #[test]
    fn only_tenants_run() {
        for (tenants, namespace, open) in [
            (&["aurora"][..], "aurora", true),
            (&["aurora", "borealis"], "borealis", true),
            (&["aurora"], "aurora2", false),
            (&[], "aurora", false),
            (&["runs"], "runs", false),
        ] {
            assert_eq!(
                tenant(namespace, &region(tenants)).is_ok(),
                open,
                "{tenants:?} {namespace}"
            );
        }
    }

    #[test]
    fn the_message_says_what_to_add() {
        let told = tenant("aurora", &region(&["borealis"]))
            .unwrap_err()
            .message;
        assert!(
            told.contains("{namespace: aurora}") && told.contains("borealis"),
            "{told}"
        );
    }
}
