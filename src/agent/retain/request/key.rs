//! The region's `age` key: made in the region, before any request.
//!
//! In: a file's name. Out: the private half in that file, the public half on standard output. No network.

use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use age::secrecy::ExposeSecret as _;
use age::x25519;
use zeroize::Zeroizing;

/// Makes a key; writes its private half into a new file that nobody else may read, and answers the public half.
///
/// # Errors
/// When the file is there already, or cannot be written.
pub fn generate(path: &Path) -> std::io::Result<String> {
    let identity = x25519::Identity::generate();
    let public = identity.to_public().to_string();
    let mut options = std::fs::OpenOptions::new();
    // Never over another key: what was encrypted to it could not be read any more.
    let mut file = options
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    let secret = identity.to_string();
    let text = Zeroizing::new(format!(
        "# public key: {public}\n{}\n",
        secret.expose_secret()
    ));
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    Ok(public)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn a_key_is_private_works_and_is_never_overwritten() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        let public: x25519::Recipient = generate(&path).unwrap().parse().unwrap();
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let key = super::super::person::key(&path).unwrap();
        let secret = age::encrypt(&public, b"hello").unwrap();
        assert_eq!(age::decrypt(&key, &secret).unwrap(), b"hello");
        let refused = generate(&path).unwrap_err();
        assert_eq!(refused.kind(), std::io::ErrorKind::AlreadyExists);
    }
}
