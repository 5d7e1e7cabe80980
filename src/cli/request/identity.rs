//! Who the person is, as an officer types it. No error repeats a word of it: a kind that nobody knows may be a value.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read as _;
use std::path::Path;

use zeroize::Zeroizing;

use crate::cli::input::{self, Error, wrong};

/// Values of a person by their kind.
pub(super) type Identity = BTreeMap<String, Vec<String>>;

/// From a file, or from standard input; `known` are the kinds that a chosen Region knows.
pub(super) fn read(file: &Path, known: &BTreeSet<String>) -> Result<Identity, Error> {
    let from_input = file.as_os_str() == "-";
    let text = if from_input {
        let mut text = String::new();
        std::io::stdin()
            .read_to_string(&mut text)
            .map_err(|source| Error::File {
                field: "--identity",
                file: file.to_owned(),
                source,
            })?;
        text
    } else {
        input::read("--identity", file)?
    };
    parse(&Zeroizing::new(text), known)
}

/// Lines of `kind=value`, or a JSON object. A value is without the spaces around it, and counts once.
fn parse(text: &str, known: &BTreeSet<String>) -> Result<Identity, Error> {
    let no = |why: &str| {
        let such = "write a line for each value, such as email=ann@mail.example, or a JSON object";
        wrong("--identity", format!("{why}; {such}"))
    };
    let stranger = |place: &str| {
        let known: Vec<&str> = known.iter().map(String::as_str).collect();
        let known = match known.as_slice() {
            [] => "none".to_owned(),
            some => some.join(", "),
        };
        no(&format!(
            "{place} is of a kind that no chosen Region knows; they know {known} (spec.requests.identities)"
        ))
    };
    let mut identity = Identity::new();
    let mut enter = |kind: String, value: &str| {
        let value = value.trim();
        if value.is_empty() {
            return;
        }
        let values: &mut Vec<String> = identity.entry(kind).or_default();
        if !values.iter().any(|there| there == value) {
            values.push(value.to_owned());
        }
    };
    if text.trim_start().starts_with('{') {
        let found: Identity = serde_json::from_str(text)
            .map_err(|_| no("it is no JSON object with a list of texts for each kind"))?;
        for ((kind, values), place) in found.into_iter().zip(1..) {
            if !known.contains(&kind) {
                return Err(stranger(&format!("member {place}, by name,")));
            }
            for value in &values {
                enter(kind.clone(), value);
            }
        }
    } else {
        let lines = text.lines().map(str::trim).zip(1..);
        for (line, number) in lines.filter(|(line, _)| !line.is_empty()) {
            let (kind, value) = line
                .split_once('=')
                .ok_or_else(|| no(&format!("line {number} has no kind")))?;
            let kind = kind.trim();
            if !known.contains(kind) {
                return Err(stranger(&format!("line {number}")));
            }
            enter(kind.to_owned(), value);
        }
    }
    if identity.is_empty() {
        return Err(no("it has no value"));
    }
    Ok(identity)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known() -> BTreeSet<String> {
        ["customerId", "email"].map(str::to_owned).into()
    }

    #[test]
    fn lines_and_json_are_one_identity_of_values_that_say_something() {
        let text = "email=bob@q7.example\n\n customerId = 7 \nemail=b=c\nemail=\nemail= b=c ";
        let lines = parse(text, &known()).unwrap();
        let json = r#"{"email": [" bob@q7.example ", "b=c", " "], "customerId": ["7", "7"], "email2": []}"#;
        let mut known = known();
        known.insert("email2".to_owned());
        assert_eq!(lines, parse(json, &known).unwrap());
        assert_eq!(lines["email"], ["bob@q7.example", "b=c"]);
        assert_eq!(lines["customerId"], ["7"]);
    }

    #[test]
    fn no_error_repeats_a_word_of_it() {
        for (text, place) in [
            ("", "it has no value"),
            ("bob@q7.example", "line 1 has no kind"),
            ("{\"email\": \"bob@q7.example\"}", "no JSON object"),
            ("email=", "it has no value"),
            ("{\"email\": [\" \"]}", "it has no value"),
            ("email=x\nbob@q7.example=x", "line 2 is of a kind"),
            (
                "{\"bob@q7.example\": [\"x\"], \"email\": [\"y\"]}",
                "member 1, by name, is of a kind",
            ),
        ] {
            let error = parse(text, &known()).unwrap_err().to_string();
            let tells = error.contains(place) && error.contains("such as");
            assert!(!error.contains("bob") && tells, "{text}: {error}");
            if place.contains("kind") && place.contains("is of") {
                assert!(error.contains("they know customerId, email"), "{error}");
            }
        }
    }
}
