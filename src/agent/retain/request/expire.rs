//! A copy that was delivered is taken away when it has expired: the same task, with `--lift`. So is what there is of one whose
//! request has ended before: the task says `withdrawn`.
//!
//! In: a task whose request is for access or portability, without the person. Out: none of the copy's objects is in the
//! bucket, the manifest last. Nothing but what begins with the delivery's own key is touched, and nothing before its time.

use jiff::Timestamp;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt as _};
use serde::Deserialize;

use super::answer::Answer;
use super::deliver::refused;
use super::error::Error;
use super::settings;
use crate::agent::feed::destination;
use crate::contract::{EraseReport, Outcome, RequestState, SubjectRequest};

/// More tables than any task has.
const MOST_FILES: usize = 10_000;
/// So many names in a row without an object, and there are no more: a rule of the bucket may have taken some.
const GAP: usize = 32;

/// What the manifest says of the copy.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Manifest {
    expires_at: Timestamp,
    files: Vec<File>,
}

#[derive(Deserialize)]
struct File {
    object: String,
}

/// Takes the copy away.
pub(super) async fn remove(request: &SubjectRequest, now: Timestamp) -> Result<Answer, Error> {
    let delivery = request.delivery.as_ref().ok_or(settings::Error::Delivery)?;
    let place = destination::place(&delivery.destination).map_err(|error| refused(&error))?;
    let (bucket, object) = (place.0.as_ref(), place.1);
    let path = destination::beside(&object, "manifest.json");
    let files = match read(bucket, &path).await? {
        Some(bytes) => {
            let manifest: Manifest = serde_json::from_slice(&bytes).map_err(|_| strange(&path))?;
            if manifest.expires_at > now && !delivery.withdrawn {
                return Err(early(manifest.expires_at));
            }
            let mut files = listed(&object, &manifest).ok_or_else(|| strange(&path))?;
            // An attempt before it, that was ended in its midst, may have had more tables.
            let more = there(bucket, &object).await?.into_iter();
            let more: Vec<Path> = more.filter(|file| !files.contains(file)).collect();
            files.extend(more);
            files
        }
        // A rule of the bucket took the manifest first, or a pod was killed after it.
        None => there(bucket, &object).await?,
    };
    for file in &files {
        delete(bucket, file).await?;
    }
    delete(bucket, &path).await?;
    for file in files.iter().chain([&path]) {
        if is_there(bucket, file).await? {
            return Err(kept(file));
        }
    }
    let body = EraseReport {
        request: request.reference.clone(),
        state: RequestState::Removed,
        removed_at: Some(now.to_string()),
        ..EraseReport::default()
    };
    let why = if delivery.withdrawn {
        "the copy was withdrawn"
    } else {
        "the copy has expired"
    };
    let message = format!("{why}, and nothing of it is in its bucket any more");
    Ok(Answer::done("CopyRemoved", message, body))
}

/// The objects that a manifest names; none where one is not the copy's.
fn listed(object: &Path, manifest: &Manifest) -> Option<Vec<Path>> {
    let own = format!("{object}.");
    let files = manifest.files.iter();
    let files = files.map(|file| {
        let is_own = file.object.starts_with(&own) && file.object.strip_suffix(".age").is_some();
        Path::parse(&file.object).ok().filter(|_| is_own)
    });
    files.collect()
}

/// The objects of a copy that are there, by the names that they have.
async fn there(bucket: &dyn ObjectStore, object: &Path) -> Result<Vec<Path>, Error> {
    let mut files = vec![destination::beside(object, "json.age")];
    let mut missing = 0_usize;
    for number in 1..MOST_FILES {
        let file = destination::beside(object, &format!("{number}.csv.age"));
        if is_there(bucket, &file).await? {
            missing = 0;
            files.push(file);
            continue;
        }
        missing = missing.saturating_add(1);
        if missing == GAP {
            break;
        }
    }
    // The last first: whoever is killed here finds the others again.
    files.reverse();
    Ok(files)
}

async fn read(bucket: &dyn ObjectStore, path: &Path) -> Result<Option<Vec<u8>>, Error> {
    let got = async { bucket.get(path).await?.bytes().await };
    match got.await {
        Ok(bytes) => Ok(Some(bytes.to_vec())),
        Err(object_store::Error::NotFound { .. }) => Ok(None),
        Err(error) => Err(refused(&destination::failed(&error))),
    }
}

async fn is_there(bucket: &dyn ObjectStore, path: &Path) -> Result<bool, Error> {
    match bucket.head(path).await {
        Ok(_) => Ok(true),
        Err(object_store::Error::NotFound { .. }) => Ok(false),
        Err(error) => Err(refused(&destination::failed(&error))),
    }
}

async fn delete(bucket: &dyn ObjectStore, path: &Path) -> Result<(), Error> {
    match bucket.delete(path).await {
        Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
        Err(error) => Err(refused(&destination::failed(&error))),
    }
}

fn strange(path: &Path) -> Error {
    Error::Removal {
        what: format!("`{path}` is no manifest of a copy of this request: see what writes there"),
        outcome: Outcome::Refused,
        reason: "DestinationInvalid",
    }
}

fn early(until: Timestamp) -> Error {
    Error::Removal {
        what: format!("it has not expired: it may be there until {until}"),
        outcome: Outcome::Retry,
        reason: "CopyNotExpired",
    }
}

fn kept(path: &Path) -> Error {
    Error::Removal {
        what: format!(
            "the bucket took the order and has `{path}` all the same: see what locks its objects"
        ),
        outcome: Outcome::Retry,
        reason: "CopyLocked",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_copys_own_objects_are_named() {
        let listed = |files: &[&str]| {
            let files = files.iter().map(|file| File {
                object: (*file).to_owned(),
            });
            let manifest = Manifest {
                expires_at: Timestamp::MIN,
                files: files.collect(),
            };
            listed(&Path::from("dsr/1"), &manifest).map(|files| files.len())
        };
        assert_eq!(listed(&["dsr/1.json.age", "dsr/1.1.csv.age"]), Some(2));
        assert_eq!(listed(&[]), Some(0));
        for stranger in [
            "dsr/11.json.age",
            "feeds/eu.csv",
            "dsr/1.json",
            "dsr/1.../../x.age",
            "",
        ] {
            assert_eq!(listed(&["dsr/1.json.age", stranger]), None, "{stranger}");
        }
    }
}
