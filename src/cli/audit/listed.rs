//! Evidence as the hub holds it: the list of `EvidenceRecord`s that `kubectl get evidencerecords -o json` prints.
//!
//! It becomes lines and is judged as those. Nothing that an object says is taken for true here: a body that is not in its
//! one spelling stays so, and a signature is over the hash that the object names.

use std::fmt::Write as _;

use serde::Deserialize;
use serde_json::Value as Json;

use crate::evidence::About;

#[derive(Deserialize)]
struct List {
    items: Vec<Item>,
}

#[derive(Deserialize)]
struct Item {
    spec: Spec,
    #[serde(default)]
    status: Status,
}

#[derive(Deserialize)]
struct Spec {
    about: About,
    at: String,
    /// The body's text.
    body: String,
    hash: String,
    kind: String,
    previous: String,
    region: String,
    sequence: u64,
    source: String,
    version: u64,
}

#[derive(Default, Deserialize)]
struct Status {
    #[serde(default)]
    checkpoints: Vec<Signed>,
    #[serde(default)]
    countersignatures: Vec<Countersigned>,
}

#[derive(Deserialize)]
struct Countersigned {
    at: String,
    by: String,
    key: String,
    previous: Option<Before>,
    signature: String,
}

#[derive(Deserialize)]
struct Before {
    head: String,
    sequence: u64,
}

#[derive(Deserialize)]
struct Signed {
    at: String,
    key: String,
    signature: String,
}

/// The lines of a list; anything else as it is.
pub(super) fn lines(text: Vec<u8>) -> Vec<u8> {
    let Ok(mut list) = serde_json::from_slice::<List>(&text) else {
        return text;
    };
    // In which order a server lists them says nothing.
    let order = |item: &Item| (item.spec.region.clone(), item.spec.sequence);
    list.items.sort_by_key(order);
    let mut lines = String::new();
    for item in &list.items {
        // Writing to a String cannot fail.
        let _ = record(&mut lines, &item.spec);
    }
    for item in &list.items {
        for signed in &item.status.checkpoints {
            let _ = checkpoint(&mut lines, &item.spec, signed);
        }
        for signed in &item.status.countersignatures {
            let _ = countersignature(&mut lines, &item.spec, signed);
        }
    }
    lines.into_bytes()
}

/// A text as JSON has it, by the shortest escapes.
fn quoted(text: &str) -> Json {
    Json::from(text)
}

fn record(out: &mut String, spec: &Spec) -> std::fmt::Result {
    let about = &spec.about;
    write!(
        out,
        r#"{{"record":{{"about":{{"kind":{},"name":{}"#,
        quoted(&about.kind),
        quoted(&about.name)
    )?;
    if let Some(namespace) = &about.namespace {
        write!(out, r#","namespace":{}"#, quoted(namespace))?;
    }
    writeln!(
        out,
        r#"}},"at":{},"body":{},"kind":{},"previous":{},"region":{},"sequence":{},"source":{},"version":{}}}}}"#,
        quoted(&spec.at),
        spec.body,
        quoted(&spec.kind),
        quoted(&spec.previous),
        quoted(&spec.region),
        spec.sequence,
        quoted(&spec.source),
        spec.version
    )
}

fn checkpoint(out: &mut String, spec: &Spec, signed: &Signed) -> std::fmt::Result {
    writeln!(
        out,
        r#"{{"checkpoint":{{"at":{},"key":{},"region":{},"signature":{},"tip":{{"head":{},"sequence":{}}}}}}}"#,
        quoted(&signed.at),
        quoted(&signed.key),
        quoted(&spec.region),
        quoted(&signed.signature),
        quoted(&spec.hash),
        spec.sequence
    )
}

fn countersignature(out: &mut String, spec: &Spec, signed: &Countersigned) -> std::fmt::Result {
    write!(
        out,
        r#"{{"countersignature":{{"at":{},"by":{},"key":{}"#,
        quoted(&signed.at),
        quoted(&signed.by),
        quoted(&signed.key)
    )?;
    if let Some(before) = &signed.previous {
        write!(
            out,
            r#","previous":{{"head":{},"sequence":{}}}"#,
            quoted(&before.head),
            before.sequence
        )?;
    }
    writeln!(
        out,
        r#","region":{},"signature":{},"tip":{{"head":{},"sequence":{}}}}}}}"#,
        quoted(&spec.region),
        quoted(&signed.signature),
        quoted(&spec.hash),
        spec.sequence
    )
}
