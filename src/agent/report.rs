//! Builds the report and writes it so that Kubernetes keeps all of it.

use std::io::Write as _;
use std::path::Path;

use jiff::Timestamp;
use serde::Serialize;

use crate::contract::{
    CatalogueLook, EraseReport, FeedReport, HoldReport, LiftReport, Outcome, REPORT_BYTES, Report,
    RetainReport, RetainedRule, Strategy, VERSION,
};

/// The most bytes of a report's message.
const MESSAGE_BYTES: usize = 512;

/// A piece of work that has begun: remembers the command and the time for its report.
#[derive(Clone, Copy, Debug)]
pub struct Begun {
    command: &'static str,
    at: Timestamp,
}

impl Begun {
    /// The work `command` begins now.
    #[must_use]
    pub fn now(command: &'static str) -> Self {
        Self {
            command,
            at: Timestamp::now(),
        }
    }

    /// It ended now. `reason` is CamelCase; `message` is one sentence without data, cut to 512 bytes.
    #[must_use]
    pub fn ended<B>(
        self,
        outcome: Outcome,
        reason: &str,
        message: &str,
        body: Option<B>,
    ) -> Report<B> {
        Report {
            version: VERSION,
            command: self.command.to_owned(),
            outcome,
            reason: reason.to_owned(),
            message: cut(message, MESSAGE_BYTES).to_owned(),
            started_at: self.at.to_string(),
            finished_at: Timestamp::now().to_string(),
            body,
        }
    }
}

/// A body that can give up detail, least important first, until its report fits.
pub trait Shrink {
    /// Gives up one piece of detail; false when only the figures are left.
    fn shrink(&mut self) -> bool;
}

impl Shrink for FeedReport {
    fn shrink(&mut self) -> bool {
        self.rejections.pop().is_some()
    }
}

/// A preview's commitments go first: nobody has their salts. Then tables without a rule: their number stays. Then up to when all space was released; then a run's
/// commitments, one rule's after the other: the ledger opens numbers that a report does not commit to no less. Then which databases the stores lead to. Rules are bounded so that their figures fit; only with counts
/// beyond a thousand million rows, and a long message, is there no room left for the dates, then for the space, strategies and partitions, then for the late rows, then for
/// those that wait for a notice, then for those without a clock: no term of a sum, and the ledger has them.
impl Shrink for RetainReport {
    fn shrink(&mut self) -> bool {
        let is_preview = self.run.is_empty();
        let rules = &mut self.rules;
        let mut give = |up: fn(&mut RetainedRule) -> bool| rules.iter_mut().any(up);
        let committed = |rule: &mut RetainedRule| !std::mem::take(&mut rule.commitments).is_empty();
        if is_preview && give(committed) {
            return true;
        }
        if self.catalogue.as_mut().is_some_and(CatalogueLook::shrink) {
            return true;
        }
        let databases = self.catalogue.as_mut().map(|look| &mut look.databases);
        give(|rule| rule.released_until.take().is_some())
            || give(committed)
            || databases.is_some_and(|databases| databases.pop().is_some())
            || give(|rule| rule.oldest_kept.take().is_some())
            || give(|rule| rule.space.take().is_some())
            || give(|rule| std::mem::take(&mut rule.strategy) != Strategy::Rows)
            || give(|rule| std::mem::take(&mut rule.partitions) != 0)
            || give(|rule| !std::mem::take(&mut rule.late).is_zero())
            || give(|rule| !std::mem::take(&mut rule.untold).is_zero())
            || give(|rule| !std::mem::take(&mut rule.null_clock).is_zero())
    }
}

/// Stores are bounded so that their dates fit.
impl Shrink for HoldReport {
    fn shrink(&mut self) -> bool {
        false
    }
}

impl Shrink for EraseReport {
    fn shrink(&mut self) -> bool {
        Self::shrink(self)
    }
}

/// The table with the fewest rows goes first; the books have it.
impl Shrink for LiftReport {
    fn shrink(&mut self) -> bool {
        let tables = self.tables.iter().enumerate();
        let fewest = tables.min_by_key(|(_, table)| table.rows.least());
        let Some(at) = fewest.map(|(at, _)| at) else {
            return false;
        };
        self.tables.remove(at);
        true
    }
}

/// A command without figures.
impl Shrink for () {
    fn shrink(&mut self) -> bool {
        false
    }
}

/// The report's bytes: valid JSON of at most [`REPORT_BYTES`], whatever had to be given up for it.
pub(super) fn encode<B: Serialize + Shrink>(mut report: Report<B>) -> serde_json::Result<Vec<u8>> {
    loop {
        let bytes = serde_json::to_vec(&report)?;
        if bytes.len() <= REPORT_BYTES {
            return Ok(bytes);
        }
        if report.body.as_mut().is_some_and(Shrink::shrink) {
            continue;
        }
        if report.body.take().is_some() {
            tracing::warn!(
                bytes = bytes.len(),
                "the report is too long: its body is left out"
            );
        } else {
            // Escapes may make a message six times longer than its bytes.
            let half = report.message.len() / 2;
            report.message = cut(&report.message, half).to_owned();
        }
    }
}

/// Writes the report. The file may be a bind mount, so it is overwritten and never replaced.
pub(super) fn write<B: Serialize + Shrink>(path: &Path, report: Report<B>) -> std::io::Result<()> {
    let bytes = encode(report)?;
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .open(path)?;
    file.write_all(&bytes)?;
    file.flush()
}

/// The longest start of `text` with at most `bytes` bytes that ends on a character's boundary.
fn cut(text: &str, bytes: usize) -> &str {
    &text[..text.floor_char_boundary(bytes)]
}

#[cfg(test)]
mod room;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::{Count, Method, RejectedItem, Space, Strategy, UnruledTable};
    use crate::evidence::Commitment;
    use proptest::prelude::*;

    fn feed(rejections: usize) -> FeedReport {
        let rejected = RejectedItem {
            id: "sku-1".repeat(10),
            column: "title".into(),
            reason: "is \"too\" long".into(),
        };
        FeedReport {
            items: 7,
            rejections: vec![rejected; rejections],
            ..FeedReport::default()
        }
    }

    #[test]
    fn figures_survive_when_detail_does_not_fit() {
        let report = Begun::now("feed").ended(Outcome::Done, "Done", "written", Some(feed(500)));
        let bytes = encode(report).unwrap();
        let back: Report<FeedReport> = serde_json::from_slice(&bytes).unwrap();
        let body = back.body.unwrap();
        assert_eq!(body.items, 7);
        assert!(body.rejections.len() > 10, "{}", body.rejections.len());
    }

    #[test]
    fn a_written_report_replaces_a_longer_one() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("report");
        std::fs::write(&path, vec![b'x'; 9000]).unwrap();
        write(
            &path,
            Begun::now("feed").ended::<()>(Outcome::Retry, "Stopped", "stopped", None),
        )
        .unwrap();
        let back: Report<()> = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        assert_eq!(
            (back.outcome, back.reason.as_str()),
            (Outcome::Retry, "Stopped")
        );
    }

    /// The worst that a run can say about sixteen rules with names of 32 characters.
    fn worst(number: i64) -> Report<RetainReport> {
        let number = Count::exact(number);
        let rule = |at| RetainedRule {
            name: format!("{at:032}"),
            method: Method::Delete,
            strategy: Strategy::Rows,
            partitions: 0,
            rows: number,
            due: number,
            erased: number,
            held: Count::ZERO,
            restricted: Count::ZERO,
            gone: number,
            blocked: number,
            failed: number,
            remaining: number,
            late: Count::ZERO,
            null_clock: number,
            untold: Count::ZERO,
            commitments: Vec::new(),
            oldest_kept: Some("2016-02-29".into()),
            space: None,
            released_until: None,
        };
        let body = RetainReport {
            run: "00000000-0000-0000-0000-000000000000".into(),
            preview_as_of: None,
            preview_hash: None,
            preview_shape: None,
            ended_at: None,
            catalogue: None,
            rules: (0..16).map(rule).collect(),
        };
        Begun::now("retain").ended(Outcome::Refused, "RowsFailed", &"x".repeat(150), Some(body))
    }

    #[test]
    fn sixteen_rules_fit_with_every_figure_at_hundreds_of_millions() {
        let bytes = encode(worst(999_999_999)).unwrap();
        let back: Report<RetainReport> = serde_json::from_slice(&bytes).unwrap();
        assert_eq!(Some(back.body.unwrap()), worst(999_999_999).body);
    }

    #[test]
    fn figures_outlive_dates() {
        let number = 999_999_999_999;
        let mut report = worst(number);
        let body = report.body.as_mut().unwrap();
        body.ended_at = Some("2026-11-23T04:41:19.123456789Z".into());
        for rule in &mut body.rules {
            (rule.late, rule.held) = (number.into(), rule.blocked);
            rule.untold = number.into();
            rule.space = Some(Space::WaitsForTransaction);
            rule.released_until = Some("2026-11-23T04:41:19Z".into());
            rule.strategy = Strategy::RowsDefaultPartition;
            // What a rule changes is blocked by nothing.
            rule.blocked = Count::ZERO;
            rule.method = Method::Anonymise;
        }
        let bytes = encode(report).unwrap();
        let back: Report<RetainReport> = serde_json::from_slice(&bytes).unwrap();
        let rules = back.body.unwrap().rules;
        assert!(
            rules
                .iter()
                .all(|rule| rule.due == number && rule.held == number && rule.remaining == number)
        );
    }

    /// A lone small number beside a large one that is withheld, in each of fourteen rules; then more than there is room for.
    #[test]
    fn commitments_fit_beside_every_figure_and_go_before_these() {
        let told = |commitments: usize| {
            let mut report = worst(999_999);
            report.body.as_mut().unwrap().rules.truncate(14);
            for rule in &mut report.body.as_mut().unwrap().rules {
                rule.name.truncate(12);
                (rule.gone, rule.blocked) = (Count::WITHHELD, Count::below(5));
                (rule.failed, rule.null_clock) = (Count::ZERO, Count::below(5));
                rule.oldest_kept = None;
                rule.commitments = vec![Commitment([7; 32]); commitments];
            }
            let body = report.body.clone();
            let back: Report<RetainReport> =
                serde_json::from_slice(&encode(report).unwrap()).unwrap();
            (body.unwrap(), back.body.unwrap())
        };
        let (said, heard) = told(2);
        assert_eq!(said, heard);
        let (mut said, heard) = told(6);
        assert_ne!(said, heard);
        for (said, heard) in said.rules.iter_mut().zip(&heard.rules) {
            said.commitments.clone_from(&heard.commitments);
        }
        assert_eq!(said, heard, "nothing else went");
    }

    /// Rules as shops have them: names of twelve characters, hundreds of thousands of rows, few of which are held.
    fn ordinary(rules: usize, is_preview: bool) -> RetainReport {
        let small = Count::below(5);
        let rule = |at: usize| RetainedRule {
            name: format!("messages-{at:03}"),
            strategy: Strategy::RowsReferenced,
            partitions: 3,
            rows: 812_345.into(),
            due: 20_345.into(),
            erased: if is_preview {
                Count::ZERO
            } else {
                Count::WITHHELD
            },
            remaining: if is_preview {
                Count::WITHHELD
            } else {
                Count::ZERO
            },
            held: small,
            null_clock: small,
            commitments: vec![Commitment([7; 32]); 2],
            oldest_kept: Some("2016-02-29".into()),
            space: (!is_preview).then_some(Space::Unknown),
            released_until: (!is_preview).then(|| "2026-11-23T04:41:19Z".into()),
            ..RetainedRule::default()
        };
        let hash = format!("sha256-{}", "0".repeat(64));
        let seen = is_preview.then_some(hash);
        RetainReport {
            run: if is_preview {
                String::new()
            } else {
                "0".repeat(36)
            },
            preview_as_of: is_preview.then(|| "2026-01-01T00:00:00.123456Z".into()),
            preview_hash: seen.clone(),
            preview_shape: seen,
            rules: (0..rules).map(rule).collect(),
            ..RetainReport::default()
        }
    }

    fn heard(body: &RetainReport) -> RetainReport {
        let told = "erased 1234567-1234999 rows; 0 blocked, 0 left";
        let mut report =
            Begun::now("retain").ended(Outcome::Done, "Done", told, Some(body.clone()));
        // As long as they get.
        "2026-11-23T04:41:19.123456789Z".clone_into(&mut report.started_at);
        report.finished_at.clone_from(&report.started_at);
        let back: Report<RetainReport> = serde_json::from_slice(&encode(report).unwrap()).unwrap();
        back.body.unwrap()
    }

    fn committed(body: &RetainReport) -> usize {
        let rules = body.rules.iter();
        rules.filter(|rule| !rule.commitments.is_empty()).count()
    }

    /// What somebody reads stays, and what stands for a number goes.
    #[test]
    fn commitments_go_before_strategies_partitions_space_and_dates() {
        let bare = |body: &RetainReport| {
            let mut body = body.clone();
            for rule in &mut body.rules {
                rule.commitments.clear();
                rule.released_until = None;
            }
            body
        };
        // So many rules, and of how many the commitments stay.
        for (rules, is_preview, left) in [
            (12, false, 12..=12),
            (14, false, 8..=9),
            (16, false, 4..=5),
            (12, true, 12..=12),
            (14, true, 8..=10),
            (16, true, 4..=6),
        ] {
            let body = ordinary(rules, is_preview);
            let heard = heard(&body);
            let committed = committed(&heard);
            assert!(left.contains(&committed), "{committed} of {rules}");
            assert_eq!(bare(&heard), bare(&body));
        }
        // Of ten nothing goes; of twelve the dates of released space went, and no commitment.
        let (ten, twelve) = (ordinary(10, false), ordinary(12, false));
        assert_eq!(heard(&ten), ten);
        assert_ne!(heard(&twelve), twelve);
    }

    /// Nobody can open what a preview commits to; which table has no rule is for somebody to mend.
    #[test]
    fn a_previews_commitments_go_before_tables_without_a_rule() {
        let mut body = ordinary(12, true);
        let table = |at: usize| UnruledTable {
            store: "shop".to_owned(),
            table: format!("public.newsletter_{at:02}"),
            ..UnruledTable::default()
        };
        body.catalogue = Some(CatalogueLook {
            tables: (0..10).map(table).collect(),
            ..CatalogueLook::default()
        });
        let heard = heard(&body);
        assert!(committed(&heard) < 12);
        assert_eq!(heard.catalogue, body.catalogue);
    }

    #[test]
    fn sixteen_previewed_rules_fit_with_a_long_message() {
        let mut report = worst(999_999_999);
        report.message = "y".repeat(MESSAGE_BYTES);
        let body = report.body.as_mut().unwrap();
        body.run.clear();
        body.preview_as_of = Some("2026-01-01T00:00:00.123456Z".into());
        body.preview_hash = Some(format!("sha256-{}", "0".repeat(64)));
        body.preview_shape = body.preview_hash.clone();
        for rule in &mut body.rules {
            (rule.erased, rule.gone, rule.failed) = (Count::ZERO, Count::ZERO, Count::ZERO);
        }
        let body = report.body.clone();
        let back: Report<RetainReport> = serde_json::from_slice(&encode(report).unwrap()).unwrap();
        assert_eq!(back.body, body);
    }

    proptest! {
        #[test]
        fn a_report_always_fits_and_parses(message in ".{0,3000}", reason in "[A-Z][a-z]{0,30}", n in 0usize..80) {
            let report = Begun::now("feed").ended(Outcome::Refused, &reason, &message, Some(feed(n)));
            prop_assert!(report.message.len() <= MESSAGE_BYTES);
            let bytes = encode(report).unwrap();
            prop_assert!(bytes.len() <= REPORT_BYTES);
            let back: Report<FeedReport> = serde_json::from_slice(&bytes).unwrap();
            prop_assert_eq!(back.reason, reason);
        }
    }
}
