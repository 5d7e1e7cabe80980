//! The CustomResourceDefinitions, as they are checked in under `crds/`.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, JSON, JSONSchemaProps,
};
use kube::CustomResourceExt;

use super::{DataPolicy, DataSubjectRequest, EvidenceRecord, LegalHold, Region, SocialChannel};

/// All CustomResourceDefinitions, in the order in which they are installed.
#[must_use]
pub fn all() -> Vec<CustomResourceDefinition> {
    vec![
        finish(Region::crd()),
        finish(SocialChannel::crd()),
        finish(DataPolicy::crd()),
        finish(LegalHold::crd()),
        finish(DataSubjectRequest::crd()),
        finish(EvidenceRecord::crd()),
    ]
}

/// What stands above each file, so that all of them can be read as one stream; `tradewind crds` writes the same.
const HEAD: &str = "---\n";

/// The CustomResourceDefinitions as files: name and content, in the order in which they are installed.
pub fn files() -> Result<Vec<(String, String)>, serde_yaml::Error> {
    let file = |crd: &CustomResourceDefinition| {
        let name = format!("{}.yaml", crd.spec.names.plural);
        Ok((name, format!("{HEAD}{}", serde_yaml::to_string(crd)?)))
    };
    all().iter().map(file).collect()
}

/// What the derive cannot say: a new object's status says that nothing has been observed yet, so that kstatus
/// doesn't take it for current.
fn finish(mut crd: CustomResourceDefinition) -> CustomResourceDefinition {
    for version in &mut crd.spec.versions {
        let Some(root) = version
            .schema
            .as_mut()
            .and_then(|s| s.open_api_v3_schema.as_mut())
        else {
            continue;
        };
        let Some(properties) = root.properties.as_mut() else {
            continue;
        };
        if let Some(status) = properties.get_mut("status") {
            let observes = status.properties.as_ref();
            if observes.is_some_and(|fields| fields.contains_key("observedGeneration")) {
                status.default = Some(JSON(serde_json::json!({"observedGeneration": -1})));
            }
            status.nullable = None;
            status.description = Some("What Tradewind sees; written by Tradewind only.".into());
        }
        for property in properties.values_mut() {
            tidy(property);
        }
    }
    crd
}

/// Absent and null mean the same to us: the API server drops a null where none is allowed, and so nothing diffs for ever.
fn tidy(schema: &mut JSONSchemaProps) {
    schema.nullable = None;
    for property in schema
        .properties
        .iter_mut()
        .flat_map(std::collections::BTreeMap::values_mut)
    {
        tidy(property);
    }
    if let Some(
        k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::JSONSchemaPropsOrArray::Schema(items),
    ) = schema.items.as_mut()
    {
        tidy(items);
    }
}

#[cfg(test)]
mod tests;
