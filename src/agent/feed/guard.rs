//! Keeps a broken source from emptying a shop: a file that takes too much away is not written.

use super::destination::Previous;
use crate::contract::{Feed, FeedMode, FeedReport};

/// Why a file is not written: it would take too much away.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Shrink {
    /// Fewer items than before, beyond the bound.
    #[error(
        "the file would have {items} items after {before}, {lost} % fewer, and `maxShrinkPercent` allows \
         {bound}{rejected}: mend the source, or raise `maxShrinkPercent` to {lost} until it has run once"
    )]
    Lost {
        /// Items of this run.
        items: i64,
        /// Items of the last.
        before: i64,
        /// What is lost, rounded up.
        lost: i64,
        /// What may be lost.
        bound: u32,
        /// How many were rejected, when any were.
        rejected: String,
    },
    /// No items at all.
    #[error(
        "the file would have no items{rejected}: mend the source, or set `maxShrinkPercent` to 100 if the \
         catalogue is to be emptied"
    )]
    Empty {
        /// How many were rejected, when any were.
        rejected: String,
    },
}

/// Whether the file may replace the one before. A delta takes nothing away.
pub(super) fn check(
    feed: &Feed,
    body: &FeedReport,
    previous: Option<&Previous>,
) -> Result<(), Shrink> {
    let bound = feed.max_shrink_percent;
    if feed.mode == FeedMode::Delta || bound >= 100 {
        return Ok(());
    }
    let rejected = match body.rejected {
        0 => String::new(),
        rejected => format!(" ({rejected} were rejected)"),
    };
    let items = body.items;
    if items == 0 {
        return Err(Shrink::Empty { rejected });
    }
    let Some(before) = previous.map(|previous| previous.items) else {
        return Ok(());
    };
    // In whole numbers, wide enough for any count.
    let (now, then) = (i128::from(items), i128::from(before));
    if now * 100 >= then * i128::from(100 - bound) {
        return Ok(());
    }
    let lost = ((then - now) * 100 + then - 1) / then;
    Err(Shrink::Lost {
        items,
        before,
        lost: i64::try_from(lost).unwrap_or(100),
        bound,
        rejected,
    })
}

#[cfg(test)]
mod tests {
    use super::super::row::tests::feed;
    use super::*;
    use proptest::prelude::*;

    fn checked(mode: FeedMode, bound: u32, before: Option<i64>, items: i64) -> Result<(), Shrink> {
        let mut feed = feed();
        feed.mode = mode;
        feed.max_shrink_percent = bound;
        let body = FeedReport {
            items,
            rejected: 3,
            ..FeedReport::default()
        };
        let previous = before.map(|items| Previous {
            items,
            hash: None,
            e_tag: None,
            rejected: None,
            is_described: true,
        });
        check(&feed, &body, previous.as_ref())
    }

    #[test]
    fn the_bound_is_what_may_be_lost() {
        for (bound, before, items, passes) in [
            (20, Some(100), 80, true),
            (20, Some(100), 79, false),
            (0, Some(100), 100, true),
            (0, Some(100), 99, false),
            (0, Some(100), 101, true),
            (99, Some(100), 1, true),
            (99, Some(101), 1, false),
            (99, Some(100), 0, false),
            (100, Some(100), 0, true),
            (100, None, 0, true),
            (20, None, 1, true),
            (20, None, 0, false),
            (20, Some(0), 5, true),
            (33, Some(3), 2, false),
            (34, Some(3), 2, true),
        ] {
            let checked = checked(FeedMode::Replace, bound, before, items);
            assert_eq!(checked.is_ok(), passes, "{bound} {before:?} {items}");
        }
        assert!(checked(FeedMode::Delta, 0, Some(100), 0).is_ok());
    }

    #[test]
    fn the_refusal_says_counts_bound_and_what_to_do() {
        let lost = checked(FeedMode::Replace, 20, Some(1000), 7).unwrap_err();
        assert_eq!(
            lost.to_string(),
            "the file would have 7 items after 1000, 100 % fewer, and `maxShrinkPercent` allows 20 \
             (3 were rejected): mend the source, or raise `maxShrinkPercent` to 100 until it has run once"
        );
        let empty = checked(FeedMode::Replace, 20, Some(1000), 0).unwrap_err();
        assert!(empty.to_string().contains("set `maxShrinkPercent` to 100"));
    }

    proptest! {
        /// What the message advises is enough, and nothing less is.
        #[test]
        fn the_advised_bound_passes(before in 1i64..10_000, items in 1i64..10_000, bound in 0u32..100) {
            if let Err(Shrink::Lost { lost, .. }) = checked(FeedMode::Replace, bound, Some(before), items) {
                let advised = u32::try_from(lost).unwrap();
                prop_assert!(checked(FeedMode::Replace, advised, Some(before), items).is_ok());
                prop_assert!(checked(FeedMode::Replace, advised - 1, Some(before), items).is_err());
            }
        }
    }
}
