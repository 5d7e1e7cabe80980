//! Commitments to numbers that are not told, of which anybody can check that they add up.
//!
//! Pedersen's, on ristretto255: `C = v·G + r·H`. Without the salt `r` nobody finds out which number `v` it is, however few
//! there are to try; with it, one number only fits. The sum of commitments commits to the sum, so the salts of a sum are
//! made to add up, and numbers that are told go in as they are. Nobody knows how `H` follows from `G`: it is hashed from a
//! word.

use std::fmt;
use std::str::FromStr;
use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use curve25519_dalek::ristretto::{CompressedRistretto, RistrettoPoint};
use curve25519_dalek::scalar::Scalar;
use curve25519_dalek::traits::Identity as _;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest as _, Sha512};

use super::hash::{Unreadable, hexadecimal};
use crate::contract::Sum;

/// What `H` is hashed from.
const WORD: &[u8] = b"tradewind.dev/evidence/count/v1\n";

static H: LazyLock<RistrettoPoint> =
    LazyLock::new(|| RistrettoPoint::from_uniform_bytes(&Sha512::digest(WORD).into()));

/// Stands for a number that is not told: 32 bytes, as 43 characters of base64url.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Commitment(pub [u8; 32]);

/// What hides the number behind a [`Commitment`]: 64 hexadecimal digits. It stays in the region.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Salt(Scalar);

/// A commitment with what is behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Opening {
    /// What was told in place of the number.
    pub commitment: Commitment,
    /// The number.
    pub value: i64,
    /// The salt.
    pub salt: Salt,
}

/// How a sum stands, by what was told of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Every number is told, and they add up.
    Told,
    /// What is told and what is committed to add up.
    Committed,
    /// Numbers are not told, and nothing stands for them: they may add up.
    Open,
    /// It is a whole without parts: there is nothing to add up.
    Alone,
    /// It does not add up.
    Broken,
}

impl Salt {
    /// From 64 bytes that nobody can guess.
    #[must_use]
    pub fn new(bytes: &[u8; 64]) -> Self {
        Self(Scalar::from_bytes_mod_order_wide(bytes))
    }
}

/// A number of rows; fewer than none there are not, and nothing is told of them that could be checked.
fn scalar(rows: i64) -> Scalar {
    Scalar::from(u64::try_from(rows).unwrap_or_default())
}

fn point(value: i64, salt: Scalar) -> RistrettoPoint {
    RistrettoPoint::mul_base(&scalar(value)) + salt * *H
}

impl Opening {
    fn new(value: i64, salt: Scalar) -> Self {
        Self {
            commitment: Commitment(point(value, salt).compress().to_bytes()),
            value,
            salt: Salt(salt),
        }
    }

    /// Whether this is what is behind the commitment.
    #[must_use]
    pub fn fits(&self) -> bool {
        self.value >= 0 && Self::new(self.value, self.salt.0).commitment == self.commitment
    }
}

/// Commits to all that is not told of a sum, the whole first, then its parts in their order. `salt` gives each part's; the
/// last, or the whole's, follows from the others.
#[must_use]
pub fn seal(
    sum: &Sum,
    (whole, parts): (i64, &[i64]),
    salt: impl Fn(usize) -> Salt,
) -> Vec<Opening> {
    let untold = sum.parts.iter().zip(parts).enumerate();
    let untold = untold.filter(|(_, (told, _))| told.told().is_none());
    let mut salted: Vec<(i64, Scalar)> = untold
        .map(|(place, (_, value))| (*value, salt(place).0))
        .collect();
    let mut all = Vec::new();
    if sum.whole.told().is_none() {
        all.push((whole, salted.iter().map(|(_, salt)| *salt).sum()));
    } else if let Some(((_, last), others)) = salted.split_last_mut() {
        *last = -others.iter().map(|(_, salt)| *salt).sum::<Scalar>();
    }
    all.append(&mut salted);
    all.into_iter()
        .map(|(value, salt)| Opening::new(value, salt))
        .collect()
}

/// Whether a sum adds up, by what is told and by the commitments to what is not.
#[must_use]
pub fn standing(sum: &Sum, commitments: &[Commitment]) -> Standing {
    let is_counted = std::iter::once(&sum.whole)
        .chain(&sum.parts)
        .all(|count| count.least() >= 0);
    if !sum.has_parts() {
        return if commitments.is_empty() && is_counted {
            Standing::Alone
        } else {
            Standing::Broken
        };
    }
    let untold = sum.untold();
    let is_one_each = commitments.is_empty() || commitments.len() == untold;
    if !is_counted || !sum.may_hold() || !is_one_each {
        return Standing::Broken;
    }
    if untold == 0 {
        return Standing::Told;
    }
    if commitments.is_empty() {
        return Standing::Open;
    }
    match balance(sum, commitments) {
        Some(left) if left == RistrettoPoint::identity() => Standing::Committed,
        _ => Standing::Broken,
    }
}

/// The parts less the whole: nothing, when they add up. None where a commitment is none.
fn balance(sum: &Sum, commitments: &[Commitment]) -> Option<RistrettoPoint> {
    let mut commitments = commitments.iter();
    let mut of = |told: Option<i64>| match told {
        Some(rows) => Some(RistrettoPoint::mul_base(&scalar(rows))),
        None => CompressedRistretto(commitments.next()?.0).decompress(),
    };
    let whole = of(sum.whole.told())?;
    let mut left = -whole;
    for part in &sum.parts {
        left += of(part.told())?;
    }
    Some(left)
}

impl fmt::Display for Commitment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&URL_SAFE_NO_PAD.encode(self.0))
    }
}

impl fmt::Debug for Commitment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A text is no commitment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no commitment: write 32 bytes as 43 characters of base64url")]
pub struct NoCommitment;

impl FromStr for Commitment {
    type Err = NoCommitment;

    fn from_str(text: &str) -> Result<Self, NoCommitment> {
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| NoCommitment)?;
        bytes.try_into().map(Self).map_err(|_| NoCommitment)
    }
}

impl Serialize for Commitment {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Commitment {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(D::Error::custom)
    }
}

#[cfg(feature = "plan")]
impl schemars::JsonSchema for Commitment {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Commitment".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({"type": "string", "minLength": 43, "maxLength": 43})
    }
}

/// Never as it is: whoever has it opens the number.
impl fmt::Debug for Salt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Salt")
    }
}

impl Serialize for Salt {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&hex::encode(self.0.to_bytes()))
    }
}

impl<'de> Deserialize<'de> for Salt {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let bytes: Option<[u8; 32]> = hexadecimal(&text, "");
        let scalar = bytes.and_then(|bytes| Scalar::from_canonical_bytes(bytes).into_option());
        let unreadable = Unreadable {
            what: "a salt",
            form: "64",
        };
        scalar.map(Self).ok_or_else(|| D::Error::custom(unreadable))
    }
}

#[cfg(test)]
mod tests;
