//! What can go wrong with one write, as status tells it and as the retry decision reads it.

use std::time::Duration;

use thiserror::Error;

use super::child::{ChildKind, ChildRef};
use crate::status::Trouble;

/// When to try again, if nothing wakes us before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Again {
    /// Somebody must act, and no watch would tell: look again after minutes.
    Later,
    /// A passing fault: after the object's own growing delay.
    Soon,
}

/// Why a write was not done.
#[derive(Debug, Error)]
pub(crate) enum Fault {
    /// Something of that name is there and not ours.
    #[error("an object of that name is there and {whose}")]
    Stranger {
        /// Whose it is, for a person.
        whose: String,
    },
    /// It isn't known what is there.
    #[error("what is there could not be read")]
    Unseen {
        /// Why.
        why: String,
    },
    /// What was to be changed has gone, has been replaced, or is on its way out.
    #[error("it changed while it was being written")]
    Moved,
    /// The API server refused or failed.
    #[error("the API server refused the write")]
    Api(#[source] Box<kube::core::Status>),
    /// No answer that makes sense.
    #[error("the API server gave no usable answer")]
    Transport(#[source] kube::Error),
    /// No answer in time.
    #[error("no answer within {0:?}")]
    Timeout(Duration),
    /// The credentials to copy could not be read on the hub, or are not those that the plan saw.
    #[error("the credentials on the hub could not be read as planned")]
    Credentials(#[source] crate::resolve::SecretsError),
    /// Another process leads now: nothing may be written.
    #[error("another process leads")]
    NotLeading,
    /// Our own object cannot be written as JSON: a bug of ours.
    #[error("the object cannot be written as JSON")]
    Serialise(#[source] serde_json::Error),
}

impl From<kube::Error> for Fault {
    fn from(error: kube::Error) -> Self {
        match error {
            kube::Error::Api(status) => Self::Api(status),
            other => Self::Transport(other),
        }
    }
}

impl Fault {
    /// When to try again.
    pub(crate) fn again(&self) -> Again {
        match self {
            Self::Stranger { .. } | Self::Unseen { .. } | Self::Serialise(_) => Again::Later,
            Self::Moved
            | Self::Transport(_)
            | Self::Timeout(_)
            | Self::Credentials(_)
            | Self::NotLeading => Again::Soon,
            Self::Api(status) => match status.code {
                400 | 401 | 403 | 404 | 405 | 415 | 422 => Again::Later,
                _ => Again::Soon,
            },
        }
    }

    /// As status tells it. None for what mends itself at the next look.
    pub(crate) fn trouble(&self, id: &ChildRef) -> Option<Trouble> {
        let (reason, message) = match self {
            Self::Moved | Self::NotLeading => return None,
            Self::Stranger { whose } => (
                "Conflict".to_owned(),
                format!(
                    "an object of that name is there, and {whose}: Tradewind does not take it over; rename or delete it"
                ),
            ),
            Self::Unseen { why } => ("Unreadable".to_owned(), why.clone()),
            Self::Api(status) => refused(status, id),
            Self::Transport(_) => (
                "Unavailable".to_owned(),
                "the cluster's API server gave no usable answer; it is tried again".to_owned(),
            ),
            Self::Timeout(after) => (
                "Timeout".to_owned(),
                format!("no answer within {} s; it is tried again", after.as_secs()),
            ),
            Self::Credentials(error) => ("CredentialsUnreadable".to_owned(), error.to_string()),
            Self::Serialise(_) => (
                "Bug".to_owned(),
                "the object could not be written as JSON; please report this".to_owned(),
            ),
        };
        Some(Trouble {
            object: id.to_string(),
            reason,
            message,
        })
    }
}

/// The API server's own words, where they can hold no secret.
fn refused(status: &kube::core::Status, id: &ChildRef) -> (String, String) {
    let terminating = status
        .details
        .iter()
        .flat_map(|d| &d.causes)
        .any(|cause| cause.reason == "NamespaceTerminating");
    if terminating {
        let message = format!(
            "namespace {} is being deleted: nothing is made in it",
            id.namespace
        );
        return ("NamespaceTerminating".to_owned(), message);
    }
    let words = if id.kind == ChildKind::Secret {
        format!("the API server answered {}", status.code)
    } else {
        status.message.chars().take(300).collect()
    };
    let (reason, message) = match status.code {
        403 => (
            "Forbidden",
            format!("{words}; bind the rules of the chart's role Region in this namespace"),
        ),
        404 => (
            "NotFound",
            format!(
                "{words}; if the namespace is missing: kubectl create namespace {}",
                id.namespace
            ),
        ),
        400 | 422 => (
            "Invalid",
            format!(
                "{words}; a field that cannot be changed needs the object deleted by hand, and it is made anew"
            ),
        ),
        429 | 500.. => (
            "Unavailable",
            format!("the API server answered {}; it is tried again", status.code),
        ),
        _ => ("Refused", words),
    };
    (reason.to_owned(), message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(kind: ChildKind) -> ChildRef {
        ChildRef {
            kind,
            namespace: "aurora".into(),
            name: "x".into(),
        }
    }

    fn api(code: u16) -> Fault {
        let mut status = kube::core::Status::failure("value \"hunter2\" is wrong", "Why").boxed();
        status.code = code;
        Fault::Api(status)
    }

    #[test]
    fn what_a_person_must_mend_is_not_retried_hot() {
        for code in [400, 403, 404, 422] {
            assert_eq!(api(code).again(), Again::Later, "{code}");
        }
        for code in [409, 429, 500, 503, 504] {
            assert_eq!(api(code).again(), Again::Soon, "{code}");
        }
    }

    #[test]
    fn what_the_server_says_of_a_secret_is_not_repeated() {
        let of = |kind| api(422).trouble(&id(kind)).unwrap().message;
        assert!(of(ChildKind::Deployment).contains("hunter2"));
        assert!(!of(ChildKind::Secret).contains("hunter2"));
    }

    #[test]
    fn a_terminating_namespace_is_called_so() {
        let Fault::Api(mut status) = api(403) else {
            unreachable!()
        };
        status.details = Some(
            serde_json::from_value(
                serde_json::json!({"causes": [{"reason": "NamespaceTerminating"}]}),
            )
            .unwrap(),
        );
        let trouble = Fault::Api(status)
            .trouble(&id(ChildKind::ConfigMap))
            .unwrap();
        assert_eq!(trouble.reason, "NamespaceTerminating");
    }
}
