//! Webhook signatures, written a second time from the published descriptions.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

fn hmac(key: &[u8], parts: &[&[u8]]) -> Option<Vec<u8>> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).ok()?;
    for part in parts {
        mac.update(part);
    }
    Some(mac.finalize().into_bytes().to_vec())
}

/// The key in a Standard Webhooks secret, `whsec_<base64>`.
#[must_use]
pub fn standard_key(secret: &str) -> Option<Vec<u8>> {
    BASE64_STANDARD
        .decode(secret.trim().strip_prefix("whsec_")?)
        .ok()
}

/// Standard Webhooks: the value of `webhook-signature`.
#[must_use]
pub fn standard(key: &[u8], id: &str, timestamp: &str, body: &[u8]) -> Option<String> {
    let mac = hmac(
        key,
        &[id.as_bytes(), b".", timestamp.as_bytes(), b".", body],
    )?;
    Some(format!("v1,{}", BASE64_STANDARD.encode(mac)))
}

/// Meta: the value of `X-Hub-Signature-256`.
#[must_use]
pub fn meta(app_secret: &[u8], body: &[u8]) -> Option<String> {
    Some(format!(
        "sha256={}",
        hex::encode(hmac(app_secret, &[body])?)
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_vectors_hold() {
        let key = standard_key("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let signature = standard(
            &key,
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            "1614265330",
            br#"{"test": 2432232314}"#,
        );
        assert_eq!(
            signature.as_deref(),
            Some("v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=")
        );
        let body = br#"{"text":"caf\u00e9","url":"https:\/\/example.com"}"#;
        assert_eq!(
            meta(b"app_secret", body).as_deref(),
            Some("sha256=62743639ea3947ed5bf05975c58510592da4e0605f573ca0f6e8321e496da72f")
        );
    }

    #[test]
    fn a_secret_without_its_prefix_is_none() {
        assert_eq!(standard_key("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"), None);
    }
}
