//! The peers of the story in one process: a PostgreSQL per region, the object store, the merchant, the sink. A region's
//! PostgreSQL is Debian's unless it is named as one with a newer.
//!
//! `dev peers` runs them in the foreground and writes where they are into the fleet's folder; the fleet's end is theirs.

use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
    path::{Path, PathBuf},
    time::Duration,
};

use clap::Args;
use jiff::Zoned;
use serde::{Deserialize, Serialize};

use super::{Error, Result, install::write_private};
use crate::{
    fleet::{Fleet, HUB},
    objectstore,
    postgres::{Access, Server},
    process::{Daemon, Launch},
    serve::{merchant, sink},
    shop::{self, Shop},
};

/// The file in the fleet's folder that says where the peers are.
const INFO: &str = "peers.info";
/// The process's name.
const NAME: &str = "peers";
/// The bucket of the quickstart.
pub const BUCKET: &str = "aurora-feeds";
/// Items in the merchant's catalogue.
const ITEMS: u32 = 1_000;

/// Where the peers are, and their keys. Everything is made up for one run on this machine.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Info {
    /// Where the sink takes events.
    pub sink: String,
    /// A JSON line for each event that the sink took.
    pub sink_record: PathBuf,
    /// The sink's signing key, `whsec_<base64>`.
    pub sink_secret: String,
    /// Where the merchant's catalogue is.
    pub merchant: String,
    /// The merchant's bearer token.
    pub merchant_token: String,
    /// The object store.
    pub object_store: ObjectStore,
    /// Databases by region.
    pub databases: BTreeMap<String, Databases>,
    /// The platforms' Secrets on the hub: name, key, value.
    pub platform_secrets: BTreeMap<String, BTreeMap<String, String>>,
}

/// The object store.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ObjectStore {
    /// Its endpoint.
    pub url: String,
    /// The key's id.
    pub access_key: String,
    /// The key.
    pub secret_key: String,
    /// The folder behind it.
    pub folder: PathBuf,
}

/// A region's databases.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Databases {
    /// The shop, as the role that retention logs in as.
    pub orders: String,
    /// The shop, as its owner.
    pub orders_owner: String,
    /// The connectors' inbox.
    pub inbox: String,
    /// The suppression store, apart from the shop that it protects: a restore of that leaves it as it is.
    pub suppression: String,
    /// The server, for looking.
    pub access: Access,
}

/// All peers of a fleet.
#[derive(Args, Clone, Debug)]
pub struct Options {
    /// The fleet's name
    #[arg(long)]
    pub fleet: String,
    /// A region whose PostgreSQL is a newer release than Debian's; may be given more than once
    #[arg(long, value_name = "REGION")]
    pub newer: Vec<String>,
}

impl Options {
    /// Runs them until SIGTERM or Ctrl-C.
    pub async fn run(self) -> Result<()> {
        let fleet = Fleet::attach(&self.fleet)?;
        let peers = Peers::start(&fleet, &self.newer).await?;
        let text = serde_json::to_string_pretty(&peers.info).map_err(|source| Error::Answer {
            what: "the peers".into(),
            source,
        })?;
        write_private(&fleet.dir().join(INFO), &text)?;
        let failed = |source| Error::File {
            path: "signals".into(),
            source,
        };
        let mut term = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())
            .map_err(failed)?;
        tokio::select! {
            _ = term.recv() => {}
            result = tokio::signal::ctrl_c() => result.map_err(failed)?,
        }
        Ok(())
    }
}

/// Where the fleet's peers are; starts them when they don't run, in the `newer` regions with a newer PostgreSQL.
pub async fn ensure(fleet: &Fleet, newer: &[&str]) -> Result<Info> {
    let file = fleet.dir().join(INFO);
    let daemon = Daemon::named(NAME, fleet.dir());
    if daemon.identity().is_none() {
        let _ = std::fs::remove_file(&file);
        let program =
            std::env::var_os("TRADEWIND_DEV").map_or_else(dev_program, |path| Ok(path.into()))?;
        let (mark, folder) = fleet.mark();
        let newer = newer.iter().flat_map(|region| ["--newer", region]);
        let launch = Launch::new(NAME, program, fleet.dir())
            .args(["peers", "--fleet", fleet.name()])
            .args(newer)
            .env(mark, folder);
        Daemon::start(&launch)?
            .ready(Duration::from_mins(10), || async {
                file.exists()
                    .then_some(())
                    .ok_or_else(|| "loading the sample shops".to_owned())
            })
            .await?;
    }
    let text = super::install::read(&file)?;
    serde_json::from_str(&text).map_err(|source| Error::Answer {
        what: "the peers".into(),
        source,
    })
}

/// The `dev` program: this one, or beside the test that calls.
fn dev_program() -> Result<PathBuf> {
    let own = std::env::current_exe().map_err(|source| Error::File {
        path: "/proc/self/exe".into(),
        source,
    })?;
    let beside = |folder: &Path| Some(folder.join("dev")).filter(|file| file.is_file());
    let found = own.ancestors().skip(1).take(2).find_map(beside);
    Ok(found.unwrap_or(own))
}

/// Running peers; they end when this is dropped.
struct Peers {
    info: Info,
    _servers: Vec<Server>,
    _object_store: objectstore::Server,
    _sink: sink::Sink,
    _merchant: merchant::Merchant,
}

impl Peers {
    async fn start(fleet: &Fleet, newer: &[String]) -> Result<Self> {
        let host = IpAddr::V4(fleet.host_address());
        let folder = fleet.dir().join("peers");
        std::fs::create_dir_all(&folder).map_err(|source| Error::File {
            path: folder.clone(),
            source,
        })?;
        let regions: Vec<String> = fleet
            .clusters()
            .map(|cluster| cluster.name().to_owned())
            .filter(|name| name != HUB)
            .collect();
        let databases = regions
            .iter()
            .map(|region| database(host, newer.contains(region)));
        let started = futures::future::try_join_all(databases).await?;
        let (servers, urls): (Vec<_>, Vec<_>) = started.into_iter().unzip();
        let object_store = objectstore::Server::start(host, &[BUCKET]).await?;
        let sink_secret = whsec();
        let sink_secret_file = folder.join("sink-secret");
        write_private(&sink_secret_file, &sink_secret)?;
        let sink_record = folder.join("sink.jsonl");
        let sink = sink::Sink::start(&sink::Options {
            listen: SocketAddr::new(host, 0),
            secret_file: sink_secret_file,
            record: sink_record.clone(),
            faults: sink::Faults::default(),
        })
        .await?;
        let merchant_token = word();
        let merchant =
            merchant::Merchant::start(SocketAddr::new(host, 0), ITEMS, &merchant_token).await?;
        let info = Info {
            sink: sink.url(),
            sink_record,
            sink_secret,
            merchant: merchant.url(),
            merchant_token,
            object_store: ObjectStore {
                url: object_store.endpoint(),
                access_key: object_store.access_key().to_owned(),
                secret_key: object_store.secret_key().to_owned(),
                folder: object_store.folder().clone(),
            },
            databases: regions.into_iter().zip(urls).collect(),
            platform_secrets: platform_secrets(),
        };
        Ok(Self {
            info,
            _servers: servers,
            _object_store: object_store,
            _sink: sink,
            _merchant: merchant,
        })
    }
}

/// One region's PostgreSQL with a full sample shop, an empty inbox and an empty suppression store.
async fn database(host: IpAddr, newer: bool) -> Result<(Server, Databases)> {
    let server = if newer {
        Server::start_newer(host).await?
    } else {
        Server::start(host).await?
    };
    let access = server.access().clone();
    Shop::full(Zoned::now().date())
        .load(&access, "orders")
        .await?;
    // What it was like before anything was erased, to go back to.
    access
        .query("postgres", "CREATE DATABASE orders_seed TEMPLATE orders")
        .await?;
    let inbox = own(&server, "inbox").await?;
    let suppression = own(&server, "suppression").await?;
    let databases = Databases {
        orders: shop::url(&access, shop::RETAIN, "orders"),
        orders_owner: shop::url(&access, shop::OWNER, "orders"),
        inbox,
        suppression,
        access,
    };
    Ok((server, databases))
}

/// An empty database that a role of the same name owns; its URL.
async fn own(server: &Server, name: &str) -> Result<String> {
    let password = word();
    server.create_role(name, &password).await?;
    server.create_database(name, name).await?;
    Ok(server.access().url_as(name, &password, name))
}

fn platform_secrets() -> BTreeMap<String, BTreeMap<String, String>> {
    let of = |pairs: &[(&str, String)]| {
        pairs
            .iter()
            .map(|(key, value)| ((*key).to_owned(), value.clone()))
            .collect()
    };
    BTreeMap::from([
        (
            "aurora-meta".to_owned(),
            of(&[("app_secret", word()), ("verify_token", word())]),
        ),
        (
            "aurora-partner".to_owned(),
            of(&[("signing_secret", whsec())]),
        ),
    ])
}

/// A word that nobody guesses, from the kernel's random numbers.
fn word() -> String {
    hex::encode(random())
}

fn whsec() -> String {
    use base64::prelude::{BASE64_STANDARD, Engine as _};
    format!("whsec_{}", BASE64_STANDARD.encode(random()))
}

fn random() -> [u8; 24] {
    use std::io::Read as _;
    let mut bytes = [0; 24];
    let read = std::fs::File::open("/dev/urandom").and_then(|mut file| file.read_exact(&mut bytes));
    debug_assert!(read.is_ok(), "every Linux has /dev/urandom");
    bytes
}
