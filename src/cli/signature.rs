//! `tradewind regimes sign` and `verify`: who vouches for a pack.

use std::path::{Path, PathBuf};

use clap::Args;

use super::Printed;
use super::input::{self, Error};
use crate::evidence::{KeyId, PackSignature, Signer};
use crate::packs::{BUILTIN_PLATFORMS, BUILTIN_REGIMES, PLATFORMS_KEY, Packs, REGIMES_KEY};

/// What is signed, and with what.
#[derive(Args, Debug)]
pub struct Sign {
    /// A file with the private key: 64 hexadecimal digits (RFC 8032's seed).
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// Which of the two packs it is, by its key in the ConfigMap.
    #[arg(long = "as", value_name = "NAME", default_value = REGIMES_KEY, value_parser = [REGIMES_KEY, PLATFORMS_KEY])]
    name: String,
    /// The pack. It is checked as the operator checks it.
    pack: PathBuf,
}

/// What is looked at, and who may have signed it.
#[derive(Args, Debug)]
pub struct Verify {
    /// A public key that is trusted, `ed25519-` and 64 hexadecimal digits; may be given several times.
    #[arg(long, value_name = "KEY", required = true)]
    trusted_key: Vec<KeyId>,
    /// The file with the line of `sign`.
    #[arg(long, value_name = "FILE")]
    signature: PathBuf,
    /// Which of the two packs it is, by its key in the ConfigMap.
    #[arg(long = "as", value_name = "NAME", default_value = REGIMES_KEY, value_parser = [REGIMES_KEY, PLATFORMS_KEY])]
    name: String,
    /// The pack.
    pack: PathBuf,
}

/// The line for the ConfigMap.
pub fn sign(args: &Sign) -> Result<Printed, Error> {
    let seed = read("--key", &args.key)?;
    let seed: [u8; 32] = hex::decode(seed.trim())
        .ok()
        .and_then(|bytes| bytes.try_into().ok())
        // What was read is not shown: it may be the better part of a key.
        .ok_or_else(|| {
            let problem = format!(
                "'{}' is no key: write 64 hexadecimal digits",
                args.key.display()
            );
            input::wrong("--key", problem)
        })?;
    let text = read("PACK", &args.pack)?;
    sound(&args.name, &text, &args.pack)?;
    let signature = PackSignature::sign(&Signer::new(&seed), &args.name, &text);
    Ok(Printed {
        text: format!("{signature}\n"),
        differs: false,
    })
}

/// Who signed it.
pub fn verify(args: &Verify) -> Result<Printed, Error> {
    let text = read("PACK", &args.pack)?;
    let line = read("--signature", &args.signature)?;
    let signature: PackSignature = line.parse().map_err(|error| {
        let problem = format!("'{}' has {error}", args.signature.display());
        input::wrong("--signature", problem)
    })?;
    let key = signature.key;
    if !args.trusted_key.contains(&key) {
        let problem = format!("{key} signed it, which is none of them; ask whose key that is");
        return Err(input::wrong("--trusted-key", problem));
    }
    if !signature.fits(&args.name, &text) {
        let problem = format!(
            "'{}' is not the {} that {key} signed: it was changed since",
            args.pack.display(),
            args.name
        );
        return Err(input::wrong("PACK", problem));
    }
    Ok(Printed {
        text: format!("{} is signed by {key}\n", args.name),
        differs: false,
    })
}

/// Whether it is a pack: what would be refused is not worth a signature.
fn sound(name: &str, text: &str, file: &Path) -> Result<(), Error> {
    let loaded = if name == REGIMES_KEY {
        Packs::load(BUILTIN_PLATFORMS, text)
    } else {
        Packs::load(text, BUILTIN_REGIMES)
    };
    loaded.map(drop).map_err(|error| {
        let cause = std::error::Error::source(&error);
        let cause = cause.map(|cause| format!(": {cause}")).unwrap_or_default();
        let problem = format!(
            "'{}' is not taken as {name}: {error}{cause}",
            file.display()
        );
        input::wrong("PACK", problem)
    })
}

fn read(field: &'static str, file: &Path) -> Result<String, Error> {
    std::fs::read_to_string(file).map_err(|source| Error::File {
        field,
        file: file.to_owned(),
        source,
    })
}
