//! End to end: real clusters with real nodes and pods, real PostgreSQL, a real S3 server, the real operator binary.
//!
//! One fleet for all tests, one after the other: each leaves the quickstart running and ready for the next.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::too_many_lines,
    clippy::needless_pass_by_value,
    reason = "the helpers of tests are tests as well, and a scenario reads best in one piece"
)]

#[path = "cluster/audit.rs"]
mod audit;
#[path = "cluster/changes.rs"]
mod changes;
#[path = "cluster/deletion.rs"]
mod deletion;
#[path = "cluster/desk.rs"]
mod desk;
#[path = "cluster/evidence.rs"]
mod evidence;
#[path = "cluster/holds.rs"]
mod holds;
#[path = "cluster/ingress.rs"]
mod ingress;
#[path = "cluster/kill.rs"]
mod kill;
#[path = "cluster/kinds.rs"]
mod kinds;
#[path = "cluster/last_words.rs"]
mod last_words;
#[path = "cluster/laws.rs"]
mod laws;
#[path = "cluster/load.rs"]
mod load;
#[path = "cluster/packs.rs"]
mod packs;
#[path = "repo/page.rs"]
mod page;
#[path = "cluster/planted.rs"]
mod planted;
#[path = "cluster/quickstart.rs"]
mod quickstart;
#[path = "cluster/regions.rs"]
mod regions;
#[path = "cluster/request.rs"]
mod request;
#[path = "cluster/silence.rs"]
mod silence;
#[path = "cluster/walk.rs"]
mod walk;
#[path = "cluster/world.rs"]
mod world;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use tradewind_dev::fleet::{Fleet, FleetSpec, HUB};
use tradewind_dev::postgres;
use tradewind_dev::process::Daemon;
use tradewind_dev::story::Stage;

use last_words::LastWords;

/// The operator's flags in every story: a ConfigMap of packs. Its lease is as long as anybody's: nobody starts it again here
/// when it could not be renewed in time, as Kubernetes would.
const OPERATOR: [&str; 1] = ["--packs-configmap=tradewind-packs"];

/// Where it is killed again and again: a short lease, so that a successor need not wait long, and yet one that a hub outlasts
/// which stalls for some seconds on a busy machine.
const SHORT_LEASE: [&str; 3] = [
    "--lease-duration=10s",
    "--lease-renew-deadline=8s",
    "--lease-retry-period=500ms",
];

/// The region whose PostgreSQL is newer than Debian's: its pods run connectors, feeds and retention on that.
const NEWER: &str = "us-east";

/// That ConfigMap; it has the release's own platforms unless a chapter changes it.
pub(crate) const PACKS: &str = "tradewind-packs";

/// How long anything may take that should take seconds: a run of retention among everything else that is tested on two cores took
/// more than three minutes.
pub(crate) const SOON: Duration = Duration::from_mins(10);

/// A chapter's name and the chapter.
macro_rules! chapters {
    ($stage:ident: $($name:path),* $(,)?) => {
        $(
            let begun = Instant::now();
            eprintln!("chapter {} ...", stringify!($name));
            $name(&mut $stage).await;
            eprintln!("chapter {} ok in {:.1} s", stringify!($name), begun.elapsed().as_secs_f64());
        )*
    };
}

async fn stage(name: &str, more: &[&str]) -> Stage {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let fleet = Fleet::start(FleetSpec::for_test(name, &["eu-west", "us-east"]))
        .await
        .unwrap();
    packs::the_releases_own(&fleet.cluster(HUB).unwrap()).await;
    let args = [&OPERATOR, more].concat();
    let stage = Stage::on(fleet, &args, &[NEWER]).await.unwrap();
    let newer = &stage.info.databases[NEWER].access;
    let version = newer.query("postgres", "SHOW server_version").await;
    assert!(version.unwrap().starts_with(postgres::NEWER));
    world::no_row_becomes_due_today(&stage).await;
    stage
}

/// Stops everything; nothing of it is left: no process, no server, not even what it kept in folders elsewhere.
async fn stopped(stage: Stage) {
    let mut folders = vec![
        stage.info.object_store.folder.clone(),
        stage.fleet.dir().to_owned(),
    ];
    let processes = [
        ("operator", stage.operator.daemon.identity()),
        (
            "peers",
            Daemon::named("peers", stage.fleet.dir()).identity(),
        ),
    ];
    for (name, process) in processes {
        assert!(process.is_some(), "{name} does not run");
    }
    let addresses = addresses(&stage);
    for (name, address) in &addresses {
        let found = std::net::TcpStream::connect(address);
        assert!(found.is_ok(), "{name} does not answer at {address}");
    }
    for database in stage.info.databases.values() {
        let data = database.access.query("postgres", "SHOW data_directory");
        folders.push(PathBuf::from(data.await.unwrap().trim()));
    }
    for folder in &folders {
        assert!(folder.is_dir(), "{} is not there", folder.display());
    }
    stage.fleet.stop().await.unwrap();
    for folder in &folders {
        assert!(!folder.exists(), "{} is left", folder.display());
    }
    for (name, process) in processes {
        let left = process.filter(|process| process.is_alive());
        assert!(left.is_none(), "{name} still runs: {left:?}");
    }
    for (name, address) in &addresses {
        let found = std::net::TcpStream::connect(address);
        assert!(found.is_err(), "{name} still answers at {address}");
    }
}

/// Where the peers listen.
fn addresses(stage: &Stage) -> Vec<(&'static str, SocketAddr)> {
    let info = &stage.info;
    let urls = [
        ("the sink", &info.sink),
        ("the merchant", &info.merchant),
        ("the S3 server", &info.object_store.url),
    ];
    let of_url = |url: &str| {
        url.parse::<reqwest::Url>()
            .unwrap()
            .socket_addrs(|| None)
            .unwrap()[0]
    };
    let databases = info.databases.values();
    let databases = databases.map(|d| ("PostgreSQL", d.access.address()));
    let peers = urls.map(|(name, url)| (name, of_url(url)));
    peers.into_iter().chain(databases).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_quickstart_lives_changes_and_dies_cleanly() {
    let mut stage = stage("e2e", &[]).await;
    let _last_words = LastWords::of(&stage);
    chapters!(stage:
        quickstart::everything_becomes_ready,
        quickstart::a_webhook_reaches_the_sink,
        load::nothing_acknowledged_is_lost_when_connector_pods_die,
        quickstart::feeds_are_written,
        quickstart::a_preview_is_approved_and_rows_go,
        kill::a_report_lost_with_its_pod_is_read_back,
        walk::the_page_is_followed_to_the_verified_quarter,
        laws::the_page_of_brazil_is_followed,
        laws::the_page_of_california_is_followed,
        holds::what_counsel_holds_stays_until_it_is_released,
        request::a_person_is_erased_from_receipt_to_receipt,
        kinds::whoever_asks_for_what_is_told_nowhere,
        evidence::what_is_not_covered_is_told,
        evidence::what_was_done_is_recorded_and_signed,
        evidence::the_quarter_is_exported_and_verified,
        quickstart::a_converged_fleet_is_left_alone,
        changes::fields_change_revert_and_go,
        changes::drift_is_repaired_without_a_resync,
        changes::orphaned_jobs_are_taken_away,
        changes::a_strangers_object_is_named_and_left_alone,
        ingress::an_ingress_comes_and_goes,
        packs::packs_are_replaced_by_a_config_map,
        regions::a_region_is_cut_off_and_comes_back,
        regions::a_rotated_kubeconfig_reconnects,
        audit::nothing_was_refused,
        deletion::nothing_is_left_behind,
        audit::every_right_was_used,
    );
    stopped(stage).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_quickstart_survives_sigkill() {
    let mut stage = stage("kill", &SHORT_LEASE).await;
    let _last_words = LastWords::of(&stage);
    chapters!(stage:
        kill::killed_after_any_write_the_world_is_the_same,
        kill::a_killed_retention_pod_loses_nothing,
    );
    stopped(stage).await;
}
