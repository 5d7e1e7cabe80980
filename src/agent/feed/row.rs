//! An item becomes a row of the platform's file, or is rejected with the column at fault.
//!
//! In: an item and the task's columns. Out: the row's values in the columns' order. Pure: the same item gives
//! the same row whenever and in whatever order it comes.

use std::collections::BTreeSet;

use reqwest::Url;
use serde_json::Value;

use super::item::{self, Item};
use super::language::Language;
use super::money::{self, Pricing};
use super::reason::Reason;
use super::text;
use crate::contract::{Column, ColumnKind, Feed, FeedMode};

/// The most choices that a rejection lists.
const CHOICES: usize = 8;

/// Why the task's columns make no file. The task must change.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    /// The region's money cannot be worked with.
    #[error("the region's money cannot be worked with")]
    Money(#[source] money::Error),
    /// A column is filled by a field that no item has.
    #[error("column `{column}` is filled by `{field}`, which is no field of an item")]
    Field {
        /// The column.
        column: String,
        /// What it names.
        field: String,
    },
    /// A price column that is filled by something else.
    #[error("column `{column}` is a price: its field must be `price` or `sale_price`")]
    Price {
        /// The column.
        column: String,
    },
    /// A choice without values.
    #[error("column `{column}` is a choice without values")]
    Choice {
        /// The column.
        column: String,
    },
    /// Two columns have one name.
    #[error("two columns are called `{column}`")]
    Twice {
        /// The name.
        column: String,
    },
    /// The file needs one column by which the platform tells items apart.
    #[error("exactly one column must be of kind `Id`, not {ids}")]
    Ids {
        /// How many there are.
        ids: usize,
    },
    /// The checkout link's base is no address.
    #[error("`checkoutUrl` must be an absolute http or https URL")]
    Checkout,
}

/// A row of the file.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Row {
    /// The item's id: unique in the file, and its order.
    pub(super) id: String,
    /// A value for each column.
    pub(super) values: Vec<String>,
    /// Whether a text is in another language than the one that is wanted.
    pub(super) fell_back: bool,
}

/// An item that is not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Rejection {
    /// The item's id, or its place in the source (`#17`) when it has none.
    pub(super) id: String,
    /// The column at fault.
    pub(super) column: String,
    /// What is wrong.
    pub(super) reason: Reason,
}

/// What rows are made of.
#[derive(Debug)]
pub(super) struct Layout {
    columns: Vec<Column>,
    /// The Id column's place.
    id: usize,
    pricing: Pricing,
    language: Language,
    checkout: Option<Url>,
}

impl Layout {
    /// The layout that a task asks for.
    pub(super) fn new(feed: &Feed) -> Result<Self, Error> {
        let checkout = match &feed.checkout_url {
            Some(base) => Some(
                Url::parse(&url(base).map_err(|_| Error::Checkout)?)
                    .map_err(|_| Error::Checkout)?,
            ),
            None => None,
        };
        let columns: Vec<Column> = feed
            .columns
            .iter()
            .filter(|column| {
                let wanted =
                    feed.mode == FeedMode::Replace || column.delta || column.kind == ColumnKind::Id;
                wanted && (column.kind != ColumnKind::Checkout || checkout.is_some())
            })
            .cloned()
            .collect();
        check(&columns)?;
        Ok(Self {
            id: columns
                .iter()
                .position(|column| column.kind == ColumnKind::Id)
                .ok_or(Error::Ids { ids: 0 })?,
            pricing: Pricing::new(&feed.locale).map_err(Error::Money)?,
            language: Language::new(&feed.locale.language),
            columns,
            checkout,
        })
    }

    /// The file's header.
    pub(super) fn header(&self) -> impl Iterator<Item = &str> {
        self.columns.iter().map(|column| column.name.as_str())
    }

    /// The name of the column that tells items apart.
    pub(super) fn id_column(&self) -> &str {
        &self.columns[self.id].name
    }

    /// The item's row; `place` counts from one and names an item that has no id.
    pub(super) fn row(&self, item: &Item, place: u64) -> Result<Row, Rejection> {
        let id = self
            .value(item, &self.columns[self.id], "")
            .map(|(id, _)| id);
        let rejected = |column: &Column, reason| Rejection {
            id: match &id {
                Ok(id) => id.clone(),
                Err(_) => format!("#{place}"),
            },
            column: column.name.clone(),
            reason,
        };
        let known = match &id {
            Ok(id) => id.clone(),
            Err(reason) => return Err(rejected(&self.columns[self.id], reason.clone())),
        };
        let mut fell_back = false;
        let mut values = Vec::with_capacity(self.columns.len());
        for column in &self.columns {
            let (value, other_language) = self
                .value(item, column, &known)
                .map_err(|reason| rejected(column, reason))?;
            fell_back |= other_language;
            values.push(value);
        }
        Ok(Row {
            id: known,
            values,
            fell_back,
        })
    }

    /// A column's value, and whether it is in another language than the one that is wanted.
    fn value(&self, item: &Item, column: &Column, id: &str) -> Result<(String, bool), Reason> {
        let mut fell_back = false;
        let value = match column.kind {
            ColumnKind::Id => Some(identifier(item, column)?),
            ColumnKind::Text | ColumnKind::Url => {
                let found = self.language.find(item, &column.field)?;
                fell_back = found.fell_back;
                found
                    .value
                    .map(|value| written(value, column))
                    .transpose()?
            }
            ColumnKind::Urls => urls(item, column)?,
            ColumnKind::Price => self.pricing.price(item, &column.field)?,
            ColumnKind::Integer => item
                .text(&column.field)?
                .map(|text| integer(&text))
                .transpose()?,
            ColumnKind::Choice => item
                .text(&column.field)?
                .map(|text| choice(&text, column))
                .transpose()?,
            ColumnKind::Checkout => self.checkout.as_ref().map(|base| checkout(base, id)),
        };
        let value = value.unwrap_or_default();
        if value.is_empty() {
            return match column.kind {
                ColumnKind::Price if column.required => Err(self.pricing.missing()),
                _ if column.required => Err(Reason::Missing),
                _ => Ok((value, false)),
            };
        }
        Ok((limited(value, column)?, fell_back))
    }
}

/// What must hold of any columns.
fn check(columns: &[Column]) -> Result<(), Error> {
    let ids = columns
        .iter()
        .filter(|column| column.kind == ColumnKind::Id)
        .count();
    if ids != 1 {
        return Err(Error::Ids { ids });
    }
    let mut names = BTreeSet::new();
    for column in columns {
        let name = || column.name.clone();
        if !names.insert(&column.name) {
            return Err(Error::Twice { column: name() });
        }
        match column.kind {
            ColumnKind::Checkout => {}
            ColumnKind::Price if !matches!(column.field.as_str(), "price" | "sale_price") => {
                return Err(Error::Price { column: name() });
            }
            ColumnKind::Choice if column.values.is_empty() => {
                return Err(Error::Choice { column: name() });
            }
            _ if !item::is_field(&column.field) => {
                return Err(Error::Field {
                    column: name(),
                    field: column.field.clone(),
                });
            }
            _ => {}
        }
    }
    Ok(())
}

fn identifier(item: &Item, column: &Column) -> Result<String, Reason> {
    let id = item.text(&column.field)?.ok_or(Reason::Missing)?;
    if id.trim() != id || id.chars().any(char::is_control) {
        return Err(Reason::NotAnId);
    }
    Ok(id.into_owned())
}

/// A text or an address, as its column writes it.
fn written(value: &Value, column: &Column) -> Result<String, Reason> {
    let given = item::text(value)?;
    match column.kind {
        ColumnKind::Url => url(&given),
        _ => Ok(text::clean(&given)),
    }
}

/// An absolute address in its normal form; one that carries credentials is for nobody's feed.
fn url(given: &str) -> Result<String, Reason> {
    let given = given.trim();
    // The parser would drop tabs and line ends without a word.
    if given.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Err(Reason::NotAUrl);
    }
    let url = Url::parse(given).map_err(|_| Reason::NotAUrl)?;
    let public = matches!(url.scheme(), "http" | "https")
        && url.has_host()
        && url.username().is_empty()
        && url.password().is_none();
    public.then(|| url.into()).ok_or(Reason::NotAUrl)
}

/// Addresses joined by commas; a comma within one is written as `%2C`.
fn urls(item: &Item, column: &Column) -> Result<Option<String>, Reason> {
    let mut urls = item
        .list(&column.field)?
        .iter()
        .map(|given| url(given).map(|url| url.replace(',', "%2C")))
        .collect::<Result<Vec<_>, _>>()?;
    if let Some(max) = column.max_values.map(|max| max as usize)
        && urls.len() > max
    {
        if !column.truncate {
            let values = urls.len();
            return Err(Reason::TooMany { values, max });
        }
        urls.truncate(max);
    }
    // Too long together: whole addresses go from the end, for a cut one leads nowhere.
    let max = column.max_chars.map_or(usize::MAX, |max| max as usize);
    while column.truncate && urls.len() > 1 && text::chars(&urls.join(",")) > max {
        urls.pop();
    }
    Ok((!urls.is_empty()).then(|| urls.join(",")))
}

fn integer(given: &str) -> Result<String, Reason> {
    let given = given.trim();
    if given.is_empty() || !given.bytes().all(|b| b.is_ascii_digit()) {
        return Err(Reason::NotAnInteger);
    }
    // Through the number, so that `007` is written as every reader takes it.
    let number: u64 = given.parse().map_err(|_| Reason::NotAnInteger)?;
    Ok(number.to_string())
}

/// The platform's word for the item's; `In Stock` and `in-stock` are `in_stock`.
fn choice(given: &str, column: &Column) -> Result<String, Reason> {
    let given = given.trim();
    // Most items spell it as the pack does.
    if let Some(word) = column.values.get(given) {
        return Ok(word.clone());
    }
    let plain = |word: &str| word.to_lowercase().replace([' ', '-'], "_");
    let wanted = plain(given);
    let found = column.values.iter().find(|(ours, _)| plain(ours) == wanted);
    found.map(|(_, word)| word.clone()).ok_or_else(|| {
        let mut choices: Vec<&str> = column.values.keys().map(String::as_str).collect();
        if choices.len() > CHOICES {
            choices.truncate(CHOICES);
            choices.push("…");
        }
        Reason::NotAChoice {
            choices: choices.join(", "),
        }
    })
}

/// `<base>?products=<id>:1`, beside what the base's query has already.
fn checkout(base: &Url, id: &str) -> String {
    let mut url = base.clone();
    url.query_pairs_mut().append_pair("products", id);
    let query = format!("{}:1", url.query().unwrap_or_default());
    url.set_query(Some(&query));
    url.into()
}

/// The value within the column's length: cut where that is allowed and does no harm.
fn limited(value: String, column: &Column) -> Result<String, Reason> {
    let Some(max) = column.max_chars.map(|max| max as usize) else {
        return Ok(value);
    };
    // Bytes bound characters: most values need no counting.
    if value.len() <= max {
        return Ok(value);
    }
    let (start, whole) = text::cut(&value, max);
    match (whole, column.kind) {
        (true, _) => Ok(value),
        (false, ColumnKind::Text) if column.truncate => Ok(start.to_owned()),
        (false, _) => Err(Reason::TooLong {
            chars: text::chars(&value),
            max,
        }),
    }
}

#[cfg(test)]
#[allow(
    clippy::needless_pass_by_value,
    clippy::too_many_lines,
    reason = "tables of tests"
)]
pub(super) mod tests {
    use super::super::item::item;
    use super::*;
    use crate::contract::{
        Channel, FeedDestination, FeedSource, Locale, SourceFormat, Tax, TaxDisplay, TaxRate,
    };
    use serde_json::json;
    use std::collections::BTreeMap;

    pub(in crate::agent::feed) fn column(name: &str, kind: ColumnKind) -> Column {
        Column {
            name: name.into(),
            field: name.into(),
            kind,
            required: false,
            max_chars: None,
            truncate: false,
            max_values: None,
            values: BTreeMap::new(),
            delta: false,
        }
    }

    fn columns() -> Vec<Column> {
        let words = [
            ("in_stock", "in stock"),
            ("back order", "available for order"),
        ];
        vec![
            Column {
                required: true,
                max_chars: Some(8),
                ..column("id", ColumnKind::Id)
            },
            Column {
                required: true,
                max_chars: Some(10),
                truncate: true,
                ..column("title", ColumnKind::Text)
            },
            Column {
                max_chars: Some(4),
                ..column("brand", ColumnKind::Text)
            },
            Column {
                required: true,
                values: words
                    .map(|(ours, theirs)| (ours.into(), theirs.into()))
                    .into(),
                delta: true,
                ..column("availability", ColumnKind::Choice)
            },
            Column {
                required: true,
                delta: true,
                ..column("price", ColumnKind::Price)
            },
            column("sale_price", ColumnKind::Price),
            Column {
                max_chars: Some(40),
                ..column("link", ColumnKind::Url)
            },
            Column {
                field: "additional_image_links".into(),
                max_values: Some(2),
                max_chars: Some(40),
                truncate: true,
                ..column("additional_image_link", ColumnKind::Urls)
            },
            Column {
                delta: true,
                ..column("quantity", ColumnKind::Integer)
            },
            column("checkout_url", ColumnKind::Checkout),
        ]
    }

    /// A small file of every kind of column, in the manner of Meta's.
    pub(in crate::agent::feed) fn feed() -> Feed {
        Feed {
            channel: Channel {
                namespace: "aurora".into(),
                name: "aurora-instagram".into(),
            },
            feed: "full".into(),
            settings: std::collections::BTreeMap::new(),
            mode: FeedMode::Replace,
            source: FeedSource::Http {
                url: "https://shop.example/items".into(),
                format: SourceFormat::Json,
                auth: None,
            },
            locale: Locale {
                language: "de-DE".into(),
                country: "DE".into(),
                currency: "EUR".into(),
                tax: Tax {
                    display: TaxDisplay::Inclusive,
                    rates: vec![TaxRate {
                        country: "DE".into(),
                        class: "Standard".into(),
                        percent: "19".into(),
                    }],
                },
            },
            columns: columns(),
            destination: FeedDestination {
                url: "s3://feeds".into(),
                object: "eu/full.csv".into(),
                credentials: "/nowhere".into(),
            },
            max_shrink_percent: 20,
            checkout_url: Some("https://shop.example/checkout/?coupon=A%20B".into()),
        }
    }

    fn product() -> serde_json::Value {
        json!({
            "id": "a 1&2", "title": "Chair", "language": "de", "availability": "In Stock",
            "price": "10 EUR", "link": "https://shop.example/c?a=1", "quantity": "07",
            "additional_image_links": ["https://x.example/1,2.jpg", "https://x.example/3.jpg"],
        })
    }

    fn row_of(changes: serde_json::Value) -> Result<BTreeMap<String, String>, String> {
        let mut fields = product();
        for (name, value) in changes.as_object().unwrap() {
            fields[name] = value.clone();
        }
        let layout = Layout::new(&feed()).unwrap();
        match layout.row(&item(fields), 17) {
            Ok(row) => Ok(layout.header().map(str::to_owned).zip(row.values).collect()),
            Err(rejection) => Err(format!(
                "{}: {} {}",
                rejection.id, rejection.column, rejection.reason
            )),
        }
    }

    #[test]
    fn every_kind_of_column_is_written_its_way() {
        let row = row_of(json!({})).unwrap();
        let written: Vec<&str> = row.values().map(String::as_str).collect();
        assert_eq!(
            written,
            [
                "https://x.example/1%2C2.jpg",
                "in stock",
                "",
                "https://shop.example/checkout/?coupon=A%20B&products=a+1%262:1",
                "a 1&2",
                "https://shop.example/c?a=1",
                "10.00 EUR",
                "7",
                "",
                "Chair",
            ]
        );
    }

    #[test]
    fn each_fault_is_named_with_its_column() {
        for (changes, said) in [
            (json!({"id": null}), "#17: id is missing"),
            (
                json!({"id": " a"}),
                "#17: id must not have control characters, or white space at its ends",
            ),
            (
                json!({"id": "123456789"}),
                "#17: id has 9 characters; the platform takes 8",
            ),
            (json!({"title": "<p> </p>"}), "a 1&2: title is missing"),
            (
                json!({"title": 1.5}),
                "a 1&2: title is a number with a fraction: write it as text, \"19.99\"",
            ),
            (
                json!({"brand": "Brand"}),
                "a 1&2: brand has 5 characters; the platform takes 4",
            ),
            (
                json!({"availability": "gone"}),
                "a 1&2: availability must be one of back order, in_stock",
            ),
            (json!({"price": null}), "a 1&2: price is not given in EUR"),
            (
                json!({"price": "9 USD"}),
                "a 1&2: price is not given in EUR",
            ),
            (
                json!({"link": "/relative"}),
                "a 1&2: link must be an absolute http or https URL",
            ),
            (
                json!({"link": "javascript:alert(1)"}),
                "a 1&2: link must be an absolute http or https URL",
            ),
            (
                json!({"link": "https://u:p@shop.example"}),
                "a 1&2: link must be an absolute http or https URL",
            ),
            (
                json!({"link": "https://shop.ex\nample"}),
                "a 1&2: link must be an absolute http or https URL",
            ),
            (
                json!({"link": "https://shop.example/aaaaaaaaaaaaaaaaaaaaa"}),
                "a 1&2: link has 42 characters; the platform takes 40",
            ),
            (
                json!({"additional_image_links": ["nowhere"]}),
                "a 1&2: additional_image_link must be an absolute http or https URL",
            ),
            (
                json!({"quantity": -1}),
                "a 1&2: quantity must be a whole number, not negative",
            ),
            (
                json!({"quantity": "1.0"}),
                "a 1&2: quantity must be a whole number, not negative",
            ),
            (
                json!({"quantity": "99999999999999999999"}),
                "a 1&2: quantity must be a whole number, not negative",
            ),
            (
                json!({"translations": "de"}),
                "a 1&2: title must be an object",
            ),
        ] {
            assert_eq!(row_of(changes.clone()).unwrap_err(), said, "{changes}");
        }
    }

    #[test]
    fn words_are_known_in_every_spelling() {
        for (given, written) in [
            ("in_stock", "in stock"),
            ("In-Stock ", "in stock"),
            ("back order", "available for order"),
            ("BACK_ORDER", "available for order"),
        ] {
            let row = row_of(json!({"availability": given})).unwrap();
            assert_eq!(row["availability"], written, "{given}");
        }
    }

    #[test]
    fn texts_are_cut_and_lists_lose_whole_addresses() {
        let row = row_of(json!({"title": "A <b>long</b> 👩‍👩‍👧 chair"})).unwrap();
        assert_eq!(row["title"], "A long 👩‍👩‍👧 c");
        let links = json!({"additional_image_links": "https://a.example/1,https://a.example/2,https://a.example/3"});
        assert_eq!(
            row_of(links).unwrap()["additional_image_link"],
            "https://a.example/1,https://a.example/2"
        );
    }

    #[test]
    fn a_delta_has_the_id_and_what_moves() {
        let mut delta = feed();
        delta.mode = FeedMode::Delta;
        let layout = Layout::new(&delta).unwrap();
        let header: Vec<&str> = layout.header().collect();
        assert_eq!(header, ["id", "availability", "price", "quantity"]);
        // What the file does not carry cannot reject an item.
        let untitled = item(json!({"id": "a", "availability": "in_stock", "price": "9 EUR"}));
        assert_eq!(
            layout.row(&untitled, 1).unwrap().values,
            ["a", "in stock", "9.00 EUR", ""]
        );
    }

    #[test]
    fn without_a_checkout_there_is_no_such_column() {
        let mut plain = feed();
        plain.checkout_url = None;
        let layout = Layout::new(&plain).unwrap();
        assert!(!layout.header().any(|name| name == "checkout_url"));
    }

    #[test]
    fn columns_that_make_no_file_are_refused() {
        let refusal = |change: fn(&mut Feed)| {
            let mut wrong = feed();
            change(&mut wrong);
            Layout::new(&wrong).unwrap_err().to_string()
        };
        for (change, said) in [
            (
                (|feed| feed.columns[1].field = "name".into()) as fn(&mut Feed),
                "column `title` is filled by `name`, which is no field of an item",
            ),
            (
                |feed| feed.columns[4].field = "title".into(),
                "column `price` is a price: its field must be `price` or `sale_price`",
            ),
            (
                |feed| feed.columns[3].values.clear(),
                "column `availability` is a choice without values",
            ),
            (
                |feed| feed.columns[1].name = "id".into(),
                "two columns are called `id`",
            ),
            (
                |feed| drop(feed.columns.remove(0)),
                "exactly one column must be of kind `Id`, not 0",
            ),
            (
                |feed| feed.checkout_url = Some("checkout".into()),
                "`checkoutUrl` must be an absolute http or https URL",
            ),
            (
                |feed| feed.locale.currency = "XXX".into(),
                "the region's money cannot be worked with",
            ),
        ] {
            assert_eq!(refusal(change), said);
        }
    }
}
