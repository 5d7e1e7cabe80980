//! What another pack would change: its facts, and the deadlines of open cases.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;

use super::{Answer, Case, Deadline, Error, answer};
use crate::packs::{
    Clock, Decision, Demand, EraseDuty, Fact, InactivityDuty, KeepDuty, Regime, Regimes,
};

/// A fact that differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Which: `eu-gdpr: response (erasure)`.
    pub fact: String,
    /// As it was; none: it wasn't there.
    pub old: Option<String>,
    /// As it would be; none: it would be gone.
    pub new: Option<String>,
}

/// A case that is not closed.
#[derive(Clone, Debug)]
pub struct OpenCase {
    /// Its name, for the reader.
    pub name: String,
    /// The regime's id.
    pub regime: String,
    /// What arrived.
    pub case: Case,
}

/// A deadline of an open case that an update would move.
#[derive(Clone, Debug, PartialEq)]
pub struct Move {
    /// The case's name.
    pub case: String,
    /// As it is; none: there was none.
    pub old: Option<Deadline>,
    /// As it would be; none: there would be none.
    pub new: Option<Deadline>,
}

/// Every fact that differs, in order. Where a fact stands in its file makes no difference.
#[must_use]
pub fn changes(old: &Regimes, new: &Regimes) -> Vec<Change> {
    let (mut old, mut new) = (facts(old), facts(new));
    let all: BTreeSet<String> = old.keys().chain(new.keys()).cloned().collect();
    all.into_iter()
        .filter_map(|fact| {
            let (old, new) = (old.remove(&fact), new.remove(&fact));
            (old != new).then_some(Change { fact, old, new })
        })
        .collect()
}

/// Every fact of a pack by name, as one line.
fn facts(pack: &Regimes) -> BTreeMap<String, String> {
    let mut lines = BTreeMap::new();
    let mut put = |name: String, line: String| {
        lines
            .entry(name)
            .and_modify(|there: &mut String| {
                there.push_str("; ");
                there.push_str(&line);
            })
            .or_insert(line);
    };
    for (name, fact) in &pack.registers {
        put(
            format!("register {name}"),
            line(&fact.value.join(", "), fact),
        );
    }
    for (name, words) in [
        ("categories", &pack.categories),
        ("uses", &pack.uses),
        ("subject categories", &pack.subject_categories),
        ("personal names", &pack.personal_names),
        ("personal columns", &pack.personal_columns),
    ] {
        // A word each, so that one more is seen beside hundreds.
        for (fact, word) in words
            .iter()
            .flat_map(|fact| fact.value.iter().map(move |word| (fact, word)))
        {
            put(format!("{name}: {word}"), line("known", fact));
        }
    }
    for fact in &pack.baseline {
        let name = format!("own baseline {}", fact.value.check.as_str());
        put(name, demand(fact));
    }
    for fact in &pack.jurisdictions {
        for code in &fact.value.codes {
            let regimes: Vec<&str> = fact.value.regimes.iter().map(String::as_str).collect();
            put(
                format!("jurisdiction {code}"),
                line(&regimes.join(", "), fact),
            );
        }
    }
    for (id, regime) in &pack.regimes {
        of_regime(regime, &mut |name, line| put(format!("{id}: {name}"), line));
    }
    for (id, statute) in &pack.statutes {
        put(format!("{id}: name"), statute.name.clone());
        put(format!("{id}: law"), line(&statute.law.value, &statute.law));
        of_records((&statute.keep, &statute.erase), &mut |name, line| {
            put(format!("{id}: {name}"), line);
        });
    }
    lines
}

fn of_regime(regime: &Regime, put: &mut dyn FnMut(String, String)) {
    put("name".to_owned(), regime.name.clone());
    put("law".to_owned(), line(&regime.law.value, &regime.law));
    if let Some(fact) = &regime.in_force {
        put("in force".to_owned(), line(&fact.value.to_string(), fact));
    }
    let counting = &regime.counting;
    put("first day".to_owned(), shown(&counting.first_day));
    put("rest days".to_owned(), shown(&counting.rest_days));
    if let Some(roll) = &counting.roll {
        put("roll".to_owned(), shown(roll));
    }
    if let Some(pause) = &counting.pause {
        let steps: Vec<String> = pause.value.steps.iter().map(ToString::to_string).collect();
        let since = pause
            .value
            .since
            .map(|day| format!(" since {day}"))
            .unwrap_or_default();
        let steps = if steps.is_empty() {
            "none".to_owned()
        } else {
            steps.join(", ")
        };
        put("pause".to_owned(), line(&format!("{steps}{since}"), pause));
    }
    for fact in &regime.deadlines {
        for kind in &fact.value.kinds {
            put(format!("{} ({kind})", fact.value.step), deadline(fact));
        }
    }
    for (kind, fact) in &regime.clocks {
        put(format!("clock {kind:?}"), clock(fact));
    }
    of_records((&regime.keep, &regime.erase), put);
    for fact in &regime.inactivity {
        put(format!("inactivity {}", fact.value.class), unheard(fact));
    }
    for (kind, fact) in &regime.limits {
        put(format!("limit {kind:?}"), shown(fact));
    }
    put("transfers".to_owned(), shown(&regime.transfers));
    if let Some(adequacy) = &regime.adequacy {
        put("adequacy".to_owned(), adequacy.instrument.clone());
        for fact in &adequacy.decisions {
            for country in &fact.value.countries {
                put(format!("adequacy {}", country.as_str()), decision(fact));
            }
        }
    }
    for fact in &regime.baseline {
        put(
            format!("baseline {}", fact.value.check.as_str()),
            demand(fact),
        );
    }
    put("registers".to_owned(), shown(&regime.registers));
    if let Some(fact) = &regime.localise {
        put("localise".to_owned(), shown(fact));
    }
}

fn of_records(
    (keep, erase): (&[Fact<KeepDuty>], &[Fact<EraseDuty>]),
    put: &mut dyn FnMut(String, String),
) {
    for fact in keep {
        put(format!("keep {}", fact.value.records), kept(fact));
    }
    for fact in erase {
        put(format!("erase {}", fact.value.records), gone(fact));
    }
}

fn deadline(fact: &Fact<crate::packs::Deadline>) -> String {
    let own = &fact.value;
    let mut text = own.within.to_string();
    if let Some(extended) = own.extends {
        text = format!("{text} beyond the {extended}");
    }
    for (word, day) in [("since", own.since), ("until", own.until)] {
        if let Some(day) = day {
            text = format!("{text} {word} {day}");
        }
    }
    if let Some(note) = &own.note {
        text = format!("{text} ({note})");
    }
    line(&text, fact)
}

fn decision(fact: &Fact<Decision>) -> String {
    let own = &fact.value;
    let mut text = "decided".to_owned();
    if let Some(scope) = &own.scope {
        text = format!("{text} for {scope}");
    }
    for (word, day) in [
        ("from", own.valid_from),
        ("to be reviewed by", own.review_by),
    ] {
        if let Some(day) = day {
            text = format!("{text} {word} {day}");
        }
    }
    line(&text, fact)
}

fn demand(fact: &Fact<Demand>) -> String {
    let own = &fact.value;
    let methods = own.methods.iter().map(|method| method.as_str().to_owned());
    let fields = own.fields.iter().map(|field| format!("{field:?}"));
    let parts: Vec<String> = methods.chain(fields).collect();
    let mut text = format!("{:?}", own.severity);
    if !parts.is_empty() {
        text = format!("{text}: {}", parts.join(", "));
    }
    line(&text, fact)
}

fn kept(fact: &Fact<KeepDuty>) -> String {
    let own = &fact.value;
    line(&format!("{} from {:?}", own.period, own.from), fact)
}

fn gone(fact: &Fact<EraseDuty>) -> String {
    let own = &fact.value;
    line(&format!("{} from {:?}", own.within, own.from), fact)
}

fn unheard(fact: &Fact<InactivityDuty>) -> String {
    let own = &fact.value;
    let mut text = format!(
        "{} after the last contact, from {} users",
        own.within, own.from_users
    );
    if let Some(notice) = &own.notice {
        text = format!("{text}, told {notice} before");
    }
    if !own.except_records.is_empty() {
        let kinds: Vec<&str> = own.except_records.iter().map(String::as_str).collect();
        text = format!("{text}, but for {}", kinds.join(", "));
    }
    line(&text, fact)
}

fn clock(fact: &Fact<Clock>) -> String {
    line(&fact.value.to_string(), fact)
}

fn shown<T: Debug>(fact: &Fact<T>) -> String {
    line(&format!("{:?}", fact.value), fact)
}

/// The value with its source. The date on which it was read is no change by itself, only its confirmation is.
fn line<T>(value: &str, fact: &Fact<T>) -> String {
    let confirmed = if fact.confirmed {
        "confirmed"
    } else {
        "unconfirmed"
    };
    format!("{value} [{}, {confirmed}]", fact.source.as_str())
}

/// The deadlines of open cases that would end at another time, come or go.
pub fn moves(
    old: &Regimes,
    new: &Regimes,
    cases: &[OpenCase],
) -> Result<Vec<Move>, (String, Error)> {
    let mut moves = Vec::new();
    for open in cases {
        let named = |error| (open.name.clone(), error);
        let mut before = deadlines(old, open).map_err(named)?;
        for new in deadlines(new, open).map_err(named)? {
            let twin = before.iter().position(|old| old.step == new.step);
            let old = twin.map(|at| before.remove(at));
            if old.as_ref().map(|old| &old.ends) != Some(&new.ends) {
                moves.push(Move {
                    case: open.name.clone(),
                    old,
                    new: Some(new),
                });
            }
        }
        let gone = before.into_iter();
        moves.extend(gone.map(|old| Move {
            case: open.name.clone(),
            old: Some(old),
            new: None,
        }));
    }
    Ok(moves)
}

/// None where the pack has no such regime or kind: that is what an update may change.
fn deadlines(pack: &Regimes, open: &OpenCase) -> Result<Vec<Deadline>, Error> {
    let Some(regime) = pack.regimes.get(&open.regime) else {
        return Ok(Vec::new());
    };
    match answer(regime, pack.as_of, &open.case) {
        Ok(Answer { deadlines, .. }) => Ok(deadlines),
        Err(Error::Kind { .. }) => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests;
