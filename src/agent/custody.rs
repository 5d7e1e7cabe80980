//! A Secret of the pod's own namespace, asked for with the pod's own token: where a region's keys are kept.
//!
//! In: the ServiceAccount's files, a Secret's name. Out: the Secret as it stands, or written. It must never log a value.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use reqwest::header::{AUTHORIZATION, HeaderValue};
use reqwest::redirect::Policy;
use reqwest::{Certificate, Client, Method, StatusCode};
use serde_json::Value;

use crate::contract::Outcome;

/// Where Kubernetes mounts a ServiceAccount's files.
const CREDENTIALS: &str = "/var/run/secrets/kubernetes.io/serviceaccount";
/// An API server answers within this, or is asked again by the next attempt.
const DEADLINE: Duration = Duration::from_secs(20);

/// Flags of the commands that keep a key.
#[derive(Clone, Debug, clap::Args)]
pub struct Options {
    /// The ServiceAccount's files: `token`, `ca.crt` and `namespace`, as Kubernetes mounts them.
    #[arg(long, value_name = "FOLDER", default_value = CREDENTIALS)]
    pub credentials: PathBuf,
}

/// Why a Secret cannot be had.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    /// A file that Kubernetes mounts is not there or makes no sense.
    #[error("`{file}` of the ServiceAccount: {what}")]
    Credentials { file: String, what: String },
    /// Nobody says where the API server is.
    #[error(
        "no API server is named: the pod has no KUBERNETES_SERVICE_HOST, and the Region no `evidence.apiServer`"
    )]
    NoServer,
    /// The API server did not answer.
    #[error("the API server cannot be asked")]
    Unavailable(#[source] reqwest::Error),
    /// The API server refuses.
    #[error("the API server answers {status} to a {verb} of Secret {secret}{hint}")]
    Refused {
        status: u16,
        verb: &'static str,
        secret: String,
        hint: &'static str,
    },
    /// Another run was quicker.
    #[error("another run changed Secret {secret} meanwhile")]
    Behind { secret: String },
}

impl Error {
    /// The word for the report.
    pub(super) fn reason(&self) -> &'static str {
        match self {
            Self::Credentials { .. } | Self::NoServer => "CredentialsMissing",
            Self::Unavailable(_) => "ApiServerUnavailable",
            Self::Refused { .. } => "KeyForbidden",
            Self::Behind { .. } => "Behind",
        }
    }

    /// Whether another try may end otherwise.
    pub(super) fn outcome(&self) -> Outcome {
        match self {
            Self::Credentials { .. }
            | Self::NoServer
            // What the API server refuses for good, not what it cannot do just now.
            | Self::Refused {
                status: 400..=428, ..
            } => Outcome::Refused,
            Self::Refused { .. } | Self::Unavailable(_) | Self::Behind { .. } => Outcome::Retry,
        }
    }
}

/// What is needed to get at the Secret.
pub(super) struct Place<'a> {
    pub(super) credentials: &'a Path,
    pub(super) api_server: Option<&'a str>,
    pub(super) secret: &'a str,
}

/// The right to one Secret.
pub(super) struct Custody {
    client: Client,
    token: HeaderValue,
    collection: String,
    secret: String,
}

impl Custody {
    /// With the pod's own token, and to nobody but who the pod's own authority vouches for.
    pub(super) fn open(place: &Place<'_>) -> Result<Self, Error> {
        let file = |name: &str| -> Result<Vec<u8>, Error> {
            let path = place.credentials.join(name);
            std::fs::read(&path).map_err(|error| wrong(name, &error))
        };
        let text = |name: &str| -> Result<String, Error> {
            let text = String::from_utf8(file(name)?).map_err(|error| wrong(name, &error))?;
            Ok(text.trim().to_owned())
        };
        let authority = Certificate::from_pem_bundle(&file("ca.crt")?);
        let authority = authority.map_err(|error| wrong("ca.crt", &error))?;
        let client = Client::builder()
            .user_agent(concat!("tradewind-agent/", env!("CARGO_PKG_VERSION")))
            .tls_certs_only(authority)
            .https_only(true)
            .redirect(Policy::none())
            .timeout(DEADLINE)
            .no_proxy()
            .build()
            .map_err(Error::Unavailable)?;
        let mut token = HeaderValue::from_str(&format!("Bearer {}", text("token")?))
            .map_err(|_| wrong("token", &"it is not one line"))?;
        token.set_sensitive(true);
        let server = match place.api_server {
            Some(named) => named.trim_end_matches('/').to_owned(),
            None => in_cluster().ok_or(Error::NoServer)?,
        };
        let namespace = text("namespace")?;
        Ok(Self {
            client,
            token,
            collection: format!("{server}/api/v1/namespaces/{namespace}/secrets"),
            secret: place.secret.to_owned(),
        })
    }

    fn own(&self) -> String {
        format!("{}/{}", self.collection, self.secret)
    }

    async fn ask(
        &self,
        method: Method,
        url: &str,
        body: Option<&Value>,
    ) -> Result<(StatusCode, Value), Error> {
        let request = self.client.request(method, url);
        let mut request = request.header(AUTHORIZATION, self.token.clone());
        if let Some(body) = body {
            request = request.json(body);
        }
        // An address in an error would be the same each time; what is asked is said by whom the error passes.
        let unavailable = |error: reqwest::Error| Error::Unavailable(error.without_url());
        let response = request.send().await.map_err(unavailable)?;
        let status = response.status();
        if !status.is_success() {
            return Ok((status, Value::Null));
        }
        let body = response.json().await.map_err(unavailable)?;
        Ok((status, body))
    }

    fn refused(&self, status: StatusCode, verb: &'static str) -> Error {
        let hint = if status == StatusCode::FORBIDDEN {
            ": install the chart's role Region there, which gives this ServiceAccount its one right"
        } else {
            ""
        };
        Error::Refused {
            status: status.as_u16(),
            verb,
            secret: self.secret.clone(),
            hint,
        }
    }

    /// The Secret's name.
    pub(super) fn secret(&self) -> &str {
        &self.secret
    }

    /// The Secret, if it is there.
    pub(super) async fn read(&self) -> Result<Option<Value>, Error> {
        let (status, secret) = self.ask(Method::GET, &self.own(), None).await?;
        if status == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        if !status.is_success() {
            return Err(self.refused(status, "get"));
        }
        Ok(Some(secret))
    }

    /// Makes it; never over another.
    pub(super) async fn create(&self, body: &Value) -> Result<(), Error> {
        let made = self.ask(Method::POST, &self.collection, Some(body)).await?;
        self.written(made.0, "create")
    }

    /// Changes it, unless somebody else did since the version that the body names.
    pub(super) async fn update(&self, body: &Value) -> Result<(), Error> {
        let made = self.ask(Method::PUT, &self.own(), Some(body)).await?;
        self.written(made.0, "update")
    }

    fn written(&self, status: StatusCode, verb: &'static str) -> Result<(), Error> {
        match status {
            status if status.is_success() => Ok(()),
            StatusCode::CONFLICT | StatusCode::NOT_FOUND => Err(Error::Behind {
                secret: self.secret.clone(),
            }),
            status => Err(self.refused(status, verb)),
        }
    }
}

fn wrong(file: &str, what: &impl fmt::Display) -> Error {
    Error::Credentials {
        file: file.to_owned(),
        what: what.to_string(),
    }
}

/// Where Kubernetes tells each pod that its API server is.
fn in_cluster() -> Option<String> {
    let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let host = variable("KUBERNETES_SERVICE_HOST")?;
    let port = variable("KUBERNETES_SERVICE_PORT_HTTPS");
    let port = port.or_else(|| variable("KUBERNETES_SERVICE_PORT"))?;
    let host = if host.contains(':') {
        format!("[{host}]")
    } else {
        host
    };
    Some(format!("https://{host}:{port}"))
}
