//! The examples of laws, done: their own plan, the real binary, and rows on both sides of each cut-off. The periods and
//! the numbers stand here a second time: an example that says something else fails.

#[path = "examples/channel.rs"]
mod channel;
#[path = "examples/columns.rs"]
mod columns;
#[path = "examples/laws.rs"]
mod laws;
#[path = "examples/page.rs"]
mod page;
#[path = "examples/planned.rs"]
mod planned;
#[path = "examples/requests.rs"]
mod requests;

use kube::ResourceExt;
use serde_json::{Value, json};
use tradewind::contract::{HoldReport, Preview};

use super::world::{Exact, Ran, World, access, assert_balanced};
use page::{Desk, patched, typed, written};
use planned::Hub;

/// An example, and when rows of its tables go.
struct Example {
    folder: &'static str,
    policy: &'static str,
    zone: &'static str,
    messages: Ends,
    invoices: Ends,
    orders: Ends,
    customers: Ends,
}

/// When a period ends.
#[derive(Clone, Copy)]
enum Ends {
    /// So long after the event.
    After(&'static str),
    /// So many years after the end of the event's calendar year.
    Years(i32),
}

impl Ends {
    /// Wall clocks of the region as SQL: a little before the cut-off, and a little after it. Two days are a little: on
    /// 29 February a year ago is nobody's day.
    fn edges(self) -> [String; 2] {
        match self {
            Self::After(period) => ["-", "+"]
                .map(|side| format!("(n - interval '{period}' {side} interval '49 hours')")),
            Self::Years(years) => [
                format!("(y - interval '{years} years' - interval '1 second')"),
                format!("(y - interval '{years} years')"),
            ],
        }
    }
}

const TABLES: &str = "
CREATE TABLE customers (id int PRIMARY KEY, last_seen_at timestamptz, why text, name text NOT NULL DEFAULT 'n', email text NOT NULL DEFAULT 'e');
CREATE TABLE orders (id int PRIMARY KEY, customer_id int NOT NULL REFERENCES customers, placed_at timestamptz NOT NULL, why text,
  status text NOT NULL DEFAULT 'paid', total numeric(12, 2) NOT NULL DEFAULT 9.5, currency text NOT NULL DEFAULT 'EUR');
CREATE TABLE invoices (id int PRIMARY KEY, order_id int NOT NULL REFERENCES orders, issued_on date, why text);
CREATE TABLE messages (id int PRIMARY KEY, customer_id int NOT NULL REFERENCES customers, sent_at timestamp, why text);
CREATE INDEX ON orders (customer_id); CREATE INDEX ON invoices (order_id); CREATE INDEX ON messages (customer_id);";

/// The rows: why each stays or goes, and how many of these there are. `n` is now in the region, `y` the year's first
/// moment there. No number is below five, which would be told as few.
fn rows(example: &Example) -> String {
    let [seen_before, seen_after] = example.customers.edges();
    let [placed_before, placed_after] = example.orders.edges();
    let [issued_before, issued_after] = example.invoices.edges();
    let [sent_before, sent_after] = example.messages.edges();
    let zone = example.zone;
    format!(
        "CREATE VIEW t AS SELECT n, date_trunc('year', n) AS y FROM (SELECT now() AT TIME ZONE '{zone}' AS n) AS now;
INSERT INTO customers SELECT i, {seen_before} AT TIME ZONE '{zone}', 'gone' FROM t, generate_series(1, 7) AS i;
INSERT INTO customers SELECT i, {seen_before} AT TIME ZONE '{zone}', 'held' FROM t, generate_series(8, 12) AS i;
INSERT INTO customers SELECT i, {seen_before} AT TIME ZONE '{zone}', 'has an order' FROM t, generate_series(21, 26) AS i;
INSERT INTO customers SELECT i, {seen_after} AT TIME ZONE '{zone}', 'seen' FROM t, generate_series(31, 39) AS i;
INSERT INTO customers SELECT i, NULL, 'never seen' FROM generate_series(41, 45) AS i;
INSERT INTO orders SELECT i, 31, {placed_before} AT TIME ZONE '{zone}', 'gone' FROM t, generate_series(1, 10) AS i;
INSERT INTO orders SELECT i, 31, n - interval '20 years', 'gone with its invoice' FROM t, generate_series(11, 21) AS i;
INSERT INTO orders SELECT i, 31, n - interval '20 years', 'has an invoice' FROM t, generate_series(31, 43) AS i;
INSERT INTO orders SELECT i, i - 30, {placed_after} AT TIME ZONE '{zone}', 'young' FROM t, generate_series(51, 56) AS i;
INSERT INTO orders SELECT i, 31, {placed_after} AT TIME ZONE '{zone}', 'has a draft' FROM t, generate_series(61, 65) AS i;
INSERT INTO invoices SELECT i, i, {issued_before}, 'gone' FROM t, generate_series(11, 21) AS i;
INSERT INTO invoices SELECT i, i, {issued_after}, 'kept' FROM t, generate_series(31, 37) AS i;
INSERT INTO invoices SELECT i, i, n - interval '5 years', 'young' FROM t, generate_series(38, 43) AS i;
INSERT INTO invoices SELECT i, i, NULL, 'draft' FROM generate_series(61, 65) AS i;
INSERT INTO messages SELECT i, 31, n - interval '1 year' - interval '49 hours', 'gone' FROM t, generate_series(1, 8) AS i;
INSERT INTO messages SELECT i, 8, n - interval '1 year' - interval '49 hours', 'held' FROM t, generate_series(11, 16) AS i;
INSERT INTO messages SELECT i, 31, n - interval '1 year' + interval '49 hours', 'of a year' FROM t, generate_series(21, 25) AS i;
INSERT INTO messages SELECT i, 31, {sent_before}, 'of a year' FROM t, generate_series(31, 43) AS i;
INSERT INTO messages SELECT i, 31, {sent_after}, 'young' FROM t, generate_series(51, 58) AS i;
INSERT INTO messages SELECT i, 31, NULL, 'without a day' FROM generate_series(61, 66) AS i;
DROP VIEW t;"
    )
}

/// Somebody else's law: disputes are open for a year.
fn disputes(hub: &Hub) -> Value {
    json!({
        "apiVersion": "tradewind.dev/v1alpha1", "kind": "DataPolicy", "metadata": {"name": "disputes", "generation": 1},
        "spec": {
            "regimes": ["eu-gdpr"], "selector": {"regions": [hub.region.name_any()]},
            "rules": [{"name": "disputes", "dataset": {"store": "aurora-orders", "table": "messages", "clock": "sent_at"},
                "keep": {"for": "P1Y", "reference": "Card scheme rules, disputes"}}],
            "retention": {"schedule": "0 4 * * *"},
        },
    })
}

/// An example that is applied: its hub, and its region's database.
struct Applied {
    example: Example,
    hub: Hub,
    world: World,
}

impl Applied {
    async fn new(example: Example) -> Self {
        let database = format!("example_{}", example.folder.replace('-', "_"));
        let world = World::new(&database, &format!("{TABLES}{}", rows(&example))).await;
        let mut hub = Hub::of(example.folder);
        assert_eq!(hub.region.spec.locale.time_zone, example.zone);
        let url = access().await.url_as(&world.role, "secret", &database);
        hub.secrets.insert("aurora-orders-db/url".into(), url);
        // Where who was erased is remembered: nobody was, and nothing is there yet.
        let apart = format!("{database}_suppression");
        access()
            .await
            .create_database(&apart, &world.role)
            .await
            .unwrap();
        let url = access().await.url_as(&world.role, "secret", &apart);
        hub.secrets.insert("suppression-db/url".into(), url);
        let grant = format!(
            "GRANT UPDATE (name, email) ON customers TO {0}; GRANT UPDATE (status) ON orders TO {0}",
            world.role
        );
        world.sql(&grant).await;
        Self {
            example,
            hub,
            world,
        }
    }

    /// Runs the policy as it is now; with the preview that it told, if any.
    async fn retain(&self, reason: &str) -> (Ran, Option<Preview>) {
        let (task, hash) = self.hub.retain(self.example.policy, &self.world);
        let ran: Ran = self.world.start_task("retain", &task, &[]).finish().await;
        ran.expect(reason);
        let preview = ran.body().preview(&self.hub.region.name_any(), &hash);
        assert_balanced(&ran.body().rules);
        (ran, preview)
    }

    /// The page's approval of exactly this count.
    fn approve(&mut self, preview: &Preview) {
        let (policy, region) = (self.example.policy, self.hub.region.name_any());
        let blocks = typed(self.example.folder, "3. ", &region);
        let text = blocks.last().unwrap();
        let text = text.replace("sha256-...", &preview.hash());
        self.hub.previewed(policy, preview);
        let own = self.hub.policies.get_mut(policy).unwrap();
        let desk = Desk::new(&self.hub.region);
        patched(&desk, &text, ("datapolicy", policy), own);
        assert_eq!(own["spec"]["mode"], "Enforce", "{text}");
    }

    /// The page's hold, on the customers that it is about here.
    fn holds(&mut self) {
        let region = self.hub.region.name_any();
        let mut hold = written(self.example.folder, "4. ", &region);
        hold["metadata"]["generation"] = json!(1);
        let secret = &hold["spec"]["scopes"][0]["valuesSecretRef"];
        let text = |field: &str| secret[field].as_str().unwrap();
        let claim = format!("{}/{}", text("name"), text("key"));
        let values = "8\n9\n10\n11\n12\n".to_owned();
        self.hub.secrets.insert(claim, values);
        self.hub.hold = Some(hold);
    }

    /// The page's release of it.
    fn releases(&mut self) {
        let region = self.hub.region.name_any();
        let [text] = typed(self.example.folder, "6. ", &region)
            .try_into()
            .unwrap();
        let hold = self.hub.hold.as_mut().unwrap();
        let name = hold["metadata"]["name"].as_str().unwrap().to_owned();
        let desk = Desk::new(&self.hub.region);
        patched(&desk, &text, ("legalhold", &name), hold);
        assert!(hold["spec"]["release"].is_object(), "{text}");
    }

    /// Runs the hold's own Job.
    async fn hold(&self, reason: &str) {
        let task = self.hub.open_or_release(&self.world);
        let running = self.world.start_task("hold", &task, &[]);
        let ran: Ran<HoldReport> = running.finish_as().await;
        assert_eq!(ran.report.reason, reason, "{:?}\n{}", ran.report, ran.log);
    }

    /// What is there of a table, and why.
    async fn left(&self, table: &str) -> String {
        let groups = format!(
            "SELECT string_agg(c || ' ' || why, ', ' ORDER BY why) FROM (SELECT count(*) AS c, why FROM {table} GROUP BY why) AS g"
        );
        self.world.sql(&groups).await
    }

    async fn all_left(&self) -> [String; 4] {
        let mut left = Vec::new();
        for table in ["messages", "invoices", "orders", "customers"] {
            left.push(self.left(table).await);
        }
        left.try_into().unwrap()
    }
}

/// Every term of a rule: rows, due, erased, held, blocked, remaining, null clocks. All others are zero.
fn terms(ran: &Ran, rule: &str) -> [i64; 7] {
    let told = ran.rule(rule);
    let Exact {
        rows,
        due,
        erased,
        held,
        blocked,
        remaining,
        null_clock,
        ..
    } = told;
    let rest = (told.restricted, told.gone, told.failed, told.late);
    assert_eq!(rest, (0, 0, 0, 0), "{told:?}");
    [rows, due, erased, held, blocked, remaining, null_clock]
}

fn assert_terms(ran: &Ran, wanted: [[i64; 7]; 4]) {
    let rules = ["messages", "invoices", "orders", "customers"];
    let told = rules.map(|rule| terms(ran, rule));
    assert_eq!(told, wanted, "{:?}", ran.report);
}

const ALL: [&str; 4] = [
    "8 gone, 6 held, 18 of a year, 6 without a day, 8 young",
    "5 draft, 11 gone, 7 kept, 6 young",
    "10 gone, 11 gone with its invoice, 5 has a draft, 13 has an invoice, 6 young",
    "7 gone, 6 has an order, 5 held, 5 never seen, 9 seen",
];

/// As it is applied it counts and erases nothing; under a law that keeps and a hold the approved rows go and no others;
/// when both are over, the rest that is due.
async fn is_carried_out(example: Example) -> Applied {
    let mut applied = Applied::new(example).await;
    let (seen, _) = applied.retain("Previewed").await;
    assert_terms(
        &seen,
        [
            [46, 32, 0, 0, 0, 32, 6],
            [29, 11, 0, 0, 0, 11, 5],
            [45, 34, 0, 0, 13, 21, 0],
            [32, 18, 0, 0, 0, 18, 5],
        ],
    );
    assert_eq!(applied.all_left().await, ALL);

    let keep = disputes(&applied.hub);
    applied.hub.policies.insert("disputes".into(), keep);
    applied.holds();
    applied.hold("InForce").await;
    let (_, preview) = applied.retain("Previewed").await;
    applied.approve(&preview.unwrap());
    let (ran, _) = applied.retain("Done").await;
    assert_terms(
        &ran,
        [
            [46, 14, 8, 6, 0, 0, 6],
            [29, 11, 11, 0, 0, 0, 5],
            [45, 34, 21, 0, 13, 0, 0],
            [32, 18, 13, 5, 0, 0, 5],
        ],
    );
    assert_eq!(
        applied.all_left().await,
        [
            "6 held, 18 of a year, 6 without a day, 8 young",
            "5 draft, 7 kept, 6 young",
            "5 has a draft, 13 has an invoice, 6 young",
            // Customers stay, and lose who it was.
            ALL[3],
        ]
    );

    applied.hub.policies.remove("disputes");
    applied.releases();
    applied.hold("Released").await;
    // What was approved was less.
    let (_, preview) = applied.retain("AwaitingApproval").await;
    applied.approve(&preview.unwrap());
    let (ran, _) = applied.retain("Done").await;
    assert_terms(
        &ran,
        [
            [38, 24, 24, 0, 0, 0, 6],
            [18, 0, 0, 0, 0, 0, 5],
            [24, 13, 0, 0, 13, 0, 0],
            // What was changed is not due again.
            [32, 5, 5, 0, 0, 0, 5],
        ],
    );
    assert_eq!(
        applied.all_left().await,
        [
            "6 without a day, 8 young",
            "5 draft, 7 kept, 6 young",
            "5 has a draft, 13 has an invoice, 6 young",
            ALL[3],
        ]
    );
    applied
}
