//! A person opts out of a sale or a sharing: connectors send no event about them to sinks that are one, until it is lifted.
//!
//! In: a task whose request is an `OptOut`, with the connectors' stores. Out: rows by keyed hashes in each of them, in
//! force from their commit; recipients that were told, once no attempt that had begun before is under way; a report. Who the
//! person is goes as the hash that the connector itself makes of its platform's value, and is never written as it is.

mod error;
mod ledger;
mod notice;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use super::super::quiet;
use super::super::store::{Purpose, Store};
use super::answer::Answer;
use super::error::Error as RequestError;
use super::person::{self, Person};
use super::recipients;
use super::settings::{self, Kinds};
use super::stoppable;
use crate::agent::{Stop, blur, connect};
use crate::contract::{
    Erase, EraseReport, OptOutChannel, OptOutStore, OptedOut, RequestState, SubjectRequest, Task,
};
pub(super) use error::Error;

/// How long attempts that had begun before are waited for: longer than any lease of a connector.
const PATIENCE: Duration = Duration::from_mins(2);
/// How often it is looked whether they have ended.
const POLL: Duration = Duration::from_millis(100);

/// A person, as one channel's events name them.
struct Known<'a> {
    channel: &'a OptOutChannel,
    /// Hashes, as the connector's lanes have them.
    subjects: Vec<Vec<u8>>,
}

/// Opts the task's person out.
pub(super) async fn run(
    task: &Task<Erase>,
    request: &SubjectRequest,
    stop: &Stop,
) -> Result<Answer, RequestError> {
    settings::small_counts(&task.spec)?;
    let kinds = checked(&task.spec)?;
    let key = person::key(&request.key)?;
    let person = Person::given(&request.identity, &key, &kinds)?;
    let stores = &task.spec.opt_outs;
    let mut channels = stores.iter().flat_map(|store| &store.channels);
    let mut asked = task.spec.recipients.iter().flat_map(|it| &it.identities);
    let is_told = asked.any(|kind| !person.of(kind).is_empty());
    // A recipient may know the person where no channel does.
    if !stores.is_empty()
        && !is_told
        && channels.all(|channel| person.of(&channel.identity).is_empty())
    {
        return Err(Error::nobody(stores).into());
    }
    let mut notice = stoppable(stop, notice::open(task)).await?;
    if let Some(suppression) = &mut notice {
        notice::begin(suppression, request, &person).await?;
    }
    let mut body = EraseReport {
        request: request.reference.clone(),
        state: RequestState::Verified,
        ..EraseReport::default()
    };
    for store in stores {
        let told = opt_out(store, &person, &request.reference);
        body.opted_out.extend(stoppable(stop, told).await?);
    }
    hide(&task.spec, &mut body.opted_out);
    let about = (request, Some(&person));
    body.recipients = notice::tell(notice.as_mut(), task, about, stop).await?;
    if recipients::is_open(&body.recipients) {
        return Ok(Answer::untold(body));
    }
    let message = told(&body.opted_out);
    Ok(Answer::done("Verified", message, body))
}

/// Opts the task's person in again: the request's rows go, whoever it was.
pub(super) async fn lift(
    task: &Task<Erase>,
    request: &SubjectRequest,
    stop: &Stop,
) -> Result<Answer, RequestError> {
    settings::small_counts(&task.spec)?;
    listed(&task.spec)?;
    let mut notice = stoppable(stop, notice::open(task)).await?;
    if let Some(suppression) = &mut notice {
        notice::lift(suppression, request).await?;
    }
    let mut body = EraseReport {
        request: request.reference.clone(),
        state: RequestState::Lifted,
        ..EraseReport::default()
    };
    for store in &task.spec.opt_outs {
        let lifted = opt_in(store, &request.reference);
        body.opted_out.extend(stoppable(stop, lifted).await?);
    }
    hide(&task.spec, &mut body.opted_out);
    body.recipients = notice::tell(notice.as_mut(), task, (request, None), stop).await?;
    if recipients::is_open(&body.recipients) {
        return Ok(Answer::untold(body));
    }
    let message = "the person's opt-out is lifted: what comes from now on is sent again".to_owned();
    Ok(Answer::done("Lifted", message, body))
}

/// Tells few values as few.
fn hide(spec: &Erase, all: &mut [OptedOut]) {
    for one in all {
        let subjects = one.subjects.told().unwrap_or_default();
        one.subjects = blur::alone(spec.small_counts, subjects);
    }
}

/// The kinds of values, once the task's words have been looked at.
fn checked(spec: &Erase) -> Result<Kinds, Error> {
    let kinds: Kinds = spec
        .identities
        .iter()
        .map(|kind| (kind.name.clone(), kind.ignore_case))
        .collect();
    listed(spec)?;
    let channels = spec.opt_outs.iter().flat_map(|store| &store.channels);
    for channel in channels {
        let name = channel.channel.clone();
        if channel.sinks.is_empty() {
            return Err(Error::Channel { channel: name });
        }
        // A platform's own values are taken as they are.
        if kinds.get(&channel.identity) != Some(&false) {
            let kind = channel.identity.clone();
            return Err(Error::Kind {
                channel: name,
                kind,
            });
        }
    }
    Ok(kinds)
}

/// There are channels, each once. To lift asks for no more: of a channel that is gone by then nobody knows kinds or sinks.
fn listed(spec: &Erase) -> Result<(), Error> {
    if spec.opt_outs.is_empty() && !notice::is_asked(spec) {
        return Err(Error::Empty);
    }
    let mut seen = BTreeSet::new();
    for store in &spec.opt_outs {
        for channel in &store.channels {
            if !seen.insert((&store.name, &channel.channel)) {
                let channel = channel.channel.clone();
                return Err(Error::Channel { channel });
            }
        }
    }
    Ok(())
}

/// Tells one store, and waits until it holds there.
async fn opt_out(
    at: &OptOutStore,
    person: &Person,
    reference: &str,
) -> Result<Vec<OptedOut>, RequestError> {
    let known = at.channels.iter().map(|channel| Known {
        channel,
        subjects: person
            .of(&channel.identity)
            .iter()
            .map(|value| connect::subject(value).to_vec())
            .collect(),
    });
    let known: Vec<Known<'_>> = known.collect();
    let mut store = open(at).await?;
    for one in &known {
        ledger::write(&mut store, one, reference).await?;
    }
    let begun = Instant::now();
    let mut under_way = ledger::under_way(&mut store, &known).await?;
    while !under_way.is_empty() {
        if begun.elapsed() > PATIENCE {
            let store = at.name.clone();
            return Err(Error::UnderWay { store }.into());
        }
        tokio::time::sleep(POLL).await;
        let now = ledger::under_way(&mut store, &known).await?;
        under_way.retain(|attempt| now.contains(attempt));
    }
    let mut told = Vec::new();
    for one in &known {
        told.push(ledger::verify(&mut store, one, reference).await?);
    }
    Ok(told)
}

/// Takes a request's rows out of one store, those too of channels that the task does not know any more.
async fn opt_in(at: &OptOutStore, reference: &str) -> Result<Vec<OptedOut>, RequestError> {
    let mut store = Store::open(&at.name, &at.url, Purpose::Write).await?;
    // Without channels it may be no connector's store at all.
    if at.channels.is_empty() && !ledger::is_there(&mut store).await? {
        return Ok(Vec::new());
    }
    ready(&mut store).await?;
    let mut gone = ledger::lift(&mut store, reference).await?;
    let channels = at.channels.iter();
    let known = channels.map(|channel| {
        let subjects = gone.remove(&channel.channel).unwrap_or_default();
        (&channel.channel, channel.sinks.clone(), subjects)
    });
    let known: Vec<_> = known.collect();
    let others = gone.iter();
    let others = others.map(|(channel, subjects)| (channel, Vec::new(), *subjects));
    let all = known.into_iter().chain(others);
    let told = all.map(|(channel, sinks, subjects)| OptedOut {
        store: at.name.clone(),
        channel: channel.clone(),
        sinks,
        subjects: subjects.into(),
        ..OptedOut::default()
    });
    Ok(told.collect())
}

/// Opens a connector's store.
async fn open(at: &OptOutStore) -> Result<Store, RequestError> {
    let mut store = Store::open(&at.name, &at.url, Purpose::Write).await?;
    ready(&mut store).await?;
    Ok(store)
}

/// It has the tables, the role may use them, and the server's log has no values.
async fn ready(store: &mut Store) -> Result<(), RequestError> {
    // What is reported as in force must survive a crash, whatever the role or the database is set to.
    store.set("synchronous_commit", "on").await?;
    ledger::is_prepared(store).await?;
    Ok(quiet::is_quiet(store).await?)
}

fn told(all: &[OptedOut]) -> String {
    if all.is_empty() {
        return "no channel here has a sink that is a sale or a sharing: only recipients were to be told"
            .to_owned();
    }
    let stopped = all.iter().map(OptedOut::stopped);
    let sinks = stopped.fold(0, i64::saturating_add);
    let unknown: Vec<&str> = all
        .iter()
        .filter(|one| one.subjects.is_zero())
        .map(|one| one.channel.as_str())
        .collect();
    let mut said = format!(
        "the person opted out of {sinks} sinks of {} channels",
        all.len() - unknown.len()
    );
    if !unknown.is_empty() {
        said = format!(
            "{said}; the identity has no value by which {} would know the person: nothing was stopped there",
            unknown.join(", ")
        );
    }
    said
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn refusal(change: impl FnOnce(&mut serde_json::Value)) -> Option<String> {
        let mut spec = json!({
            "timeZone": "Europe/Berlin", "batchRows": 1, "maxRows": 1, "stores": [],
            "identities": [{"name": "psid"}, {"name": "email", "ignoreCase": true}],
            "suppression": {"url": "u", "key": "k"},
            "optOuts": [{"name": "inbox", "url": "u", "channels": [{"channel": "a/shop", "identity": "psid", "sinks": ["ads"]}]}],
        });
        change(&mut spec);
        let refused = checked(&serde_json::from_value(spec).unwrap());
        refused.err().map(|error| error.to_string())
    }

    #[test]
    fn a_task_names_stores_channels_and_kinds_that_are_taken_as_they_are() {
        assert_eq!(refusal(|_| {}), None);
        let said = refusal(|spec| spec["optOuts"] = json!([])).unwrap();
        assert!(said.contains("`optOuts` is empty"), "{said}");
        for kind in ["email", "phone"] {
            let at = "/optOuts/0/channels/0/identity";
            let said = refusal(|spec| *spec.pointer_mut(at).unwrap() = kind.into());
            assert!(said.unwrap().contains(kind), "{kind}");
        }
        let at = "/optOuts/0/channels/0/sinks";
        let said = refusal(|spec| *spec.pointer_mut(at).unwrap() = json!([]));
        assert!(said.unwrap().contains("channel `a/shop`"));
        let said = refusal(|spec| {
            let twice = spec["optOuts"][0]["channels"][0].clone();
            spec["optOuts"][0]["channels"]
                .as_array_mut()
                .unwrap()
                .push(twice);
        });
        assert!(said.unwrap().contains("channel `a/shop`"));
    }

    #[test]
    fn a_channel_that_knows_nobody_by_the_identity_is_named() {
        let one = |channel: &str, subjects: i64| OptedOut {
            channel: channel.to_owned(),
            sinks: vec!["ads".to_owned()],
            subjects: subjects.into(),
            ..OptedOut::default()
        };
        let said = told(&[one("a/shop", 1), one("a/chat", 0)]);
        assert_eq!(
            said,
            "the person opted out of 1 sinks of 1 channels; the identity has no value by which a/chat would know the person: \
             nothing was stopped there"
        );
    }
}
