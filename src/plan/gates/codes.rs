//! Are these codes of countries and subdivisions? A typing error (`UK`) would call for no law at all.

use super::{Word, list};
use crate::packs::Jurisdiction;
use crate::plan::Reason;

/// The codes of a spec's field, parsed; or which of them aren't any.
pub fn codes(field: &str, codes: &[String]) -> Result<Vec<Jurisdiction>, Reason> {
    let mut good = Vec::with_capacity(codes.len());
    let mut bad = Vec::new();
    for code in codes {
        match Jurisdiction::parse(code) {
            Some(jurisdiction) => good.push(jurisdiction),
            None => bad.push(code),
        }
    }
    if bad.is_empty() {
        return Ok(good);
    }
    let hint = if bad.iter().any(|code| code.as_str() == "UK") {
        "the United Kingdom is GB; "
    } else {
        ""
    };
    Err(Word::UnknownJurisdiction.because(format!(
        "{field}: {} {}: {hint}use assigned ISO 3166-1 codes such as DE, or ISO 3166-2 codes such as US-CA",
        list(&bad),
        if bad.len() == 1 { "is no assigned code" } else { "are no assigned codes" },
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_code_is_named_with_the_right_one() {
        let told = codes("jurisdictions", &["DE".into(), "UK".into()]).unwrap_err();
        assert_eq!(told.word, "UnknownJurisdiction");
        assert!(
            told.message.contains("UK is no assigned code"),
            "{}",
            told.message
        );
        assert!(told.message.contains("GB"), "{}", told.message);
    }

    #[test]
    fn assigned_codes_pass() {
        let good = codes("jurisdictions", &["DE".into(), "US-CA".into()]).unwrap();
        assert_eq!(list(good), "DE, US-CA");
    }
}
