//! Before anything is counted: are all tables there, fit, and open to the role?
//!
//! In: a store's rules. Out: a [`Plan`] for it, or everything that is wrong at once. Reads only.

use super::apart;
use super::catalog::{self, Table};
use super::error::Error;
use super::grants::Grants;
use super::holds::{Holds, NONE};
use super::lesser;
use super::loud;
use super::order;
use super::partition;
use super::references::{Action, Reference};
use super::refusal::Refusal;
use super::settings::{Rule, StoreRules};
use super::store::{Purpose, Store};
use crate::contract::{Method, Strategy};

/// A rule and its table.
#[derive(Clone, Debug)]
pub(super) struct Step {
    /// The rule.
    pub(super) rule: Rule,
    /// Its table.
    pub(super) table: Table,
    /// How its rows go.
    pub(super) strategy: Strategy,
}

impl Step {
    /// What is held from a request: a hold keeps rows from being erased, not from being hidden.
    pub(super) fn held<'a>(&self, holds: &'a Holds) -> &'a Holds {
        match self.rule.method {
            Method::Restrict => &NONE,
            _ => holds,
        }
    }
}

/// A store's rules with their tables, children before parents.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    /// In the order of erasing.
    pub(super) steps: Vec<Step>,
}

/// Looks at all tables of a store. To erase, the role must be granted it; to count, a log line says what will
/// be missing.
pub(super) async fn plan(
    store: &mut Store,
    rules: &StoreRules,
    purpose: Purpose,
) -> Result<Result<Plan, Vec<Refusal>>, Error> {
    let mut refusals = Vec::new();
    let mut steps: Vec<Step> = Vec::new();
    let mut grants = Grants::default();
    for rule in &rules.rules {
        let found = catalog::table(store, rule, &mut grants).await;
        let mut found = found.map_err(|fault| store.failed(fault))?;
        if let Ok(table) = &mut found {
            let lesser = lesser::find(store, rule, table, &mut grants).await;
            match lesser.map_err(|fault| store.failed(fault))? {
                Ok(lesser) => table.lesser = lesser,
                Err(refusal) => found = Err(refusal),
            }
        }
        let strategy = match &found {
            // Whether a partition is due as a whole, contacts and notices may change until it is gone.
            Ok(table) if table.contacts.is_empty() && table.notice.is_none() => {
                way(store, rule, table).await?
            }
            Ok(_) | Err(_) => Strategy::Rows,
        };
        match found {
            Ok(table) => {
                let step = Step {
                    rule: rule.clone(),
                    table,
                    strategy,
                };
                match apart::clash(&steps, &step) {
                    Some(refusal) => refusals.push(refusal),
                    None => steps.push(step),
                }
            }
            Err(refusal) => refusals.push(refusal),
        }
    }
    if refusals.is_empty() {
        refusals.extend(cascades(&steps));
    }
    refusals.extend(loud(store, &steps, purpose).await?);
    refusals.extend(lacking(store, grants, (rules.is_throttled, purpose)).await?);
    match sorted(&steps) {
        Ok(steps) if refusals.is_empty() => return Ok(Ok(Plan { steps })),
        Ok(_) => {}
        Err(circle) => refusals.push(circle),
    }
    for refusal in &refusals {
        tracing::error!(store = store.name, reason = refusal.reason(), "{refusal}");
    }
    Ok(Err(refusals))
}

/// Tables of which the server would log rows. To count, a log line says what erasing will ask for.
async fn loud(store: &mut Store, steps: &[Step], purpose: Purpose) -> Result<Vec<Refusal>, Error> {
    let mut refusals = Vec::new();
    for step in steps {
        let lesser = step.table.lesser.iter().map(|lesser| &lesser.table);
        for table in [&step.table].into_iter().chain(lesser) {
            refusals.extend(loud::refuse(store, &step.rule.name, table).await?);
        }
    }
    if purpose == Purpose::Write {
        return Ok(refusals);
    }
    for refusal in &refusals {
        tracing::warn!(store = store.name, "erasing will be refused: {refusal}");
    }
    Ok(Vec::new())
}

/// What the role lacks for the purpose. To count, a log line says what erasing will lack.
async fn lacking(
    store: &mut Store,
    mut grants: Grants,
    (is_throttled, purpose): (bool, Purpose),
) -> Result<Option<Refusal>, Error> {
    let books = grants.check_books(&mut store.connection).await;
    let role = books.map_err(|fault| store.failed(fault))?;
    if is_throttled {
        let signals = grants.check_signals(&mut store.connection).await;
        signals.map_err(|fault| store.failed(fault))?;
    }
    let Grants {
        mut reading,
        erasing,
    } = grants;
    if purpose == Purpose::Write {
        reading.extend(erasing);
    } else if !erasing.is_empty() {
        tracing::warn!(
            store = store.name,
            mend = erasing.join(" "),
            "grants that erasing will need"
        );
    }
    let (store, statements) = (store.name.clone(), reading);
    Ok((!statements.is_empty()).then_some(Refusal::GrantsMissing {
        store,
        role,
        statements,
    }))
}

/// How the rule's rows go; said where the table is partitioned by the rule's clock.
async fn way(store: &mut Store, rule: &Rule, table: &Table) -> Result<Strategy, Error> {
    let found = partition::strategy(&mut store.connection, table).await;
    let (strategy, mend) = found.map_err(|fault| store.failed(fault))?;
    if strategy != Strategy::Rows {
        let (rule, strategy) = (&rule.name, strategy.name());
        tracing::info!(rule, strategy, mend, "how rows go from a partitioned table");
    }
    Ok(strategy)
}

/// Foreign keys whose action reaches a table that no rule of the store deletes from.
fn cascades(steps: &[Step]) -> Vec<Refusal> {
    let ruled = |oid| {
        let mut steps = steps.iter();
        steps.any(|step| step.table.oid == oid && step.table.changes.is_empty())
    };
    let reaches = |step: &Step| {
        let references = step.table.references.iter();
        let reaching = references
            .filter(|reference| reference.action != Action::Refuse && !ruled(reference.oid));
        let refusal = |reference: &Reference| Refusal::Cascade {
            rule: step.rule.name.clone(),
            child: reference.name.clone(),
            constraint: reference.constraint.clone(),
            action: reference.action.as_sql(),
        };
        reaching.map(refusal).collect::<Vec<_>>()
    };
    steps.iter().flat_map(reaches).collect()
}

/// Children before parents. Of one table what takes rows comes before what takes columns of the others: whoever looks for the
/// table's rule finds that one first.
fn sorted(steps: &[Step]) -> Result<Vec<Step>, Refusal> {
    let mut edges: Vec<(usize, usize)> = Vec::new();
    for (parent, step) in steps.iter().enumerate() {
        let own = step.table.oid;
        for (child, other) in steps.iter().enumerate() {
            let mut references = step.table.references.iter();
            let is_before = if other.table.oid == own {
                apart::takes_of_kept(step) && !apart::takes_of_kept(other)
            } else {
                references.any(|reference| reference.oid == other.table.oid)
            };
            if is_before {
                edges.push((child, parent));
            }
        }
    }
    let name = |at: &usize| {
        steps
            .get(*at)
            .map(|step| step.rule.name.clone())
            .unwrap_or_default()
    };
    match order::children_first(steps.len(), &edges) {
        Ok(order) => Ok(order
            .iter()
            .filter_map(|at| steps.get(*at).cloned())
            .collect()),
        Err(circle) => Err(Refusal::Circle {
            rules: circle.iter().map(name).collect(),
        }),
    }
}
