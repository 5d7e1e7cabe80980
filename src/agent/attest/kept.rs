//! The key that signs, as it stands in its Secret with what it signed last.

use std::collections::BTreeMap;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::error::Error;
use crate::agent::custody::Custody;
use crate::evidence::{Signer, Tip};

/// Keys of the Secret's data.
const SEED: &str = "seed";
const REGION: &str = "region";
const PUBLIC: &str = "key";
const SIGNED: &str = "signed";
const NEXT: &str = "next";
const ROTATION: &str = "rotation";
const ROTATED: &str = "rotated";
const WITNESSED: &str = "witnessed";

/// The key as it was found or made, and what it signed last.
pub(super) struct Kept {
    signer: Signer,
    seed: [u8; 32],
    region: String,
    signed: Option<Tip>,
    next: Option<Next>,
    /// The last request for another key that was carried out.
    rotated: Option<String>,
    /// How far each other region's chain was countersigned.
    witnessed: BTreeMap<String, Tip>,
    /// Of the Secret: what was changed since is not overwritten.
    version: Option<String>,
}

/// The key that is to sign next.
#[derive(Clone)]
pub(super) struct Next {
    seed: [u8; 32],
    /// Who asked for it.
    pub(super) token: String,
    /// The record that names it, once the key that signs has signed for that, or is about to.
    pub(super) named: Option<u64>,
}

impl Next {
    pub(super) fn signer(&self) -> Signer {
        Signer::new(&self.seed)
    }

    /// From the Secret; none when there is none, or it is no whole one: nobody has been told of such a key.
    fn read(seed: Option<Vec<u8>>, rotation: Option<Vec<u8>>) -> Option<Self> {
        let seed = <[u8; 32]>::try_from(seed?).ok()?;
        let told: Value = serde_json::from_slice(&rotation?).ok()?;
        Some(Self {
            seed,
            token: told["token"].as_str()?.to_owned(),
            named: told["named"].as_u64(),
        })
    }
}

fn fresh() -> Result<[u8; 32], Error> {
    let mut seed = [0; 32];
    let provider = rustls::crypto::ring::default_provider();
    let filled = provider.secure_random.fill(&mut seed);
    filled.map_err(|_| Error::NoRandomness)?;
    Ok(seed)
}

impl fmt::Debug for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Kept({:?})", self.signer)
    }
}

impl Kept {
    /// A new key.
    pub(super) fn made(region: &str) -> Result<Self, Error> {
        let seed = fresh()?;
        Ok(Self {
            signer: Signer::new(&seed),
            seed,
            region: region.to_owned(),
            signed: None,
            next: None,
            rotated: None,
            witnessed: BTreeMap::new(),
            version: None,
        })
    }

    pub(super) fn region(&self) -> &str {
        &self.region
    }

    /// How far another region's chain was countersigned.
    pub(super) fn witnessed(&self, region: &str) -> Option<Tip> {
        self.witnessed.get(region).copied()
    }

    /// Another region's chain is about to be countersigned.
    pub(super) fn note(&mut self, region: &str, tip: Tip) {
        self.witnessed.insert(region.to_owned(), tip);
    }

    pub(super) fn next(&self) -> Option<&Next> {
        self.next.as_ref()
    }

    pub(super) fn rotated(&self) -> Option<&str> {
        self.rotated.as_deref()
    }

    /// The next key, if it is as it must be.
    pub(super) fn take_next(&mut self, is_ready: impl FnOnce(&Next) -> bool) -> Option<Next> {
        self.next.take_if(|next| is_ready(next))
    }

    /// It signs from here on.
    pub(super) fn succeed(&mut self, next: Next) {
        self.signer = next.signer();
        self.seed = next.seed;
        self.rotated = Some(next.token);
    }

    /// Another key is asked for. One that was made and not named yet will do.
    pub(super) fn ask(&mut self, token: &str) -> Result<(), Error> {
        let next = match self.next.take() {
            Some(next) => Next {
                token: token.to_owned(),
                ..next
            },
            None => Next {
                seed: fresh()?,
                token: token.to_owned(),
                named: None,
            },
        };
        self.next = Some(next);
        Ok(())
    }

    /// A key that is new is nobody's successor, and what was asked for.
    pub(super) fn is_asked(&mut self, token: Option<&str>) {
        self.rotated = token.map(str::to_owned);
    }

    /// The record that names the next key is about to be signed.
    pub(super) fn place_named(&mut self, place: u64) {
        if let Some(next) = &mut self.next {
            next.named = Some(place);
        }
    }

    pub(super) fn signer(&self) -> &Signer {
        &self.signer
    }

    pub(super) fn signed(&self) -> Option<Tip> {
        self.signed
    }

    /// From the Secret; the error says what is wrong with it, never what it holds.
    fn read(secret: &Value, region: &str) -> Result<Self, &'static str> {
        let data = |key: &str| -> Option<Vec<u8>> {
            let text = secret.pointer(&format!("/data/{key}"))?.as_str()?;
            STANDARD.decode(text).ok()
        };
        let seed = data(SEED).and_then(|seed| <[u8; 32]>::try_from(seed).ok());
        let seed = seed.ok_or("`seed` is not 32 bytes")?;
        let signer = Signer::new(&seed);
        if data(PUBLIC) != Some(signer.key().to_string().into_bytes()) {
            return Err("`key` is not the public half of `seed`");
        }
        if data(REGION).as_deref() != Some(region.as_bytes()) {
            return Err("`region` is another");
        }
        let signed = data(SIGNED).and_then(|text| serde_json::from_slice(&text).ok());
        let version = secret.pointer("/metadata/resourceVersion");
        Ok(Self {
            signer,
            seed,
            region: region.to_owned(),
            // A key that forgot what it signed would sign anything.
            signed: Some(signed.ok_or("`signed` is no place in a chain")?),
            next: Next::read(data(NEXT), data(ROTATION)),
            witnessed: match secret.pointer("/data/witnessed") {
                None => BTreeMap::new(),
                // A key that forgot what it countersigned would countersign anything.
                Some(_) => data(WITNESSED)
                    .and_then(|text| serde_json::from_slice(&text).ok())
                    .ok_or("`witnessed` is no list of places in chains")?,
            },
            rotated: data(ROTATED).and_then(|text| String::from_utf8(text).ok()),
            version: version.and_then(Value::as_str).map(str::to_owned),
        })
    }

    fn body(&self, name: &str, signed: Tip) -> Value {
        let encode = |bytes: &[u8]| STANDARD.encode(bytes);
        let signed = json!(signed).to_string();
        let mut body = json!({
            "apiVersion": "v1", "kind": "Secret", "type": "Opaque", "metadata": {"name": name},
            "data": {
                SEED: encode(&self.seed),
                PUBLIC: encode(self.signer.key().to_string().as_bytes()),
                REGION: encode(self.region.as_bytes()),
                SIGNED: encode(signed.as_bytes()),
            },
        });
        if let Some(next) = &self.next {
            let rotation = json!({"token": next.token, "named": next.named}).to_string();
            body["data"][NEXT] = encode(&next.seed).into();
            body["data"][ROTATION] = encode(rotation.as_bytes()).into();
        }
        if !self.witnessed.is_empty() {
            let witnessed = json!(self.witnessed).to_string();
            body["data"][WITNESSED] = encode(witnessed.as_bytes()).into();
        }
        if let Some(rotated) = &self.rotated {
            body["data"][ROTATED] = encode(rotated.as_bytes()).into();
        }
        if let Some(version) = &self.version {
            body["metadata"]["resourceVersion"] = version.clone().into();
        }
        body
    }
}

/// The key, if there is one.
pub(super) async fn kept(custody: &Custody, region: &str) -> Result<Option<Kept>, Error> {
    let Some(secret) = custody.read().await? else {
        return Ok(None);
    };
    let kept = Kept::read(&secret, region).map_err(|what| Error::KeyUnreadable {
        secret: custody.secret().to_owned(),
        what,
    })?;
    Ok(Some(kept))
}

/// Keeps a new key with what it is about to sign.
pub(super) async fn create(custody: &Custody, kept: &Kept, signed: Tip) -> Result<(), Error> {
    let body = kept.body(custody.secret(), signed);
    Ok(custody.create(&body).await?)
}

/// Keeps what the key is about to sign.
pub(super) async fn update(custody: &Custody, kept: &Kept, signed: Tip) -> Result<(), Error> {
    let body = kept.body(custody.secret(), signed);
    Ok(custody.update(&body).await?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(change: impl FnOnce(&mut Value)) -> Value {
        let kept = Kept::made("eu").unwrap();
        let mut secret = kept.body("x", Tip::genesis("f", "eu"));
        secret["metadata"]["resourceVersion"] = "7".into();
        change(&mut secret);
        secret
    }

    #[test]
    fn a_key_is_read_as_it_was_written() {
        let kept = Kept::read(&secret(|_| {}), "eu").unwrap();
        assert_eq!(kept.signed(), Some(Tip::genesis("f", "eu")));
        assert_eq!(
            kept.body("x", Tip::genesis("f", "eu"))["metadata"]["resourceVersion"],
            "7"
        );
        assert!(!format!("{kept:?}").contains(&hex::encode(kept.seed)));
    }

    #[test]
    fn the_next_key_is_read_as_it_was_written() {
        let mut kept = Kept::made("eu").unwrap();
        kept.ask("1").unwrap();
        kept.place_named(7);
        kept.is_asked(Some("0"));
        let secret = kept.body("x", Tip::genesis("f", "eu"));
        let read = Kept::read(&secret, "eu").unwrap();
        let (next, wanted) = (read.next.unwrap(), kept.next.unwrap());
        assert_eq!((next.seed, next.named), (wanted.seed, Some(7)));
        assert_eq!(
            (next.token.as_str(), read.rotated.as_deref()),
            ("1", Some("0"))
        );
    }

    #[test]
    fn what_was_countersigned_is_read_as_it_was_written() {
        let mut kept = Kept::made("eu").unwrap();
        let tip = Tip {
            sequence: 9,
            ..Tip::genesis("f", "us")
        };
        kept.note("us", tip);
        let mut secret = kept.body("x", Tip::genesis("f", "eu"));
        let read = Kept::read(&secret, "eu").unwrap();
        assert_eq!(
            (read.witnessed("us"), read.witnessed("br")),
            (Some(tip), None)
        );
        // What cannot be read is not nothing: then anything would be countersigned.
        for wrong in [json!("AAAA"), json!("not base64"), json!(7)] {
            secret["data"][WITNESSED] = wrong;
            let told = Kept::read(&secret, "eu").unwrap_err();
            assert!(told.starts_with("`witnessed`"), "{told}");
        }
    }

    #[test]
    fn what_is_no_key_of_the_region_is_named_without_its_value() {
        for (field, what) in [
            ("seed", "`seed`"),
            ("key", "`key`"),
            ("region", "`region`"),
            ("signed", "`signed`"),
        ] {
            for value in [json!("AAAA"), json!("not base64"), Value::Null] {
                let secret = secret(|secret| secret["data"][field] = value);
                let told = Kept::read(&secret, "eu").unwrap_err();
                assert!(told.starts_with(what), "{field}: {told}");
            }
        }
        assert!(Kept::read(&secret(|_| {}), "us").is_err(), "another region");
    }
}
