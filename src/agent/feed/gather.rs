//! Takes items one by one and sorts them into what is written and what is rejected.
//!
//! In: items. Out: two spooled files and the figures of the report. Memory is bounded by its budgets.

use std::collections::BTreeSet;
use std::io;
use std::path::Path;

use super::item::Item;
use super::reason::Reason;
use super::row::{Layout, Rejection};
use super::sort::Sorter;
use super::source::Halt;
use super::spool::{Spool, Tally};
use super::text;
use crate::agent::Stop;
use crate::contract::RejectedItem;

/// Rows that are held before they are spilled.
const ROWS_BUDGET: usize = 8 * 1024 * 1024;
/// Rejections that are held before they are spilled.
const REJECTED_BUDGET: usize = 2 * 1024 * 1024;
/// The rejections that a report names; all of them are in the object beside the feed's.
const NAMED: usize = 24;
/// The longest id in a report.
const ID_CHARS: usize = 64;
/// The longest reason: many must fit into one report.
const REASON_CHARS: usize = 120;
/// What a line is expected to need.
const LINE_BYTES: usize = 512;
/// How often progress is logged.
const PROGRESS: u64 = 250_000;

/// Items on their way.
pub(super) struct Gather {
    layout: Layout,
    stop: Stop,
    rows: Sorter,
    rejected: Rejections,
    seen: u64,
    fallbacks: i64,
    failed: Option<io::Error>,
}

/// Items that are in.
pub(super) struct Gathered {
    /// The platform's file.
    pub(super) feed: Spool,
    /// What it is.
    pub(super) feed_tally: Tally,
    /// The list of items that were not taken.
    pub(super) rejected: Spool,
    /// What it is.
    pub(super) rejected_tally: Tally,
    /// The first of them by id.
    pub(super) named: Vec<RejectedItem>,
    /// Items whose text is in another language.
    pub(super) fallbacks: i64,
}

struct Rejections {
    sorter: Sorter,
    /// The first by id, column and reason: the same whatever the source's order.
    first: BTreeSet<(String, String, String)>,
}

impl Gather {
    /// Nothing yet; spills into `dir`.
    pub(super) fn new(layout: Layout, dir: &Path, stop: Stop) -> Self {
        Self {
            layout,
            stop,
            rows: Sorter::new(dir, ROWS_BUDGET),
            rejected: Rejections {
                sorter: Sorter::new(dir, REJECTED_BUDGET),
                first: BTreeSet::new(),
            },
            seen: 0,
            fallbacks: 0,
            failed: None,
        }
    }

    /// Takes an item.
    pub(super) fn take(&mut self, item: &Item) -> Result<(), Halt> {
        self.seen += 1;
        if self.seen.is_multiple_of(PROGRESS) {
            tracing::info!(items = self.seen, "reading the source");
        }
        if self.stop.is_requested() {
            return Err(Halt);
        }
        let kept = match self.layout.row(item, self.seen) {
            Ok(row) => {
                self.fallbacks += i64::from(row.fell_back);
                csv_line(&row.values).and_then(|line| self.rows.push(row.id.as_bytes(), &line))
            }
            Err(rejection) => self.rejected.push(&rejection),
        };
        kept.map_err(|error| {
            self.failed = Some(error);
            Halt
        })
    }

    /// Why the last item was not taken, if the disk was to blame; else somebody asked to stop.
    pub(super) fn failure(&mut self) -> Option<io::Error> {
        self.failed.take()
    }

    /// All items are in: sorts them and sees which came twice.
    pub(super) fn finish(mut self) -> io::Result<Gathered> {
        let header = csv_line(self.layout.header())?;
        let mut feed = Spool::unique(header, self.rows.finish()?);
        let rejected = &mut self.rejected;
        let id_column = self.layout.id_column();
        let feed_tally = feed.tally(&mut |id, lines| {
            let rejection = Rejection {
                id: String::from_utf8_lossy(id).into_owned(),
                column: id_column.to_owned(),
                reason: Reason::Duplicate,
            };
            (0..lines).try_for_each(|_| rejected.push(&rejection))
        })?;
        let header = csv_line(["id", "column", "reason"])?;
        let mut rejected = Spool::new(header, self.rejected.sorter.finish()?);
        let rejected_tally = rejected.tally(&mut |_, _| Ok(()))?;
        Ok(Gathered {
            feed,
            feed_tally,
            rejected,
            rejected_tally,
            named: self.rejected.first.into_iter().map(named).collect(),
            fallbacks: self.fallbacks,
        })
    }
}

impl Rejections {
    fn push(&mut self, rejection: &Rejection) -> io::Result<()> {
        let Rejection { id, column, reason } = rejection;
        let reason: String = text::cut(&reason.to_string(), REASON_CHARS).0.to_owned();
        let line = csv_line([id, column, &reason])?;
        self.sorter.push(id.as_bytes(), &line)?;
        self.first.insert((id.clone(), column.clone(), reason));
        if self.first.len() > NAMED {
            self.first.pop_last();
        }
        Ok(())
    }
}

fn named((id, column, reason): (String, String, String)) -> RejectedItem {
    RejectedItem {
        id: text::cut(&id, ID_CHARS).0.to_owned(),
        column,
        reason,
    }
}

/// A line of CSV, with its end.
fn csv_line<T: AsRef<[u8]>>(values: impl IntoIterator<Item = T>) -> io::Result<Vec<u8>> {
    let mut line = csv::WriterBuilder::new()
        // The default of 8 KiB would be allocated, and left unused, for every line.
        .buffer_capacity(LINE_BYTES)
        .from_writer(Vec::with_capacity(LINE_BYTES));
    line.write_record(values).map_err(io::Error::other)?;
    line.into_inner().map_err(csv::IntoInnerError::into_error)
}

#[cfg(test)]
mod tests {
    use super::super::item::item;
    use super::super::row::tests::feed;
    use super::*;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    fn gathered(items: &[Value]) -> Gathered {
        let dir = tempfile::tempdir().unwrap();
        let layout = Layout::new(&feed()).unwrap();
        let (keep, stop) = Stop::new();
        let mut gather = Gather::new(layout, dir.path(), stop);
        for value in items {
            gather.take(&item(value.clone())).unwrap();
        }
        drop(keep);
        gather.finish().unwrap()
    }

    fn files(items: &[Value]) -> (String, String, Gathered) {
        let mut gathered = gathered(items);
        let text = |spool: &mut Spool, tally: &Tally| {
            let mut bytes = Vec::new();
            let mut take = |part: &[u8]| {
                bytes.extend_from_slice(part);
                Ok(())
            };
            spool.write(tally, &mut take).unwrap();
            assert_eq!(
                super::super::spool::measure(bytes.as_slice()).unwrap(),
                *tally
            );
            String::from_utf8(bytes).unwrap()
        };
        let feed = text(&mut gathered.feed, &gathered.feed_tally);
        let rejected = text(&mut gathered.rejected, &gathered.rejected_tally);
        (feed, rejected, gathered)
    }

    fn product(id: &str, title: &str) -> Value {
        json!({
            "id": id, "title": title, "price": "9.50 EUR", "availability": "in stock",
            "link": "https://shop.example/p", "language": "de",
        })
    }

    #[test]
    fn equal_lines_are_written_once_and_different_ones_not_at_all() {
        let (feed, rejected, gathered) = files(&[
            product("same", "One"),
            product("other", "Two"),
            product("once", "Three"),
            product("same", "One"),
            product("other", "Two!"),
            // Rejected for itself, so the good one of that id stands alone.
            product("once", ""),
        ]);
        let ids: Vec<&str> = feed
            .lines()
            .skip(1)
            .filter_map(|line| line.split(',').next())
            .collect();
        assert_eq!(ids, ["once", "same"]);
        assert_eq!(
            rejected,
            "id,column,reason\n\
             once,title,is missing\n\
             other,id,occurs more than once in the source\n\
             other,id,occurs more than once in the source\n\
             same,id,occurs more than once in the source\n"
        );
        assert_eq!(
            (gathered.feed_tally.items, gathered.rejected_tally.items),
            (2, 4)
        );
        // A report names each fault once.
        assert_eq!(gathered.named.len(), 3);
    }

    #[test]
    fn a_wish_to_stop_halts() {
        let dir = tempfile::tempdir().unwrap();
        let (wish, stop) = Stop::new();
        let mut gather = Gather::new(Layout::new(&feed()).unwrap(), dir.path(), stop);
        wish.send_replace(true);
        assert!(gather.take(&item(product("a", "A"))).is_err());
        assert!(gather.failure().is_none());
    }

    #[test]
    fn only_the_first_rejections_are_named_and_all_are_listed() {
        let items: Vec<Value> = (0..100)
            .rev()
            .map(|at| product(&format!("{at:03}"), ""))
            .collect();
        let (_, rejected, gathered) = files(&items);
        assert_eq!(rejected.lines().count(), 101);
        let named: Vec<&str> = gathered.named.iter().map(|item| item.id.as_str()).collect();
        assert_eq!(named.len(), NAMED);
        assert_eq!((named[0], named[NAMED - 1]), ("000", "023"));
    }

    proptest! {
        #[test]
        fn the_same_items_in_any_order_give_the_same_bytes(
            items in prop::collection::vec((0u8..20, "[a-c]{0,2}|😀|\u{301}|,|\"|\n"), 0..40)
                .prop_flat_map(|items| (Just(items.clone()), Just(items).prop_shuffle())),
        ) {
            let products = |items: &[(u8, String)]| -> Vec<Value> {
                items.iter().map(|(id, title)| product(&id.to_string(), title)).collect()
            };
            let (one, other) = (files(&products(&items.0)), files(&products(&items.1)));
            prop_assert_eq!(one.0, other.0);
            prop_assert_eq!(one.1, other.1);
            prop_assert_eq!(one.2.named, other.2.named);
            let taken = one.2.feed_tally.items + one.2.rejected_tally.items;
            prop_assert_eq!(taken, i64::try_from(items.0.len()).unwrap());
        }
    }
}
