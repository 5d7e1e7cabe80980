//! `erase`: one request of one person over the stores of a region, or all erasures over again.
//!
//! In: a task, the person's identity as ciphertext, the region's key. Out: rows that are gone, or a copy that was
//! delivered; books by keyed hashes; a report with counts and grounds. It stands on retention's floor: the same
//! catalogue, order, methods, fences and holds. No value of a person is in a log, an error, a report or a statement's
//! text, here or in the server.
//!
//! ```text
//! settings -> person -> sites -> lookups -> suppress -> begin (find, pin) -> work (batch by batch) -> look -> answer
//! ```

mod ahead;
mod answer;
mod began;
mod begin;
mod books;
mod connector;
mod deliver;
mod error;
mod events;
mod expire;
mod forget;
mod hash;
mod hidden;
mod key;
mod lift;
mod look;
mod lookup;
mod opening;
mod opt_out;
mod person;
mod reapply;
mod recipients;
mod reduce;
mod referred;
mod rows;
mod select;
mod settings;
mod site;
mod supersede;
mod suppress;
mod undone;
mod work;

use jiff::Timestamp;
use sha2::{Digest as _, Sha256};
use sqlx::Row as _;

use super::books as runs;
use super::error::Error as RunError;
use super::fault::Fault;
use super::holds;
use super::store::Purpose;
use crate::agent::{Begun, Stop};
use crate::contract::{
    Erase, EraseReport, Report, RequestKind, RequestState, SubjectRequest, Task,
};
use answer::Answer;
use begin::Identity;
use error::Error;
use events::Events;
use hash::HashKey;
pub use key::generate;
pub use lift::run as lift;
pub use opening::run as open_sums;
use person::Person;
pub(super) use person::{Closed, opened};
use recipients::{News, Telling};
use select::Who;
use settings::Settings;
use site::Site;
pub(super) use suppress::none_restored;
use suppress::{Known, Suppression};
pub(super) use undone::none_undone;
use work::Job;

/// What the report calls it when all erasures are done over again.
const REAPPLY: &str = "reapply";

/// Does what the task's request asks for.
pub async fn run(task: Task<Erase>, stop: Stop) -> Report<EraseReport> {
    let begun = Begun::now("erase");
    let answer = async {
        let request = settings::request(&task.spec)?;
        if request.kind == RequestKind::OptOut {
            return opt_out::run(&task, request, &stop).await;
        }
        let settings = Settings::parse(&task.spec, false)?;
        if matches!(
            request.kind,
            RequestKind::Erasure | RequestKind::Restriction
        ) {
            return erasure(&task, request, &settings, &stop).await;
        }
        let copy = deliver::copy(&task, request, &settings);
        stoppable(&stop, copy).await.map(Answer::delivered)
    };
    let answer: Result<Answer, Error> = answer.await;
    answer
        .unwrap_or_else(|error| Answer::error(&error, None))
        .report(begun)
}

/// Erases again whoever was erased, in stores that were restored or imported into.
pub async fn reapply(task: Task<Erase>, stop: Stop) -> Report<EraseReport> {
    let begun = Begun::now("erase");
    let answer = again(&task, &stop).await;
    answer
        .unwrap_or_else(|error| Answer::error(&error, None))
        .report(begun)
}

async fn erasure(
    task: &Task<Erase>,
    request: &SubjectRequest,
    settings: &Settings,
    stop: &Stop,
) -> Result<Answer, Error> {
    let region_key = person::key(&request.key)?;
    let given = Person::given(&request.identity, &region_key, &settings.kinds)?;
    let key = HashKey::read(&task.spec.suppression.key)?;
    let opening = open(task, settings, key.clone());
    let (mut suppression, mut sites, mut events) = stoppable(stop, opening).await?;
    undone::none_behind(&mut suppression, &mut sites).await?;
    supersede::restriction(&mut suppression, &mut sites, request).await?;
    let hash = key.given([("", request.kind.name())].into_iter().chain(given.all()));
    let reference = &request.reference;
    let known = suppression.find(reference).await?;
    let erases = request.kind == RequestKind::Erasure;
    if erases && known.as_ref().is_none_or(|known| !known.has_ended) {
        held(task, settings, (&mut sites, &mut events)).await?;
    }
    let (known, who, left) = match known {
        Some(known) if known.is_forgotten => return Err(Error::Forgotten),
        Some(known) if known.is_lifted => return Err(Error::Lifted),
        Some(known) if known.given != hash => return Err(Error::ReferenceReused),
        Some(known) if known.has_ended => {
            return told((&mut sites, &mut events), &mut suppression, &known, task).await;
        }
        Some(known) => {
            let person = known.person.as_deref().unwrap_or_default();
            let who = Who::Person(Person::decrypt(person, &region_key)?);
            let going = began::go_on(&mut suppression, &sites, (reference, request.kind));
            (known, who, going.await?)
        }
        None => {
            suppression.has_no_twin(reference, &hash).await?;
            begin::is_new(&mut sites, reference).await?;
            let suppressing = suppress_first(&mut sites, settings, given, &region_key);
            let (mut known, who) = stoppable(stop, suppressing).await?;
            known.given = hash;
            let suppressed = who.person().filter(|_| erases);
            let suppressed = suppressed.map(|person| (person, &settings.kinds));
            known.suppressed = suppressed.map_or(0, |_| known.suppressed);
            let names: Vec<&str> = sites.iter().map(|site| &*site.store.name).collect();
            let begun = suppression.begin((reference, &names), &known, suppressed);
            begun.await?;
            (known, who, Vec::new())
        }
    };
    let (identity, whose) = (identity(task, request, &known), vec![&who; sites.len()]);
    let parties = (settings, whose.as_slice(), stop);
    let ran = carry_out(&mut sites, &mut suppression, parties, &identity).await;
    let parties = ((reference.as_str(), &known), &mut suppression, stop);
    let ran = events.erase(ran, &who, parties).await;
    let suppressed = (known.suppressed, settings.small_counts);
    let body = answer::body(&mut sites, (&identity.run, reference), suppressed).await;
    let body = body.map(|body| answer::with(body, left));
    let body = events.tell(&identity.run, body).await;
    let body = suppression.remember(reference, &sites, body).await;
    if let Err(error) = ran {
        return Ok(Answer::error(&error, body.ok()));
    }
    close(&mut sites, &mut suppression, (task, &who, stop), body?).await
}

/// Ends what is done in the stores, which no change of their tables can undo; then tells the recipients, and only then ends
/// the request: until then it is known who the person is.
async fn close(
    sites: &mut [Site],
    suppression: &mut Suppression,
    (task, who, stop): (&Task<Erase>, &Who, &Stop),
    mut body: EraseReport,
) -> Result<Answer, Error> {
    let request = settings::request(&task.spec)?;
    let word = end(sites, body.state).await?;
    if let (Some(_), Who::Person(person)) = (word, who) {
        let telling = Telling {
            reference: &request.reference,
            news: News::of(request.kind),
            person: Some(person),
        };
        match recipients::tell(suppression, &task.spec, telling, stop).await {
            Ok(told) => body.recipients = told,
            Err(error) => return Ok(Answer::error(&error, Some(body))),
        }
        if recipients::is_open(&body.recipients) {
            return Ok(Answer::untold(body));
        }
    }
    if let Some(word) = word {
        suppression.end(&request.reference, word).await?;
    }
    Ok(Answer::of(body))
}

/// Nothing is erased anywhere, and nobody suppressed, while a hold that the hub knows is missing somewhere.
async fn held(
    task: &Task<Erase>,
    settings: &Settings,
    (sites, events): (&mut [Site], &mut Events),
) -> Result<(), Error> {
    let list = settings.hold_list.as_ref();
    events.are_held(&task.spec.holds, list).await?;
    for site in sites {
        holds::are_in_force(&mut site.store, &task.spec.holds, list).await?;
    }
    Ok(())
}

fn identity(task: &Task<Erase>, request: &SubjectRequest, known: &Known) -> Identity {
    Identity {
        run: known.run.clone(),
        region: task.region.clone(),
        reference: request.reference.clone(),
        kind: request.kind.name(),
        spec_hash: spec_hash(&task.spec),
        now: known.began_at,
    }
}

/// What a request did that has ended.
async fn told(
    (sites, events): (&mut [Site], &mut Events),
    suppression: &mut Suppression,
    known: &Known,
    task: &Task<Erase>,
) -> Result<Answer, Error> {
    let request = settings::request(&task.spec)?;
    let suppressed = (known.suppressed, task.spec.small_counts);
    let began = suppression.began_in(&request.reference).await?;
    let body = answer::body(sites, (&known.run, &request.reference), suppressed).await;
    let body = body.map(|body| answer::with(body, began::done_beyond(&began, sites)));
    let mut body = events.tell(&known.run, body).await?;
    body.recipients = recipients::told(suppression, &task.spec, request).await?;
    Ok(Answer::of(body))
}

/// Learns all that the person is known by, and sees that it is one person; what is to be written before the first row
/// goes. Writes nothing yet.
async fn suppress_first(
    sites: &mut [Site],
    settings: &Settings,
    mut person: Person,
    key: &age::x25519::Identity,
) -> Result<(Known, Who), Error> {
    lookup::follow(sites, &mut person, &settings.kinds).await?;
    let (run, now) = name(sites).await?;
    let known = Known {
        run,
        given: Vec::new(),
        person: Some(person.encrypt(key)?),
        began_at: now,
        has_ended: false,
        is_lifted: false,
        is_forgotten: false,
        suppressed: i64::try_from(person.all().count()).unwrap_or(i64::MAX),
    };
    let who = Who::Person(person);
    for site in sites {
        begin::is_one_person(site, settings, &who).await?;
    }
    Ok((known, who))
}

/// Begins in every store, erases, acknowledges, looks.
async fn carry_out(
    sites: &mut [Site],
    suppression: &mut Suppression,
    (settings, whose, stop): (&Settings, &[&Who], &Stop),
    identity: &Identity,
) -> Result<(), Error> {
    let key = suppression.key.clone();
    let jobs: Vec<Job<'_>> = whose
        .iter()
        .map(|who| Job {
            settings,
            who,
            key: &key,
            stop,
        })
        .collect();
    for (site, job) in sites.iter_mut().zip(&jobs) {
        stoppable(stop, begin::enter(site, *job, identity)).await?;
    }
    for (site, job) in sites.iter_mut().zip(&jobs) {
        // Before the first row goes: from here on the store is known there.
        suppression.acknowledge(&site.store.name, 0).await?;
        let worked = work::erase(site, *job).await;
        let number = suppress::head(&mut site.store).await?;
        suppression.acknowledge(&site.store.name, number).await?;
        worked?;
        stoppable(stop, look::look(site, *job)).await?;
    }
    Ok(())
}

/// Ends the runs of a request that nothing more can be done for; answers the word that they ended with.
async fn end(sites: &mut [Site], state: RequestState) -> Result<Option<&'static str>, Error> {
    let word = match state {
        RequestState::Verified => "Verified",
        RequestState::Kept => "Kept",
        _ => return Ok(None),
    };
    for site in sites {
        if let Some(run) = site.run.take() {
            runs::end(&mut site.store, &run, word).await?;
        }
    }
    Ok(Some(word))
}

async fn again(task: &Task<Erase>, stop: &Stop) -> Result<Answer, Error> {
    let settings = Settings::parse(&task.spec, true)?;
    let key = HashKey::read(&task.spec.suppression.key)?;
    let opening = open(task, &settings, key.clone());
    let (mut suppression, mut sites, mut events) = stoppable(stop, opening).await?;
    held(task, &settings, (&mut sites, &mut events)).await?;
    if task.spec.by_schedule {
        undone::none(&mut suppression, &mut sites).await?;
    }
    events.find_all(&mut suppression).await?;
    let erased = suppression.erased().await?;
    reapply::all_known(&erased, &settings.kinds)?;
    let mut lacks = Vec::new();
    for site in &mut sites {
        suppression.knows(&mut site.store).await?;
        let acknowledged = suppression.acknowledged(&site.store.name).await?;
        if suppression.lacks_erasures(&mut site.store).await? {
            lacks.push(site.store.name.clone());
        }
        suppress::note_behind(&mut site.store, acknowledged).await?;
    }
    let (run, now) = name(&mut sites).await?;
    let mut whose = Vec::new();
    for site in &mut sites {
        let scanned = reapply::back(site, &settings, &erased, &key);
        whose.push(stoppable(stop, scanned).await?);
    }
    let mut identity = Identity {
        run,
        region: task.region.clone(),
        reference: REAPPLY.to_owned(),
        kind: begin::REAPPLY,
        spec_hash: spec_hash(&task.spec),
        now,
    };
    adopt(&mut suppression, &mut sites, &mut identity).await?;
    let whose: Vec<&Who> = whose.iter().collect();
    let parties = (&settings, whose.as_slice(), stop);
    let ran = carry_out(&mut sites, &mut suppression, parties, &identity).await;
    let parties = (&mut suppression, stop);
    let ran = events.again(ran, &identity.run, parties).await;
    let erased = i64::try_from(erased.len()).unwrap_or(i64::MAX);
    let suppressed = (erased, settings.small_counts);
    let body = answer::body(&mut sites, (&identity.run, REAPPLY), suppressed).await;
    let body = events.tell(&identity.run, body).await;
    if let Err(error) = ran {
        return Ok(Answer::error(&error, body.ok()).although(&lacks));
    }
    let mut body = body?;
    let stores = sites.iter_mut().map(|site| &mut site.store);
    body.same_server = suppression.beside(stores).await?;
    reapply::end(&mut sites, &mut suppression, body.state).await?;
    Ok(Answer::of(body).although(&lacks))
}

/// One run for all stores: the one that a killed pod left, if it did, and if every store can go on with it.
async fn adopt(
    suppression: &mut Suppression,
    sites: &mut [Site],
    identity: &mut Identity,
) -> Result<(), Error> {
    if let Some(id) = reapply::left(suppression, sites).await? {
        identity.run = id;
    }
    Ok(())
}

/// Opens the suppression store and all stores, and keeps other requests out.
async fn open(
    task: &Task<Erase>,
    settings: &Settings,
    key: HashKey,
) -> Result<(Suppression, Vec<Site>, Events), Error> {
    let mut suppression = Suppression::open(&task.spec.suppression.url, key, &task.region).await?;
    let mut sites = site::open(settings, Purpose::Write).await?;
    for site in &mut sites {
        suppression.is_apart(&mut site.store).await?;
    }
    suppression.prepare().await?;
    for site in &mut sites {
        begin::ready(site).await?;
    }
    let events = Events::open(&task.spec, &mut suppression).await?;
    Ok((suppression, sites, events))
}

/// A run's name, and the latest of the stores' clocks: no row that is there now came later.
async fn name(sites: &mut [Site]) -> Result<(String, Timestamp), Error> {
    let (mut id, mut now) = (String::new(), Timestamp::MIN);
    for site in sites {
        now = now.max(site.store.now().await?);
        let sql = "SELECT gen_random_uuid()::text";
        let row = sqlx::query(sql).fetch_one(&mut site.store.connection).await;
        id = row
            .and_then(|row| row.try_get(0))
            .map_err(Fault::of("name the run"))
            .map_err(error::failed(&site.store))?;
    }
    Ok((id, now))
}

/// What the task says of the stores.
fn spec_hash(spec: &Erase) -> String {
    let bytes = serde_json::to_vec(&(&spec.identities, &spec.stores)).unwrap_or_default();
    format!("sha256-{}", hex::encode(Sha256::digest(bytes)))
}

/// Ends at once when asked to stop: what has not committed has not happened.
async fn stoppable<T>(
    stop: &Stop,
    work: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    tokio::select! {
        biased;
        () = stop.requested() => Err(RunError::Stopped.into()),
        done = work => done,
    }
}
