//! Does a name speak of persons? A guess by words, which the regime pack has.

use std::collections::BTreeSet;

/// The word of the list that a table's or column's name has between its underscores, if any: `shop.CustomerNotes` has
/// `customer`.
#[must_use]
pub fn personal_word<'a>(name: &str, words: &'a BTreeSet<String>) -> Option<&'a str> {
    let bare = name.rsplit('.').next().unwrap_or(name);
    let parts = parts(bare);
    let is = |word: &&String| parts.iter().any(|part| same(part, word));
    words.iter().find(is).map(String::as_str)
}

/// What stands between underscores, digits and the capital letters of `camelCase`, in small letters.
fn parts(name: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut was_small = false;
    for letter in name.chars() {
        let begins = letter.is_ascii_uppercase() && was_small;
        was_small = letter.is_ascii_lowercase();
        if !letter.is_alphabetic() || begins {
            parts.push(String::new());
        }
        if letter.is_alphabetic()
            && let Some(part) = parts.last_mut()
        {
            part.extend(letter.to_lowercase());
        }
    }
    parts
}

/// In the singular, or in one of the plurals that English makes by rule.
fn same(part: &str, word: &str) -> bool {
    let plural = part.strip_suffix('s').map(|stem| {
        let short = stem.strip_suffix('e');
        stem == word
            || short.is_some_and(|short| short == word)
            || stem
                .strip_suffix("ie")
                .is_some_and(|short| Some(short) == word.strip_suffix('y'))
    });
    part == word || plural == Some(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_looked_at_word_by_word() {
        let words: BTreeSet<String> = ["customer", "address", "person", "invoice"]
            .map(str::to_owned)
            .into();
        for (name, wanted) in [
            ("customers", Some("customer")),
            ("shop.Customer_Notes", Some("customer")),
            ("customerNotes2", Some("customer")),
            ("ADDRESSES", Some("address")),
            ("invoice2024", Some("invoice")),
            ("customary", None),
            ("personalisation_rules", None),
            ("customers.products", None),
            ("", None),
        ] {
            assert_eq!(personal_word(name, &words), wanted, "{name}");
        }
        let words = BTreeSet::from(["party".to_owned()]);
        assert_eq!(personal_word("parties", &words), Some("party"));
    }
}
