//! Where items come from: a document at a URL, or a table.
//!
//! In: the task's source. Out: items, streamed; memory is the same for ten and for ten million. It must never
//! put what it read into an error: places and counts only.

mod body;
mod http;
mod json;
mod postgres;
mod table;

use std::fmt;
use std::io::Read;

use bytes::Bytes;
use tokio::sync::mpsc;

pub(super) use body::{Body, Metered};

use super::item::Item;
use crate::contract::{FeedSource, SourceFormat};

/// Takes an item; a [`Halt`] ends the reading.
pub(super) type Each<'a> = dyn FnMut(Item) -> Result<(), Halt> + 'a;

/// Whoever takes the items wants no more.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("halted")]
pub(super) struct Halt;

/// Why reading ended early.
#[derive(Debug)]
pub(super) enum Parse {
    /// The document is no list of items.
    Invalid(Invalid),
    /// Whoever takes the items wants no more.
    Halted,
}

/// What is wrong with a document, and where.
#[derive(Debug)]
pub(super) struct Invalid {
    /// The item, counted from one; none outside of items.
    item: Option<u64>,
    /// Line and, where it is known, column, counted from one.
    line: Option<(u64, Option<u64>)>,
    /// What is wrong, without a word of the document.
    what: String,
}

/// Why there are no items.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    /// The source cannot be reached, or is busy. Passes.
    #[error("the source cannot be reached: {what}")]
    Unavailable {
        /// What happened, without an address.
        what: String,
    },
    /// The source does not know us, or does not let us in.
    #[error("the source refuses the credentials: {what}")]
    Credentials {
        /// What it said.
        what: String,
    },
    /// The source is not what the task says.
    #[error("{what}")]
    Invalid {
        /// What is wrong and what would be right.
        what: String,
    },
}

/// A source that has answered: what it sends is yet to be read.
pub(super) enum Opened {
    /// A document of this format.
    Http(http::Document, SourceFormat),
    /// A table's rows, as JSON.
    Postgres(postgres::Rows),
}

/// How bytes become items.
#[derive(Clone, Copy, Debug)]
pub(super) enum Grammar {
    /// `[...]`, `{"items": [...]}` or lines; never nothing at all.
    Json,
    /// Lines, or nothing.
    JsonLines,
    /// A header row, then rows.
    Csv,
}

/// Connects, so that a source that is not there or not ours is known before anything else is done.
pub(super) async fn open(source: &FeedSource) -> Result<Opened, Error> {
    match source {
        FeedSource::Http { url, format, auth } => {
            let document = http::open(url, auth.as_ref()).await?;
            Ok(Opened::Http(document, *format))
        }
        FeedSource::Postgres { url, table } => {
            Ok(Opened::Postgres(postgres::open(url, table).await?))
        }
    }
}

impl Opened {
    /// How this source's bytes become items.
    pub(super) fn grammar(&self) -> Grammar {
        match self {
            Self::Http(_, SourceFormat::Json) => Grammar::Json,
            Self::Http(_, SourceFormat::Csv) => Grammar::Csv,
            Self::Postgres(_) => Grammar::JsonLines,
        }
    }

    /// Sends all bytes into `body`; ends early, without an error, when nobody reads any more.
    pub(super) async fn pump(self, body: mpsc::Sender<Bytes>) -> Result<(), Error> {
        match self {
            Self::Http(document, _) => document.pump(body).await,
            Self::Postgres(rows) => rows.pump(body).await,
        }
    }
}

impl Grammar {
    /// Gives each item to `each`. Blocks while it waits for bytes.
    pub(super) fn parse(self, body: impl Read, each: &mut Each<'_>) -> Result<(), Parse> {
        match self {
            Self::Json => json::parse(body, each),
            Self::JsonLines => json::parse_lines(body, each),
            Self::Csv => table::parse(body, each),
        }
    }
}

impl Invalid {
    fn new(what: &str) -> Self {
        Self {
            item: None,
            line: None,
            what: what.to_owned(),
        }
    }

    fn too_large(item: u64) -> Self {
        Self {
            item: Some(item),
            line: None,
            what: format!("has more than {} bytes", body::ITEM_BYTES),
        }
    }
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.item {
            Some(item) => write!(f, "item {item}")?,
            None => f.write_str("the document")?,
        }
        match self.line {
            Some((line, Some(column))) => write!(f, " (line {line}, column {column})")?,
            Some((line, None)) => write!(f, " (line {line})")?,
            None => {}
        }
        write!(f, " {}", self.what)
    }
}

impl From<Invalid> for Parse {
    fn from(invalid: Invalid) -> Self {
        Self::Invalid(invalid)
    }
}

/// The ids that a parser gives, or its complaint.
#[cfg(test)]
fn ids_of(parse: impl FnOnce(&mut Each<'_>) -> Result<(), Parse>) -> Result<Vec<String>, String> {
    let mut ids = Vec::new();
    let mut each = |item: Item| {
        ids.push(
            item.text("id")
                .unwrap_or_default()
                .unwrap_or_default()
                .into_owned(),
        );
        Ok(())
    };
    match parse(&mut each) {
        Ok(()) => Ok(ids),
        Err(Parse::Invalid(invalid)) => Err(invalid.to_string()),
        Err(Parse::Halted) => Err("halted".to_owned()),
    }
}
