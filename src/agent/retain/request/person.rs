//! A person, by the values that they are known by, in memory only.
//!
//! In: `age` ciphertext and the region's key. Out: a [`Person`]; and what it is once tables led from one value to
//! another, as ciphertext again. Nothing here shows a value: not `Debug`, no error.

use std::collections::BTreeMap;
use std::path::Path;

use age::x25519;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::{Zeroize as _, Zeroizing};

use super::error::Error;
use super::settings::Kinds;

/// A longer ciphertext holds no person's values.
const MOST_BYTES: u64 = 64 * 1024;
/// So many values of a kind, and so long a value, are no single person's.
const MOST_VALUES: usize = 100;
const MOST_VALUE_BYTES: usize = 1024;

/// What every `age` file begins with.
const MAGIC: &[u8] = b"age-encryption.org/v1";

/// A person's values, by kind, each in its normal form.
pub(super) struct Person(BTreeMap<String, Vec<String>>);

impl std::fmt::Debug for Person {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Person")
    }
}

impl Drop for Person {
    fn drop(&mut self) {
        for values in self.0.values_mut() {
            values.zeroize();
        }
    }
}

/// The region's key, from the file that [`super::key::generate`] wrote.
pub(super) fn key(path: &Path) -> Result<x25519::Identity, Error> {
    let text = std::fs::read_to_string(path).map_err(|source| Error::Unreadable {
        what: "request.key",
        source,
    })?;
    let text = Zeroizing::new(text);
    let mut lines = text.lines().map(str::trim);
    let secret = lines.find(|line| !line.is_empty() && !line.starts_with('#'));
    secret
        .and_then(|line| line.parse().ok())
        .ok_or(Error::KeyInvalid)
}

/// Why ciphertext stays closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::agent::retain) enum Closed {
    /// The region's key is not there.
    NoKey,
    /// It is no ciphertext to that key.
    NotForKey,
}

/// What was encrypted to the region's key, whose file may be missing.
pub(in crate::agent::retain) fn opened(
    path: Option<&Path>,
    bytes: &[u8],
) -> Result<Zeroizing<Vec<u8>>, Closed> {
    let key = path.and_then(|path| key(path).ok());
    let key = key.ok_or(Closed::NoKey)?;
    decrypted(bytes, &key).map_err(|_| Closed::NotForKey)
}

/// From ciphertext, as it is or in base64.
fn decrypted(bytes: &[u8], key: &x25519::Identity) -> Result<Zeroizing<Vec<u8>>, Error> {
    let decoded;
    let bytes = if bytes.starts_with(MAGIC) {
        bytes
    } else {
        let text: Vec<u8> = bytes
            .iter()
            .copied()
            .filter(|byte| !byte.is_ascii_whitespace())
            .collect();
        let no = |_| Error::IdentityInvalid("is neither `age` ciphertext nor its base64");
        decoded = STANDARD.decode(text).map_err(no)?;
        decoded.as_slice()
    };
    let plain = age::decrypt(key, bytes).map_err(|_| Error::IdentityNotForKey)?;
    Ok(Zeroizing::new(plain))
}

impl Person {
    /// What a task gives.
    pub(super) fn given(path: &Path, key: &x25519::Identity, kinds: &Kinds) -> Result<Self, Error> {
        let unreadable = |source| Error::Unreadable {
            what: "request.identity",
            source,
        };
        if std::fs::metadata(path).map_err(unreadable)?.len() > MOST_BYTES {
            return Err(Error::IdentityInvalid("is longer than 64 KiB"));
        }
        let bytes = std::fs::read(path).map_err(unreadable)?;
        let person = Self::decrypt(&bytes, key)?;
        person.normal(kinds)
    }

    /// From ciphertext, as it is or in base64.
    pub(super) fn decrypt(bytes: &[u8], key: &x25519::Identity) -> Result<Self, Error> {
        let plain = decrypted(bytes, key)?;
        // What serde says of a wrong value may quote it.
        serde_json::from_slice(&plain).map(Self).map_err(|_| {
            Error::IdentityInvalid("is no JSON object with a list of texts for each kind")
        })
    }

    /// Checked against the task's kinds, each value in its normal form.
    fn normal(mut self, kinds: &Kinds) -> Result<Self, Error> {
        let mut some = false;
        for (kind, values) in &mut self.0 {
            // The name is not told: somebody may have put a value in its place.
            let Some(ignore_case) = kinds.get(kind) else {
                return Err(Error::IdentityInvalid(
                    "has a kind that is not among `identities`",
                ));
            };
            if values.len() > MOST_VALUES {
                return Err(Error::IdentityInvalid("has more than 100 values of a kind"));
            }
            for value in &mut *values {
                if value.is_empty() || value.len() > MOST_VALUE_BYTES || value.contains('\0') {
                    return Err(Error::IdentityInvalid(
                        "has a value that is empty, longer than 1 KiB or holds a zero byte",
                    ));
                }
                if *ignore_case {
                    value.make_ascii_lowercase();
                }
            }
            *values = once(std::mem::take(values));
            some |= !values.is_empty();
        }
        if some {
            Ok(self)
        } else {
            Err(Error::IdentityInvalid("has no value at all"))
        }
    }

    /// Ciphertext to the region's own key.
    pub(super) fn encrypt(&self, key: &x25519::Identity) -> Result<Vec<u8>, Error> {
        let plain = Zeroizing::new(serde_json::to_vec(&self.0).map_err(|_| Error::Encrypt)?);
        age::encrypt(&key.to_public(), &plain).map_err(|_| Error::Encrypt)
    }

    /// The values of a kind.
    pub(super) fn of(&self, kind: &str) -> &[String] {
        self.0.get(kind).map_or(&[], Vec::as_slice)
    }

    /// All values with their kinds, in order.
    pub(super) fn all(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().flat_map(|(kind, values)| {
            values
                .iter()
                .map(move |value| (kind.as_str(), value.as_str()))
        })
    }

    /// Adds a value that a table led to; answers whether it is new.
    pub(super) fn learn(&mut self, kind: &str, mut value: String, ignore_case: bool) -> bool {
        if ignore_case {
            value.make_ascii_lowercase();
        }
        let values = self.0.entry(kind.to_owned()).or_default();
        if value.is_empty() || values.contains(&value) {
            value.zeroize();
            return false;
        }
        values.push(value);
        true
    }
}

/// Each value once, in their order: spelt twice, it is one.
fn once(values: Vec<String>) -> Vec<String> {
    let mut unique: Vec<String> = Vec::new();
    for mut value in values {
        if unique.contains(&value) {
            value.zeroize();
        } else {
            unique.push(value);
        }
    }
    unique
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds() -> Kinds {
        [("email".to_owned(), true), ("customerId".to_owned(), false)].into()
    }

    fn read(plain: &[u8], as_base64: bool) -> Result<Person, String> {
        let key = x25519::Identity::generate();
        let mut bytes = age::encrypt(&key.to_public(), plain).unwrap();
        if as_base64 {
            bytes = STANDARD.encode(bytes).into_bytes();
            bytes.push(b'\n');
        }
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("identity");
        std::fs::write(&path, bytes).unwrap();
        Person::given(&path, &key, &kinds()).map_err(|error| error.to_string())
    }

    #[test]
    fn ciphertext_is_read_as_it_is_and_in_base64() {
        for as_base64 in [false, true] {
            let person = read(
                br#"{"email": ["Ann@Mail.example"], "customerId": ["A7"]}"#,
                as_base64,
            );
            let person = person.unwrap();
            assert_eq!(person.of("email"), ["ann@mail.example"]);
            assert_eq!(person.of("customerId"), ["A7"]);
            assert_eq!(format!("{person:?}"), "Person");
        }
    }

    #[test]
    fn a_value_that_is_given_twice_is_one() {
        let plain = br#"{"email": ["b@x", "Ann@X", "ann@x", "b@x"], "customerId": ["A7", "a7"]}"#;
        let person = read(plain, false).unwrap();
        assert_eq!(person.of("email"), ["b@x", "ann@x"]);
        assert_eq!(person.of("customerId"), ["A7", "a7"]);
    }

    #[test]
    fn what_is_no_person_is_refused_without_quoting_it() {
        for plain in [
            "ann@mail.example",
            r#"{"email": "ann@mail.example"}"#,
            r#"{"email": [7]}"#,
            r#"{"ann@mail.example": ["x"]}"#,
            r#"{"email": [""]}"#,
            r#"{"email": []}"#,
            "{}",
            "{\"email\": [\"ann@mail.example\\u0000\"]}",
        ] {
            let said = read(plain.as_bytes(), false).unwrap_err();
            assert!(!said.contains("ann"), "{said}");
        }
    }

    #[test]
    fn another_key_is_told_apart_from_no_ciphertext() {
        let key = x25519::Identity::generate();
        let other = age::encrypt(&x25519::Identity::generate().to_public(), b"{}").unwrap();
        assert!(matches!(
            Person::decrypt(&other, &key),
            Err(Error::IdentityNotForKey)
        ));
        assert!(matches!(
            Person::decrypt(b"ann@x", &key),
            Err(Error::IdentityInvalid(_))
        ));
    }

    #[test]
    fn a_person_comes_back_from_its_own_ciphertext() {
        let key = x25519::Identity::generate();
        let mut person = read(br#"{"email": ["ann@x"]}"#, false).unwrap();
        assert!(person.learn("customerId", "7".into(), false));
        assert!(!person.learn("customerId", "7".into(), false));
        let back = Person::decrypt(&person.encrypt(&key).unwrap(), &key).unwrap();
        assert!(back.all().eq([("customerId", "7"), ("email", "ann@x")]));
    }
}
