//! An API server with one Lease in memory, and faults that a real one can't be asked for.

use std::convert::Infallible;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use axum::body::Body as Answer;
use axum::http::{Method, Request, Response};
use kube::client::Body;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{advance, sleep};

use super::*;

#[derive(Default)]
struct Server {
    lease: Mutex<Option<Lease>>,
    version: AtomicU64,
    writes: AtomicU64,
}

impl Server {
    fn answer(&self, method: &Method, body: &[u8]) -> Response<Answer> {
        let mut stored = self.lease.lock().unwrap();
        let next = self.version.fetch_add(1, Ordering::SeqCst).to_string();
        let sent = || serde_json::from_slice::<Lease>(body).unwrap();
        match (method, stored.as_ref()) {
            (&Method::GET | &Method::PUT, None) => status(404),
            (&Method::GET, Some(lease)) => ok(lease),
            (&Method::POST, Some(_)) => status(409),
            (&Method::PUT, Some(lease))
                if sent().metadata.resource_version != lease.metadata.resource_version =>
            {
                status(409)
            }
            _ => {
                let mut lease = sent();
                lease.metadata.resource_version = Some(next);
                self.writes.fetch_add(1, Ordering::SeqCst);
                let answer = ok(&lease);
                *stored = Some(lease);
                answer
            }
        }
    }

    fn spec(&self) -> LeaseSpec {
        self.lease.lock().unwrap().clone().unwrap().spec.unwrap()
    }
}

fn ok(lease: &Lease) -> Response<Answer> {
    Response::new(Answer::from(serde_json::to_vec(lease).unwrap()))
}

fn status(code: u16) -> Response<Answer> {
    let reason = if code == 404 { "NotFound" } else { "Conflict" };
    let body = serde_json::json!({
        "kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "message": "no", "reason": reason,
    });
    Response::builder()
        .status(code)
        .body(Answer::from(body.to_string()))
        .unwrap()
}

/// A replica with its own line to the server, which can be cut: calls then hang.
struct Replica {
    leadership: Leadership,
    cut: Arc<AtomicBool>,
    /// The server does what it is asked, and the answer never comes.
    deaf: Arc<AtomicBool>,
    stop: Option<oneshot::Sender<()>>,
    ended: JoinHandle<Ended>,
}

impl Replica {
    fn start(server: &Arc<Server>, identity: &str) -> Self {
        let (cut, deaf) = (
            Arc::new(AtomicBool::new(false)),
            Arc::new(AtomicBool::new(false)),
        );
        let (server, is_cut, is_deaf) = (server.clone(), cut.clone(), deaf.clone());
        let service = tower::service_fn(move |request: Request<Body>| {
            let (server, is_cut, is_deaf) = (server.clone(), is_cut.clone(), is_deaf.clone());
            async move {
                let (parts, body) = request.into_parts();
                let body = body.collect_bytes().await.unwrap();
                if is_cut.load(Ordering::SeqCst) {
                    std::future::pending::<()>().await;
                }
                let answer = server.answer(&parts.method, &body);
                if is_deaf.load(Ordering::SeqCst) {
                    std::future::pending::<()>().await;
                }
                Ok::<_, Infallible>(answer)
            }
        });
        let client = Client::new(service, "tradewind");
        let settings = Settings::new("tradewind", "operator", identity);
        let (election, leadership) = Election::new(client, settings).unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let ended = tokio::spawn(election.run(async move {
            let _ = stopped.await;
        }));
        Self {
            leadership,
            cut,
            deaf,
            stop: Some(stop),
            ended,
        }
    }

    fn leads(&self) -> bool {
        self.leadership.is_leader()
    }
}

#[tokio::test(start_paused = true)]
async fn one_of_two_leads_and_the_other_waits() {
    let server = Arc::new(Server::default());
    let a = Replica::start(&server, "a");
    a.leadership.acquired().await;
    let b = Replica::start(&server, "b");
    for _ in 0..600 {
        sleep(Duration::from_millis(100)).await;
        assert!(a.leads() && !b.leads());
    }
    assert_eq!(server.spec().holder_identity.as_deref(), Some("a"));
}

#[tokio::test(start_paused = true)]
async fn a_stopped_leader_gives_the_lease_back_and_the_next_leads_at_once() {
    let server = Arc::new(Server::default());
    let mut a = Replica::start(&server, "a");
    a.leadership.acquired().await;
    let b = Replica::start(&server, "b");
    sleep(Duration::from_secs(5)).await;
    a.stop.take().unwrap().send(()).unwrap();
    assert_eq!(a.ended.await.unwrap(), Ended::Released);
    assert!(!a.leadership.is_leader());
    let begun = Instant::now();
    b.leadership.acquired().await;
    assert!(
        begun.elapsed() < Duration::from_secs(3),
        "{:?}",
        begun.elapsed()
    );
    assert_eq!(b.leadership.epoch(), Some(1));
}

#[tokio::test(start_paused = true)]
async fn a_leader_that_is_cut_off_stops_before_another_starts() {
    let server = Arc::new(Server::default());
    let a = Replica::start(&server, "a");
    a.leadership.acquired().await;
    let b = Replica::start(&server, "b");
    sleep(Duration::from_secs(7)).await;
    a.cut.store(true, Ordering::SeqCst);
    let begun = Instant::now();
    let mut stopped = None;
    while !b.leads() {
        assert!(begun.elapsed() < Duration::from_secs(25), "nobody leads");
        if !a.leads() {
            stopped.get_or_insert_with(|| begun.elapsed());
        }
        sleep(Duration::from_millis(50)).await;
    }
    assert!(!a.leads(), "two lead");
    let stopped = stopped.unwrap();
    assert!(stopped <= Duration::from_secs(10), "{stopped:?}");
    // What the lease was for: some seconds in which nobody may write.
    assert!(
        begun.elapsed() >= stopped + Duration::from_secs(2),
        "{:?}",
        begun.elapsed()
    );
    assert_eq!(a.ended.await.unwrap(), Ended::Lost(Loss::RenewDeadline));
}

#[tokio::test(start_paused = true)]
async fn a_process_that_was_stopped_knows_at_once_that_it_no_longer_leads() {
    let server = Arc::new(Server::default());
    let a = Replica::start(&server, "a");
    a.leadership.acquired().await;
    // Nothing of the process runs meanwhile; its first question afterwards must be answered with no.
    a.cut.store(true, Ordering::SeqCst);
    advance(Duration::from_secs(20)).await;
    assert!(!a.leads());
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_never_comes_costs_no_leadership_when_the_next_one_does() {
    let server = Arc::new(Server::default());
    let a = Replica::start(&server, "a");
    a.leadership.acquired().await;
    for _ in 0..20 {
        a.deaf.store(true, Ordering::SeqCst);
        sleep(Duration::from_secs(2)).await;
        a.deaf.store(false, Ordering::SeqCst);
        sleep(Duration::from_secs(6)).await;
        assert!(a.leads());
    }
    assert_eq!(a.leadership.epoch(), Some(0));
}

#[tokio::test(start_paused = true)]
async fn clocks_that_are_wrong_by_hours_change_nothing() {
    let server = Arc::new(Server::default());
    let a = Replica::start(&server, "a");
    a.leadership.acquired().await;
    // The holder's wall clock is far behind: by its own words its lease ended long ago.
    {
        let mut lease = server.lease.lock().unwrap();
        let spec = lease.as_mut().unwrap().spec.as_mut().unwrap();
        spec.renew_time = Some(MicroTime(jiff::Timestamp::UNIX_EPOCH));
    }
    let b = Replica::start(&server, "b");
    for _ in 0..300 {
        sleep(Duration::from_millis(100)).await;
        assert!(!b.leads());
    }
    assert!(a.leads());
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_somebody_took_is_lost_at_the_next_turn() {
    let server = Arc::new(Server::default());
    let a = Replica::start(&server, "a");
    a.leadership.acquired().await;
    {
        let mut lease = server.lease.lock().unwrap();
        let lease = lease.as_mut().unwrap();
        lease.metadata.resource_version = Some("someone".into());
        let spec = lease.spec.as_mut().unwrap();
        spec.holder_identity = Some("thief".into());
        spec.lease_transitions = Some(9);
    }
    assert_eq!(a.ended.await.unwrap(), Ended::Lost(Loss::Taken));
    assert!(!a.leadership.is_leader());
}

#[tokio::test(start_paused = true)]
async fn of_three_that_start_together_one_leads() {
    for _ in 0..20 {
        let server = Arc::new(Server::default());
        let all = ["a", "b", "c"].map(|name| Replica::start(&server, name));
        sleep(Duration::from_secs(5)).await;
        let leaders = all.iter().filter(|replica| replica.leads()).count();
        assert_eq!(leaders, 1);
        for replica in all {
            replica.ended.abort();
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_deleted_lease_is_made_again_with_its_number() {
    let server = Arc::new(Server::default());
    let mut a = Replica::start(&server, "a");
    a.leadership.acquired().await;
    a.stop.take().unwrap().send(()).unwrap();
    a.ended.await.unwrap();
    let b = Replica::start(&server, "b");
    b.leadership.acquired().await;
    *server.lease.lock().unwrap() = None;
    sleep(Duration::from_secs(5)).await;
    assert_eq!(b.leadership.epoch(), Some(1));
    assert_eq!(server.spec().lease_transitions, Some(1));
}

#[test]
fn times_that_leave_no_margin_are_refused() {
    let service = tower::service_fn(|_: Request<Body>| async { Ok::<_, Infallible>(status(500)) });
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let client = runtime.block_on(async { Client::new(service, "x") });
    let mut settings = Settings::new("tradewind", "operator", "a");
    settings.renew_deadline = settings.lease;
    assert_eq!(Election::new(client, settings).err(), Some(Error::Times));
}

#[test]
fn two_processes_never_have_the_same_identity() {
    assert_ne!(unique("pod-0"), unique("pod-0"));
}
