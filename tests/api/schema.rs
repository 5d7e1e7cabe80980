//! The checked-in schema, flat: one entry per field.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, JSONSchemaProps, JSONSchemaPropsOrArray, JSONSchemaPropsOrBool,
};
use serde_json::Value;

/// A field of the schema.
pub(crate) struct Field {
    /// `feeds[].schedule`.
    pub(crate) path: String,
    pub(crate) schema: JSONSchemaProps,
    /// Whether its parent cannot be without it.
    pub(crate) required: bool,
}

impl Field {
    pub(crate) fn type_of(&self) -> &str {
        self.schema.type_.as_deref().unwrap_or_default()
    }

    pub(crate) fn choices(&self) -> Vec<Value> {
        self.schema
            .enum_
            .iter()
            .flatten()
            .map(|json| json.0.clone())
            .collect()
    }

    pub(crate) fn is_map(&self) -> bool {
        self.schema.additional_properties.is_some()
    }

    pub(crate) fn has_rules(&self) -> bool {
        self.schema
            .x_kubernetes_validations
            .as_ref()
            .is_some_and(|rules| !rules.is_empty())
    }

    /// An item of a list or of a map, which has no name of its own.
    pub(crate) fn is_item(&self) -> bool {
        self.path.ends_with("[]") || self.path.ends_with("{}")
    }
}

/// Every field below `part` (`spec`, `status`) of a CRD.
pub(crate) fn fields(crd: &CustomResourceDefinition, part: &str) -> Vec<Field> {
    let version = &crd.spec.versions[0];
    let root = version
        .schema
        .as_ref()
        .unwrap()
        .open_api_v3_schema
        .as_ref()
        .unwrap();
    let mut out = Vec::new();
    below("", &root.properties.as_ref().unwrap()[part], &mut out);
    out
}

fn below(path: &str, schema: &JSONSchemaProps, out: &mut Vec<Field>) {
    let required = schema.required.as_deref().unwrap_or_default();
    for (name, property) in schema.properties.iter().flatten() {
        let path = if path.is_empty() {
            name.clone()
        } else {
            format!("{path}.{name}")
        };
        add(&path, property, required.contains(name), out);
    }
    if let Some(JSONSchemaPropsOrArray::Schema(items)) = &schema.items {
        add(&format!("{path}[]"), items, false, out);
    }
    if let Some(JSONSchemaPropsOrBool::Schema(values)) = &schema.additional_properties {
        add(&format!("{path}{{}}"), values, false, out);
    }
}

fn add(path: &str, schema: &JSONSchemaProps, required: bool, out: &mut Vec<Field>) {
    out.push(Field {
        path: path.to_owned(),
        schema: schema.clone(),
        required,
    });
    below(path, schema, out);
}

/// Where a field stands in an object: its first item, its first key. None when the object hasn't got it.
pub(crate) fn pointer(path: &str, spec: &Value) -> Option<String> {
    let mut pointer = String::new();
    for part in path.split('.') {
        let name = part.trim_end_matches(['[', ']', '{', '}']);
        pointer = format!("{pointer}/{name}");
        let value = spec.pointer(&pointer)?;
        if part.ends_with("[]") {
            value.get(0)?;
            pointer.push_str("/0");
        } else if part.ends_with("{}") {
            let key = value.as_object()?.keys().next()?;
            let key = key.replace('~', "~0").replace('/', "~1");
            pointer = format!("{pointer}/{key}");
        }
    }
    Some(pointer)
}

/// The spec with another value at the pointer; with none, without it.
pub(crate) fn with(spec: &Value, pointer: &str, value: Option<Value>) -> Value {
    let mut spec = spec.clone();
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    let key = key.replace("~1", "/").replace("~0", "~");
    match (spec.pointer_mut(parent).unwrap(), value) {
        (Value::Object(fields), Some(value)) => {
            fields.insert(key, value);
        }
        (Value::Object(fields), None) => {
            fields.remove(&key);
        }
        (Value::Array(items), Some(value)) => items[key.parse::<usize>().unwrap()] = value,
        (Value::Array(items), None) => {
            items.remove(key.parse().unwrap());
        }
        (other, _) => panic!("{pointer}: {other}"),
    }
    spec
}
