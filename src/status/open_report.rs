//! A policy's findings as an OpenReports report: what dashboards for policies read, whoever writes them. Names of
//! resources, articles and numbers, as in the status; no more than that.

use kube::ResourceExt as _;
use serde_json::{Value, json};

use crate::api::{DataPolicy, PolicyFinding, Severity};
use crate::plan::Baseline;

/// The group and version that is written.
pub const OPEN_REPORT_API: &str = "openreports.io/v1alpha1";
/// The kind: a policy is of no namespace.
pub const OPEN_REPORT: &str = "ClusterReport";
/// Results in a report.
const MOST: usize = 500;
/// Bytes of results in a report: an object has room for a mebibyte, and what the server writes into it needs some.
const ROOM: usize = 900 * 1024;

/// The report's name.
#[must_use]
pub fn open_report_name(policy: &str) -> String {
    format!("tradewind-{policy}")
}

/// The report. It belongs to its policy, and goes with it.
#[must_use]
pub fn open_report(policy: &DataPolicy, baseline: &Baseline) -> Value {
    let name = policy.name_any();
    let owner = json!({
        "apiVersion": "tradewind.dev/v1alpha1", "kind": "DataPolicy", "name": name, "uid": policy.uid(),
    });
    let high = baseline.count(Severity::High);
    let results = results(&name, &baseline.findings);
    json!({
        "apiVersion": OPEN_REPORT_API,
        "kind": OPEN_REPORT,
        "metadata": {
            "name": open_report_name(&name),
            "labels": {"app.kubernetes.io/managed-by": "tradewind"},
            "ownerReferences": [owner],
        },
        "source": "tradewind",
        "scope": owner,
        "summary": {
            "pass": 0, "fail": high, "warn": baseline.findings.len() - high, "error": 0, "skip": 0,
        },
        "results": results,
    })
}

/// The most severe, as many as there is room for; the summary counts all.
fn results(policy: &str, findings: &[PolicyFinding]) -> Vec<Value> {
    let mut room = ROOM;
    let all = findings
        .iter()
        .take(MOST)
        .map(|finding| result(policy, finding));
    all.take_while(|result| {
        let size = result.to_string().len() + 1;
        let fits = size <= room;
        room = room.saturating_sub(size);
        fits
    })
    .collect()
}

fn result(policy: &str, finding: &PolicyFinding) -> Value {
    let (result, severity) = match finding.severity {
        Severity::High => ("fail", "high"),
        Severity::Medium => ("warn", "medium"),
        Severity::Low => ("warn", "low"),
    };
    let mut more = json!({
        "id": finding.id, "law": finding.law, "place": finding.place, "remedy": finding.remedy,
    });
    if let Some(region) = &finding.region {
        more["region"] = json!(region);
    }
    json!({
        "policy": policy,
        "rule": finding.check,
        "category": "Privacy",
        "source": "tradewind",
        "result": result,
        "severity": severity,
        "scored": finding.severity == Severity::High,
        "message": finding.message,
        "properties": more,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_no_larger_than_an_object_may_be() {
        let policy: DataPolicy = serde_json::from_value(json!({
            "metadata": {"name": "customers", "uid": "u-1"},
            "spec": {"regimes": ["eu-gdpr"], "selector": {}, "rules": [], "retention": {"schedule": "0 4 * * *"}},
        }))
        .unwrap();
        let finding = |number: usize| PolicyFinding {
            id: format!("NoPeriod-{number}"),
            check: "NoPeriod".into(),
            severity: Severity::Medium,
            law: "GDPR Article 5".into(),
            region: None,
            place: "spec".into(),
            message: "\"x\"".repeat(1500),
            remedy: "r".into(),
        };
        let baseline = Baseline {
            findings: (0..400).map(finding).collect(),
            wake_at: None,
        };
        let report = open_report(&policy, &baseline);
        let size = report.to_string().len();
        assert!(
            (ROOM * 9 / 10..1024 * 1024 - 64 * 1024).contains(&size),
            "{size}"
        );
        let told = report["results"].as_array().unwrap().len();
        assert!(told < 400, "{told}");
        assert_eq!(report["summary"]["warn"], 400, "all are counted");
    }

    #[test]
    fn a_report_has_each_finding_and_belongs_to_its_policy() {
        let policy: DataPolicy = serde_json::from_value(json!({
            "metadata": {"name": "customers", "uid": "u-1"},
            "spec": {"regimes": ["eu-gdpr"], "selector": {}, "rules": [], "retention": {"schedule": "0 4 * * *"}},
        }))
        .unwrap();
        let finding = |check: &str, severity, region: Option<&str>| PolicyFinding {
            id: format!("{check}-1"),
            check: check.into(),
            severity,
            law: "GDPR Article 5".into(),
            region: region.map(str::to_owned),
            place: "spec".into(),
            message: "m".into(),
            remedy: "r".into(),
        };
        let baseline = Baseline {
            findings: vec![
                finding("NoPeriod", Severity::High, Some("eu-west")),
                finding("ControllerMissing", Severity::Low, None),
            ],
            wake_at: None,
        };
        let report = open_report(&policy, &baseline);
        assert_eq!(report["metadata"]["name"], "tradewind-customers");
        assert_eq!(report["metadata"]["ownerReferences"][0]["uid"], "u-1");
        assert_eq!(report["summary"]["fail"], 1);
        assert_eq!(report["summary"]["warn"], 1);
        let first = &report["results"][0];
        assert_eq!(
            (&first["rule"], &first["result"], &first["severity"]),
            (&json!("NoPeriod"), &json!("fail"), &json!("high"))
        );
        assert_eq!(first["properties"]["region"], "eu-west");
        assert_eq!(report["results"][1]["result"], "warn");
        assert!(report["results"][1]["properties"].get("region").is_none());
        assert_eq!(open_report(&policy, &baseline), report, "the same again");
    }
}
