//! A fact: a value, where it was read, whether somebody confirmed it, and where it stands in the pack.

use jiff::civil::Date;
use serde::{Deserialize, Deserializer};
use serde_saphyr::Spanned;

/// A value that somebody read somewhere.
///
/// Equality ignores [`Fact::place`]: the same fact on another line is the same fact.
#[derive(Clone, Debug)]
pub struct Fact<T> {
    /// What is so.
    pub value: T,
    /// Where it was read.
    pub source: Source,
    /// False: from memory or from one weak source. Such a fact warns and never blocks.
    pub confirmed: bool,
    /// When it was read. Absent: on the pack's own date.
    pub read: Option<Date>,
    /// Where it stands in the pack, for messages about the pack itself.
    pub place: Place,
}

impl<T: PartialEq> PartialEq for Fact<T> {
    fn eq(&self, other: &Self) -> bool {
        self.value == other.value
            && self.source == other.source
            && self.confirmed == other.confirmed
            && self.read == other.read
    }
}

/// A line and column of a pack, from 1; 0 when it isn't known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// The line.
    pub line: u64,
    /// The column.
    pub column: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written<T> {
    value: T,
    source: Source,
    confirmed: bool,
    #[serde(default)]
    read: Option<Date>,
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Fact<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let written = Spanned::<Written<T>>::deserialize(deserializer)?;
        Ok(Self {
            value: written.value.value,
            source: written.value.source,
            confirmed: written.value.confirmed,
            read: written.value.read,
            place: Place {
                line: written.referenced.line(),
                column: written.referenced.column(),
            },
        })
    }
}

/// Where a fact was read: an address or a law, never empty.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
pub struct Source(String);

impl Source {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Source {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        if text.trim().is_empty() {
            return Err("a source must not be empty; write where the fact was read".into());
        }
        Ok(Self(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_fact_on_another_line_is_the_same() {
        let fact = Fact {
            value: 1,
            source: Source("a law".to_owned()),
            confirmed: true,
            read: None,
            place: Place { line: 1, column: 1 },
        };
        let place = Place { line: 2, column: 3 };
        assert_eq!(
            fact,
            Fact {
                place,
                ..fact.clone()
            }
        );
        let others = [
            Fact {
                value: 2,
                ..fact.clone()
            },
            Fact {
                source: Source("another".to_owned()),
                ..fact.clone()
            },
            Fact {
                confirmed: false,
                ..fact.clone()
            },
            Fact {
                read: Some(Date::constant(2026, 1, 1)),
                ..fact.clone()
            },
        ];
        for other in others {
            assert_ne!(fact, other);
        }
    }
}
