//! Keep and erase together: which keeps bind a rule that erases, and whose period ends last.
//!
//! In: a rule, and the keeps of all policies that select the region. Out: its [`Ruling`]. The order of policies changes
//! nothing. A row goes once the rule's own period and every keep have ended, and the agent judges each row by all of them:
//! who decides is found out here only to be told.

mod bound;

use jiff::Span;
use kube::ResourceExt;

use super::PolicyFacts;
use super::placement;
use crate::api::{
    BindingKeep, DataPolicy, DataPolicySpec, Decides, Erase, Keep, PolicyRule, Region, RegionSpec,
    RuleDecision, RunsFrom,
};
use crate::contract::RetentionKeep;
use crate::contract::cutoff::{Anchor, FiscalYear};
use bound::Bound;

/// Keeps that status names; a table with more laws than these is rare, and each policy's own spec has its own.
const NAMED: usize = 4;

/// A keep that is in force in a region.
#[derive(Clone, Copy, Debug)]
pub(super) struct Claim<'a> {
    policy: &'a DataPolicy,
    rule: &'a PolicyRule,
    keep: &'a Keep,
    bound: Bound<'a>,
}

/// What binds a rule that erases.
#[derive(Clone, Debug)]
pub(super) struct Ruling<'a> {
    rule: &'a PolicyRule,
    erase: &'a Erase,
    /// What the rule's own period runs from.
    pub(super) anchor: Anchor,
    /// In the order of policies and rules by name.
    keeps: Vec<Claim<'a>>,
}

/// The keeps that are in force in a region: of this policy, and of every other that selects the region and isn't being
/// deleted. One that only counts, is suspended or is not accepted keeps all the same: a keep ends because somebody takes it
/// away, never because something else is wrong.
pub(super) fn claims<'a>(facts: &'a PolicyFacts, region: &Region) -> Vec<Claim<'a>> {
    let own = facts.policy.name_any();
    let others = facts.policies.values().filter(|policy| {
        policy.name_any() != own
            && policy.metadata.deletion_timestamp.is_none()
            && placement::policy_chooses(policy, region, &facts.channels)
    });
    claims_of(others.chain([&facts.policy]).map(AsRef::as_ref))
}

/// The keeps of these policies.
fn claims_of<'a>(policies: impl Iterator<Item = &'a DataPolicy>) -> Vec<Claim<'a>> {
    let mut claims: Vec<Claim<'a>> = policies
        .flat_map(|policy| {
            let claim = |rule: &'a PolicyRule| {
                let keep = rule.keep.as_ref()?;
                // A keep of nothing ends as it begins; the schema has no other period that cannot be read.
                let span: Span = keep
                    .period
                    .parse()
                    .ok()
                    .filter(|it: &Span| it.is_positive())?;
                let anchor = anchor(keep.from, &policy.spec);
                let bound = Bound::new(&rule.dataset.clock, anchor, span);
                Some(Claim {
                    policy,
                    rule,
                    keep,
                    bound,
                })
            };
            policy.spec.rules.iter().filter_map(claim)
        })
        .collect();
    claims.sort_by_cached_key(|claim| (claim.policy.name_any(), claim.rule.name.clone()));
    claims
}

/// The keeps of these policies that bind the table of a rule, as the agent is told.
pub(super) fn keeps_on(
    policies: &[&DataPolicy],
    rule: &PolicyRule,
    region: &RegionSpec,
) -> Vec<RetentionKeep> {
    let claims = claims_of(policies.iter().copied());
    let bound = claims
        .iter()
        .filter(|claim| shares_table(claim.rule, rule, region));
    bound.map(Claim::told).collect()
}

/// The rules of a policy that erase, each with what binds it.
pub(super) fn rulings<'a>(facts: &'a PolicyFacts, region: &'a Region) -> Vec<Ruling<'a>> {
    let claims = claims(facts, region);
    let rules = facts.policy.spec.rules.iter();
    let ruling = |rule: &'a PolicyRule| {
        let erase = rule.erase.as_ref()?;
        let is_bound = |claim: &Claim<'_>| shares_table(claim.rule, rule, &region.spec);
        Some(Ruling {
            rule,
            erase,
            anchor: anchor(erase.from, &facts.policy.spec),
            keeps: claims.iter().copied().filter(is_bound).collect(),
        })
    };
    rules.filter_map(ruling).collect()
}

/// Without a fiscal year's end, which the API server asks for, a fiscal year is the calendar's.
fn anchor(from: Option<RunsFrom>, spec: &DataPolicySpec) -> Anchor {
    match from.unwrap_or_default() {
        RunsFrom::EventDate => Anchor::EventDate,
        RunsFrom::EndOfCalendarYear => Anchor::EndOfCalendarYear,
        RunsFrom::EndOfFiscalYear => {
            let told = spec.fiscal_year_end.as_deref();
            let year = told.and_then(|end| end.parse().ok());
            Anchor::EndOfFiscalYear(year.unwrap_or(FiscalYear::CALENDAR))
        }
    }
}

/// Whether two rules may be over one table: a keep that may bind binds.
fn shares_table(one: &PolicyRule, other: &PolicyRule, region: &RegionSpec) -> bool {
    let (one, other) = (&one.dataset, &other.dataset);
    let secret = |store: &str| placement::secret_of(region, store);
    let one_store = one.store == other.store
        || secret(&one.store).is_some_and(|own| secret(&other.store) == Some(own));
    one_store && may_be_one(&one.table, &other.table)
}

/// Whether a period from a clock surely ends no earlier than another from the same. What is no period ends at once.
pub(super) fn lasts_as_long(one: &str, other: &str) -> bool {
    let bound = |text: &str| Bound::new("", Anchor::EventDate, text.parse().unwrap_or_default());
    bound(one).outlasts(&bound(other))
}

/// Two rules' periods in words, each over its clock, if the first does not surely end as late as the second for every row.
pub(super) fn falls_short(
    spec: &DataPolicySpec,
    one: (&str, &Erase),
    other: (&str, &Erase),
) -> Option<[String; 2]> {
    let all = [one, other];
    let [first, second] = all.map(|(clock, erase)| {
        let period = erase.after.parse().unwrap_or_default();
        Bound::new(clock, anchor(erase.from, spec), period)
    });
    let words = |(clock, erase): (&str, &Erase)| {
        let anchor = anchor(erase.from, spec);
        period(&erase.after, anchor, clock)
    };
    (!first.outlasts(&second)).then(|| all.map(words))
}

/// Whether two spellings may name one table: which schema a bare name is in, only the database knows.
pub(super) fn may_be_one(one: &str, other: &str) -> bool {
    match (one.split_once('.'), other.split_once('.')) {
        (Some((_, table)), None) => table == other,
        (None, Some((_, table))) => table == one,
        (None, None) | (Some(_), Some(_)) => one == other,
    }
}

impl Claim<'_> {
    /// As the agent is told.
    fn told(&self) -> RetentionKeep {
        RetentionKeep {
            clock: self.rule.dataset.clock.clone(),
            period: self.keep.period.clone(),
            from: self.bound.anchor(),
            reference: self.keep.reference.clone(),
            policy: self.policy.name_any(),
        }
    }
}

impl<'a> Ruling<'a> {
    /// The rule.
    pub(super) fn rule(&self) -> &'a PolicyRule {
        self.rule
    }

    /// How its rows go.
    pub(super) fn erase(&self) -> &'a Erase {
        self.erase
    }

    /// As the agent is told.
    pub(super) fn keeps(&self) -> Vec<RetentionKeep> {
        self.keeps.iter().map(Claim::told).collect()
    }

    /// The keeps that bind for another reason than the policy's own spec: of other policies, and of its own by another name
    /// of the store, which only the Region knows to be the same. What an approval must be bound to as well.
    pub(super) fn foreign(&self, policy: &DataPolicy) -> Vec<RetentionKeep> {
        let own = policy.name_any();
        let claims = self.keeps.iter().zip(self.keeps());
        let foreign = claims.filter(|(claim, keep)| {
            keep.policy != own || claim.rule.dataset.store != self.rule.dataset.store
        });
        foreign.map(|(_, keep)| keep).collect()
    }

    /// Who decides, and for a keep which.
    fn decides(&self) -> (Decides, Option<usize>) {
        let period = self.erase.after.parse().unwrap_or_default();
        let own = Bound::new(&self.rule.dataset.clock, self.anchor, period);
        if self.keeps.iter().all(|claim| own.outlasts(&claim.bound)) {
            return (Decides::Erase, None);
        }
        let longest = |claim: &Claim<'_>| {
            let outlasts = |other: &Claim<'_>| claim.bound.outlasts(&other.bound);
            // A contact may make the rule's own period end any day later.
            self.erase.last_contact.is_none()
                && claim.bound.outlasts(&own)
                && self.keeps.iter().all(outlasts)
        };
        match self.keeps.iter().position(longest) {
            Some(place) => (Decides::Keep, Some(place)),
            None => (Decides::LatestOfAll, None),
        }
    }

    /// As status tells it; nothing for a rule that no keep binds.
    pub(super) fn told(&self) -> Option<RuleDecision> {
        let (decides, place) = self.decides();
        let mut keeps: Vec<&Claim<'_>> = self.keeps.iter().collect();
        if let Some(place) = place {
            let first = keeps.remove(place);
            keeps.insert(0, first);
        }
        let first = keeps.first()?;
        let more = keeps.len().saturating_sub(NAMED);
        Some(RuleDecision {
            rule: self.rule.name.clone(),
            store: self.rule.dataset.store.clone(),
            table: self.rule.dataset.table.clone(),
            decides,
            message: self.sentence(decides, first),
            keeps: keeps.iter().take(NAMED).map(|claim| named(claim)).collect(),
            more_keeps: i32::try_from(more).ok().filter(|more| *more > 0),
        })
    }

    /// The rule's own period, in words.
    fn own(&self) -> String {
        let own = period(&self.erase.after, self.anchor, &self.rule.dataset.clock);
        let Some(contact) = &self.erase.last_contact else {
            return own;
        };
        let tables = contact.tables.iter().map(|it| it.table.as_str());
        let tables = tables.collect::<Vec<_>>().join(", ");
        format!("{own} and the newest contact in {tables}")
    }

    fn sentence(&self, decides: Decides, first: &Claim<'_>) -> String {
        let own = self.own();
        let clock = &first.rule.dataset.clock;
        let kept = period(&first.keep.period, first.bound.anchor(), clock);
        let law = format!(
            "{} (rule {} of DataPolicy {})",
            first.keep.reference,
            first.rule.name,
            first.policy.name_any()
        );
        let others = match self.keeps.len() {
            0 | 1 => String::new(),
            2 => " and 1 other keep".to_owned(),
            more => format!(" and {} other keeps", more - 1),
        };
        match decides {
            Decides::Keep => format!(
                "{law} decides: no row goes before {kept} is over; the rule's own {own} gives way"
            ),
            Decides::Erase => format!(
                "the rule's own {own} decides; {law}, {kept},{others} {} no later",
                if others.is_empty() { "ends" } else { "end" }
            ),
            Decides::LatestOfAll => format!(
                "a row goes once the rule's own {own}, and {kept} by {law},{others} are over: which is last differs \
                 from row to row"
            ),
        }
    }
}

fn named(claim: &Claim<'_>) -> BindingKeep {
    BindingKeep {
        policy: claim.policy.name_any(),
        rule: claim.rule.name.clone(),
        reference: claim.keep.reference.clone(),
        period: claim.keep.period.clone(),
        from: claim.keep.from.unwrap_or_default(),
        clock: claim.rule.dataset.clock.clone(),
    }
}

/// `P8Y from the end of issued_on's calendar year`
fn period(length: &str, anchor: Anchor, clock: &str) -> String {
    match anchor {
        Anchor::EventDate => format!("{length} from {clock}"),
        Anchor::EndOfCalendarYear => format!("{length} from the end of {clock}'s calendar year"),
        Anchor::EndOfFiscalYear(year) => format!(
            "{length} from the end of {clock}'s fiscal year ({})",
            String::from(year)
        ),
    }
}

#[cfg(test)]
mod tests;
