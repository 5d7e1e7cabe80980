//! JSON pointers over raw JSON: what they find is a slice of the body, byte for byte. Pure.

use std::collections::BTreeMap;

use serde_json::value::RawValue;

/// Every place in `value` that `pointer` (RFC 6901) names, where `*` stands for every element of an array.
/// In the order of the document.
pub(super) fn each<'a>(value: &'a RawValue, pointer: &str) -> Vec<&'a RawValue> {
    let mut found = vec![value];
    for token in tokens(pointer) {
        found = found
            .into_iter()
            .flat_map(|value| match token.as_str() {
                "*" => elements(value),
                token => child(value, token).into_iter().collect(),
            })
            .collect();
    }
    found
}

/// What `pointer` names in `value`; null counts as absent.
pub(super) fn find<'a>(value: &'a RawValue, pointer: &str) -> Option<&'a RawValue> {
    tokens(pointer)
        .try_fold(value, |value, token| child(value, &token))
        .filter(|value| value.get() != "null")
}

/// A value as text: a string's content, anything else as it stands in the document.
pub(super) fn text(value: &RawValue) -> String {
    let raw = value.get();
    serde_json::from_str::<String>(raw).unwrap_or_else(|_| raw.to_owned())
}

fn tokens(pointer: &str) -> impl Iterator<Item = String> {
    // The part before the first `/` is empty in every valid pointer.
    pointer
        .split('/')
        .skip(1)
        .map(|token| token.replace("~1", "/").replace("~0", "~"))
}

fn elements(value: &RawValue) -> Vec<&RawValue> {
    serde_json::from_str(value.get()).unwrap_or_default()
}

fn child<'a>(value: &'a RawValue, token: &str) -> Option<&'a RawValue> {
    match value.get().as_bytes().first()? {
        // Of a name that stands twice the last counts, as everywhere in serde_json.
        b'{' => serde_json::from_str::<BTreeMap<String, &RawValue>>(value.get())
            .ok()?
            .remove(token),
        b'[' => {
            let index: usize = token.parse().ok()?;
            elements(value).get(index).copied()
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(json: &str) -> Box<RawValue> {
        RawValue::from_string(json.to_owned()).unwrap()
    }

    fn texts(json: &str, pointer: &str) -> Vec<String> {
        each(&raw(json), pointer)
            .into_iter()
            .map(|value| value.get().to_owned())
            .collect()
    }

    #[test]
    fn a_star_finds_every_element_and_keeps_its_bytes() {
        let json = r#"{"entry": [{"m": [{"a": 1.10}, {"a":"\u00e9"}]}, {"m": []}, {"m": [ 3 ]}]}"#;
        assert_eq!(
            texts(json, "/entry/*/m/*"),
            [r#"{"a": 1.10}"#, r#"{"a":"\u00e9"}"#, "3"]
        );
        assert_eq!(texts(json, ""), [json]);
        assert!(texts(json, "/entry/m").is_empty());
        assert!(texts(json, "/absent/*").is_empty());
        assert!(texts(json, "/entry/*/m/*/a/*").is_empty());
    }

    #[test]
    fn the_examples_of_rfc_6901_hold() {
        let json = raw(
            r#"{"foo": ["bar", "baz"], "": 0, "a/b": 1, "c%d": 2, "e^f": 3, "g|h": 4, "i\\j": 5, "k\"l": 6, " ": 7, "m~n": 8}"#,
        );
        for (pointer, expected) in [
            ("/foo/0", "\"bar\""),
            ("/", "0"),
            ("/a~1b", "1"),
            ("/c%d", "2"),
            ("/e^f", "3"),
            ("/g|h", "4"),
            ("/i\\j", "5"),
            ("/k\"l", "6"),
            ("/ ", "7"),
            ("/m~0n", "8"),
        ] {
            assert_eq!(
                find(&json, pointer).map(RawValue::get),
                Some(expected),
                "{pointer}"
            );
        }
        assert!(find(&json, "/foo/2").is_none());
        assert!(find(&json, "/foo/-").is_none());
    }

    #[test]
    fn null_is_absent_and_text_is_unescaped() {
        let json = raw(r#"{"n": null, "s": "a\n\u00e9", "i": 12345678901234567890123}"#);
        assert!(find(&json, "/n").is_none());
        assert_eq!(find(&json, "/s").map(text).as_deref(), Some("a\né"));
        assert_eq!(
            find(&json, "/i").map(text).as_deref(),
            Some("12345678901234567890123")
        );
    }
}
