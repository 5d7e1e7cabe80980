//! Reads the task and refuses what it does not fully understand, by name.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::contract::{Task, VERSION};

/// Why a task is refused. None of them passes by itself: somebody must change the task or the image.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file is not there or not readable.
    #[error("cannot read the task `{path}`")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file is not JSON, or not an object with `version` and `command`.
    #[error("the task `{path}` is not a JSON object with `version` and `command`")]
    Header {
        /// The file.
        path: PathBuf,
        /// Where it ends to be one.
        source: serde_json::Error,
    },
    /// Written for another agent.
    #[error(
        "`version` is {found}, but this agent understands only {VERSION}: use the image of the operator's own release"
    )]
    Version {
        /// The task's version.
        found: u64,
    },
    /// Written for another command.
    #[error("`command` is `{found}`, but the agent was started as `{expected}`")]
    Command {
        /// The task's command.
        found: String,
        /// The command line's.
        expected: &'static str,
    },
    /// A field is missing, unknown or of the wrong type.
    #[error("`{field}` is wrong: {reason}")]
    Field {
        /// Path of the field, `spec.sinks[0].url`.
        field: String,
        /// What is wrong; names fields and types, never a value of a secret, for a task holds none.
        reason: String,
    },
}

/// What every version of a task has had and will have.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Header {
    version: u64,
    command: String,
}

/// Reads the task at `path` for the command `expected`.
///
/// # Errors
/// When the file cannot be read, or is not a task of this version for this command.
pub fn load<S: DeserializeOwned>(path: &Path, expected: &'static str) -> Result<Task<S>, Error> {
    let bytes = std::fs::read(path).map_err(|source| Error::Read {
        path: path.to_owned(),
        source,
    })?;
    // The header first: a task of another version deserves that answer, not one about a strange field.
    let header: Header = serde_json::from_slice(&bytes).map_err(|source| Error::Header {
        path: path.to_owned(),
        source,
    })?;
    if header.version != u64::from(VERSION) {
        return Err(Error::Version {
            found: header.version,
        });
    }
    if header.command != expected {
        return Err(Error::Command {
            found: header.command,
            expected,
        });
    }
    let mut json = serde_json::Deserializer::from_slice(&bytes);
    serde_path_to_error::deserialize(&mut json).map_err(|error| Error::Field {
        field: error.path().to_string(),
        reason: error.into_inner().to_string(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::Feed;

    fn refusal(json: &str) -> String {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("task.json");
        std::fs::write(&path, json).unwrap();
        load::<Feed>(&path, "feed").unwrap_err().to_string()
    }

    #[test]
    fn another_version_is_refused_before_its_fields_are_looked_at() {
        let message = refusal(r#"{"version": 2, "command": "feed", "strange": true}"#);
        assert!(message.starts_with("`version` is 2"), "{message}");
    }

    #[test]
    fn another_command_is_refused() {
        let message = refusal(r#"{"version": 1, "command": "retain", "region": "r", "spec": {}}"#);
        assert_eq!(
            message,
            "`command` is `retain`, but the agent was started as `feed`"
        );
    }

    #[test]
    fn a_wrong_field_is_named_with_its_path() {
        let message = refusal(
            r#"{"version": 1, "command": "feed", "region": "r", "spec": {"channel": {"namespace": 3}}}"#,
        );
        assert!(
            message.starts_with("`spec.channel.namespace` is wrong: invalid type"),
            "{message}"
        );
    }

    #[test]
    fn an_unknown_field_is_named() {
        let message = refusal(r#"{"version": 1, "command": "feed", "regions": "r"}"#);
        assert!(message.contains("unknown field `regions`"), "{message}");
    }

    #[test]
    fn an_absent_file_is_named() {
        let error = load::<Feed>(Path::new("/does/not/exist.json"), "feed").unwrap_err();
        assert_eq!(
            error.to_string(),
            "cannot read the task `/does/not/exist.json`"
        );
    }
}
