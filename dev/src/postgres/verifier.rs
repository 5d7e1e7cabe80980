//! What a server keeps of a role's password: RFC 5802's stored keys, as PostgreSQL writes them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};

use super::{Result, install};

/// `SCRAM-SHA-256$1:<salt>$<stored key>:<server key>` of a password, which is letters and digits.
///
/// One iteration: PostgreSQL takes 4,096 itself, against whoever guesses passwords of a stolen file. Ours go with the server, and a
/// client that is not optimised spent most of its time on so many.
pub(super) fn of(password: &str) -> Result<String> {
    let salt = install::random_word().map_err(super::Error::Folder)?;
    Ok(verifier(password, salt.as_bytes()))
}

fn verifier(password: &str, salt: &[u8]) -> String {
    // With one iteration the salted password is its first block.
    let salted = mac(password.as_bytes(), &[salt, &1_u32.to_be_bytes()]);
    let stored = Sha256::digest(mac(&salted, &[b"Client Key"]));
    let server = mac(&salted, &[b"Server Key"]);
    format!(
        "SCRAM-SHA-256$1:{}${}:{}",
        STANDARD.encode(salt),
        STANDARD.encode(stored),
        STANDARD.encode(server)
    )
}

fn mac(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    // A key of any length is one.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else {
        return [0; 32];
    };
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}
