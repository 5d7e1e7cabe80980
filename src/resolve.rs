//! Reads all that a resource refers to, once.
mod secrets;
pub use secrets::{SecretChanged, SecretWatch, Secrets, SecretsError, Value};
