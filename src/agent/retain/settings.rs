//! The task's words, parsed once.
//!
//! In: `contract::Retain`. Out: [`Settings`], whose values cannot be wrong any more. Pure.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Span};

use super::cutoff::Anchor;
use super::hold_list::Freshness;
use super::method::{self, Wanted};
use super::partial::{self, Partial};
use super::restrict;
use crate::contract::{
    ContactTable, HoldList, LastContact, Method, Notice, Retain, RetentionKeep, RetentionRule,
    SubjectColumn, Throttle,
};

/// A batch holds its rows' locks and its books in memory: more rows than this help nobody.
pub(super) const MOST_BATCH_ROWS: u32 = 10_000;
/// A year.
const MOST_NOTICE_HOURS: u32 = 8760;

/// Why a task is refused. Each names the field and what would be right.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    /// A keep of some columns is wrong.
    #[error(transparent)]
    Partial(#[from] partial::Error),
    /// `timeZone` is no IANA zone.
    #[error("`timeZone` is `{zone}`, which is no IANA zone such as `Europe/Berlin`")]
    Zone {
        /// As it was written.
        zone: String,
    },
    /// `window` is no duration, or not a positive one.
    #[error("`window` is `{window}`: write a positive duration such as `PT4H`")]
    Window {
        /// As it was written.
        window: String,
    },
    /// `holdList.maxAge` is no duration, or not a positive one.
    #[error("`holdList.maxAge` is `{max_age}`: write a positive duration such as `PT6H`")]
    HoldsAge {
        /// As it was written.
        max_age: String,
    },
    /// `after` is no calendar duration.
    #[error(
        "rule `{rule}`: `after` is `{after}`: write years, months, weeks or days such as `P8Y`"
    )]
    After {
        /// The rule.
        rule: String,
        /// As it was written.
        after: String,
    },
    /// A keep's `for` is no calendar duration.
    #[error(
        "rule `{rule}`: the keep of DataPolicy {policy} is for `{period}`: write years, months, weeks or days such as `P8Y`"
    )]
    KeptFor {
        /// The rule.
        rule: String,
        /// The policy that states the keep.
        policy: String,
        /// As it was written.
        period: String,
    },
    /// A bound on contacts is no calendar duration.
    #[error(
        "rule `{rule}`: `lastContact.{field}` is `{period}`: write years, months, weeks or days such as `P3Y`"
    )]
    ContactPeriod {
        /// The rule.
        rule: String,
        /// The field.
        field: &'static str,
        /// As it was written.
        period: String,
    },
    /// Contacts of no table.
    #[error("rule `{rule}`: `lastContact.tables` is empty: name at least one")]
    NoContacts {
        /// The rule.
        rule: String,
    },
    /// A keep names no law.
    #[error("rule `{rule}`: a keep of DataPolicy {policy} has no `reference`: name the law")]
    NoGround {
        /// The rule.
        rule: String,
        /// The policy that states the keep.
        policy: String,
    },
    /// A number is out of its bounds.
    #[error("`{field}` is {value}: it must be from {least} to {most}")]
    Bounds {
        /// The field.
        field: &'static str,
        /// As it was written.
        value: u32,
        /// The least that is allowed.
        least: u32,
        /// The most that is allowed.
        most: u32,
    },
    /// `smallCounts` is no bound, or one below which there is only 1.
    #[error("`smallCounts` is {bound}: it must be 1, or from 3 to 100")]
    SmallCounts {
        /// As it was written.
        bound: u32,
    },
    /// There is nothing to do.
    #[error("`rules` is empty: name at least one")]
    NoRules,
    /// Two rules have one name.
    #[error("two rules are named `{rule}`")]
    TwiceNamed {
        /// The name.
        rule: String,
    },
    /// A rule's method is wrong.
    #[error(transparent)]
    Method(#[from] method::Error),
    /// One store, two files with its URL.
    #[error("store `{store}` has two URLs: give all its rules the same")]
    TwoUrls {
        /// The store.
        store: String,
    },
}

/// The task, parsed.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    /// The region's zone.
    pub(super) zone: TimeZone,
    /// How long a run may take.
    pub(super) window: Duration,
    /// Most rows in one transaction.
    pub(super) batch_rows: u32,
    /// The bound, in percent of a rule's rows.
    pub(super) max_percent: u32,
    /// Counts from 1 to below it are not told.
    pub(super) small_counts: u32,
    /// What a run waits for between two batches.
    pub(super) throttle: Throttle,
    /// How old the list of holds may be, if that matters.
    pub(super) hold_list: Option<Freshness>,
    /// The rules by store, in the stores' order.
    pub(super) stores: BTreeMap<String, StoreRules>,
}

/// What a store's run has to do.
#[derive(Clone, Debug)]
pub(super) struct StoreRules {
    /// File with the store's URL.
    pub(super) url: PathBuf,
    /// Its rules, in the task's order.
    pub(super) rules: Vec<Rule>,
    /// Whether the work looks at what the server has to carry, and needs to see it. One person's rows are too few.
    pub(super) is_throttled: bool,
}

/// A rule, parsed.
#[derive(Clone, Debug)]
pub(super) struct Rule {
    /// Its name.
    pub(super) name: String,
    /// Where it stands in the task, from 0.
    pub(super) position: usize,
    /// `table` or `schema.table`, to be found in the catalogue.
    pub(super) table: String,
    /// The clock column, to be found in the catalogue.
    pub(super) clock: String,
    /// The period.
    pub(super) after: Span,
    /// What it runs from.
    pub(super) from: Anchor,
    /// Whose newest row it runs from as well.
    pub(super) contacts: Option<Contacts>,
    /// Where it says that a person was told.
    pub(super) notice: Option<Notice>,
    /// What keeps rows of the table; no two are the same period over the same clock.
    pub(super) keeps: Vec<Keep>,
    /// How rows go.
    pub(super) method: Method,
    /// What changes in them; nothing when they are deleted.
    pub(super) changes: Vec<Wanted>,
    /// Of a request: the columns that tell whose a row is, to be found in the catalogue; its clock may be empty then.
    pub(super) subjects: Vec<SubjectColumn>,
}

/// What says which contacts count, parsed.
#[derive(Clone, Debug)]
pub(super) struct Contacts {
    /// The tables, to be found in the catalogue.
    pub(super) tables: Vec<ContactTable>,
    /// The period from the row's own clock after which they do not count.
    pub(super) most: Option<Span>,
}

/// A keep, parsed.
#[derive(Clone, Debug)]
pub(super) struct Keep {
    /// The clock column, to be found in the catalogue.
    pub(super) clock: String,
    /// The period.
    pub(super) period: Span,
    /// What it runs from.
    pub(super) from: Anchor,
    /// The law, and the policy that states it: for what is told.
    pub(super) ground: String,
    /// What it keeps of a row; none: all.
    pub(super) partial: Option<Partial>,
    /// Only rows that it still keeps are due.
    pub(super) lasts: bool,
    /// The columns that it keeps of these, as they were written.
    pub(super) columns: Vec<String>,
}

impl Settings {
    /// Parses a task's words.
    pub(super) fn parse(spec: &Retain) -> Result<Self, Error> {
        let zone = zone(&spec.time_zone)?;
        let window = window(&spec.window).ok_or_else(|| Error::Window {
            window: spec.window.clone(),
        })?;
        bounds("batchRows", spec.batch_rows, 1, MOST_BATCH_ROWS)?;
        bounds("maxPercent", spec.max_percent, 0, 100)?;
        small_counts(spec.small_counts)?;
        let throttle = throttle(spec.throttle)?;
        let hold_list = spec.hold_list.as_ref().map(freshness).transpose()?;
        if spec.rules.is_empty() {
            return Err(Error::NoRules);
        }
        let mut stores: BTreeMap<String, StoreRules> = BTreeMap::new();
        for (position, rule) in spec.rules.iter().enumerate() {
            if spec.rules[..position]
                .iter()
                .any(|other| other.name == rule.name)
            {
                return Err(Error::TwiceNamed {
                    rule: rule.name.clone(),
                });
            }
            let store = stores
                .entry(rule.store.clone())
                .or_insert_with(|| StoreRules {
                    url: rule.url.clone(),
                    rules: Vec::new(),
                    is_throttled: true,
                });
            if Path::new(&rule.url) != store.url {
                return Err(Error::TwoUrls {
                    store: rule.store.clone(),
                });
            }
            let by = restrict::by_rule(&spec.policy, &rule.name);
            store.rules.push(Rule {
                name: rule.name.clone(),
                position,
                table: rule.table.clone(),
                clock: rule.clock.clone(),
                after: after(rule)?,
                from: rule.from,
                contacts: contacts(rule)?,
                notice: notice(rule)?,
                keeps: [keeps(rule, None)?, least(rule)?].concat(),
                method: rule.method,
                changes: method::parse(rule, &spec.time_zone, &by)?,
                subjects: Vec::new(),
            });
        }
        Ok(Self {
            zone,
            window,
            batch_rows: spec.batch_rows,
            max_percent: spec.max_percent,
            small_counts: spec.small_counts,
            throttle,
            hold_list,
            stores,
        })
    }
}

pub(super) fn bounds(field: &'static str, value: u32, least: u32, most: u32) -> Result<(), Error> {
    if (least..=most).contains(&value) {
        return Ok(());
    }
    Err(Error::Bounds {
        field,
        value,
        least,
        most,
    })
}

fn zone(name: &str) -> Result<TimeZone, Error> {
    TimeZone::get(name).map_err(|_| Error::Zone {
        zone: name.to_owned(),
    })
}

/// 1, where every number is told, or a bound below which there is more than one.
pub(super) fn small_counts(bound: u32) -> Result<(), Error> {
    match bound {
        1 | 3..=100 => Ok(()),
        bound => Err(Error::SmallCounts { bound }),
    }
}

fn throttle(throttle: Throttle) -> Result<Throttle, Error> {
    let Throttle {
        replica_lag_seconds,
        slot_mebibytes,
        transaction_minutes,
        vacuum_minutes,
        dead_rows_percent,
    } = throttle;
    bounds("throttle.replicaLagSeconds", replica_lag_seconds, 1, 3600)?;
    bounds("throttle.slotMebibytes", slot_mebibytes, 1, 1_048_576)?;
    bounds("throttle.transactionMinutes", transaction_minutes, 1, 1440)?;
    bounds("throttle.vacuumMinutes", vacuum_minutes, 0, 1440)?;
    bounds("throttle.deadRowsPercent", dead_rows_percent, 0, 99)?;
    Ok(throttle)
}

/// How old the list of holds may be.
pub(super) fn freshness(list: &HoldList) -> Result<Freshness, Error> {
    Freshness::parse(list).ok_or_else(|| Error::HoldsAge {
        max_age: list.max_age.clone(),
    })
}

/// A day of a window is 24 hours: it bounds a run, it counts no calendar.
pub(super) fn window(text: &str) -> Option<Duration> {
    let span: Span = iso(text)?;
    let length: SignedDuration = span
        .to_duration(jiff::SpanRelativeTo::days_are_24_hours())
        .ok()?;
    (length.is_positive()).then(|| length.unsigned_abs())
}

/// Years, months, weeks and days, not negative and not nothing: a period without hours ends at the same time
/// of day as it began.
pub(super) fn calendar(text: &str) -> Option<Span> {
    let calendar = |span: &Span| {
        span.is_positive()
            && span.get_hours() == 0
            && span.get_minutes() == 0
            && span.get_seconds() == 0
            && span.get_milliseconds() == 0
            && span.get_microseconds() == 0
            && span.get_nanoseconds() == 0
    };
    iso(text).filter(calendar)
}

fn after(rule: &RetentionRule) -> Result<Span, Error> {
    calendar(&rule.after).ok_or_else(|| Error::After {
        rule: rule.name.clone(),
        after: rule.after.clone(),
    })
}

/// A period of contacts, where there is one.
fn bound(
    rule: &RetentionRule,
    field: &'static str,
    of: impl Fn(&LastContact) -> Option<&String>,
) -> Result<Option<Span>, Error> {
    let Some(text) = rule.last_contact.as_ref().and_then(of) else {
        return Ok(None);
    };
    let period = calendar(text).ok_or_else(|| Error::ContactPeriod {
        rule: rule.name.clone(),
        field,
        period: text.clone(),
    })?;
    Ok(Some(period))
}

fn contacts(rule: &RetentionRule) -> Result<Option<Contacts>, Error> {
    let Some(LastContact { tables, .. }) = &rule.last_contact else {
        return Ok(None);
    };
    if tables.is_empty() {
        return Err(Error::NoContacts {
            rule: rule.name.clone(),
        });
    }
    Ok(Some(Contacts {
        tables: tables.clone(),
        most: bound(rule, "atMost", |contact| contact.at_most.as_ref())?,
    }))
}

fn notice(rule: &RetentionRule) -> Result<Option<Notice>, Error> {
    if let Some(notice) = &rule.notice {
        bounds("notice.hours", notice.hours, 1, MOST_NOTICE_HOURS)?;
    }
    Ok(rule.notice.clone())
}

/// The least period, which keeps a row as a law would.
fn least(rule: &RetentionRule) -> Result<Vec<Keep>, Error> {
    let period = bound(rule, "atLeast", |contact| contact.at_least.as_ref())?;
    let keep = |period| Keep {
        clock: rule.clock.clone(),
        period,
        from: rule.from,
        ground: "`lastContact.atLeast`".to_owned(),
        partial: None,
        lasts: false,
        columns: Vec::new(),
    };
    Ok(period.map(keep).into_iter().collect())
}

/// The keeps of a rule. What several laws say alike is asked of a row once. With a zone, the region's, a keep may be of some
/// columns; without, each is of whole rows.
pub(super) fn keeps(rule: &RetentionRule, zone: Option<&str>) -> Result<Vec<Keep>, Error> {
    let mut keeps: Vec<Keep> = Vec::new();
    for told in &rule.keeps {
        if told.lasts {
            partial::check_lasting(rule, told, zone.is_none())?;
        }
        let partial = zone
            .map(|zone| partial::parse(rule, told, zone))
            .transpose()?;
        let partial = partial.flatten();
        let RetentionKeep {
            clock,
            period: text,
            from,
            reference,
            policy,
            lasts,
            columns,
            ..
        } = told;
        let columns = if *lasts { columns.as_slice() } else { &[] };
        let (rule, policy) = (rule.name.clone(), policy.clone());
        if reference.trim().is_empty() {
            return Err(Error::NoGround { rule, policy });
        }
        let ground = format!("{reference} (DataPolicy {policy})");
        let period = calendar(text).ok_or_else(|| Error::KeptFor {
            rule,
            policy,
            period: text.clone(),
        })?;
        let is_same = |keep: &Keep| {
            keep.clock == *clock
                && keep.from == *from
                && keep.partial == partial
                && keep.lasts == *lasts
                && keep.columns == columns
                && keep.period.fieldwise() == period.fieldwise()
        };
        if !keeps.iter().any(is_same) {
            keeps.push(Keep {
                clock: clock.clone(),
                period,
                from: *from,
                ground,
                partial,
                lasts: *lasts,
                columns: columns.to_vec(),
            });
        }
    }
    Ok(keeps)
}

/// Strictly ISO 8601: `Span`'s own parser also takes `8 years`.
fn iso(text: &str) -> Option<Span> {
    jiff::fmt::temporal::SpanParser::new().parse_span(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::RetainMode;

    fn task() -> Retain {
        Retain {
            policy: "eu-customers".into(),
            mode: RetainMode::DryRun,
            spec_hash: "sha256-00".into(),
            time_zone: "Europe/Berlin".into(),
            window: "PT4H".into(),
            batch_rows: 1000,
            max_percent: 5,
            throttle: Throttle::default(),
            small_counts: 5,
            approval: None,
            holds: Vec::new(),
            hold_list: None,
            catalogue: None,
            rules: vec![rule("invoices", "P8Y")],
            suppression: None,
        }
    }

    fn rule(name: &str, after: &str) -> RetentionRule {
        RetentionRule {
            name: name.into(),
            store: "orders".into(),
            url: "/secrets/orders/url".into(),
            table: name.into(),
            clock: "issued_on".into(),
            after: after.into(),
            from: Anchor::EventDate,
            last_contact: None,
            notice: None,
            keeps: Vec::new(),
            method: Method::Delete,
            columns: Vec::new(),
        }
    }

    fn keep(period: &str, from: Anchor, policy: &str) -> RetentionKeep {
        RetentionKeep {
            clock: "issued_on".into(),
            period: period.into(),
            from,
            reference: "AO 147(3)".into(),
            policy: policy.into(),
            columns: Vec::new(),
            others: Vec::new(),
            lasts: false,
        }
    }

    fn refusal(change: impl FnOnce(&mut Retain)) -> String {
        let mut task = task();
        change(&mut task);
        Settings::parse(&task).unwrap_err().to_string()
    }

    #[test]
    fn rules_are_grouped_by_store_and_keep_their_order() {
        let mut task = task();
        task.rules.push(RetentionRule {
            store: "inbox".into(),
            ..rule("messages", "P90D")
        });
        task.rules.push(rule("orders", "P3Y6M"));
        let settings = Settings::parse(&task).unwrap();
        assert_eq!(settings.window, Duration::from_hours(4));
        let orders: Vec<_> = settings.stores["orders"]
            .rules
            .iter()
            .map(|r| (&*r.name, r.position))
            .collect();
        assert_eq!(orders, [("invoices", 0), ("orders", 2)]);
        assert_eq!(settings.stores["inbox"].rules.len(), 1);
    }

    #[test]
    fn periods_that_would_erase_everything_are_refused() {
        for after in [
            "", "P0D", "-P8Y", "8 years", "PT720H", "P1DT1S", "P", "8Y", "P1Y-1M",
        ] {
            let message = refusal(|task| task.rules[0].after = after.into());
            assert!(
                message.starts_with("rule `invoices`: `after` is"),
                "{after}: {message}"
            );
        }
    }

    #[test]
    fn keeps_without_a_period_or_a_ground_are_refused() {
        for period in ["", "P0D", "-P8Y", "PT1H", "8Y"] {
            let message = refusal(|task| {
                task.rules[0].keeps = vec![keep(period, Anchor::EventDate, "tax")];
            });
            let told = "rule `invoices`: the keep of DataPolicy tax is for";
            assert!(message.starts_with(told), "{period}: {message}");
        }
        for reference in ["", " \t"] {
            let message = refusal(|task| {
                let mut keep = keep("P8Y", Anchor::EventDate, "tax");
                keep.reference = reference.into();
                task.rules[0].keeps = vec![keep];
            });
            assert_eq!(
                message,
                "rule `invoices`: a keep of DataPolicy tax has no `reference`: name the law"
            );
        }
    }

    #[test]
    fn contacts_of_no_table_or_with_a_bound_that_is_no_period_are_refused() {
        let contact = |tables: &[&str], at_least: Option<&str>, at_most: Option<&str>| {
            let table = |table: &&str| ContactTable {
                table: (*table).into(),
                clock: "placed_at".into(),
            };
            Some(LastContact {
                tables: tables.iter().map(table).collect(),
                at_least: at_least.map(Into::into),
                at_most: at_most.map(Into::into),
            })
        };
        for (wrong, told) in [
            (contact(&[], None, None), "`lastContact.tables` is empty"),
            (
                contact(&["orders"], Some("P0D"), None),
                "`lastContact.atLeast` is `P0D`",
            ),
            (
                contact(&["orders"], None, Some("PT1H")),
                "`lastContact.atMost` is `PT1H`",
            ),
        ] {
            let message = refusal(|task| task.rules[0].last_contact = wrong);
            assert!(
                message.starts_with(&format!("rule `invoices`: {told}")),
                "{message}"
            );
        }
        let mut task = task();
        task.rules[0].from = Anchor::EndOfCalendarYear;
        task.rules[0].last_contact = contact(&["orders"], Some("P9Y"), Some("P10Y"));
        let settings = Settings::parse(&task).unwrap();
        let rule = &settings.stores["orders"].rules[0];
        let [least] = rule.keeps.as_slice() else {
            panic!("{:?}", rule.keeps)
        };
        assert_eq!(
            (least.period.get_years(), &*least.clock, least.from),
            (9, "issued_on", rule.from)
        );
        let most = rule
            .contacts
            .as_ref()
            .and_then(|contacts| contacts.most)
            .unwrap();
        assert_eq!(most.get_years(), 10);
    }

    #[test]
    fn what_two_laws_say_alike_is_asked_once() {
        let year = Anchor::EndOfCalendarYear;
        let mut task = task();
        task.rules[0].keeps = vec![
            keep("P8Y", year, "customs"),
            keep("P8Y", year, "tax"),
            keep("P8Y", Anchor::EventDate, "tax"),
            keep("P96M", year, "tax"),
        ];
        let settings = Settings::parse(&task).unwrap();
        let keeps = &settings.stores["orders"].rules[0].keeps;
        let grounds: Vec<_> = keeps.iter().map(|keep| keep.ground.as_str()).collect();
        let (customs, tax) = (
            "AO 147(3) (DataPolicy customs)",
            "AO 147(3) (DataPolicy tax)",
        );
        assert_eq!(grounds, [customs, tax, tax]);
    }

    #[test]
    fn windows_that_never_end_or_never_begin_are_refused() {
        for window in ["", "PT0S", "-PT4H", "P1M", "four hours"] {
            let list = HoldList {
                seen_at: "/holds/seen-at".into(),
                max_age: window.into(),
            };
            let message = refusal(|task| task.hold_list = Some(list));
            assert!(message.starts_with("`holdList.maxAge` is"), "{message}");
            let message = refusal(|task| task.window = window.into());
            assert!(message.starts_with("`window` is"), "{window}: {message}");
        }
    }

    #[test]
    fn every_other_mistake_names_its_field() {
        let zone = refusal(|task| task.time_zone = "Mars/Olympus".into());
        assert_eq!(
            zone,
            "`timeZone` is `Mars/Olympus`, which is no IANA zone such as `Europe/Berlin`"
        );
        assert_eq!(
            refusal(|task| task.batch_rows = 0),
            "`batchRows` is 0: it must be from 1 to 10000"
        );
        assert_eq!(
            refusal(|task| task.throttle.replica_lag_seconds = 0),
            "`throttle.replicaLagSeconds` is 0: it must be from 1 to 3600"
        );
        assert_eq!(
            refusal(|task| task.max_percent = 101),
            "`maxPercent` is 101: it must be from 0 to 100"
        );
        for bound in [0, 2, 101] {
            assert_eq!(
                refusal(|task| task.small_counts = bound),
                format!("`smallCounts` is {bound}: it must be 1, or from 3 to 100")
            );
        }
        assert_eq!(
            refusal(|task| task.rules.clear()),
            "`rules` is empty: name at least one"
        );
        assert_eq!(
            refusal(|task| task.rules.push(rule("invoices", "P1Y"))),
            "two rules are named `invoices`"
        );
        let two = refusal(|task| {
            task.rules.push(RetentionRule {
                url: "/elsewhere".into(),
                ..rule("orders", "P1Y")
            });
        });
        assert_eq!(
            two,
            "store `orders` has two URLs: give all its rules the same"
        );
    }
}
