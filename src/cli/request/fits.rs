//! Whether the API server would take a request: by the schema that it has, before anything is sent.
//!
//! Forms, lengths and lists only: what rules between fields say, the server says itself.

use std::collections::HashSet;

use kube::ResourceExt;
use regex::Regex;
use serde_json::Value;

use crate::api::{DataSubjectRequest, crd};
use crate::cli::input::{Error, wrong};

/// Where a field of the spec came from.
const ARGUMENTS: [(&str, &str); 10] = [
    ("received", "--received"),
    ("jurisdictions", "--jurisdiction"),
    ("timeZone", "--zone"),
    ("regions", "--region"),
    ("delivery.objectStore.url", "--to"),
    ("delivery.objectStore.country", "--country"),
    ("delivery.objectStore.prefix", "--prefix"),
    ("delivery.objectStore.credentialsRef", "--credentials"),
    ("delivery.recipient", "--reader"),
    ("delivery.expiresAfter", "--expires"),
];
/// Longest name, as the kind's rule has it.
const NAME: usize = 40;

/// What of the request has not the schema's form, by the argument that it came from.
pub(super) fn fits(request: &DataSubjectRequest) -> Result<(), Error> {
    let name = request.name_any();
    let is_name = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let inner = |byte: u8| is_name(byte) || byte == b'-' || byte == b'.';
    let ends = [name.bytes().next(), name.bytes().next_back()];
    let has_form = name.bytes().all(inner) && ends.iter().all(|end| end.is_some_and(is_name));
    if !has_form || name.len() > NAME {
        let such = "write lower-case letters, digits and hyphens, 40 at most, such as dsr-2026-17";
        return Err(wrong("--name", format!("'{name}' is no name; {such}")));
    }
    let spec = serde_json::to_value(&request.spec).map_err(Error::Json)?;
    let kinds = serde_json::to_value(crd::all()).map_err(Error::Json)?;
    let kinds = kinds.as_array().map(Vec::as_slice).unwrap_or_default();
    let own = |kind: &&Value| kind["spec"]["names"]["kind"] == "DataSubjectRequest";
    let at = "/spec/versions/0/schema/openAPIV3Schema/properties/spec";
    let schema = kinds.iter().find(own).and_then(|kind| kind.pointer(at));
    let Some(misfit) = schema.and_then(|schema| misfit(schema, &spec, "")) else {
        return Ok(());
    };
    let from = ARGUMENTS
        .iter()
        .find(|(path, _)| misfit.path.starts_with(path));
    let field = from.map_or_else(
        || format!("spec.{}", misfit.path),
        |(_, argument)| (*argument).to_owned(),
    );
    Err(wrong(field, misfit.problem))
}

struct Misfit {
    path: String,
    problem: String,
}

/// The first part of a value that the schema refuses.
fn misfit(schema: &Value, value: &Value, path: &str) -> Option<Misfit> {
    let no = |problem: String| {
        Some(Misfit {
            path: path.to_owned(),
            problem,
        })
    };
    let number = |key: &str| usize::try_from(schema[key].as_u64()?).ok();
    match value {
        Value::String(text) => {
            let long = text.chars().count();
            let pattern = schema["pattern"].as_str();
            let wanted = pattern.and_then(|pattern| Regex::new(pattern).ok());
            if wanted.is_some_and(|wanted| !wanted.is_match(text)) {
                let pattern = pattern.unwrap_or_default();
                return no(format!("'{text}' has not the form {pattern}"));
            }
            let most = number("maxLength").filter(|most| long > *most);
            let least = number("minLength").filter(|least| long < *least);
            let bound = most.or(least)?;
            no(format!(
                "'{text}' has {long} characters, and the bound is {bound}"
            ))
        }
        Value::Array(items) => {
            if let Some(most) = number("maxItems").filter(|most| items.len() > *most) {
                return no(format!("{} are too many; {most} at most", items.len()));
            }
            if schema["x-kubernetes-list-type"] == "set" {
                let mut seen = HashSet::new();
                let mut items = items.iter().map(Value::to_string);
                if let Some(twice) = items.find(|item| !seen.insert(item.clone())) {
                    return no(format!("{twice} is there twice; write it once"));
                }
            }
            let mut items = items.iter();
            items.find_map(|item| misfit(&schema["items"], item, path))
        }
        Value::Object(fields) => fields.iter().find_map(|(name, field)| {
            let own = &schema["properties"][name];
            let path = if path.is_empty() {
                name.clone()
            } else {
                format!("{path}.{name}")
            };
            misfit(own, field, &path)
        }),
        Value::Null | Value::Bool(_) | Value::Number(_) => None,
    }
}
