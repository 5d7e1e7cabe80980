//! Keyed hashes: of a person's values in the suppression store, of rows in the books.
//!
//! In: a file with the key. Out: HMAC-SHA256. With the key destroyed, no hash can be told from another person's.

use std::path::Path;

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use super::error::Error;

/// A key of fewer bytes can be guessed; of more, it adds nothing.
const KEY_BYTES: usize = 32;

/// The key of a region's hashes.
#[derive(Clone)]
pub(super) struct HashKey {
    mac: Hmac<Sha256>,
    /// Says which key a hash was made with, and nothing of it.
    pub(super) id: String,
}

impl std::fmt::Debug for HashKey {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "HashKey {}", self.id)
    }
}

impl HashKey {
    /// Reads 64 hexadecimal digits.
    pub(super) fn read(path: &Path) -> Result<Self, Error> {
        let text = std::fs::read_to_string(path).map_err(|source| Error::Unreadable {
            what: "suppression.key",
            source,
        })?;
        let text = Zeroizing::new(text);
        let mut bytes = Zeroizing::new([0_u8; KEY_BYTES]);
        hex::decode_to_slice(text.trim(), &mut *bytes).map_err(|_| Error::HashKeyInvalid)?;
        Self::new(&bytes)
    }

    fn new(bytes: &[u8; KEY_BYTES]) -> Result<Self, Error> {
        let mac = Hmac::new_from_slice(bytes).map_err(|_| Error::HashKeyInvalid)?;
        let id = Sha256::new()
            .chain_update(b"tradewind suppression key\0")
            .chain_update(bytes)
            .finalize();
        let id = hex::encode(id.get(..8).unwrap_or_default());
        Ok(Self { mac, id })
    }

    /// Over parts, each with its length: no two lists of parts read the same.
    fn over<'a>(&self, parts: impl IntoIterator<Item = &'a [u8]>) -> Vec<u8> {
        let mut mac = self.mac.clone();
        for part in parts {
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part);
        }
        mac.finalize().into_bytes().to_vec()
    }

    /// Of a person's value.
    pub(super) fn value(&self, kind: &str, value: &str) -> Vec<u8> {
        self.over([b"value".as_slice(), kind.as_bytes(), value.as_bytes()])
    }

    /// Of a row, by its key.
    pub(super) fn row(&self, store: &str, table: &str, key: &[String]) -> Vec<u8> {
        let named = [b"row".as_slice(), store.as_bytes(), table.as_bytes()];
        self.over(named.into_iter().chain(key.iter().map(String::as_bytes)))
    }

    /// A name for something of ours that tells nothing of it: 32 hexadecimal digits.
    pub(super) fn word(&self, what: &str, parts: &[&str]) -> String {
        let parts = parts.iter().map(|part| part.as_bytes());
        let hash = self.over([what.as_bytes()].into_iter().chain(parts));
        hex::encode(hash.get(..16).unwrap_or_default())
    }

    /// Of all that a task gives of a person.
    pub(super) fn given<'a>(&self, all: impl Iterator<Item = (&'a str, &'a str)>) -> Vec<u8> {
        let parts = all.flat_map(|(kind, value)| [kind.as_bytes(), value.as_bytes()]);
        self.over([b"given".as_slice()].into_iter().chain(parts))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_depends_on_the_key_the_kind_and_the_value() {
        let key = HashKey::new(&[1; 32]).unwrap();
        let one = key.value("email", "ann@x");
        assert_eq!(one, key.clone().value("email", "ann@x"));
        assert_ne!(one, key.value("phone", "ann@x"));
        assert_ne!(one, key.value("emaila", "nn@x"));
        let other = HashKey::new(&[2; 32]).unwrap();
        assert_ne!(one, other.value("email", "ann@x"));
        assert_ne!(key.id, other.id);
        let row = |key_of: &[&str]| {
            let parts: Vec<String> = key_of.iter().map(|&part| part.to_owned()).collect();
            key.row("s", "t", &parts)
        };
        assert_ne!(row(&["1", "23"]), row(&["12", "3"]));
    }

    /// Hashes outlive this program: what they are made of is fixed.
    #[test]
    fn the_function_is_hmac_sha256_over_parts_with_their_lengths() {
        let key = HashKey::new(&[0x0b; 32]).unwrap();
        let mut mac = Hmac::<Sha256>::new_from_slice(&[0x0b; 32]).unwrap();
        for part in [b"value".as_slice(), b"email", b"ann@x"] {
            mac.update(&u64::try_from(part.len()).unwrap().to_be_bytes());
            mac.update(part);
        }
        assert_eq!(
            key.value("email", "ann@x"),
            mac.finalize().into_bytes().to_vec()
        );
    }

    #[test]
    fn a_key_is_sixty_four_digits() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        for (text, is) in [
            ("ab".repeat(32) + "\n", true),
            ("ab".repeat(31), false),
            ("zz".repeat(32), false),
        ] {
            std::fs::write(&path, text).unwrap();
            assert_eq!(HashKey::read(&path).is_ok(), is);
        }
    }
}
