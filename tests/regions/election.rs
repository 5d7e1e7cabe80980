//! Three operators, one Lease on a real API server: never two leaders, whatever happens to one.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::sleep;
use tradewind::lease::{Election, Ended, Leadership, Loss, Settings, unique};
use tradewind_dev::fleet::{Cluster, Fleet, HUB};

use crate::world::{SYSTEM, client};

struct Replica {
    leadership: Leadership,
    stop: Option<oneshot::Sender<()>>,
    run: JoinHandle<Ended>,
}

async fn start(hub: &Cluster) -> Replica {
    let settings = Settings {
        lease: Duration::from_secs(6),
        renew_deadline: Duration::from_secs(4),
        retry: Duration::from_millis(500),
        ..Settings::new(SYSTEM, "tradewind", &unique("replica"))
    };
    let (election, leadership) = Election::new(client(hub).await, settings).unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let run = tokio::spawn(election.run(async move {
        stopped.await.ok();
    }));
    Replica {
        leadership,
        stop: Some(stop),
        run,
    }
}

/// Looks every few milliseconds how many lead, and keeps the most.
struct Witness {
    most: Arc<AtomicUsize>,
    end: Arc<AtomicBool>,
    looking: JoinHandle<()>,
}

impl Witness {
    fn of(all: &[Replica]) -> Self {
        let (most, end) = (
            Arc::new(AtomicUsize::new(0)),
            Arc::new(AtomicBool::new(false)),
        );
        let all: Vec<Leadership> = all
            .iter()
            .map(|replica| replica.leadership.clone())
            .collect();
        let (seen, over) = (most.clone(), end.clone());
        let looking = tokio::spawn(async move {
            while !over.load(Ordering::Relaxed) {
                let leaders = all
                    .iter()
                    .filter(|leadership| leadership.is_leader())
                    .count();
                seen.fetch_max(leaders, Ordering::Relaxed);
                sleep(Duration::from_millis(5)).await;
            }
        });
        Self { most, end, looking }
    }

    async fn never_saw_two(self) {
        self.end.store(true, Ordering::Relaxed);
        self.looking.await.unwrap();
        assert_eq!(self.most.load(Ordering::Relaxed), 1);
    }
}

/// Waits for a leader; answers which and how long it took.
async fn leader(all: &[Replica], most: u64) -> (usize, Duration) {
    let begun = Instant::now();
    loop {
        if let Some(index) = all.iter().position(|r| r.leadership.is_leader()) {
            return (index, begun.elapsed());
        }
        assert!(begun.elapsed() < Duration::from_secs(most), "nobody leads");
        sleep(Duration::from_millis(5)).await;
    }
}

pub(crate) async fn of_three_one_leads_through_death_hang_and_goodbye(fleet: &Fleet) {
    let hub = fleet.cluster(HUB).unwrap();
    let mut all = Vec::new();
    for _ in 0..3 {
        all.push(start(&hub).await);
    }
    let witness = Witness::of(&all);

    // Death: the next one waits for the lease to end, not longer.
    let (first, _) = leader(&all, 20).await;
    let epoch = all[first].leadership.epoch().unwrap();
    let dead = all.remove(first);
    dead.run.abort();
    while dead.leadership.is_leader() {
        sleep(Duration::from_millis(5)).await;
    }
    let (second, took) = leader(&all, 20).await;
    eprintln!("after a death the next leads in {took:?} (its own deadline not counted)");
    assert!(took < Duration::from_secs(10), "{took:?}");
    assert!(all[second].leadership.epoch().unwrap() > epoch);

    // Goodbye: the next one leads almost at once.
    let mut leaving = all.remove(second);
    leaving.stop.take().unwrap().send(()).unwrap();
    assert_eq!((&mut leaving.run).await.unwrap(), Ended::Released);
    let (_, took) = leader(&all, 20).await;
    eprintln!("after a goodbye the next leads in {took:?}");
    assert!(took < Duration::from_secs(4), "{took:?}");
    witness.never_saw_two().await;

    a_hub_that_hangs_ends_every_leadership(&hub, all).await;
}

async fn a_hub_that_hangs_ends_every_leadership(hub: &Cluster, mut all: Vec<Replica>) {
    all.push(start(hub).await);
    sleep(Duration::from_secs(2)).await;
    let witness = Witness::of(&all);
    let (leading, _) = leader(&all, 20).await;
    hub.freeze().unwrap();
    let begun = Instant::now();
    let mut stopped = Duration::ZERO;
    loop {
        // Before the look: a busy machine may be slow to look, and that is nobody's leadership.
        let at = begun.elapsed();
        if !all.iter().any(|replica| replica.leadership.is_leader()) {
            break;
        }
        stopped = at;
        sleep(Duration::from_millis(5)).await;
    }
    assert!(stopped <= Duration::from_millis(4_200), "{stopped:?}");
    let lost = all.remove(leading);
    assert_eq!(lost.run.await.unwrap(), Ended::Lost(Loss::RenewDeadline));
    sleep(Duration::from_secs(8)).await;
    hub.thaw().unwrap();
    let (_, took) = leader(&all, 30).await;
    eprintln!(
        "a hanging hub ends the leadership after {stopped:?}; the next leads {took:?} after it is back"
    );
    witness.never_saw_two().await;
}
