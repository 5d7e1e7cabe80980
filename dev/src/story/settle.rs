//! Waiting for the world to become what it should be, with the reason when it does not.

use std::time::{Duration, Instant};

use serde_json::Value;

use super::{Error, Result};
use crate::fleet::Cluster;

/// How soon the world is looked at again.
const SOONEST: Duration = Duration::from_millis(300);
/// How late, at most.
const LATEST: Duration = Duration::from_millis(1_500);

/// How long to pause where something has been waited for so long already: a tenth of that, as each look costs a process of
/// `kubectl`, which what is waited for could use.
#[must_use]
pub fn pause(waited: Duration) -> Duration {
    (waited / 10).clamp(SOONEST, LATEST)
}

/// Reads one object, or `None` when it isn't there.
pub async fn get(
    cluster: &Cluster,
    kind: &str,
    namespace: Option<&str>,
    name: &str,
) -> Result<Option<Value>> {
    let mut args = vec!["get", kind, name, "-o", "json", "--ignore-not-found"];
    if let Some(namespace) = namespace {
        args.extend(["-n", namespace]);
    }
    let text = cluster.kubectl(&args).await?;
    if text.trim().is_empty() {
        return Ok(None);
    }
    serde_json::from_str(&text)
        .map(Some)
        .map_err(|source| Error::Answer {
            what: format!("{kind} {name}"),
            source,
        })
}

/// Waits until `check` finds what it looks for; its `Err` says what is still missing.
pub async fn until<T, F, Fut>(what: &str, limit: Duration, check: F) -> Result<T>
where
    F: Fn() -> Fut,
    Fut: Future<Output = Result<std::result::Result<T, String>>>,
{
    let begun = Instant::now();
    let end = begun + limit;
    loop {
        let missing = match check().await {
            Ok(Ok(found)) => return Ok(found),
            Ok(Err(missing)) => missing,
            Err(error) if Instant::now() > end => return Err(error),
            Err(error) => error.to_string(),
        };
        if Instant::now() > end {
            return Err(Error::Waited {
                what: what.to_owned(),
                limit,
                missing,
            });
        }
        tokio::time::sleep(pause(begun.elapsed())).await;
    }
}

/// A condition of an object: its status, reason and message.
#[must_use]
pub fn condition<'a>(object: &'a Value, kind: &str) -> Option<(&'a str, &'a str, &'a str)> {
    let conditions = object.pointer("/status/conditions")?.as_array()?;
    let found = conditions.iter().find(|c| c["type"] == kind)?;
    Some((
        found["status"].as_str().unwrap_or_default(),
        found["reason"].as_str().unwrap_or_default(),
        found["message"].as_str().unwrap_or_default(),
    ))
}

/// Waits until an object's condition is `True` for its present generation.
pub async fn condition_true(
    cluster: &Cluster,
    (kind, namespace, name): (&str, Option<&str>, &str),
    wanted: &str,
    limit: Duration,
) -> Result<Value> {
    until(&format!("{kind} {name}: {wanted}"), limit, || async {
        let Some(object) = get(cluster, kind, namespace, name).await? else {
            return Ok(Err("it is not there".into()));
        };
        let current =
            object.pointer("/metadata/generation") == object.pointer("/status/observedGeneration");
        Ok(match condition(&object, wanted) {
            Some(("True", ..)) if current => Ok(object),
            Some((status, reason, message)) => {
                Err(format!("{wanted}={status} {reason}: {message}"))
            }
            None => Err(format!("no condition {wanted} yet")),
        })
    })
    .await
}
