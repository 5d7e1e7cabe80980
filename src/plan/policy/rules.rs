//! A policy's rules as they are written: what somebody must mend in the spec, and which tables no rule erases from.

use std::collections::{BTreeMap, BTreeSet};

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Span, Timestamp};

use crate::api::{DataPolicy, DataPolicySpec, PolicyRule, RegionSpec, RunsFrom, Uncovered};
use crate::contract::{Method, PSEUDONYMISE};
use crate::packs::{NO_RECORDS, Packs};
use crate::plan::calculus::{self, Ruling};
use crate::plan::reason::Word;
use crate::plan::{PolicyFacts, Reason, gated, gates};

/// As many rules as a policy may have, with names as long as they may be: that much has room in a run's report.
const MOST_LINES: usize = 16;
const LONGEST_NAME: usize = 32;

/// Why a policy isn't accepted, when it isn't: it then covers nothing.
pub(in crate::plan) fn refused(
    policy: &DataPolicy,
    packs: &Packs,
    now: Timestamp,
) -> Option<Reason> {
    problems(&policy.spec, packs, now).into_iter().next()
}

/// What somebody must mend in the spec, in the order of its fields.
pub(super) fn problems(spec: &DataPolicySpec, packs: &Packs, now: Timestamp) -> Vec<Reason> {
    let mut problems = regimes(spec, packs);
    problems.extend(records(spec, packs));
    let classes = calculus::classes_unread(spec, packs).into_iter();
    problems.extend(classes.map(|message| Word::ClassUnknown.because(message)));
    problems.extend(one_period(spec));
    let codes = spec.selector.jurisdictions.as_deref().unwrap_or_default();
    problems.extend(gates::codes("spec.selector.jurisdictions", codes).err());
    problems.extend(countries(spec));
    problems.extend(periods(spec));
    problems.extend(fiscal_year(spec));
    problems.extend(super::contacts::problems(spec));
    problems.extend(same_table(spec));
    problems.extend(no_erasure(spec));
    problems.extend(gated::retention_schedule(spec, &TimeZone::UTC, now).err());
    if window(spec).is_none() {
        problems.push(Word::WindowInvalid.because(format!(
            "spec.retention.window: {} is no time to work in; write one such as PT4H",
            spec.retention.window.as_deref().unwrap_or_default()
        )));
    }
    problems
}

/// How long a run may last, when that can be read.
pub(super) fn window(spec: &DataPolicySpec) -> Option<SignedDuration> {
    let window = spec.retention.window().parse().ok();
    window.filter(SignedDuration::is_positive)
}

fn regimes(spec: &DataPolicySpec, packs: &Packs) -> Vec<Reason> {
    let unknown = |id: &&String| !packs.knows(id);
    let mut unknown: Vec<&String> = spec.regimes.iter().filter(unknown).collect();
    unknown.sort();
    let there: Vec<&str> = packs.laws().collect();
    unknown
        .into_iter()
        .map(|id| {
            Word::UnknownRegime.because(format!(
                "spec.regimes: no installed pack knows {id}; there are {}",
                there.join(", ")
            ))
        })
        .collect()
}

/// Kinds of records that no law of the policy knows: what somebody meant to be kept would go.
fn records(spec: &DataPolicySpec, packs: &Packs) -> Vec<Reason> {
    let said = spec.rules.iter().flat_map(|rule| {
        let records = rule.dataset.records.iter();
        records.map(move |kind| (rule, kind.as_str()))
    });
    let unknown = said.filter_map(|(rule, kind)| {
        let field = format!("spec.rules[{}].dataset.records", rule.name);
        if kind == NO_RECORDS {
            return (rule.dataset.records.len() > 1).then(|| {
                format!("{field}: {NO_RECORDS} says that the table has none that a law keeps; take out it, or the others")
            });
        }
        if spec.regimes.iter().any(|law| packs.speaks_of(law, kind)) {
            return None;
        }
        let others = packs.laws().filter(|law| packs.speaks_of(law, kind));
        let others: Vec<&str> = others.collect();
        Some(if others.is_empty() {
            let own = spec.regimes.iter().flat_map(|law| packs.keeps(law));
            let own: BTreeSet<&str> = own.map(|fact| fact.value.records.as_str()).collect();
            let own: Vec<&str> = own.into_iter().collect();
            format!(
                "{field}: no law of the packs keeps {kind} records; those in spec.regimes keep {}",
                if own.is_empty() { "none".to_owned() } else { own.join(", ") }
            )
        } else {
            format!(
                "{field}: no law in spec.regimes keeps {kind} records; add one that does: {}",
                others.join(", ")
            )
        })
    });
    unknown
        .map(|message| Word::RecordsUnknown.because(message))
        .collect()
}

/// Countries that are none.
fn countries(spec: &DataPolicySpec) -> Vec<Reason> {
    let recipients = spec
        .rules
        .iter()
        .flat_map(|rule| rule.recipients.iter().map(move |it| (rule, it)));
    let of_rules = recipients.filter_map(|(rule, recipient)| {
        let field = format!(
            "spec.rules[{}].recipients[{}].country",
            rule.name, recipient.name
        );
        gates::codes(&field, &[recipient.country.clone()?]).err()
    });
    let told = spec.recipients.iter().filter_map(|recipient| {
        let field = format!("spec.recipients[{}].country", recipient.name);
        gates::codes(&field, std::slice::from_ref(&recipient.country)).err()
    });
    of_rules.chain(told).collect()
}

/// The API server asks for it too; what is read from a file need not have passed there.
fn one_period(spec: &DataPolicySpec) -> Option<Reason> {
    let is_wrong = |rule: &&PolicyRule| {
        let erase = rule.erase.as_ref();
        erase.is_some_and(|it| it.after.is_some() == it.by_law.is_some())
    };
    let rule = spec.rules.iter().find(is_wrong)?;
    Some(Word::PeriodInvalid.because(format!(
        "spec.rules[{}].erase.after: say after which period rows go, or byLaw: Shortest; one of the two",
        rule.name
    )))
}

/// A period of nothing would erase a table at once, or keep nothing, and is always a slip.
fn periods(spec: &DataPolicySpec) -> Vec<Reason> {
    spec.rules
        .iter()
        .flat_map(|rule| {
            let erase = rule.erase.as_ref().and_then(|erase| Some(("erase.after", erase.after.as_ref()?)));
            let keep = rule.keep.as_ref().map(|keep| ("keep.for", &keep.period));
            [erase, keep].into_iter().flatten().map(move |it| (rule, it))
        })
        .filter(|(_, (_, period))| !period.parse::<Span>().is_ok_and(Span::is_positive))
        .map(|(rule, (field, period))| {
            Word::PeriodInvalid.because(format!(
                "spec.rules[{}].{field}: {period} is no period longer than nothing; write one such as P90D or P8Y",
                rule.name
            ))
        })
        .collect()
}

/// The API server asks for it too; what is read from a file need not have passed there.
fn fiscal_year(spec: &DataPolicySpec) -> Option<Reason> {
    let needs = |rule: &&PolicyRule| {
        let erase = rule.erase.as_ref().and_then(|erase| erase.from);
        let keep = rule.keep.as_ref().and_then(|keep| keep.from);
        [erase, keep].contains(&Some(RunsFrom::EndOfFiscalYear))
    };
    let rule = spec.rules.iter().find(needs)?;
    spec.fiscal_year_end.is_none().then(|| {
        Word::PeriodInvalid.because(format!(
            "spec.fiscalYearEnd: rule {} counts from EndOfFiscalYear; write the year's last day, such as 09-30",
            rule.name
        ))
    })
}

/// The API server refuses it too; what is read from a file need not have passed there.
fn no_erasure(spec: &DataPolicySpec) -> Option<Reason> {
    let pseudonymises = |rule: &&PolicyRule| {
        let method = rule.erase.as_ref().map(|erase| erase.method);
        method == Some(Method::Pseudonymise)
    };
    let rule = spec.rules.iter().find(pseudonymises)?;
    Some(Word::MethodNotErasure.because(format!(
        "spec.rules[{}].erase.method: {PSEUDONYMISE}",
        rule.name
    )))
}

/// Two rules that erase from one table would each have due rows that the other spares: every run would be refused.
fn same_table(spec: &DataPolicySpec) -> Vec<Reason> {
    let mut first: BTreeMap<(&str, &str), &str> = BTreeMap::new();
    let mut problems = Vec::new();
    for rule in spec.rules.iter().filter(|rule| rule.erase.is_some()) {
        let key = (rule.dataset.store.as_str(), rule.dataset.table.as_str());
        if let Some(before) = first.insert(key, &rule.name) {
            problems.push(Word::RulesShareTable.because(format!(
                "spec.rules[{}].dataset: rule {before} is for table {} of store {} too; keep one of them",
                rule.name, rule.dataset.table, rule.dataset.store
            )));
        }
    }
    problems
}

/// Rules that erase from one database by two names of it. The agent takes each store for a database of its own: it would
/// erase twice from one table, and could not take children before their parents.
pub(super) fn one_database(
    (region, spec): (&str, &RegionSpec),
    rulings: &[Ruling<'_>],
) -> Option<Reason> {
    let mut names: BTreeMap<(&str, &str), (&str, &str)> = BTreeMap::new();
    rulings.iter().find_map(|ruling| {
        let rule = ruling.rule();
        let store = spec
            .data_stores
            .iter()
            .find(|store| store.name == rule.dataset.store)?;
        let secret = &store.postgres.secret_ref;
        let key = (secret.name.as_str(), secret.key.as_str());
        let (other, first) = *names.entry(key).or_insert((&store.name, &rule.name));
        (other != store.name).then(|| {
            Word::StoresAreOne.because(format!(
                "spec.rules[{}].dataset.store: in Region {region} {} and {other}, which rule {first} names, are one \
                 database: both have the Secret {}; name it by one of them in all rules",
                rule.name, store.name, secret.name
            ))
        })
    })
}

/// Rules with more parts than a run's report has room for, where the rules alone fit: it would tell nothing, of nothing.
pub(super) fn too_many_parts(region: &str, rulings: &[Ruling<'_>]) -> Option<Reason> {
    let parts = rulings.iter().flat_map(Ruling::parts).map(|part| part.name);
    let parts: Vec<String> = parts.collect();
    let rules = rulings.iter().map(|ruling| &ruling.rule().name);
    let bytes: usize = rules.chain(&parts).map(String::len).sum();
    let lines = rulings.len() + parts.len();
    let fits = lines <= MOST_LINES && bytes <= MOST_LINES * LONGEST_NAME;
    let first = parts.first().filter(|_| !fits)?;
    Some(Word::TooManyParts.because(format!(
        "spec.rules: in Region {region} laws keep some columns of rows of these tables, which makes {lines} lines with {bytes} bytes of \
         names, {first} for one; a run's report has room for {MOST_LINES} lines with {}: make two policies of it",
        MOST_LINES * LONGEST_NAME
    )))
}

/// Tables of the matched regions' stores that no rule erases from: a keep alone says nothing of when rows go, and rows
/// that are only hidden stay.
pub(super) fn uncovered(facts: &PolicyFacts, chosen: &BTreeSet<&str>) -> Vec<Uncovered> {
    let rules = &facts.policy.spec.rules;
    let of = |store: &str, table: &str, erases: bool| {
        rules.iter().find(|rule| {
            rule.dataset.store == store
                && rule.dataset.table == table
                && rule
                    .erase
                    .as_ref()
                    .is_some_and(|erase| erase.method.erases())
                    == erases
        })
    };
    let mut list: Vec<Uncovered> = chosen
        .iter()
        .filter_map(|name| Some((*name, &facts.regions.get(*name)?.region)))
        .flat_map(|(name, region)| region.spec.data_stores.iter().map(move |s| (name, s)))
        .flat_map(|(name, store)| store.datasets.iter().map(move |table| (name, store, table)))
        .filter(|(_, store, table)| of(&store.name, table, true).is_none())
        .map(|(name, store, table)| Uncovered {
            region: name.to_owned(),
            store: store.name.clone(),
            table: table.clone(),
            reason: match of(&store.name, table, false) {
                Some(rule) if rule.erase.is_some() => format!(
                    "rule {} only hides its rows; give it a method that erases, so that they go one day",
                    rule.name
                ),
                Some(rule) => format!(
                    "rule {} only keeps it; give it an erase, so that its rows go one day",
                    rule.name
                ),
                None => format!(
                    "no rule of this policy names it; add one for store {} and table {table}",
                    store.name
                ),
            },
        })
        .collect();
    list.sort();
    list
}
