//! On which ground rows stay: what a rule itself states, or what a law says of the records that a rule's table has.

use jiff::Span;

use super::bound::Bound;
use super::{anchor, fiscal_year};
use crate::api::{DataPolicySpec, ErasedColumn, Keep, PolicyRule, RunsFrom};
use crate::contract::ColumnChange;
use crate::contract::cutoff::Anchor;
use crate::packs::{Fact, KeepDuty, Period};
use crate::plan::retention;

/// What keeps the rows.
#[derive(Clone, Copy, Debug)]
pub(super) enum Ground<'a> {
    /// The rule states it.
    Stated(&'a Keep),
    /// A law of a pack does.
    Law(Duty<'a>),
    /// Somebody said that a law keeps them, and which one or for how long cannot be looked up.
    Unread(Unread<'a>),
}

/// What is said of a table and no pack has: a word that was misspelt, or that an update took out. The policy that says it is
/// refused; others over the table take none of its rows until somebody has mended it.
#[derive(Clone, Copy, Debug)]
pub(in crate::plan) enum Unread<'a> {
    /// A kind of records.
    Records(&'a str),
    /// A law.
    Law(&'a str),
}

impl Unread<'_> {
    /// Longer than any row is old, and short enough for every calendar.
    pub(super) const PERIOD: &'static str = "P999Y";

    fn reference(self) -> String {
        match self {
            Self::Records(kind) => format!(
                "all that may be {kind} records, which no law in the policy's spec.regimes is known to keep, until that is mended"
            ),
            Self::Law(id) => {
                format!("all that {id} may keep, a law that no pack has, until that is mended")
            }
        }
    }

    /// Over a clock.
    pub(super) fn over(clock: &str) -> Option<Bound<'_>> {
        let period = Self::PERIOD.parse().ok()?;
        Some(Bound::of_keep(clock, Anchor::EventDate, period))
    }
}

/// What a law of a pack obliges to keep, as a policy has to take it.
#[derive(Clone, Copy, Debug)]
pub(in crate::plan) struct Duty<'a> {
    /// The regime's or the statute's id.
    pub(in crate::plan) law: &'a str,
    /// What the pack says.
    pub(in crate::plan) fact: &'a Fact<KeepDuty>,
    /// It counts from the end of a fiscal year, and the policy does not say when that is.
    blind: bool,
    anchor: Anchor,
}

impl<'a> Duty<'a> {
    pub(in crate::plan) fn new(
        law: &'a str,
        fact: &'a Fact<KeepDuty>,
        spec: &DataPolicySpec,
    ) -> Self {
        let is_fiscal = fact.value.from == RunsFrom::EndOfFiscalYear;
        let blind = is_fiscal && fiscal_year(spec).is_none();
        let from = if blind {
            RunsFrom::EndOfCalendarYear
        } else {
            fact.value.from
        };
        Self {
            law,
            fact,
            blind,
            anchor: anchor(Some(from), spec),
        }
    }

    /// The kind of records.
    pub(in crate::plan) fn records(&self) -> &'a str {
        &self.fact.value.records
    }

    /// A fiscal year ends less than a year after any day of it: with a year more, no record goes before its time.
    fn period(&self) -> Period {
        let own = self.fact.value.period;
        Period {
            years: own.years.saturating_add(i32::from(self.blind)),
            ..own
        }
    }

    fn from(&self) -> RunsFrom {
        if self.blind {
            return RunsFrom::EndOfCalendarYear;
        }
        self.fact.value.from
    }

    fn reference(&self) -> String {
        let law = self.fact.source.as_str();
        let doubt = if self.fact.confirmed {
            ""
        } else {
            " (unconfirmed)"
        };
        let more = if self.blind {
            ", and a year more while fiscalYearEnd is not said"
        } else {
            ""
        };
        format!("{law}{doubt}{more}")
    }

    /// Over a clock; nothing for a period that no calendar has.
    pub(super) fn bound<'c>(&self, clock: &'c str) -> Option<Bound<'c>> {
        Some(Bound::of_keep(clock, self.anchor, self.period().span()?))
    }

    /// Whether it surely ends no earlier than another, counted from the same day.
    pub(in crate::plan) fn outlasts(&self, other: &Duty<'_>) -> bool {
        let bounds = self.bound("").zip(other.bound(""));
        bounds.is_some_and(|(own, other)| own.outlasts(&other))
    }

    /// How a rule's own period to the erasure compares with it, counted from the same day.
    pub(in crate::plan) fn met(
        &self,
        (period, from): (&str, Option<RunsFrom>),
        spec: &DataPolicySpec,
    ) -> Met {
        let span = period.parse().ok().filter(|it: &Span| it.is_positive());
        let (span, bound) = match (span, self.bound("")) {
            (_, None) => return Met::Whole,
            (None, _) => return Met::Short,
            (Some(span), Some(bound)) => (span, bound),
        };
        let own = Bound::new("", anchor(from, spec), span);
        if own.outlasts(&bound) {
            Met::Whole
        } else if own.outlasts(&bound.less_the_day()) {
            Met::ButTheLastDay
        } else {
            Met::Short
        }
    }

    /// Whether a keep of a policy surely ends no earlier, counted from the same day.
    pub(in crate::plan) fn is_kept(
        &self,
        (period, from): (&str, Option<RunsFrom>),
        spec: &DataPolicySpec,
    ) -> bool {
        let span = period.parse().ok().filter(|it: &Span| it.is_positive());
        span.zip(self.bound("")).is_some_and(|(span, bound)| {
            Bound::of_keep("", anchor(from, spec), span).outlasts(&bound)
        })
    }
}

/// How a rule's own period compares with what a law keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::plan) enum Met {
    /// It surely ends no earlier.
    Whole,
    /// It may end within the last day that the law keeps, and no earlier.
    ButTheLastDay,
    /// It may end days before.
    Short,
}

impl<'a> Ground<'a> {
    pub(super) fn period(&self) -> String {
        match self {
            Self::Stated(keep) => keep.period.clone(),
            Self::Law(duty) => duty.period().to_string(),
            Self::Unread(_) => Unread::PERIOD.to_owned(),
        }
    }

    pub(super) fn from(&self) -> RunsFrom {
        match self {
            Self::Stated(keep) => keep.from.unwrap_or_default(),
            Self::Law(duty) => duty.from(),
            Self::Unread(_) => RunsFrom::EventDate,
        }
    }

    /// The law and its article.
    pub(super) fn reference(&self) -> String {
        match self {
            Self::Stated(keep) => keep.reference.clone(),
            Self::Law(duty) => duty.reference(),
            Self::Unread(what) => what.reference(),
        }
    }

    /// The columns that it keeps of a row, and what goes of a kept one; none where it keeps whole rows, as laws of packs do.
    pub(super) fn columns(&self, rule: &PolicyRule) -> (Vec<String>, Vec<ColumnChange>) {
        let Self::Stated(keep) = self else {
            return (Vec::new(), Vec::new());
        };
        if keep.columns.is_empty() {
            return (Vec::new(), Vec::new());
        }
        let own = rule.erase.iter().flat_map(|erase| &erase.columns);
        let own = own.filter(|column| !keep.columns.contains(&column.name));
        let others: Vec<&ErasedColumn> = match keep.others.as_slice() {
            [] => own.collect(),
            others => others.iter().collect(),
        };
        let others = others.into_iter().map(retention::change).collect();
        (keep.columns.clone(), others)
    }

    /// The law's id and the kind of records: where a pack says it.
    pub(super) fn of_pack(&self) -> Option<(&'a str, &'a str)> {
        match self {
            Self::Stated(_) | Self::Unread(_) => None,
            Self::Law(duty) => Some((duty.law, duty.records())),
        }
    }
}
