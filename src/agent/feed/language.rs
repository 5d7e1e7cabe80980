//! Which language's texts a feed takes: the exact tag, then the bare language, then the item's own.

use serde_json::Value;

use super::item::{Item, LOCALISED, is_same_tag, present};
use super::reason::Reason;

/// The language that is wanted.
#[derive(Debug)]
pub(super) struct Language {
    tag: String,
    bare: String,
}

/// A field in the best language there is.
pub(super) struct Found<'a> {
    /// The value, if any language has one.
    pub(super) value: Option<&'a Value>,
    /// Whether it may be in another language than the one that is wanted.
    pub(super) fell_back: bool,
}

impl Language {
    /// The language of a BCP 47 tag.
    pub(super) fn new(tag: &str) -> Self {
        let bare = tag.split(['-', '_']).next().unwrap_or(tag);
        Self {
            tag: tag.to_owned(),
            bare: bare.to_owned(),
        }
    }

    /// The field in the best language that the item has.
    pub(super) fn find<'a>(&self, item: &'a Item, field: &str) -> Result<Found<'a>, Reason> {
        if LOCALISED.contains(&field) {
            for tag in [&self.tag, &self.bare] {
                let translation = match item.member("translations", tag)? {
                    Some(Value::Object(fields)) => present(fields.get(field)),
                    Some(_) => return Err(Reason::NotAnObject),
                    None => None,
                };
                if translation.is_some() {
                    return Ok(Found {
                        value: translation,
                        fell_back: false,
                    });
                }
            }
        }
        let value = item.value(field);
        // An address is no text: a shop with one page per product in all languages has nothing to mend.
        let is_text = LOCALISED.contains(&field) && field != "link";
        Ok(Found {
            value,
            fell_back: is_text && value.is_some() && !self.is_own(item),
        })
    }

    /// Whether the item says that its own texts are in the language that is wanted.
    fn is_own(&self, item: &Item) -> bool {
        item.text("language")
            .ok()
            .flatten()
            .is_some_and(|own| is_same_tag(&own, &self.tag) || is_same_tag(&own, &self.bare))
    }
}

#[cfg(test)]
mod tests {
    use super::super::item::item;
    use super::*;
    use serde_json::json;

    fn found(tag: &str, json: Value) -> (String, bool) {
        let item = item(json);
        let found = Language::new(tag).find(&item, "title").unwrap();
        (
            found.value.and_then(Value::as_str).unwrap_or("").to_owned(),
            found.fell_back,
        )
    }

    #[test]
    fn the_exact_tag_wins_then_the_bare_language_then_the_items_own() {
        let all = json!({"title": "own", "translations": {
            "de": {"title": "bare"}, "de_at": {"title": "exact"}, "fr": {"title": "other"},
        }});
        assert_eq!(found("de-AT", all.clone()), ("exact".into(), false));
        assert_eq!(found("de-CH", all.clone()), ("bare".into(), false));
        assert_eq!(found("nb-NO", all), ("own".into(), true));
    }

    #[test]
    fn a_translation_without_the_field_is_passed_over() {
        let partial = json!({"title": "own", "translations": {
            "de-DE": {"title": "", "description": "da"}, "de": {"title": "bare"},
        }});
        assert_eq!(found("de-DE", partial), ("bare".into(), false));
    }

    #[test]
    fn an_item_in_the_wanted_language_has_not_fallen_back() {
        for own in ["de", "de-DE", "DE_de"] {
            assert!(!found("de-DE", json!({"title": "own", "language": own})).1);
        }
        assert!(found("de-DE", json!({"title": "own", "language": "de-AT"})).1);
        assert!(found("de-DE", json!({"title": "own"})).1);
        assert!(!found("de-DE", json!({})).1);
    }

    #[test]
    fn fields_without_languages_never_fall_back() {
        let item = item(
            json!({"brand": "x", "link": "https://a", "translations": {"de": {"brand": "y"}}}),
        );
        for field in ["brand", "link"] {
            let found = Language::new("de").find(&item, field).unwrap();
            assert!(!found.fell_back);
            assert_eq!(found.value, item.value(field));
        }
    }
}
