//! From a termination message to a report. A region's pods write it, so nothing in it is believed that doesn't fit.

use serde::de::DeserializeOwned;

use crate::contract::{
    self, AttestReport, Count, Delivered, EraseReport, FeedReport, HoldReport, KeepKeyReport,
    KeptRows, OptedOut, REPORT_BYTES, Report, RetainReport,
};

/// A sentence that status takes; the rest is cut.
const MESSAGE_CHARS: usize = 512;
/// More rows or items than any store holds; a number beyond it is nonsense, and sums of such would overflow.
const MOST: i64 = 1_000_000_000_000_000;

/// A hold has no more scopes, and so no more stores.
const MOST_STORES: usize = 16;

/// What a command reports beside how it ended.
pub(super) trait Body: DeserializeOwned + Default {
    /// Whether all its numbers can be counts.
    fn is_plausible(&self) -> bool;
}

fn all_counts(counts: &[i64]) -> bool {
    counts.iter().all(|count| (0..=MOST).contains(count))
}

/// The same of numbers that need not be told.
fn can_be_counts(counts: &[Count]) -> bool {
    let bounds = |count: &Count| all_counts(&[count.least(), count.most().unwrap_or_default()]);
    counts.iter().all(bounds)
}

impl Body for FeedReport {
    fn is_plausible(&self) -> bool {
        let Self {
            items,
            rejected,
            rejections: _,
            fallbacks,
            object: _,
            hash: _,
            bytes,
            written: _,
        } = self;
        all_counts(&[*items, *rejected, *fallbacks, *bytes])
    }
}

/// Whether what it carries is a signature is found out where the chain is known.
impl Body for AttestReport {
    fn is_plausible(&self) -> bool {
        true
    }
}

/// No task has more stores, and no report more tables than fit its bytes.
impl Body for EraseReport {
    fn is_plausible(&self) -> bool {
        let Self {
            request,
            state: _,
            suppressed,
            delivered,
            removed_at,
            stores,
            lifted,
            recipients,
            opted_out,
            same_server,
        } = self;
        let is_told = |delivered: &Delivered| {
            delivered.hash.len() <= 80
                && delivered.manifest.len() <= 512
                && delivered
                    .place
                    .as_ref()
                    .is_none_or(|place| place.len() <= 640)
                && delivered.expires_at.parse::<jiff::Timestamp>().is_ok()
        };
        let removed = removed_at.as_ref();
        let tables = stores.iter().flat_map(|store| &store.tables);
        removed.is_none_or(|at| at.len() <= 40 && at.parse::<jiff::Timestamp>().is_ok())
            && request.len() <= 63
            && same_server.as_ref().is_none_or(|store| store.len() <= 40)
            && can_be_counts(&[*suppressed])
            && recipients.len() <= 400
            && recipients.iter().all(|told| {
                told.name.len() <= 81
                    && all_counts(&[told.attempts])
                    && told.answer.as_deref().is_none_or(is_answer)
                    && told
                        .at
                        .as_ref()
                        .is_none_or(|at| at.parse::<jiff::Timestamp>().is_ok())
            })
            && lifted.iter().all(|table| can_be_counts(&[table.rows]))
            && opted_out.iter().all(is_opt_out)
            && delivered.as_ref().is_none_or(is_told)
            && stores.len() <= 50
            && stores.iter().all(|store| store.name.len() <= 40)
            && tables.into_iter().all(|table| {
                table.name.len() <= 160
                    && can_be_counts(&table.terms())
                    && can_be_counts(&[table.found, table.late, table.undated, table.spared])
                    && table.commitments.len() <= 9
                    && table
                        .grounds
                        .iter()
                        .all(|kept| is_ground(kept) && can_be_counts(&[kept.rows]))
            })
    }
}

/// A law, a table's name, names of columns.
fn is_ground(kept: &KeptRows) -> bool {
    let through = kept.through.as_deref().unwrap_or_default();
    let fits = |column: &String| column.len() <= 63;
    let columns = kept.columns.len() <= 16 && kept.columns.iter().all(fits);
    kept.ground.len() <= 256 && through.len() <= 127 && columns
}

/// An HTTP status or a few words of ours, never a sentence of somebody else's.
fn is_answer(said: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_digit() || byte.is_ascii_lowercase() || byte == b' ';
    said.len() <= 16 && said.bytes().all(is_plain)
}

/// Names that fit, a count, a moment.
fn is_opt_out(told: &OptedOut) -> bool {
    let OptedOut {
        store,
        channel,
        sinks,
        unnamed_sinks,
        subjects,
        in_force_since,
    } = told;
    let since = in_force_since.as_deref();
    store.len() <= 40
        && channel.len() <= 128
        && sinks.len() <= 8
        && sinks.iter().all(|sink| sink.len() <= 40)
        && can_be_counts(&[*subjects])
        && all_counts(&[*unnamed_sinks])
        && since.is_none_or(|since| since.parse::<jiff::Timestamp>().is_ok())
}

/// A region's pods write it: only what looks like a public key is taken for one.
impl Body for KeepKeyReport {
    fn is_plausible(&self) -> bool {
        let Self {
            recipient,
            is_new: _,
        } = self;
        recipient.starts_with("age1")
            && (10..=200).contains(&recipient.len())
            && recipient
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
    }
}

impl Body for RetainReport {
    fn is_plausible(&self) -> bool {
        self.rules.iter().all(|r| {
            can_be_counts(&r.parts())
                && can_be_counts(&[r.rows, r.due, r.late, r.null_clock, r.untold])
                && all_counts(&[r.partitions])
                && r.commitments.len() <= 8
        })
    }
}

impl Body for HoldReport {
    fn is_plausible(&self) -> bool {
        let is_time = |at: &Option<String>| {
            let at = at.as_ref();
            at.is_none_or(|at| at.len() <= 40 && at.parse::<jiff::Timestamp>().is_ok())
        };
        self.stores.len() <= MOST_STORES
            && self.stores.iter().all(|store| {
                store.store.len() <= 40
                    && is_time(&store.in_force_since)
                    && is_time(&store.widened_at)
                    && is_time(&store.released_at)
                    && store.reason.as_ref().is_none_or(|word| is_word(word))
            })
    }
}

/// Reads a report of this command; none when the message is none.
pub(super) fn parse<B: Body>(message: &str, command: &str) -> Option<Report<B>> {
    if message.len() > REPORT_BYTES {
        return None;
    }
    let mut report: Report<B> = serde_json::from_str(message).ok()?;
    let is_ours = report.version == contract::VERSION
        && report.command == command
        && is_word(&report.reason)
        && report.started_at.parse::<jiff::Timestamp>().is_ok()
        && report.finished_at.parse::<jiff::Timestamp>().is_ok()
        && report.body.as_ref().is_none_or(Body::is_plausible);
    let printable = report.message.chars().filter(|c| !c.is_control());
    report.message = printable.take(MESSAGE_CHARS).collect();
    is_ours.then_some(report)
}

/// Whether it can be a condition's reason.
pub(super) fn is_word(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_uppercase())
        && text.len() <= 64
        && text.chars().all(|c| c.is_ascii_alphanumeric())
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"{"version":1,"command":"feed","outcome":"Done","reason":"Done","message":"a\u001b[31m","startedAt":"2026-01-01T00:00:00Z","finishedAt":"2026-01-01T00:00:01Z","body":{"items":3,"rejected":0}}"#;

    #[test]
    fn a_report_is_read_without_its_control_characters() {
        let report = parse::<FeedReport>(GOOD, "feed").unwrap();
        assert_eq!(report.message, "a[31m");
        assert_eq!(report.body.unwrap().items, 3);
    }

    #[test]
    fn what_does_not_fit_is_no_report() {
        let long = GOOD.replace("a\\u001b", &"a".repeat(REPORT_BYTES));
        for (message, why) in [
            (
                GOOD.replace("\"version\":1", "\"version\":2"),
                "another version",
            ),
            (
                GOOD.replace("\"reason\":\"Done\"", "\"reason\":\"<b>\""),
                "no word",
            ),
            (GOOD.replace("\"items\":3", "\"items\":-3"), "no count"),
            (
                GOOD.replace("\"items\":3", "\"items\":9223372036854775807"),
                "nonsense",
            ),
            (GOOD.replace("2026-01-01T00:00:01Z", "yesterday"), "no time"),
            (GOOD[..100].to_owned(), "cut"),
            (String::new(), "nothing"),
            (long, "too long"),
        ] {
            assert!(parse::<FeedReport>(&message, "feed").is_none(), "{why}");
        }
        assert!(
            parse::<RetainReport>(GOOD, "retain").is_none(),
            "another command"
        );
    }

    #[test]
    fn what_a_recipient_answered_is_a_status_or_a_word_of_ours() {
        let report = |recipient: &str| {
            let head = r#"{"version":1,"command":"erase","outcome":"Retry","reason":"RecipientNotTold","message":"","startedAt":"2026-01-01T00:00:00Z","finishedAt":"2026-01-01T00:00:01Z","body":{"request":"dsr-1","state":"Verified","stores":[],"recipients":["#;
            let text = format!("{head}{recipient}]}}}}");
            parse::<EraseReport>(&text, "erase").is_some()
        };
        for good in [
            r#"{"name": "shop/erp", "state": "Pending"}"#,
            r#"{"name": "shop/erp", "state": "Refused", "ground": "LegalClaims", "attempts": 2, "answer": "200", "at": "2026-01-01T00:00:00Z"}"#,
            r#"{"name": "shop/erp", "state": "Failed", "attempts": 500, "answer": "no connection"}"#,
        ] {
            assert!(report(good), "{good}");
        }
        for wrong in [
            r#"{"name": "shop/erp", "state": "Pending", "answer": "ann@mail.example"}"#,
            r#"{"name": "shop/erp", "state": "Pending", "answer": "ann never paid us"}"#,
            r#"{"name": "shop/erp", "state": "Refused", "ground": "Ann owes us"}"#,
            r#"{"name": "shop/erp", "state": "Perhaps"}"#,
            r#"{"name": "shop/erp", "state": "Pending", "attempts": -1}"#,
            r#"{"name": "shop/erp", "state": "Pending", "at": "yesterday"}"#,
            r#"{"name": "a policy whose name is longer than any and a recipient whose name is longer too/erp", "state": "Told"}"#,
        ] {
            assert!(!report(wrong), "{wrong}");
        }
    }

    #[test]
    fn a_holds_report_has_times_and_words_and_no_more() {
        let report = |store: &str| {
            let head = r#"{"version":1,"command":"hold","outcome":"Done","reason":"InForce","message":"","startedAt":"2026-01-01T00:00:00Z","finishedAt":"2026-01-01T00:00:01Z","body":{"stores":["#;
            parse::<HoldReport>(&format!("{head}{store}]}}}}"), "hold")
        };
        let good = r#"{"store": "orders", "inForceSince": "2026-01-01T00:00:00.123456Z"}"#;
        assert!(report(good).is_some());
        assert!(report(&[good; 16].join(",")).is_some());
        for wrong in [
            r#"{"store": "orders", "inForceSince": "<b>now</b>"}"#,
            r#"{"store": "orders", "releasedAt": "yesterday"}"#,
            r#"{"store": "orders", "reason": "two words"}"#,
            r#"{"store": "a store whose name is longer than any store's"}"#,
            &[good; 17].join(","),
        ] {
            assert!(report(wrong).is_none(), "{wrong}");
        }
    }
}
