//! Open requests as `kubectl get datasubjectrequests -o json` prints them, and which of their deadlines an update would move.
//!
//! Each is counted as the operator counts it, by every regime that its jurisdictions call for. Who a request is about stands
//! in it as ciphertext, which nothing here reads or prints.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use kube::ResourceExt;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::api::{DataSubjectRequest, RequestDeadline};
use crate::cli::clock::wall;
use crate::cli::input::{Error, wrong};
use crate::packs::{Packs, Regimes};
use crate::plan;

/// A deadline that would move, come or go.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Moved {
    case: String,
    regime: String,
    step: String,
    zone: TimeZone,
    old: Option<RequestDeadline>,
    new: Option<RequestDeadline>,
}

/// What an update would do to the requests.
#[derive(Clone, Debug, Default)]
pub(super) struct Compared {
    /// Requests that wait for something by the one pack or the other.
    pub(super) open: usize,
    /// Their deadlines that would move.
    pub(super) moved: Vec<Moved>,
    /// Requests whose spec cannot be counted, and why.
    pub(super) uncounted: Vec<(String, String)>,
}

/// What kubectl prints: a list, or one object.
#[derive(Deserialize)]
struct Printed {
    kind: String,
    items: Option<Vec<Value>>,
}

/// The requests of a text; none when it is not what kubectl prints.
pub(super) fn read(file: &str, text: &str) -> Result<Option<Vec<DataSubjectRequest>>, Error> {
    let Ok(whole) = serde_json::from_str::<Value>(text) else {
        return Ok(None);
    };
    let Ok(printed) = Printed::deserialize(&whole) else {
        return Ok(None);
    };
    let items = printed.items.unwrap_or_else(|| vec![whole]);
    let request = |(at, item): (usize, Value)| {
        let field = || format!("--cases '{file}', items[{at}]");
        let kind = item["kind"].as_str().unwrap_or(&printed.kind);
        if kind != "DataSubjectRequest" {
            let problem = format!(
                "it is a {kind}; only DataSubjectRequests are cases: kubectl get datasubjectrequests -o json"
            );
            return Err(wrong(field(), problem));
        }
        // What is wrong with it is not shown: the text may hold anything.
        serde_json::from_value(item).map_err(|_| {
            let problem = "it is no DataSubjectRequest of this release; print it with kubectl get datasubjectrequests -o json";
            wrong(field(), problem.to_owned())
        })
    };
    let all = items.into_iter().enumerate().map(request);
    all.collect::<Result<_, _>>().map(Some)
}

/// Counts each request by both packs.
pub(super) fn compare(
    (old, new): (&Regimes, &Regimes),
    requests: &[DataSubjectRequest],
    now: Timestamp,
) -> Compared {
    let pack = |regimes: &Regimes| Packs {
        regimes: regimes.clone(),
        ..Packs::default()
    };
    let (old, new) = (pack(old), pack(new));
    let mut compared = Compared::default();
    for request in requests {
        let (before, after) = (
            plan::clocks(request, &old, now),
            plan::clocks(request, &new, now),
        );
        let problem = before.problems.first().or_else(|| after.problems.first());
        if let Some(problem) = problem {
            let told = (request.name_any(), problem.message.clone());
            compared.uncounted.push(told);
            continue;
        }
        let (before, after) = (waiting(before.deadlines), waiting(after.deadlines));
        if before.is_empty() && after.is_empty() {
            continue;
        }
        compared.open += 1;
        compared.moved.extend(moved(request, before, after));
    }
    compared
}

/// What is still to be met, by regime and step.
fn waiting(deadlines: Vec<RequestDeadline>) -> BTreeMap<(String, String), RequestDeadline> {
    let open = deadlines.into_iter().filter(|one| one.met_at.is_none());
    open.map(|one| ((one.regime.clone(), one.step.clone()), one))
        .collect()
}

fn moved(
    request: &DataSubjectRequest,
    mut before: BTreeMap<(String, String), RequestDeadline>,
    after: BTreeMap<(String, String), RequestDeadline>,
) -> Vec<Moved> {
    let zone = TimeZone::get(&request.spec.time_zone).unwrap_or(TimeZone::UTC);
    let one = |(regime, step): (String, String), old, new| Moved {
        case: request.name_any(),
        regime,
        step,
        zone: zone.clone(),
        old,
        new,
    };
    let mut moved = Vec::new();
    for (key, new) in after {
        let old = before.remove(&key);
        if old.as_ref().map(|old| &old.ends) != Some(&new.ends) {
            moved.push(one(key, old, Some(new)));
        }
    }
    let gone = before.into_iter();
    moved.extend(gone.map(|(key, old)| one(key, Some(old), None)));
    moved.sort_by(|a, b| (&a.regime, &a.step).cmp(&(&b.regime, &b.step)));
    moved
}

/// For a reader, below the facts that differ.
pub(super) fn text(compared: &Compared) -> String {
    let Compared {
        open,
        moved,
        uncounted,
    } = compared;
    let cases: std::collections::BTreeSet<&str> = moved.iter().map(|it| &*it.case).collect();
    let mut lines = vec![format!("\n{} of {open} open cases would move", cases.len())];
    for one in moved {
        lines.push(format!("{}: {} ({})", one.case, one.step, one.regime));
        for (sign, side) in [('-', &one.old), ('+', &one.new)] {
            let told = side
                .as_ref()
                .map_or_else(|| "none".to_owned(), |it| one.told(it));
            lines.push(format!("  {sign} {told}"));
        }
    }
    for (case, problem) in uncounted {
        lines.push(format!("{case}: not counted: {problem}"));
    }
    lines.push(String::new());
    lines.join("\n")
}

/// For a program.
pub(super) fn as_json(compared: &Compared) -> (Value, Value) {
    let side = |one: &Moved, side: &Option<RequestDeadline>| {
        side.as_ref()
            .map(|it| json!({"endsAt": one.ends(it), "within": it.within, "law": it.law}))
    };
    let moved = compared.moved.iter().map(|one| {
        json!({
            "case": one.case, "regime": one.regime, "step": one.step,
            "old": side(one, &one.old), "new": side(one, &one.new),
        })
    });
    let uncounted = compared.uncounted.iter();
    let uncounted = uncounted.map(|(case, problem)| json!({"case": case, "problem": problem}));
    (moved.collect(), uncounted.collect())
}

impl Moved {
    /// By the wall clock of the request's zone; none where the law has no number.
    fn ends(&self, deadline: &RequestDeadline) -> Option<String> {
        let at: Timestamp = deadline.ends.as_ref()?.parse().ok()?;
        Some(wall(at, &self.zone))
    }

    fn told(&self, deadline: &RequestDeadline) -> String {
        match self.ends(deadline) {
            Some(ends) => format!("before {ends} [{}]", deadline.law),
            None => format!("no number in law [{}]", deadline.law),
        }
    }
}
