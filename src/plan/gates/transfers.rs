//! May personal data go from this Region to that country today, on which instrument, and until when?

mod exempt;
mod window;

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::{Called, Word, called_for, list};
use crate::api::{Region, Transfer};
use crate::packs::{CallsFor, Country, Decision, Fact, Jurisdiction, Packs, Regime};
use crate::plan::{Reason, RegionFacts};
pub(in crate::plan) use exempt::{BELIEVED_MONTHS, Count, EXEMPT, counted, is_exempt, limit};
use window::Window;

/// How long before an instrument ends somebody is told.
const TOLD_AHEAD: SignedDuration = SignedDuration::from_hours(24 * 90);

/// From where, by what is known.
#[derive(Clone, Copy, Debug)]
pub struct Border<'a> {
    /// The Region that the data is in.
    pub region: &'a Region,
    /// Every Region of the hub by name: a transfer may name one as its goal.
    pub regions: &'a BTreeMap<String, RegionFacts>,
    /// The packs in force.
    pub packs: &'a Packs,
    /// The time.
    pub now: Timestamp,
}

/// What the laws of a Region say to one country.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Judgement {
    /// By regime, why nothing may go there today. Only confirmed facts close.
    pub closed: Vec<(String, Reason)>,
    /// By regime, what would be closed if somebody confirmed the pack's facts, or rests on one that nobody did.
    pub doubts: Vec<(String, Reason)>,
    /// By regime, what ends or is to be reviewed within ninety days.
    pub ending: Vec<(String, Reason)>,
    /// By regime, the instrument that it goes on.
    pub grounds: Vec<(String, String)>,
    /// From when on nothing may go there any more, as far as is known today.
    pub until: Option<Timestamp>,
    /// When any of this changes by itself.
    pub wake_at: Option<Timestamp>,
}

impl Judgement {
    /// Whether it may.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.closed.is_empty()
    }

    /// Whether a law asks for an instrument, be there one or not.
    #[must_use]
    pub fn is_asked(&self) -> bool {
        !(self.closed.is_empty() && self.doubts.is_empty() && self.grounds.is_empty())
    }

    /// Why not, in one reason: the first word, every sentence.
    #[must_use]
    pub fn refusal(&self) -> Option<Reason> {
        let (_, first) = self.closed.first()?;
        let mut told: Vec<&str> = self
            .closed
            .iter()
            .map(|(_, why)| why.message.as_str())
            .collect();
        told.dedup();
        Some(Reason {
            word: first.word.clone(),
            message: told.join("; and "),
        })
    }

    fn wake(&mut self, at: Option<Timestamp>, now: Timestamp) {
        let Some(at) = at.filter(|at| *at > now) else {
            return;
        };
        self.wake_at = Some(self.wake_at.map_or(at, |wake| wake.min(at)));
    }
}

/// Asks every regime that the Region's law calls for today. For a regime there is no border to a country in which it applies,
/// nor to that of a jurisdiction of the Region that calls for it. Another of its jurisdictions is abroad for it: a Region under
/// two laws obeys both.
#[must_use]
pub fn transfer(border: &Border<'_>, to: &Country) -> Judgement {
    let mut judgement = Judgement::default();
    for called in called_for(border.region, border.packs, border.now) {
        if called.from.is_some() {
            judgement.wake(called.from, border.now);
            continue;
        }
        let Some(regime) = border.packs.regime(&called.regime) else {
            continue;
        };
        let is_own = called.by.iter().any(|code| code.country() == to);
        if regime.transfers.value.is_empty() || is_own {
            continue;
        }
        let same = same_law(border.packs, &called.regime, to);
        if same.is_some_and(|fact| fact.confirmed) {
            continue;
        }
        let zone = TimeZone::get(&border.region.spec.locale.time_zone).unwrap_or(TimeZone::UTC);
        let case = Case {
            border,
            called: &called,
            regime,
            to,
            same,
            zone,
        };
        case.judge(&mut judgement);
    }
    judgement
}

/// What the laws of a Region say to a place that nobody named: each that asks for an instrument closes, since nobody can say
/// that one is valid there.
#[must_use]
pub fn transfer_anywhere(border: &Border<'_>) -> Judgement {
    let mut judgement = Judgement::default();
    for called in called_for(border.region, border.packs, border.now) {
        if called.from.is_some() {
            judgement.wake(called.from, border.now);
            continue;
        }
        let regime = border.packs.regime(&called.regime);
        let Some(transfers) = regime.map(|regime| &regime.transfers) else {
            continue;
        };
        if transfers.value.is_empty() {
            continue;
        }
        let told = format!(
            "{} ({}) lets nothing cross a border without an instrument that is valid today, and nobody said where this goes",
            called.regime, called.law
        );
        if called.confirmed && transfers.confirmed {
            let why = Word::CountryUnknown.because(told);
            judgement.closed.push((called.regime, why));
        } else {
            let doubt = Word::Unconfirmed.because(format!("{told} (unconfirmed)"));
            judgement.doubts.push((called.regime, doubt));
        }
    }
    judgement
}

/// Countries of the Region's law. One that is there by a part of it alone counts whole: a code of a country says no more.
#[must_use]
pub fn countries(region: &Region) -> BTreeSet<Country> {
    let codes = region.spec.jurisdictions.iter();
    codes
        .filter_map(|code| Some(Jurisdiction::parse(code)?.country().clone()))
        .collect()
}

/// By which fact a country as a whole calls for the regime too; one that is confirmed, if there is one.
fn same_law<'a>(packs: &'a Packs, regime: &str, country: &Country) -> Option<&'a Fact<CallsFor>> {
    let jurisdictions = packs.regimes.jurisdictions.iter();
    let calling = jurisdictions.filter(|fact| {
        let mut codes = fact.value.codes.iter();
        fact.value.regimes.contains(regime)
            && codes.any(|code| code.is_country() && code.country() == country)
    });
    calling.max_by_key(|fact| fact.confirmed)
}

/// One regime, one country.
struct Case<'a> {
    border: &'a Border<'a>,
    called: &'a Called,
    regime: &'a Regime,
    to: &'a Country,
    /// What nobody confirmed, and would be no border if somebody did.
    same: Option<&'a Fact<CallsFor>>,
    zone: TimeZone,
}

/// An instrument, whether or not it is in force.
struct Ground {
    told: String,
    window: Window,
    /// It rests on a fact that nobody confirmed.
    doubt: Option<String>,
}

impl Case<'_> {
    fn judge(&self, judgement: &mut Judgement) {
        let now = self.border.now;
        let (mut grounds, unfit) = self.declared();
        grounds.extend(self.decided());
        for ground in &grounds {
            let ahead = ground
                .window
                .ends
                .and_then(|end| end.checked_sub(TOLD_AHEAD).ok());
            for at in [ground.window.begins, ground.window.ends, ahead] {
                judgement.wake(at, now);
            }
        }
        self.review(judgement);
        for transfer in self.exempt() {
            judgement.wake(self.count(transfer).and_then(|(_, it)| it.ends()), now);
        }
        let windows: Vec<Window> = grounds.iter().map(|ground| ground.window).collect();
        let in_force = grounds.iter().filter(|ground| ground.window.holds(now));
        // The one that holds longest; by its words among equals, so that no order of writing decides.
        let best =
            in_force.max_by_key(|ground| (ground.window.end(), std::cmp::Reverse(&ground.told)));
        let Some(best) = best else {
            let why = self.refusal(&grounds, &unfit);
            if self.is_confirmed() {
                judgement.closed.push((self.called.regime.clone(), why));
            } else {
                let doubt = self.same.map_or_else(
                    || format!("{} (unconfirmed)", why.message),
                    |fact| {
                        format!(
                            "that {} applies in {} itself nobody confirmed ({}): confirm it in the regime pack; else {}",
                            self.called.regime, self.to, fact.source.as_str(), why.message
                        )
                    },
                );
                let doubt = Word::Unconfirmed.because(doubt);
                judgement.doubts.push((self.called.regime.clone(), doubt));
            }
            return;
        };
        let named = (self.called.regime.clone(), best.told.clone());
        if let Some(doubt) = &best.doubt {
            let why = Word::Unconfirmed.because(doubt.clone());
            judgement.doubts.push((named.0.clone(), why));
        }
        if let Some(end) = window::chain(&windows, now) {
            if end.duration_since(now) <= TOLD_AHEAD {
                let why = Word::InstrumentEnding.because(format!(
                    "what may go to {} under {} rests on {} and ends at {end}: renew it in Region {}, spec.transfers",
                    self.to, self.called.regime, best.told, self.name(),
                ));
                judgement.ending.push((named.0.clone(), why));
            }
            if self.is_confirmed() {
                judgement.until = Some(judgement.until.map_or(end, |until| until.min(end)));
            }
        }
        judgement.grounds.push(named);
    }

    fn name(&self) -> &str {
        self.border
            .region
            .metadata
            .name
            .as_deref()
            .unwrap_or_default()
    }

    fn is_confirmed(&self) -> bool {
        self.called.confirmed && self.regime.transfers.confirmed && self.same.is_none()
    }

    /// The Region's transfers that lead there on an instrument that this regime knows; and why others do not count.
    fn declared(&self) -> (Vec<Ground>, Vec<String>) {
        let (mut grounds, mut unfit) = (Vec::new(), Vec::new());
        for transfer in &self.border.region.spec.transfers {
            if !self.leads_there(transfer) {
                let is_country = Country::parse(&transfer.to).is_some();
                if !is_country && !self.border.regions.contains_key(&transfer.to) {
                    let name = &transfer.to;
                    unfit.push(format!(
                        "transfer {} goes to Region {name}, which is not there",
                        transfer.name
                    ));
                }
                continue;
            }
            match self.ground(transfer) {
                Ok(ground) => grounds.push(ground),
                Err(why) => unfit.push(format!("transfer {} {why}", transfer.name)),
            }
        }
        unfit.sort();
        (grounds, unfit)
    }

    fn leads_there(&self, transfer: &Transfer) -> bool {
        if transfer.to == self.to.as_str() {
            return true;
        }
        let goal = self.border.regions.get(&transfer.to);
        goal.is_some_and(|goal| countries(&goal.region).contains(self.to))
    }

    /// Those that lead there because few persons' data does.
    fn exempt(&self) -> impl Iterator<Item = &Transfer> {
        let transfers = self.border.region.spec.transfers.iter();
        transfers.filter(|it| is_exempt(it) && self.leads_there(it))
    }

    /// The number below which the regime exempts, and what was counted; nothing where nobody confirmed the number.
    fn count(&self, transfer: &Transfer) -> Option<(u64, Count)> {
        let limit = limit(self.regime).filter(|fact| fact.confirmed)?.value;
        let count = counted(transfer, limit, &self.zone, self.border.now);
        Some((limit, count))
    }

    /// When an exemption for few persons ends; or why it is none: nobody said that they are few, or they are too many.
    fn exemption(&self, transfer: &Transfer) -> Result<Option<Timestamp>, String> {
        let Some((limit, count)) = self.count(transfer).filter(|_| is_exempt(transfer)) else {
            return Ok(None);
        };
        match exempt::refused(transfer, limit, count) {
            Some(why) => Err(why),
            None => Ok(exempt::closes(transfer, &self.zone)),
        }
    }

    fn ground(&self, transfer: &Transfer) -> Result<Ground, String> {
        let known = &self.regime.transfers.value;
        let same = |word: &&String| word.eq_ignore_ascii_case(&transfer.instrument);
        let Some(word) = known.iter().find(same) else {
            return Err(format!(
                "is on {}, which {} does not know; it knows {}",
                transfer.instrument,
                self.called.regime,
                list(known)
            ));
        };
        let exemption = self.exemption(transfer)?;
        let mut window = Window::of(transfer, &self.zone)?.not_after(exemption);
        let mut doubt = None;
        if let Some(adequacy) = self
            .regime
            .adequacy
            .as_ref()
            .filter(|it| it.instrument == *word)
        {
            let mut decisions = adequacy.decisions.iter();
            let Some(fact) = decisions.find(|fact| fact.value.countries.contains(self.to)) else {
                return Err(format!(
                    "is on {word}, but the pack has no decision for {}",
                    self.to
                ));
            };
            window = window.not_before(self.start(fact.value.valid_from));
            doubt = (!fact.confirmed).then(|| {
                format!(
                    "transfer {} rests on a decision that nobody confirmed ({}): check it, and confirm it in the regime pack",
                    transfer.name,
                    fact.source.as_str()
                )
            });
        }
        let told = format!(
            "transfer {} ({word}, {})",
            transfer.name, transfer.reference
        );
        Ok(Ground {
            told,
            window,
            doubt,
        })
    }

    /// Decisions that need nobody's word. One that nobody confirmed opens nothing by itself.
    fn decided(&self) -> Option<Ground> {
        let fact = self.decision()?;
        let suffices = fact.confirmed && fact.value.scope.is_none();
        suffices.then(|| Ground {
            told: format!("a decision ({})", fact.source.as_str()),
            window: Window {
                begins: self.start(fact.value.valid_from),
                ends: None,
            },
            doubt: None,
        })
    }

    fn decision(&self) -> Option<&Fact<Decision>> {
        let mut decisions = self.regime.adequacy.as_ref()?.decisions.iter();
        decisions.find(|fact| fact.value.countries.contains(self.to))
    }

    fn start(&self, date: Option<Date>) -> Option<Timestamp> {
        window::start(date?, &self.zone)
    }

    /// A decision that should have been looked at by now, or soon: it ends nothing.
    fn review(&self, judgement: &mut Judgement) {
        let Some(fact) = self.decision() else {
            return;
        };
        let (Some(day), Some(review)) = (fact.value.review_by, self.start(fact.value.review_by))
        else {
            return;
        };
        let now = self.border.now;
        let told_from = review.checked_sub(TOLD_AHEAD).unwrap_or(now);
        judgement.wake(Some(told_from), now);
        judgement.wake(Some(review), now);
        if told_from <= now {
            let why = Word::InstrumentEnding.because(format!(
                "the decision for {} under {} ({}) is to be reviewed by {day}: look whether it still stands, and bring the \
                 regime pack up to date",
                self.to,
                self.called.regime,
                fact.source.as_str()
            ));
            judgement.ending.push((self.called.regime.clone(), why));
        }
    }

    fn refusal(&self, grounds: &[Ground], unfit: &[String]) -> Reason {
        let now = self.border.now;
        let way = format!(
            "{} ({}) lets nothing go to {} without an instrument that is valid today",
            self.called.regime, self.called.law, self.to
        );
        let wanted = format!(
            "add one of {} for {} to Region {}, spec.transfers",
            list(&self.regime.transfers.value),
            self.to,
            self.name()
        );
        let coming = grounds
            .iter()
            .filter_map(|ground| Some((ground.window.begins?, ground)));
        let coming = coming
            .filter(|(begins, _)| *begins > now)
            .min_by_key(|(begins, ground)| (*begins, &ground.told));
        let gone = grounds
            .iter()
            .filter_map(|ground| Some((ground.window.ends?, ground)));
        let gone = gone
            .filter(|(ends, _)| *ends <= now)
            .max_by_key(|(ends, ground)| (*ends, std::cmp::Reverse(&ground.told)));
        let limited = self.decision().and_then(|fact| fact.value.scope.as_deref());
        match (coming, gone, unfit.first(), limited) {
            (Some((begins, ground)), ..) => Word::InstrumentNotBegun
                .because(format!("{way}; {} begins at {begins}", ground.told)),
            (None, Some((ends, ground)), ..) => Word::InstrumentEnded.because(format!(
                "{way}; {} ended at {ends}: renew it, or {wanted}",
                ground.told
            )),
            (None, None, Some(_), _) => {
                Word::InstrumentUnfit.because(format!("{way}; {}; {wanted}", unfit.join("; ")))
            }
            (None, None, None, Some(scope)) => Word::NoInstrument.because(format!(
                "{way}; the decision for {} is for {scope} only: {wanted}",
                self.to
            )),
            (None, None, None, None) => Word::NoInstrument.because(format!("{way}: {wanted}")),
        }
    }
}

#[cfg(test)]
mod tests;
