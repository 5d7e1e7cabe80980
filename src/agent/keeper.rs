//! `keep-key`: find the region's key for requests, or make it.
//!
//! In: a task with a Secret's name. Out: a report with the public half of an `age` key. The private half, and the key of
//! the hashes in the suppression store, are made here and stay in a Secret that the hub has no right to read. It must
//! never make a key over another: what was encrypted to the old one could not be read any more, and whoever was erased
//! could not be found.

use age::secrecy::ExposeSecret as _;
use age::x25519;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use zeroize::Zeroizing;

pub use super::custody::Options;
use super::custody::{self, Custody, Place};
use super::report::Shrink;
use super::{Begun, Stop};
use crate::contract::{KeepKey, KeepKeyReport, Outcome, Report, Task};

/// Keys of the Secret's data; `erase` mounts the first two.
const IDENTITY: &str = "identity.key";
const HASHES: &str = "suppression.key";
const RECIPIENT: &str = "recipient";
const REGION: &str = "region";

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
enum Error {
    /// The Secret cannot be had.
    #[error(transparent)]
    Custody(#[from] custody::Error),
    /// What the Secret holds is no key of this region.
    #[error(
        "Secret {secret} holds no key of this region ({what}): look who wrote to it, and bring it back from where the region \
         keeps its keys; without it no identity that was sent can be read, and nobody who was erased is found again"
    )]
    KeyUnreadable { secret: String, what: &'static str },
    /// The operating system has no randomness to give.
    #[error("no randomness for a key")]
    NoRandomness,
    /// SIGTERM.
    #[error("stopped before a key was found or made")]
    Stopped,
}

impl Error {
    fn reason(&self) -> &'static str {
        match self {
            Self::Custody(error) => error.reason(),
            Self::KeyUnreadable { .. } => "KeyUnreadable",
            Self::NoRandomness => "NoRandomness",
            Self::Stopped => "Stopped",
        }
    }

    fn outcome(&self) -> Outcome {
        match self {
            Self::Custody(error) => error.outcome(),
            Self::KeyUnreadable { .. } => Outcome::Refused,
            Self::NoRandomness | Self::Stopped => Outcome::Retry,
        }
    }
}

impl Shrink for KeepKeyReport {
    fn shrink(&mut self) -> bool {
        false
    }
}

/// Finds the key, or makes it.
pub async fn run(task: Task<KeepKey>, options: Options, stop: Stop) -> Report<KeepKeyReport> {
    let begun = Begun::now("keep-key");
    let kept = tokio::select! {
        kept = keep(&task, &options) => kept,
        () = stop.requested() => Err(Error::Stopped),
    };
    match kept {
        Ok(report) => {
            let what = if report.is_new { "made" } else { "found" };
            let message = format!("the region's key for requests was {what}");
            begun.ended(Outcome::Done, "Done", &message, Some(report))
        }
        Err(error) => {
            let message = super::error_chain(&error);
            begun.ended(error.outcome(), error.reason(), &message, None)
        }
    }
}

async fn keep(task: &Task<KeepKey>, options: &Options) -> Result<KeepKeyReport, Error> {
    let custody = Custody::open(&Place {
        credentials: &options.credentials,
        api_server: task.spec.api_server.as_deref(),
        secret: &task.spec.secret,
    })?;
    if let Some(secret) = custody.read().await? {
        let recipient = read(&secret, &task.region).map_err(|what| Error::KeyUnreadable {
            secret: custody.secret().to_owned(),
            what,
        })?;
        let is_new = false;
        return Ok(KeepKeyReport { recipient, is_new });
    }
    let (body, recipient) = made(custody.secret(), &task.region)?;
    custody.create(&body).await?;
    tracing::info!(recipient, "a key was made for the region's requests");
    let is_new = true;
    Ok(KeepKeyReport { recipient, is_new })
}

/// The public half; the error says what is wrong with the Secret, never what it holds.
fn read(secret: &Value, region: &str) -> Result<String, &'static str> {
    let data = |key: &str| -> Option<Zeroizing<Vec<u8>>> {
        let text = secret.get("data")?.get(key)?.as_str()?;
        Some(Zeroizing::new(STANDARD.decode(text).ok()?))
    };
    let text = data(IDENTITY).ok_or("`identity.key` is missing")?;
    let text = std::str::from_utf8(&text).map_err(|_| "`identity.key` is no text")?;
    let mut lines = text.lines().map(str::trim);
    let line = lines.find(|line| !line.is_empty() && !line.starts_with('#'));
    let identity: Option<x25519::Identity> = line.and_then(|line| line.parse().ok());
    let identity = identity.ok_or("`identity.key` is no `age` key")?;
    let hashes = data(HASHES).ok_or("`suppression.key` is missing")?;
    let mut bytes = Zeroizing::new([0_u8; 32]);
    let digits = hashes.trim_ascii();
    hex::decode_to_slice(digits, &mut *bytes)
        .map_err(|_| "`suppression.key` is not 64 hexadecimal digits")?;
    // One that a person brought need not name its region; one of another region is a mistake.
    if data(REGION).is_some_and(|told| told.as_slice() != region.as_bytes()) {
        return Err("`region` is another");
    }
    Ok(identity.to_public().to_string())
}

/// A new Secret, and the public half.
fn made(name: &str, region: &str) -> Result<(Value, String), Error> {
    let identity = x25519::Identity::generate();
    let recipient = identity.to_public().to_string();
    let secret = identity.to_string();
    let text = Zeroizing::new(format!("{}\n", secret.expose_secret()));
    let mut bytes = Zeroizing::new([0_u8; 32]);
    let provider = rustls::crypto::ring::default_provider();
    let filled = provider.secure_random.fill(&mut *bytes);
    filled.map_err(|_| Error::NoRandomness)?;
    let hashes = Zeroizing::new(hex::encode(bytes.as_slice()));
    let encode = |bytes: &[u8]| STANDARD.encode(bytes);
    let body = json!({
        "apiVersion": "v1", "kind": "Secret", "type": "Opaque", "metadata": {"name": name},
        "data": {
            IDENTITY: encode(text.as_bytes()),
            HASHES: encode(hashes.as_bytes()),
            RECIPIENT: encode(recipient.as_bytes()),
            REGION: encode(region.as_bytes()),
        },
    });
    Ok((body, recipient))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_read_as_it_was_made() {
        let (body, recipient) = made("x", "eu").unwrap();
        assert_eq!(read(&body, "eu").unwrap(), recipient);
        assert!(recipient.starts_with("age1"));
        let other = made("x", "eu").unwrap().0;
        assert_ne!(
            body["data"][HASHES], other["data"][HASHES],
            "a key of its own"
        );
    }

    #[test]
    fn what_is_no_key_of_the_region_is_named_without_its_value() {
        for (field, what) in [
            (IDENTITY, "`identity.key`"),
            (HASHES, "`suppression.key`"),
            (REGION, "`region`"),
        ] {
            let mut body = made("x", "eu").unwrap().0;
            body["data"][field] = "bm8=".into();
            let told = read(&body, "eu").unwrap_err();
            assert!(told.starts_with(what), "{field}: {told}");
        }
    }

    #[test]
    fn one_that_a_person_brought_is_taken() {
        let (mut body, recipient) = made("x", "eu").unwrap();
        let data = body["data"].as_object_mut().unwrap();
        data.remove(REGION);
        data.remove(RECIPIENT);
        assert_eq!(read(&body, "eu").unwrap(), recipient);
    }
}
