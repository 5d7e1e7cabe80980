//! What the command line does besides running the operator: files and arguments in, a text out.
//!
//! In: parsed arguments, files that they name, the time. Out: the text to print and whether it says that something
//! differs, or is at fault. It writes nothing but what `audit export --out` names, and never asks a cluster.

pub mod audit;
pub mod clock;
pub mod hold;
mod input;
pub mod regimes;
pub mod request;
pub mod signature;

pub use input::Error;

/// What to print, and how to exit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Printed {
    /// For standard output.
    pub text: String,
    /// Whether the exit code says that there is a difference.
    pub differs: bool,
}

/// How a result looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Output {
    /// For a reader.
    #[default]
    Text,
    /// For a program.
    Json,
}
