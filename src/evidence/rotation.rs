//! A key names the one that comes after it. Without that whoever writes records could name a key of their own: what signs
//! a chain sees hashes, and not what they are of.

use super::body::{KeyRotation, Named};
use super::canonical::{self, Object, Value};
use super::key::{KeyId, Signature, Signer};

const ROTATION: &[u8] = b"tradewind.dev/evidence/rotation/v1\n";

/// The key that signs a region's chain names the next one.
#[must_use]
pub fn name(signer: &Signer, region: &str, key: KeyId) -> KeyRotation {
    let by = signer.key();
    let signature = signer.sign(&statement(region, by, key));
    KeyRotation {
        key,
        named: Some(Named { by, signature }),
    }
}

fn statement(region: &str, by: KeyId, key: KeyId) -> Vec<u8> {
    let object = Object::from([
        ("by".to_owned(), Value::Text(by.to_string())),
        ("key".to_owned(), Value::Text(key.to_string())),
        ("region".to_owned(), Value::Text(region.to_owned())),
    ]);
    [ROTATION, &canonical::encode(&object)].concat()
}

impl KeyRotation {
    /// Whether this key named the next one, for this region.
    #[must_use]
    pub fn is_named_by(&self, by: KeyId, region: &str) -> bool {
        let signed = |signature: &Signature| by.signed(&statement(region, by, self.key), signature);
        let named = self.named.as_ref().filter(|named| named.by == by);
        named.is_some_and(|named| signed(&named.signature))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_named_for_one_region_by_one_key() {
        let (old, other) = (Signer::new(&[1; 32]), Signer::new(&[2; 32]));
        let next = Signer::new(&[3; 32]).key();
        let made = name(&old, "eu", next);
        assert!(made.is_named_by(old.key(), "eu"));
        assert!(!made.is_named_by(old.key(), "us"));
        assert!(!made.is_named_by(other.key(), "eu"));
        let stolen = KeyRotation {
            key: other.key(),
            ..made.clone()
        };
        assert!(!stolen.is_named_by(old.key(), "eu"));
        let mut claimed = made;
        claimed.named.as_mut().unwrap().by = other.key();
        assert!(!claimed.is_named_by(other.key(), "eu"));
        assert!(
            !KeyRotation {
                key: next,
                named: None
            }
            .is_named_by(old.key(), "eu")
        );
    }
}
