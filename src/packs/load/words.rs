//! The lists of a pack that policies' words and the names of tables and columns are compared with.

use super::{Check, Checked};
use crate::packs::{REGIMES_KEY, Regimes};

/// Each word is one that can be met.
pub(super) fn check(pack: &Regimes) -> Checked {
    let check = Check {
        file: REGIMES_KEY,
        root: "pack".into(),
    };
    let key = |text: &str| {
        let fits = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
        let mut parts = text.split('.');
        parts.all(|part| !part.is_empty() && part.bytes().all(fits))
    };
    let keys = [
        ("categories", &pack.categories, "user.contact"),
        ("uses", &pack.uses, "essential.service"),
    ];
    for (field, list, such) in keys {
        if let Some(fact) = list
            && let Some(bad) = fact.value.iter().find(|text| !key(text))
        {
            let problem = format!("'{bad}' is no key; write one such as {such}");
            return check.fail(fact.place, field, problem);
        }
    }
    if let Some(fact) = &pack.subject_categories
        && let Some(bad) = fact
            .value
            .iter()
            .find(|text| text.contains('.') || !key(text))
    {
        let problem = format!(
            "'{bad}' is no word for persons; write one in the singular, with _ for a space, such as job_applicant"
        );
        return check.fail(fact.place, "subjectCategories", problem);
    }
    let word = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_lowercase());
    let lists = [
        ("personalNames", &pack.personal_names),
        ("personalColumns", &pack.personal_columns),
    ];
    for (field, list) in lists {
        if let Some(fact) = list
            && let Some(bad) = fact.value.iter().find(|text| !word(text))
        {
            let problem = format!("'{bad}' is no word; write small letters only, such as customer");
            return check.fail(fact.place, field, problem);
        }
    }
    Ok(())
}
