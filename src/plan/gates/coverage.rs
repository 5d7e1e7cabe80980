//! Does a policy that counts carry each regime that the Region's law calls for?

mod called;

use jiff::{SignedDuration, Timestamp};
use kube::ResourceExt;

pub use called::{Called, called_by, called_for, counting};

use super::{Answer, Word, list};
use crate::api::{DataPolicy, DataStore, PolicyRule, Region, SocialChannel};
use crate::contract::RetainMode;
use crate::packs::{Check, Jurisdiction, Packs};
use crate::plan::Reason;

/// How long before a regime comes into force an uncovered channel is told.
const TOLD_AHEAD: SignedDuration = SignedDuration::from_hours(24 * 90);

/// A policy and whether its spec is sound: the plan of the policy knows.
#[derive(Clone, Copy, Debug)]
pub struct Candidate<'a> {
    /// The policy.
    pub policy: &'a DataPolicy,
    /// Why it isn't accepted, when it isn't.
    pub refused: Option<&'a Reason>,
}

/// A regime that is called for and that no policy carries as it must.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missing {
    /// The regime.
    pub called: Called,
    /// Data sets that no rule of the nearest policy erases from, `store/table`; all of them when there is no policy at all.
    pub datasets: Vec<String>,
    /// The nearest policy: it carries the regime, and something keeps it from counting.
    pub nearest: Option<String>,
    /// For a person: what is missing, and what would satisfy it.
    pub message: String,
}

/// Whether a channel is covered in a Region.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Coverage {
    /// What is called for today.
    pub called: Vec<Called>,
    /// What of it is missing; only confirmed facts count.
    pub missing: Vec<Missing>,
    /// What is missing by unconfirmed facts, or will be before long.
    pub warnings: Vec<Reason>,
    /// When the answer may change by itself.
    pub wake_at: Option<Timestamp>,
}

/// Whether a policy's selector chooses this channel in this Region: its members are ANDed, their values ORed.
#[must_use]
pub fn selects(policy: &DataPolicy, channel: &SocialChannel, region: &Region) -> bool {
    let selector = &policy.spec.selector;
    let within = |codes: &Vec<String>| {
        let wanted: Vec<_> = codes
            .iter()
            .filter_map(|code| Jurisdiction::parse(code))
            .collect();
        let here = region.spec.jurisdictions.iter();
        let mut here = here.filter_map(|code| Jurisdiction::parse(code));
        here.any(|code| wanted.iter().any(|wanted| wanted.holds(&code)))
    };
    let namespace = channel.namespace().unwrap_or_default();
    let members = [
        selector.jurisdictions.as_ref().map(within),
        selector
            .regions
            .as_ref()
            .map(|names| names.contains(&region.name_any())),
        selector
            .namespaces
            .as_ref()
            .map(|names| names.contains(&namespace)),
        selector.channel_labels.as_ref().map(|labels| {
            let has = |(key, value): (&String, &String)| channel.labels().get(key) == Some(value);
            !labels.is_empty() && labels.iter().all(has)
        }),
    ];
    members.iter().any(Option::is_some) && members.iter().flatten().all(|member| *member)
}

/// Whether the channel is covered in the Region: each regime that is called for needs one policy that carries it,
/// selects the channel here, is accepted, erases (`Enforce`), is not suspended, and has a rule that erases from every data set of
/// every store that the channel's namespace writes to.
#[must_use]
pub fn coverage(
    channel: &SocialChannel,
    region: &Region,
    policies: &[Candidate<'_>],
    packs: &Packs,
    now: Timestamp,
) -> Coverage {
    let mut answer = Coverage {
        called: Vec::new(),
        missing: Vec::new(),
        warnings: Vec::new(),
        wake_at: None,
    };
    let asked = Asked {
        channel,
        region,
        policies,
        packs,
        now,
    };
    for called in called_for(region, packs, now) {
        let missing = asked.missing(&called, &mut answer.wake_at);
        match (called.from, missing) {
            (Some(from), missing) => {
                let told = from - TOLD_AHEAD;
                sooner(&mut answer.wake_at, if told > now { told } else { from });
                if let Some(missing) = missing.filter(|_| told <= now) {
                    let message = format!("from {from} on: {}", missing.message);
                    answer.warnings.push(Word::RegimeComing.because(message));
                }
                continue;
            }
            (None, Some(missing)) if called.confirmed => answer.missing.push(missing),
            (None, Some(missing)) => {
                let message = format!("{} (unconfirmed)", missing.message);
                answer.warnings.push(Word::Unconfirmed.because(message));
            }
            (None, None) => {}
        }
        answer.called.push(called);
    }
    answer
}

/// What is asked for one channel in one Region.
struct Asked<'a> {
    channel: &'a SocialChannel,
    region: &'a Region,
    policies: &'a [Candidate<'a>],
    packs: &'a Packs,
    now: Timestamp,
}

impl Asked<'_> {
    /// Nothing when a policy counts for the regime; else what the nearest lacks.
    fn missing(&self, called: &Called, wake_at: &mut Option<Timestamp>) -> Option<Missing> {
        let carrying: Vec<_> = self
            .policies
            .iter()
            .filter(|candidate| candidate.policy.spec.regimes.contains(&called.regime))
            .filter(|candidate| selects(candidate.policy, self.channel, self.region))
            .map(|candidate| {
                (
                    candidate,
                    self.obstacles(candidate, &called.regime, wake_at),
                )
            })
            .collect();
        if carrying.iter().any(|(_, (told, _))| told.is_empty()) {
            return None;
        }
        let nearest = carrying
            .into_iter()
            .min_by_key(|(candidate, (told, datasets))| {
                (told.len(), datasets.len(), candidate.policy.name_any())
            });
        let why = format!(
            "{} {} for {} ({})",
            list(&called.by),
            if called.by.len() == 1 {
                "calls"
            } else {
                "call"
            },
            called.regime,
            called.law
        );
        let (datasets, nearest, message) = if let Some((candidate, (told, datasets))) = nearest {
            let name = candidate.policy.name_any();
            let told = told.join("; ");
            let message = format!("{why}; DataPolicy {name} carries it but {told}");
            (datasets, Some(name), message)
        } else {
            let datasets = self.datasets();
            let datasets: Vec<_> = datasets
                .map(|(store, table)| format!("{store}/{table}"))
                .collect();
            let wanted = self.wanted(called, &datasets);
            (datasets, None, format!("{why}; {wanted}"))
        };
        Some(Missing {
            called: called.clone(),
            datasets,
            nearest,
            message,
        })
    }

    /// What keeps a policy from counting, each with its remedy; and the data sets that no rule of it erases from.
    fn obstacles(
        &self,
        candidate: &Candidate<'_>,
        regime: &str,
        wake_at: &mut Option<Timestamp>,
    ) -> (Vec<String>, Vec<String>) {
        let policy = candidate.policy;
        let mut told = Vec::new();
        if policy.metadata.deletion_timestamp.is_some() {
            told.push("it is being deleted: another must take its place".to_owned());
        }
        if let Some(reason) = candidate.refused {
            told.push(format!("it is not accepted ({}): mend it", reason.message));
        }
        if policy.spec.mode() != RetainMode::Enforce {
            told.push("it only counts: set its mode: Enforce".to_owned());
        }
        if let Some(suspend) = &policy.spec.suspend {
            let until = suspend.until.as_deref();
            // A moment that cannot be read never comes: the pause stands.
            match until.and_then(|until| until.parse::<Timestamp>().ok()) {
                Some(until) if until <= self.now => {}
                Some(until) => {
                    sooner(wake_at, until);
                    told.push(format!("it is suspended until {until}: remove its suspend"));
                }
                None => told.push("it is suspended: remove its suspend".to_owned()),
            }
        }
        let has_rule = |store: &str, table: &str| {
            let mut rules = policy.spec.rules.iter();
            rules.any(|rule| {
                rule.dataset.store == store
                    && rule.dataset.table == table
                    && self.erases(rule, regime)
            })
        };
        let datasets: Vec<String> = self
            .datasets()
            .filter(|(store, table)| !has_rule(store, table))
            .map(|(store, table)| format!("{store}/{table}"))
            .collect();
        if !datasets.is_empty() {
            told.push(format!(
                "it has no rule that erases from {}: add one for each",
                list(&datasets)
            ));
        }
        (told, datasets)
    }

    /// Whether a regime takes what a rule does for an erasure. A keep alone says nothing of when rows go, and rows that are
    /// only hidden have not gone, unless the regime's own law says so.
    fn erases(&self, rule: &PolicyRule, regime: &str) -> bool {
        let Some(erase) = &rule.erase else {
            return false;
        };
        let regime = self.packs.regime(regime);
        let mut checks = regime.into_iter().flat_map(|regime| &regime.baseline);
        let named = checks.find(|fact| fact.value.check == Check::NotErasure && fact.confirmed);
        let Some(named) = named else {
            return erase.method.erases();
        };
        let name = erase.method.name();
        let mut methods = named.value.methods.iter();
        methods.any(|method| method.as_str() == name)
    }

    /// Every data set of the stores that the channel's namespace writes to.
    fn datasets(&self) -> impl Iterator<Item = (&str, &str)> {
        let namespace = self.channel.namespace().unwrap_or_default();
        let writes = move |store: &&DataStore| store.namespaces.contains(&namespace);
        let stores = self.region.spec.data_stores.iter().filter(writes);
        stores.flat_map(|store| {
            let tables = store.datasets.iter();
            tables.map(|table| (store.name.as_str(), table.as_str()))
        })
    }

    fn wanted(&self, called: &Called, datasets: &[String]) -> String {
        let rules = match datasets {
            [] => String::new(),
            datasets => format!(", and a rule for each of {}", list(datasets)),
        };
        format!(
            "no DataPolicy carries it for this channel in Region {}: create one with regimes: [{}], mode: Enforce, \
             a selector that chooses both{rules}",
            self.region.name_any(),
            called.regime
        )
    }
}

impl Coverage {
    /// Whether every regime that is called for is carried.
    #[must_use]
    pub fn is_covered(&self) -> bool {
        self.missing.is_empty()
    }

    /// The answer for the condition `PolicyCovered`.
    #[must_use]
    pub fn answer(&self) -> Answer {
        let reason = if !self.is_covered() {
            let missing = self.missing.iter().map(|missing| missing.message.as_str());
            Word::Uncovered.because(missing.collect::<Vec<_>>().join("; and "))
        } else if self.called.is_empty() {
            Word::NoRegime.because("no regime is called for here")
        } else {
            Word::Covered.because(format!(
                "covered: {}",
                list(self.called.iter().map(|called| &called.regime))
            ))
        };
        Answer {
            holds: self.is_covered(),
            reason,
            warnings: self.warnings.clone(),
        }
    }
}

fn sooner(wake_at: &mut Option<Timestamp>, at: Timestamp) {
    *wake_at = Some(wake_at.map_or(at, |wake| wake.min(at)));
}

#[cfg(test)]
mod tests;
