//! Keep and erase together: which keeps bind a rule that erases, and whose period ends last.
//!
//! In: a rule, and the keeps of all policies that select the region: those that rules state, and those of the packs' laws for the
//! records that rules say their tables have; and what other policies erase from its table. Out: its [`Ruling`]. The order of policies changes nothing. A row goes once the rule's own period and every keep have ended, and the agent judges each row by all of them:
//! who decides is found out here only to be told. What a keep of some columns lets go of a row goes before, as a part of the rule.
//! A rule that only hides rows waits for no keep: it takes nothing away.

mod bound;
mod by_law;
mod claim;
mod columns;
mod dates;
mod ground;
mod held;
mod hides;
mod inactivity;
mod keepers;
mod laws;
mod limit;
mod parts;
mod rival;
mod table;

use std::collections::BTreeSet;

use jiff::{Span, Timestamp};
use kube::ResourceExt;

use super::PolicyFacts;
use super::placement;
use crate::api::{
    BindingHold, BindingKeep, DataPolicy, DataPolicySpec, Decides, Erase, PolicyRule, Region,
    RegionSpec, RuleDecision, RunsFrom,
};
use crate::contract::cutoff::{Anchor, FiscalYear};
use crate::contract::{Method, RetentionKeep};
use bound::Bound;
use by_law::{after, resolved, span};
pub(super) use by_law::{in_force, unstated, without_period};
pub use dates::{DateTerms, DatesTold, RuleTerms, dates};
pub(super) use ground::{Duty, Met};
use ground::{Ground, Unread};
use hides::{Hiding, hiding_over};
pub(super) use inactivity::unread as classes_unread;
use keepers::{choosing, keepers, others};
pub(super) use laws::Laws;
pub(super) use limit::Asks;
use limit::{Limit, limits_over};
pub(super) use parts::Part;
use rival::{Rival, Rivalry, rivals_over};
pub use table::may_be_one;
use table::{bare, shares_table};

/// Keeps that status names, and rules of other policies; a table with more than these is rare, and each policy's own spec has
/// its own.
const NAMED: usize = 4;

/// A keep that is in force in a region.
#[derive(Clone, Copy, Debug)]
pub(super) struct Claim<'a> {
    policy: &'a DataPolicy,
    rule: &'a PolicyRule,
    ground: Ground<'a>,
    bound: Bound<'a>,
    /// The Region has no such data store, so that any of its own may be meant.
    is_lost: bool,
}

/// What binds a rule that erases.
#[derive(Clone, Debug)]
pub(super) struct Ruling<'a> {
    rule: &'a PolicyRule,
    /// With the period that counts here.
    erase: Erase,
    /// The law that set the period, of a rule that goes by it.
    by_law: Option<Limit<'a>>,
    /// What the rule's own period runs from.
    pub(super) anchor: Anchor,
    /// In the order of policies and rules by name.
    keeps: Vec<Claim<'a>>,
    /// What keeps the rows of a rule that only hides them, which need not wait for it; in that order too.
    spared: Vec<Claim<'a>>,
    /// What hides rows of the table, this rule among them.
    hiding: Vec<Hiding<'a>>,
    /// What other policies erase from the table, in that order too.
    rivals: Vec<Rival<'a>>,
    /// By when terms and laws ask the rows to be gone, in that order too.
    limits: Vec<Limit<'a>>,
    /// What keeps rows until it is released, by name.
    holds: Vec<BindingHold>,
}

/// The keeps of these policies over the tables that are wanted.
fn claims_over<'a>(
    policies: impl Iterator<Item = &'a DataPolicy>,
    laws: &Laws<'a>,
    is_wanted: impl Fn(&PolicyRule) -> bool,
) -> Vec<Claim<'a>> {
    let mut claims = Vec::new();
    for policy in policies {
        for rule in policy.spec.rules.iter().filter(|rule| is_wanted(rule)) {
            let is_lost = laws.lacks(&rule.dataset.store);
            let claim = |ground, bound| Claim {
                policy,
                rule,
                ground,
                bound,
                is_lost,
            };
            claims.extend(stated(policy, rule).map(|(ground, bound)| claim(ground, bound)));
            let clock = rule.dataset.clock.as_str();
            let duties = laws.duties(policy, rule).into_iter();
            claims.extend(
                duties.filter_map(|duty| Some(claim(Ground::Law(duty), duty.bound(clock)?))),
            );
            let unread = laws.unread(policy, rule);
            claims.extend(
                unread.and_then(|it| Some(claim(Ground::Unread(it), Unread::over(clock)?))),
            );
        }
    }
    // What a rule itself states comes before the laws.
    claims.sort_by_cached_key(|claim| {
        let (policy, rule) = (claim.policy.name_any(), claim.rule.name.clone());
        (policy, rule, claim.ground.of_pack())
    });
    claims
}

/// A keep of nothing ends as it begins; the schema has no other period that cannot be read.
fn stated<'a>(policy: &DataPolicy, rule: &'a PolicyRule) -> Option<(Ground<'a>, Bound<'a>)> {
    let keep = rule.keep.as_ref()?;
    let span: Span = keep
        .period
        .parse()
        .ok()
        .filter(|it: &Span| it.is_positive())?;
    let anchor = anchor(keep.from, &policy.spec);
    let bound = Bound::of_keep(&rule.dataset.clock, anchor, span);
    Some((Ground::Stated(keep), bound))
}

/// The keeps of these policies, whatever they are over.
pub(super) fn claims<'a>(policies: &[&'a DataPolicy], laws: &Laws<'a>) -> Vec<Claim<'a>> {
    claims_over(policies.iter().copied(), laws, |_| true)
}

/// What is said of the table of a rule and cannot be looked up: by whom, and what it keeps meanwhile.
pub(super) fn unread_on(
    claims: &[Claim<'_>],
    rule: &PolicyRule,
    region: &RegionSpec,
) -> Option<String> {
    let is_unread = |claim: &&Claim<'_>| {
        matches!(claim.ground, Ground::Unread(_)) && claim.may_bind(rule, region)
    };
    claims.iter().find(is_unread).map(Claim::law)
}

/// Those that bind the table of a rule, as the agent is told for an erasure by request.
pub(super) fn keeps_on(
    claims: &[Claim<'_>],
    rule: &PolicyRule,
    region: &RegionSpec,
) -> Vec<RetentionKeep> {
    let bound = claims.iter().filter(|claim| claim.may_bind(rule, region));
    bound.map(Claim::told_of_columns).collect()
}

/// What the packs' laws keep in a region of the records that the policy's own rules say their tables have.
#[must_use]
pub fn kept_by_law(facts: &PolicyFacts, region: &Region, now: Timestamp) -> Vec<BindingKeep> {
    let laws = Laws::new(region, &facts.packs, now);
    let own = std::iter::once(facts.policy.as_ref());
    let claims = claims_over(own, &laws, |rule| !rule.dataset.records.is_empty());
    let of_packs = claims
        .iter()
        .filter(|claim| claim.ground.of_pack().is_some());
    of_packs.map(named).collect()
}

/// When a law that is not in force yet begins to keep what is said to be in the region, or another policy's pause ends.
pub(super) fn wake_at(facts: &PolicyFacts, region: &Region, now: Timestamp) -> Option<Timestamp> {
    let laws = Laws::new(region, &facts.packs, now).wake_at(keepers(facts, region));
    placement::earlier(laws, rival::wake_at(others(facts, region), now))
}

/// The rules of a policy that erase, each with what binds it; without those that go by the law where it sets no period.
pub(super) fn rulings<'a>(
    facts: &'a PolicyFacts,
    region: &'a Region,
    now: Timestamp,
) -> Vec<Ruling<'a>> {
    let rules = facts.policy.spec.rules.iter();
    let erasing = rules.clone().filter(|rule| rule.erase.is_some());
    // The hub may have thousands of rules, and few of them are over these tables.
    let tables: BTreeSet<&str> = erasing.map(|rule| bare(&rule.dataset.table)).collect();
    let laws = Laws::new(region, &facts.packs, now);
    let is_wanted = |rule: &PolicyRule| tables.contains(bare(&rule.dataset.table));
    let claims = claims_over(keepers(facts, region), &laws, is_wanted);
    let today = (facts.packs.as_ref(), now);
    let rivals = rivals_over(others(facts, region), &laws, today, is_wanted);
    let limits = limits_over(choosing(facts, region), &laws, is_wanted);
    let hiding = hiding_over(choosing(facts, region), &laws, is_wanted);
    let open = held::open_in(facts, region);
    let ruling = |rule: &'a PolicyRule| {
        let (erase, by_law) = resolved(&facts.policy, rule, &laws)?;
        let is_bound = |claim: &Claim<'_>| claim.may_bind(rule, &region.spec);
        let is_rival = |rival: &&Rival<'_>| shares_table(rival.rule, rule, &region.spec);
        let is_hiding = |it: &Hiding<'_>| shares_table(it.rule, rule, &region.spec);
        let is_limited = |limit: &Limit<'_>| shares_table(limit.rule, rule, &region.spec);
        let bound: Vec<Claim<'_>> = claims.iter().copied().filter(is_bound).collect();
        let (keeps, spared) = match erase.method {
            Method::Restrict => (Vec::new(), bound),
            _ => (bound, Vec::new()),
        };
        Some(Ruling {
            rule,
            anchor: anchor(erase.from, &facts.policy.spec),
            erase,
            by_law,
            keeps,
            spared,
            hiding: hiding.iter().copied().filter(is_hiding).collect(),
            rivals: rivals.iter().filter(is_rival).cloned().collect(),
            limits: limits.iter().copied().filter(is_limited).collect(),
            holds: open
                .iter()
                .filter_map(|hold| hold.over(rule, &region.spec))
                .collect(),
        })
    };
    rules.filter_map(ruling).collect()
}

/// Whether a period may end any day later than its length says: contacts, or a notice that has to come before.
fn waits(erase: &Erase) -> bool {
    erase.last_contact.is_some() || erase.notice.is_some()
}

/// Without a fiscal year's end, which the API server asks for, a fiscal year is the calendar's.
fn anchor(from: Option<RunsFrom>, spec: &DataPolicySpec) -> Anchor {
    match from.unwrap_or_default() {
        RunsFrom::EventDate => Anchor::EventDate,
        RunsFrom::EndOfCalendarYear => Anchor::EndOfCalendarYear,
        RunsFrom::EndOfFiscalYear => {
            Anchor::EndOfFiscalYear(fiscal_year(spec).unwrap_or(FiscalYear::CALENDAR))
        }
    }
}

fn fiscal_year(spec: &DataPolicySpec) -> Option<FiscalYear> {
    spec.fiscal_year_end.as_deref()?.parse().ok()
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
    let [first, second] =
        all.map(|(clock, erase)| Bound::new(clock, anchor(erase.from, spec), span(erase)));
    let words = |(clock, erase): (&str, &Erase)| {
        let anchor = anchor(erase.from, spec);
        period(after(erase), anchor, clock)
    };
    (!first.outlasts(&second)).then(|| all.map(words))
}

impl<'a> Ruling<'a> {
    /// The rule.
    pub(super) fn rule(&self) -> &'a PolicyRule {
        self.rule
    }

    /// How its rows go.
    pub(super) fn erase(&self) -> &Erase {
        &self.erase
    }

    /// Of a rule that goes by the law: which one set its period, for an approval to be bound to.
    pub(super) fn by_law(&self) -> Option<serde_json::Value> {
        self.by_law.as_ref().map(Limit::bound_to)
    }

    /// As the agent is told.
    pub(super) fn keeps(&self) -> Vec<RetentionKeep> {
        self.keeps.iter().map(Claim::told).collect()
    }

    /// The keeps that bind for another reason than the policy's own spec: of other policies, of the packs, and of its own by
    /// another name of the store, which only the Region knows to be the same. What an approval must be bound to as well.
    pub(super) fn foreign(&self, policy: &DataPolicy) -> Vec<RetentionKeep> {
        let own = policy.name_any();
        let foreign = self.keeps.iter().filter(|claim| {
            claim.policy.name_any() != own
                || claim.ground.of_pack().is_some()
                || claim.rule.dataset.store != self.rule.dataset.store
        });
        foreign.map(Claim::told_of_columns).collect()
    }

    /// Who decides, and for a keep which.
    fn decides(&self) -> (Decides, Option<usize>) {
        let own = Bound::new(&self.rule.dataset.clock, self.anchor, span(&self.erase));
        if self.keeps.iter().all(|claim| own.outlasts(&claim.bound)) {
            return (Decides::Erase, None);
        }
        let longest = |claim: &Claim<'_>| {
            let outlasts = |other: &Claim<'_>| claim.bound.outlasts(&other.bound);
            // A contact, or a notice, may make the rule's own period end any day later.
            !waits(&self.erase) && claim.bound.outlasts(&own) && self.keeps.iter().all(outlasts)
        };
        match self.keeps.iter().position(longest) {
            Some(place) => (Decides::Keep, Some(place)),
            None => (Decides::LatestOfAll, None),
        }
    }

    /// As status tells it; nothing for a rule with a period of its own that no keep binds, over whose table no hold is open, from
    /// whose table no other policy erases, and whose rows are gone by when any terms ask for it.
    pub(super) fn told(&self) -> Option<RuleDecision> {
        let (by_keeps, place) = self.decides();
        let rivalry = Rivalry::of(self, by_keeps);
        let mut keeps: Vec<&Claim<'_>> = self.keeps.iter().collect();
        if let Some(place) = place {
            let first = keeps.remove(place);
            keeps.insert(0, first);
        }
        let decides = if rivalry.loses {
            Decides::OtherErase
        } else {
            by_keeps
        };
        let kept = keeps.first().map(|first| self.sentence(decides, first));
        let columns = self.columns_told(&keeps);
        let rivals = rivalry.told.iter().take(NAMED).cloned().collect();
        let (more_keeps, more_rivals) = (beyond(keeps.len()), beyond(rivalry.told.len()));
        let sentence = Some(rivalry.sentence).filter(|sentence| !sentence.is_empty());
        let mut sentences: Vec<String> = kept.into_iter().chain(sentence).collect();
        if rivalry.loses {
            sentences.reverse();
        }
        sentences.extend(columns);
        sentences.extend(self.hidden_told());
        sentences.extend(self.held_too_long().map(|(_, told)| told));
        if let Some(limit) = &self.by_law {
            sentences.insert(0, format!("the rule goes by the law: {}", limit.words()));
        }
        // Before all periods.
        sentences.splice(0..0, held::sentence(&self.holds));
        (!sentences.is_empty()).then(|| RuleDecision {
            rule: self.rule.name.clone(),
            store: self.rule.dataset.store.clone(),
            table: self.rule.dataset.table.clone(),
            decides,
            message: sentences.join("; "),
            keeps: keeps.iter().take(NAMED).map(|claim| named(claim)).collect(),
            more_keeps,
            also_erases: rivals,
            more_erases: more_rivals,
            holds: self.holds.iter().take(NAMED).cloned().collect(),
            more_holds: beyond(self.holds.len()),
        })
    }

    /// The rule's own period, in words.
    fn own(&self) -> String {
        let mut own = period(after(&self.erase), self.anchor, &self.rule.dataset.clock);
        if let Some(contact) = &self.erase.last_contact {
            let tables = contact.tables.iter().map(|it| it.table.as_str());
            let tables = tables.collect::<Vec<_>>().join(", ");
            own = format!("{own} and the newest contact in {tables}");
        }
        match &self.erase.notice {
            Some(notice) => format!("{own} and a notice of {} hours", notice.hours),
            None => own,
        }
    }

    fn sentence(&self, decides: Decides, first: &Claim<'_>) -> String {
        let own = self.own();
        let clock = &first.rule.dataset.clock;
        let kept = period(&first.ground.period(), first.bound.anchor(), clock);
        let law = first.law();
        let others = match self.keeps.len() {
            0 | 1 => String::new(),
            2 => " and 1 other keep".to_owned(),
            more => format!(" and {} other keeps", more - 1),
        };
        match decides {
            // As long from the same event: the rule's own ends at the clock's hour, or as the day begins.
            Decides::Keep if kept == own => format!(
                "{law} decides: no row goes before the last day of {kept} is over; the rule's own {own} ends within that \
                 day, and gives way"
            ),
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
            Decides::OtherErase => {
                let are = if others.is_empty() { "is" } else { "are" };
                format!("and no row goes before {kept} by {law}{others} {are} over")
            }
        }
    }
}

/// How many are not named.
fn beyond(all: usize) -> Option<i32> {
    let more = i32::try_from(all.saturating_sub(NAMED)).ok();
    more.filter(|more| *more > 0)
}

fn named(claim: &Claim<'_>) -> BindingKeep {
    let (law, records) = claim.ground.of_pack().unzip();
    BindingKeep {
        policy: claim.policy.name_any(),
        rule: claim.rule.name.clone(),
        reference: claim.ground.reference(),
        law: law.map(str::to_owned),
        records: records.map(str::to_owned),
        period: claim.ground.period(),
        from: claim.ground.from(),
        clock: claim.rule.dataset.clock.clone(),
        columns: claim.columns().0,
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
