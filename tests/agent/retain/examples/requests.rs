//! One person's requests, as section 7 of each walk-through has an officer type them: the program's own ciphertext, the task that the
//! operator plans of it, the real agent on the example's database, and the status that the page then has printed.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Value, json};
use tradewind::contract::{EraseReport, Report};
use tradewind::plan;
use tradewind::status::{self, OneJob, RequestObserved, Seen};

use super::super::world::Ran;
use super::page::{Desk, printed, typed};
use super::{Applied, ResourceExt as _};

/// Whom the pages are about: a customer with messages; with orders that one law keeps, that a longer one keeps, and that none
/// does. No number is below five but that of customers.
const PERSON: &str = "
INSERT INTO customers VALUES (8976, now(), 'asks', 'Planted', 'customer8976@shop.example');
INSERT INTO orders SELECT i, 8976, now() - interval '1 year', 'asks' FROM generate_series(101, 107) AS i;
INSERT INTO orders SELECT i, 8976, now() - interval '6 years 30 days', 'asks' FROM generate_series(111, 116) AS i;
INSERT INTO orders SELECT i, 8976, now() - interval '10 years', 'asks' FROM generate_series(121, 125) AS i;
INSERT INTO invoices SELECT id, id, placed_at::date, 'asks' FROM orders WHERE id BETWEEN 101 AND 116;
INSERT INTO messages SELECT i, 8976, now() - interval '1 day', 'asks' FROM generate_series(101, 109) AS i;";

/// What is left of the person: rows with a name, messages, orders; and orders that still say how they went.
const LEFT: &str = "SELECT (SELECT count(*) FROM customers WHERE id = 8976 AND (name, email) <> ('erased', 'erased')),
  (SELECT count(*) FROM messages WHERE customer_id = 8976), (SELECT count(*) FROM orders WHERE customer_id = 8976),
  (SELECT count(*) FROM orders WHERE customer_id = 8976 AND status = 'paid')";

/// All other rows.
const OTHERS: &str = "SELECT md5(string_agg(t, '' ORDER BY t)) FROM (SELECT c::text AS t FROM customers AS c WHERE id <> 8976
  UNION ALL SELECT o::text FROM orders AS o WHERE customer_id <> 8976 UNION ALL SELECT i::text FROM invoices AS i
  UNION ALL SELECT m::text FROM messages AS m WHERE customer_id <> 8976) AS t";

/// What came of a page.
pub(super) struct Followed {
    /// What `tradewind` printed.
    pub(super) said: String,
    /// What kubectl printed of each request.
    pub(super) shown: BTreeMap<String, String>,
    /// Reads the copies.
    pub(super) reader: age::x25519::Identity,
}

impl Applied {
    /// Types section 7 of the example's page, and does meanwhile what a hub and a region do.
    pub(super) async fn follow(&mut self) -> Followed {
        self.world.sql(PERSON).await;
        let others = self.world.sql(OTHERS).await;
        self.takes_requests();
        let own = self.hub.region.name_any();
        let desk = Desk::new(&self.hub.region);
        let mut followed = Followed {
            said: String::new(),
            shown: BTreeMap::new(),
            reader: age::x25519::Identity::generate(),
        };
        for text in typed(self.example.folder, "7. ", &own) {
            let reader = format!("--reader {} ", followed.reader.to_public());
            let (said, calls) = desk.types(&text.replace("--reader age1... ", &reader));
            followed.said += &said;
            for call in calls {
                let words: Vec<&str> = call.iter().map(String::as_str).collect();
                self.does(&desk, &words, &mut followed.shown).await;
            }
        }
        assert_eq!(self.world.sql(OTHERS).await, others, "nobody else's");
        followed
    }

    /// The region has made its key, and told it.
    fn takes_requests(&mut self) {
        let key = age::x25519::Identity::generate();
        let mut region = serde_json::to_value(self.hub.region.as_ref()).unwrap();
        region["status"]["requests"] = json!({"recipient": key.to_public().to_string()});
        self.hub.region = Arc::new(serde_json::from_value(region).unwrap());
        let secret = age::secrecy::ExposeSecret::expose_secret(&key.to_string()).to_owned();
        let hashes = "5a".repeat(32);
        for (name, text) in [("identity.key", secret), ("suppression.key", hashes)] {
            let name = format!("tradewind-requests/{name}");
            self.hub.secrets.insert(name, text);
        }
    }

    /// What a kubectl of the page does.
    async fn does(&mut self, desk: &Desk, words: &[&str], shown: &mut BTreeMap<String, String>) {
        match words {
            ["create", "-f", file] => {
                let mut request = desk.reads(file);
                request["metadata"]["generation"] = json!(1);
                request["metadata"]["creationTimestamp"] = json!(Timestamp::now());
                let name = request["metadata"]["name"].as_str().unwrap().to_owned();
                self.hub.requests.insert(name, request);
            }
            [
                "patch",
                "datasubjectrequest",
                name,
                "--type=merge",
                "-p",
                patch,
            ] => {
                let patch: Value = serde_json::from_str(patch).unwrap();
                let request = self.hub.requests.get_mut(*name).unwrap();
                for (field, value) in patch["spec"].as_object().unwrap() {
                    request["spec"][field] = value.clone();
                }
            }
            ["wait", until, of, _] => {
                let until = until.strip_prefix("--for=jsonpath=").unwrap();
                let (path, value) = until.split_once('=').unwrap();
                let name = of.strip_prefix("datasubjectrequest/").unwrap();
                self.waits(name, (path, value)).await;
            }
            ["get", "datasubjectrequest", name, "-o", format] => {
                let template = format.strip_prefix("jsonpath=").unwrap();
                let text = printed(template, &self.hub.requests[*name]);
                *shown.entry((*name).to_owned()).or_default() += &text;
            }
            ["get", "datasubjectrequest", name] => assert!(self.hub.requests.contains_key(*name)),
            ["get", "regions", ..] | ["--kubeconfig", ..] => {}
            other => panic!("the test knows no kubectl {other:?}"),
        }
    }

    /// Waits as the page does: what is planned runs meanwhile.
    async fn waits(&mut self, name: &str, (path, value): (&str, &str)) {
        self.stands(name, None);
        if printed(path, &self.hub.requests[name]) == value {
            return;
        }
        let made = self.hub.erase(name, &self.world);
        let ran = match made {
            Some((job, task)) => Some((job, self.erase(&task).await)),
            None => None,
        };
        // What a report brings to its end is told by the next look.
        self.stands(name, ran.as_ref());
        self.stands(name, ran.as_ref());
        let request = &self.hub.requests[name];
        assert_eq!(printed(path, request), value, "{request}\n{ran:?}");
    }

    /// The real agent with the operator's own task; whose request it is stands in neither its log nor its report.
    async fn erase(&self, task: &Value) -> Report<EraseReport> {
        let running = self.world.start_task("erase", task, &[]);
        let ran: Ran<EraseReport> = running.finish_as().await;
        let code = i32::from(ran.report.outcome.exit_code());
        assert_eq!(ran.code, code, "{:?}", ran.report);
        let report = serde_json::to_string(&ran.report).unwrap();
        for said in [&ran.log, &report] {
            assert!(!said.contains("8976@shop"), "{said}");
        }
        ran.report
    }

    /// The request's status as the operator writes it now.
    fn stands(&mut self, name: &str, ran: Option<&(String, Report<EraseReport>)>) {
        let (facts, now) = (self.hub.request_facts(name), Timestamp::now());
        let plan = plan::subject_request(&facts, now);
        let clocks = plan::clocks(&facts.request, &facts.packs, now);
        let one = |(job, report): &(String, Report<EraseReport>)| {
            let ended = OneJob {
                succeeded: Some(true),
                report: Some(report.clone()),
                waits: None,
            };
            (job.clone(), ended)
        };
        let seen = Seen::Known {
            children: RequestObserved {
                jobs: ran.map(one).into_iter().collect(),
            },
            inventory: Vec::new(),
            troubles: Vec::new(),
        };
        let seen = BTreeMap::from([(self.hub.region.name_any(), seen)]);
        let written = status::subject_request(&plan, &clocks, &seen, &facts.request, now);
        let status = serde_json::to_value(&written.status).unwrap();
        self.hub.requests.get_mut(name).unwrap()["status"] = status;
    }

    pub(super) fn request(&self, name: &str) -> &Value {
        &self.hub.requests[name]
    }

    /// What is left of the person, as [`LEFT`] has it.
    pub(super) async fn left_of_the_person(&self) -> String {
        self.world.sql(LEFT).await
    }
}

/// The periods of a request's deadlines, by step.
pub(super) fn deadlines(request: &Value) -> Vec<String> {
    let all = request["status"]["deadlines"].as_array().unwrap();
    let line = |one: &Value| {
        let text = |field: &str| one[field].as_str().unwrap_or("none").to_owned();
        format!("{}: {}", text("step"), text("within"))
    };
    all.iter().map(line).collect()
}
