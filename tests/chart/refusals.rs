//! Values that make no sense are refused before anything is installed, with a word that helps.

use crate::helm::{Helm, checkout};
use crate::{HUB, REGION};

/// What is given, and what the refusal must say.
const HUB_REFUSALS: &[(&[&str], &[&str])] = &[
    (&["fleet="], &["/fleet", "does not match pattern"]),
    (&["fleet=Aurora"], &["/fleet", "'Aurora' does not match"]),
    (&["fleet=aurora-"], &["/fleet", "'aurora-' does not match"]),
    (
        &["fleet=a2345678901234567890123456789012345678901"],
        &["/fleet", "does not match pattern"],
    ),
    (&["role=hub"], &["/role", "one of 'Hub', 'Region'"]),
    (
        &["tenant=aurora"],
        &["additional properties 'tenant' not allowed"],
    ),
    (&["crds.kept=true"], &["/crds", "'kept' not allowed"]),
    (&["image.name=x"], &["/image", "'name' not allowed"]),
    (&["agent.tag=1"], &["/agent", "'tag' not allowed"]),
    (&["crds.keep=perhaps"], &["/crds/keep", "want boolean"]),
    (
        &["approvals.protect=perhaps"],
        &["/approvals/protect", "want boolean"],
    ),
    (
        &["tenants={aurora,kube-system}"],
        &[
            "/tenants/1",
            "a namespace of a brand (kube-* belongs to Kubernetes)",
        ],
    ),
    (
        &["tenants={Aurora}"],
        &["/tenants/0", "'Aurora' does not match"],
    ),
    (
        &["tenants={aurora,aurora}"],
        &["/tenants", "items at 0 and 1 are equal"],
    ),
    (
        &["tenants={tradewind-system}"],
        &["tradewind-system is Tradewind's own namespace"],
    ),
    (
        &["image.repository="],
        &["/image/repository", "does not match"],
    ),
    (
        &["image.digest=sha256:abc"],
        &["/image/digest", "does not match"],
    ),
    (
        &["image.pullPolicy=Sometimes"],
        &["/image/pullPolicy", "'IfNotPresent'"],
    ),
    (
        &["agent.pullPolicy=Sometimes"],
        &["/agent/pullPolicy", "'IfNotPresent'"],
    ),
    (
        &["imagePullSecrets={pull}"],
        &["/imagePullSecrets/0", "want object"],
    ),
    (&["replicas=0"], &["/replicas", "want 1"]),
    (&["replicas=9"], &["/replicas", "want 5"]),
    (&["logFormat=xml"], &["/logFormat", "'json', 'human'"]),
    (
        &["packsConfigMap=My Packs"],
        &["/packsConfigMap", "does not match"],
    ),
    (
        &["localRegion=true", "tenants={tradewind-runs}"],
        &["tradewind-runs is runNamespace"],
    ),
];

/// What the chart has no default for.
const BARE_REFUSALS: &[(&[&str], &[&str])] = &[
    (
        &["image.repository=registry.example/tradewind"],
        &["missing property 'fleet'"],
    ),
    (
        &["fleet=aurora"],
        &["/image", "missing property 'repository'"],
    ),
];

const REGION_REFUSALS: &[(&[&str], &[&str])] = &[
    (
        &["runNamespace=default"],
        &[
            "/runNamespace",
            "a namespace of its own (not default or kube-*)",
        ],
    ),
    (
        &["runNamespace=kube-jobs"],
        &[
            "/runNamespace",
            "a namespace of its own (not default or kube-*)",
        ],
    ),
    (
        &["runNamespace=tradewind-system"],
        &["tradewind-system is Tradewind's own namespace"],
    ),
    (
        &["tenants={tradewind-runs}"],
        &["tradewind-runs is runNamespace"],
    ),
    (&["localRegion=true"], &["set it on the hub's release"]),
];

#[tokio::test]
async fn wrong_values_are_refused_with_a_word_that_helps() {
    let helm = Helm::built().await;
    let chart = checkout().join("charts/tradewind");
    let mut helpless = Vec::new();
    assert!(helm.template(&chart, HUB).is_ok());
    assert!(helm.template(&chart, REGION).is_ok());
    for (base, refusals) in [
        (HUB, HUB_REFUSALS),
        (REGION, REGION_REFUSALS),
        (&[], BARE_REFUSALS),
    ] {
        for (given, words) in refusals {
            let answer = helm.template(&chart, &[base, given].concat());
            let Err(said) = answer else {
                helpless.push(format!("{given:?} is taken"));
                continue;
            };
            if let Some(word) = words.iter().find(|word| !said.contains(*word)) {
                helpless.push(format!("{given:?}: no `{word}` in: {said}"));
            }
        }
    }
    assert!(helpless.is_empty(), "{}", helpless.join("\n"));
}
