//! Signatures over a chain: its region's own, and those of other regions that saw it grow.
//!
//! A signature speaks of one record by its hash, and through the chain of every record before it, so few are enough.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::canonical::{self, Object};
use super::chain::Tip;
use super::key::{KeyId, Signature, Signer};

const CHECKPOINT: &[u8] = b"tradewind.dev/evidence/checkpoint/v1\n";
const COUNTERSIGNATURE: &[u8] = b"tradewind.dev/evidence/countersignature/v1\n";

/// A region's signature over its own chain, up to a record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Checkpoint {
    /// When it was signed.
    pub at: Timestamp,
    /// The public key.
    pub key: KeyId,
    /// Whose chain.
    pub region: String,
    /// Over all fields but itself.
    pub signature: Signature,
    /// How far.
    pub tip: Tip,
}

/// Another region's signature over a chain, up to a record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Countersignature {
    /// When it was signed.
    pub at: Timestamp,
    /// Who signed.
    pub by: String,
    /// The public key of who signed.
    pub key: KeyId,
    /// What that region had countersigned before, of which this is an extension; absent for the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<Tip>,
    /// Whose chain.
    pub region: String,
    /// Over all fields but itself.
    pub signature: Signature,
    /// How far.
    pub tip: Tip,
}

/// Signs a region's own chain.
pub fn checkpoint(
    signer: &Signer,
    region: &str,
    tip: Tip,
    at: Timestamp,
) -> Result<Checkpoint, canonical::Error> {
    let mut made = Checkpoint {
        at,
        key: signer.key(),
        region: region.to_owned(),
        signature: Signature([0; 64]),
        tip,
    };
    made.signature = signer.sign(&made.statement()?);
    Ok(made)
}

/// Who countersigns whose chain.
#[derive(Clone, Copy, Debug)]
pub struct Witness<'a> {
    /// The region that signs.
    pub by: &'a str,
    /// The region whose chain it is.
    pub region: &'a str,
    /// What `by` had countersigned of it before. The caller has proved the extension: see [`super::extend`].
    pub previous: Option<Tip>,
}

/// Signs another region's chain.
pub fn countersign(
    signer: &Signer,
    witness: Witness<'_>,
    tip: Tip,
    at: Timestamp,
) -> Result<Countersignature, canonical::Error> {
    let mut made = Countersignature {
        at,
        by: witness.by.to_owned(),
        key: signer.key(),
        previous: witness.previous,
        region: witness.region.to_owned(),
        signature: Signature([0; 64]),
        tip,
    };
    made.signature = signer.sign(&made.statement()?);
    Ok(made)
}

/// What is signed: all fields but the signature, behind a word that says what for.
fn statement<T: Serialize>(domain: &[u8], made: &T) -> Result<Vec<u8>, canonical::Error> {
    let mut object: Object = canonical::object(made)?;
    object.remove("signature");
    Ok([domain, &canonical::encode(&object)].concat())
}

/// The bytes of a signature's object.
fn spelling<T: Serialize>(made: &T) -> Result<Vec<u8>, canonical::Error> {
    Ok(canonical::encode(&canonical::object(made)?))
}

fn parse<T: Serialize + serde::de::DeserializeOwned>(bytes: &[u8]) -> Result<T, canonical::Error> {
    let made: T = serde_json::from_slice(bytes).map_err(canonical::Error::Value)?;
    if spelling(&made)? == bytes {
        Ok(made)
    } else {
        Err(canonical::Error::Spelling)
    }
}

impl Checkpoint {
    fn statement(&self) -> Result<Vec<u8>, canonical::Error> {
        statement(CHECKPOINT, self)
    }

    /// Its one spelling.
    pub fn canonical(&self) -> Result<Vec<u8>, canonical::Error> {
        spelling(self)
    }

    /// The checkpoint of exactly these bytes.
    pub fn parse(bytes: &[u8]) -> Result<Self, canonical::Error> {
        parse(bytes)
    }

    /// Whether its key signed it. Whether that key is to be trusted is another question.
    #[must_use]
    pub fn is_signed(&self) -> bool {
        self.statement()
            .is_ok_and(|statement| self.key.signed(&statement, &self.signature))
    }
}

impl Countersignature {
    fn statement(&self) -> Result<Vec<u8>, canonical::Error> {
        statement(COUNTERSIGNATURE, self)
    }

    /// Its one spelling.
    pub fn canonical(&self) -> Result<Vec<u8>, canonical::Error> {
        spelling(self)
    }

    /// The countersignature of exactly these bytes.
    pub fn parse(bytes: &[u8]) -> Result<Self, canonical::Error> {
        parse(bytes)
    }

    /// Whether its key signed it. Whether that key is to be trusted is another question.
    #[must_use]
    pub fn is_signed(&self) -> bool {
        self.statement()
            .is_ok_and(|statement| self.key.signed(&statement, &self.signature))
    }
}
