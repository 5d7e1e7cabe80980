//! From text to checked packs.

use super::{Packs, Place, Platforms, Regimes};

/// Why packs cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The text is no YAML of the pack's form; the source names line, column and field.
    #[error("reading pack '{file}'")]
    Read {
        /// `platforms.yaml` or `regimes.yaml`.
        file: &'static str,
        /// What is wrong where.
        #[source]
        source: Box<serde_saphyr::Error>,
    },
    /// A fact does not fit the others.
    #[error("pack '{file}', line {}, column {}: {field}: {problem}", place.line, place.column)]
    Check {
        /// `platforms.yaml` or `regimes.yaml`.
        file: &'static str,
        /// Where.
        place: Place,
        /// The field, `platforms.Instagram.webhook`.
        field: String,
        /// What is wrong, and what would be right.
        problem: String,
    },
}

pub(super) fn packs(platforms: &str, regimes: &str) -> Result<Packs, Error> {
    let platforms: Platforms = read(super::PLATFORMS_KEY, platforms)?;
    let regimes: Regimes = read(super::REGIMES_KEY, regimes)?;
    Ok(Packs { platforms, regimes })
}

fn read<T: serde::de::DeserializeOwned>(file: &'static str, text: &str) -> Result<T, Error> {
    serde_saphyr::from_str(text).map_err(|source| Error::Read {
        file,
        source: Box::new(source),
    })
}
