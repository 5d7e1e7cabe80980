//! Signatures over raw bytes: who sent this, and did nobody change it. Pure; the caller gives the time.
//!
//! A `Keys` holds every key that is valid now: two while a secret is being rotated. Verifying accepts
//! any of them, signing signs with all of them, so neither side needs to change at the same moment.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use subtle::ConstantTimeEq as _;

use super::secret::{Malformed, SHORTEST_KEY};

/// How far a sender's clock may be from ours (the Standard Webhooks' own figure).
const TOLERANCE_SECONDS: u64 = 5 * 60;

/// Most signatures of one header that are looked at: bounds the work of a stranger's request.
const MOST_SIGNATURES: usize = 16;

type HmacSha256 = Hmac<Sha256>;

/// The keys that are valid now. Its `Debug` tells only how many there are.
pub(super) struct Keys(Vec<HmacSha256>);

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Keys({})", self.0.len())
    }
}

/// Why a webhook is refused. Each is one value of a metric's label.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// A header that the scheme needs is absent or not in its form.
    MissingSignature,
    /// No key gives this signature.
    WrongSignature,
    /// Signed too long ago, or by a clock that runs ahead: maybe replayed.
    StaleTimestamp,
}

/// The three headers of Standard Webhooks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Standard<'a> {
    /// `webhook-id`.
    pub(super) id: &'a str,
    /// `webhook-timestamp`.
    pub(super) timestamp: &'a str,
    /// `webhook-signature`: `v1,<base64>` elements, separated by spaces.
    pub(super) signatures: &'a str,
}

impl Keys {
    /// Each line is a key as it stands (Meta's app secret).
    pub(super) fn plain(text: &str) -> Result<Self, Malformed> {
        Self::from_lines(text, |_, line| Ok(line.as_bytes().to_vec()))
    }

    /// Each line is `whsec_` and base64; the prefix may be absent, as the reference libraries allow.
    pub(super) fn standard(text: &str) -> Result<Self, Malformed> {
        Self::from_lines(text, |number, line| {
            let encoded = line.strip_prefix("whsec_").unwrap_or(line);
            let key = STANDARD
                .decode(encoded)
                .map_err(|_| Malformed::NotBase64 { line: number })?;
            if key.len() < SHORTEST_KEY {
                return Err(Malformed::TooShort { line: number });
            }
            Ok(key)
        })
    }

    fn from_lines(
        text: &str,
        key: impl Fn(usize, &str) -> Result<Vec<u8>, Malformed>,
    ) -> Result<Self, Malformed> {
        let mut macs = Vec::new();
        for (index, line) in text.lines().map(str::trim).enumerate() {
            if line.is_empty() {
                continue;
            }
            let bytes = key(index + 1, line)?;
            // HMAC takes keys of any length; the error is the trait's, not HMAC's.
            let mac = HmacSha256::new_from_slice(&bytes).map_err(|_| Malformed::Empty)?;
            macs.push(mac);
        }
        if macs.is_empty() {
            Err(Malformed::Empty)
        } else {
            Ok(Self(macs))
        }
    }

    /// Meta: `X-Hub-Signature-256: sha256=<hex of the HMAC-SHA256 over the raw body>`.
    pub(super) fn verify_meta(&self, header: Option<&str>, body: &[u8]) -> Result<(), Refusal> {
        let signature = header
            .and_then(|value| value.strip_prefix("sha256="))
            .and_then(|digits| hex::decode(digits).ok())
            .ok_or(Refusal::MissingSignature)?;
        let right = self.0.iter().any(|key| {
            // `verify_slice` takes the same time wherever the first difference is.
            key.clone()
                .chain_update(body)
                .verify_slice(&signature)
                .is_ok()
        });
        if right {
            Ok(())
        } else {
            Err(Refusal::WrongSignature)
        }
    }

    /// Standard Webhooks: HMAC-SHA256 over `id.timestamp.body`, within five minutes of `now` (Unix seconds).
    pub(super) fn verify_standard(
        &self,
        headers: Standard<'_>,
        body: &[u8],
        now: i64,
    ) -> Result<(), Refusal> {
        let Standard {
            id,
            timestamp,
            signatures,
        } = headers;
        let time: i64 = timestamp.parse().map_err(|_| Refusal::MissingSignature)?;
        if id.is_empty() {
            return Err(Refusal::MissingSignature);
        }
        let claimed: Vec<Vec<u8>> = signatures
            .split(' ')
            .take(MOST_SIGNATURES)
            .filter_map(|element| element.strip_prefix("v1,"))
            .filter_map(|encoded| STANDARD.decode(encoded).ok())
            .collect();
        if claimed.is_empty() {
            return Err(Refusal::MissingSignature);
        }
        let right = self.0.iter().any(|key| {
            let mac = message(key, id, timestamp, body);
            claimed
                .iter()
                .any(|signature| mac.clone().verify_slice(signature).is_ok())
        });
        if !right {
            return Err(Refusal::WrongSignature);
        }
        // After the signature, so that the answer tells a stranger nothing about our clock.
        if now.abs_diff(time) > TOLERANCE_SECONDS {
            return Err(Refusal::StaleTimestamp);
        }
        Ok(())
    }

    /// The `webhook-signature` header of a message to a sink: one signature for each valid key.
    pub(super) fn sign_standard(&self, id: &str, timestamp: i64, body: &[u8]) -> String {
        let timestamp = timestamp.to_string();
        let signatures: Vec<String> = self
            .0
            .iter()
            .map(|key| message(key, id, &timestamp, body).finalize().into_bytes())
            .map(|bytes| format!("v1,{}", STANDARD.encode(bytes)))
            .collect();
        signatures.join(" ")
    }

    /// HMAC-SHA256 of a text in hexadecimal digits, one for each valid key. A text that begins as no message's id does is
    /// no signature of anything.
    pub(super) fn hashes(&self, text: &str) -> Vec<String> {
        let keys = self.0.iter();
        let hashes = keys.map(|key| key.clone().chain_update(text).finalize().into_bytes());
        hashes.map(hex::encode).collect()
    }
}

fn message(key: &HmacSha256, id: &str, timestamp: &str, body: &[u8]) -> HmacSha256 {
    key.clone()
        .chain_update(id)
        .chain_update(".")
        .chain_update(timestamp)
        .chain_update(".")
        .chain_update(body)
}

/// The verify tokens that are valid now; compared in constant time.
pub(super) struct Tokens(Vec<String>);

impl std::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Tokens({})", self.0.len())
    }
}

impl Tokens {
    /// Each line is a token.
    pub(super) fn parse(text: &str) -> Result<Self, Malformed> {
        let tokens: Vec<String> = text
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty())
            .map(str::to_owned)
            .collect();
        if tokens.is_empty() {
            Err(Malformed::Empty)
        } else {
            Ok(Self(tokens))
        }
    }

    /// Whether `token` is one of them.
    pub(super) fn accept(&self, token: &str) -> bool {
        self.0
            .iter()
            .any(|known| known.as_bytes().ct_eq(token.as_bytes()).into())
    }
}

#[cfg(test)]
mod tests;
