//! One attempt to deliver: the signed POST, and what its answer means.

use std::time::Duration;

use jiff::Timestamp;
use reqwest::StatusCode;
use reqwest::header::{CONTENT_TYPE, HeaderMap, RETRY_AFTER};
use reqwest::redirect::Policy;

use super::signature::Keys;
use super::store::{Head, State};

/// A sink answers within this time, or the attempt has failed.
pub(super) const TIMEOUT: Duration = Duration::from_secs(10);

/// A sink that does not even connect is not worth the rest of the time.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Of an answer's body so much is read, so that the connection can be used again.
const ANSWER_BYTES: usize = 64 * 1024;

/// How long and how often an event is tried.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// Wait after the first failure; doubles with each.
    pub(super) first_retry: Duration,
    /// Longest wait: a sink that is back gets its events within this time.
    pub(super) longest_retry: Duration,
    /// Attempts in all before an event is given up, while the sink is away or busy.
    pub(super) attempts: u32,
    /// Attempts in all before an event that the sink refuses is given up: its subject waits behind it.
    pub(super) refused_attempts: u32,
}

/// Attempts so far, none of which was taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::agent) struct Failed {
    /// All of them.
    pub(in crate::agent) all: u32,
    /// Those that a refusal is judged by.
    pub(in crate::agent) refused: u32,
}

impl Failed {
    /// Where nobody counts refusals apart, one is judged by all attempts.
    pub(super) fn any(all: u32) -> Self {
        Self { all, refused: all }
    }
}

/// What came of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// A status, and how long the sink asked to wait.
    Status(StatusCode, Option<Duration>),
    /// No connection: refused, no such name, TLS that does not match.
    NoConnection,
    /// No answer in time.
    Timeout,
    /// The connection broke.
    Broken,
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Verdict {
    /// What becomes of the event.
    pub(super) state: State,
    /// When its subject may be tried again.
    pub(super) wait: Duration,
}

impl Answer {
    /// For the store: a status or one of three words.
    pub(super) fn word(self) -> String {
        match self {
            Self::Status(status, _) => status.as_u16().to_string(),
            Self::NoConnection => "no connection".to_owned(),
            Self::Timeout => "timeout".to_owned(),
            Self::Broken => "broken".to_owned(),
        }
    }

    /// Whether the sink itself said no, to this event and not to the moment.
    pub(super) fn is_refusal(self) -> bool {
        match self {
            Self::Status(status, _) => {
                !status.is_success()
                    && !status.is_server_error()
                    && !matches!(
                        status,
                        StatusCode::REQUEST_TIMEOUT
                            | StatusCode::CONFLICT
                            | StatusCode::TOO_EARLY
                            | StatusCode::TOO_MANY_REQUESTS
                    )
            }
            Self::NoConnection | Self::Timeout | Self::Broken => false,
        }
    }
}

/// Decides on an event that failed so often before this answer.
pub(super) fn verdict(answer: Answer, failed: Failed, limits: &Limits) -> Verdict {
    let (before, most) = match answer {
        Answer::Status(status, _) if status.is_success() => {
            return Verdict {
                state: State::Delivered,
                wait: Duration::ZERO,
            };
        }
        answer if answer.is_refusal() => (failed.refused, limits.refused_attempts),
        _ => (failed.all, limits.attempts),
    };
    if before.saturating_add(1) >= most || failed.all.saturating_add(1) >= limits.attempts {
        return Verdict {
            state: State::Dead,
            wait: Duration::ZERO,
        };
    }
    let doubled = limits
        .first_retry
        .saturating_mul(2u32.saturating_pow(failed.all));
    let asked = match answer {
        Answer::Status(_, after) => after.unwrap_or_default(),
        _ => Duration::ZERO,
    };
    // A sink may ask for more time than we would give, but not for ever.
    Verdict {
        state: State::Pending,
        wait: doubled.max(asked).min(limits.longest_retry),
    }
}

/// A client for all sinks. Redirects are answers, not addresses: a signed event goes where the task says.
pub(super) fn client() -> reqwest::Result<reqwest::Client> {
    reqwest::Client::builder()
        .redirect(Policy::none())
        .connect_timeout(CONNECT_TIMEOUT)
        .timeout(TIMEOUT)
        .user_agent(concat!("tradewind-agent/", env!("CARGO_PKG_VERSION")))
        .build()
}

/// Sends `head` to `url`, signed with every valid key.
pub(super) async fn send(
    client: &reqwest::Client,
    url: &reqwest::Url,
    keys: &Keys,
    head: Head,
) -> Answer {
    ask(client, url, keys, head, 0).await.0
}

/// The same, and the answer's body, if it is no longer than `most` bytes.
pub(super) async fn ask(
    client: &reqwest::Client,
    url: &reqwest::Url,
    keys: &Keys,
    head: Head,
    most: usize,
) -> (Answer, Vec<u8>) {
    let timestamp = Timestamp::now().as_second();
    let signature = keys.sign_standard(&head.webhook_id, timestamp, &head.body);
    let result = client
        .post(url.clone())
        .header(CONTENT_TYPE, "application/json")
        .header("webhook-id", &head.webhook_id)
        .header("webhook-timestamp", timestamp)
        .header("webhook-signature", signature)
        .body(head.body)
        .send()
        .await;
    match result {
        Ok(mut response) => {
            let answer = Answer::Status(response.status(), retry_after(response.headers()));
            let (mut read, mut kept) = (0, Vec::new());
            while read <= ANSWER_BYTES {
                match response.chunk().await {
                    Ok(Some(chunk)) => {
                        read += chunk.len();
                        if read <= most {
                            kept.extend_from_slice(&chunk);
                        }
                    }
                    // Half of what it says is not what it says.
                    Err(_) if most > 0 => return (Answer::Broken, Vec::new()),
                    Ok(None) | Err(_) => break,
                }
            }
            if read > most {
                kept.clear();
            }
            (answer, kept)
        }
        Err(error) if error.is_connect() => (Answer::NoConnection, Vec::new()),
        Err(error) if error.is_timeout() => (Answer::Timeout, Vec::new()),
        Err(_) => (Answer::Broken, Vec::new()),
    }
}

/// `Retry-After` in seconds; its form as a date is rare, and the backoff does without.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    headers
        .get(RETRY_AFTER)?
        .to_str()
        .ok()?
        .trim()
        .parse()
        .ok()
        .map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const LIMITS: Limits = Limits {
        first_retry: Duration::from_secs(1),
        longest_retry: Duration::from_mins(5),
        attempts: 20,
        refused_attempts: 5,
    };

    fn status(code: u16) -> Answer {
        Answer::Status(StatusCode::from_u16(code).unwrap(), None)
    }

    #[test]
    fn only_success_delivers() {
        for code in [200, 201, 202, 204, 299] {
            assert_eq!(
                verdict(status(code), Failed::any(3), &LIMITS).state,
                State::Delivered,
                "{code}"
            );
        }
        for code in [301, 302, 400, 401, 404, 410, 408, 409, 425, 429, 500, 503] {
            assert_eq!(
                verdict(status(code), Failed::any(3), &LIMITS).state,
                State::Pending,
                "{code}"
            );
        }
    }

    #[test]
    fn a_refusal_is_given_up_sooner_than_an_absence() {
        for (answer, dies_at) in [
            (status(400), 5),
            (status(301), 5),
            (status(410), 5),
            (status(408), 20),
            (status(409), 20),
            (status(425), 20),
            (status(429), 20),
            (status(500), 20),
            (Answer::NoConnection, 20),
            (Answer::Timeout, 20),
            (Answer::Broken, 20),
        ] {
            assert_eq!(
                verdict(answer, Failed::any(dies_at - 2), &LIMITS).state,
                State::Pending,
                "{answer:?}"
            );
            assert_eq!(
                verdict(answer, Failed::any(dies_at - 1), &LIMITS).state,
                State::Dead,
                "{answer:?}"
            );
        }
    }

    #[test]
    fn who_was_away_is_not_given_up_for_one_refusal() {
        for (all, refused, state) in [
            (18, 0, State::Pending),
            (18, 3, State::Pending),
            (18, 4, State::Dead),
            (19, 0, State::Dead),
        ] {
            let failed = Failed { all, refused };
            assert_eq!(
                verdict(status(404), failed, &LIMITS).state,
                state,
                "{failed:?}"
            );
        }
    }

    #[test]
    fn waits_double_up_to_the_longest() {
        let waits: Vec<u64> = (0..12)
            .map(|failed| {
                verdict(Answer::Timeout, Failed::any(failed), &LIMITS)
                    .wait
                    .as_secs()
            })
            .collect();
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300]);
    }

    #[test]
    fn a_sink_may_ask_for_more_time_within_bounds() {
        let asked = |seconds| {
            Answer::Status(
                StatusCode::TOO_MANY_REQUESTS,
                Some(Duration::from_secs(seconds)),
            )
        };
        assert_eq!(
            verdict(asked(60), Failed::any(0), &LIMITS).wait,
            Duration::from_mins(1)
        );
        assert_eq!(
            verdict(asked(0), Failed::any(0), &LIMITS).wait,
            Duration::from_secs(1)
        );
        assert_eq!(
            verdict(asked(86_400), Failed::any(0), &LIMITS).wait,
            Duration::from_mins(5)
        );
    }

    proptest! {
        #[test]
        fn every_event_ends(code in 100u16..1000, failed in any::<u32>()) {
            let found = verdict(status(code), Failed::any(failed), &LIMITS);
            prop_assert!(found.wait <= LIMITS.longest_retry);
            if failed >= LIMITS.attempts {
                prop_assert_ne!(found.state, State::Pending);
            }
        }
    }
}
