//! What an export says holds, or does not: objectives of our own, each with the records that show it.

use jiff::Timestamp;

use crate::cli::audit::export::Book;
use crate::cli::audit::tables::superseded::superseded;
use crate::cli::audit::tables::{Last, Spell, covered, is_copy, last, spells, standing_of};
use crate::contract::RetainMode;
use crate::evidence::body::OpenFinding;
use crate::evidence::{Kind, Record, Standing, Value, body, canonical, standing};

/// Something that holds, or does not, with the records that show it.
pub(super) struct Objective<'a> {
    pub(super) id: &'static str,
    pub(super) title: &'static str,
    pub(super) says: String,
    pub(super) holds: bool,
    pub(super) shown: Vec<&'a Record>,
}

/// All of them, in the order of the document.
pub(super) fn objectives<'a>(book: &'a Book, within: &[&'a Record]) -> Vec<Objective<'a>> {
    let requests = last(&book.all, &book.period);
    let latest = book.all.iter().map(|record| record.at).max();
    let by = latest.map_or(book.period.to, |latest| latest.min(book.period.to));
    let coverage = covered(&book.all, &book.period);
    let mut objectives = vec![add_up(within)];
    objectives.extend(no_rule_missing(&coverage));
    objectives.push(persons_add_up(&requests));
    objectives.push(answered_in_time(&requests, by));
    objectives.extend(super::channels::carried(book));
    objectives.extend(nothing_severe(book, coverage));
    objectives.extend(verified(book));
    objectives
}

/// Of every run that erased each due row has one fate.
fn add_up<'a>(within: &[&'a Record]) -> Objective<'a> {
    let (mut shown, mut wrong, mut open) = (Vec::new(), Vec::new(), 0);
    let told_again = superseded(within.iter().copied());
    let once = |record: &&&Record| {
        let place = (record.region.as_str(), record.sequence);
        record.kind == Kind::Run && !told_again.contains_key(&place)
    };
    for record in within.iter().filter(once) {
        shown.push(*record);
        let Ok(run) = canonical::read::<body::Run>(&record.body) else {
            wrong.push(format!(
                "{} {} cannot be read",
                record.region, record.sequence
            ));
            continue;
        };
        let told = run
            .rules
            .iter()
            .filter(|rule| match standing(&rule.sum(), &rule.commitments) {
                Standing::Broken => true,
                // A preview only counts what is due.
                Standing::Alone => run.mode == Some(RetainMode::Enforce),
                Standing::Open => {
                    open += 1;
                    false
                }
                Standing::Told | Standing::Committed => false,
            });
        let place = format!("{} {}", record.region, record.sequence);
        wrong.extend(told.map(|rule| format!("{place}, rule {}", rule.name)));
    }
    Objective {
        id: "runs-add-up",
        title: "Every due row of a run was erased, or was not for a reason that was counted",
        says: if wrong.is_empty() {
            let not_known = match open {
                0 => String::new(),
                rules => format!(", but for {rules} rules of which that is not known"),
            };
            format!("{} runs, each of which adds up{not_known}", shown.len())
        } else {
            format!("these do not add up: {}", wrong.join("; "))
        },
        holds: wrong.is_empty(),
        shown,
    }
}

/// Of every request each row that was found has one fate.
fn persons_add_up<'a>(requests: &[Last<'a>]) -> Objective<'a> {
    let wrong: Vec<String> = requests
        .iter()
        .filter(|one| {
            let Some(request) = &one.request else {
                return true;
            };
            match standing_of(one) {
                Standing::Broken => true,
                Standing::Alone => !is_copy(&request.kind),
                Standing::Told | Standing::Committed | Standing::Open => false,
            }
        })
        .map(|one| format!("{} in {}", one.record.about.name, one.record.region))
        .collect();
    Objective {
        id: "requests-add-up",
        title: "Every row of a person who asked went, or stayed for a reason that was counted",
        says: if wrong.is_empty() {
            format!(
                "{} requests by region, each of which adds up",
                requests.len()
            )
        } else {
            format!("these do not add up: {}", wrong.join("; "))
        },
        holds: wrong.is_empty(),
        shown: requests.iter().map(|one| one.record).collect(),
    }
}

/// No deadline of a request passed before what it is for was done.
fn answered_in_time<'a>(requests: &[Last<'a>], by: Timestamp) -> Objective<'a> {
    let late = |one: &Last<'a>| {
        let (name, region) = (&one.record.about.name, &one.record.region);
        let late = one.late(by);
        let late: Vec<String> = late
            .iter()
            .map(|clock| format!("{} of {} ({})", clock.step, clock.regime, clock.law))
            .collect();
        (!late.is_empty()).then(|| format!("{name} in {region}: {}", late.join(", ")))
    };
    let late: Vec<String> = requests.iter().filter_map(late).collect();
    Objective {
        id: "requests-in-time",
        title: "No deadline of a request passed before it was met",
        says: if late.is_empty() {
            "no record of a request that was open in the period tells of a deadline that was missed"
                .to_owned()
        } else {
            format!("too late: {}", late.join("; "))
        },
        holds: late.is_empty(),
        shown: requests.iter().map(|one| one.record).collect(),
    }
}

/// No table with personal data was without a rule when the period ended, by the last word on each policy. Nothing is said where no
/// record tells of one that was looked at then.
fn no_rule_missing<'a>(coverage: &[&'a Record]) -> Option<Objective<'a>> {
    if coverage.is_empty() {
        return None;
    }
    let open = |record: &&&Record| match record.body.get("uncovered") {
        Some(Value::List(list)) => !list.is_empty(),
        _ => false,
    };
    let open: Vec<String> = coverage
        .iter()
        .filter(open)
        .map(|record| format!("{} in {}", record.about.name, record.region))
        .collect();
    Some(Objective {
        id: "tables-covered",
        title: "No table of the stores was without a rule when the period ended",
        says: if open.is_empty() {
            "the last word on no policy tells of a table without a rule".to_owned()
        } else {
            format!("tables without a rule: {}", open.join("; "))
        },
        holds: open.is_empty(),
        shown: coverage.to_vec(),
    })
}

/// No finding of high severity was open when the period ended. Nothing is said where no record tells findings.
fn nothing_severe<'a>(book: &'a Book, coverage: Vec<&'a Record>) -> Option<Objective<'a>> {
    let all = spells(&book.all, &book.period)?;
    let open: Vec<&Spell<'_>> = all.iter().filter(|one| one.is_open()).collect();
    let severe = open.iter().filter(|one| one.finding.severity == "High");
    let told: Vec<String> = severe
        .map(|one| {
            let OpenFinding {
                check, place, law, ..
            } = &one.finding;
            let (policy, region) = (&one.last.about.name, &one.last.region);
            format!("{policy} in {region}: {check} at {place} ({law})")
        })
        .collect();
    Some(Objective {
        id: "nothing-severe-missing",
        title: "No finding of high severity was open when the period ended",
        says: if told.is_empty() {
            format!(
                "no finding of high severity was open, and {} lesser ones",
                open.len()
            )
        } else {
            format!(
                "{} findings were open, these of high severity: {}",
                open.len(),
                told.join("; ")
            )
        },
        holds: told.is_empty(),
        shown: coverage,
    })
}

/// Nothing is said of what nobody verified.
fn verified(book: &Book) -> Option<Objective<'_>> {
    let found = book.found.as_ref()?;
    let faults = found.faults();
    let faults = faults.iter().map(ToString::to_string);
    let said: Vec<String> = faults.chain(book.open.iter().cloned()).collect();
    let holds = said.is_empty();
    Some(Objective {
        id: "evidence-verified",
        title: "The evidence is whole, unchanged and signed by trusted keys, reaches the end of the period, and no run that was due is missing",
        says: if holds {
            "no fault was found".to_owned()
        } else {
            said.join("; ")
        },
        holds,
        shown: Vec::new(),
    })
}
