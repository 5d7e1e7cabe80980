//! The period of a rule that goes by the law: the shortest within which a law or terms want its rows gone.
//!
//! In: a policy, one of its rules that says `byLaw`, the laws of a region. Out: the rule's `erase` with that period in it, or what is
//! missing. Only what the policy itself says counts, of its table and of its controller: what another one says of the same table is told
//! where it is not met, and shortens nothing here. An unconfirmed fact sets no period: a keep that acts on a rumour costs time, an erasure
//! that does costs the rows. Without a period nothing goes.

use jiff::{Span, Timestamp};

use super::inactivity::{self, Standing, standing};
use super::limit::{Asks, Limit, limits_of};
use super::{Laws, fiscal_year};
use crate::api::{DataPolicy, Erase, PolicyRule, Region, RunsFrom};
use crate::packs::{NO_RECORDS, Packs};
use crate::plan::Reason;
use crate::plan::reason::Word;

/// How rows of a rule go, with a period in it, and the law that set that.
pub(super) type Resolved<'a> = (Erase, Option<Limit<'a>>);

/// The rule's `erase` with its period; nothing for a rule that erases nothing, or for which the law sets no period.
pub(super) fn resolved<'a>(
    policy: &'a DataPolicy,
    rule: &'a PolicyRule,
    laws: &Laws<'a>,
) -> Option<Resolved<'a>> {
    let erase = rule.erase.as_ref()?;
    if erase.by_law.is_none() {
        return Some((erase.clone(), None));
    }
    let limit = shortest(policy, rule, laws).ok()?;
    let erase = Erase {
        after: Some(limit.asks.within().to_string()),
        from: Some(limit.asks.from()),
        ..erase.clone()
    };
    Some((erase, Some(limit)))
}

/// The rule's `erase` as it counts under these laws.
pub(in crate::plan) fn in_force<'a>(
    policy: &'a DataPolicy,
    rule: &'a PolicyRule,
    laws: &Laws<'a>,
) -> Option<Erase> {
    resolved(policy, rule, laws).map(|(erase, _)| erase)
}

/// Why rules of a policy that go by the law have no period in a region.
pub(in crate::plan) fn without_period(
    policy: &DataPolicy,
    (region, packs): (&Region, &Packs),
    now: Timestamp,
) -> Vec<Reason> {
    let laws = Laws::new(region, packs, now);
    let goes = |rule: &&PolicyRule| rule.erase.as_ref().is_some_and(|it| it.by_law.is_some());
    let rules = policy.spec.rules.iter().filter(goes);
    rules
        .filter_map(|rule| shortest(policy, rule, &laws).err())
        .collect()
}

fn shortest<'a>(
    policy: &'a DataPolicy,
    rule: &'a PolicyRule,
    laws: &Laws<'a>,
) -> Result<Limit<'a>, Reason> {
    let field = format!("spec.rules[{}].erase.byLaw", rule.name);
    let none = |why: String| Word::NoPeriodByLaw.because(format!("{field}: {why}"));
    let contact = rule.erase.as_ref().and_then(|it| it.last_contact.as_ref());
    let (sound, unsound): (Vec<_>, Vec<_>) = limits_of(policy, rule, laws)
        .into_iter()
        .partition(|limit| limit.asks.is_confirmed());
    let counts = |limit: &&Limit<'_>| contact.is_some() || matches!(limit.asks, Asks::Records(_));
    let limits: Vec<&Limit<'a>> = sound.iter().filter(counts).collect();
    let Some(first) = limits.first() else {
        return Err(none(missing(policy, rule, (laws, &sound, &unsound))));
    };
    let is_shortest = |one: &&&Limit<'_>| {
        let mut others = limits.iter();
        others.all(|other| other.bound.outlasts(&one.bound))
    };
    let Some(shortest) = limits.iter().find(is_shortest) else {
        let all: Vec<String> = limits.iter().map(|limit| limit.words()).collect();
        let why = format!(
            "which of these is the shortest differs from row to row: {}; write erase.after",
            all.join("; ")
        );
        return Err(none(why));
    };
    let is_fiscal = shortest.asks.from() == RunsFrom::EndOfFiscalYear;
    if is_fiscal && fiscal_year(&policy.spec).is_none() {
        let why = format!(
            "{} counts from the end of the fiscal year; write spec.fiscalYearEnd",
            first.words()
        );
        return Err(none(why));
    }
    match untold(rule, shortest) {
        Some(why) => Err(Word::NoticeUnstated.because(format!("{field}: {why}"))),
        None => Ok(**shortest),
    }
}

/// Why persons would go whom nobody told, where the law wants them told.
fn untold(rule: &PolicyRule, limit: &Limit<'_>) -> Option<String> {
    let Asks::Inactivity(fact, _) = limit.asks else {
        return None;
    };
    let hours = fact.value.notice_hours()?;
    let notice = rule.erase.as_ref().and_then(|it| it.notice.as_ref());
    let own = notice.map_or(0, |notice| notice.hours);
    (i64::from(own) < i64::from(hours)).then(|| {
        format!(
            "{} wants persons told {hours} hours before; name in erase.notice the column that says when a person was told, and at \
             least {hours} hours",
            limit.words()
        )
    })
}

/// What is missing for a period.
fn missing(
    policy: &DataPolicy,
    rule: &PolicyRule,
    (laws, sound, unsound): (&Laws<'_>, &[Limit<'_>], &[Limit<'_>]),
) -> String {
    let mut why: Vec<String> = unsound
        .iter()
        .map(|limit| {
            format!(
                "{} is unconfirmed, and what goes too early does not come back: write it as erase.after, or confirm it in a pack of \
                 your own",
                limit.words()
            )
        })
        .collect();
    why.extend(sound.iter().map(|limit| {
        format!(
            "{} runs from the last contact: say in erase.lastContact which tables have contacts",
            limit.words()
        )
    }));
    let mut unstated: Option<&str> = None;
    for (law, fact) in laws.inactivity(policy) {
        let own = &fact.value;
        match standing(policy, rule, (law, fact)) {
            Standing::Unstated if unstated != Some(law) => {
                unstated = Some(law);
                why.push(format!(
                    "{law} wants data of persons gone who were not heard of, by the kind and size of the controller: say them in \
                     spec.controller.classes"
                ));
            }
            Standing::NotSubject(Some(class)) => why.push(format!(
                "{law} asks it of {} from {} registered users on, and spec.controller.classes says {}",
                own.class,
                own.from_users,
                class.registered_users.unwrap_or_default()
            )),
            Standing::Exempt(kind) => why.push(format!(
                "{law} leaves out {kind} records: take them into a table of their own, or write erase.after"
            )),
            Standing::Unstated | Standing::NotSubject(None) | Standing::Applies(_) => {}
        }
    }
    if why.is_empty() {
        let kinds = rule.dataset.records.iter().map(String::as_str);
        let kinds: Vec<&str> = kinds.filter(|kind| *kind != NO_RECORDS).collect();
        why.push(match kinds.as_slice() {
            [] => "no law or terms of spec.regimes that count here set a period for it: say in dataset.records what records the table \
                   has, or write erase.after"
                .to_owned(),
            kinds => format!(
                "no law or terms of spec.regimes that count here want {} records gone by a time: write erase.after, or add the law",
                kinds.join(", ")
            ),
        });
    }
    why.join("; ")
}

/// The laws whose inactivity counts for a policy and of which it does not say what its controller is.
pub(in crate::plan) fn unstated<'a>(policy: &DataPolicy, laws: &Laws<'a>) -> Vec<&'a str> {
    let mut silent: Vec<&str> = laws
        .inactivity(policy)
        .into_iter()
        .map(|(law, _)| law)
        .collect();
    silent.dedup();
    silent.retain(|law| !inactivity::is_stated(policy, law));
    silent
}

/// A rule's own period, as it stands there.
pub(super) fn after(erase: &Erase) -> &str {
    erase.after.as_deref().unwrap_or_default()
}

/// The same as a span; what is no period ends at once.
pub(super) fn span(erase: &Erase) -> Span {
    after(erase).parse().unwrap_or_default()
}
