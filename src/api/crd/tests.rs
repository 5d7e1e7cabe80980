use std::path::Path;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    JSONSchemaPropsOrArray, JSONSchemaPropsOrBool,
};

use super::*;

#[test]
fn the_checked_in_files_are_what_the_types_say() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("crds");
    let wanted = files().unwrap();
    let mut there: Vec<String> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    there.sort();
    let mut names: Vec<&str> = wanted.iter().map(|(name, _)| name.as_str()).collect();
    names.sort_unstable();
    assert_eq!(
        there, names,
        "crds/ is stale: run `make crds` and commit the result"
    );
    for (name, content) in &wanted {
        let text = std::fs::read_to_string(folder.join(name)).unwrap();
        assert!(
            text == *content,
            "crds/{name} is stale: run `make crds` and commit the result"
        );
    }
}

/// Every schema node below spec and status with its path.
fn walk<'a>(path: &str, schema: &'a JSONSchemaProps, out: &mut Vec<(String, &'a JSONSchemaProps)>) {
    out.push((path.to_owned(), schema));
    for (name, property) in schema.properties.iter().flatten() {
        walk(&format!("{path}.{name}"), property, out);
    }
    if let Some(JSONSchemaPropsOrArray::Schema(items)) = &schema.items {
        walk(&format!("{path}[]"), items, out);
    }
    if let Some(JSONSchemaPropsOrBool::Schema(values)) = &schema.additional_properties {
        walk(&format!("{path}{{}}"), values, out);
    }
}

fn nodes(crds: &[CustomResourceDefinition], part: &str) -> Vec<(String, JSONSchemaProps)> {
    let mut out = Vec::new();
    for crd in crds {
        let schema = crd.spec.versions[0].schema.as_ref().unwrap();
        let root = schema.open_api_v3_schema.as_ref().unwrap();
        let part_schema = &root.properties.as_ref().unwrap()[part];
        let mut nodes = Vec::new();
        walk(
            &format!("{}.{part}", crd.spec.names.kind),
            part_schema,
            &mut nodes,
        );
        out.extend(nodes.into_iter().map(|(path, node)| (path, node.clone())));
    }
    out
}

#[test]
fn every_field_is_described() {
    let crds = all();
    let mut bare = Vec::new();
    for part in ["spec", "status"] {
        for (path, node) in nodes(&crds, part) {
            let is_field = !path.ends_with("[]") && !path.ends_with("{}");
            if is_field
                && node
                    .description
                    .as_deref()
                    .unwrap_or_default()
                    .trim()
                    .is_empty()
            {
                bare.push(path);
            }
        }
    }
    assert!(
        bare.is_empty(),
        "describe for the person who types it: {bare:#?}"
    );
}

/// The field's own words, not its type's: of a choice that may be left out they say what counts then.
#[test]
fn what_an_absent_choice_means_is_said() {
    let mut silent = Vec::new();
    for (path, node) in nodes(&all(), "spec") {
        let required = node.required.clone().unwrap_or_default();
        for (name, property) in node.properties.iter().flatten() {
            if property.enum_.is_none() || required.contains(name) {
                continue;
            }
            let told = property.description.clone().unwrap_or_default();
            // What goes with another choice is asked for there, and has no meaning without.
            let goes_with_another = told.starts_with("For `");
            if !told.to_lowercase().contains("absent") && !goes_with_another {
                silent.push(format!("{path}.{name}: {told}"));
            }
        }
    }
    assert!(
        silent.is_empty(),
        "say what counts when absent: {silent:#?}"
    );
}

fn lacks_bound(node: &JSONSchemaProps) -> Option<&'static str> {
    match node.type_.as_deref() {
        Some("string") if node.enum_.is_none() && node.max_length.is_none() => Some("maxLength"),
        Some("array") if node.max_items.is_none() => Some("maxItems"),
        Some("integer" | "number") if node.minimum.is_none() || node.maximum.is_none() => {
            Some("minimum and maximum")
        }
        Some("object") if node.additional_properties.is_some() && node.max_properties.is_none() => {
            Some("maxProperties")
        }
        None => Some("type"),
        _ => None,
    }
}

#[test]
fn everything_that_a_person_types_is_bounded() {
    let lacking: Vec<String> = nodes(&all(), "spec")
        .iter()
        .filter_map(|(path, node)| Some(format!("{path}: {}", lacks_bound(node)?)))
        .collect();
    assert!(lacking.is_empty(), "{lacking:#?}");
}

#[test]
fn no_string_in_a_list_and_no_needed_string_may_be_empty() {
    let empty: Vec<String> = nodes(&all(), "spec")
        .into_iter()
        .filter(|(path, node)| {
            let typed = node.type_.as_deref() == Some("string") && node.enum_.is_none();
            let may_be_empty = node.min_length.unwrap_or(0) < 1 && node.pattern.is_none();
            typed && path.ends_with("[]") && may_be_empty
        })
        .map(|(path, _)| path)
        .collect();
    assert!(empty.is_empty(), "{empty:#?}");
}

#[test]
fn lists_of_named_things_merge_by_name() {
    for (path, node) in nodes(&all(), "spec") {
        let Some(JSONSchemaPropsOrArray::Schema(items)) = &node.items else {
            continue;
        };
        let merge = node.x_kubernetes_list_type.as_deref();
        let named = items
            .properties
            .as_ref()
            .is_some_and(|p| p.contains_key("name"));
        if named {
            assert_eq!(
                merge,
                Some("map"),
                "{path}: a list of named things is a list-map"
            );
            assert_eq!(
                node.x_kubernetes_list_map_keys,
                Some(vec!["name".to_owned()]),
                "{path}"
            );
        } else if items.type_.as_deref() == Some("string") {
            assert_eq!(merge, Some("set"), "{path}: a list of words is a set");
        }
    }
}

#[test]
fn every_rule_says_which_field_and_what_would_be_right() {
    let crds = all();
    let mut count = 0;
    for crd in &crds {
        let schema = crd.spec.versions[0].schema.as_ref().unwrap();
        let mut nodes = Vec::new();
        walk(
            &crd.spec.names.kind,
            schema.open_api_v3_schema.as_ref().unwrap(),
            &mut nodes,
        );
        for (path, node) in nodes {
            for rule in node.x_kubernetes_validations.iter().flatten() {
                let message = rule.message.as_deref().unwrap_or_default();
                let says = message.contains(": ") || message.contains("cannot be changed");
                assert!(says && message.len() > 30, "{path}: '{message}'");
                count += 1;
            }
        }
    }
    assert!(count > 10, "{count}");
}

#[test]
fn a_new_object_has_observed_nothing() {
    for crd in all() {
        let schema = crd.spec.versions[0].schema.as_ref().unwrap();
        let root = schema.open_api_v3_schema.as_ref().unwrap();
        let status = &root.properties.as_ref().unwrap()["status"];
        let default = status.default.as_ref().map(|default| &default.0);
        let categories = crd.spec.names.categories.clone().unwrap_or_default();
        // Evidence is not asked for anything, and would drown everything else in `kubectl get tradewind`.
        if crd.spec.names.kind == "EvidenceRecord" {
            assert_eq!((default, categories.len()), (None, 0));
        } else {
            let unseen = serde_json::json!({"observedGeneration": -1});
            assert_eq!(default, Some(&unseen));
            assert!(categories.contains(&"tradewind".to_owned()));
        }
        assert!(
            crd.spec.versions[0]
                .subresources
                .as_ref()
                .unwrap()
                .status
                .is_some()
        );
        assert!(
            !crd.spec.versions[0]
                .selectable_fields
                .as_ref()
                .unwrap()
                .is_empty()
        );
    }
}

#[test]
fn no_default_but_that_is_written_into_a_spec() {
    let defaulted: Vec<String> = nodes(&all(), "spec")
        .into_iter()
        .filter(|(_, node)| node.default.is_some())
        .map(|(path, _)| path)
        .collect();
    assert!(
        defaulted.is_empty(),
        "a default in the schema writes to the spec: {defaulted:#?}"
    );
}

/// Each kind, its short name, what it is selected by, and its columns; those of `-o wide` in brackets.
const SHOWN: [(&str, &str, &str, &str); 5] = [
    (
        "Region",
        "rgn",
        ".spec.runNamespace",
        "Ready Cluster Channels Unreachable-Since (Reason) Age",
    ),
    (
        "SocialChannel",
        "sch",
        ".spec.platform.name",
        "Platform Regions Ready Reason LastFeed (Message) Age",
    ),
    (
        "DataPolicy",
        "dpol",
        ".spec.mode",
        "Regimes Mode Enforced Due Erased LastRun NextRun Ready (Findings) (Message) Age",
    ),
    (
        "LegalHold",
        "lhold",
        ".spec.openedBy",
        "State Regions Review By (Ready) (Message) Age",
    ),
    (
        "DataSubjectRequest",
        "dsr",
        ".spec.kind",
        "Kind State Clock Due Regions (Ready) (Message) Age",
    ),
];

#[test]
fn what_kubectl_shows_and_selects_by_is_there() {
    let told: Vec<(String, String, String, String)> = all()
        .iter()
        .map(|crd| {
            let (names, version) = (&crd.spec.names, &crd.spec.versions[0]);
            let columns = version.additional_printer_columns.iter().flatten();
            let columns = columns.map(|column| match column.priority {
                Some(0) | None => column.name.clone(),
                Some(_) => format!("({})", column.name),
            });
            let fields = version.selectable_fields.iter().flatten();
            (
                names.kind.clone(),
                names.short_names.clone().unwrap_or_default().join(" "),
                fields
                    .map(|field| field.json_path.clone())
                    .collect::<Vec<_>>()
                    .join(" "),
                columns.collect::<Vec<_>>().join(" "),
            )
        })
        .collect();
    for (kind, short, fields, columns) in SHOWN {
        let found = told.iter().find(|told| told.0 == kind).unwrap();
        assert_eq!(
            (found.1.as_str(), found.2.as_str(), found.3.as_str()),
            (short, fields, columns),
            "{kind}"
        );
    }
}

/// A column of a field that nobody writes shows nothing, for ever.
#[test]
fn every_column_shows_a_field_that_there_is() {
    for crd in all() {
        let version = &crd.spec.versions[0];
        let schema = version.schema.as_ref().unwrap();
        let root = schema.open_api_v3_schema.as_ref().unwrap();
        for column in version.additional_printer_columns.iter().flatten() {
            let path = column.json_path.as_str();
            let mut node = root;
            if path.starts_with(".metadata.") {
                continue;
            }
            for name in path.split(['.', '[']).filter(|name| !name.is_empty()) {
                // A condition's own fields are Kubernetes'.
                if name.starts_with('?') {
                    break;
                }
                // A list's own place: `checkpoints[0]`.
                if let Some(JSONSchemaPropsOrArray::Schema(items)) = &node.items {
                    node = items;
                    continue;
                }
                let properties = node.properties.as_ref();
                node = properties
                    .and_then(|all| all.get(name))
                    .unwrap_or_else(|| panic!("{}: {path}: no field {name}", column.name));
            }
        }
    }
}
