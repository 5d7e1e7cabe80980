//! Signatures of packs: facts that somebody outside vouches for.

use std::fmt;
use std::str::FromStr;

use super::key::{KeyId, Signature, Signer};

const DOMAIN: &str = "tradewind.dev/pack/v1\n";

/// A signature under a pack with the key that made it: `ed25519-<64 hex> <128 hex>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PackSignature {
    /// The public key.
    pub key: KeyId,
    /// Its signature.
    pub signature: Signature,
}

/// What is no such line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "no line of a public key (ed25519- and 64 hexadecimal digits), a space, and a signature (128)"
)]
pub struct NoSignature;

impl PackSignature {
    /// Signs the text of a pack under its name, `regimes.yaml`: one file's signature is never another's.
    #[must_use]
    pub fn sign(signer: &Signer, file: &str, text: &str) -> Self {
        Self {
            key: signer.key(),
            signature: signer.sign(&statement(file, text)),
        }
    }

    /// Whether it is its key's, under this very text.
    #[must_use]
    pub fn fits(&self, file: &str, text: &str) -> bool {
        self.key.signed(&statement(file, text), &self.signature)
    }
}

/// What is signed: a word that says what for, the name, the text. Any program that knows ed25519 can make it.
fn statement(file: &str, text: &str) -> Vec<u8> {
    [DOMAIN, file, "\n", text].concat().into_bytes()
}

impl fmt::Display for PackSignature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.key, self.signature)
    }
}

impl FromStr for PackSignature {
    type Err = NoSignature;

    fn from_str(text: &str) -> Result<Self, NoSignature> {
        let (key, signature) = text.trim().split_once(' ').ok_or(NoSignature)?;
        let key = key.parse().map_err(|_| NoSignature)?;
        let signature = signature.trim_start().parse().map_err(|_| NoSignature)?;
        Ok(Self { key, signature })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_of_one_key_one_name_and_one_text() {
        let signer = Signer::new(&[7; 32]);
        let made = PackSignature::sign(&signer, "regimes.yaml", "a: 1\n");
        let read: PackSignature = format!("{made}\n").parse().unwrap();
        assert_eq!(read, made);
        assert!(read.fits("regimes.yaml", "a: 1\n"));
        assert!(!read.fits("regimes.yaml", "a: 1"));
        assert!(!read.fits("platforms.yaml", "a: 1\n"));
        let other = PackSignature {
            key: Signer::new(&[8; 32]).key(),
            ..read
        };
        assert!(!other.fits("regimes.yaml", "a: 1\n"));
        for wrong in ["", "ed25519-00 00", &made.key.to_string(), "x y"] {
            assert_eq!(wrong.parse::<PackSignature>(), Err(NoSignature), "{wrong}");
        }
    }
}
