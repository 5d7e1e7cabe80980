//! Rules of other policies that erase from the table of a rule: whose rows go first. Nothing is merged: each policy's agent
//! goes by its own rule and all keeps, so what ends first takes the row. Who that is is found out here only to be told.

use jiff::{Span, Timestamp};
use kube::ResourceExt;

use super::bound::Bound;
use super::by_law::resolved;
use super::{Laws, Ruling, after, anchor, period, span, waits};
use crate::api::{DataPolicy, Decides, Erase, OtherErase, PolicyRule, Stopped};
use crate::contract::RetainMode;
use crate::packs::Packs;
use crate::plan::{policy, suspension};

/// A rule of another policy that erases.
#[derive(Clone, Debug)]
pub(super) struct Rival<'a> {
    policy: &'a DataPolicy,
    pub(super) rule: &'a PolicyRule,
    /// With the period that counts here.
    erase: Erase,
    bound: Bound<'a>,
    /// Why its rows have to go.
    law: String,
    /// Why its policy's runs stand still.
    stopped: Option<Stopped>,
}

/// Which of two rules ends first, for every row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum First {
    Own,
    Other,
    Same,
    /// It differs from row to row.
    Unsure,
}

/// What other policies erase from the tables that are wanted, in the order of policies and rules by name.
pub(super) fn rivals_over<'a>(
    others: impl Iterator<Item = &'a DataPolicy>,
    laws: &Laws<'a>,
    (packs, now): (&Packs, Timestamp),
    is_wanted: impl Fn(&PolicyRule) -> bool,
) -> Vec<Rival<'a>> {
    let mut rivals = Vec::new();
    for policy in others {
        let wanted = policy.spec.rules.iter().filter(|rule| is_wanted(rule));
        let mut wanted = wanted.peekable();
        // Of most policies none is: their laws are not looked up.
        if wanted.peek().is_some() {
            let law = laws.erasing(policy);
            let stopped = stopped(policy, packs, now);
            let rivals_of = |rule| rival(policy, rule, laws, (&law, stopped));
            rivals.extend(wanted.filter_map(rivals_of));
        }
    }
    rivals.sort_by_cached_key(|rival| (rival.policy.name_any(), rival.rule.name.clone()));
    rivals
}

/// Why a policy takes nothing, whatever its mode: none of its runs is made.
fn stopped(own: &DataPolicy, packs: &Packs, now: Timestamp) -> Option<Stopped> {
    if policy::refused(own, packs, now).is_some() {
        return Some(Stopped::NotAccepted);
    }
    suspension::in_force(own.spec.suspend.as_ref(), now).map(|_| Stopped::Suspended)
}

/// When a policy that stands still goes on by itself.
pub(super) fn wake_at<'a>(
    others: impl Iterator<Item = &'a DataPolicy>,
    now: Timestamp,
) -> Option<Timestamp> {
    let paused = others.filter_map(|own| suspension::in_force(own.spec.suspend.as_ref(), now));
    paused.filter_map(|pause| pause.until).min()
}

/// What only hides is no rival, nor what has no period.
fn rival<'a>(
    policy: &'a DataPolicy,
    rule: &'a PolicyRule,
    laws: &Laws<'a>,
    (law, stopped): (&str, Option<Stopped>),
) -> Option<Rival<'a>> {
    rule.erase.as_ref().filter(|erase| erase.method.erases())?;
    let (erase, _) = resolved(policy, rule, laws)?;
    let span: Span = after(&erase).parse().ok()?;
    span.is_positive().then(|| Rival {
        policy,
        rule,
        bound: Bound::new(&rule.dataset.clock, anchor(erase.from, &policy.spec), span),
        erase,
        law: law.to_owned(),
        stopped,
    })
}

impl Rival<'_> {
    fn mode(&self) -> RetainMode {
        self.policy.spec.mode()
    }

    /// Whether its rows are gone afterwards, so that no other rule finds them.
    fn takes_rows(&self) -> bool {
        self.erase.method == crate::contract::Method::Delete
    }

    /// Whether it erases by now, and not only would.
    fn erases(&self) -> bool {
        self.mode() == RetainMode::Enforce && self.stopped.is_none()
    }

    /// Who ends first. A contact, or a notice that is waited for, may make a period end any day later, and none sooner.
    fn first(&self, own: &Bound<'_>, own_waits: bool) -> First {
        let other_waits = waits(&self.erase);
        let is_own = !own_waits && self.bound.outlasts(own);
        let is_other = !other_waits && own.outlasts(&self.bound);
        match (is_own, is_other) {
            (true, true) => First::Same,
            (true, false) => First::Own,
            (false, true) => First::Other,
            (false, false) => First::Unsure,
        }
    }

    /// As status tells it.
    fn told(&self) -> OtherErase {
        OtherErase {
            policy: self.policy.name_any(),
            rule: self.rule.name.clone(),
            law: self.law.clone(),
            method: self.erase.method,
            after: after(&self.erase).to_owned(),
            from: self.erase.from.unwrap_or_default(),
            clock: self.rule.dataset.clock.clone(),
            mode: self.mode(),
            stopped: self.stopped,
        }
    }

    /// The rule, what it does when, and why.
    fn words(&self) -> String {
        let (rule, policy) = (&self.rule.name, self.policy.name_any());
        let after = period(
            after(&self.erase),
            self.bound.anchor(),
            &self.rule.dataset.clock,
        );
        let law = match self.law.as_str() {
            "" => String::new(),
            law => format!(" ({law})"),
        };
        let counts = match (self.stopped, self.mode()) {
            (Some(Stopped::NotAccepted), _) => ", which is not accepted and erases nothing",
            (Some(Stopped::Suspended), _) => ", which is suspended",
            (None, RetainMode::DryRun) => ", which only counts so far",
            (None, RetainMode::Enforce) => "",
        };
        let method = self.erase.method.name();
        format!("rule {rule} of DataPolicy {policy}{law}, {method} after {after}{counts},")
    }

    fn sentence(&self, first: First, own: &str) -> String {
        let words = self.words();
        match first {
            First::Other if !self.takes_rows() => format!(
                "{words} ends first and leaves the rows: the rule's own {own} takes its turn after it"
            ),
            First::Other if !self.erases() => {
                format!("{words} would take the rows first: then the rule's own {own} gives way")
            }
            First::Other => {
                format!("{words} takes the rows first: the rule's own {own} gives way")
            }
            First::Own => format!(
                "{words} does not end before the rule's own {own}: where this rule deletes, the other gives way"
            ),
            First::Same => {
                format!("{words} ends with the rule's own {own}: whichever runs first erases")
            }
            First::Unsure => format!(
                "{words} erases too: whichever of it and the rule's own {own} ends first differs from row to row, and erases"
            ),
        }
    }
}

/// What status tells of the rivals of a rule.
#[derive(Clone, Debug, Default)]
pub(super) struct Rivalry {
    /// One of them takes every row before the rule does, the first of `told`, and no keep may end later than both: inside a keep
    /// no rule takes anything.
    pub(super) loses: bool,
    /// The one that matters most first.
    pub(super) told: Vec<OtherErase>,
    /// Of the first.
    pub(super) sentence: String,
}

impl Rivalry {
    /// The rivals of a rule by how much they matter: who takes its rows first, the earliest of these before the rest.
    pub(super) fn of(ruling: &Ruling<'_>, by_keeps: Decides) -> Self {
        let own = Bound::new(
            &ruling.rule.dataset.clock,
            ruling.anchor,
            span(&ruling.erase),
        );
        let waits = waits(&ruling.erase);
        let is_hidden = ruling.keeps_hidden().is_some();
        let mut rivals: Vec<(First, &Rival<'_>)> = ruling
            .rivals
            .iter()
            .map(|rival| (rival.first(&own, waits), rival))
            .collect();
        let wins = |(first, rival): &(First, &Rival<'_>)| {
            *first == First::Other && rival.takes_rows() && rival.erases()
        };
        let rank = |one: &(First, &Rival<'_>)| match one.0 {
            _ if wins(one) => 0,
            First::Other => 1,
            First::Unsure => 2,
            First::Same => 3,
            First::Own => 4,
        };
        rivals.sort_by_key(rank);
        let loses = rivals.first().is_some_and(wins);
        let winners = rivals.iter().take_while(|one| wins(one));
        let bounds: Vec<Bound<'_>> = winners.map(|(_, rival)| rival.bound).collect();
        let is_earliest = |one: &Bound<'_>| bounds.iter().all(|other| other.outlasts(one));
        if let Some(place) = bounds.iter().position(is_earliest) {
            let earliest = rivals.remove(place);
            rivals.insert(0, earliest);
        }
        let sentence = rivals.first().map(|(first, rival)| {
            let others = match rivals.len() {
                1 => String::new(),
                2 => "; 1 more rule erases from the table".to_owned(),
                more => format!("; {} more rules erase from the table", more - 1),
            };
            let sentence = match by_keeps {
                Decides::Keep => format!("{} erases too, and is bound by the same", rival.words()),
                // Which of the two is first, its own period does not say.
                _ if is_hidden => format!(
                    "{} erases too, once what keeps the rows has ended",
                    rival.words()
                ),
                _ => rival.sentence(*first, &ruling.own()),
            };
            format!("{sentence}{others}")
        });
        Self {
            loses: loses && by_keeps == Decides::Erase && !is_hidden,
            told: rivals.iter().map(|(_, rival)| rival.told()).collect(),
            sentence: sentence.unwrap_or_default(),
        }
    }
}
