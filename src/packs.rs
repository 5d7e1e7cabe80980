//! Facts about platforms and privacy regimes: dated data, replaceable without a release.
//!
//! In: YAML. Out: [`Packs`], checked. It must never let a malformed fact through, nor decide anything with one.
#![deny(clippy::disallowed_types, clippy::disallowed_methods)]

/// The platform and regime packs in force.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Packs {}
