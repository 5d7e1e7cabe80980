//! A cluster's own certificate authority and what it signs.
//! In: the addresses of the API server and the node. Out: PEM files under `pki/`. No key is shared between clusters.

use std::{
    fs, io,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};

/// Why there are no certificates.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A key or certificate could not be made.
    #[error("cannot make the certificate `{name}`")]
    Make {
        /// Which.
        name: String,
        /// Why not.
        source: rcgen::Error,
    },
    /// A file could not be written.
    #[error("cannot write {}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

/// A client or server that the authority vouches for.
struct Subject<'a> {
    name: &'a str,
    common_name: &'a str,
    organisation: Option<&'a str>,
    /// Names and addresses; empty for a client.
    addresses: Vec<String>,
}

impl<'a> Subject<'a> {
    fn client(name: &'a str, common_name: &'a str, organisation: Option<&'a str>) -> Self {
        Self {
            name,
            common_name,
            organisation,
            addresses: Vec::new(),
        }
    }
}

/// The files, by purpose.
#[derive(Clone, Debug)]
pub(super) struct Pki {
    dir: PathBuf,
}

impl Pki {
    pub(super) fn at(cluster_dir: &Path) -> Self {
        Self {
            dir: cluster_dir.join("pki"),
        }
    }

    pub(super) fn certificate(&self, name: &str) -> PathBuf {
        self.dir.join(format!("{name}.crt"))
    }

    pub(super) fn key(&self, name: &str) -> PathBuf {
        self.dir.join(format!("{name}.key"))
    }

    /// Makes everything for a cluster whose API server and node answer on `host`.
    pub(super) fn create(&self, host: &str, node: &str) -> Result<(), Error> {
        fs::create_dir_all(&self.dir).map_err(|source| Error::Write {
            path: self.dir.clone(),
            source,
        })?;
        let issuer = self.authority()?;
        let local = |more: &[&str]| more.iter().map(|name| (*name).to_owned()).collect();
        let node_name = format!("system:node:{node}");
        let subjects = [
            Subject {
                addresses: local(&[
                    host,
                    "127.0.0.1",
                    "10.0.0.1",
                    "localhost",
                    "kubernetes",
                    "kubernetes.default",
                    "kubernetes.default.svc",
                    "kubernetes.default.svc.cluster.local",
                ]),
                ..Subject::client("apiserver", "kube-apiserver", None)
            },
            Subject {
                addresses: local(&[host, node]),
                ..Subject::client("kubelet-server", &node_name, Some("system:nodes"))
            },
            Subject::client("admin", "tradewind-dev-admin", Some("system:masters")),
            Subject::client(
                "apiserver-kubelet",
                "kube-apiserver-kubelet",
                Some("system:masters"),
            ),
            Subject::client("controller-manager", "system:kube-controller-manager", None),
            Subject::client("scheduler", "system:kube-scheduler", None),
            Subject::client("kubelet", &node_name, Some("system:nodes")),
        ];
        for subject in subjects {
            self.sign(&issuer, subject)?;
        }
        let tokens = generate("service-accounts")?;
        write(
            &self.certificate("service-accounts"),
            &tokens.public_key_pem(),
        )?;
        write(&self.key("service-accounts"), &tokens.serialize_pem())
    }

    fn authority(&self) -> Result<Issuer<'static, KeyPair>, Error> {
        let name = "ca";
        let key = generate(name)?;
        let mut params = CertificateParams::default();
        params
            .distinguished_name
            .push(DnType::CommonName, "tradewind-dev");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![
            KeyUsagePurpose::KeyCertSign,
            KeyUsagePurpose::DigitalSignature,
        ];
        let certificate = params.self_signed(&key).map_err(|source| Error::Make {
            name: name.to_owned(),
            source,
        })?;
        write(&self.certificate(name), &certificate.pem())?;
        write(&self.key(name), &key.serialize_pem())?;
        Ok(Issuer::new(params, key))
    }

    fn sign(&self, issuer: &Issuer<'static, KeyPair>, subject: Subject<'_>) -> Result<(), Error> {
        let make = |source| Error::Make {
            name: subject.name.to_owned(),
            source,
        };
        let key = generate(subject.name)?;
        let usage = if subject.addresses.is_empty() {
            ExtendedKeyUsagePurpose::ClientAuth
        } else {
            ExtendedKeyUsagePurpose::ServerAuth
        };
        let mut params = CertificateParams::new(subject.addresses).map_err(make)?;
        params
            .distinguished_name
            .push(DnType::CommonName, subject.common_name);
        if let Some(organisation) = subject.organisation {
            params
                .distinguished_name
                .push(DnType::OrganizationName, organisation);
        }
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![usage];
        let certificate = params.signed_by(&key, issuer).map_err(make)?;
        write(&self.certificate(subject.name), &certificate.pem())?;
        write(&self.key(subject.name), &key.serialize_pem())
    }
}

fn write(path: &Path, content: &str) -> Result<(), Error> {
    write_private(path, content.as_bytes()).map_err(|source| Error::Write {
        path: path.to_owned(),
        source,
    })
}

fn generate(name: &str) -> Result<KeyPair, Error> {
    KeyPair::generate().map_err(|source| Error::Make {
        name: name.to_owned(),
        source,
    })
}

/// Writes a file that only we can read.
pub(super) fn write_private(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut options = fs::OpenOptions::new();
    let mut file = options
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)?;
    io::Write::write_all(&mut file, content)
}
