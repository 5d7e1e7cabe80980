//! The document as a plain tree: no anchors, aliases, merges, tags, duplicate keys or second documents.

use serde_json::Value;
use serde_saphyr::{DuplicateKeyPolicy, Error, MergeKeyPolicy};

use super::MOST_BYTES;
use super::refused::Refused;
use super::rules::{Fields, Rule};

/// Reads the one document.
pub(super) fn document(bytes: &[u8]) -> Result<Value, Refused> {
    if bytes.len() > MOST_BYTES {
        return Err(Refused::TooLarge);
    }
    let text = std::str::from_utf8(bytes).map_err(|_| Refused::NotPlain {
        line: 0,
        what: "it is not UTF-8",
    })?;
    let options = serde_saphyr::options! {
        duplicate_keys: DuplicateKeyPolicy::Error,
        merge_keys: MergeKeyPolicy::Error,
        reject_unsupported_tags: true,
        with_snippet: false,
        budget: serde_saphyr::budget! {
            max_anchors: 0,
            max_aliases: 0,
            max_merge_keys: 0,
            max_depth: 12,
            max_nodes: 4_096,
        },
    };
    serde_saphyr::from_str_with_options(text, options).map_err(|error| not_plain(&error))
}

/// Our own words: the parser's might repeat what it read.
fn not_plain(error: &Error) -> Refused {
    let line = error.location().map_or(0, |location| location.line());
    let what = match error.without_snippet() {
        Error::DuplicateMappingKey { .. } => "a key is there twice",
        Error::MergeKeyNotAllowed { .. } => "merge keys (<<) are not allowed",
        Error::MultipleDocuments { .. } => "there is more than one document",
        Error::UnsupportedTag { .. } => "tags (!) are not allowed",
        Error::UnknownAnchor { .. } => "an alias (*) has no anchor",
        Error::Budget { .. } => {
            "anchors (&), aliases (*) and deeply nested or very many values are not allowed"
        }
        _ => "it can't be read",
    };
    Refused::NotPlain { line, what }
}

/// One level of the tree, of which every field is known and allowed.
#[derive(Debug)]
pub(super) struct Mapping<'v> {
    path: String,
    fields: Fields,
    values: &'v serde_json::Map<String, Value>,
}

impl<'v> Mapping<'v> {
    /// Checks that the value is a mapping without any field that isn't allowed.
    pub(super) fn new(path: &str, value: &'v Value, fields: Fields) -> Result<Self, Refused> {
        let Value::Object(values) = value else {
            let path = if path.is_empty() { "." } else { path };
            return Err(Refused::Field {
                path: path.to_owned(),
                why: "is not a mapping",
                instead: "write `key: value` lines",
            });
        };
        let level = Self {
            path: path.to_owned(),
            fields,
            values,
        };
        for (key, value) in values {
            level.admit(key, value)?;
        }
        Ok(level)
    }

    fn admit(&self, key: &str, value: &Value) -> Result<(), Refused> {
        let path = self.at(&shown(key));
        match self.fields.iter().find(|(name, _)| *name == key) {
            None => Err(Refused::Unknown { path }),
            Some((_, Rule::Refuse(..))) if *value == Value::Bool(false) => Err(Refused::Field {
                path,
                why: "says nothing when it is false",
                instead: "remove it",
            }),
            Some((_, Rule::Refuse(why, instead))) => Err(Refused::Field { path, why, instead }),
            Some((_, Rule::Empty)) if !is_empty(value) => Err(Refused::Field {
                path,
                why: "is not empty",
                instead: "remove it",
            }),
            Some((_, Rule::Empty | Rule::Take(_))) => Ok(()),
        }
    }

    fn at(&self, key: &str) -> String {
        if self.path.is_empty() {
            key.to_owned()
        } else {
            format!("{}.{key}", self.path)
        }
    }

    fn instead(&self, key: &str) -> &'static str {
        self.fields
            .iter()
            .find(|(name, _)| *name == key)
            .map_or("", |(_, rule)| match rule {
                Rule::Take(instead) | Rule::Refuse(_, instead) => instead,
                Rule::Empty => "remove it",
            })
    }

    /// The refusal of a field that is there and wrong.
    pub(super) fn wrong(&self, key: &str, why: &'static str) -> Refused {
        Refused::Field {
            path: self.at(key),
            why,
            instead: self.instead(key),
        }
    }

    /// Whether the field is there.
    pub(super) fn has(&self, key: &str) -> bool {
        self.values.contains_key(key)
    }

    /// A field that must be there.
    pub(super) fn field(&self, key: &str) -> Result<&'v Value, Refused> {
        self.values.get(key).ok_or_else(|| Refused::Missing {
            path: self.at(key),
            instead: self.instead(key),
        })
    }

    /// A text that must be there and not be empty.
    pub(super) fn text(&self, key: &str) -> Result<&'v str, Refused> {
        match self.field(key)? {
            Value::String(text) if text.is_empty() => Err(self.wrong(key, "is empty")),
            Value::String(text) => Ok(text),
            _ => Err(self.wrong(key, "is not a string")),
        }
    }

    /// A text that may be missing, and is this one when it isn't.
    pub(super) fn is_exactly(&self, key: &str, expected: &str) -> Result<(), Refused> {
        match self.values.get(key) {
            None => Ok(()),
            Some(Value::String(text)) if text == expected => Ok(()),
            Some(_) => Err(self.wrong(key, "has another value")),
        }
    }
}

fn is_empty(value: &Value) -> bool {
    value.is_null() || value.as_object().is_some_and(serde_json::Map::is_empty)
}

/// A key as it may be repeated: one that doesn't look like a field's name might be a secret in the wrong place.
fn shown(key: &str) -> String {
    let is_name = key.len() <= 40 && key.chars().all(|c| c.is_ascii_alphabetic() || c == '-');
    if is_name {
        key.to_owned()
    } else {
        "…".to_owned()
    }
}
