//! Packs of a ConfigMap, and whether somebody who is trusted has signed them.

use std::collections::BTreeMap;

use jiff::civil::Date;

use crate::evidence::{KeyId, NoSignature, PackSignature};
use crate::packs::{
    BUILTIN_PLATFORMS, BUILTIN_REGIMES, Error, PLATFORMS_KEY, PackSigners, Packs, REGIMES_KEY,
    SIGNATURE,
};

/// Why a ConfigMap's packs are not taken.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refused {
    /// It isn't there.
    #[error(
        "ConfigMap {map} is not there: create it; or name none (packsConfigMap, --packs-configmap), which puts the release's own packs in force"
    )]
    Missing {
        /// The ConfigMap.
        map: String,
    },
    /// It says nothing.
    #[error(
        "ConfigMap {map} has neither platforms.yaml nor regimes.yaml: put one of them there; or name no ConfigMap (packsConfigMap, --packs-configmap)"
    )]
    Empty {
        /// The ConfigMap.
        map: String,
    },
    /// It replaced a pack, and has none any more.
    #[error(
        "ConfigMap {map} has no {file} any more: put it back; to have the release's own, put that text there, or restart the operator"
    )]
    Gone {
        /// The ConfigMap.
        map: String,
        /// `regimes.yaml`.
        file: &'static str,
    },
    /// It would be newer than what comes until then.
    #[error(
        "ConfigMap {map}: {file} is as of {is_of}, a day to come, and would lock out what comes before it: write the day on which its facts were last gone through into asOf"
    )]
    ToCome {
        /// The ConfigMap.
        map: String,
        /// `regimes.yaml`.
        file: &'static str,
        /// As of when it is.
        is_of: Date,
    },
    /// They are unsound.
    #[error("ConfigMap {map}")]
    Unsound {
        /// The ConfigMap.
        map: String,
        /// Where and why.
        #[source]
        source: Error,
    },
    /// Nobody signed it.
    #[error(
        "ConfigMap {map}: {file} is not signed, and keys are trusted: put the line of `tradewind regimes sign` under {file}.sig"
    )]
    Unsigned {
        /// The ConfigMap.
        map: String,
        /// `regimes.yaml`.
        file: &'static str,
    },
    /// What stands in the signature's place is none.
    #[error("ConfigMap {map}: {file}.sig is {source}; make it with `tradewind regimes sign`")]
    NoSignature {
        /// The ConfigMap.
        map: String,
        /// `regimes.yaml`.
        file: &'static str,
        /// What would be right.
        source: NoSignature,
    },
    /// Somebody signed it whom nobody named.
    #[error(
        "ConfigMap {map}: {file} is signed by {key}, which is none of the {count} trusted keys: have it signed by one of them, or trust that key (--packs-trusted-key)"
    )]
    Stranger {
        /// The ConfigMap.
        map: String,
        /// `regimes.yaml`.
        file: &'static str,
        /// Who.
        key: KeyId,
        /// How many are trusted.
        count: usize,
    },
    /// It was signed once, and a newer one was in force since.
    #[error(
        "ConfigMap {map}: {file} is as of {is_of}, and one as of {than} was in force: an older one is not taken, whoever signed it; put the newer one there, or let packs go back (--packs-may-go-back)"
    )]
    Older {
        /// The ConfigMap.
        map: String,
        /// `regimes.yaml`.
        file: &'static str,
        /// As of when it is.
        is_of: Date,
        /// As of when the other was.
        than: Date,
    },
    /// It is another text than the one that was signed.
    #[error(
        "ConfigMap {map}: {file} is not the text that {key} signed: it was changed since; take the one that was signed, or have this one signed"
    )]
    Changed {
        /// The ConfigMap.
        map: String,
        /// `regimes.yaml`.
        file: &'static str,
        /// Who.
        key: KeyId,
    },
}

/// The packs of a ConfigMap of that name. What it leaves out is the release's own, for which nobody need sign.
pub(super) fn load(
    data: &BTreeMap<String, String>,
    (map, trust): (&str, &[KeyId]),
) -> Result<Packs, Refused> {
    let text = |file: &str, builtin: &'static str| {
        data.get(file).map_or(builtin, String::as_str).to_owned()
    };
    // First: a text that nobody vouches for is not even read.
    let signers = PackSigners {
        platforms: signer(data, PLATFORMS_KEY, (map, trust))?,
        regimes: signer(data, REGIMES_KEY, (map, trust))?,
    };
    let packs = Packs::load(
        &text(PLATFORMS_KEY, BUILTIN_PLATFORMS),
        &text(REGIMES_KEY, BUILTIN_REGIMES),
    );
    let packs = packs.map_err(|source| Refused::Unsound {
        map: map.to_owned(),
        source,
    })?;
    Ok(Packs { signers, ..packs })
}

/// Who signed a file, where that matters and it is there.
fn signer(
    data: &BTreeMap<String, String>,
    file: &'static str,
    (map, trust): (&str, &[KeyId]),
) -> Result<Option<String>, Refused> {
    let Some(text) = data.get(file).filter(|_| !trust.is_empty()) else {
        return Ok(None);
    };
    let map = map.to_owned();
    let Some(line) = data.get(&format!("{file}{SIGNATURE}")) else {
        return Err(Refused::Unsigned { map, file });
    };
    let signature: PackSignature = match line.parse() {
        Ok(signature) => signature,
        Err(source) => return Err(Refused::NoSignature { map, file, source }),
    };
    let key = signature.key;
    if !trust.contains(&key) {
        let count = trust.len();
        return Err(Refused::Stranger {
            map,
            file,
            key,
            count,
        });
    }
    if !signature.fits(file, text) {
        return Err(Refused::Changed { map, file, key });
    }
    Ok(Some(key.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::Signer;

    const MAP: &str = "house-packs";

    fn data(parts: &[(&str, &str)]) -> BTreeMap<String, String> {
        let parts = parts.iter();
        let parts = parts.map(|(key, text)| ((*key).to_owned(), (*text).to_owned()));
        parts.collect()
    }

    #[test]
    fn only_what_a_trusted_key_signed_is_taken_once_keys_are_named() {
        let (ours, theirs) = (Signer::new(&[1; 32]), Signer::new(&[2; 32]));
        let trust = [ours.key()];
        let pack = BUILTIN_REGIMES;
        let sign =
            |signer: &Signer, file: &str| PackSignature::sign(signer, file, pack).to_string();
        let load = |parts: &[(&str, &str)], trust: &[KeyId]| {
            let loaded = load(&data(parts), (MAP, trust));
            loaded
                .map(|packs| packs.signers.regimes)
                .map_err(|error| error.to_string())
        };
        let good = sign(&ours, REGIMES_KEY);
        let signed = [("regimes.yaml", pack), ("regimes.yaml.sig", &good)];
        assert_eq!(load(&signed, &trust), Ok(Some(ours.key().to_string())));
        assert_eq!(load(&signed, &[]), Ok(None), "nobody asked");
        assert_eq!(load(&[("regimes.yaml", pack)], &[]), Ok(None));
        assert_eq!(load(&[], &trust), Ok(None), "the release's own");
        let (stranger, other) = (sign(&theirs, REGIMES_KEY), sign(&ours, PLATFORMS_KEY));
        let changed = format!("{pack}# more\n");
        for (parts, told) in [
            (&[("regimes.yaml", pack)][..], "regimes.yaml is not signed"),
            (
                &[("regimes.yaml", pack), ("regimes.yaml.sig", "x")],
                "regimes.yaml.sig is no line of",
            ),
            (
                &[("regimes.yaml", pack), ("regimes.yaml.sig", &stranger)],
                "none of the 1 trusted keys",
            ),
            (
                &[("regimes.yaml", pack), ("regimes.yaml.sig", &other)],
                "is not the text that",
            ),
            (
                &[("regimes.yaml", &changed), ("regimes.yaml.sig", &good)],
                "is not the text that",
            ),
            (
                &[
                    ("regimes.yaml", pack),
                    ("regimes.yaml.sig", &good),
                    ("platforms.yaml", BUILTIN_PLATFORMS),
                ],
                "platforms.yaml is not signed",
            ),
            (
                &[("regimes.yaml", "regimes: [")],
                "regimes.yaml is not signed",
            ),
        ] {
            let error = load(parts, &trust).unwrap_err();
            assert!(
                error.starts_with("ConfigMap house-packs: ") && error.contains(told),
                "{error}"
            );
        }
    }
}
