//! Items from CSV: a header row with the canonical names, then an item a row.
//!
//! `title[de]` is the German title, `price[EUR]` the price in euro: what JSON says with objects.

use std::collections::BTreeMap;
use std::io::Read;

use csv::{ErrorKind, ReaderBuilder, StringRecord};
use serde_json::{Map, Value};

use super::body::{Meter, Metered};
use super::{Each, Invalid, Parse};
use crate::agent::feed::item::{Item, LOCALISED};

/// What a column of the document fills.
#[derive(Debug, PartialEq, Eq)]
enum Slot {
    /// A field of the item.
    Field(String),
    /// A field in another language: the tag, and the field.
    Translation(String, String),
    /// A price in one currency: the field of prices, and the currency.
    Price(String, String),
}

/// Gives each item of the document to `each`.
pub(super) fn parse(body: impl Read, each: &mut Each<'_>) -> Result<(), Parse> {
    let (metered, meter) = Metered::new(body);
    let mut rows = ReaderBuilder::new().from_reader(metered);
    let header = rows
        .headers()
        .map_err(|error| invalid(&error, &meter, None))?;
    let slots = slots(header)?;
    meter.reset();
    let mut row = StringRecord::new();
    let mut place = 1;
    while rows
        .read_record(&mut row)
        .map_err(|error| invalid(&error, &meter, Some(place)))?
    {
        meter.reset();
        each(item(&slots, &row)).map_err(|_| Parse::Halted)?;
        place += 1;
    }
    Ok(())
}

fn slots(header: &StringRecord) -> Result<Vec<Slot>, Invalid> {
    let mut slots = Vec::with_capacity(header.len());
    for name in header {
        let slot = slot(name.trim());
        if slots.contains(&slot) {
            return Err(Invalid::new("has two columns of one name"));
        }
        slots.push(slot);
    }
    if !slots.contains(&Slot::Field("id".into())) {
        return Err(Invalid::new("has no column `id` in its first row"));
    }
    Ok(slots)
}

/// Columns of other names are fields that nothing asks for.
fn slot(name: &str) -> Slot {
    if let Some((field, key)) = name.strip_suffix(']').and_then(|name| name.split_once('[')) {
        if LOCALISED.contains(&field) {
            return Slot::Translation(key.to_owned(), field.to_owned());
        }
        if matches!(field, "price" | "sale_price") {
            return Slot::Price(format!("{field}s"), key.to_owned());
        }
    }
    Slot::Field(name.to_owned())
}

fn item(slots: &[Slot], row: &StringRecord) -> Item {
    let mut fields = Map::new();
    let mut translations: BTreeMap<&str, Map<String, Value>> = BTreeMap::new();
    let mut prices: BTreeMap<&str, Map<String, Value>> = BTreeMap::new();
    for (slot, text) in slots.iter().zip(row) {
        if text.trim().is_empty() {
            continue;
        }
        let value = Value::String(text.to_owned());
        match slot {
            Slot::Field(field) => fields.insert(field.clone(), value),
            Slot::Translation(tag, field) => translations
                .entry(tag)
                .or_default()
                .insert(field.clone(), value),
            Slot::Price(field, currency) => prices
                .entry(field)
                .or_default()
                .insert(currency.clone(), value),
        };
    }
    if !translations.is_empty() {
        let tags = translations
            .into_iter()
            .map(|(tag, texts)| (tag.to_owned(), Value::Object(texts)));
        fields.insert("translations".into(), Value::Object(tags.collect()));
    }
    for (field, amounts) in prices {
        fields.insert(field.to_owned(), Value::Object(amounts));
    }
    Item::new(fields)
}

fn invalid(error: &csv::Error, meter: &Meter, place: Option<u64>) -> Invalid {
    if meter.is_exceeded() {
        return Invalid::too_large(place.unwrap_or(1));
    }
    let what = match error.kind() {
        ErrorKind::Utf8 { .. } => "is not UTF-8".to_owned(),
        ErrorKind::UnequalLengths {
            expected_len, len, ..
        } => format!("has {len} values where the header has {expected_len}"),
        _ => "cannot be read".to_owned(),
    };
    Invalid {
        item: place,
        line: error.position().map(|at| (at.line(), None)),
        what,
    }
}

#[cfg(test)]
mod tests {
    use super::super::body::ITEM_BYTES;
    use super::super::ids_of;
    use super::*;
    use crate::agent::feed::item::item as canonical;
    use proptest::prelude::*;
    use serde_json::json;

    fn items(document: &str) -> Result<Vec<Item>, Parse> {
        let mut items = Vec::new();
        let mut each = |item| {
            items.push(item);
            Ok(())
        };
        parse(document.as_bytes(), &mut each)?;
        Ok(items)
    }

    #[test]
    fn a_row_is_the_item_that_json_spells_with_objects() {
        let document = "\u{feff}id, title ,title[de-DE],price[EUR],sale_price[JPY],price,warehouse\r\n\
                        a,\"A, \"\"big\"\"\nchair\",Stuhl,9.50,,12 USD,7\r\n";
        assert_eq!(
            items(document).unwrap(),
            [canonical(json!({
                "id": "a", "title": "A, \"big\"\nchair", "price": "12 USD", "warehouse": "7",
                "translations": {"de-DE": {"title": "Stuhl"}}, "prices": {"EUR": "9.50"},
            }))]
        );
    }

    #[test]
    fn what_is_wrong_is_said_with_its_place_and_without_the_text() {
        for (document, said) in [
            ("", "the document has no column `id` in its first row"),
            (
                "sku,title\na,b\n",
                "the document has no column `id` in its first row",
            ),
            (
                "id,title,title\n",
                "the document has two columns of one name",
            ),
            (
                "id,title\na,b\nsecret\n",
                "item 2 (line 3) has 1 values where the header has 2",
            ),
        ] {
            let ids = ids_of(|each| parse(document.as_bytes(), each));
            assert_eq!(ids.unwrap_err(), said, "{document}");
        }
        let latin = b"id,title\na,b\nc,\xfc\n".as_slice();
        assert_eq!(
            ids_of(|each| parse(latin, each)).unwrap_err(),
            "item 2 (line 3) is not UTF-8"
        );
    }

    #[test]
    fn an_item_without_an_end_is_stopped() {
        let long = "x\n".repeat(usize::try_from(ITEM_BYTES).unwrap());
        let document = format!("id,title\na,b\nc,\"{long}");
        let ids = ids_of(|each| parse(document.as_bytes(), each));
        assert_eq!(ids.unwrap_err(), "item 2 has more than 262144 bytes");
    }

    #[test]
    fn many_items_may_be_more_than_one_may_be() {
        let rows = "abc,def\n".repeat(100_000);
        let ids = ids_of(|each| parse(format!("id,title\n{rows}").as_bytes(), each));
        assert_eq!(ids.unwrap().len(), 100_000);
    }

    proptest! {
        #[test]
        fn any_bytes_end_in_items_or_a_reason(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = ids_of(|each| parse([b"id,x\n", bytes.as_slice()].concat().as_slice(), each));
        }
    }
}
