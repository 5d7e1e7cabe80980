//! Opens the object store that the task and the credentials name.

use std::fs;
use std::io;
use std::path::Path as File;
use std::sync::Arc;
use std::time::Duration;

use object_store::aws::AmazonS3Builder;
use object_store::path::Path;
use object_store::{BackoffConfig, ClientOptions, ObjectStore, RetryConfig};
use reqwest::Url;

use super::{Destination, Error};
use crate::contract::FeedDestination;

/// A store that does not take a connection within this is down.
const CONNECT: Duration = Duration::from_secs(10);
/// One part of five MiB on a slow line, or the assembling of thousands of parts.
const REQUEST: Duration = Duration::from_mins(3);
/// Tries after the first: enough for a store that restarts, few enough for the Job to say so soon.
const RETRIES: usize = 4;
/// All tries of one request together.
const RETRY_FOR: Duration = Duration::from_mins(1);
const BACKOFF: BackoffConfig = BackoffConfig {
    init_backoff: Duration::from_millis(250),
    max_backoff: Duration::from_secs(5),
    base: 2.0,
};
/// Where buckets are that say nothing else.
const DEFAULT_REGION: &str = "us-east-1";

/// What a folder of credentials holds.
struct Credentials {
    access_key_id: String,
    secret_access_key: String,
    session_token: Option<String>,
    region: Option<String>,
    endpoint: Option<String>,
}

impl Destination {
    /// The destination of a task. Nothing is asked of the store yet.
    pub(in crate::agent::feed) fn open(task: &FeedDestination) -> Result<Self, Error> {
        let (store, object) = place(task)?;
        Ok(Self {
            store,
            rejected: beside(&object, "rejected.csv"),
            manifest: beside(&object, "manifest.json"),
            object,
        })
    }
}

/// The store and the key that a task names. Nothing is asked of the store yet.
pub(in crate::agent) fn place(
    task: &FeedDestination,
) -> Result<(Arc<dyn ObjectStore>, Path), Error> {
    let invalid = |what: &str| Error::Invalid {
        what: what.to_owned(),
    };
    let bucket = task
        .url
        .strip_prefix("s3://")
        .map(|bucket| bucket.trim_end_matches('/'))
        .filter(|bucket| !bucket.is_empty() && !bucket.contains(['/', '?', '@', ':']))
        .ok_or_else(|| invalid("its URL must be `s3://` and a bucket's name"))?;
    let object = Path::parse(&task.object)
        .ok()
        .filter(|object| !object.as_ref().is_empty())
        .ok_or_else(|| invalid("`object` is no key"))?;
    let store = s3(bucket, Credentials::read(&task.credentials)?)?;
    Ok((Arc::new(store), object))
}

pub(in crate::agent) fn beside(object: &Path, suffix: &str) -> Path {
    Path::from(format!("{object}.{suffix}"))
}

fn s3(bucket: &str, credentials: Credentials) -> Result<object_store::aws::AmazonS3, Error> {
    let region = credentials.region.as_deref().unwrap_or(DEFAULT_REGION);
    let mut builder = AmazonS3Builder::new()
        .with_bucket_name(bucket)
        .with_region(region)
        .with_access_key_id(credentials.access_key_id)
        .with_secret_access_key(credentials.secret_access_key)
        .with_retry(RetryConfig {
            backoff: BACKOFF,
            max_retries: RETRIES,
            retry_timeout: RETRY_FOR,
        });
    let mut client = ClientOptions::new()
        .with_connect_timeout(CONNECT)
        .with_timeout(REQUEST)
        .with_content_type_for_suffix("csv", "text/csv; charset=utf-8")
        .with_content_type_for_suffix("json", "application/json");
    if let Some(token) = credentials.session_token {
        builder = builder.with_token(token);
    }
    match credentials.endpoint {
        // Whoever names a server means that server: buckets in its path, and plain HTTP if it says so.
        Some(endpoint) => {
            client = client.with_allow_http(endpoint.starts_with("http://"));
            builder = builder.with_endpoint(endpoint);
        }
        // A certificate for `*.s3…` does not cover a bucket with a dot.
        None => builder = builder.with_virtual_hosted_style_request(!bucket.contains('.')),
    }
    builder
        .with_client_options(client)
        .build()
        .map_err(|_| Error::Invalid {
            what: "bucket, region and endpoint do not go together".to_owned(),
        })
}

impl Credentials {
    fn read(folder: &File) -> Result<Self, Error> {
        let missing = |key: &str| Error::Credentials {
            what: format!("`{key}` is missing in `{}`", folder.display()),
        };
        let endpoint = key(folder, "endpoint")?;
        if let Some(endpoint) = &endpoint {
            let url = Url::parse(endpoint).ok();
            let is_server = url.is_some_and(|url| {
                matches!(url.scheme(), "http" | "https")
                    && url.has_host()
                    && url.username().is_empty()
            });
            if !is_server {
                return Err(Error::Credentials {
                    what: "`endpoint` must be an http or https URL".to_owned(),
                });
            }
        }
        Ok(Self {
            access_key_id: key(folder, "accessKeyId")?.ok_or_else(|| missing("accessKeyId"))?,
            secret_access_key: key(folder, "secretAccessKey")?
                .ok_or_else(|| missing("secretAccessKey"))?,
            session_token: key(folder, "sessionToken")?,
            region: key(folder, "region")?,
            endpoint,
        })
    }
}

/// One key of the mounted Secret; an empty one is none.
fn key(folder: &File, name: &str) -> Result<Option<String>, Error> {
    match fs::read_to_string(folder.join(name)) {
        Ok(value) => Ok(Some(value.trim().to_owned()).filter(|value| !value.is_empty())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::Credentials {
            what: format!("`{name}` cannot be read: {error}"),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(url: &str, object: &str, keys: &[(&str, &str)]) -> Result<String, String> {
        // As start-up does; a second one is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let folder = tempfile::tempdir().unwrap();
        for (name, value) in keys {
            fs::write(folder.path().join(name), value).unwrap();
        }
        let task = FeedDestination {
            url: url.into(),
            object: object.into(),
            credentials: folder.path().to_owned(),
        };
        Destination::open(&task)
            .map(|opened| format!("{opened:?}"))
            .map_err(|error| error.to_string())
    }

    const KEYS: [(&str, &str); 2] = [("accessKeyId", "AK\n"), ("secretAccessKey", "s3cret\n")];

    #[test]
    fn plain_http_needs_an_endpoint_that_says_so() {
        let own = open(
            "s3://feeds",
            "a/b.csv",
            &[KEYS[0], KEYS[1], ("endpoint", "http://10.0.0.1:7070")],
        );
        assert!(own.unwrap().contains("http://10.0.0.1:7070/feeds"));
        let amazon = open(
            "s3://feeds",
            "a/b.csv",
            &[KEYS[0], KEYS[1], ("region", "eu-central-1")],
        );
        assert!(
            amazon
                .unwrap()
                .contains("https://feeds.s3.eu-central-1.amazonaws.com")
        );
        let dotted = open("s3://my.feeds/", "a/b.csv", &KEYS);
        assert!(
            dotted
                .unwrap()
                .contains("https://s3.us-east-1.amazonaws.com/my.feeds")
        );
    }

    #[test]
    fn what_is_no_destination_is_refused() {
        for url in [
            "",
            "s3://",
            "s3://a/b",
            "https://bucket",
            "s3://key:secret@bucket",
        ] {
            let said = open(url, "a.csv", &KEYS).unwrap_err();
            assert!(
                said.contains("must be `s3://` and a bucket's name"),
                "{url}: {said}"
            );
        }
        for object in ["", "a//b.csv", "../b.csv"] {
            assert!(
                open("s3://feeds", object, &KEYS)
                    .unwrap_err()
                    .contains("no key")
            );
        }
    }

    #[test]
    fn missing_credentials_are_named_and_never_shown() {
        let said = open("s3://feeds", "a.csv", &KEYS[1..]).unwrap_err();
        assert!(said.contains("`accessKeyId` is missing"), "{said}");
        let said = open(
            "s3://feeds",
            "a.csv",
            &[KEYS[0], ("secretAccessKey", " \n")],
        )
        .unwrap_err();
        assert!(said.contains("`secretAccessKey` is missing"), "{said}");
        let said = open(
            "s3://feeds",
            "a.csv",
            &[KEYS[0], KEYS[1], ("endpoint", "minio:9000")],
        );
        assert!(said.unwrap_err().contains("`endpoint` must be"));
    }
}
