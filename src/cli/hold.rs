//! `tradewind hold values`: by which values a hold keeps rows, encrypted to a region's own key, as a Secret.
//!
//! The values come from standard input or a file, never from an argument, which stays in the shell's history and in the list
//! of processes; they leave as ciphertext only.

use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clap::Args;
use kube::ResourceExt;
use serde_json::json;
use zeroize::Zeroizing;

use super::input::{self, Error, wrong};
use super::request;
use crate::contract::{SEALED, held_values};

/// What a Secret takes.
const MOST: usize = 1_000_000;

/// The Secret, without the values.
#[derive(Args, Debug)]
pub struct Arguments {
    /// The Secret's name: what valuesSecretRef.name of the hold's scope says.
    #[arg(long)]
    name: String,
    /// The Secret's key: what valuesSecretRef.key says; it ends in .age.
    #[arg(long, default_value = "values.age")]
    key: String,
    /// The Region whose databases have the rows: each has a key of its own, and gets a Secret of its own.
    #[arg(long)]
    region: String,
    /// What `kubectl get regions -o yaml` (or json) prints: it has the regions' public keys.
    #[arg(long, value_name = "FILE")]
    regions: PathBuf,
    /// A file with the values, or - for standard input: one a line, or a JSON array of texts and numbers.
    #[arg(long, value_name = "FILE", default_value = "-")]
    values: PathBuf,
}

/// Makes the Secret, as JSON.
///
/// # Errors
/// When an argument or a file is wrong; no value is in any.
pub fn values(args: &Arguments) -> Result<String, Error> {
    named(&args.name, &args.key)?;
    let regions = request::regions(&args.regions)?;
    let mut all = regions.iter();
    let region = all.find(|region| region.name_any() == args.region);
    let region =
        region.ok_or_else(|| wrong("--region", format!("{} is not in --regions", args.region)))?;
    let (_, recipient) = request::recipient(region)?;
    let plain = Zeroizing::new(input::read_or_stdin("--values", &args.values)?);
    if held_values(&plain).is_none() {
        let why = "there is no value in it; write one a line, or a JSON array of texts and numbers";
        return Err(wrong(told(&args.values), why.to_owned()));
    }
    let sealed = age::encrypt(&recipient, plain.as_bytes());
    let sealed = sealed.map_err(|error| wrong(told(&args.values), error.to_string()))?;
    let sealed = STANDARD.encode(sealed);
    if sealed.len() > MOST {
        let why = "they are too long for a Secret; write some thousand values less, and another scope for these";
        return Err(wrong(told(&args.values), why.to_owned()));
    }
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret", "type": "Opaque",
        "metadata": {"name": args.name, "namespace": region.spec.run_namespace},
        "data": {args.key.as_str(): sealed},
    });
    let text = serde_json::to_string_pretty(&secret).map_err(Error::Json)?;
    Ok(text + "\n")
}

fn told(file: &Path) -> String {
    format!("--values '{}'", file.display())
}

/// Whether a LegalHold may name them so, and the hub will know by the key that the values are encrypted.
fn named(name: &str, key: &str) -> Result<(), Error> {
    let is_end = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let inner = |byte: u8| is_end(byte) || byte == b'-' || byte == b'.';
    let ends = [name.bytes().next(), name.bytes().next_back()];
    let has_form = name.bytes().all(inner) && ends.iter().all(|end| end.is_some_and(is_end));
    if !has_form || name.len() > 253 {
        let such = "write lower-case letters, digits, hyphens and dots, such as claim-2026-117";
        return Err(wrong("--name", format!("'{name}' is no name; {such}")));
    }
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    if !key.bytes().all(fits) || !key.ends_with(SEALED) || key.len() > 253 {
        let such = "write letters, digits, hyphens, dots and underscores with .age at the end, such as customers.age";
        return Err(wrong(
            "--key",
            format!("'{key}' is no key for ciphertext; {such}"),
        ));
    }
    Ok(())
}
