//! What the operator and the clusters came to, told where a story fails: whoever waits in vain sees only what the hub shows, and
//! all the rest goes with the clusters.

use std::collections::BTreeMap;

use tradewind_dev::fleet::Cluster;
use tradewind_dev::postgres::Access;
use tradewind_dev::process::Daemon;
use tradewind_dev::story::Stage;
use tradewind_dev::story::install::RUNS;

/// Lines of each answer: the last are the newest.
const LINES: usize = 25;

/// Since when each pod of a run waits, or how it ended.
const PODS: &str = "-o=custom-columns=POD:.metadata.name,MADE:.metadata.creationTimestamp,BEGUN:.status.startTime,\
PHASE:.status.phase,WAITS:.status.containerStatuses[*].state.waiting.reason,\
ENDED:.status.containerStatuses[*].state.terminated.finishedAt,EXIT:.status.containerStatuses[*].state.terminated.exitCode";

/// What a region is asked: whether its node takes pods, what runs there and how it came to that, and what runs say.
const ASKED: [&[&str]; 5] = [
    &["get", "nodes,pods,jobs", "-A", "-o", "wide"],
    &["get", "events", "-A", "--sort-by=.lastTimestamp"],
    &["get", "pods", "-n", RUNS, BY_AGE, PODS],
    &["logs", "-n", RUNS, OF_JOBS, "--prefix", "--tail=3", MANY],
    &["get", "jobs", "-n", RUNS, BY_AGE],
];
const BY_AGE: &str = "--sort-by=.metadata.creationTimestamp";
const OF_JOBS: &str = "--selector=batch.kubernetes.io/job-name";
const MANY: &str = "--max-log-requests=100";

/// What a database is asked: what its sessions wait for.
const SESSIONS: &str = "
SELECT datname, state, wait_event_type, wait_event, date_trunc('second', clock_timestamp() - query_start),
  left(regexp_replace(query, '\\s+', ' ', 'g'), 120)
FROM pg_stat_activity WHERE datname IS NOT NULL AND pid <> pg_backend_pid()";

/// Tells it when it is dropped by a panic; before the stage is, which takes the clusters away.
pub(crate) struct LastWords {
    operator: Daemon,
    clusters: Vec<Cluster>,
    databases: BTreeMap<String, Access>,
}

impl LastWords {
    pub(crate) fn of(stage: &Stage) -> Self {
        let databases = stage.info.databases.iter();
        Self {
            operator: stage.operator.daemon.clone(),
            clusters: stage.fleet.clusters().collect(),
            databases: databases
                .map(|(region, database)| (region.clone(), database.access.clone()))
                .collect(),
        }
    }
}

impl Drop for LastWords {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            return;
        }
        let operator = &self.operator;
        let end = match (operator.identity(), operator.ended()) {
            (Some(_), _) => "runs".to_owned(),
            (None, Some(how)) => format!("has ended: {how}"),
            (None, None) => "is gone".to_owned(),
        };
        eprintln!("the operator {end}\n{}", operator.tail());
        for cluster in &self.clusters {
            let name = cluster.name();
            eprintln!("{name}: {}", cluster.state());
            for asked in ASKED {
                let said = answer(cluster, asked);
                eprintln!("{name}: kubectl {}\n{said}", asked.join(" "));
            }
        }
        for (region, access) in &self.databases {
            eprintln!("{region}: sessions of PostgreSQL\n{}", sessions(access));
        }
    }
}

/// The end of what it answers, or why it does not.
fn answer(cluster: &Cluster, asked: &[&str]) -> String {
    let mut command = cluster.kubectl_command();
    let command = command.as_std_mut();
    let said = match command.args(asked).arg("--request-timeout=20s").output() {
        Ok(output) => [output.stdout, output.stderr].concat(),
        Err(error) => error.to_string().into_bytes(),
    };
    last(&String::from_utf8_lossy(&said))
}

/// What its sessions are at, or why it does not say. A thread that panics cannot wait for a future: another does.
fn sessions(access: &Access) -> String {
    let access = access.clone();
    let asked = std::thread::spawn(move || {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.enable_all().build().unwrap();
        let said = runtime.block_on(access.query("postgres", SESSIONS));
        said.unwrap_or_else(|error| error.to_string())
    });
    last(&asked.join().unwrap_or_default())
}

fn last(said: &str) -> String {
    let lines: Vec<String> = said.lines().map(|line| format!("    {line}")).collect();
    lines[lines.len().saturating_sub(LINES)..].join("\n")
}
