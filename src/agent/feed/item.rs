//! The canonical item: one product, as every source spells it.
//!
//! In: a JSON object. Out: its fields, each read as what it should be. It must never guess: a value of the
//! wrong kind is said to be wrong, and nothing is read as a float.

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::reason::Reason;

/// Every field that a column may name and that a table's columns are looked up by.
pub(super) const FIELDS: [&str; 30] = [
    "id",
    "item_group_id",
    "title",
    "description",
    "link",
    "image_link",
    "additional_image_links",
    "brand",
    "gtin",
    "mpn",
    "condition",
    "availability",
    "price",
    "prices",
    "sale_price",
    "sale_prices",
    "currency",
    "tax",
    "tax_class",
    "quantity",
    "color",
    "size",
    "gender",
    "age_group",
    "material",
    "pattern",
    "google_product_category",
    "product_type",
    "language",
    "translations",
];

/// The fields that `translations` may bring in other languages.
pub(super) const LOCALISED: [&str; 3] = ["title", "description", "link"];

/// Whether a column may name it.
pub(super) fn is_field(name: &str) -> bool {
    FIELDS.contains(&name)
}

/// One product.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Item(Map<String, Value>);

impl Item {
    /// The item that a JSON object spells.
    pub(super) fn new(fields: Map<String, Value>) -> Self {
        Self(fields)
    }

    /// The field's value; null and the empty text are no value.
    pub(super) fn value(&self, field: &str) -> Option<&Value> {
        present(self.0.get(field))
    }

    /// The field as text.
    pub(super) fn text(&self, field: &str) -> Result<Option<Cow<'_, str>>, Reason> {
        self.value(field).map(text).transpose()
    }

    /// The member `key` of the object in `field`, the key taken without regard to case and `_` as `-`.
    pub(super) fn member(&self, field: &str, key: &str) -> Result<Option<&Value>, Reason> {
        match self.value(field) {
            None => Ok(None),
            Some(Value::Object(members)) => Ok(present(
                members
                    .iter()
                    .find(|(name, _)| is_same_tag(name, key))
                    .map(|(_, value)| value),
            )),
            Some(_) => Err(Reason::NotAnObject),
        }
    }

    /// The field as a list of texts: an array, or one text with commas.
    pub(super) fn list(&self, field: &str) -> Result<Vec<Cow<'_, str>>, Reason> {
        let values = match self.value(field) {
            None => return Ok(Vec::new()),
            Some(Value::Array(values)) => values
                .iter()
                .filter_map(|value| present(Some(value)))
                .map(text)
                .collect::<Result<Vec<_>, _>>()?,
            Some(Value::String(all)) => all.split(',').map(Cow::Borrowed).collect(),
            Some(_) => return Err(Reason::NotAList),
        };
        Ok(values
            .into_iter()
            .filter(|value| !value.trim().is_empty())
            .collect())
    }
}

/// A scalar as text. Whole numbers are exact and pass; a fraction has been through a float and does not.
pub(super) fn text(value: &Value) -> Result<Cow<'_, str>, Reason> {
    match value {
        Value::String(text) => Ok(Cow::Borrowed(text)),
        Value::Number(number) if number.is_i64() || number.is_u64() => {
            Ok(Cow::Owned(number.to_string()))
        }
        Value::Number(_) => Err(Reason::Fraction),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => Err(Reason::NotText),
    }
}

/// Null and blank text are how sources say that there is nothing.
pub(super) fn present(value: Option<&Value>) -> Option<&Value> {
    value.filter(|value| match value {
        Value::Null => false,
        Value::String(text) => !text.trim().is_empty(),
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => true,
    })
}

/// `de_DE` and `de-de` are one language.
pub(super) fn is_same_tag(one: &str, other: &str) -> bool {
    one.len() == other.len()
        && one.bytes().zip(other.bytes()).all(|(a, b)| {
            a.eq_ignore_ascii_case(&b) || matches!((a, b), (b'_', b'-') | (b'-', b'_'))
        })
}

#[cfg(test)]
pub(super) fn item(json: Value) -> Item {
    match json {
        Value::Object(fields) => Item::new(fields),
        other => panic!("an item is an object, not {other}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn whole_numbers_are_text_and_fractions_are_refused() {
        let item = item(json!({"id": 17, "gtin": 4_006_381_333_931_u64, "mpn": 1.5, "size": true}));
        assert_eq!(item.text("id").unwrap().unwrap(), "17");
        assert_eq!(item.text("gtin").unwrap().unwrap(), "4006381333931");
        assert_eq!(item.text("mpn"), Err(Reason::Fraction));
        assert_eq!(item.text("size"), Err(Reason::NotText));
    }

    #[test]
    fn null_blank_and_absent_are_the_same() {
        let item = item(json!({"title": null, "brand": "  "}));
        for field in ["title", "brand", "color"] {
            assert_eq!(item.text(field), Ok(None));
        }
    }

    #[test]
    fn lists_are_arrays_or_texts_with_commas() {
        let array = item(json!({"additional_image_links": ["https://a/1", "", "https://a/2"]}));
        let text = item(json!({"additional_image_links": "https://a/1, ,https://a/2"}));
        assert_eq!(
            array.list("additional_image_links").unwrap(),
            ["https://a/1", "https://a/2"]
        );
        assert_eq!(
            text.list("additional_image_links").unwrap(),
            ["https://a/1", "https://a/2"]
        );
        let wrong = item(json!({"additional_image_links": {"a": 1}}));
        assert_eq!(wrong.list("additional_image_links"), Err(Reason::NotAList));
    }

    #[test]
    fn members_are_found_in_any_case() {
        let item = item(json!({"translations": {"pt_BR": {"title": "x"}}, "prices": "9"}));
        assert!(item.member("translations", "pt-br").unwrap().is_some());
        assert!(item.member("translations", "pt").unwrap().is_none());
        assert_eq!(item.member("prices", "EUR"), Err(Reason::NotAnObject));
    }
}
