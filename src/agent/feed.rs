//! `feed`: read the catalogue, write the platform's file.
//!
//! In: the task, a catalogue of any size. Out: an object that is whole or untouched, its manifest, a report.
//! Items pass one at a time: memory does not grow with the catalogue. It must never put an item's text into a
//! log, an error or the report.

pub(super) mod destination;
mod gather;
mod guard;
mod item;
mod language;
mod money;
mod outcome;
mod reason;
mod row;
mod sort;
mod source;
mod spool;
mod text;

use jiff::Timestamp;
use sha2::{Digest as _, Sha256};

use self::destination::{Destination, Manifest, Previous, Rejected};
use self::gather::{Gather, Gathered};
use self::outcome::Error;
use self::row::Layout;
use self::source::{Body, Opened, Parse};
use super::{Begun, Stop, error_chain};
use crate::contract::{Feed, FeedReport, Outcome, Report, Task};

/// Runs one feed.
pub async fn run(task: Task<Feed>, stop: Stop) -> Report<FeedReport> {
    let begun = Begun::now("feed");
    let mut body = FeedReport::default();
    match feed(&task, &stop, &mut body).await {
        Ok(()) => {
            let message = told(&body);
            begun.ended(Outcome::Done, "Done", &message, Some(body))
        }
        Err(error) => {
            let (outcome, reason) = error.verdict();
            begun.ended(outcome, reason, &error_chain(&error), Some(body))
        }
    }
}

/// The feed from first to last; `body` gets the figures as they become known.
async fn feed(task: &Task<Feed>, stop: &Stop, body: &mut FeedReport) -> Result<(), Error> {
    let layout = Layout::new(&task.spec).map_err(Error::Layout)?;
    let destination = Destination::open(&task.spec.destination).map_err(Error::Destination)?;
    // Before the catalogue is read: a store that is not there is known at once.
    let previous = unless(stop, destination.previous())
        .await?
        .map_err(Error::Destination)?;
    let source = unless(stop, source::open(&task.spec.source))
        .await?
        .map_err(Error::Source)?;
    let gathered = gather(source, layout, stop).await?;
    body.items = gathered.feed_tally.items;
    body.rejected = gathered.rejected_tally.items;
    body.rejections.clone_from(&gathered.named);
    body.fallbacks = gathered.fallbacks;
    body.hash.clone_from(&gathered.feed_tally.hash);
    body.bytes = gathered.feed_tally.bytes;
    guard::check(&task.spec, body, previous.as_ref()).map_err(Error::Shrink)?;
    body.written = publish(task, &destination, previous.as_ref(), gathered, stop).await?;
    destination.object().clone_into(&mut body.object);
    Ok(())
}

/// The work's result, or the wish to stop.
async fn unless<T>(stop: &Stop, work: impl Future<Output = T>) -> Result<T, Error> {
    tokio::select! {
        done = work => Ok(done),
        () = stop.requested() => Err(Error::Stopped),
    }
}

/// Streams the source through the layout onto disk. Parsing has a thread of its own; the network feeds it.
async fn gather(source: Opened, layout: Layout, stop: &Stop) -> Result<Gathered, Error> {
    let grammar = source.grammar();
    let (sender, body) = Body::new();
    let mut gather = Gather::new(layout, &std::env::temp_dir(), stop.clone());
    let parsing = tokio::task::spawn_blocking(move || {
        let parsed = grammar.parse(body, &mut |item| gather.take(&item));
        (gather, parsed)
    });
    let pumping = async move {
        tokio::select! {
            pumped = source.pump(sender.clone()) => pumped,
            // The parser has seen enough: a slow source is not waited for.
            () = sender.closed() => Ok(()),
        }
    };
    let pumped = unless(stop, pumping).await;
    let (mut gather, parsed) = parsing.await.map_err(Error::Worker)?;
    // The line first: a document that broke off is not malformed.
    pumped?.map_err(Error::Source)?;
    match parsed {
        Ok(()) => {}
        Err(Parse::Invalid(invalid)) => return Err(Error::Malformed { what: invalid }),
        Err(Parse::Halted) => {
            return Err(gather.failure().map_or(Error::Stopped, Error::Disk));
        }
    }
    tokio::task::spawn_blocking(move || gather.finish())
        .await
        .map_err(Error::Worker)?
        .map_err(Error::Disk)
}

/// Brings the store up to the gathered files; true when the object was written. A run that dies anywhere in
/// between leaves whole objects, and a manifest whose tags tell the next run which of them it is about.
async fn publish(
    task: &Task<Feed>,
    destination: &Destination,
    previous: Option<&Previous>,
    gathered: Gathered,
    stop: &Stop,
) -> Result<bool, Error> {
    let Gathered {
        mut feed,
        feed_tally,
        mut rejected,
        rejected_tally,
        ..
    } = gathered;
    let is_there = previous.and_then(|previous| previous.hash.as_ref()) == Some(&feed_tally.hash);
    let list_is_there =
        previous.and_then(|previous| previous.rejected.as_ref()) == Some(&rejected_tally.hash);
    if is_there && list_is_there && previous.is_some_and(|previous| previous.is_described) {
        return Ok(false);
    }
    let e_tag = if is_there {
        previous.and_then(|previous| previous.e_tag.clone())
    } else {
        let expected = feed_tally.clone();
        let written = destination.write_object(move |take| feed.write(&expected, take), stop);
        written.await.map_err(Error::Destination)?
    };
    let expected = rejected_tally.clone();
    let list_tag = destination
        .write_rejected(move |take| rejected.write(&expected, take), stop)
        .await
        .map_err(Error::Destination)?;
    let manifest = Manifest {
        version: Manifest::VERSION,
        object: destination.object().to_owned(),
        region: task.region.clone(),
        settings: task.spec.settings.clone(),
        mode: task.spec.mode,
        items: feed_tally.items,
        bytes: feed_tally.bytes,
        hash: feed_tally.hash,
        e_tag,
        written_at: Timestamp::now().to_string(),
        spec: hash_of(&task.spec),
        rejected: Rejected {
            object: destination.rejected().to_owned(),
            items: rejected_tally.items,
            hash: rejected_tally.hash,
            e_tag: list_tag,
        },
    };
    let written = destination.write_manifest(&manifest).await;
    written.map_err(Error::Destination)?;
    Ok(!is_there)
}

/// The hash of the spec that a file was made by. A spec of strings and numbers always serialises.
fn hash_of(spec: &Feed) -> String {
    let bytes = serde_json::to_vec(spec).unwrap_or_default();
    spool::sha256(Sha256::new_with_prefix(bytes))
}

/// What a finished run says.
fn told(body: &FeedReport) -> String {
    let FeedReport {
        items, rejected, ..
    } = body;
    let done = if body.written {
        "written"
    } else {
        "already there, byte for byte"
    };
    let aside = match rejected {
        0 => String::new(),
        _ => format!(
            "; {rejected} rejected, listed in `{}.rejected.csv`",
            body.object
        ),
    };
    format!("{items} items {done}{aside}")
}
