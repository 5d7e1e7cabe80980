//! Conditions that channels and policies have in common.

use jiff::Timestamp;
use kube::core::ObjectMeta;

use super::reason::Word;
use super::said::{self, Said, wanted};
use super::sight::Sight;
use super::{Seen, Trouble};
use crate::api::condition::{ConditionType, Truth, Wanted};
use crate::api::{InventoryEntry, RegionState, Suspend, names};
use crate::plan::reason::Word as PlanWord;
use crate::plan::{Plan, Reason, RegionNote, RegionPlan, Verdict, paused};

/// Troubles that no further attempt mends.
const STUCK: [&str; 5] = ["Bug", "Conflict", "Forbidden", "Invalid", UNSEEN];
/// It isn't known what is there.
const UNSEEN: &str = "Unreadable";
/// Objects that a message names before it only counts them.
const NAMED: usize = 3;

/// One region of a resource, while its status is being written.
pub(super) struct Standing<'a, O> {
    pub(super) name: &'a str,
    pub(super) state: RegionState,
    /// The plan's reason, when it isn't simply running.
    pub(super) planned: Option<&'a Reason>,
    pub(super) note: RegionNote,
    pub(super) sight: Sight<'a, O>,
    /// What is there, as far as is known.
    pub(super) inventory: Vec<InventoryEntry>,
    /// Nothing is known to be left, and nothing more will be done.
    pub(super) is_settled: bool,
    /// It is paused and nobody asked for that: there is something to mend.
    is_stopped: bool,
}

impl<'a, O> Standing<'a, O> {
    /// From the plan, what was seen, and the old entry's memory: since when it is silent, and what was there.
    pub(super) fn of<W>(
        (name, decision): (&'a str, &'a RegionPlan<W>),
        note: Option<&'a RegionNote>,
        seen: Option<&'a Seen<O>>,
        (old_since, old_inventory): (Option<&str>, &[InventoryEntry]),
        now: Timestamp,
    ) -> Self {
        let planned = decision.reason();
        let sight = Sight::of(
            seen,
            note.and_then(|note| note.reach.as_ref()),
            old_since,
            now,
        );
        let is_left = matches!(decision, RegionPlan::Leave(_));
        let inventory = match &sight.known {
            _ if is_left => Vec::new(),
            Some(known) => known.inventory.to_vec(),
            None => old_inventory.to_vec(),
        };
        let is_gone = matches!(decision, RegionPlan::Withdraw(_))
            && sight
                .known
                .is_some_and(|known| known.inventory.is_empty() && known.troubles.is_empty());
        Self {
            name,
            state: state(decision),
            planned,
            note: note.cloned().unwrap_or_default(),
            sight,
            inventory,
            is_settled: is_left || is_gone,
            is_stopped: matches!(decision, RegionPlan::Pause(reason) if !is_asked(reason)),
        }
    }

    /// Whether the region stays in status: the spec chooses it, or something is left there.
    pub(super) fn is_shown(&self) -> bool {
        self.note.chosen || !self.is_settled
    }

    /// Whether everything that should be there is. `was` is what the old status said, `children` what they report.
    pub(super) fn ready(
        &self,
        was: Option<bool>,
        children: impl FnOnce(&O) -> (Truth, Reason),
    ) -> (Truth, Reason) {
        let was = || was.map_or(Truth::Unknown, Truth::from);
        if let Some(silence) = self.sight.silence() {
            let truth = if self.sight.is_stale {
                Truth::Unknown
            } else {
                was()
            };
            return (truth, silence);
        }
        if let Some(planned) = self.planned_truth() {
            return planned;
        }
        let Some(known) = &self.sight.known else {
            return (
                was(),
                Word::Progressing.because("it has not been looked at yet"),
            );
        };
        known.troubles.first().map_or_else(
            || children(known.children),
            |trouble| (Truth::False, told(trouble)),
        )
    }

    /// What the plan's word means for whoever asks whether all is well.
    pub(super) fn planned_truth(&self) -> Option<(Truth, Reason)> {
        let reason = self.planned?;
        let truth = match self.state {
            // Nothing is to be there, and nothing is.
            RegionState::Withdraw
                if self.is_settled && reason.word == PlanWord::OnlyKeeps.as_str() =>
            {
                Truth::True
            }
            RegionState::Keep | RegionState::Withdraw => Truth::False,
            RegionState::Hold if self.is_stopped || is_wrong(reason) => Truth::False,
            RegionState::Hold | RegionState::Run => Truth::Unknown,
        };
        Some((truth, reason.clone()))
    }

    /// What is on its way here.
    fn progress(&self, ready: &Said) -> Option<Said> {
        let silent = self.sight.silence().is_some();
        let say = |word: Word, message: String| {
            Some(Said::of(self.name, Truth::True, word.because(message)))
        };
        let troubles = self.sight.known.map_or(&[][..], |known| known.troubles);
        // What cannot be seen is not on its way.
        let seen = !troubles.iter().any(|trouble| trouble.reason == UNSEEN);
        let is_left = !self.inventory.is_empty();
        if seen && self.state == RegionState::Withdraw && is_left && !silent {
            return say(
                Word::Removing,
                format!("removing {}", objects(&self.inventory)),
            );
        }
        if seen && !self.note.chosen && !self.is_settled && !self.is_lost() {
            let why = self.planned.map_or("", |reason| reason.message.as_str());
            return say(
                Word::Removing,
                format!("{} left: {why}", objects(&self.inventory)),
            );
        }
        if let Some(trouble) = troubles.iter().find(|trouble| !is_stuck(trouble)) {
            return say(Word::Retrying, told(trouble).message);
        }
        (ready.reason.word == Word::Progressing.as_str())
            .then(|| Said::of(self.name, Truth::True, ready.reason.clone()))
    }

    /// Something is left where nobody can reach any more.
    fn is_lost(&self) -> bool {
        self.state == RegionState::Hold && self.planned.is_some_and(is_wrong)
    }

    fn stuck(&self) -> Option<Said> {
        if let Some(reason) = self.planned.filter(|_| !self.note.chosen && self.is_lost()) {
            return Some(Said::of(self.name, Truth::True, reason.clone()));
        }
        let troubles = self.sight.known.map_or(&[][..], |known| known.troubles);
        let trouble = troubles.iter().find(|trouble| is_stuck(trouble))?;
        Some(Said::of(self.name, Truth::True, told(trouble)))
    }

    /// What keeps a deletion from ending here.
    fn left(&self) -> Option<Said> {
        if self.is_settled {
            return None;
        }
        let troubles = self.sight.known.map_or(&[][..], |known| known.troubles);
        let why = match (self.sight.silence(), troubles.first(), self.planned) {
            (Some(silence), _, _) => silence.message,
            (None, Some(trouble), _) => told(trouble).message,
            (None, None, Some(reason)) if self.state == RegionState::Hold => reason.message.clone(),
            (None, None, _) => "they are being removed".to_owned(),
        };
        let message = format!("{} left: {why}", objects(&self.inventory));
        Some(Said::of(
            self.name,
            Truth::True,
            Word::Deleting.because(message),
        ))
    }
}

fn state<W>(decision: &RegionPlan<W>) -> RegionState {
    match decision {
        RegionPlan::Run(_) => RegionState::Run,
        RegionPlan::Keep(_) => RegionState::Keep,
        RegionPlan::Pause(_) | RegionPlan::Hold(_) | RegionPlan::Leave(_) => RegionState::Hold,
        RegionPlan::Withdraw(_) => RegionState::Withdraw,
    }
}

/// A hold that no patience ends.
fn is_wrong(reason: &Reason) -> bool {
    [
        PlanWord::RegionNotFound,
        PlanWord::RegionGone,
        PlanWord::SharedCluster,
    ]
    .iter()
    .any(|word| word.as_str() == reason.word)
}

/// A pause that somebody wrote down, or that ends once what happened is recorded.
fn is_asked(reason: &Reason) -> bool {
    [
        PlanWord::Suspended.as_str(),
        PlanWord::RegionSuspended.as_str(),
        Word::NotRecorded.as_str(),
    ]
    .contains(&reason.word.as_str())
}

fn is_stuck(trouble: &Trouble) -> bool {
    STUCK.contains(&trouble.reason.as_str())
}

fn told(trouble: &Trouble) -> Reason {
    Reason {
        word: trouble.reason.clone(),
        message: format!("{}: {}", trouble.object, trouble.message),
    }
}

fn objects(inventory: &[InventoryEntry]) -> String {
    let named: Vec<String> = inventory
        .iter()
        .take(NAMED)
        .map(|entry| format!("{} {}/{}", entry.kind, entry.namespace, entry.name))
        .collect();
    let more = match inventory.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    match inventory.len() {
        0 => "objects that have not been seen".to_owned(),
        1 => format!("1 object ({})", named.join(", ")),
        count => format!("{count} objects ({}{more})", named.join(", ")),
    }
}

/// The conditions that follow from the plan and from all regions together.
pub(super) fn conditions<W, O>(
    plan: &Plan<W>,
    suspend: Option<&Suspend>,
    standings: &[Standing<'_, O>],
    ready: &[Said],
    now: Timestamp,
) -> Vec<Wanted> {
    let left: Vec<Said> = standings.iter().filter_map(Standing::left).collect();
    let mut conditions = vec![
        accepted(plan),
        resolved(plan),
        suspended(suspend, now),
        overall(plan, standings, ready, &left),
    ];
    if plan.deleting.is_some() {
        let (_, reason) = deleting(&left);
        conditions.push(wanted(ConditionType::Deleting, Truth::True, reason));
    }
    conditions.extend(reconciling(standings, ready));
    conditions.extend(stalled(plan, standings));
    conditions
}

fn accepted<W>(plan: &Plan<W>) -> Wanted {
    let said = said::findings(&plan.findings, ConditionType::Accepted);
    let sound = Word::Valid.because("the spec is sound");
    said::condition(ConditionType::Accepted, &said, (Truth::True, sound))
}

fn resolved<W>(plan: &Plan<W>) -> Wanted {
    let said = said::findings(&plan.findings, ConditionType::ReferencesResolved);
    let found = Word::Resolved.because("everything that the spec names is there");
    said::condition(
        ConditionType::ReferencesResolved,
        &said,
        (Truth::True, found),
    )
}

/// Whether the resource's own pause is in force.
pub(super) fn suspended(suspend: Option<&Suspend>, now: Timestamp) -> Wanted {
    let (truth, reason) = paused(suspend, now).map_or_else(
        || {
            (
                Truth::False,
                Word::NotSuspended.because("no pause is in force"),
            )
        },
        |reason| (Truth::True, reason),
    );
    wanted(ConditionType::Suspended, truth, reason)
}

fn deleting(left: &[Said]) -> (Truth, Reason) {
    let word = Word::Deleting;
    let told = said::worst(left).map_or_else(
        || Word::Deleted.because("nothing is left in any region"),
        |(_, reason)| word.because(reason.message),
    );
    (Truth::False, told)
}

/// Ready: the worst thing first, with its region.
fn overall<W, O>(
    plan: &Plan<W>,
    standings: &[Standing<'_, O>],
    ready: &[Said],
    left: &[Said],
) -> Wanted {
    let kind = ConditionType::Ready;
    if plan.deleting.is_some() {
        let (truth, reason) = deleting(left);
        return wanted(kind, truth, reason);
    }
    let mut ready = ready.to_vec();
    match &plan.verdict {
        Verdict::Invalid(reason) => return wanted(kind, Truth::False, reason.clone()),
        Verdict::Waiting(reason) => {
            // What could not be read isn't known to be missing.
            let found = plan.findings.iter().find(|found| found.reason == *reason);
            let truth = found.and_then(|found| found.holds);
            let truth = truth.map_or(Truth::Unknown, Truth::from);
            return wanted(kind, truth, reason.clone());
        }
        // Told once, and after what is worse: a region that took the tenancy back, say.
        Verdict::Suspended(reason) => {
            ready.retain(|said| said.reason.word != reason.word);
            ready.push(Said {
                region: None,
                truth: Truth::Unknown,
                reason: reason.clone(),
            });
        }
        Verdict::Accepted => {}
    }
    match said::worst(&ready) {
        Some((Truth::True, reason)) if reason.word == PlanWord::OnlyKeeps.as_str() => {
            wanted(kind, Truth::True, reason)
        }
        Some((Truth::True, _)) => {
            let chosen = standings.iter().filter(|standing| standing.note.chosen);
            let names: Vec<&str> = chosen.map(|standing| standing.name).collect();
            let message = format!("runs in {}", names.join(", "));
            wanted(kind, Truth::True, Word::Running.because(message))
        }
        Some((truth, reason)) => wanted(kind, truth, reason),
        None => {
            let found = plan.findings.iter().find(|finding| {
                finding.condition == ConditionType::ReferencesResolved
                    && finding.holds == Some(false)
            });
            let reason = found.map_or_else(|| not_asked(plan), |finding| finding.reason.clone());
            wanted(kind, Truth::False, reason)
        }
    }
}

fn reconciling<O>(standings: &[Standing<'_, O>], ready: &[Said]) -> Option<Wanted> {
    let said: Vec<Said> = standings
        .iter()
        .filter_map(|standing| {
            let own = ready
                .iter()
                .find(|said| said.region.as_deref() == Some(standing.name));
            let nothing = Said::of(
                standing.name,
                Truth::True,
                Word::Running.because(String::new()),
            );
            standing.progress(own.unwrap_or(&nothing))
        })
        .collect();
    let (_, reason) = said::worst(&said)?;
    Some(wanted(ConditionType::Reconciling, Truth::True, reason))
}

fn stalled<W, O>(plan: &Plan<W>, standings: &[Standing<'_, O>]) -> Option<Wanted> {
    if let Verdict::Invalid(reason) = &plan.verdict {
        return Some(wanted(ConditionType::Stalled, Truth::True, reason.clone()));
    }
    let said: Vec<Said> = standings.iter().filter_map(Standing::stuck).collect();
    let (_, reason) = said::worst(&said)?;
    Some(wanted(ConditionType::Stalled, Truth::True, reason))
}

/// Whether a resource that is being deleted may go.
pub(super) fn is_finished<W, O>(plan: &Plan<W>, standings: &[Standing<'_, O>]) -> bool {
    plan.deleting.is_some() && standings.iter().all(|standing| standing.is_settled)
}

/// Why a question was put to no region.
pub(super) fn not_asked<W>(plan: &Plan<W>) -> Reason {
    Word::NotAsked.because(if plan.deleting.is_some() {
        "the resource is being deleted"
    } else {
        "no region is chosen"
    })
}

/// As an entry shows it.
pub(super) fn ready_field(truth: Truth) -> Option<bool> {
    match truth {
        Truth::True => Some(true),
        Truth::False => Some(false),
        Truth::Unknown => None,
    }
}

/// The value of an annotation.
pub(super) fn annotation(metadata: &ObjectMeta, key: &str) -> Option<String> {
    let value = metadata.annotations.as_ref()?.get(key)?;
    Some(names::acknowledged(value))
}

/// The run that was asked for last and is acted on, in any region; before that the one that was before.
pub(super) fn handled_run<'a>(
    metadata: &ObjectMeta,
    mut in_regions: impl Iterator<Item = Option<&'a str>>,
    before: Option<&String>,
) -> Option<String> {
    annotation(metadata, names::ANNOTATION_RUN_AT)
        .filter(|asked| in_regions.any(|handled| handled == Some(asked)))
        .or_else(|| before.cloned())
}

/// The reconcile that was asked for last, now acted on.
pub(super) fn handled_reconcile(metadata: &ObjectMeta) -> Option<String> {
    annotation(metadata, names::ANNOTATION_RECONCILE_AT)
}
