//! A store at work for a request: its session, its tables, its run.

use std::collections::BTreeMap;

use super::super::books::Run;
use super::super::cutoff::Ended;
use super::super::error::Error as RunError;
use super::super::outside;
use super::super::preflight::{self, Plan, Step};
use super::super::quiet;
use super::super::refusal::Refusal;
use super::super::site::Work;
use super::super::store::{Purpose, Store};
use super::error::Error;
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

/// Opens every store and looks at every table: nothing is done anywhere while anything is wrong somewhere, and all that is
/// wrong is told at once.
pub(super) async fn open(settings: &Settings, purpose: Purpose) -> Result<Vec<Site>, Error> {
    let mut sites = Vec::new();
    let mut refusals: Vec<Refusal> = Vec::new();
    let mut failures: Vec<Error> = Vec::new();
    for scope in &settings.stores {
        match one(scope, purpose).await {
            Ok(Ok(site)) => sites.push(site),
            Ok(Err(found)) => refusals.extend(found),
            Err(error) => failures.push(error),
        }
    }
    if !refusals.is_empty() {
        failures.push(RunError::Refused(refusals).into());
    }
    Error::together(failures).map_or(Ok(sites), Err)
}

/// One store, or what is wrong with its tables.
async fn one(scope: &Scope, purpose: Purpose) -> Result<Result<Site, Vec<Refusal>>, Error> {
    let mut store = Store::open(&scope.name, &scope.rules.url, purpose).await?;
    store
        .set("application_name", "tradewind-agent erase")
        .await?;
    quiet::is_quiet(&mut store).await?;
    outside::put_back(&mut store, &scope.rules.url, None).await?;
    let plan = preflight::plan(&mut store, &scope.rules, purpose).await?;
    Ok(plan.map(|plan| Site {
        store,
        plan,
        scope: scope.clone(),
        run: None,
        ends: BTreeMap::new(),
    }))
}
