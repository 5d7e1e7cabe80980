//! Items from JSON: `[...]`, `{"items": [...]}`, or one item a line.
//!
//! In: bytes. Out: items, one after the other; never more than one of them in memory.

use std::fmt;
use std::io::{self, Read};

use serde::de::{
    DeserializeSeed, Deserializer as _, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor,
};
use serde_json::error::Category;
use serde_json::{Deserializer, Map, Value};

use super::body::{Meter, Metered};
use super::{Each, Invalid, Parse};
use crate::agent::feed::item::Item;

/// The key of the array in the document's object form.
const ITEMS: &str = "items";
/// Some writers begin UTF-8 with it.
const BYTE_ORDER_MARK: [u8; 3] = [0xef, 0xbb, 0xbf];

/// Gives each item of the document to `each`.
pub(super) fn parse(body: impl Read, each: &mut Each<'_>) -> Result<(), Parse> {
    let (mut metered, meter) = Metered::new(body);
    let begun = begin(&mut metered).map_err(|_| Invalid::new("does not begin"))?;
    let mut walk = Walk::new(each, meter);
    let mut json = Deserializer::from_reader(begun.as_slice().chain(metered));
    let parsed = match begun.last() {
        None => return Err(Invalid::new("is empty: write `[]` for no items").into()),
        Some(b'[') => json.deserialize_seq(&mut walk).and_then(|()| json.end()),
        Some(b'{') => match json.deserialize_map(First(&mut walk)) {
            Ok(true) => json.end(),
            Ok(false) => lines(json, &mut walk),
            Err(error) => Err(error),
        },
        Some(_) => return Err(Invalid::new("is neither an array nor an object").into()),
    };
    walk.end(parsed)
}

/// One item a line; white space between them is free, and there may be none at all.
pub(super) fn parse_lines(body: impl Read, each: &mut Each<'_>) -> Result<(), Parse> {
    let (metered, meter) = Metered::new(body);
    let mut walk = Walk::new(each, meter);
    let parsed = lines(Deserializer::from_reader(metered), &mut walk);
    walk.end(parsed)
}

fn lines<'de, R: serde_json::de::Read<'de>>(
    json: Deserializer<R>,
    walk: &mut Walk<'_, '_>,
) -> serde_json::Result<()> {
    walk.inside = true;
    for item in json.into_iter::<Map<String, Value>>() {
        walk.item(item?)?;
    }
    Ok(())
}

/// White space and the first byte that says something; without it when there is none.
fn begin(body: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut begun = Vec::new();
    let mut mark = BYTE_ORDER_MARK.as_slice();
    let mut byte = [0];
    while body.read(&mut byte)? == 1 {
        if let Some((next, rest)) = mark.split_first()
            && *next == byte[0]
        {
            mark = rest;
            continue;
        }
        begun.push(byte[0]);
        if !byte[0].is_ascii_whitespace() {
            return Ok(begun);
        }
    }
    Ok(Vec::new())
}

/// Where the parser is.
struct Walk<'a, 'e> {
    each: &'a mut Each<'e>,
    meter: Meter,
    /// Items that are through.
    place: u64,
    /// Whether the items have begun.
    inside: bool,
    /// Whether `each` wants no more.
    halted: bool,
}

impl<'a, 'e> Walk<'a, 'e> {
    fn new(each: &'a mut Each<'e>, meter: Meter) -> Self {
        Self {
            each,
            meter,
            place: 0,
            inside: false,
            halted: false,
        }
    }

    fn item(&mut self, fields: Map<String, Value>) -> serde_json::Result<()> {
        self.place += 1;
        self.meter.reset();
        (self.each)(Item::new(fields)).map_err(|halt| {
            self.halted = true;
            serde_json::Error::custom(halt)
        })
    }

    /// What the parser's end means. Its messages about types quote the document, so they are not passed on.
    fn end(self, parsed: serde_json::Result<()>) -> Result<(), Parse> {
        let Err(error) = parsed else { return Ok(()) };
        if self.halted {
            return Err(Parse::Halted);
        }
        let what = match error.classify() {
            _ if self.meter.is_exceeded() => return Err(Invalid::too_large(self.place + 1).into()),
            Category::Data if self.inside => "is not an object".to_owned(),
            Category::Data => format!("`{ITEMS}` is not an array"),
            Category::Eof => "ends too early".to_owned(),
            Category::Syntax | Category::Io => {
                // `expected value at line 3 column 7`: the position is said once, by us.
                let text = error.to_string();
                text.split(" at line ")
                    .next()
                    .unwrap_or_default()
                    .to_owned()
            }
        };
        Err(Parse::Invalid(Invalid {
            item: self.inside.then_some(self.place + 1),
            line: Some((error.line() as u64, Some(error.column() as u64))),
            what,
        }))
    }
}

/// The array of items.
impl<'de> Visitor<'de> for &mut Walk<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of items")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        self.inside = true;
        self.meter.reset();
        while let Some(fields) = items.next_element()? {
            self.item(fields).map_err(A::Error::custom)?;
        }
        self.inside = false;
        Ok(())
    }
}

impl<'de> DeserializeSeed<'de> for &mut Walk<'_, '_> {
    type Value = ();

    fn deserialize<D: serde::Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_seq(self)
    }
}

/// The first object: the whole document, or the first of many items. True when it was the document.
struct First<'w, 'a, 'e>(&'w mut Walk<'a, 'e>);

impl<'de> Visitor<'de> for First<'_, '_, '_> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with `items`, or an item")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<bool, A::Error> {
        let mut fields = Map::new();
        while let Some(key) = entries.next_key::<String>()? {
            if key == ITEMS {
                entries.next_value_seed(&mut *self.0)?;
                self.0.meter.reset();
                while entries.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                return Ok(true);
            }
            fields.insert(key, entries.next_value()?);
        }
        self.0.item(fields).map_err(A::Error::custom)?;
        Ok(false)
    }
}

#[cfg(test)]
mod tests {
    use super::super::body::ITEM_BYTES;
    use super::super::{Halt, ids_of};
    use super::*;
    use proptest::prelude::*;

    fn ids(document: &str) -> Result<Vec<String>, String> {
        ids_of(|each| parse(document.as_bytes(), each))
    }

    #[test]
    fn three_forms_give_the_same_items() {
        for document in [
            r#"[{"id":"a"},{"id":"b"}]"#,
            "\u{feff}\n [ {\"id\":\"a\"} , {\"id\":\"b\"} ] \n",
            r#"{"items":[{"id":"a"},{"id":"b"}]}"#,
            r#"{"version":1,"meta":{"items":3},"items":[{"id":"a"},{"id":"b"}],"next":null}"#,
            "{\"id\":\"a\"}\n{\"id\":\"b\"}\n",
            "{\"id\":\"a\"}\r\n\r\n{\"id\":\"b\"}",
        ] {
            assert_eq!(ids(document).unwrap(), ["a", "b"], "{document}");
        }
        for empty in ["[]", r#"{"items":[]}"#] {
            assert!(ids(empty).unwrap().is_empty());
        }
    }

    #[test]
    fn what_is_wrong_is_said_with_its_place_and_without_the_text() {
        for (document, said) in [
            ("", "the document is empty: write `[]` for no items"),
            ("  \n", "the document is empty: write `[]` for no items"),
            (
                "<html>secret</html>",
                "the document is neither an array nor an object",
            ),
            (
                "[{\"id\":\"a\"},\n{\"id\":}]",
                "item 2 (line 2, column 7) expected value",
            ),
            (
                "[{\"id\":\"a\"},\n{\"id\":\"b\"",
                "item 2 (line 2, column 9) ends too early",
            ),
            (
                r#"[{"id":"a"},"secret"]"#,
                "item 2 (line 1, column 20) is not an object",
            ),
            (
                r#"[{"id":"a"}]x"#,
                "the document (line 1, column 13) trailing characters",
            ),
            (
                r#"{"items":"secret"}"#,
                "the document (line 1, column 17) `items` is not an array",
            ),
            (
                "{\"id\":\"a\"}\n[]",
                "item 2 (line 2, column 1) is not an object",
            ),
            (
                r#"{"items":[{"id":"a"}]}{}"#,
                "the document (line 1, column 23) trailing characters",
            ),
        ] {
            assert_eq!(ids(document).unwrap_err(), said, "{document}");
        }
    }

    #[test]
    fn an_item_without_an_end_is_stopped() {
        let long = "x".repeat(usize::try_from(ITEM_BYTES).unwrap());
        for document in [
            format!(r#"[{{"id":"a"}},{{"id":"{long}"}}]"#),
            format!(r#"{{"id":"a"}}{{"id":"{long}"}}"#),
            format!(r#"{{"items":[{{"id":"a"}},{{"id":"b","title":["{long}"]}}]}}"#),
        ] {
            assert_eq!(
                ids(&document).unwrap_err(),
                "item 2 has more than 262144 bytes"
            );
        }
        let deep = format!("[{{\"id\":{}", "[".repeat(1000));
        assert!(ids(&deep).unwrap_err().contains("recursion limit"));
    }

    #[test]
    fn a_halt_ends_the_walk() {
        let mut seen = 0;
        let mut each = |_| {
            seen += 1;
            Err(Halt)
        };
        let halted = parse(r#"[{"id":"a"},{"id":"b"}]"#.as_bytes(), &mut each);
        assert!(matches!(halted, Err(Parse::Halted)));
        assert_eq!(seen, 1);
    }

    proptest! {
        #[test]
        fn any_bytes_end_in_items_or_a_reason(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = ids_of(|each| parse(bytes.as_slice(), each));
        }

        #[test]
        fn every_prefix_of_a_document_is_refused(cut in 0usize..41) {
            let document = r#"{"n":1,"items":[{"id":"a"},{"id":"b\u00e9"}]}"#;
            prop_assert!(ids(&document[..cut]).is_err());
        }
    }
}
