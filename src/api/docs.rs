//! The API reference, `docs/reference.md`, made from the same schemas that the API server checks.

use std::fmt::Write as _;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, JSONSchemaProps, JSONSchemaPropsOrArray,
};

/// The reference of all kinds, as Markdown.
#[must_use]
pub fn markdown() -> String {
    let mut out = String::from(
        "# API reference\n\nGenerated from the types by `make crds`; do not edit. Group `tradewind.dev`, version `v1alpha1`.\n",
    );
    for crd in super::crd::all() {
        kind(&mut out, &crd);
    }
    out
}

fn kind(out: &mut String, crd: &CustomResourceDefinition) {
    let names = &crd.spec.names;
    let short = names.short_names.as_deref().unwrap_or_default().join(", ");
    let _ = writeln!(
        out,
        "\n## {}\n\n{}, short name `{short}`.",
        names.kind, crd.spec.scope
    );
    for version in &crd.spec.versions {
        let Some(root) = version
            .schema
            .as_ref()
            .and_then(|s| s.open_api_v3_schema.as_ref())
        else {
            continue;
        };
        if let Some(text) = &root.description {
            let _ = writeln!(out, "\n{text}");
        }
        rules(out, "the object", root);
        for part in ["spec", "status"] {
            let Some(schema) = root.properties.as_ref().and_then(|p| p.get(part)) else {
                continue;
            };
            let _ = writeln!(out, "\n| field | type | meaning |\n|---|---|---|");
            fields(out, part, schema);
        }
    }
}

fn fields(out: &mut String, path: &str, schema: &JSONSchemaProps) {
    let required = schema.required.as_deref().unwrap_or_default();
    for (name, field) in schema.properties.iter().flatten() {
        let path = format!("{path}.{name}");
        let star = if required.contains(name) { "\\*" } else { "" };
        let mut text = field
            .description
            .clone()
            .unwrap_or_default()
            .replace('\n', " ")
            .replace('|', "\\|");
        for rule in field.x_kubernetes_validations.iter().flatten() {
            if let Some(message) = &rule.message {
                let _ = write!(text, " *{}*", message.replace('|', "\\|"));
            }
        }
        let _ = writeln!(out, "| `{path}`{star} | {} | {text} |", kind_of(field));
        fields(out, &path, field);
        if let Some(JSONSchemaPropsOrArray::Schema(items)) = &field.items {
            fields(out, &format!("{path}[]"), items);
        }
    }
}

fn rules(out: &mut String, what: &str, schema: &JSONSchemaProps) {
    for message in schema
        .x_kubernetes_validations
        .iter()
        .flatten()
        .filter_map(|r| r.message.as_ref())
    {
        let _ = writeln!(out, "\nRule of {what}: *{message}*");
    }
}

/// The type with its bounds, `string, 1 to 40` or `string: DryRun, Enforce`.
fn kind_of(schema: &JSONSchemaProps) -> String {
    let is_either = schema.x_kubernetes_int_or_string == Some(true);
    let other = if is_either {
        "integer or string"
    } else {
        "any"
    };
    let mut text = schema.type_.clone().unwrap_or_else(|| other.into());
    let values: Vec<String> = schema
        .enum_
        .iter()
        .flatten()
        .filter_map(|v| v.0.as_str().map(|s| format!("`{s}`")))
        .collect();
    if !values.is_empty() {
        let _ = write!(text, ": {}", values.join(", "));
    }
    let bounds = [
        bound(schema.min_length, schema.max_length, "characters"),
        bound(schema.min_items, schema.max_items, "entries"),
        match (schema.minimum, schema.maximum) {
            (Some(low), Some(high)) => Some(format!("{low} to {high}")),
            _ => None,
        },
    ];
    for words in bounds.into_iter().flatten() {
        let _ = write!(text, ", {words}");
    }
    text
}

fn bound(low: Option<i64>, high: Option<i64>, what: &str) -> Option<String> {
    match (low.unwrap_or(0), high) {
        (low, Some(high)) if low == high => Some(format!("{high} {what}")),
        (0, Some(high)) => Some(format!("at most {high} {what}")),
        (low, Some(high)) => Some(format!("{low} to {high} {what}")),
        (_, None) => None,
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_kind_and_a_deep_field_are_there() {
        let text = super::markdown();
        for wanted in [
            "## Region",
            "## SocialChannel",
            "## DataPolicy",
            "`spec.rules[].erase.method`\\*",
        ] {
            assert!(text.contains(wanted), "no {wanted} in the reference");
        }
    }

    #[test]
    fn the_checked_in_reference_is_fresh() {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/reference.md");
        let there = std::fs::read_to_string(file).unwrap_or_default();
        assert!(
            there == super::markdown(),
            "docs/reference.md is stale: run `make crds` and commit the result"
        );
    }
}
