//! By when platforms' terms, and laws, ask rows to be gone. They shorten no period that somebody wrote: what erases earlier than
//! that takes what nothing brings back. It is told which period loses, and by what. A rule may say instead that it goes by them.

use jiff::SpanFieldwise;
use kube::ResourceExt;
use serde_json::{Value, json};

use super::bound::Bound;
use super::inactivity::{Standing, standing};
use super::{Laws, Ruling, anchor, lasts_as_long, period, span};
use crate::api::{ControllerClass, DataPolicy, PolicyRule, RunsFrom};
use crate::contract::cutoff::Anchor;
use crate::packs::{EraseDuty, Fact, InactivityDuty, Period};

/// What asks for it.
#[derive(Clone, Copy, Debug)]
pub(in crate::plan) enum Asks<'a> {
    /// It does of records of a kind, from their clock.
    Records(&'a Fact<EraseDuty>),
    /// It does of persons who were not heard of, from the last contact.
    Inactivity(&'a Fact<InactivityDuty>, &'a ControllerClass),
}

impl Asks<'_> {
    pub(super) fn within(&self) -> Period {
        match self {
            Self::Records(fact) => fact.value.within,
            Self::Inactivity(fact, _) => fact.value.within,
        }
    }

    pub(super) fn from(&self) -> RunsFrom {
        match self {
            Self::Records(fact) => fact.value.from,
            Self::Inactivity(..) => RunsFrom::EventDate,
        }
    }

    pub(super) fn is_confirmed(&self) -> bool {
        match self {
            Self::Records(fact) => fact.confirmed,
            Self::Inactivity(fact, _) => fact.confirmed,
        }
    }

    fn source(&self) -> &str {
        match self {
            Self::Records(fact) => fact.source.as_str(),
            Self::Inactivity(fact, _) => fact.source.as_str(),
        }
    }

    /// The kind of records, or of controllers.
    fn kind(&self) -> &str {
        match self {
            Self::Records(fact) => &fact.value.records,
            Self::Inactivity(fact, _) => &fact.value.class,
        }
    }

    /// Of the controller, as a person reads it.
    fn of_whom(&self) -> String {
        match self {
            Self::Records(fact) => format!("for the {} records of", fact.value.records),
            Self::Inactivity(fact, class) => format!(
                "for {} from {} registered users, of which there were {} on {};",
                fact.value.class,
                fact.value.from_users,
                class.registered_users.unwrap_or_default(),
                class.counted_on.as_deref().unwrap_or_default()
            ),
        }
    }
}

/// A time by which rows have to be gone.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limit<'a> {
    policy: &'a DataPolicy,
    pub(super) rule: &'a PolicyRule,
    /// The id of the law or the terms.
    pub(super) law: &'a str,
    pub(super) asks: Asks<'a>,
    pub(super) bound: Bound<'a>,
}

/// What these policies say of the tables that are wanted, and what their laws say to that; by policy, rule and law.
pub(super) fn limits_over<'a>(
    policies: impl Iterator<Item = &'a DataPolicy>,
    laws: &Laws<'a>,
    is_wanted: impl Fn(&PolicyRule) -> bool,
) -> Vec<Limit<'a>> {
    let mut limits = Vec::new();
    for policy in policies {
        for rule in policy.spec.rules.iter().filter(|rule| is_wanted(rule)) {
            limits.extend(limits_of(policy, rule, laws));
        }
    }
    limits.sort_by_cached_key(|limit| (limit.policy.name_any(), limit.rule.name.clone()));
    limits
}

/// What is asked of one rule's rows, by law and kind.
pub(super) fn limits_of<'a>(
    policy: &'a DataPolicy,
    rule: &'a PolicyRule,
    laws: &Laws<'a>,
) -> Vec<Limit<'a>> {
    let records = laws.limits(policy, rule).into_iter();
    let records = records.map(|(law, fact)| (law, Asks::Records(fact)));
    let unheard = if rule.erase.is_some() {
        laws.inactivity(policy)
    } else {
        Vec::new()
    };
    let unheard =
        unheard
            .into_iter()
            .filter_map(|(law, fact)| match standing(policy, rule, (law, fact)) {
                Standing::Applies(class) => Some((law, Asks::Inactivity(fact, class))),
                Standing::Unstated | Standing::NotSubject(_) | Standing::Exempt(_) => None,
            });
    let all = records.chain(unheard).filter_map(|(law, asks)| {
        let anchor = anchor(Some(asks.from()), &policy.spec);
        let bound = Bound::new(&rule.dataset.clock, anchor, asks.within().span()?);
        Some(Limit {
            policy,
            rule,
            law,
            asks,
            bound,
        })
    });
    let mut all: Vec<Limit<'a>> = all.collect();
    all.sort_by(|one, other| (one.law, one.asks.kind()).cmp(&(other.law, other.asks.kind())));
    all
}

impl Limit<'_> {
    /// The time, and who asks for it by what.
    pub(super) fn words(&self) -> String {
        let within = match self.asks {
            Asks::Records(_) => period(
                &self.asks.within().to_string(),
                self.bound.anchor(),
                &self.rule.dataset.clock,
            ),
            Asks::Inactivity(..) => format!("{} from the last contact", self.asks.within()),
        };
        let doubt = if self.asks.is_confirmed() {
            ""
        } else {
            " (unconfirmed)"
        };
        format!(
            "{within} by {}{doubt} ({}, {} rule {} of DataPolicy {})",
            self.asks.source(),
            self.law,
            self.asks.of_whom(),
            self.rule.name,
            self.policy.name_any()
        )
    }

    /// By when a row has to be gone that is of these records, from what, and by which text; not where that runs from a contact, of
    /// which no run tells a row's, nor where nobody confirmed it.
    pub(super) fn of_a_row(&self) -> Option<((Anchor, SpanFieldwise), String)> {
        let Asks::Records(fact) = self.asks else {
            return None;
        };
        let within = fact.value.within.span().filter(|_| fact.confirmed)?;
        let anchor = self.bound.anchor();
        let clock = &self.rule.dataset.clock;
        let words = period(&fact.value.within.to_string(), anchor, clock);
        let words = format!("{}: {words}", fact.source.as_str());
        Some(((anchor, within.fieldwise()), words))
    }

    /// What an approval is bound to where a rule goes by it. What somebody stated of the controller is part of the spec.
    pub(super) fn bound_to(&self) -> Value {
        let notice = match self.asks {
            Asks::Records(_) => None,
            Asks::Inactivity(fact, _) => fact.value.notice_hours(),
        };
        json!({
            "law": self.law, "source": self.asks.source(), "kind": self.asks.kind(), "notice": notice,
            "within": self.asks.within().to_string(), "from": self.asks.from(),
        })
    }
}

impl<'a> Ruling<'a> {
    /// Each limit that the rows may outlast, and which period has them for so long. A contact or a
    /// notice may make the rule's own end any day later, which a limit from the last contact allows; what only hides rows has
    /// them for good.
    pub(in crate::plan) fn held_too_long(&self) -> impl Iterator<Item = (Asks<'a>, String)> {
        let own = Bound::new(&self.rule.dataset.clock, self.anchor, span(&self.erase));
        let contact = self.erase.last_contact.as_ref();
        self.limits.iter().filter_map(move |limit| {
            let words = limit.words();
            let mut keeps = self.keeps.iter().chain(&self.spared);
            // A law that keeps goes before terms: no contract lets anybody break one.
            if let Some(keep) = keeps.find(|keep| !limit.bound.outlasts(&keep.bound)) {
                let kept = period(
                    &keep.ground.period(),
                    keep.bound.anchor(),
                    &keep.rule.dataset.clock,
                );
                let law = keep.law();
                return Some((limit.asks, format!("{words} gives way to {kept} by {law}")));
            }
            let waits = match limit.asks {
                Asks::Records(_) => contact.is_some() || self.erase.notice.is_some(),
                Asks::Inactivity(fact, _) => {
                    let within = fact.value.within.to_string();
                    let least = contact.and_then(|it| it.at_least.as_deref());
                    least.is_some_and(|least| !lasts_as_long(&within, least))
                }
            };
            let is_late = waits || !self.erase.method.erases() || !limit.bound.outlasts(&own);
            is_late.then(|| {
                let own = self.own();
                let told = format!("the rule's own {own} may have rows for longer than {words}");
                (limit.asks, told)
            })
        })
    }
}
