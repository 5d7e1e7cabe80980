//! A region's world: a shop's database, a suppression store, keys, an identity as ciphertext, a task, the real binary.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;
use tradewind::contract::{EraseReport, ErasedTable, Report};
use tradewind::evidence::{Standing, standing};

pub(crate) use crate::retain::world::exact;
use crate::retain::world::{PATIENCE, access};

/// What is planted, and must be found nowhere.
pub(crate) const EMAIL: &str = "Ann.Planted@mail.example";

/// A shop: Ann is customer 7, everybody else stays. Invoices refer to nobody, as an archive's do.
pub(crate) const SHOP: &str = "
CREATE TABLE customers (id bigint PRIMARY KEY, email text, phone text, created timestamptz NOT NULL DEFAULT now());
CREATE TABLE orders (id bigint PRIMARY KEY, customer bigint NOT NULL REFERENCES customers, placed_at timestamptz NOT NULL);
CREATE INDEX ON orders (customer);
CREATE TABLE items (order_id bigint REFERENCES orders, no int, what text, added timestamp NOT NULL, PRIMARY KEY (order_id, no));
CREATE TABLE messages (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), sender text, body text, sent_at timestamptz NOT NULL);
CREATE TABLE invoices (id bigint PRIMARY KEY, customer bigint, issued date NOT NULL, name text);
INSERT INTO customers SELECT i, 'person' || i || '@mail.example', '+1-' || i, now() - interval '3 years' FROM generate_series(1, 20) AS i;
UPDATE customers SET email = 'Ann.Planted@mail.example', phone = '+49-planted-30-901820' WHERE id = 7;
INSERT INTO orders SELECT i, 1 + i % 20, now() - i * interval '5 days' FROM generate_series(1, 200) AS i;
INSERT INTO items SELECT o.id, n, 'thing', now() - interval '9 days' FROM orders AS o, generate_series(1, 2) AS n;
INSERT INTO messages (sender, body, sent_at)
  SELECT CASE WHEN i % 3 = 0 THEN 'ann.planted@MAIL.example' ELSE 'person@mail.example' END, 'hello', now() - i * interval '1 day'
  FROM generate_series(1, 30) AS i;
INSERT INTO invoices SELECT i, 1 + i % 20, CASE WHEN i <= 100 THEN date '2005-03-31' ELSE current_date END, 'n' FROM generate_series(1, 200) AS i";

pub(crate) struct World {
    pub(crate) dir: TempDir,
    pub(crate) database: String,
    pub(crate) suppression: String,
    pub(crate) role: String,
    pub(crate) task: Value,
    key: age::x25519::Identity,
}

pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) log: String,
    pub(crate) report: Report<EraseReport>,
    pub(crate) text: String,
}

impl Ran {
    #[track_caller]
    pub(crate) fn body(&self) -> &EraseReport {
        self.report
            .body
            .as_ref()
            .unwrap_or_else(|| panic!("no body: {:?}\n{}", self.report, self.log))
    }

    #[track_caller]
    pub(crate) fn table(&self, name: &str) -> &ErasedTable {
        let mut tables = self.body().stores.iter().flat_map(|store| &store.tables);
        tables.find(|table| table.name == name).unwrap()
    }

    /// Found, erased, kept, held, blocked, failed of a table.
    #[track_caller]
    pub(crate) fn terms(&self, name: &str) -> [i64; 6] {
        let table = self.table(name);
        [
            table.found,
            table.erased,
            table.kept,
            table.held,
            table.blocked,
            table.failed,
        ]
        .map(exact)
    }

    /// Outcome, exit code and books agree; nothing that was planted is in report or log.
    #[track_caller]
    pub(crate) fn expect(&self, reason: &str) -> &Self {
        assert_eq!(
            self.report.reason, reason,
            "{:?}\n{}",
            self.report, self.log
        );
        assert_eq!(self.code, i32::from(self.report.outcome.exit_code()));
        for said in [&self.text, &self.log] {
            assert_nobody(said);
        }
        let tables = self.report.body.iter().flat_map(|body| &body.stores);
        for table in tables.flat_map(|store| &store.tables) {
            if self.report.reason != "Delivered" {
                let standing = standing(&table.sum(), &table.commitments);
                let holds = matches!(standing, Standing::Told | Standing::Committed);
                assert!(holds, "{standing:?}: {table:?}");
            }
        }
        self
    }
}

/// Nothing that was planted is in a text, in whatever case.
#[track_caller]
pub(crate) fn assert_nobody(text: &str) {
    let lower = text.to_lowercase();
    if let Some(at) = lower.find("planted") {
        panic!(
            "{}",
            &lower[at.saturating_sub(300)..(at + 300).min(lower.len())]
        );
    }
}

impl World {
    /// A shop as `sql` makes it; the role may see, change and delete everything in `public`.
    pub(crate) async fn new(database: &str, sql: &str) -> Self {
        let access = access().await;
        let role = format!("{database}_erase");
        let suppression = format!("{database}_suppressed");
        access.create_role(&role, "secret").await.unwrap();
        access.create_database(database, "postgres").await.unwrap();
        let terse = format!("ALTER ROLE {role} SET log_error_verbosity = terse");
        access.query("postgres", &terse).await.unwrap();
        access.create_database(&suppression, &role).await.unwrap();
        access.query(database, sql).await.unwrap();
        let dir = tempfile::tempdir().unwrap();
        let key = age::x25519::Identity::generate();
        let world = Self {
            task: task(&dir),
            dir,
            database: database.to_owned(),
            suppression,
            role,
            key,
        };
        world.grant().await;
        let secret = age::secrecy::ExposeSecret::expose_secret(&world.key.to_string()).to_owned();
        world.write("key", format!("# a comment\n{secret}\n"));
        world.write("hash", format!("{}\n", "5a".repeat(32)));
        world.write("url", access.url_as(&world.role, "secret", database));
        world.write(
            "suppressed",
            access.url_as(&world.role, "secret", &world.suppression),
        );
        world.identify(&json!({"email": [EMAIL]}));
        world
    }

    pub(crate) async fn shop(database: &str) -> Self {
        let keep = json!([{"clock": "issued", "for": "P8Y", "from": "EndOfCalendarYear", "reference": "AO 147(3)", "policy": "tax"}]);
        let by_customer = json!([{"column": "customer", "identity": "customerId"}]);
        let mut world = Self::new(database, SHOP).await;
        world
            .table("customers", json!({"subjects": [{"column": "id", "identity": "customerId"}], "clock": "created"}))
            .table("orders", json!({"subjects": by_customer, "clock": "placed_at"}))
            .table("messages", json!({"subjects": [{"column": "sender", "identity": "email"}], "clock": "sent_at"}))
            .table("invoices", json!({"subjects": by_customer, "clock": "issued", "keeps": keep}));
        world.spec()["stores"][0]["lookups"] = json!([{"table": "customers",
            "by": {"column": "email", "identity": "email"}, "gives": {"column": "id", "identity": "customerId"}}]);
        world
    }

    pub(crate) async fn grant(&self) {
        let grants = format!(
            "GRANT SELECT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {0};
            CREATE SCHEMA IF NOT EXISTS tradewind AUTHORIZATION {0}",
            self.role
        );
        self.sql(&grants).await;
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        std::fs::write(self.path(name), text).unwrap();
    }

    /// Whose request it is.
    pub(crate) fn identify(&self, person: &Value) {
        let plain = person.to_string();
        let bytes = age::encrypt(&self.key.to_public(), plain.as_bytes()).unwrap();
        self.write("identity", bytes);
    }

    pub(crate) fn spec(&mut self) -> &mut Value {
        &mut self.task["spec"]
    }

    /// Adds a table whose name is its table's.
    pub(crate) fn table(&mut self, name: &str, mut more: Value) -> &mut Self {
        more["name"] = name.into();
        if more["table"].is_null() {
            more["table"] = name.into();
        }
        self.spec()["stores"][0]["tables"]
            .as_array_mut()
            .unwrap()
            .push(more);
        self
    }

    /// Adds the items, whose orders' customer stands in them too.
    pub(crate) async fn name_items(&mut self) {
        let buyer = "ALTER TABLE items ADD IF NOT EXISTS buyer bigint;
            UPDATE items SET buyer = (SELECT customer FROM orders WHERE id = order_id)";
        self.sql(buyer).await;
        let by_buyer = json!([{"column": "buyer", "identity": "customerId"}]);
        self.table("items", json!({"subjects": by_buyer, "clock": "added"}));
    }

    pub(crate) fn set_table(&mut self, name: &str, field: &str, value: Value) {
        let tables = self.spec()["stores"][0]["tables"].as_array_mut().unwrap();
        let table = tables.iter_mut().find(|table| table["name"] == name);
        table.unwrap()[field] = value;
    }

    pub(crate) async fn sql(&self, sql: &str) -> String {
        access().await.query(&self.database, sql).await.unwrap()
    }

    pub(crate) async fn suppressed(&self, sql: &str) -> String {
        access().await.query(&self.suppression, sql).await.unwrap()
    }

    pub(crate) async fn run(&self) -> Ran {
        self.start("erase", &[]).finish().await
    }

    pub(crate) async fn reapply(&self) -> Ran {
        self.start("erase", &["--reapply"]).finish().await
    }

    pub(crate) fn start(&self, name: &str, flags: &[&str]) -> Running {
        let mut task = self.task.clone();
        if flags.contains(&"--reapply") {
            // As the operator writes it.
            task["spec"].as_object_mut().unwrap().remove("request");
        }
        self.start_with(name, &task, flags)
    }

    /// Another task in this world.
    pub(crate) fn start_task(&self, name: &str, task: &Value) -> Running {
        self.start_with(name, task, &[])
    }

    fn start_with(&self, name: &str, spec: &Value, flags: &[&str]) -> Running {
        let file = |suffix: &str| self.path(&format!("{name}.{suffix}"));
        let (task, report, log) = (file("task"), file("json"), file("log"));
        std::fs::write(&task, spec.to_string()).unwrap();
        let _ = std::fs::remove_file(&report);
        let child = Command::new(env!("CARGO_BIN_EXE_tradewind-agent"))
            .arg(spec["command"].as_str().unwrap())
            .arg("--task")
            .arg(&task)
            .arg("--report-path")
            .arg(&report)
            // As loud as it gets.
            .args(["--log", "trace"])
            .args(flags)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(&log).unwrap())
            .spawn()
            .unwrap();
        Running { child, report, log }
    }

    /// Everything that Tradewind itself wrote, as `pg_dump` has it: the books, and the suppression store.
    pub(crate) async fn books(&self) -> String {
        let whole = access().await.dump(&self.database).await.unwrap();
        let books = whole
            .split("COPY ")
            .filter(|part| part.starts_with("tradewind."));
        let books = books.collect::<Vec<_>>().join("\n");
        assert!(books.contains("tradewind.request_row"), "{books}");
        let suppressed = access().await.dump(&self.suppression).await.unwrap();
        format!("{books}\n{suppressed}")
    }

    /// How many batches were committed.
    pub(crate) async fn batches(&self) -> i64 {
        let sql = "SELECT CASE WHEN to_regclass('tradewind.erasure') IS NULL THEN 0 ELSE
            (xpath('/row/c/text()', query_to_xml('SELECT count(*) AS c FROM tradewind.erasure', true, true, '')))[1]::text::bigint END";
        self.sql(sql).await.parse().unwrap()
    }

    pub(crate) async fn wait_for_batches(&self, rows: i64) {
        let limit = Instant::now() + PATIENCE;
        while self.batches().await < rows {
            assert!(Instant::now() < limit, "never {rows} batches");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Makes every batch on a table take so long, between its deletes and its commit.
    pub(crate) async fn slow_down(&self, table: &str, seconds: f32) {
        self.sql(&format!(
            "CREATE FUNCTION public.slow() RETURNS trigger LANGUAGE plpgsql AS
              $$ BEGIN PERFORM pg_sleep({seconds}); RETURN NULL; END $$;
            CREATE TRIGGER slow AFTER DELETE ON {table} FOR EACH STATEMENT EXECUTE FUNCTION public.slow()"
        ))
        .await;
    }
}

fn task(dir: &TempDir) -> Value {
    let path = |name: &str| dir.path().join(name);
    json!({
        "version": 1, "command": "erase", "region": "eu-west",
        "spec": {
            "timeZone": "Europe/Berlin", "batchRows": 100, "maxRows": 10000, "smallCounts": 1,
            "identities": [{"name": "email", "ignoreCase": true}, {"name": "customerId"}],
            "stores": [{"name": "shop", "url": path("url"), "tables": []}],
            "suppression": {"url": path("suppressed"), "key": path("hash")},
            "request": {"reference": "dsr-1", "kind": "Erasure", "identity": path("identity"), "key": path("key")},
        },
    })
}

pub(crate) struct Running {
    child: Child,
    report: PathBuf,
    log: PathBuf,
}

impl Running {
    /// SIGKILL.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        assert_nobody(&std::fs::read_to_string(&self.log).unwrap());
    }

    /// SIGTERM, as Kubernetes says it.
    pub(crate) fn terminate(&self) {
        let id = self.child.id().to_string();
        let done = Command::new("kill").args(["-TERM", &id]).status();
        assert!(done.unwrap().success());
    }

    /// Waits until its log has these words.
    pub(crate) async fn until_said(&self, words: &str) {
        let limit = Instant::now() + PATIENCE;
        loop {
            let log = std::fs::read_to_string(&self.log).unwrap();
            if log.contains(words) {
                return;
            }
            assert!(Instant::now() < limit, "never {words:?}:\n{log}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    pub(crate) async fn finish(self) -> Ran {
        let (code, log, text) = self.end().await;
        Ran {
            code,
            report: serde_json::from_str(&text).unwrap(),
            log,
            text,
        }
    }

    /// The report as it is, of any command.
    pub(crate) async fn finish_plain(self) -> Value {
        let (_, log, text) = self.end().await;
        assert_nobody(&log);
        serde_json::from_str(&text).unwrap()
    }

    async fn end(mut self) -> (i32, String, String) {
        let limit = Instant::now() + PATIENCE;
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            let log = || std::fs::read_to_string(&self.log).unwrap();
            assert!(Instant::now() < limit, "{}", log());
            tokio::time::sleep(Duration::from_millis(20)).await;
        };
        let log = std::fs::read_to_string(&self.log).unwrap();
        let text = std::fs::read_to_string(&self.report);
        let text = text.unwrap_or_else(|_| panic!("no report:\n{log}"));
        assert!(text.len() <= 4096);
        (status.code().unwrap(), log, text)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
