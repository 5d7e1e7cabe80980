//! All erasures that there have been, over again: for a store that was restored, or into which somebody was imported.
//!
//! In: the suppression store's keyed hashes. Out: the values in the stores' own columns that have such a hash; each with
//! the moment of its erasure, so that rows that came later are spared. Reads every such column once.

use std::collections::BTreeMap;

use futures::TryStreamExt as _;
use jiff::Timestamp;
use sqlx::{AssertSqlSafe, PgConnection, Row};

use super::super::fault::Fault;
use super::super::outside;
use super::super::preflight::Step;
use super::super::statement::Hidden;
use super::super::store::Purpose;
use super::error::{Error, failed};
use super::hash::HashKey;
use super::select::{self, Back, Who};
use super::settings::Settings;
use super::site::Site;
use super::suppress::Erased;

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
        let mut normal = zeroize::Zeroizing::new(value.clone());
        if ignore_case {
            normal.make_ascii_lowercase();
        }
        let hash = key.value(&subject.identity, &normal);
        if let Some(moment) = erased.get(&(subject.identity.clone(), hash)) {
            found.insert(value, *moment);
        }
    }
    Ok(found)
}
