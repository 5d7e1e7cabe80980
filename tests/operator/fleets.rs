//! The fleets that the tests share: each test has one for itself while it runs.

use std::path::Path;
use std::sync::{Condvar, LazyLock, Mutex, PoisonError};

use tokio::runtime::Runtime;
use tradewind_dev::fleet::{Fleet, FleetSpec};
use tradewind_dev::story::install;

use crate::given::REGIONS;

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().unwrap());
/// Tests wait more than they work: as many fleets as there are of these, each with one test at a time.
static FLEETS: [LazyLock<Fleet>; 3] = [
    LazyLock::new(|| RUNTIME.block_on(found("operator"))),
    LazyLock::new(|| RUNTIME.block_on(found("operator-too"))),
    LazyLock::new(|| RUNTIME.block_on(found("operator-three"))),
];
static TAKEN: Mutex<[bool; FLEETS.len()]> = Mutex::new([false; FLEETS.len()]);
static FREED: Condvar = Condvar::new();

/// While a test is being written, a fleet that runs already saves its start.
fn given_fleet() -> Option<String> {
    std::env::var("TRADEWIND_TEST_FLEET").ok()
}

async fn found(name: &str) -> Fleet {
    let checkout = Path::new(env!("CARGO_MANIFEST_DIR"));
    let fleet = match given_fleet() {
        Some(name) => Fleet::attach(&name).unwrap(),
        None => Fleet::start(FleetSpec::for_test(name, &REGIONS).without_nodes())
            .await
            .unwrap(),
    };
    install::install(&fleet, checkout).await.unwrap();
    fleet
}

/// A fleet for one test, until it is dropped.
pub(crate) struct Turn(usize);

impl Turn {
    pub(crate) fn take() -> Self {
        let fleets = given_fleet().map_or(FLEETS.len(), |_| 1);
        let mut taken = TAKEN.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(free) = (0..fleets).find(|fleet| !taken[*fleet]) {
                taken[free] = true;
                return Self(free);
            }
            taken = FREED.wait(taken).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn fleet(&self) -> &'static Fleet {
        &FLEETS[self.0]
    }

    /// Runs a test that has the fleet for itself.
    pub(crate) fn run<F: Future<Output = ()>>(&self, test: impl FnOnce(&'static Fleet) -> F) {
        RUNTIME.block_on(test(self.fleet()));
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        TAKEN.lock().unwrap_or_else(PoisonError::into_inner)[self.0] = false;
        FREED.notify_one();
    }
}
