//! ISO 3166 codes, parsed once.

use std::fmt;

use serde::{Deserialize, Serialize};

/// An ISO 3166-1 alpha-2 code that is assigned, `DE`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Country(String);

impl Country {
    /// The code, when it is an assigned one.
    #[must_use]
    pub fn parse(code: &str) -> Option<Self> {
        rust_iso3166::from_alpha2(code).map(|country| Self(country.alpha2.to_owned()))
    }

    /// `DE`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Country {
    type Error = String;

    fn try_from(code: String) -> Result<Self, String> {
        Self::parse(&code).ok_or_else(|| {
            format!("'{code}' is no ISO 3166-1 alpha-2 code; write two capital letters such as \"DE\", quoted")
        })
    }
}

impl From<Country> for String {
    fn from(code: Country) -> Self {
        code.0
    }
}

impl fmt::Display for Country {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A country (`DE`) or one of its subdivisions (`US-CA`, ISO 3166-2) that is assigned.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Jurisdiction {
    code: String,
    country: Country,
}

impl Jurisdiction {
    /// The code, when it is an assigned one.
    #[must_use]
    pub fn parse(code: &str) -> Option<Self> {
        let country = Country::parse(code.split('-').next()?)?;
        let known = code == country.as_str() || rust_iso3166::iso3166_2::from_code(code).is_some();
        known.then(|| Self {
            code: code.to_owned(),
            country,
        })
    }

    /// `US-CA`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.code
    }

    /// The country: `US` of `US-CA`, `DE` of `DE`.
    #[must_use]
    pub fn country(&self) -> &Country {
        &self.country
    }

    /// Whether this is the country as a whole.
    #[must_use]
    pub fn is_country(&self) -> bool {
        self.code == self.country.0
    }

    /// Whether `other` is this, or a part of this: `US` holds `US` and `US-CA`, `US-CA` holds `US-CA` only.
    #[must_use]
    pub fn holds(&self, other: &Self) -> bool {
        self == other || (self.is_country() && self.country == other.country)
    }
}

impl TryFrom<String> for Jurisdiction {
    type Error = String;

    fn try_from(code: String) -> Result<Self, String> {
        Self::parse(&code).ok_or_else(|| {
            format!("'{code}' is no ISO 3166-1 or 3166-2 code; write \"DE\" or \"US-CA\", quoted")
        })
    }
}

impl From<Jurisdiction> for String {
    fn from(code: Jurisdiction) -> Self {
        code.code
    }
}

impl fmt::Display for Jurisdiction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.code)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_assigned_codes_are_codes() {
        for good in ["DE", "US-CA", "CA-QC", "GB-ENG", "NO"] {
            let code = Jurisdiction::parse(good).expect(good);
            assert_eq!(
                (code.as_str(), String::from(code.clone())),
                (good, good.to_owned())
            );
        }
        for bad in [
            "UK", "EU", "de", "D", "", "DE-", "US-XX", "US-ca", "DEU", "-", "XK", "DE-BY-X",
        ] {
            assert!(Jurisdiction::parse(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn a_country_is_written_as_it_is_read() {
        let code = Country::parse("DE").unwrap();
        assert_eq!(
            (String::from(code.clone()), code.to_string()),
            ("DE".to_owned(), "DE".to_owned())
        );
    }

    #[test]
    fn a_country_holds_its_subdivisions_and_not_the_other_way() {
        let code = |text| Jurisdiction::parse(text).unwrap();
        assert!(code("US").holds(&code("US-CA")));
        assert!(code("US-CA").holds(&code("US-CA")));
        assert!(!code("US-CA").holds(&code("US")));
        assert!(!code("US-CA").holds(&code("US-OR")));
        assert!(!code("CA").holds(&code("US-CA")));
    }
}
