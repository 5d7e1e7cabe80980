//! A round: the next batches in one line that both sessions take from, so that neither waits for the other's to end.
//!
//! In: batches, oldest first. Out: what became of each that was taken; the others stay as they are.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::batch::{Batch, Judged};
use super::second::Second;
use super::store::Store;
use super::transact::{Hand, Inexact, Obstacle};

/// Most batches of a round when two sessions work.
pub(super) const BATCHES: usize = 8;

/// So long after its begin no batch of a round is begun: between two rounds it is asked what the database has to carry,
/// who else writes, and whether to stop. A batch that is slow ends the round with it.
const LASTS: Duration = Duration::from_millis(40);

/// A batch that committed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Went {
    /// Its place in the round.
    pub(super) at: usize,
    /// What became of its rows.
    pub(super) judged: Judged,
    /// How long it held its locks.
    pub(super) took: Duration,
    /// Whether the second session did it.
    pub(super) second: bool,
}

/// What became of a round.
pub(super) struct Round {
    /// What committed.
    pub(super) went: Vec<Went>,
    /// The batch of the first session that did not, and why. None was begun after it.
    pub(super) obstacle: Option<(usize, Obstacle)>,
}

/// Tries the batches, the first of them in the first session. A batch that the second session could not commit stays
/// open, and that session takes no more of this round.
pub(super) async fn tried(
    hand: Hand<'_>,
    (store, inexact): (&mut Store, &mut Inexact),
    second: &mut Second,
    batches: &[Batch<'_>],
) -> Round {
    let (line, begun) = (AtomicUsize::new(0), Instant::now());
    let next = || {
        if begun.elapsed() > LASTS {
            return None;
        }
        let at = line.fetch_add(1, Ordering::Relaxed);
        batches.get(at).map(|batch| (at, batch))
    };
    let own = async {
        let mut went = Vec::new();
        while let Some((at, batch)) = next() {
            let started = Instant::now();
            match hand.commit(store, batch, inexact).await {
                Ok(judged) => went.push(Went {
                    at,
                    judged,
                    took: started.elapsed(),
                    second: false,
                }),
                Err(obstacle) => {
                    line.store(batches.len(), Ordering::Relaxed);
                    return (went, Some((at, obstacle)));
                }
            }
        }
        (went, None)
    };
    let other = async {
        let mut went = Vec::new();
        if batches.len() > 1 {
            second.follow(hand).await;
        }
        while let Some((at, batch)) = next() {
            let Some((judged, took)) = second.commit(hand, batch).await else {
                break;
            };
            went.push(Went {
                at,
                judged,
                took,
                second: true,
            });
        }
        went
    };
    let ((mut went, obstacle), beside) = tokio::join!(own, other);
    went.extend(beside);
    Round { went, obstacle }
}
