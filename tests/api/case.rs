//! What a field may be, and what it may not.

use serde_json::Value;

/// A kind with objects that have every field, and a case for each field that the schema alone doesn't explain.
pub(crate) struct Kind {
    pub(crate) name: &'static str,
    pub(crate) plural: &'static str,
    pub(crate) namespace: Option<&'static str>,
    /// The least that is legal.
    pub(crate) least: Value,
    /// Specs that together have every field; the members of a union need more than one.
    pub(crate) specs: Vec<Value>,
    pub(crate) cases: Vec<Case>,
    /// Objects of these names are refused with these messages.
    pub(crate) names: Vec<(&'static str, &'static str)>,
}

/// One field.
pub(crate) struct Case {
    /// `feeds[].schedule`, `selector.channelLabels{}`.
    pub(crate) path: &'static str,
    pub(crate) form: Form,
    /// Why it cannot be removed although the schema doesn't require it.
    pub(crate) kept: Option<&'static str>,
    /// Why it cannot be changed.
    pub(crate) fixed: Option<&'static str>,
    /// Why it cannot be removed once it is set, though a new object may be without it.
    pub(crate) stays: Option<&'static str>,
}

/// What a field is made of. Enumerations, numbers, booleans and plain objects explain themselves.
pub(crate) enum Form {
    Text {
        change: &'static str,
        /// The longest or oddest that is legal.
        worst: String,
        illegal: Vec<(&'static str, &'static str)>,
    },
    /// The `i`th item of a list.
    List(fn(usize) -> Value),
    /// The `i`th entry of a map.
    Map(fn(usize) -> (String, Value)),
    /// An object, a choice or a number with a rule of its own: values that it refuses.
    Ruled(Vec<(Value, &'static str)>),
}

impl Case {
    fn new(path: &'static str, form: Form) -> Self {
        Self {
            path,
            form,
            kept: None,
            fixed: None,
            stays: None,
        }
    }

    pub(crate) fn kept(mut self, message: &'static str) -> Self {
        self.kept = Some(message);
        self
    }

    pub(crate) fn stays(mut self, message: &'static str) -> Self {
        self.stays = Some(message);
        self
    }

    pub(crate) fn fixed(mut self, message: &'static str) -> Self {
        self.fixed = Some(message);
        self
    }
}

pub(crate) fn text(
    path: &'static str,
    change: &'static str,
    worst: impl Into<String>,
    illegal: &[(&'static str, &'static str)],
) -> Case {
    Case::new(
        path,
        Form::Text {
            change,
            worst: worst.into(),
            illegal: illegal.to_vec(),
        },
    )
}

pub(crate) fn list(path: &'static str, item: fn(usize) -> Value) -> Case {
    Case::new(path, Form::List(item))
}

pub(crate) fn map(path: &'static str, entry: fn(usize) -> (String, Value)) -> Case {
    Case::new(path, Form::Map(entry))
}

pub(crate) fn ruled(path: &'static str, illegal: Vec<(Value, &'static str)>) -> Case {
    Case::new(path, Form::Ruled(illegal))
}

/// A DNS label of this many characters.
pub(crate) fn label(length: usize) -> String {
    format!("{}9", "a".repeat(length - 1))
}

/// A name of 41 characters.
pub(crate) const LONG: &str = "a1234567890123456789012345678901234567890";

/// What a pattern refuses.
pub(crate) const PATTERN: &str = "should match";
