//! All erasures that there have been, over again: for a store that was restored, or into which somebody was imported.
//!
//! In: the suppression store's keyed hashes. Out: the values in the stores' own columns that have such a hash; each with
//! the moment of its erasure, so that rows that came later are spared. Reads every such column once.

use std::collections::BTreeMap;

use futures::TryStreamExt as _;
use jiff::Timestamp;
use sqlx::{AssertSqlSafe, PgConnection, Row};

use super::super::books::Run;
use super::super::fault::Fault;
use super::super::outside;
use super::super::preflight::Step;
use super::super::statement::Hidden;
use super::super::store::Purpose;
use super::begin::{self, REAPPLIED};
use super::error::{Error, failed};
use super::hash::HashKey;
use super::select::{self, Back, Who};
use super::settings::{Kinds, Settings};
use super::site::Site;
use super::suppress::{self, Erased, Suppression};
use super::{runs, supersede};
use crate::contract::RequestState;

/// How an attempt has ended that left nobody.
const DONE: &str = "Reapplied";

/// How one has ended that left somebody.
const UNDONE: &str = "Unfinished";

/// Who of the erased is back in a store.
pub(super) async fn back(
    site: &mut Site,
    settings: &Settings,
    erased: &Erased,
    key: &HashKey,
) -> Result<Who, Error> {
    let failed = failed(&site.store);
    let name = site.store.name.clone();
    let steps = site.plan.steps.clone();
    let snapshot = site.store.begin_snapshot(Purpose::Read).await;
    let mut snapshot = snapshot.map_err(&failed)?;
    let mut all = Vec::new();
    for step in &steps {
        for at in 0..step.table.subjects.len() {
            let found = scan(&mut snapshot, (step, at), settings, erased, key).await;
            let found = found.map_err(&failed)?;
            let (values, until) = found
                .into_iter()
                .map(|(value, moment)| {
                    (
                        value,
                        select::until(moment, step.table.kind, &settings.zone),
                    )
                })
                .unzip();
            all.push(Back {
                table: step.rule.name.clone(),
                subject: at,
                values: Hidden(values),
                until,
            });
        }
    }
    let oids: Vec<i64> = steps.iter().map(|step| step.table.oid).collect();
    outside::check(&mut snapshot, &name, &oids).await?;
    Ok(Who::Erased(all))
}

/// The run that a killed pod left in some stores, if every store can go on with it. If one cannot, it is ended in all: there
/// is no other name under which anybody could ask.
pub(super) async fn left(
    suppression: &mut Suppression,
    sites: &mut [Site],
) -> Result<Option<String>, Error> {
    let mut open = Vec::new();
    for site in &mut *sites {
        open.push(runs::open_run(&mut site.store, REAPPLIED).await?);
    }
    let Some(id) = open.iter().flatten().map(|run| run.id.clone()).next() else {
        return Ok(None);
    };
    let mut all_fit = true;
    for (site, run) in sites.iter_mut().zip(&open) {
        all_fit &= fits(site, run.as_ref(), &id).await?;
    }
    if all_fit {
        return Ok(Some(id));
    }
    for (site, run) in sites.iter_mut().zip(open) {
        if let Some(run) = run {
            supersede::run(suppression, &mut site.store, run).await?;
        }
    }
    Ok(None)
}

/// Whether a store has that run open, with the tables that it has now; or has not begun it; or has ended it with nobody left.
async fn fits(site: &mut Site, open: Option<&Run>, id: &str) -> Result<bool, Error> {
    if let Some(open) = open {
        return Ok(open.id == id && begin::fits(site, id).await?);
    }
    let last = runs::last_run(&mut site.store, REAPPLIED).await?;
    let ended = last.filter(|run| run.id == id).and_then(|run| run.ended);
    Ok(ended.is_none_or(|(_, word)| word == DONE))
}

/// Ends an attempt that has looked at all; a store is as new as what was acknowledged if nobody is left there. If somebody is,
/// the next attempt finds the rows anew: one that was gone on with would pass over what had no date before, or came since.
pub(super) async fn end(
    sites: &mut [Site],
    suppression: &mut Suppression,
    state: RequestState,
) -> Result<(), Error> {
    let is_done = matches!(
        state,
        RequestState::Verified | RequestState::Kept | RequestState::Held
    );
    for site in sites {
        if is_done {
            let acknowledged = suppression.acknowledged(&site.store.name).await?;
            suppress::catch_up(&mut site.store, acknowledged).await?;
            // What it took itself, too: while the store was behind its numbers said nothing.
            let number = suppress::head(&mut site.store).await?;
            suppression.acknowledge(&site.store.name, number).await?;
        }
        if let Some(run) = site.run.take() {
            let word = if is_done { DONE } else { UNDONE };
            runs::end(&mut site.store, &run, word).await?;
        }
    }
    Ok(())
}

/// The values of a column that were suppressed, as the column has them.
async fn scan(
    connection: &mut PgConnection,
    (step, at): (&Step, usize),
    settings: &Settings,
    erased: &Erased,
    key: &HashKey,
) -> Result<BTreeMap<String, Timestamp>, Fault> {
    let mut found = BTreeMap::new();
    let Some(subject) = step.table.subjects.get(at) else {
        return Ok(found);
    };
    let ignore_case = settings.kinds.get(&subject.identity) == Some(&true);
    let written = subject.written("t");
    let sql = format!(
        "SELECT DISTINCT {written} FROM {} AS t WHERE {written} IS NOT NULL",
        step.table.name
    );
    let fault = Fault::of("look for erased persons");
    let mut rows = sqlx::query(AssertSqlSafe(sql)).fetch(connection);
    while let Some(row) = rows.try_next().await.map_err(&fault)? {
        let value: String = row.try_get(0).map_err(&fault)?;
        let kind = (subject.identity.as_str(), ignore_case);
        if let Some(moment) = moment(erased, key, kind, &value) {
            found.insert(value, moment);
        }
    }
    Ok(found)
}

/// When somebody with that value was erased: the value is read as it was read then, not as it is now.
fn moment(
    erased: &Erased,
    key: &HashKey,
    (kind, ignore_case): (&str, bool),
    value: &str,
) -> Option<Timestamp> {
    let asked = |normal: &str, folded: bool| {
        let entry = erased.get(&(kind.to_owned(), key.value(kind, normal)))?;
        (entry.folded.unwrap_or(ignore_case) == folded).then_some(entry.at)
    };
    let mut normal = zeroize::Zeroizing::new(value.to_owned());
    normal.make_ascii_lowercase();
    asked(value, false).max(asked(&normal, true))
}

/// Whether the task knows every kind of value that somebody was erased by.
pub(super) fn all_known(erased: &Erased, kinds: &Kinds) -> Result<(), Error> {
    let unknown = erased.keys().find(|(kind, _)| !kinds.contains_key(kind));
    match unknown {
        Some((kind, _)) => Err(Error::KindUnknown { kind: kind.clone() }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::suppress::Suppressed;
    use super::*;

    #[test]
    fn a_value_is_read_as_it_was_when_it_was_suppressed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        std::fs::write(&path, "5a".repeat(32)).unwrap();
        let key = HashKey::read(&path).unwrap();
        let at: Timestamp = "2026-01-31T20:00:00Z".parse().unwrap();
        for (suppressed, folded, is_folded_now, value, is_found) in [
            ("ann@x", Some(true), false, "Ann@X", true),
            ("ann@x", Some(true), true, "ann@x", true),
            ("Ann@X", Some(false), true, "Ann@X", true),
            // Another person's, as long as letters differed.
            ("a7", Some(false), true, "A7", false),
            ("a7", None, false, "A7", false),
            ("a7", None, true, "A7", true),
        ] {
            let hash = key.value("email", suppressed);
            let entry = Suppressed { at, folded };
            let erased: Erased = [(("email".to_owned(), hash), entry)].into();
            let found = moment(&erased, &key, ("email", is_folded_now), value);
            assert_eq!(found, is_found.then_some(at), "{suppressed} {value}");
        }
    }
}
