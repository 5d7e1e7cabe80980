//! Calls, probes and outages.

use super::*;

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
