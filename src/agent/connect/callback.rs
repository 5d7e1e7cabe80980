//! A signed POST to somebody who is no sink: one attempt, and what its answer means.
//!
//! In: an address, the file with its key, a message. Out: whether it was taken, in the words of a delivery, and what the
//! answer's body says. Neither body is in any log or error.

use std::path::Path;
use std::time::Duration;

pub(in crate::agent) use super::attempt::Failed;
use super::attempt::{self, Limits};
use super::secret::Secret;
use super::signature::Keys;
use super::store::{Head, State};

/// How long somebody who does not take it is asked again; a refusal is given up sooner.
const LIMITS: Limits = Limits {
    first_retry: Duration::from_secs(1),
    longest_retry: Duration::from_secs(4),
    attempts: 500,
    refused_attempts: 20,
};

/// A longer answer says nothing that anybody asked for.
const ANSWER_BYTES: usize = 4 * 1024;

/// Why nobody can be asked.
#[derive(Debug, thiserror::Error)]
pub(in crate::agent) enum Error {
    /// The key is not there, or none.
    #[error("its signing key is not usable")]
    Secret(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The address is none.
    #[error("its address is no URL such as https://erp.aurora.example/privacy")]
    Url,
    /// The HTTP client could not be built: no TLS roots, for one.
    #[error("cannot set up the HTTP client")]
    Client(#[source] reqwest::Error),
}

impl Error {
    /// In place of an answer.
    pub(in crate::agent) fn word(&self) -> &'static str {
        match self {
            Self::Secret(_) => "no key",
            Self::Url => "no address",
            Self::Client(_) => "no client",
        }
    }
}

/// What came of an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::agent) struct Reply {
    /// Taken, given up, or to be tried again.
    pub(in crate::agent) ending: Ending,
    /// Whether that was a refusal, of this message and not of the moment.
    pub(in crate::agent) is_refusal: bool,
    /// An HTTP status, or a word of ours.
    pub(in crate::agent) answer: String,
    /// The answer's body, of one that took it; empty when it was too long.
    pub(in crate::agent) body: Vec<u8>,
    /// How long to wait before the next attempt.
    pub(in crate::agent) wait: Duration,
}

/// What becomes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::agent) enum Ending {
    /// It was taken.
    Taken,
    /// It is to be tried again.
    Again,
    /// It is given up.
    GivenUp,
}

/// Somebody to call.
pub(in crate::agent) struct Callback {
    client: reqwest::Client,
    url: reqwest::Url,
    keys: Secret<Keys>,
}

impl Callback {
    /// Reads its key; asks nobody.
    pub(in crate::agent) fn open(url: &str, secret: &Path) -> Result<Self, Error> {
        Ok(Self {
            client: attempt::client().map_err(Error::Client)?,
            url: url.parse().map_err(|_| Error::Url)?,
            keys: Secret::open(secret, Keys::standard)
                .map_err(|error| Error::Secret(Box::new(error)))?,
        })
    }

    /// Keyed hashes of a text, one for each key that is valid now.
    pub(in crate::agent) fn hashes(&self, text: &str) -> Vec<String> {
        self.keys.current().hashes(text)
    }

    /// One attempt, after those that failed. `id` is the same for all attempts of a message.
    pub(in crate::agent) async fn call(&self, id: &str, body: Vec<u8>, failed: Failed) -> Reply {
        let head = Head {
            position: 0,
            attempts: 0,
            webhook_id: id.to_owned(),
            body,
            opted_out: false,
        };
        let keys = self.keys.current();
        let asked = attempt::ask(&self.client, &self.url, &keys, head, ANSWER_BYTES);
        let (answer, body) = asked.await;
        let verdict = attempt::verdict(answer, failed, &LIMITS);
        let ending = match verdict.state {
            State::Delivered => Ending::Taken,
            State::Pending => Ending::Again,
            // No verdict on an answer is that a person opted out.
            State::Dead | State::OptedOut => Ending::GivenUp,
        };
        Reply {
            ending,
            is_refusal: answer.is_refusal(),
            answer: answer.word(),
            body,
            wait: verdict.wait,
        }
    }
}
