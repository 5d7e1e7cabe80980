//! A document at a URL. Redirects are refused, waiting is bounded, credentials stay out of every message.

use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use reqwest::header::{
    AUTHORIZATION, CONTENT_ENCODING, CONTENT_LENGTH, HeaderValue, TRANSFER_ENCODING,
};
use reqwest::redirect::Policy;
use reqwest::{Client, Response, StatusCode, Url, Version};
use tokio::sync::mpsc;

use super::Error;
use crate::contract::SourceAuth;

/// A shop that does not take a connection within this is down.
const CONNECT: Duration = Duration::from_secs(10);
/// The longest silence: a large catalogue may take its time before the first byte, and between bytes none.
const SILENCE: Duration = Duration::from_mins(1);

/// A document whose status and headers are good.
pub(in crate::agent::feed) struct Document(Response);

/// Asks for the document.
pub(super) async fn open(url: &str, auth: Option<&SourceAuth>) -> Result<Document, Error> {
    let url = address(url)?;
    let client = Client::builder()
        .user_agent(concat!("tradewind-agent/", env!("CARGO_PKG_VERSION")))
        .redirect(Policy::none())
        .connect_timeout(CONNECT)
        .read_timeout(SILENCE)
        // The task says where items come from; the environment has no say.
        .no_proxy()
        .build()
        .map_err(|error| unavailable(&error))?;
    let mut request = client.get(url);
    if let Some(auth) = auth {
        request = request.header(AUTHORIZATION, bearer(&auth.bearer)?);
    }
    let response = request.send().await.map_err(|error| unavailable(&error))?;
    accept(&response)?;
    Ok(Document(response))
}

impl Document {
    /// Sends the document's bytes into `body`.
    pub(super) async fn pump(mut self, body: mpsc::Sender<Bytes>) -> Result<(), Error> {
        while let Some(chunk) = self.0.chunk().await.map_err(|error| broken(&error))? {
            if body.send(chunk).await.is_err() {
                return Ok(());
            }
        }
        Ok(())
    }
}

fn address(url: &str) -> Result<Url, Error> {
    let invalid = |what: &str| Error::Invalid {
        what: format!("the source's address {what}"),
    };
    let url = Url::parse(url).map_err(|_| invalid("is not a URL"))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(invalid("must begin with http or https"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(invalid("must not hold credentials: use `auth`"));
    }
    Ok(url)
}

fn bearer(file: &Path) -> Result<HeaderValue, Error> {
    let credentials = |what: String| Error::Credentials { what };
    let token = std::fs::read_to_string(file)
        .map_err(|error| credentials(format!("`{}` cannot be read: {error}", file.display())))?;
    let token = token.trim();
    if token.is_empty() {
        return Err(credentials(format!("`{}` is empty", file.display())));
    }
    let mut header = HeaderValue::from_str(&format!("Bearer {token}"))
        .map_err(|_| credentials(format!("`{}` holds no token", file.display())))?;
    header.set_sensitive(true);
    Ok(header)
}

/// What the status and the headers mean.
fn accept(response: &Response) -> Result<(), Error> {
    let status = response.status();
    let answered = format!("it answered {}", status.as_u16());
    match status {
        StatusCode::OK => {}
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
            return Err(Error::Credentials { what: answered });
        }
        StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY | StatusCode::TOO_MANY_REQUESTS => {
            return Err(Error::Unavailable { what: answered });
        }
        _ if status.is_server_error() => return Err(Error::Unavailable { what: answered }),
        _ if status.is_redirection() => {
            return Err(Error::Invalid {
                what: format!(
                    "the source sends elsewhere ({}), which is not followed: name the final address",
                    status.as_u16()
                ),
            });
        }
        _ => {
            return Err(Error::Invalid {
                what: format!("the source answered {} instead of 200", status.as_u16()),
            });
        }
    }
    let headers = response.headers();
    let framed = response.version() >= Version::HTTP_2
        || headers.contains_key(CONTENT_LENGTH)
        || headers.contains_key(TRANSFER_ENCODING);
    if !framed {
        return Err(Error::Invalid {
            what: "the source says neither how long its document is nor sends it in chunks, so that a broken connection \
                   would pass for the end: have it send Content-Length, or HTTP/1.1 chunks"
                .to_owned(),
        });
    }
    let encoding = response.headers().get(CONTENT_ENCODING);
    if encoding.is_some_and(|encoding| encoding != "identity") {
        return Err(Error::Invalid {
            what: "the source compresses though it was not asked to: switch that off".to_owned(),
        });
    }
    Ok(())
}

/// What went wrong on the way, without the address: its query may hold a key.
fn unavailable(error: &reqwest::Error) -> Error {
    let what = if error.is_timeout() {
        "it did not answer in time"
    } else if error.is_connect() {
        "no connection"
    } else {
        "the connection broke before an answer"
    };
    Error::Unavailable {
        what: what.to_owned(),
    }
}

/// What went wrong after the first byte.
fn broken(error: &reqwest::Error) -> Error {
    let what = if error.is_timeout() {
        "it fell silent before the document's end"
    } else {
        "the connection broke before the document's end"
    };
    Error::Unavailable {
        what: what.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_addresses_are_asked() {
        assert!(address("https://shop.example/items?format=json").is_ok());
        for wrong in [
            "shop.example/items",
            "ftp://shop.example/items",
            "file:///etc/passwd",
            "https://user:secret@shop.example/items",
        ] {
            let said = address(wrong).unwrap_err().to_string();
            assert!(said.starts_with("the source's address"), "{said}");
            assert!(!said.contains("secret"));
        }
    }

    #[test]
    fn a_token_never_shows() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("token");
        std::fs::write(&file, "s3cret\n").unwrap();
        let header = bearer(&file).unwrap();
        assert_eq!(header.to_str().unwrap(), "Bearer s3cret");
        assert!(!format!("{header:?}").contains("s3cret"));
        for (content, said) in [("\n", "is empty"), ("a\nb", "holds no token")] {
            std::fs::write(&file, content).unwrap();
            assert!(bearer(&file).unwrap_err().to_string().contains(said));
        }
        assert!(bearer(&dir.path().join("absent")).is_err());
    }
}
