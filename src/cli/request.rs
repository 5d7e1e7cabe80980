//! `tradewind request create`: who a person is, encrypted to each region's own key, as a DataSubjectRequest.
//!
//! The identity comes from standard input or a file, never from an argument, which stays in the shell's history and in the
//! list of processes; it leaves as ciphertext only.

mod fits;
mod identity;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clap::Args;
use jiff::Timestamp;
use kube::ResourceExt;
use serde_json::Value;
use zeroize::Zeroizing;

use self::identity::Identity;
use super::input::{self, Error, wrong};
use crate::api::{
    AskedFor, CopyDelivery, CopyStore, DataSubjectRequest, DataSubjectRequestSpec, NameRef, Region,
    SealedIdentity,
};
use crate::packs::Jurisdiction;

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
    #[arg(long, value_name = "BUCKET", requires_all = ["country", "prefix", "credentials", "reader", "expires"])]
    to: Option<String>,
    /// For a copy: the country that the bucket is in, DE.
    #[arg(long, value_name = "CODE")]
    country: Option<String>,
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
    /// Nothing of the person is sold or shared.
    OptOut,
}

/// A request, as it is printed.
#[derive(Debug)]
pub struct Created {
    /// As JSON: in YAML, `NO` for Norway would be a boolean to whoever reads YAML 1.1, as kubectl does.
    pub text: String,
    /// Regions that take requests, know one of the kinds by which the person was named, and are not asked.
    pub unasked: Vec<String>,
}

/// Makes a request.
pub fn create(args: &Arguments, now: Timestamp) -> Result<Created, Error> {
    checked(args, now)?;
    let regions = regions(&args.regions)?;
    let chosen: Vec<&Region> = args
        .region
        .iter()
        .map(|name| {
            let mut all = regions.iter();
            let found = all.find(|region| region.name_any() == *name);
            found.ok_or_else(|| wrong("--region", format!("{name} is not in --regions")))
        })
        .collect::<Result<_, _>>()?;
    let known: BTreeSet<String> = chosen.iter().flat_map(|region| kinds(region)).collect();
    let identity = identity::read(&args.identity, &known)?;
    let others = regions.iter().filter(|region| {
        !args.region.contains(&region.name_any())
            && kinds(region).any(|kind| identity.contains_key(&kind))
    });
    let unasked = others.map(ResourceExt::name_any).collect();
    let sealed = chosen.iter().map(|region| seal(region, &identity));
    let spec = DataSubjectRequestSpec {
        kind: match args.kind {
            Kind::Erasure => AskedFor::Erasure,
            Kind::Access => AskedFor::Access,
            Kind::Portability => AskedFor::Portability,
            Kind::Restriction => AskedFor::Restriction,
            Kind::Objection => AskedFor::Objection,
            Kind::OptOut => AskedFor::OptOut,
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
    fits::fits(&request)?;
    let mut text = serde_json::to_string_pretty(&request).map_err(Error::Json)?;
    text.push('\n');
    Ok(Created { text, unasked })
}

/// What no form tells: that a moment has been, that codes and keys are some.
fn checked(args: &Arguments, now: Timestamp) -> Result<(), Error> {
    if input::moment("--received", &args.received)? > now {
        let why = format!("{} lies ahead: no clock runs before it", args.received);
        return Err(wrong("--received", why));
    }
    input::zone("--zone", &args.zone)?;
    let mut codes = args.jurisdiction.iter();
    if let Some(code) = codes.find(|code| Jurisdiction::parse(code).is_none()) {
        let why = format!("'{code}' is no assigned code; write one such as DE or US-CA");
        return Err(wrong("--jurisdiction", why));
    }
    let reader = args.reader.as_ref();
    if let Some(reader) = reader.filter(|it| it.parse::<age::x25519::Recipient>().is_err()) {
        let why = format!("'{reader}' is no age recipient; write one such as age1...");
        return Err(wrong("--reader", why));
    }
    Ok(())
}

fn delivery(args: &Arguments) -> Result<Option<CopyDelivery>, Error> {
    let told = (
        &args.to,
        &args.country,
        &args.prefix,
        &args.credentials,
        &args.reader,
        &args.expires,
    );
    match (args.kind, told) {
        (
            Kind::Access | Kind::Portability,
            (Some(url), Some(country), Some(prefix), Some(secret), Some(reader), Some(expires)),
        ) => Ok(Some(CopyDelivery {
            object_store: CopyStore {
                country: country.clone(),
                url: url.clone(),
                prefix: prefix.clone(),
                credentials_ref: NameRef {
                    name: secret.clone(),
                },
            },
            recipient: reader.clone(),
            expires_after: expires.clone(),
        })),
        (Kind::Access | Kind::Portability, _) => Err(wrong(
            "--to",
            "a copy needs --to, --country, --prefix, --credentials, --reader and --expires"
                .to_owned(),
        )),
        (_, (None, ..)) => Ok(None),
        _ => Err(wrong(
            "--to",
            "only a copy is delivered; leave it out".to_owned(),
        )),
    }
}

/// The Regions of a list, or the one that stands alone.
pub(super) fn regions(file: &Path) -> Result<Vec<Region>, Error> {
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

/// The kinds of values by which the region knows persons.
fn kinds(region: &Region) -> impl Iterator<Item = String> {
    let requests = region.spec.requests.iter();
    let kinds = requests.flat_map(|requests| &requests.identities);
    kinds.map(|kind| kind.name.clone())
}

/// The region's own key, as it was told and as it is.
pub(super) fn recipient(region: &Region) -> Result<(String, age::x25519::Recipient), Error> {
    let no = |why: String| wrong(format!("--region {}", region.name_any()), why);
    let status = region.status.as_ref();
    let told = status.and_then(|status| status.requests.as_ref()?.recipient.clone());
    let told = told.ok_or_else(|| {
        no(
            "it has told no key: look at its status.requests, and whether it has spec.requests"
                .to_owned(),
        )
    })?;
    let key = told.parse();
    let key = key.map_err(|_| no(format!("{told} is no age recipient")))?;
    Ok((told, key))
}

/// What the region may know of the person, to its own key.
fn seal(region: &Region, identity: &Identity) -> Result<SealedIdentity, Error> {
    let name = region.name_any();
    let no = |why: String| wrong(format!("--region {name}"), why);
    let (recipient, key) = recipient(region)?;
    let known: BTreeMap<&String, &Vec<String>> = identity
        .iter()
        .filter(|(kind, _)| kinds(region).any(|known| known == **kind))
        .collect();
    if known.is_empty() {
        return Err(no(
            "it knows none of the identity's kinds (spec.requests.identities)".to_owned(),
        ));
    }
    let plain = serde_json::to_vec(&known)
        .map(Zeroizing::new)
        .map_err(Error::Json)?;
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
