//! A person's events in connectors' own stores: they go with the person's rows, and again after a restore.
//!
//! In: a task with the connectors' stores; a person, or the subjects of those who were erased. Out: events are gone with all
//! that sinks were owed of them, no attempt to deliver one is under way, and each store's own book has the numbers. Who the
//! person is goes as the connector's hash of the platform's value, under a key that the store has for itself.

mod error;
mod ledger;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;
use sqlx::Row as _;

use super::super::exact::Exact;
use super::super::fault::Fault;
use super::super::hold_list::Freshness;
use super::super::holds;
use super::super::quiet;
use super::super::store::{Purpose, Store};
use super::error::Error as RequestError;
use super::select::Who;
use super::stoppable;
use super::suppress::{Known, Suppression};
use crate::agent::blur::Blur;
use crate::agent::{Stop, connect};
use crate::contract::{
    Count, Erase, EraseReport, ErasedStore, ErasedTable, EventChannel, EventStore, RequestState,
    RequiredHold, events_of,
};
use crate::evidence::Opening;
pub(super) use error::Error;

/// How often it is looked whether an attempt that had begun before has ended.
const POLL: Duration = Duration::from_millis(200);
/// How often a batch is tried that another transaction got in the way of.
const TRIES: u32 = 5;

/// The connectors' stores of a task.
pub(super) struct Events {
    places: Vec<Place>,
    bound: u32,
    /// How old the hub's list of holds may be: asked before each batch.
    list: Option<Freshness>,
}

struct Place {
    store: Store,
    channels: Vec<EventChannel>,
}

/// Whose events of a channel go.
struct Target<'a> {
    run: &'a str,
    channel: &'a str,
    /// As the store has them.
    subjects: Vec<Vec<u8>>,
    /// Events that came later stay.
    until: Timestamp,
}

/// What a store's book has of a channel.
struct Noted {
    channel: String,
    erased: i64,
    held: i64,
    remaining: i64,
    late: i64,
    has_looked: bool,
    blur: Blur,
}

impl Events {
    /// Opens the stores that the task names; each has the tables and a key, and logs no values.
    pub(super) async fn open(
        spec: &Erase,
        suppression: &mut Suppression,
    ) -> Result<Self, RequestError> {
        checked(spec)?;
        let mut places = Vec::new();
        for at in &spec.events {
            let Some(mut store) = opened(at, Purpose::Write).await? else {
                continue;
            };
            suppression.is_apart(&mut store).await?;
            // What is reported as gone must not be back after a crash, whatever the role or the database is set to.
            store.set("synchronous_commit", "on").await?;
            ledger::is_prepared(&mut store).await?;
            quiet::is_quiet(&mut store).await?;
            let channels = at.channels.clone();
            places.push(Place { store, channels });
        }
        let bound = spec.small_counts;
        Ok(Self {
            places,
            bound,
            list: None,
        })
    }

    /// Opens them to read their books, and nothing else.
    pub(super) async fn read(spec: &Erase) -> Result<Self, RequestError> {
        let mut places = Vec::new();
        for at in &spec.events {
            let channels = Vec::new();
            let store = opened(at, Purpose::Read).await?;
            places.extend(store.map(|store| Place { store, channels }));
        }
        let bound = spec.small_counts;
        Ok(Self {
            places,
            bound,
            list: None,
        })
    }

    /// Whether every hold that the hub knows of is in force in these stores, by a list that is young enough: which is asked again
    /// before each batch.
    pub(super) async fn are_held(
        &mut self,
        required: &[RequiredHold],
        list: Option<&Freshness>,
    ) -> Result<(), RequestError> {
        self.list = list.cloned();
        for place in &mut self.places {
            holds::are_in_force(&mut place.store, required, list).await?;
        }
        Ok(())
    }

    /// Whether everybody whose events were erased can be found again: asked before the first row goes.
    pub(super) async fn find_all(
        &mut self,
        suppression: &mut Suppression,
    ) -> Result<(), RequestError> {
        for place in &mut self.places {
            let key = ledger::key(&mut place.store).await?;
            if suppression.has_other_key(&place.store.name, &key).await? {
                return Err(Error::OtherKey {
                    store: place.store.name.clone(),
                    region: suppression.region().to_owned(),
                    number: key.0,
                    key: key.1,
                }
                .into());
            }
        }
        Ok(())
    }

    /// Erases a person's events that came before the request began, once that went well in all other stores. It is known by
    /// then that the person is to be erased; the subjects are noted before the first event goes.
    pub(super) async fn erase(
        &mut self,
        before: Result<(), RequestError>,
        who: &Who,
        ((reference, known), suppression, stop): ((&str, &Known), &mut Suppression, &Stop),
    ) -> Result<(), RequestError> {
        before?;
        let Who::Person(person) = who else {
            return Ok(());
        };
        let list = self.list.as_ref();
        for place in &mut self.places {
            for channel in &place.channels {
                let values = person.of(&channel.identity).iter();
                let subjects: Vec<Vec<u8>> = values
                    .map(|value| connect::subject(value).to_vec())
                    .collect();
                if subjects.is_empty() {
                    continue;
                }
                let (name, until) = (&channel.channel, known.began_at);
                let at = (known.run.as_str(), name.as_str());
                if channel.withdrawn && !ledger::is_any(&mut place.store, at).await? {
                    continue;
                }
                let subjects = ledger::named(&mut place.store, &subjects).await?;
                let (_, key) = ledger::key(&mut place.store).await?;
                let at = (reference, place.store.name.as_str(), name.as_str());
                let noted = (subjects.as_slice(), key.as_str());
                suppression.note_subjects(at, noted, until).await?;
                let target = Target {
                    run: &known.run,
                    channel: name,
                    subjects,
                    until,
                };
                ledger::begin(&mut place.store, (&known.run, name), self.bound).await?;
                stoppable(stop, take(&mut place.store, &target, list)).await?;
            }
        }
        Ok(())
    }

    /// Erases again what came back of everybody whose events were erased; what came after that stays.
    pub(super) async fn again(
        &mut self,
        before: Result<(), RequestError>,
        run: &str,
        (suppression, stop): (&mut Suppression, &Stop),
    ) -> Result<(), RequestError> {
        before?;
        let list = self.list.as_ref();
        for place in &mut self.places {
            let all = suppression.subjects(&place.store.name).await?;
            for (channel, moments) in by_moment(all) {
                ledger::begin(&mut place.store, (run, &channel), self.bound).await?;
                for (until, subjects) in moments {
                    let target = Target {
                        run,
                        channel: &channel,
                        subjects,
                        until,
                    };
                    stoppable(stop, take(&mut place.store, &target, list)).await?;
                }
            }
        }
        Ok(())
    }

    /// Adds what the stores' books have of a run to a report: each store is an entry, each channel a table of it.
    pub(super) async fn tell(
        &mut self,
        run: &str,
        body: Result<EraseReport, RequestError>,
    ) -> Result<EraseReport, RequestError> {
        let mut body = body?;
        for place in &mut self.places {
            add(&mut place.store, run, &mut body).await?;
        }
        Ok(body)
    }

    /// Adds what can be read of the stores' books, of a request that is being ended: trouble with one of them keeps nobody
    /// known. Answers whether the request may have erased events that no book tells of.
    pub(super) async fn glance(
        spec: &Erase,
        suppression: &mut Suppression,
        (run, body): (&str, &mut EraseReport),
    ) -> Result<bool, RequestError> {
        let mut is_unknown = false;
        for at in &spec.events {
            if let Err(error) = told(at, run, body).await {
                tracing::warn!(store = at.name, %error, "the book of events cannot be read");
                is_unknown = true;
            }
        }
        for (store, channel) in suppression.channels(&body.request).await? {
            let told = body.stores.iter().find(|told| told.name == store);
            let name = events_of(&channel);
            let mut tables = told.iter().flat_map(|store| &store.tables);
            is_unknown |= !tables.any(|table| table.name == name);
        }
        if is_unknown {
            body.state = body.state.min(RequestState::Pending);
        }
        Ok(is_unknown)
    }

    /// What is behind the commitments of runs.
    pub(super) async fn openings(
        &mut self,
        runs: &BTreeSet<String>,
    ) -> Result<Vec<Opening>, RequestError> {
        let mut all = Vec::new();
        for place in &mut self.places {
            for run in runs {
                for noted in ledger::read(&mut place.store, run).await? {
                    let blur = noted.blur;
                    let exact = Exact::new(&place.store.name, noted.table());
                    all.extend(exact.blurred(&blur).1);
                }
            }
        }
        Ok(all)
    }
}

impl Noted {
    /// What was found is what was taken and what is there yet; each is counted for itself.
    fn table(self) -> ErasedTable {
        let state = if !self.has_looked || self.remaining > 0 {
            RequestState::Pending
        } else if self.held > 0 {
            RequestState::Held
        } else {
            RequestState::Verified
        };
        ErasedTable {
            name: events_of(&self.channel),
            state,
            found: Count::exact(self.erased + self.held + self.remaining),
            erased: Count::exact(self.erased),
            held: Count::exact(self.held),
            remaining: Count::exact(self.remaining),
            late: Count::exact(self.late),
            ..ErasedTable::default()
        }
    }
}

/// Adds what a store's book has of a run.
async fn add(store: &mut Store, run: &str, body: &mut EraseReport) -> Result<(), RequestError> {
    for noted in ledger::read(store, run).await? {
        let blur = noted.blur;
        let (table, _) = Exact::new(&store.name, noted.table()).blurred(&blur);
        body.state = body.state.min(table.state);
        enter(&mut body.stores, &store.name, table);
    }
    Ok(())
}

async fn told(at: &EventStore, run: &str, body: &mut EraseReport) -> Result<(), RequestError> {
    match opened(at, Purpose::Read).await? {
        Some(mut store) => add(&mut store, run, body).await,
        None => Ok(()),
    }
}

/// Opens a store; none where all channels are withdrawn and no connector has ever begun.
async fn opened(at: &EventStore, purpose: Purpose) -> Result<Option<Store>, RequestError> {
    let mut store = Store::open(&at.name, &at.url, purpose).await?;
    if at.is_left() && !is_there(&mut store).await? {
        return Ok(None);
    }
    Ok(Some(store))
}

/// Whether a connector has ever begun in a store. The catalogue says so to every role, one without rights on the schema included.
async fn is_there(store: &mut Store) -> Result<bool, RequestError> {
    let sql =
        "SELECT EXISTS (SELECT FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
        WHERE n.nspname = 'tradewind_connect' AND c.relname = 'event')";
    let row = sqlx::query(sql).fetch_one(&mut store.connection).await;
    let is_there = row.and_then(|row| row.try_get(0));
    let is_there = is_there.map_err(Fault::of("look for the tables of events"));
    is_there.map_err(|fault| store.failed(fault).into())
}

/// Whether an entry of a report is of events.
pub(super) fn are_in(table: &str) -> bool {
    table.starts_with(&events_of(""))
}

/// A store may have tables of a policy too: then it has its entry already.
fn enter(stores: &mut Vec<ErasedStore>, name: &str, table: ErasedTable) {
    match stores.iter_mut().find(|store| store.name == name) {
        Some(store) => store.tables.push(table),
        None => stores.push(ErasedStore {
            name: name.to_owned(),
            state: None,
            tables: vec![table],
        }),
    }
}

/// A channel's subjects, those together that were erased at one moment.
fn by_moment(
    all: Vec<(String, Vec<u8>, Timestamp)>,
) -> BTreeMap<String, BTreeMap<Timestamp, Vec<Vec<u8>>>> {
    let mut sorted: BTreeMap<String, BTreeMap<Timestamp, Vec<Vec<u8>>>> = BTreeMap::new();
    for (channel, subject, until) in all {
        let moments = sorted.entry(channel).or_default();
        moments.entry(until).or_default().push(subject);
    }
    sorted
}

/// Takes the events, waits until no attempt is under way to deliver one, and looks again.
async fn take(
    store: &mut Store,
    target: &Target<'_>,
    list: Option<&Freshness>,
) -> Result<(), RequestError> {
    let mut tries = 0;
    loop {
        if let Some(list) = list {
            list.check_again(store).await?;
        }
        match ledger::batch(store, target).await {
            Ok(true) => tries = 0,
            Ok(false) => break,
            Err(error) if error.is_conflict() && tries < TRIES => tries += 1,
            Err(error) => return Err(error),
        }
    }
    while ledger::is_under_way(store, target).await? {
        tokio::time::sleep(POLL).await;
    }
    ledger::look(store, target).await
}

/// The task's words: channels, each once in its store, that know persons by values as they are.
fn checked(spec: &Erase) -> Result<(), Error> {
    for store in &spec.events {
        let mut seen = BTreeSet::new();
        for EventChannel {
            channel, identity, ..
        } in &store.channels
        {
            if !seen.insert(channel) {
                let channel = channel.clone();
                return Err(Error::Twice { channel });
            }
            let mut kinds = spec.identities.iter();
            if !kinds.any(|kind| kind.name == *identity && !kind.ignore_case) {
                let (channel, kind) = (channel.clone(), identity.clone());
                return Err(Error::Kind { channel, kind });
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::agent::blur::Seed;

    fn noted(erased: i64, held: i64, remaining: i64, has_looked: bool) -> ErasedTable {
        let seed = Seed([7; 32]);
        let noted = Noted {
            channel: "aurora/shop".to_owned(),
            erased,
            held,
            remaining,
            late: 1,
            has_looked,
            blur: Blur { bound: 1, seed },
        };
        noted.table()
    }

    #[test]
    fn events_stand_by_what_is_there_yet() {
        for (table, state) in [
            (noted(3, 0, 0, false), RequestState::Pending),
            (noted(3, 0, 1, true), RequestState::Pending),
            (noted(3, 2, 0, true), RequestState::Held),
            (noted(3, 0, 0, true), RequestState::Verified),
            (noted(0, 0, 0, true), RequestState::Verified),
        ] {
            assert_eq!(table.state, state, "{table:?}");
            assert_eq!(table.found, table.terms().into_iter().sum::<Count>());
            assert_eq!(table.name, "events of aurora/shop");
        }
    }

    #[test]
    fn a_store_that_is_told_of_already_gets_one_table_more() {
        let mut stores = Vec::new();
        for (name, at) in [("inbox", 1), ("inbox", 2), ("other", 1)] {
            enter(&mut stores, name, ErasedTable::default());
            let store = stores.iter().find(|store| store.name == name).unwrap();
            assert_eq!(store.tables.len(), at);
        }
    }

    #[test]
    fn subjects_of_one_moment_go_together() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let (early, late) = (at("2026-01-01T00:00:00Z"), at("2026-02-01T00:00:00Z"));
        let one = |channel: &str, subject: u8, at| (channel.to_owned(), vec![subject], at);
        let sorted = by_moment(vec![
            one("a", 1, early),
            one("b", 2, early),
            one("a", 3, late),
            one("a", 4, early),
        ]);
        assert_eq!(sorted["a"][&early], [[1], [4]]);
        assert_eq!(sorted["a"][&late], [[3]]);
        assert_eq!(sorted["b"][&early], [[2]]);
    }

    #[test]
    fn a_task_names_each_channel_once_and_kinds_that_are_taken_as_they_are() {
        let refusal = |channels: serde_json::Value| {
            let spec = json!({
                "timeZone": "Europe/Berlin", "batchRows": 1, "maxRows": 1, "stores": [],
                "identities": [{"name": "psid"}, {"name": "email", "ignoreCase": true}],
                "suppression": {"url": "u", "key": "k"},
                "events": [{"name": "inbox", "url": "u", "channels": channels}],
            });
            let refused = checked(&serde_json::from_value(spec).unwrap());
            refused.err().map(|error| error.to_string())
        };
        let shop = json!({"channel": "a/shop", "identity": "psid"});
        assert_eq!(refusal(json!([shop])), None);
        assert!(refusal(json!([shop, shop])).unwrap().contains("a/shop"));
        for kind in ["email", "phone"] {
            let said = refusal(json!([{"channel": "a/shop", "identity": kind}]));
            assert!(said.unwrap().contains(kind), "{kind}");
        }
    }
}
