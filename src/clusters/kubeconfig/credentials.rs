//! Certificates, keys and tokens: decoded and checked here, so that a bad one is refused and not tried.

use axum::http::HeaderValue;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kube::config::AuthInfo;
use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;

use super::refused::Refused;
use super::tree::Mapping;

/// Longer than any token that Kubernetes issues.
const MOST_TOKEN_BYTES: usize = 16 << 10;

/// The cluster's CA certificates, DER.
pub(super) fn roots(cluster: &Mapping<'_>) -> Result<Vec<Vec<u8>>, Refused> {
    const KEY: &str = "certificate-authority-data";
    let certificates = certificates(cluster, KEY)?;
    let mut store = RootCertStore::empty();
    for certificate in &certificates {
        store
            .add(certificate.clone())
            .map_err(|_| cluster.wrong(KEY, "holds a certificate that can't be read"))?;
    }
    Ok(certificates.iter().map(|c| c.to_vec()).collect())
}

/// A user's token, or its certificate and key.
pub(super) fn read(user: &Mapping<'_>) -> Result<AuthInfo, Refused> {
    const CERTIFICATE: &str = "client-certificate-data";
    const KEY: &str = "client-key-data";
    let has_certificate = user.has(CERTIFICATE) || user.has(KEY);
    let mut auth = AuthInfo::default();
    if user.has("token") {
        if has_certificate {
            return Err(user.wrong(
                "token",
                "stands beside a client certificate, and one must go",
            ));
        }
        auth.token = Some(token(user)?.to_owned().into());
        return Ok(auth);
    }
    if !has_certificate {
        user.field("token")?;
    }
    let chain = certificates(user, CERTIFICATE)?;
    let key = PrivateKeyDer::from_pem_slice(&decoded(user, KEY)?)
        .map_err(|_| user.wrong(KEY, "holds no PEM private key"))?;
    let provider = rustls::crypto::ring::default_provider();
    CertifiedKey::from_der(chain, key, &provider)
        .map_err(|_| user.wrong(KEY, "is not the key of client-certificate-data"))?;
    auth.client_certificate_data = Some(compact(user.text(CERTIFICATE)?));
    auth.client_key_data = Some(compact(user.text(KEY)?).into());
    Ok(auth)
}

fn token<'v>(user: &Mapping<'v>) -> Result<&'v str, Refused> {
    let token = user.text("token")?;
    if token.len() > MOST_TOKEN_BYTES {
        return Err(user.wrong("token", "is longer than 16 KiB"));
    }
    // What a header can't carry would only fail later, at each call.
    let fits = HeaderValue::from_str(token).is_ok() && token.chars().all(|c| c.is_ascii_graphic());
    if !fits {
        return Err(user.wrong("token", "has characters that no token has"));
    }
    Ok(token)
}

fn certificates(mapping: &Mapping<'_>, key: &str) -> Result<Vec<CertificateDer<'static>>, Refused> {
    let pem = decoded(mapping, key)?;
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    match all {
        Ok(certificates) if !certificates.is_empty() => Ok(certificates),
        _ => Err(mapping.wrong(key, "holds no PEM certificate")),
    }
}

fn decoded(mapping: &Mapping<'_>, key: &str) -> Result<Vec<u8>, Refused> {
    STANDARD
        .decode(compact(mapping.text(key)?))
        .map_err(|_| mapping.wrong(key, "is not base64"))
}

/// Base64 in YAML may be folded over lines; everything else that isn't base64 stays in and is refused.
fn compact(text: &str) -> String {
    text.chars()
        .filter(|c| !matches!(c, ' ' | '\n' | '\r'))
        .collect()
}
