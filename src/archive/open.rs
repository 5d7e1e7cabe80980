//! Opens the archive that the operator's flags name. Its credentials are the hub's own: a region's stay in the region.

use std::fs;
use std::io;
use std::path::Path as File;
use std::sync::Arc;
use std::time::Duration;

use object_store::aws::AmazonS3Builder;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{ClientOptions, ObjectStore, RetryConfig};

use super::{Archive, Error};

/// A store that does not take a connection within this is down.
const CONNECT: Duration = Duration::from_secs(10);
/// A segment on a slow line.
const REQUEST: Duration = Duration::from_mins(1);
/// Tries of one request after the first: the next look tries again anyway.
const RETRIES: usize = 2;
/// Where buckets are that say nothing else.
const DEFAULT_REGION: &str = "us-east-1";

impl Archive {
    /// `s3://bucket/folder`, with a folder of credentials as feeds have them, or `file:///folder`. Nothing is asked yet.
    pub fn open(url: &str, credentials: Option<&File>) -> Result<Self, Error> {
        let wrong = |what| Error::Address {
            url: url.to_owned(),
            what,
        };
        let (store, folder): (Arc<dyn ObjectStore>, Path) =
            if let Some(folder) = url.strip_prefix("file://") {
                let store = LocalFileSystem::new_with_prefix(folder);
                let store = store.map_err(|_| wrong("no such folder"))?;
                (Arc::new(store.with_fsync(true)), Path::default())
            } else if let Some(place) = url.strip_prefix("s3://") {
                let (bucket, folder) = place.split_once('/').unwrap_or((place, ""));
                if bucket.is_empty() || bucket.contains(['?', '@', ':']) {
                    return Err(wrong("no bucket"));
                }
                let folder = Path::parse(folder).map_err(|_| wrong("no folder"))?;
                let credentials = credentials.ok_or_else(|| Error::Credentials {
                    what: "a bucket needs a folder with accessKeyId and secretAccessKey".to_owned(),
                })?;
                (bucket_of(bucket, credentials)?, folder)
            } else {
                return Err(wrong("neither a bucket nor a folder"));
            };
        Ok(Self {
            name: url.trim_end_matches('/').to_owned(),
            store,
            folder,
            gone: Arc::default(),
        })
    }
}

fn bucket_of(bucket: &str, folder: &File) -> Result<Arc<dyn ObjectStore>, Error> {
    let needed = |name: &str| {
        key(folder, name)?.ok_or_else(|| Error::Credentials {
            what: format!("`{name}` is missing in `{}`", folder.display()),
        })
    };
    let region = key(folder, "region")?;
    let mut builder = AmazonS3Builder::new()
        .with_bucket_name(bucket)
        .with_region(region.as_deref().unwrap_or(DEFAULT_REGION))
        .with_access_key_id(needed("accessKeyId")?)
        .with_secret_access_key(needed("secretAccessKey")?)
        .with_retry(RetryConfig {
            max_retries: RETRIES,
            ..RetryConfig::default()
        });
    let mut client = ClientOptions::new()
        .with_connect_timeout(CONNECT)
        .with_timeout(REQUEST);
    match key(folder, "endpoint")? {
        // Whoever names a server means that server, and plain HTTP if it says so.
        Some(endpoint) => {
            client = client.with_allow_http(endpoint.starts_with("http://"));
            builder = builder.with_endpoint(endpoint);
        }
        // A certificate for `*.s3…` does not cover a bucket with a dot.
        None => builder = builder.with_virtual_hosted_style_request(!bucket.contains('.')),
    }
    let store = builder.with_client_options(client).build();
    let store = store.map_err(|_| Error::Credentials {
        what: "bucket, region and endpoint do not go together".to_owned(),
    })?;
    Ok(Arc::new(store))
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

    fn opened(url: &str, keys: &[(&str, &str)]) -> Result<String, String> {
        // As start-up does; a second one is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let folder = tempfile::tempdir().unwrap();
        for (name, value) in keys {
            fs::write(folder.path().join(name), value).unwrap();
        }
        let archive = Archive::open(url, Some(folder.path()));
        archive
            .map(|archive| format!("{} {archive:?}", archive.name()))
            .map_err(|error| error.to_string())
    }

    #[test]
    fn an_address_is_a_bucket_or_a_folder() {
        let keys = [("accessKeyId", "AK\n"), ("secretAccessKey", "s3cret\n")];
        let told = opened("s3://evidence/aurora/", &keys).unwrap();
        assert!(told.starts_with("s3://evidence/aurora "), "{told}");
        assert!(!told.contains("s3cret"), "{told}");
        let here = [keys[0], keys[1], ("endpoint", "http://10.0.0.1:7070")];
        let told = opened("s3://evidence", &here).unwrap();
        assert!(told.contains("http://10.0.0.1:7070/evidence"), "{told}");
        for (url, keys, what) in [
            ("s3://", &keys[..], "no bucket"),
            ("s3://a@b", &keys[..], "no bucket"),
            ("https://evidence", &keys[..], "neither a bucket"),
            ("file:///no/such/folder", &keys[..], "no such folder"),
            ("s3://evidence", &keys[1..], "`accessKeyId` is missing"),
        ] {
            let told = opened(url, keys).unwrap_err();
            assert!(told.contains(what), "{url}: {told}");
        }
        assert!(Archive::open("s3://evidence", None).is_err());
    }
}
