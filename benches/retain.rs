//! How fast `retain` erases, as ratios within one run on one machine: `make bench`.
//!
//! Real PostgreSQL that waits for its disk, the agent as it ships. Each measurement has a fresh copy of the same
//! database, and what is compared takes turns.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a measurement prints its figures and ends at the first thing that is wrong"
)]

use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Connection};
use tradewind_dev::postgres::{Options, Server};

const ROWS: i64 = 2_000_000;
const DUE: i64 = 500_000;
const TURNS: usize = 3;

/// Rows of some 300 bytes with three indexes, the oldest quarter due.
const EVENTS: &str = "CREATE TABLE events (id bigint PRIMARY KEY, customer int, at timestamptz, kind int, body text);
    INSERT INTO events SELECT i, (i * 7919) % 100000, timestamptz '2024-01-01' - ($DUE - i) * interval '1 second', i % 7,
      repeat(md5(i::text), 8) FROM generate_series(1, $ROWS::bigint) AS i;
    CREATE INDEX ON events (at); CREATE INDEX ON events (customer)";

/// The same, with a table that could refer to them.
const REFERENCED: &str = "; CREATE TABLE notes (id bigint PRIMARY KEY, event bigint REFERENCES events);
    INSERT INTO notes SELECT i, $DUE + 100000 + i FROM generate_series(1, 100000) AS i; CREATE INDEX ON notes (event)";

struct Bench {
    server: Server,
    dir: tempfile::TempDir,
    agent: PathBuf,
}

/// What one run of the agent took.
struct Ran {
    whole: Duration,
    /// From the begin of the first batch to the end of the last.
    erasing: Duration,
    batches: Vec<Duration>,
    erased: i64,
}

#[tokio::main]
async fn main() {
    let agent = optimised();
    let bench = Bench::start(agent.clone(), None).await;
    println!("retain: {DUE} of {ROWS} rows due, {TURNS} turns, medians");
    let delete = ("DELETE", "DELETE FROM events", json!({}));
    bench.erasing("events", EVENTS, &delete).await;
    let quarter = memory() / 4;
    let roomy = Bench::start(agent, Some(quarter)).await;
    let what = format!("events, with {quarter} MiB of buffers");
    roomy.erasing(&what, EVENTS, &delete).await;
    drop(roomy);
    let referenced = format!("{EVENTS}{REFERENCED}");
    let what = "events that a table refers to";
    bench.erasing(what, &referenced, &delete).await;
    let columns = json!([{"name": "body"}, {"name": "customer", "set": "Constant", "value": "0"}]);
    let change = (
        "UPDATE",
        "UPDATE events SET body = NULL, customer = 0",
        json!({"method": "Anonymise", "columns": columns}),
    );
    let what = "events that are anonymised, one of two columns in an index";
    bench.erasing(what, EVENTS, &change).await;
    bench.previewing().await;
    bench.beside().await;
}

impl Bench {
    /// With so many MiB of buffers; none: as it is installed.
    async fn start(agent: PathBuf, buffers: Option<u64>) -> Self {
        let options = Options {
            listen: IpAddr::V4(Ipv4Addr::LOCALHOST),
            fsync: true,
            buffers,
        };
        Self {
            server: Server::start_with(options).await.unwrap(),
            dir: tempfile::tempdir().unwrap(),
            agent,
        }
    }

    /// Rows a second of `retain` against one plain statement over the same rows: its name, its start, and what the rule
    /// says for it.
    async fn erasing(&self, what: &str, sql: &str, (name, start, says): &(&str, &str, Value)) {
        self.base(sql).await;
        let (mut plain, mut whole, mut work) = (Vec::new(), Vec::new(), Vec::new());
        let mut batches = Vec::new();
        for _ in 0..TURNS {
            let mut copy = self.copy().await;
            let cut = cut_off();
            let started = Instant::now();
            let sql = format!("{start} WHERE at <= '{cut}'");
            let deleted = run(&mut copy, &sql).await;
            plain.push(started.elapsed());
            self.copy().await;
            let ran = self.agent_with("copy", &period(), "Enforce", says);
            assert!(ran.erased.abs_diff(deleted.cast_signed()) < 1000);
            whole.push(ran.whole);
            work.push(ran.erasing);
            batches.extend(ran.batches);
        }
        let (plain, whole, work) = (median(plain), median(whole), median(work));
        println!("{what}:");
        println!(
            "  one {name} {}; retain {}; its batches alone {}",
            rate(plain),
            rate(whole),
            rate(work)
        );
        println!(
            "  retain / {name} {:.2} (bar 0.45); batches / {name} {:.2}",
            ratio(plain, whole),
            ratio(plain, work)
        );
        println!(
            "  batch p50 {:?}, p99 {:?} (bar 50 ms), longest {:?}",
            at(&mut batches, 50),
            at(&mut batches, 99),
            at(&mut batches, 100)
        );
    }

    /// A preview against a plain count of the due rows.
    async fn previewing(&self) {
        self.base(EVENTS).await;
        let (mut plain, mut preview) = (Vec::new(), Vec::new());
        let mut copy = self.copy().await;
        for _ in 0..TURNS {
            let started = Instant::now();
            let sql = format!(
                "SELECT count(*), count(*) FILTER (WHERE at <= '{}') FROM events",
                cut_off()
            );
            run(&mut copy, &sql).await;
            plain.push(started.elapsed());
            preview.push(self.agent("copy", &period(), "DryRun").whole);
        }
        let (plain, preview) = (median(plain), median(preview));
        println!(
            "preview: plain count {plain:?}, preview {preview:?}, ratio {:.2}",
            preview.as_secs_f64() / plain.as_secs_f64()
        );
    }

    /// What another program's single-row writes take on the same table, without `retain` and beside it.
    async fn beside(&self) {
        self.base(EVENTS).await;
        let mut copy = self.copy().await;
        let stop = Arc::new(AtomicBool::new(false));
        let alone = Arc::clone(&stop);
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_secs(5)).await;
            alone.store(true, Ordering::Relaxed);
        });
        let mut without = traffic(&mut copy, &stop).await;
        let stop = Arc::new(AtomicBool::new(false));
        let done = Arc::clone(&stop);
        let (with, ran) = tokio::task::block_in_place(|| {
            std::thread::scope(|scope| {
                let agent = scope.spawn(|| {
                    let ran = self.agent("copy", &period(), "Enforce");
                    done.store(true, Ordering::Relaxed);
                    ran
                });
                let with = tokio::runtime::Handle::current().block_on(traffic(&mut copy, &stop));
                (with, agent.join().unwrap())
            })
        });
        let mut with = with;
        let (before, beside) = (at(&mut without, 99), at(&mut with, 99));
        println!(
            "beside live writes: p99 of a write alone {before:?} ({}), beside {} erased rows {beside:?} ({}), ratio {:.2} (bar 1.5)",
            without.len(),
            ran.erased,
            with.len(),
            beside.as_secs_f64() / before.as_secs_f64()
        );
    }

    /// The database that copies are made of.
    async fn base(&self, sql: &str) {
        let mut server = self.connect("postgres").await;
        run(&mut server, "DROP DATABASE IF EXISTS copy WITH (FORCE)").await;
        run(&mut server, "DROP DATABASE IF EXISTS base WITH (FORCE)").await;
        run(&mut server, "CREATE DATABASE base").await;
        let sql = sql
            .replace("$ROWS", &ROWS.to_string())
            .replace("$DUE", &DUE.to_string());
        let mut base = self.connect("base").await;
        run(&mut base, &sql).await;
        base.close().await.unwrap();
        // The first run of all sets up the books.
        self.agent("base", "P1900Y", "Enforce");
        let mut base = self.connect("base").await;
        run(&mut base, "VACUUM ANALYZE").await;
        base.close().await.unwrap();
    }

    /// A fresh copy, on disk and in memory as every other.
    async fn copy(&self) -> PgConnection {
        let mut server = self.connect("postgres").await;
        run(&mut server, "DROP DATABASE IF EXISTS copy WITH (FORCE)").await;
        run(&mut server, "CREATE DATABASE copy TEMPLATE base").await;
        run(&mut server, "CHECKPOINT").await;
        let mut copy = self.connect("copy").await;
        run(&mut copy, "SELECT count(*) FROM events").await;
        copy
    }

    async fn connect(&self, database: &str) -> PgConnection {
        PgConnection::connect(&self.server.url(database))
            .await
            .unwrap()
    }

    fn agent(&self, database: &str, after: &str, mode: &str) -> Ran {
        self.agent_with(database, after, mode, &json!({}))
    }

    fn agent_with(&self, database: &str, after: &str, mode: &str, says: &Value) -> Ran {
        let mut rule = json!({"name": "events", "store": "orders", "url": self.dir.path().join("url"), "table": "events",
            "clock": "at", "after": after});
        for (field, value) in says.as_object().into_iter().flatten() {
            rule[field] = value.clone();
        }
        let file = |name: &str| self.dir.path().join(name);
        std::fs::write(file("url"), self.server.url(database)).unwrap();
        let task = json!({
            "version": 1, "command": "retain", "region": "here",
            "spec": {
                "policy": "bench", "mode": mode, "specHash": format!("sha256-{}", "1".repeat(64)), "timeZone": "UTC",
                "window": "PT1H", "batchRows": 10000, "maxPercent": 100, "rules": [rule],
            },
        });
        std::fs::write(file("task"), task.to_string()).unwrap();
        let started = Instant::now();
        let ran = Command::new(&self.agent)
            .args(["retain", "--log", "debug", "--task"])
            .arg(file("task"))
            .arg("--report-path")
            .arg(file("report"))
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let whole = started.elapsed();
        let log = String::from_utf8(ran.stderr).unwrap();
        assert!(ran.status.success(), "{log}");
        let lines = log
            .lines()
            .filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let took = lines.filter(|line| line["message"] == "batch").map(|line| {
            let micros: u64 = line["took"]
                .as_str()
                .map_or_else(|| line["took"].as_u64(), |text| text.parse().ok())
                .unwrap();
            let ended: jiff::Timestamp = line["timestamp"].as_str().unwrap().parse().unwrap();
            (ended, Duration::from_micros(micros))
        });
        let took: Vec<(jiff::Timestamp, Duration)> = took.collect();
        let erasing = took.first().zip(took.last()).map(|(first, last)| {
            let between = last.0.duration_since(first.0);
            first.1 + between.unsigned_abs()
        });
        let report: Value =
            serde_json::from_slice(&std::fs::read(file("report")).unwrap()).unwrap();
        Ran {
            whole,
            erasing: erasing.unwrap_or_default(),
            batches: took.into_iter().map(|(_, took)| took).collect(),
            erased: report["body"]["rules"][0]["erased"].as_i64().unwrap(),
        }
    }
}

/// Single-row writes to rows that are not due, two hundred a second, each timed from when it was to begin.
async fn traffic(connection: &mut PgConnection, stop: &AtomicBool) -> Vec<Duration> {
    let mut took = Vec::new();
    let mut due = tokio::time::interval(Duration::from_millis(5));
    let mut row = DUE + 10_000;
    while !stop.load(Ordering::Relaxed) {
        let begin = due.tick().await;
        row = DUE + 10_000 + (row * 7919) % (ROWS - DUE - 10_000);
        run(
            connection,
            &format!("UPDATE events SET kind = kind + 1 WHERE id = {row}"),
        )
        .await;
        took.push(begin.elapsed());
    }
    took
}

async fn run(connection: &mut PgConnection, sql: &str) -> u64 {
    let done = sqlx::raw_sql(AssertSqlSafe(sql.to_owned()))
        .execute(connection)
        .await;
    done.unwrap().rows_affected()
}

/// Whole days since the first of 2024.
fn days() -> i64 {
    let first: jiff::Timestamp = "2024-01-01T00:00:00Z".parse().unwrap();
    jiff::Timestamp::now().duration_since(first).as_secs() / 86_400
}

/// What has passed since then: the first quarter is due, and a day's rows at most.
fn period() -> String {
    format!("P{}D", days())
}

fn cut_off() -> String {
    let now = jiff::Timestamp::now();
    (now - jiff::SignedDuration::from_hours(24 * days())).to_string()
}

fn median(mut took: Vec<Duration>) -> Duration {
    took.sort();
    took[took.len() / 2]
}

/// So many percent took no longer.
fn at(took: &mut [Duration], percent: usize) -> Duration {
    took.sort();
    took[(took.len() * percent / 100).min(took.len() - 1)]
}

fn rate(took: Duration) -> String {
    format!("{:.0} rows/s", DUE as f64 / took.as_secs_f64())
}

fn ratio(plain: Duration, ours: Duration) -> f64 {
    plain.as_secs_f64() / ours.as_secs_f64()
}

/// The machine's memory in MiB.
fn memory() -> u64 {
    let said = std::fs::read_to_string("/proc/meminfo").unwrap();
    let total = said.lines().find_map(|line| line.strip_prefix("MemTotal:"));
    let kibibytes = total.and_then(|text| text.trim().strip_suffix(" kB"));
    kibibytes.unwrap().parse::<u64>().unwrap() / 1024
}

/// The agent as it ships, but for the long link.
fn optimised() -> PathBuf {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
    println!("building the agent (once, some minutes)");
    let built = Command::new(env!("CARGO"))
        .args([
            "build",
            "--quiet",
            "--profile",
            "measured",
            "--bin",
            "tradewind-agent",
        ])
        .args([
            "--no-default-features",
            "--features",
            "agent",
            "--target-dir",
        ])
        .arg(target)
        .status();
    assert!(built.unwrap().success());
    target.join("measured/tradewind-agent")
}
