//! What a region is known to hold.

use super::*;

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
