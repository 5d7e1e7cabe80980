//! A number of rows, as far as it is told.
//!
//! A count from 1 to below a bound may speak of a person to whoever knows something beside it, so a region tells it as
//! `<5`. The one place for arithmetic with such numbers: what is worked out of told numbers says no more than they do.

use std::fmt;
use std::str::FromStr;

use serde::de::Visitor;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A number of rows: a whole number where it is told; else `<5`, from 1 to below 5; `-`, some, and nobody says how many;
/// `11-14` and `11+` are sums of which some terms are told, and some are not.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Count {
    least: i64,
    /// Absent: there is no bound.
    most: Option<i64>,
}

impl Count {
    /// None.
    pub const ZERO: Self = Self::exact(0);

    /// Some, and how many is not told.
    pub const WITHHELD: Self = Self {
        least: 1,
        most: None,
    };

    /// A number that is told.
    #[must_use]
    pub const fn exact(rows: i64) -> Self {
        Self {
            least: rows,
            most: Some(rows),
        }
    }

    /// Some, and fewer than `bound`.
    #[must_use]
    pub const fn below(bound: i64) -> Self {
        Self {
            least: 1,
            most: Some(bound.saturating_sub(1)),
        }
    }

    /// The number, where it is told.
    #[must_use]
    pub fn told(self) -> Option<i64> {
        self.most.filter(|most| *most == self.least)
    }

    /// It is so many at least.
    #[must_use]
    pub fn least(self) -> i64 {
        self.least
    }

    /// It is so many at most; absent: nobody says.
    #[must_use]
    pub fn most(self) -> Option<i64> {
        self.most
    }

    /// Whether a number is one of those that this can be.
    #[must_use]
    pub fn can_be(self, rows: i64) -> bool {
        self.least <= rows && self.most.is_none_or(|most| rows <= most)
    }

    /// Whether there is none. Of none it is told, always: it speaks of nobody.
    #[must_use]
    pub fn is_zero(&self) -> bool {
        *self == Self::ZERO
    }

    /// Both together.
    #[must_use]
    pub fn plus(self, more: Self) -> Self {
        let most = self.most.zip(more.most);
        Self {
            least: self.least.saturating_add(more.least),
            most: most.map(|(one, other)| one.saturating_add(other)),
        }
    }
}

impl Default for Count {
    fn default() -> Self {
        Self::ZERO
    }
}

impl From<i64> for Count {
    fn from(rows: i64) -> Self {
        Self::exact(rows)
    }
}

impl PartialEq<i64> for Count {
    fn eq(&self, rows: &i64) -> bool {
        self.told() == Some(*rows)
    }
}

impl std::iter::Sum for Count {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::ZERO, Self::plus)
    }
}

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.least, self.most) {
            (least, Some(most)) if least == most => write!(f, "{least}"),
            (1, Some(most)) => write!(f, "<{}", most.saturating_add(1)),
            (1, None) => f.write_str("-"),
            (least, Some(most)) => write!(f, "{least}-{most}"),
            (least, None) => write!(f, "{least}+"),
        }
    }
}

impl fmt::Debug for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A text is no count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no count: write a whole number, <5, -, 11-14 or 11+")]
pub struct NoCount;

impl FromStr for Count {
    type Err = NoCount;

    fn from_str(text: &str) -> Result<Self, NoCount> {
        let number = |text: &str| text.parse::<i64>().map_err(|_| NoCount);
        let count = if text == "-" {
            Self::WITHHELD
        } else if let Some(bound) = text.strip_prefix('<') {
            Self::below(number(bound)?)
        } else if let Some(least) = text.strip_suffix('+') {
            Self {
                least: number(least)?,
                most: None,
            }
        } else if let Some((least, most)) = text.split_once('-') {
            Self {
                least: number(least)?,
                most: Some(number(most)?),
            }
        } else {
            return Err(NoCount);
        };
        // One spelling for each, and no range without a number in it.
        let is_range = count.most.is_none_or(|most| count.least < most);
        if count.least >= 0 && is_range && count.to_string() == text {
            Ok(count)
        } else {
            Err(NoCount)
        }
    }
}

impl Serialize for Count {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.told() {
            Some(rows) => serializer.serialize_i64(rows),
            None => serializer.collect_str(self),
        }
    }
}

impl<'de> Deserialize<'de> for Count {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Told;
        impl Visitor<'_> for Told {
            type Value = Count;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a whole number, <5, -, 11-14 or 11+")
            }

            fn visit_i64<E: serde::de::Error>(self, rows: i64) -> Result<Count, E> {
                Ok(Count::exact(rows))
            }

            fn visit_u64<E: serde::de::Error>(self, rows: u64) -> Result<Count, E> {
                i64::try_from(rows).map(Count::exact).map_err(E::custom)
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Count, E> {
                text.parse().map_err(E::custom)
            }
        }
        deserializer.deserialize_any(Told)
    }
}

/// As an API server takes it: an integer, or one of the texts.
#[cfg(feature = "plan")]
impl schemars::JsonSchema for Count {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Count".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "x-kubernetes-int-or-string": true,
            "pattern": r"^(-|<\d{1,18}|\d{1,18}-\d{1,18}|\d{1,18}\+)$",
            "maxLength": 40,
        })
    }
}

/// What a whole is made of, each as far as it is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sum {
    /// The whole.
    pub whole: Count,
    /// What it is the sum of.
    pub parts: Vec<Count>,
}

impl Sum {
    /// Whether anything was counted that could be added up: a copy, or an older preview, tells a whole alone.
    #[must_use]
    pub fn has_parts(&self) -> bool {
        self.whole.is_zero() || self.parts.iter().any(|part| !part.is_zero())
    }

    /// How many of its numbers are not told.
    #[must_use]
    pub fn untold(&self) -> usize {
        let all = std::iter::once(&self.whole).chain(&self.parts);
        all.filter(|count| count.told().is_none()).count()
    }

    /// Whether there are numbers, among those that these can be, of which the whole is the sum.
    #[must_use]
    pub fn may_hold(&self) -> bool {
        let parts: Count = self.parts.iter().copied().sum();
        let reaches = |most: Option<i64>, least: i64| most.is_none_or(|most| most >= least);
        reaches(parts.most, self.whole.least) && reaches(self.whole.most, parts.least)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn count() -> impl Strategy<Value = Count> {
        let wide = (0_i64..1_000_000, 0_i64..1000).prop_map(|(least, more)| Count {
            least,
            most: Some(least + more),
        });
        let open = (1_i64..1_000_000).prop_map(|least| Count { least, most: None });
        prop_oneof![
            (0_i64..1_000_000).prop_map(Count::exact),
            (3_i64..100).prop_map(Count::below),
            Just(Count::WITHHELD),
            wide,
            open
        ]
    }

    #[test]
    fn a_count_is_written_as_it_is_told() {
        for (count, json) in [
            (Count::exact(0), "0"),
            (Count::exact(7), "7"),
            (Count::below(5), "\"<5\""),
            (Count::WITHHELD, "\"-\""),
            (Count::exact(10).plus(Count::below(5)), "\"11-14\""),
            (Count::exact(10).plus(Count::WITHHELD), "\"11+\""),
            (Count::below(5).plus(Count::below(5)), "\"2-8\""),
        ] {
            assert_eq!(serde_json::to_string(&count).unwrap(), json);
        }
    }

    #[test]
    fn what_has_another_spelling_is_no_count() {
        for text in [
            "", "5", "<", "<2", "<1", "<05", "< 5", "5-5", "9-5", "1-4", "1+", "--", "-5", "+",
            "5+5", "a-b", "5.5-6",
        ] {
            assert_eq!(text.parse::<Count>(), Err(NoCount), "{text}");
        }
        assert!(serde_json::from_str::<Count>("1.5").is_err());
        assert!(serde_json::from_str::<Count>("null").is_err());
        assert!(serde_json::from_str::<Count>("18446744073709551615").is_err());
    }

    #[test]
    fn a_sum_that_no_numbers_make_is_seen() {
        let sum = |whole: Count, parts: &[Count]| Sum {
            whole,
            parts: parts.to_vec(),
        };
        let small = Count::below(5);
        assert!(sum(10.into(), &[6.into(), small]).may_hold());
        assert!(!sum(11.into(), &[6.into(), small]).may_hold());
        assert!(!sum(6.into(), &[6.into(), small]).may_hold());
        assert!(sum(60.into(), &[Count::WITHHELD, small]).may_hold());
        assert!(!sum(small, &[6.into()]).may_hold());
        assert!(!sum(3.into(), &[Count::ZERO]).has_parts());
        assert_eq!(sum(small, &[small, 0.into()]).untold(), 2);
    }

    proptest! {
        #[test]
        fn a_count_is_read_as_it_was_written(count in count()) {
            let text = serde_json::to_string(&count).unwrap();
            prop_assert_eq!(serde_json::from_str::<Count>(&text).unwrap(), count);
        }

        #[test]
        fn a_sum_can_be_what_its_terms_can_be(one in count(), other in count(), add in 0_i64..50, more in 0_i64..50) {
            let (a, b) = (one.least() + add, other.least() + more);
            prop_assume!(one.can_be(a) && other.can_be(b));
            prop_assert!(one.plus(other).can_be(a + b));
            prop_assert_eq!(one.plus(other), other.plus(one));
        }
    }
}
