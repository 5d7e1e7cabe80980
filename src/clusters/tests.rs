//! Regions against servers that misbehave as no real one can be made to. Time is moved by hand.

mod server;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::batch::v1::CronJob;
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::core::PartialObjectMeta;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use self::server::{Fault, NAMESPACES, Server, collection};
use super::transport::Ended;
use super::*;
use crate::api::names::{
    LABEL_FLEET, LABEL_KIND, LABEL_MANAGED_BY, LABEL_NAME, LABEL_NAMESPACE, MANAGED_BY,
};

fn deployments() -> String {
    collection("/apis/apps/v1", "aurora", "deployments")
}

fn config_maps() -> String {
    collection("/api/v1", "aurora", "configmaps")
}

fn object(kind: &str, api_version: &str, name: &str, channel: &str) -> Value {
    json!({
        "apiVersion": api_version, "kind": kind,
        "metadata": {
            "name": name, "namespace": "aurora", "uid": name,
            "managedFields": [{"manager": "tradewind", "operation": "Apply"}],
            "labels": {
                LABEL_MANAGED_BY: MANAGED_BY, LABEL_FLEET: "test", LABEL_KIND: "SocialChannel",
                LABEL_NAMESPACE: "aurora", LABEL_NAME: channel,
            },
        },
    })
}

fn deployment(name: &str, channel: &str) -> Value {
    object("Deployment", "apps/v1", name, channel)
}

fn channel(name: &str) -> Identity {
    Identity {
        kind: OwnerKind::SocialChannel,
        namespace: Some("aurora".into()),
        name: name.into(),
    }
}

fn desired(server: &Server) -> Desired {
    Desired {
        target: Target::Local(server.client()),
        namespaces: Namespaces {
            run: "runs".into(),
            tenants: ["aurora".to_owned()].into(),
        },
        expected_id: None,
    }
}

fn clusters() -> (Clusters, Wakes) {
    Clusters::new("test", Limits::default(), Metrics::new())
}

/// Waits, at most so long, until something holds; answers how long it took.
async fn until(most: u64, holds: impl Fn() -> bool) -> Duration {
    let begun = Instant::now();
    while !holds() {
        assert!(
            begun.elapsed() < Duration::from_secs(most),
            "not within {most} s"
        );
        sleep(Duration::from_millis(100)).await;
    }
    begun.elapsed()
}

async fn ready(clusters: &Clusters, region: &str) -> RegionClient {
    until(40, || clusters.get(region).is_ok()).await;
    clusters.get(region).unwrap()
}

fn cause(clusters: &Clusters, region: &str) -> Option<Cause> {
    clusters
        .get(region)
        .err()
        .map(|unreachable| unreachable.cause)
}

async fn drain(wakes: &mut Wakes) -> Vec<Wake> {
    let mut all = Vec::new();
    while let Ok(wake) = tokio::time::timeout(Duration::from_millis(50), wakes.next()).await {
        all.push(wake);
    }
    all
}

#[tokio::test(start_paused = true)]
async fn a_ready_region_knows_what_it_holds() {
    let server = Server::new("id-1", &["aurora", "runs"]);
    server.put(&deployments(), deployment("shop", "insta"));
    let (clusters, mut wakes) = clusters();
    assert_eq!(cause(&clusters, "eu"), Some(Cause::NoSuchRegion));
    clusters.ensure("eu", desired(&server));
    assert_eq!(cause(&clusters, "eu"), Some(Cause::Connecting));
    let region = ready(&clusters, "eu").await;
    assert_eq!((region.cluster_id(), region.version()), ("id-1", "v1.37.1"));
    assert_eq!(drain(&mut wakes).await, [Wake::Region("eu".into())]);

    let found = region
        .cached::<Deployment>("aurora", "shop")
        .unwrap()
        .unwrap();
    assert!(found.metadata.managed_fields.is_none());
    assert_eq!(
        region.cached::<Deployment>("aurora", "other").unwrap(),
        None
    );
    assert_eq!(
        region
            .owned::<Deployment>("aurora", &channel("insta"))
            .unwrap()
            .len(),
        1
    );
    assert_eq!(
        region
            .owned::<Deployment>("aurora", &channel("other"))
            .unwrap()
            .len(),
        0
    );
    let not_ours = region.all::<Deployment>("kube-system").unwrap_err();
    assert!(matches!(not_ours, NotKnown::NotFollowed { .. }));

    server.put(&config_maps(), object("ConfigMap", "v1", "task", "insta"));
    let wake = Wake::Object {
        region: "eu".into(),
        identity: channel("insta"),
    };
    assert_eq!(wakes.next().await, wake);
    assert!(
        region
            .cached::<ConfigMap>("aurora", "task")
            .unwrap()
            .is_some()
    );
    server.delete(&config_maps(), "task");
    assert_eq!(wakes.next().await, wake);
    assert_eq!(region.cached::<ConfigMap>("aurora", "task").unwrap(), None);
    clusters.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn a_cache_that_was_not_read_is_not_empty() {
    let server = Server::new("id-1", &["aurora", "runs"]);
    server.fault(&deployments(), Fault::Hang);
    let (clusters, mut wakes) = clusters();
    clusters.ensure("eu", desired(&server));
    let region = ready(&clusters, "eu").await;
    let unknown = region.all::<Deployment>("aurora").unwrap_err();
    assert!(matches!(unknown, NotKnown::NotRead { .. }), "{unknown}");
    assert_eq!(region.all::<CronJob>("aurora").unwrap().len(), 0);
    drain(&mut wakes).await;
    server.put(&deployments(), deployment("shop", "insta"));
    server.heal();
    until(60, || region.all::<Deployment>("aurora").is_ok()).await;
    assert_eq!(region.all::<Deployment>("aurora").unwrap().len(), 1);
    assert_eq!(drain(&mut wakes).await, [Wake::Region("eu".into())]);
}

#[tokio::test(start_paused = true)]
async fn a_watch_that_is_refused_with_410_begins_anew() {
    let server = Server::new("id-1", &["aurora", "runs"]);
    let (clusters, _wakes) = clusters();
    clusters.ensure("eu", desired(&server));
    let region = ready(&clusters, "eu").await;
    server.fault(&deployments(), Fault::WatchStatus(410));
    server.put(&deployments(), deployment("shop", "insta"));
    // The watch is still refused: the list alone tells.
    until(90, || {
        region.all::<Deployment>("aurora").unwrap().len() == 1
    })
    .await;
    server.requests();
    sleep(Duration::from_mins(10)).await;
    let asked = server
        .requests()
        .iter()
        .filter(|r| r.contains("deployments"))
        .count();
    assert!(asked < 60, "{asked} requests in ten minutes");
}

#[tokio::test(start_paused = true)]
async fn a_watch_that_falls_silent_is_noticed() {
    let server = Server::new("id-1", &["aurora", "runs"]);
    let (clusters, _wakes) = clusters();
    clusters.ensure("eu", desired(&server));
    let region = ready(&clusters, "eu").await;
    server.fault(&deployments(), Fault::Silent);
    sleep(Duration::from_secs(10)).await;
    server.put(&deployments(), deployment("shop", "insta"));
    sleep(Duration::from_secs(10)).await;
    assert_eq!(region.all::<Deployment>("aurora").unwrap().len(), 0);
    server.heal();
    let took = until(120, || {
        region.all::<Deployment>("aurora").unwrap().len() == 1
    })
    .await;
    assert!(took <= Duration::from_secs(66), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_watch_whose_line_never_ends_is_broken_off() {
    let server = Server::new("id-1", &["aurora", "runs"]);
    let (clusters, _wakes) = clusters();
    clusters.ensure("eu", desired(&server));
    let region = ready(&clusters, "eu").await;
    server.requests();
    server.fault(&deployments(), Fault::Endless(8 << 20));
    server.put(&deployments(), deployment("shop", "insta"));
    // The watch stays so: a new list leads past it.
    until(30, || {
        region.all::<Deployment>("aurora").unwrap().len() == 1
    })
    .await;
    sleep(Duration::from_mins(10)).await;
    let asked = server
        .requests()
        .iter()
        .filter(|r| r.contains("deployments"))
        .count();
    assert!(asked < 60, "{asked} requests in ten minutes");

    // A long line that is still honest is only a long line.
    server.heal();
    sleep(Duration::from_mins(1)).await;
    let mut large = object("ConfigMap", "v1", "task", "insta");
    large["data"] = json!({"page": "x".repeat(3 << 20)});
    server.requests();
    server.put(&config_maps(), large);
    until(1, || {
        region
            .cached::<ConfigMap>("aurora", "task")
            .unwrap()
            .is_some()
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_list_without_kube_system_is_not_believed() {
    let server = Server::new("id-1", &["aurora", "runs"]);
    server.put(&deployments(), deployment("shop", "insta"));
    server.fault(NAMESPACES, Fault::Empty);
    let (clusters, _wakes) = clusters();
    clusters.ensure("eu", desired(&server));
    until(5, || cause(&clusters, "eu") == Some(Cause::ServerError)).await;
    let said = clusters.get("eu").err().unwrap().message;
    assert!(said.contains("kube-system"), "{said}");
    server.heal();
    let region = ready(&clusters, "eu").await;

    server.fault(NAMESPACES, Fault::Empty);
    until(90, || {
        let known = region.all::<Deployment>("aurora");
        assert!(
            known.is_ok_and(|all| all.len() == 1),
            "what it held went with the list"
        );
        cause(&clusters, "eu") == Some(Cause::ServerError)
    })
    .await;
    server.heal();
    ready(&clusters, "eu").await;
}

#[tokio::test(start_paused = true)]
async fn a_forbidden_kind_is_known_as_forbidden_and_comes_back() {
    let server = Server::new("id-1", &["aurora", "runs"]);
    server.fault(&deployments(), Fault::Status(403));
    let (clusters, mut wakes) = clusters();
    clusters.ensure("eu", desired(&server));
    let region = ready(&clusters, "eu").await;
    let unknown = region.all::<Deployment>("aurora").unwrap_err();
    assert!(matches!(unknown, NotKnown::Forbidden { .. }), "{unknown}");
    drain(&mut wakes).await;
    server.heal();
    until(60, || region.all::<Deployment>("aurora").is_ok()).await;
    assert_eq!(drain(&mut wakes).await, [Wake::Region("eu".into())]);

    // Only watching forbidden: the list may be read, but nobody would tell what happens next.
    server.fault(&deployments(), Fault::WatchStatus(403));
    until(90, || region.all::<Deployment>("aurora").is_err()).await;
    server.heal();
    until(60, || region.all::<Deployment>("aurora").is_ok()).await;
}

#[tokio::test(start_paused = true)]
async fn namespaces_come_and_go() {
    let server = Server::new("id-1", &["runs"]);
    let (clusters, mut wakes) = clusters();
    clusters.ensure("eu", desired(&server));
    let region = ready(&clusters, "eu").await;
    // Not there: known to hold nothing.
    assert_eq!(region.all::<Deployment>("aurora").unwrap().len(), 0);
    assert!(!region.namespaces().unwrap().contains("aurora"));
    drain(&mut wakes).await;

    server.put(&deployments(), deployment("shop", "insta"));
    server.namespace("aurora", "aurora");
    until(10, || {
        region
            .all::<Deployment>("aurora")
            .is_ok_and(|all| all.len() == 1)
    })
    .await;
    assert_eq!(drain(&mut wakes).await, [Wake::Region("eu".into())]);
    assert!(region.namespaces().unwrap().contains("aurora"));

    server.delete(NAMESPACES, "aurora");
    until(10, || {
        region
            .all::<Deployment>("aurora")
            .is_ok_and(|all| all.is_empty())
    })
    .await;
    assert_eq!(drain(&mut wakes).await, [Wake::Region("eu".into())]);
}

#[tokio::test(start_paused = true)]
async fn new_tenants_are_followed_on_the_same_connection() {
    let server = Server::new("id-1", &["aurora", "boreas", "runs"]);
    let (clusters, _wakes) = clusters();
    clusters.ensure("eu", desired(&server));
    let region = ready(&clusters, "eu").await;
    server.requests();
    let mut more = desired(&server);
    more.namespaces.tenants.insert("boreas".into());
    // The identity was recorded meanwhile: no reason to connect anew either.
    more.expected_id = Some("id-1".into());
    clusters.ensure("eu", more.clone());
    until(10, || region.all::<Deployment>("boreas").is_ok()).await;
    clusters.ensure("eu", more);
    sleep(Duration::from_secs(5)).await;
    let requests = server.requests();
    assert!(
        !requests.iter().any(|r| r.contains("/version")),
        "{requests:?}"
    );
    let of_others = requests.iter().filter(|r| r.contains("/aurora/")).count();
    assert_eq!(of_others, 0, "{requests:?}");
    assert!(clusters.get("eu").is_ok());
}

#[tokio::test(start_paused = true)]
async fn secrets_of_the_run_namespace_are_never_asked_for() {
    let server = Server::new("id-1", &["aurora", "runs"]);
    let (clusters, _wakes) = clusters();
    let mut everything = desired(&server);
    // Even when somebody names it a tenant's.
    everything.namespaces.tenants.insert("runs".into());
    clusters.ensure("eu", everything);
    let region = ready(&clusters, "eu").await;
    sleep(Duration::from_mins(5)).await;
    let requests = server.requests();
    let of_secrets: Vec<_> = requests.iter().filter(|r| r.contains("/secrets")).collect();
    assert!(!of_secrets.is_empty());
    assert!(
        of_secrets
            .iter()
            .all(|r| r.contains("/namespaces/aurora/secrets"))
    );
    let unknown = region.all::<PartialObjectMeta<Secret>>("runs").unwrap_err();
    assert!(matches!(unknown, NotKnown::NotFollowed { .. }));
    // Nothing is written, and but for the namespaces nothing is read across the cluster.
    assert!(requests.iter().all(|r| r.starts_with("GET ")));
    let wide = |r: &&String| !r.contains("/namespaces/") && !r.contains("/version");
    assert!(
        requests
            .iter()
            .filter(wide)
            .all(|r| r.starts_with("GET /api/v1/namespaces?"))
    );
}

#[tokio::test(start_paused = true)]
async fn an_object_that_changes_hands_wakes_both() {
    let server = Server::new("id-1", &["aurora", "runs"]);
    server.put(&deployments(), deployment("shop", "insta"));
    let (clusters, mut wakes) = clusters();
    clusters.ensure("eu", desired(&server));
    ready(&clusters, "eu").await;
    drain(&mut wakes).await;
    server.put(&deployments(), deployment("shop", "other"));
    let woken = drain(&mut wakes).await;
    let of = |name: &str| Wake::Object {
        region: "eu".into(),
        identity: channel(name),
    };
    assert_eq!(woken, [of("insta"), of("other")]);
}

#[tokio::test(start_paused = true)]
async fn calls_end_by_our_own_deadline_and_bound() {
    let server = Server::new("id-1", &["aurora", "runs"]);
    let (clusters, _wakes) = clusters();
    clusters.ensure("eu", desired(&server));
    let region = ready(&clusters, "eu").await;
    let api = region.api::<ConfigMap>("aurora");
    let path = format!("{}/x", config_maps());
    let faults = [
        (
            Fault::Hang,
            Some(Ended::Deadline(Duration::from_secs(10))),
            10,
        ),
        (
            Fault::Drip,
            Some(Ended::Deadline(Duration::from_secs(10))),
            10,
        ),
        (
            Fault::Huge((64 << 20) + 1),
            Some(Ended::TooLarge(64 << 20)),
            0,
        ),
        // `Retry-After: 86400` is not obeyed.
        (Fault::Status(429), None, 0),
        (Fault::Status(503), None, 0),
    ];
    for (fault, ended, seconds) in faults {
        server.fault(&path, fault);
        let begun = Instant::now();
        let error = api.get("x").await.unwrap_err();
        assert_eq!(Ended::of(&error), ended, "{error}");
        assert!(begun.elapsed().as_secs() <= seconds, "{fault:?}");
    }
    assert!(
        clusters.get("eu").is_ok(),
        "one bad path is not a dead cluster"
    );
}

#[tokio::test(start_paused = true)]
async fn no_more_calls_run_than_there_are_places_and_probes_need_none() {
    let server = Server::new("id-1", &["aurora", "runs"]);
    let (clusters, _wakes) = clusters();
    clusters.ensure("eu", desired(&server));
    let region = ready(&clusters, "eu").await;
    server.fault(&format!("{}/x", config_maps()), Fault::Hang);
    server.requests();
    let calls = (0..20).map(|_| {
        let api = region.api::<ConfigMap>("aurora");
        async move { api.get("x").await.is_err() }
    });
    let begun = Instant::now();
    let ended = futures::future::join_all(calls).await;
    assert!(ended.iter().all(|failed| *failed));
    assert!(
        begun.elapsed() < Duration::from_millis(10_500),
        "{:?}",
        begun.elapsed()
    );
    let sent = server
        .requests()
        .iter()
        .filter(|r| r.contains("configmaps/x"))
        .count();
    assert_eq!(sent, 8);
    assert!(clusters.get("eu").is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_dead_region_is_down_in_time_and_costs_the_other_nothing() {
    let (dead, alive) = (
        Server::new("id-1", &["aurora", "runs"]),
        Server::new("id-2", &["aurora", "runs"]),
    );
    let (clusters, mut wakes) = clusters();
    clusters.ensure("dead", desired(&dead));
    clusters.ensure("alive", desired(&alive));
    let region = ready(&clusters, "dead").await;
    let other = ready(&clusters, "alive").await;
    drain(&mut wakes).await;
    dead.fault("/", Fault::Hang);
    let before = Timestamp::now();
    let down = until(40, || clusters.get("dead").is_err()).await;
    assert!(down <= Duration::from_secs(32), "{down:?}");
    let unreachable = clusters.get("dead").err().unwrap();
    assert_eq!(unreachable.cause, Cause::Timeout);
    assert!(unreachable.since <= before);
    assert_eq!(drain(&mut wakes).await, [Wake::Region("dead".into())]);

    // Who still holds the old client doesn't wait.
    let begun = Instant::now();
    let error = region
        .api::<ConfigMap>("aurora")
        .get("x")
        .await
        .unwrap_err();
    assert_eq!(Ended::of(&error), Some(Ended::Gone));
    assert_eq!(begun.elapsed(), Duration::ZERO);

    for _ in 0..100 {
        let begun = Instant::now();
        other.api::<ConfigMap>("aurora").get_opt("x").await.ok();
        assert!(begun.elapsed() < Duration::from_millis(10));
        assert!(clusters.get("alive").is_ok());
        sleep(Duration::from_secs(1)).await;
    }
    dead.heal();
    let back = until(60, || clusters.get("dead").is_ok()).await;
    assert!(back <= Duration::from_secs(45), "{back:?}");
    assert_eq!(drain(&mut wakes).await, [Wake::Region("dead".into())]);
    assert!(
        region.client().apiserver_version().await.is_err(),
        "the old connection is gone for good"
    );
}

#[tokio::test(start_paused = true)]
async fn the_wording_of_an_outage_is_no_news() {
    let server = Server::new("id-1", &["aurora", "runs"]);
    let (clusters, mut wakes) = clusters();
    clusters.ensure("eu", desired(&server));
    ready(&clusters, "eu").await;
    server.fault("/", Fault::Status(503));
    until(60, || cause(&clusters, "eu") == Some(Cause::ServerError)).await;
    drain(&mut wakes).await;
    let first = clusters.get("eu").err();
    for code in [500, 503, 502] {
        server.fault("/", Fault::Status(code));
        sleep(Duration::from_secs(65)).await;
        assert_eq!(clusters.get("eu").err(), first, "{code}");
    }
    assert_eq!(drain(&mut wakes).await, []);
    server.fault("/", Fault::Status(403));
    until(60, || cause(&clusters, "eu") == Some(Cause::Forbidden)).await;
    assert_eq!(drain(&mut wakes).await, [Wake::Region("eu".into())]);
}

#[tokio::test(start_paused = true)]
async fn a_region_that_flaps_is_not_asked_often() {
    let server = Server::new("id-1", &["aurora", "runs"]);
    let (clusters, mut wakes) = clusters();
    clusters.ensure("eu", desired(&server));
    ready(&clusters, "eu").await;
    drain(&mut wakes).await;
    server.requests();
    for _ in 0..100 {
        server.fault("/", Fault::Status(503));
        sleep(Duration::from_secs(3)).await;
        server.heal();
        sleep(Duration::from_secs(3)).await;
    }
    let asked = server.requests().len();
    assert!(asked <= 1200, "{asked} requests in ten minutes");
}

#[tokio::test(start_paused = true)]
async fn one_failed_probe_is_nobodys_business() {
    let server = Server::new("id-1", &["aurora", "runs"]);
    let (clusters, mut wakes) = clusters();
    clusters.ensure("eu", desired(&server));
    ready(&clusters, "eu").await;
    drain(&mut wakes).await;
    for _ in 0..20 {
        server.fault("/api/v1/namespaces/kube-system", Fault::Status(500));
        // Long enough for two probes, too short for three.
        sleep(Duration::from_secs(5)).await;
        server.heal();
        sleep(Duration::from_secs(20)).await;
        assert!(clusters.get("eu").is_ok());
    }
    assert_eq!(drain(&mut wakes).await, []);
}

#[tokio::test(start_paused = true)]
async fn another_cluster_under_the_same_name_is_refused() {
    let server = Server::new("id-1", &["aurora", "runs"]);
    let (clusters, _wakes) = clusters();
    let mut expected = desired(&server);
    expected.expected_id = Some("id-0".into());
    clusters.ensure("eu", expected);
    until(5, || cause(&clusters, "eu") == Some(Cause::IdentityChanged)).await;
    server.requests();
    sleep(Duration::from_mins(2)).await;
    let requests = server.requests();
    let is_identity = |r: &String| r.contains("/namespaces/kube-system?");
    assert!(
        requests.iter().all(is_identity),
        "nothing else is asked: {requests:?}"
    );

    // While connected: a restored cluster behind the same address.
    clusters.remove("eu");
    clusters.ensure("eu", desired(&server));
    ready(&clusters, "eu").await;
    server.namespace("kube-system", "id-9");
    until(15, || {
        cause(&clusters, "eu") == Some(Cause::IdentityChanged)
    })
    .await;
    sleep(Duration::from_mins(5)).await;
    assert_eq!(cause(&clusters, "eu"), Some(Cause::IdentityChanged));
}

#[tokio::test(start_paused = true)]
async fn a_401_is_answered_by_connecting_anew() {
    let server = Server::new("id-1", &["aurora", "runs"]);
    let (clusters, mut wakes) = clusters();
    clusters.ensure("eu", desired(&server));
    let region = ready(&clusters, "eu").await;
    sleep(Duration::from_mins(1)).await;
    drain(&mut wakes).await;
    server.fault("/", Fault::Status(401));
    region
        .api::<ConfigMap>("aurora")
        .get("x")
        .await
        .unwrap_err();
    let took = until(5, || cause(&clusters, "eu") == Some(Cause::Unauthorized)).await;
    assert!(took < Duration::from_secs(1), "{took:?}");
    sleep(Duration::from_mins(5)).await;
    assert_eq!(cause(&clusters, "eu"), Some(Cause::Unauthorized));
    assert_eq!(drain(&mut wakes).await, [Wake::Region("eu".into())]);
    assert!(server.requests().len() < 200);

    server.heal();
    // A changed target ends the backoff at once.
    let mut renewed = desired(&server);
    renewed.target = Target::Unusable("the Secret eu-kubeconfig is not there".into());
    clusters.ensure("eu", renewed);
    let took = until(5, || {
        cause(&clusters, "eu") == Some(Cause::KubeconfigMissing)
    })
    .await;
    assert!(took < Duration::from_secs(1), "{took:?}");
    clusters.ensure("eu", desired(&server));
    let took = until(5, || clusters.get("eu").is_ok()).await;
    assert!(took < Duration::from_secs(1), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_cluster_whose_namespaces_are_forbidden_is_not_ready() {
    let server = Server::new("id-1", &["aurora", "runs"]);
    server.fault(NAMESPACES, Fault::Status(403));
    let (clusters, _wakes) = clusters();
    clusters.ensure("eu", desired(&server));
    until(5, || cause(&clusters, "eu") == Some(Cause::Forbidden)).await;
    assert!(
        clusters
            .get("eu")
            .err()
            .unwrap()
            .message
            .contains("the test says so")
    );
}

#[tokio::test(start_paused = true)]
async fn what_is_removed_or_shut_down_asks_nothing_more() {
    let (one, two) = (
        Server::new("id-1", &["aurora", "runs"]),
        Server::new("id-2", &["runs"]),
    );
    let metrics = Metrics::new();
    let (clusters, _wakes) = Clusters::new("test", Limits::default(), metrics.clone());
    clusters.ensure("one", desired(&one));
    clusters.ensure("two", desired(&two));
    ready(&clusters, "one").await;
    ready(&clusters, "two").await;
    assert!(
        metrics
            .encode()
            .unwrap()
            .contains(r#"region_connected{region="one"} 1"#)
    );
    clusters.remove("one");
    sleep(Duration::from_secs(1)).await;
    assert!(!metrics.encode().unwrap().contains(r#"region="one""#));
    clusters.shutdown().await;
    one.requests();
    two.requests();
    sleep(Duration::from_mins(5)).await;
    assert_eq!(one.requests(), Vec::<String>::new());
    assert_eq!(two.requests(), Vec::<String>::new());
    assert_eq!(cause(&clusters, "two"), Some(Cause::NoSuchRegion));
}
