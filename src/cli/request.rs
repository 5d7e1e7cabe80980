//! `tradewind request create`: who a person is, encrypted to each region's own key, as a DataSubjectRequest.
//!
//! The identity comes from standard input or a file, never from an argument, which stays in the shell's history and in the
//! list of processes; it leaves as ciphertext only.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clap::Args;
use kube::ResourceExt;
use serde_json::Value;
use zeroize::Zeroizing;

use super::input::{self, Error, wrong};
use crate::api::{
    AskedFor, CopyDelivery, CopyStore, DataSubjectRequest, DataSubjectRequestSpec, NameRef, Region,
    SealedIdentity,
};

/// The longest ciphertext that the schema takes.
const MOST: usize = 16_384;

/// The request, without the person.
#[derive(Args, Debug)]
pub struct Arguments {
    /// The request's name: its reference, which says nothing of the person.
    #[arg(long)]
    name: String,
    /// What is asked for.
    #[arg(long, value_enum)]
    kind: Kind,
    /// When it was received, with its offset: 2026-03-31T23:30:00+02:00.
    #[arg(long)]
    received: String,
    /// The IANA time zone of the place where it is answered.
    #[arg(long)]
    zone: String,
    /// A code of the law that the person may call upon, DE or US-CA; may be given more than once.
    #[arg(long, required = true)]
    jurisdiction: Vec<String>,
    /// A Region in which the person may be known; may be given more than once.
    #[arg(long, required = true)]
    region: Vec<String>,
    /// What `kubectl get regions -o yaml` (or json) prints: it has the regions' public keys.
    #[arg(long, value_name = "FILE")]
    regions: PathBuf,
    /// A file with the identity, or - for standard input: a line for each value, `email=ann@mail.example`, or a JSON object
    /// with a list of texts for each kind.
    #[arg(long, value_name = "FILE", default_value = "-")]
    identity: PathBuf,
    /// For a copy: the bucket, s3://bucket.
    #[arg(long, value_name = "BUCKET", requires_all = ["prefix", "credentials", "reader", "expires"])]
    to: Option<String>,
    /// For a copy: the folder in the bucket; {region} stands for the region's name.
    #[arg(long)]
    prefix: Option<String>,
    /// For a copy: the Secret in each region's runNamespace with the bucket's keys.
    #[arg(long, value_name = "SECRET")]
    credentials: Option<String>,
    /// For a copy: the age recipient that can read it, age1...
    #[arg(long, value_name = "RECIPIENT")]
    reader: Option<String>,
    /// For a copy: after which time it is to be removed, P30D.
    #[arg(long, value_name = "DURATION")]
    expires: Option<String>,
}

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Kind {
    /// The person's rows go.
    Erasure,
    /// A copy of all rows.
    Access,
    /// A copy of the rows that the person provided.
    Portability,
    /// The person's rows stay, and applications read them as absent.
    Restriction,
    /// The same, until it is decided whether the objection holds.
    Objection,
}

/// Values of a person by their kind.
type Identity = BTreeMap<String, Vec<String>>;

/// The request as JSON: in YAML, `NO` for Norway would be a boolean to whoever reads YAML 1.1, as kubectl does.
pub fn create(args: &Arguments) -> Result<String, Error> {
    input::moment("--received", &args.received)?;
    input::zone("--zone", &args.zone)?;
    let regions = regions(&args.regions)?;
    let identity = identity(&args.identity)?;
    let chosen: Vec<&Region> = args
        .region
        .iter()
        .map(|name| {
            let mut all = regions.iter();
            let found = all.find(|region| region.name_any() == *name);
            found.ok_or_else(|| wrong("--region", format!("{name} is not in --regions")))
        })
        .collect::<Result<_, _>>()?;
    for kind in identity.keys() {
        if !chosen.iter().any(|region| knows(region, kind)) {
            let why = format!("no chosen Region knows the kind {kind} (spec.requests.identities)");
            return Err(wrong("--identity", why));
        }
    }
    let sealed = chosen.iter().map(|region| seal(region, &identity));
    let spec = DataSubjectRequestSpec {
        kind: match args.kind {
            Kind::Erasure => AskedFor::Erasure,
            Kind::Access => AskedFor::Access,
            Kind::Portability => AskedFor::Portability,
            Kind::Restriction => AskedFor::Restriction,
            Kind::Objection => AskedFor::Objection,
        },
        received: args.received.clone(),
        jurisdictions: args.jurisdiction.clone(),
        time_zone: args.zone.clone(),
        holidays: Vec::new(),
        regions: args.region.clone(),
        identity: sealed.collect::<Result<_, _>>()?,
        verified: None,
        acknowledged: None,
        extension: None,
        pauses: Vec::new(),
        notice: None,
        refusal: None,
        cancelled: None,
        upheld: None,
        lifted: None,
        answered: None,
        attestations: Vec::new(),
        delivery: delivery(args)?,
    };
    let request = DataSubjectRequest::new(&args.name, spec);
    let mut text = serde_json::to_string_pretty(&request).map_err(Error::Json)?;
    text.push('\n');
    Ok(text)
}

fn delivery(args: &Arguments) -> Result<Option<CopyDelivery>, Error> {
    let told = (
        &args.to,
        &args.prefix,
        &args.credentials,
        &args.reader,
        &args.expires,
    );
    match (args.kind, told) {
        (Kind::Erasure | Kind::Restriction | Kind::Objection, (None, ..)) => Ok(None),
        (
            Kind::Access | Kind::Portability,
            (Some(url), Some(prefix), Some(secret), Some(reader), Some(expires)),
        ) => Ok(Some(CopyDelivery {
            object_store: CopyStore {
                url: url.clone(),
                prefix: prefix.clone(),
                credentials_ref: NameRef {
                    name: secret.clone(),
                },
            },
            recipient: reader.clone(),
            expires_after: expires.clone(),
        })),
        (Kind::Erasure | Kind::Restriction | Kind::Objection, _) => Err(wrong(
            "--to",
            "only a copy is delivered; leave it out".to_owned(),
        )),
        (Kind::Access | Kind::Portability, _) => Err(wrong(
            "--to",
            "a copy needs --to, --prefix, --credentials, --reader and --expires".to_owned(),
        )),
    }
}

/// The Regions of a list, or the one that stands alone.
fn regions(file: &Path) -> Result<Vec<Region>, Error> {
    let text = input::read("--regions", file)?;
    let no = |why: String| {
        let such = "give what `kubectl get regions -o yaml` prints";
        wrong(
            format!("--regions '{}'", file.display()),
            format!("{why}; {such}"),
        )
    };
    let value: Value = serde_yaml::from_str(&text).map_err(|error| no(error.to_string()))?;
    let items = match value.get("items") {
        Some(Value::Array(items)) => items.clone(),
        _ => vec![value],
    };
    let read = |item: Value| serde_json::from_value::<Region>(item);
    let regions = items.into_iter().map(read).collect::<Result<_, _>>();
    regions.map_err(|error| no(error.to_string()))
}

fn knows(region: &Region, kind: &str) -> bool {
    let requests = region.spec.requests.iter();
    let mut kinds = requests.flat_map(|requests| &requests.identities);
    kinds.any(|known| known.name == kind)
}

/// What the region may know of the person, to its own key.
fn seal(region: &Region, identity: &Identity) -> Result<SealedIdentity, Error> {
    let name = region.name_any();
    let no = |why: String| wrong(format!("--region {name}"), why);
    let status = region.status.as_ref();
    let told = status.and_then(|status| status.requests.as_ref()?.recipient.clone());
    let recipient = told.ok_or_else(|| {
        no(
            "it has told no key: look at its status.requests, and whether it has spec.requests"
                .to_owned(),
        )
    })?;
    let known: BTreeMap<&String, &Vec<String>> = identity
        .iter()
        .filter(|(kind, _)| knows(region, kind))
        .collect();
    if known.is_empty() {
        return Err(no(
            "it knows none of the identity's kinds (spec.requests.identities)".to_owned(),
        ));
    }
    let plain = serde_json::to_vec(&known)
        .map(Zeroizing::new)
        .map_err(Error::Json)?;
    let key: age::x25519::Recipient = recipient
        .parse()
        .map_err(|_| no(format!("{recipient} is no age recipient")))?;
    let bytes = age::encrypt(&key, &plain).map_err(|error| no(error.to_string()))?;
    let ciphertext = STANDARD.encode(bytes);
    if ciphertext.len() > MOST {
        return Err(no(
            "the identity is too long: some thousand characters at most".to_owned(),
        ));
    }
    Ok(SealedIdentity {
        region: name,
        recipient,
        ciphertext,
    })
}

fn identity(file: &Path) -> Result<Identity, Error> {
    let from_input = file.as_os_str() == "-";
    let text = if from_input {
        let mut text = String::new();
        std::io::stdin()
            .read_to_string(&mut text)
            .map_err(|source| Error::File {
                field: "--identity",
                file: file.to_owned(),
                source,
            })?;
        text
    } else {
        input::read("--identity", file)?
    };
    parse(&Zeroizing::new(text))
}

/// Lines of `kind=value`, or a JSON object. No error repeats a value.
fn parse(text: &str) -> Result<Identity, Error> {
    let no = |why: &str| {
        let such = "write a line for each value, such as email=ann@mail.example, or a JSON object";
        wrong("--identity", format!("{why}; {such}"))
    };
    let mut identity = Identity::new();
    if text.trim_start().starts_with('{') {
        let found: Identity = serde_json::from_str(text)
            .map_err(|_| no("it is no JSON object with a list of texts for each kind"))?;
        identity = found;
    } else {
        let lines = text.lines().map(str::trim).zip(1..);
        for (line, number) in lines.filter(|(line, _)| !line.is_empty()) {
            let (kind, value) = line
                .split_once('=')
                .ok_or_else(|| no(&format!("line {number} has no kind")))?;
            let values = identity.entry(kind.trim().to_owned()).or_default();
            values.push(value.trim().to_owned());
        }
    }
    identity.retain(|_, values| values.iter().any(|value| !value.trim().is_empty()));
    if identity.is_empty() {
        return Err(no("it has no value"));
    }
    Ok(identity)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_and_json_are_one_identity_and_no_error_repeats_it() {
        let lines = parse("email=bob@q7.example\n\n customerId = 7 \nemail=b=c\n").unwrap();
        let json =
            parse(r#"{"email": ["bob@q7.example", "b=c"], "customerId": ["7"], "none": []}"#);
        assert_eq!(lines, json.unwrap());
        for text in [
            "",
            "bob@q7.example",
            "{\"email\": \"bob@q7.example\"}",
            "email=",
        ] {
            let error = parse(text).unwrap_err().to_string();
            assert!(
                !error.contains("bob") && error.contains("such as"),
                "{error}"
            );
        }
    }
}
