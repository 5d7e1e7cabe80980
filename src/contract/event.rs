//! How a platform's webhook body becomes events: data from the platform pack, never a `match` on a platform.

use serde::{Deserialize, Serialize};

/// What an event is about, in Tradewind's vocabulary.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "plan", derive(schemars::JsonSchema))]
pub enum EventKind {
    /// An order was placed, changed or cancelled.
    Orders,
    /// A person wrote, or a message changed its state.
    Messages,
    /// A product or its approval changed.
    Products,
    /// A person asked for deletion or withdrew a permission.
    Privacy,
}

impl EventKind {
    /// The word that metrics and sinks see.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Orders => "orders",
            Self::Messages => "messages",
            Self::Products => "products",
            Self::Privacy => "privacy",
        }
    }
}

/// One rule of a platform pack: where events stand in a body, what they are, whom they concern.
/// Rules are tried in order for each element; the first that matches decides.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EventRule {
    /// JSON pointer (RFC 6901) to the events, where `*` stands for every element of an array:
    /// `/entry/*/messaging/*`. Empty: the body itself is the event.
    pub each: String,
    /// A condition on the event; absent means always.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when: Option<Match>,
    /// What such an event is.
    pub kind: EventKind,
    /// Pointers, relative to the event, whose values together name it once and for all (the deduplication key).
    /// When none of them is there the signed message id, else the SHA-256 of the event's bytes, is the key.
    #[serde(default)]
    pub id: Vec<String>,
    /// Pointers, relative to the event, whose values together name whom or what it is about: events of one
    /// subject are delivered in order. When none is there the event has a subject of its own.
    #[serde(default)]
    pub subject: Vec<String>,
}

/// A condition on one value of an event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Match {
    /// JSON pointer relative to the event; the value must exist.
    pub pointer: String,
    /// The string that the value must equal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub equals: Option<String>,
    /// The string that the value must start with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefix: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_has_the_word_that_sinks_know() {
        let kinds = [
            EventKind::Orders,
            EventKind::Messages,
            EventKind::Products,
            EventKind::Privacy,
        ];
        assert_eq!(
            kinds.map(EventKind::as_str),
            ["orders", "messages", "products", "privacy"]
        );
    }
}
