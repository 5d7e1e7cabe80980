//! The values by which a scope holds rows, from a mounted file: in clear, or as `age` ciphertext to the region's key.
//!
//! In: files. Out: the values, in memory only. No error shows one, and ciphertext is never taken for a value.

use std::path::Path;

use serde_json::Value;
use zeroize::Zeroizing;

use super::request::{Closed, opened};
use crate::contract::{HoldScope, SEALED, held_values};

/// What ciphertext begins with, and what it begins and ends with as lines of text.
const MAGIC: &[u8] = b"age-encryption.org/v1";
const BEGIN: &[u8] = b"-----BEGIN AGE ENCRYPTED FILE-----";
const END: &[u8] = b"-----END AGE ENCRYPTED FILE-----";

/// Why a scope has no values.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    /// The file with values is not there.
    #[error("scope `{scope}`: cannot read its values: mount the Secret that valuesSecretRef names")]
    Unreadable {
        scope: String,
        #[source]
        source: std::io::Error,
    },
    /// The file holds no list.
    #[error(
        "scope `{scope}`: its Secret's key must hold one value a line, or a JSON array of texts and numbers, and one at least"
    )]
    Invalid { scope: String },
    /// Ciphertext where the hub could not know that the region's key is needed.
    #[error(
        "scope `{scope}`: its values are `age` ciphertext, and the key of valuesSecretRef does not end in `.age`: add a scope whose key does"
    )]
    Unnamed { scope: String },
    /// Nothing to read ciphertext by.
    #[error(
        "scope `{scope}`: its values are `age` ciphertext, and the region has no key of its own to read them by: write `spec.requests` into the Region and wait for its key, or add a scope with values in clear, whose key does not end in `.age`"
    )]
    KeyMissing { scope: String },
    /// Ciphertext to another region's key, or none.
    #[error(
        "scope `{scope}`: its values are no `age` ciphertext to this region's key: make its Secret by `tradewind hold values` for this Region"
    )]
    NotForKey { scope: String },
}

impl Error {
    /// In one word.
    pub(super) fn reason(&self) -> &'static str {
        match self {
            Self::Unreadable { .. } => "ValuesUnreadable",
            Self::Invalid { .. } | Self::Unnamed { .. } => "ValuesInvalid",
            Self::KeyMissing { .. } => "ValuesKeyMissing",
            Self::NotForKey { .. } => "ValuesNotForKey",
        }
    }
}

/// A scope's values; `key` is the file with the region's key, where the task has one.
pub(super) fn read(
    scope: &HoldScope,
    file: &Path,
    key: Option<&Path>,
) -> Result<Vec<Value>, Error> {
    let name = || scope.name.clone();
    let bytes = std::fs::read(file).map_err(|source| Error::Unreadable {
        scope: name(),
        source,
    })?;
    let bytes = Zeroizing::new(bytes);
    let is_sealed = file.to_string_lossy().ends_with(SEALED);
    let text = match (is_sealed, plain_armour(&bytes)) {
        (false, None) if !bytes.starts_with(MAGIC) => bytes,
        (false, _) => return Err(Error::Unnamed { scope: name() }),
        (true, armour) => {
            let sealed = armour.unwrap_or(&bytes);
            opened(key, sealed).map_err(|closed| match closed {
                Closed::NoKey => Error::KeyMissing { scope: name() },
                Closed::NotForKey => Error::NotForKey { scope: name() },
            })?
        }
    };
    let values = std::str::from_utf8(&text).ok().and_then(held_values);
    values.ok_or_else(|| Error::Invalid { scope: name() })
}

/// What stands between the first and the last line of ciphertext as text: base64.
fn plain_armour(bytes: &[u8]) -> Option<&[u8]> {
    let inner = bytes.trim_ascii().strip_prefix(BEGIN)?;
    Some(inner.strip_suffix(END).unwrap_or(inner))
}

#[cfg(test)]
mod tests {
    use super::*;
    use age::secrecy::ExposeSecret as _;
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;

    /// What a scope reads of a file of that name, with the region's key or without.
    fn told(
        name: &str,
        bytes: &[u8],
        key: Option<&age::x25519::Identity>,
    ) -> Result<String, String> {
        let dir = tempfile::tempdir().unwrap();
        let (file, key_file) = (dir.path().join(name), dir.path().join("identity.key"));
        std::fs::write(&file, bytes).unwrap();
        if let Some(key) = key {
            std::fs::write(&key_file, key.to_string().expose_secret()).unwrap();
        }
        let scope = serde_json::from_str(r#"{"name": "plaintiffs"}"#).unwrap();
        let read = read(&scope, &file, Some(&key_file));
        let read = read.map(|values| Value::Array(values).to_string());
        read.map_err(|error| {
            let said = crate::agent::error_chain(&error);
            assert!(
                !said.contains("ann") && said.contains("`plaintiffs`"),
                "{said}"
            );
            error.reason().to_owned()
        })
    }

    #[test]
    fn ciphertext_to_the_regions_key_is_read_in_each_of_its_forms() {
        let key = age::x25519::Identity::generate();
        let sealed = age::encrypt(&key.to_public(), b"ann@x\n7\n").unwrap();
        let text = STANDARD.encode(&sealed);
        let armour = format!(
            "-----BEGIN AGE ENCRYPTED FILE-----\n{text}\n-----END AGE ENCRYPTED FILE-----\n"
        );
        for form in [sealed.as_slice(), text.as_bytes(), armour.as_bytes()] {
            let wanted = Ok(r#"["ann@x","7"]"#.to_owned());
            assert_eq!(told("ids.age", form, Some(&key)), wanted);
            // Without the region's key, or with another's.
            let reason = |reason: &str| Err(reason.to_owned());
            assert_eq!(told("ids.age", form, None), reason("ValuesKeyMissing"));
            let other = age::x25519::Identity::generate();
            assert_eq!(
                told("ids.age", form, Some(&other)),
                reason("ValuesNotForKey")
            );
        }
        // Where the hub was told of none, it is no list of values either.
        for form in [sealed.as_slice(), armour.as_bytes()] {
            assert_eq!(
                told("ids", form, Some(&key)),
                Err("ValuesInvalid".to_owned())
            );
        }
        let clear = told("ids.age", b"ann@x", Some(&key));
        assert_eq!(clear, Err("ValuesNotForKey".to_owned()));
        let none = age::encrypt(&key.to_public(), b" \n").unwrap();
        assert_eq!(
            told("ids.age", &none, Some(&key)),
            Err("ValuesInvalid".to_owned())
        );
        let clear = told("ids", b"ann@x", None);
        assert_eq!(clear, Ok(r#"["ann@x"]"#.to_owned()));
    }
}
