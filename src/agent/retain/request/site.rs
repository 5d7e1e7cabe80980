//! A store at work for a request: its session, its tables, its run.

use std::collections::BTreeMap;

use super::super::books::Run;
use super::super::cutoff::Ended;
use super::super::error::Error as RunError;
use super::super::outside;
use super::super::preflight::{self, Plan, Step};
use super::super::refusal::Refusal;
use super::super::site::Work;
use super::super::store::{Purpose, Store};
use super::error::Error;
use super::quiet;
use super::select::{Who, Whose};
use super::settings::{Kinds, Scope, Settings};

/// A store at work.
#[derive(Debug)]
pub(super) struct Site {
    /// The session.
    pub(super) store: Store,
    /// The tables, children before parents.
    pub(super) plan: Plan,
    /// What the task says of it.
    pub(super) scope: Scope,
    /// The run; absent before it began, and where it has ended.
    pub(super) run: Option<Run>,
    /// The cut-offs of keeps, by table, that the run goes by.
    pub(super) ends: BTreeMap<String, Vec<Ended>>,
}

impl Site {
    /// The run, as the fences ask for it.
    pub(super) fn work(&self) -> Option<Work> {
        let run = self.run.clone()?;
        let pinned = BTreeMap::new();
        Some(Work { run, pinned })
    }

    /// The cut-offs of a table's keeps.
    pub(super) fn ends_of(&self, table: &str) -> &[Ended] {
        self.ends.get(table).map_or(&[], Vec::as_slice)
    }
}

/// A step's table, and whose rows are looked for in it.
pub(super) fn whose<'a>(step: &'a Step, who: &'a Who, kinds: &'a Kinds) -> Whose<'a> {
    Whose {
        name: &step.rule.name,
        table: &step.table,
        who,
        kinds,
    }
}

/// Opens every store and looks at every table: nothing is done anywhere while anything is wrong somewhere.
pub(super) async fn open(settings: &Settings, purpose: Purpose) -> Result<Vec<Site>, Error> {
    let mut sites = Vec::new();
    let mut refusals: Vec<Refusal> = Vec::new();
    for scope in &settings.stores {
        let mut store = Store::open(&scope.name, &scope.rules.url, purpose).await?;
        store
            .set("application_name", "tradewind-agent erase")
            .await?;
        quiet::is_quiet(&mut store).await?;
        outside::put_back(&mut store, &scope.rules.url, None).await?;
        match preflight::plan(&mut store, &scope.rules, purpose).await? {
            Ok(plan) => sites.push(Site {
                store,
                plan,
                scope: scope.clone(),
                run: None,
                ends: BTreeMap::new(),
            }),
            Err(found) => refusals.extend(found),
        }
    }
    if refusals.is_empty() {
        return Ok(sites);
    }
    Err(RunError::Refused(refusals).into())
}
