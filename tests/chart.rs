//! The chart, with real Helm and real API servers: what it renders, what it refuses, what an API server takes, and
//! that the commands of docs/install.md do what they say.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::too_many_lines,
    clippy::needless_pass_by_value,
    reason = "the helpers of tests are tests as well, and a scenario reads best in one piece"
)]

#[path = "chart/helm.rs"]
mod helm;
#[path = "chart/install.rs"]
mod install;
#[path = "chart/refusals.rs"]
mod refusals;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use serde_json::{Value, json};
use tradewind_dev::story;

use crate::helm::{Helm, checkout, documents, name, of_kind};

const HUB: &[&str] = &[
    "fleet=aurora",
    "tenants={aurora,borealis}",
    "image.repository=registry.example/tradewind",
];
const REGION: &[&str] = &["role=Region", "tenants={aurora,borealis}"];
const TENANTS: &[&str] = &["aurora", "borealis"];

/// `rules/*.yaml`, by the name of the ClusterRole that they become.
fn rules() -> BTreeMap<String, Value> {
    let folder = checkout().join("charts/tradewind/rules");
    fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|file| {
            let stem = file.file_stem().unwrap().to_string_lossy().into_owned();
            let rules = documents(&fs::read_to_string(&file).unwrap());
            (format!("tradewind-{stem}"), rules[0].clone())
        })
        .collect()
}

#[tokio::test]
async fn lint_has_nothing_to_say() {
    let helm = Helm::built().await;
    for values in [HUB, REGION, &["role=Region"]] {
        let chart = checkout().join("charts/tradewind");
        let said = helm.run(&["lint", "--strict", "--quiet"], &chart, values);
        assert_eq!(said.as_deref().map(str::trim), Ok(""), "{values:?}");
    }
}

#[tokio::test]
async fn the_crds_are_those_of_this_tree_and_are_kept() {
    let helm = Helm::built().await;
    let rendered = helm.objects(HUB);
    let mut seen = BTreeSet::new();
    for mut crd in of_kind(&rendered, "CustomResourceDefinition") {
        let kept = crd["metadata"]["annotations"]
            .as_object_mut()
            .unwrap()
            .remove("helm.sh/resource-policy");
        assert_eq!(kept, Some(json!("keep")), "{}", name(&crd));
        let file = format!("{}.yaml", crd["spec"]["names"]["plural"].as_str().unwrap());
        let there = fs::read_to_string(checkout().join("crds").join(&file)).unwrap();
        assert_eq!(
            as_meant(crd),
            as_meant(documents(&there)[0].clone()),
            "{file}"
        );
        seen.insert(file);
    }
    let there: BTreeSet<String> = fs::read_dir(checkout().join("crds"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    assert_eq!(seen, there);
    assert_eq!(seen.len(), 6);
}

#[tokio::test]
async fn alerts_are_made_when_asked_for_and_say_what_prometheus_reads() {
    let helm = Helm::built().await;
    assert!(of_kind(&helm.objects(HUB), "PrometheusRule").is_empty());
    let asked = ["alerts.enabled=true", "alerts.labels.release=monitoring"];
    let rules = of_kind(&helm.objects(&[HUB, &asked].concat()), "PrometheusRule");
    let rule = &rules[0];
    assert_eq!(rule["metadata"]["namespace"], "tradewind-system");
    assert_eq!(rule["metadata"]["labels"]["release"], "monitoring");
    assert_eq!(
        rule["metadata"]["labels"]["app.kubernetes.io/name"],
        "tradewind"
    );
    let rules = rule["spec"]["groups"][0]["rules"].as_array().unwrap();
    let names: BTreeSet<&str> = rules
        .iter()
        .map(|it| it["alert"].as_str().unwrap())
        .collect();
    assert_eq!(names.len(), rules.len(), "a name each");
    for wanted in [
        "TradewindRunOverdue",
        "TradewindEvidenceStale",
        "TradewindHoldPastReview",
        "TradewindTransferEnding",
        "TradewindCoverageLost",
        "TradewindNotAccepted",
        "TradewindRequestStuck",
        "TradewindSilent",
        "TradewindPacksUnknown",
        "TradewindPacksRefused",
    ] {
        assert!(names.contains(wanted), "{wanted} is not in {names:?}");
    }
    // As long before as the finding of the same name.
    let ending = rules
        .iter()
        .find(|it| it["alert"] == "TradewindTransferEnding");
    let ending = ending.unwrap()["expr"].as_str().unwrap();
    assert!(ending.ends_with("- time() < 90 * 86400"), "{ending}");
    for it in rules {
        // Prometheus' own braces stand as they were written.
        let told = it["annotations"]["summary"].as_str().unwrap();
        // What is absent has no labels.
        let is_silence = it["alert"] == "TradewindSilent";
        assert!(told.contains("{{ $labels.") != is_silence, "{told}");
        assert!(it["expr"].as_str().unwrap().contains("tradewind_"));
    }
    let region = [REGION, &asked[..1]].concat();
    assert!(of_kind(&helm.objects(&region), "PrometheusRule").is_empty());
}

/// What an API server reads: no annotations and empty ones are the same, and so are 1 and 1.0.
fn as_meant(value: Value) -> Value {
    match value {
        Value::Object(fields) => fields
            .into_iter()
            .filter(|(key, value)| key != "annotations" || *value != json!({}))
            .map(|(key, value)| (key, as_meant(value)))
            .collect(),
        Value::Array(items) => items.into_iter().map(as_meant).collect(),
        Value::Number(number) => json!(number.as_f64()),
        other => other,
    }
}

#[tokio::test]
async fn crds_can_be_left_out_or_let_go() {
    let helm = Helm::built().await;
    let kind = "CustomResourceDefinition";
    let without = helm.objects(&[HUB, &["crds.enabled=false"]].concat());
    assert!(of_kind(&without, kind).is_empty());
    assert_eq!(of_kind(&without, "Deployment").len(), 1);
    let unkept = of_kind(&helm.objects(&[HUB, &["crds.keep=false"]].concat()), kind);
    assert_eq!(unkept.len(), 6);
    for crd in unkept {
        assert!(
            !crd.to_string().contains("resource-policy"),
            "{}",
            name(&crd)
        );
    }
    assert!(of_kind(&helm.objects(REGION), kind).is_empty());
}

#[tokio::test]
async fn the_roles_are_the_rules_and_nothing_else() {
    let helm = Helm::built().await;
    let rules = rules();
    let mut seen = BTreeSet::new();
    let archive = "evidence.archive.url=s3://evidence/aurora";
    for values in [
        HUB,
        REGION,
        &[HUB, &["localRegion=true", archive]].concat(),
        &[HUB, &["openReports=false"]].concat(),
    ] {
        let rendered = helm.objects(values);
        let asked = !values.contains(&"openReports=false") && !values.contains(&"role=Region");
        let reports = rendered
            .iter()
            .any(|it| it["kind"] == "ClusterRoleBinding" && name(it) == "tradewind-hub-reports");
        assert_eq!(reports, asked, "{values:?}");
        // The operator's are ClusterRoles; the Roles are of who signs evidence and of who makes the key of requests, and
        // neither's key is the other's.
        for role in of_kind(&rendered, "Role") {
            let verbs = match name(&role).as_str() {
                "tradewind-evidence" => json!(["get", "update"]),
                "tradewind-requests" => json!(["get"]),
                other => panic!("{other}"),
            };
            let secrets = json!([
                {"apiGroups": [""], "resources": ["secrets"], "resourceNames": [name(&role)], "verbs": verbs},
                {"apiGroups": [""], "resources": ["secrets"], "verbs": ["create"]},
            ]);
            assert_eq!(role["rules"], secrets);
        }
        for role in of_kind(&rendered, "ClusterRole")
            .into_iter()
            .filter(|role| !is_for_people(role))
        {
            let name = name(&role);
            assert_eq!(Some(&role["rules"]), rules.get(&name), "{name}");
            assert_eq!(role.get("aggregationRule"), None, "{name}");
            seen.insert(name);
        }
    }
    let all: BTreeSet<String> = rules.into_keys().collect();
    assert_eq!(seen, all, "every file of rules/ becomes a ClusterRole");
}

#[test]
fn no_rule_has_a_wildcard_and_secrets_are_for_namespaces_only() {
    // Bound in the whole cluster, or in the namespace of the databases' credentials.
    let without_secrets = [
        "tradewind-hub",
        "tradewind-hub-archive",
        "tradewind-region",
        "tradewind-region-runs",
    ];
    for (name, rules) in rules() {
        assert!(!rules.to_string().contains('*'), "{name} has a wildcard");
        for rule in rules.as_array().unwrap() {
            let resources = rule["resources"].as_array().unwrap();
            let secrets = resources
                .iter()
                .any(|r| r.as_str().unwrap().starts_with("secrets"));
            assert!(
                !secrets || !without_secrets.contains(&name.as_str()),
                "{name}: {rule}"
            );
            // What would make its holder anybody.
            for verb in ["escalate", "bind", "impersonate"] {
                assert!(!rule["verbs"].to_string().contains(verb), "{name}: {rule}");
            }
            for resource in ["pods/exec", "pods/attach", "serviceaccounts/token", "nodes"] {
                assert!(!resources.contains(&json!(resource)), "{name}: {rule}");
            }
        }
    }
}

const PEOPLE: [&str; 11] = [
    "tradewind-approver",
    "tradewind-approvals-write",
    "tradewind-auditor",
    "tradewind-evidence-read",
    "tradewind-counsel",
    "tradewind-compliance",
    "tradewind-privacy",
    "tradewind-requests-write",
    "tradewind-requests-read",
    "tradewind-holds-write",
    "tradewind-holds-read",
];

/// Roles that the chart brings for people, and binds to nobody.
fn is_for_people(role: &Value) -> bool {
    PEOPLE.contains(&name(role).as_str())
}

#[tokio::test]
async fn counsel_alone_may_write_holds_and_nobody_is_bound() {
    let helm = Helm::built().await;
    let rendered = helm.objects(HUB);
    let roles: Vec<Value> = of_kind(&rendered, "ClusterRole");
    let people: Vec<&Value> = roles.iter().filter(|role| is_for_people(role)).collect();
    assert_eq!(people.len(), PEOPLE.len());
    for binding in ["ClusterRoleBinding", "RoleBinding"] {
        for binding in of_kind(&rendered, binding) {
            let bound = binding["roleRef"]["name"].as_str().unwrap();
            assert!(!PEOPLE.contains(&bound), "{binding}");
        }
    }
    // As Kubernetes puts an aggregated role together.
    let granted = |who: &str, to: &str| {
        let label = format!("tradewind.dev/aggregate-to-{who}");
        let selector = json!([{"matchLabels": {label.as_str(): "true"}}]);
        let own = people
            .iter()
            .find(|role| name(role) == format!("tradewind-{who}"))
            .unwrap();
        assert_eq!(own["aggregationRule"]["clusterRoleSelectors"], selector);
        let joined = people
            .iter()
            .filter(|role| role["metadata"]["labels"][label.as_str()] == "true");
        let rules = joined.flat_map(|role| role["rules"].as_array().unwrap().clone());
        let of_kind = rules.filter(|rule| rule["resources"].to_string().contains(to));
        let verbs = of_kind.flat_map(|rule| rule["verbs"].as_array().unwrap().clone());
        verbs
            .map(|verb| verb.as_str().unwrap().to_owned())
            .collect::<BTreeSet<_>>()
    };
    let reading = BTreeSet::from(["get", "list", "watch"].map(str::to_owned));
    let (holds, requests) = ("legalholds", "datasubjectrequests");
    assert_eq!(granted("compliance", holds), reading);
    assert_eq!(granted("compliance", requests), reading);
    let writing = ["create", "delete", "patch", "update"].map(str::to_owned);
    let all: BTreeSet<String> = reading.iter().cloned().chain(writing).collect();
    assert_eq!(granted("counsel", holds), all);
    assert_eq!(granted("privacy", requests), all);
    let none = BTreeSet::new();
    assert_eq!(granted("counsel", requests), none);
    assert_eq!(granted("privacy", holds), none);
    // A preview is asked for and approved by who has that role, and evidence exported by who reads it; neither makes policies.
    let policies = "datapolicies";
    let approving = ["approve", "patch", "update"].map(str::to_owned);
    let approving: BTreeSet<String> = reading.iter().cloned().chain(approving).collect();
    assert_eq!(granted("approver", policies), approving);
    for who in ["compliance", "auditor"] {
        for what in ["regions", policies, holds, requests, "evidencerecords"] {
            assert_eq!(granted(who, what), reading, "{who} {what}");
        }
    }
    assert_eq!(granted("approver", "evidencerecords"), none);
    let region = of_kind(&helm.objects(REGION), "ClusterRole");
    assert!(
        !region.iter().any(is_for_people),
        "holds are opened on the hub"
    );
    // The local story has the same roles, and binds them as the page says.
    let story = documents(&story::officers::rights(&checkout()).unwrap());
    let granted = |roles: &[Value]| -> BTreeMap<String, Value> {
        let people = roles.iter().filter(|role| is_for_people(role));
        people
            .map(|role| {
                let labels = role["metadata"]["labels"].as_object().into_iter().flatten();
                let joins: BTreeSet<&String> = labels
                    .map(|(label, _)| label)
                    .filter(|label| label.starts_with("tradewind.dev/"))
                    .collect();
                let rules = (role["rules"].clone(), role["aggregationRule"].clone());
                (name(role), json!([rules, joins]))
            })
            .collect()
    };
    assert_eq!(granted(&of_kind(&story, "ClusterRole")), granted(&roles));
    let page = fs::read_to_string(checkout().join("docs/install.md")).unwrap();
    let bindings = of_kind(&story, "ClusterRoleBinding");
    assert_eq!(bindings.len(), 5);
    for binding in bindings {
        let role = binding["roleRef"]["name"].as_str().unwrap();
        let group = binding["subjects"][0]["name"].as_str().unwrap();
        let command = format!(
            "clusterrolebinding {} --clusterrole={role} --group={group}\n",
            name(&binding)
        );
        assert!(page.contains(&command), "{command}");
    }
}

/// Roles and bindings by kind, namespace and name, with what they grant and to whom.
fn rights(objects: &[Value]) -> BTreeMap<String, Value> {
    ["ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding"]
        .iter()
        .flat_map(|kind| of_kind(objects, kind))
        .filter(|object| !is_for_people(object))
        .map(|object| {
            let namespace = object["metadata"]["namespace"].as_str().unwrap_or("-");
            let key = format!("{} {namespace}/{}", object["kind"], name(&object));
            let granted = json!([object["rules"], object["roleRef"], object["subjects"]]);
            (key, granted)
        })
        .collect()
}

#[tokio::test]
async fn the_local_story_grants_what_the_chart_grants() {
    let helm = Helm::built().await;
    let hub = story::install::hub_rights(&checkout(), TENANTS).unwrap();
    let region = story::install::region_rights(&checkout(), TENANTS).unwrap();
    for (values, applied) in [(HUB, hub), (REGION, region)] {
        // The local hub does not know the kind of reports.
        let chart = helm.objects(&[values, &["openReports=false"]].concat());
        let story = documents(&applied);
        assert_eq!(rights(&chart), rights(&story));
        // One cluster-wide binding, one in each tenant's namespace, one in a namespace of Tradewind's; in a region one
        // for who signs and one for who keeps the key of requests.
        let bindings: usize = ["ClusterRoleBinding", "RoleBinding"]
            .iter()
            .map(|kind| of_kind(&chart, kind).len())
            .sum();
        let signs = of_kind(&chart, "Role").len();
        assert_eq!(bindings, 4 + signs);
        assert_eq!(signs, 2 * usize::from(values == REGION));
        let guards = |objects: &[Value]| -> Vec<Value> {
            let kinds = [
                "ValidatingAdmissionPolicy",
                "ValidatingAdmissionPolicyBinding",
            ];
            let all = kinds.iter().flat_map(|kind| of_kind(objects, kind));
            all.map(|object| object["spec"].clone()).collect()
        };
        assert_eq!(guards(&chart), guards(&story));
        assert_eq!(guards(&chart).len(), 4 * usize::from(values == HUB));
        let accounts = |objects: &[Value]| -> Vec<String> {
            of_kind(objects, "ServiceAccount")
                .iter()
                .map(|a| format!("{}/{}", a["metadata"]["namespace"], name(a)))
                .collect::<BTreeSet<_>>()
                .into_iter()
                .collect()
        };
        assert_eq!(accounts(&chart), accounts(&story));
    }
}

#[tokio::test]
async fn a_local_region_has_the_rights_of_both_roles() {
    let helm = Helm::built().await;
    let both = rights(&helm.objects(&[HUB, &["localRegion=true"]].concat()));
    let mut wanted = rights(&helm.objects(HUB));
    wanted.extend(rights(&helm.objects(REGION)));
    assert_eq!(both, wanted);
}

#[tokio::test]
async fn records_and_approvals_are_guarded_unless_somebody_says_otherwise() {
    let helm = Helm::built().await;
    let guarded = |values: &[&str]| {
        let rendered = helm.objects(&[HUB, values].concat());
        let all = of_kind(&rendered, "ValidatingAdmissionPolicy");
        all.iter().map(name).collect::<Vec<_>>()
    };
    let (approval, evidence) = ("tradewind-approval", "tradewind-evidence");
    assert_eq!(guarded(&[]), [approval, evidence]);
    assert_eq!(guarded(&["evidence.protect=false"]), [approval]);
    assert_eq!(guarded(&["approvals.protect=false"]), [evidence]);
}

/// The rendered Deployment.
fn deployment(helm: &Helm, values: &[&str]) -> Value {
    of_kind(&helm.objects(values), "Deployment").remove(0)
}

#[tokio::test]
async fn every_value_reaches_the_deployment() {
    let helm = Helm::built().await;
    let digest = format!("image.digest=sha256:{}", "a".repeat(64));
    let given = [
        digest.as_str(),
        "image.pullPolicy=Always",
        "imagePullSecrets[0].name=pull",
        "replicas=3",
        "logLevel=debug",
        "resources.limits.memory=1Gi",
        "nodeSelector.disk=ssd",
        "tolerations[0].key=hub",
        "affinity.nodeAffinity.preferredDuringSchedulingIgnoredDuringExecution[0].weight=7",
    ];
    let plain = deployment(&helm, HUB);
    let changed = deployment(&helm, &[HUB, &given].concat());
    let text = changed.to_string();
    for value in [
        format!(
            "\"image\":\"registry.example/tradewind@sha256:{}\"",
            "a".repeat(64)
        ),
        "\"imagePullPolicy\":\"Always\"".into(),
        "\"imagePullSecrets\":[{\"name\":\"pull\"}]".into(),
        "\"replicas\":3".into(),
        "\"value\":\"debug\"".into(),
        "\"memory\":\"1Gi\"".into(),
        "\"nodeSelector\":{\"disk\":\"ssd\"}".into(),
        "\"tolerations\":[{\"key\":\"hub\"}]".into(),
        "\"weight\":7".into(),
    ] {
        assert!(text.contains(&value), "no {value} in {text}");
        assert!(
            !plain.to_string().contains(&value),
            "{value} is there without being asked for"
        );
    }
}

#[tokio::test]
async fn the_operator_is_told_what_was_set() {
    let helm = Helm::built().await;
    let args = |values: &[&str]| {
        let pod = &deployment(&helm, values)["spec"]["template"]["spec"];
        pod["containers"][0]["args"].clone()
    };
    let image = format!(
        "--image=registry.example/tradewind:{}",
        env!("CARGO_PKG_VERSION")
    );
    let plain = json!([
        "run",
        "--fleet=aurora",
        "--namespace=tradewind-system",
        image,
        "--log-format=json"
    ]);
    assert_eq!(args(HUB), plain);
    let given = [
        "agent.image=registry.example/agent:1",
        "agent.pullPolicy=Never",
        "logFormat=human",
        "packsConfigMap=packs",
    ];
    let changed = json!([
        "run",
        "--fleet=aurora",
        "--namespace=tradewind-system",
        "--image=registry.example/agent:1",
        "--image-pull-policy=Never",
        "--log-format=human",
        "--packs-configmap=packs"
    ]);
    assert_eq!(args(&[HUB, &given].concat()), changed);
    let archive = [
        "evidence.archive.url=s3://evidence/aurora",
        "evidence.archive.credentialsSecret=archive",
        "evidence.archive.volumeClaim=segments",
        "evidence.archive.sealAfter=P30D",
    ];
    let told = args(&[HUB, &archive].concat());
    let told: Vec<&str> = told.as_array().unwrap()[5..]
        .iter()
        .map(|arg| arg.as_str().unwrap())
        .collect();
    let wanted = [
        "--evidence-archive=s3://evidence/aurora",
        "--evidence-seal-after=P30D",
        "--evidence-archive-credentials=/etc/tradewind/archive",
    ];
    assert_eq!(told, wanted);
    let pod = deployment(&helm, &[HUB, &archive].concat())["spec"]["template"]["spec"].clone();
    let mounted = pod["containers"][0]["volumeMounts"].to_string();
    let volumes = pod["volumes"].to_string();
    assert!(mounted.contains("/etc/tradewind/archive") && mounted.contains("\"/archive\""));
    assert!(
        volumes.contains("\"secretName\":\"archive\"")
            && volumes.contains("\"claimName\":\"segments\"")
    );
    assert_eq!(pod["securityContext"]["fsGroup"], 65532);
}

#[tokio::test]
async fn the_package_is_whole_and_has_the_versions_of_the_crate() {
    let helm = Helm::built().await;
    let folder = tempfile::tempdir().unwrap();
    let chart = checkout().join("charts/tradewind");
    let into = folder.path().to_string_lossy().into_owned();
    helm.run(&["package", "--destination", &into], &chart, &[])
        .unwrap();
    let version = env!("CARGO_PKG_VERSION");
    let package = folder.path().join(format!("tradewind-{version}.tgz"));
    // The CRDs are behind a symbolic link in the checkout, and files in the package.
    assert_eq!(helm.objects_of(&package, HUB), helm.objects(HUB));
    let about = documents(&fs::read_to_string(chart.join("Chart.yaml")).unwrap());
    assert_eq!(about[0]["version"], version);
    assert_eq!(about[0]["appVersion"], version);
}

#[tokio::test]
async fn an_older_kubernetes_is_refused() {
    let helm = Helm::built().await;
    let chart = checkout().join("charts/tradewind");
    let ask = |version| {
        let args = ["template", "tradewind", "--kube-version", version];
        helm.run(&args, Path::new(&chart), HUB)
    };
    assert!(ask("1.33.0").is_ok());
    let refused = ask("1.32.9").unwrap_err();
    assert!(
        refused.contains("chart requires kubeVersion: >=1.33.0"),
        "{refused}"
    );
}
