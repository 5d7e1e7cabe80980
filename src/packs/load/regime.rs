//! What the facts of a regime pack must not say against each other.

use std::collections::BTreeSet;

use super::{Check, Checked, Place};
use crate::packs::{
    Check as Look, Clock, ClockKind, Deadline, Demand, EraseDuty, Fact, KeepDuty, LimitKind,
    NO_CLASS, NO_RECORDS, Period, REGIMES_KEY, Regime, Regimes,
};

pub(super) fn check(pack: &Regimes) -> Checked {
    let check = Check {
        file: REGIMES_KEY,
        root: "jurisdictions".into(),
    };
    let known: Vec<&str> = pack.regimes.keys().map(String::as_str).collect();
    let mut pairs = BTreeSet::new();
    for fact in &pack.jurisdictions {
        for id in &fact.value.regimes {
            if !pack.regimes.contains_key(id) {
                let problem = format!("no regime '{id}' here; there are {}", known.join(", "));
                return check.fail(fact.place, "regimes", problem);
            }
            for code in &fact.value.codes {
                if !pairs.insert((code, id)) {
                    let problem = format!("'{code}' calls for '{id}' twice; keep one");
                    return check.fail(fact.place, "codes", problem);
                }
            }
        }
    }
    for (id, regime) in &pack.regimes {
        let check = Check {
            file: REGIMES_KEY,
            root: format!("regimes.{id}"),
        };
        check.id(id, &regime.law)?;
        for register in &regime.registers.value {
            if !pack.registers.contains_key(register) {
                let there: Vec<&str> = pack.registers.keys().map(String::as_str).collect();
                let problem = format!("no register '{register}'; there are {}", there.join(", "));
                return check.fail(regime.registers.place, "registers", problem);
            }
        }
        if !pairs.iter().any(|(_, called)| *called == id) {
            let problem = "no jurisdiction calls for it; add one below `jurisdictions`".to_owned();
            return check.fail(regime.law.place, "law", problem);
        }
        check.counting(regime)?;
        check.clocks(regime)?;
        check.deadlines(regime)?;
        check.transfers(regime)?;
        check.baseline(&regime.baseline, Some(regime))?;
        check.stays_and_goes(&regime.keep, &regime.erase)?;
        check.inactivity(regime)?;
    }
    let check = Check {
        file: REGIMES_KEY,
        root: "pack".into(),
    };
    check.baseline(&pack.baseline, None)?;
    statutes(pack)?;
    super::words::check(pack)
}

/// Laws that only oblige to keep, and terms by which data goes. A policy names them where it names regimes.
fn statutes(pack: &Regimes) -> Checked {
    for (id, statute) in &pack.statutes {
        let check = Check {
            file: REGIMES_KEY,
            root: format!("statutes.{id}"),
        };
        check.id(id, &statute.law)?;
        if pack.regimes.contains_key(id) {
            let problem = "a regime has this id; choose another".to_owned();
            return check.fail(statute.law.place, "id", problem);
        }
        if statute.keep.is_empty() && statute.erase.is_empty() {
            let problem =
                "it keeps nothing and erases nothing; name at least one kind of records".to_owned();
            return check.fail(statute.law.place, "keep", problem);
        }
        check.stays_and_goes(&statute.keep, &statute.erase)?;
    }
    Ok(())
}

/// Whether a rule can write the word, and means something by it.
fn is_record_word(word: &str) -> bool {
    let is_small = word.starts_with(|c: char| c.is_ascii_lowercase());
    let is_word = word.bytes().all(|b| b.is_ascii_alphanumeric());
    is_small && is_word && word.len() <= 32 && ![NO_RECORDS, NO_CLASS].contains(&word)
}

/// The most years that records may be kept: beyond it is a typing error, and out of a database's calendar soon.
const MOST_YEARS: i32 = 999;

impl Check {
    fn id(&self, id: &str, law: &Fact<String>) -> Checked {
        let fits = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        if id.is_empty() || id.len() > 40 || !id.bytes().all(fits) {
            let problem = "an id is small letters, digits and '-', as in eu-gdpr".to_owned();
            return self.fail(law.place, "id", problem);
        }
        Ok(())
    }

    fn stays_and_goes(&self, keep: &[Fact<KeepDuty>], erase: &[Fact<EraseDuty>]) -> Checked {
        let keep = keep
            .iter()
            .map(|it| (it.place, it.value.records.as_str(), it.value.period));
        self.records("keep", keep)?;
        let erase = erase
            .iter()
            .map(|it| (it.place, it.value.records.as_str(), it.value.within));
        self.records("erase", erase)
    }

    /// Kinds of records, each once, with a period that a calendar has.
    fn records<'a>(
        &self,
        list: &str,
        duties: impl Iterator<Item = (Place, &'a str, Period)>,
    ) -> Checked {
        let mut seen = BTreeSet::new();
        for (index, (place, records, period)) in duties.enumerate() {
            let field = format!("{list}[{index}]");
            if !is_record_word(records) {
                let problem = format!(
                    "'{records}' is no word that a rule can write; use letters and digits, as in businessLetter"
                );
                return self.fail(place, &field, problem);
            }
            if period.years > MOST_YEARS {
                let problem = format!("{period} is too long; write at most P999Y");
                return self.fail(place, &field, problem);
            }
            self.once(&field, &mut seen, records, place)?;
        }
        Ok(())
    }

    /// Classes of controllers, each once, with a period that a calendar has and a notice in hours.
    fn inactivity(&self, regime: &Regime) -> Checked {
        if let Some(fact) = regime.clocks.get(&ClockKind::InactivityErase) {
            let problem = "an old word that nothing reads; write beside clocks `inactivity: \
                [{value: {class: ecommerce, fromUsers: 20000000, within: P3Y, notice: PT48H}, source: ..., \
                confirmed: ...}]`"
                .to_owned();
            return self.fail(fact.place, "clocks", problem);
        }
        let mut seen = BTreeSet::new();
        for (index, fact) in regime.inactivity.iter().enumerate() {
            let (own, field) = (&fact.value, format!("inactivity[{index}]"));
            let fail = |problem: String| self.fail(fact.place, &field, problem);
            let mut words = own.except_records.iter().chain([&own.class]);
            if let Some(bad) = words.find(|word| !is_record_word(word)) {
                return fail(format!(
                    "'{bad}' is no word that a policy can write; use letters and digits, as in socialMedia"
                ));
            }
            if own.within.years > MOST_YEARS {
                return fail(format!("{} is too long; write at most P999Y", own.within));
            }
            if let Some(notice) = own.notice.as_ref().filter(|_| own.notice_hours().is_none()) {
                return fail(format!("{notice} is no notice; write hours, as in PT48H"));
            }
            self.once(&field, &mut seen, &own.class, fact.place)?;
        }
        Ok(())
    }

    fn transfers(&self, regime: &Regime) -> Checked {
        let known = &regime.transfers.value;
        let word =
            |text: &String| text.len() >= 2 && text.bytes().all(|b| b.is_ascii_alphanumeric());
        if let Some(bad) = known.iter().find(|text| !word(text)) {
            let problem =
                format!("'{bad}' is no word that a Region can write; use letters and digits");
            return self.fail(regime.transfers.place, "transfers", problem);
        }
        let Some(adequacy) = &regime.adequacy else {
            return Ok(());
        };
        if !known.contains(&adequacy.instrument) {
            let there: Vec<&str> = known.iter().map(String::as_str).collect();
            let problem = format!(
                "'{}' is none of the regime's transfers; there are {}",
                adequacy.instrument,
                there.join(", ")
            );
            return self.fail(regime.transfers.place, "adequacy.instrument", problem);
        }
        let mut countries = BTreeSet::new();
        for fact in &adequacy.decisions {
            let own = &fact.value;
            let fail = |problem: String| self.fail(fact.place, "adequacy.decisions", problem);
            if own.countries.is_empty() {
                return fail("name at least one country, as in [\"JP\"]".into());
            }
            for country in &own.countries {
                self.once(
                    "adequacy.decisions",
                    &mut countries,
                    country.as_str(),
                    fact.place,
                )?;
            }
            if let (Some(from), Some(review)) = (own.valid_from, own.review_by)
                && review < from
            {
                return fail(format!(
                    "it is to be reviewed by {review}, before it holds from {from}"
                ));
            }
        }
        Ok(())
    }

    /// What a regime, or the pack for all of them, looks for.
    fn baseline(&self, list: &[Fact<Demand>], regime: Option<&Regime>) -> Checked {
        let mut seen = BTreeSet::new();
        for (index, fact) in list.iter().enumerate() {
            let own = &fact.value;
            let fail =
                |problem: String| self.fail(fact.place, &format!("baseline[{index}]"), problem);
            let name = own.check.as_str();
            if !seen.insert(own.check) {
                return fail(format!("'{name}' is there twice; keep one"));
            }
            let looked_for = match own.check {
                Look::CategoryUnknown => Some("the pack has categories"),
                Look::UseUnknown => Some("the pack has uses"),
                Look::SubjectsUnknown => Some("the pack has subjectCategories"),
                Look::KeepNotStated => Some("a regime has keep"),
                Look::KeepMeetsNothing => Some("a rule only keeps"),
                Look::HeldTooLong => Some("terms have erase"),
                Look::InactivityClassUnstated => Some("a regime has inactivity"),
                _ => None,
            };
            if let Some(wherever) = looked_for {
                return fail(format!(
                    "{name} is looked for wherever {wherever}; take it out"
                ));
            }
            if (own.check == Look::NotErasure) == own.methods.is_empty() {
                return fail("NotErasure, and nothing else, lists the methods that erase".into());
            }
            if (own.check == Look::RegisterIncomplete) == own.fields.is_empty() {
                return fail(
                    "RegisterIncomplete, and nothing else, lists the fields that it needs".into(),
                );
            }
            let is_counted = |regime: &Regime| {
                let limits = &regime.limits;
                limits.contains_key(&LimitKind::ExportedPersonsPerYear)
            };
            if own.check == Look::ExportedPersonsUncounted && !regime.is_some_and(is_counted) {
                return fail(
                    "ExportedPersonsUncounted needs the regime's limits.exportedPersonsPerYear; add it"
                        .into(),
                );
            }
            let moves = [Look::TransferWithoutInstrument, Look::TransferEnding];
            let asks = regime.is_none_or(|regime| !regime.transfers.value.is_empty());
            if moves.contains(&own.check) && !asks {
                return fail(format!(
                    "'{name}' is for a regime that asks for an instrument: this one has no transfers"
                ));
            }
        }
        Ok(())
    }

    /// How long records are kept is counted by the calendar, years on: in nothing else would it be kept at all. A notice waits
    /// by real time or the calendar: which days a person's offices work on nobody tells it.
    fn clocks(&self, regime: &Regime) -> Checked {
        for (kind, fact) in &regime.clocks {
            let field = match kind {
                ClockKind::Records => "clocks.records",
                ClockKind::IncidentRecords => "clocks.incidentRecords",
                ClockKind::ConsentRecords => "clocks.consentRecords",
                ClockKind::ErasureNotice => {
                    if matches!(fact.value, Clock::BusinessDays(_)) {
                        let problem = format!(
                            "'{}' is in business days, which no notice waits by; write hours or days, as PT48H or P3D",
                            fact.value
                        );
                        return self.fail(fact.place, "clocks.erasureNotice", problem);
                    }
                    continue;
                }
                ClockKind::InactivityErase => continue,
            };
            if !matches!(fact.value, Clock::Period(_)) {
                let problem = format!(
                    "'{}' is no time by the calendar; write years, months or days, as P24M or P3Y",
                    fact.value
                );
                return self.fail(fact.place, field, problem);
            }
        }
        Ok(())
    }

    fn counting(&self, regime: &Regime) -> Checked {
        let counting = &regime.counting;
        if counting.rest_days.value.len() == 7 {
            let problem = "no day is left to work on; take one out".to_owned();
            return self.fail(counting.rest_days.place, "counting.restDays", problem);
        }
        let Some(pause) = &counting.pause else {
            return Ok(());
        };
        for step in &pause.value.steps {
            let mut of = regime.deadlines.iter().filter(|d| d.value.step == *step);
            if of.any(|d| matches!(d.value.within, Clock::Hours(_))) {
                let problem = format!("'{step}' is counted in hours, which never stand still");
                return self.fail(pause.place, "counting.pause", problem);
            }
        }
        Ok(())
    }

    fn deadlines(&self, regime: &Regime) -> Checked {
        for (index, fact) in regime.deadlines.iter().enumerate() {
            let field = format!("deadlines[{index}]");
            let fail = |problem: String| self.fail(fact.place, &field, problem);
            let own = &fact.value;
            if own.kinds.is_empty() {
                return fail("name at least one kind, as in [access, erasure]".into());
            }
            if let (Some(since), Some(until)) = (own.since, own.until)
                && until < since
            {
                return fail(format!("it ends on {until}, before it begins on {since}"));
            }
            if let Some(twin) = regime.deadlines[..index]
                .iter()
                .find(|o| overlap(&o.value, own))
            {
                let problem = format!(
                    "'{}' is there for the same kind and day on line {}; keep one, or part them by since and until",
                    own.step, twin.place.line
                );
                return fail(problem);
            }
            if let Some(problem) = extension_problem(regime, fact) {
                return fail(problem);
            }
        }
        Ok(())
    }
}

/// Whether both would hold for one and the same request.
fn overlap(a: &Deadline, b: &Deadline) -> bool {
    let apart = |a: &Deadline, b: &Deadline| matches!((a.until, b.since), (Some(until), Some(since)) if until < since);
    a.step == b.step && !a.kinds.is_disjoint(&b.kinds) && !apart(a, b) && !apart(b, a)
}

fn extension_problem(regime: &Regime, fact: &Fact<Deadline>) -> Option<String> {
    let own = &fact.value;
    let extended = own.extends?;
    for kind in &own.kinds {
        let bases = regime.deadlines.iter().map(|fact| &fact.value);
        let mut bases = bases
            .filter(|base| base.step == extended && base.kinds.contains(kind))
            .peekable();
        if bases.peek().is_none() {
            return Some(format!(
                "it extends '{extended}', which is not there for {kind}; add it"
            ));
        }
        for base in bases {
            if base.extends.is_some() {
                return Some(format!(
                    "it extends '{extended}', which is an extension itself"
                ));
            }
            if base.within.and(&own.within).is_none() {
                return Some(format!(
                    "{} and {} do not add up; write both in one unit, as P1M and P2M",
                    base.within, own.within
                ));
            }
        }
    }
    None
}
