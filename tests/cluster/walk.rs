//! The walk-throughs, typed from their beginning to the verified quarter: as the officer, but for the two lines that the
//! pages say are an administrator's, and those of whoever runs the region. Here is what all have; section 7 is of each law
//! (`request`, `laws`).

use serde_json::{Value, json};
use tradewind_dev::fleet::{Cluster, HUB};
use tradewind_dev::story::install::{self, RUNS};
use tradewind_dev::story::{Stage, quickstart, settle};

use crate::SOON;
use crate::desk::{Desk, section};
use crate::evidence::{fleet, quarter};
use crate::page::Block;
use crate::world::sql_of;

/// A page, and what it is about.
pub(crate) struct Walk {
    pub(crate) page: &'static str,
    pub(crate) region: &'static str,
    pub(crate) policy: &'static str,
    /// The policy of the quickstart that the page takes away.
    pub(crate) before: &'static str,
    pub(crate) hold: &'static str,
    /// Whose ground the hold has: the report names it.
    pub(crate) court: &'static str,
    /// When messages go, as SQL has it.
    pub(crate) messages: &'static str,
    /// How many findings of a severity there are at first.
    pub(crate) findings: &'static [(&'static str, usize)],
    /// What they say, and by which law.
    pub(crate) words: &'static [&'static str],
    /// How severe it is that rows have no date.
    pub(crate) undated: &'static str,
    /// What is told of customers, once the run is over.
    pub(crate) customers: &'static [&'static str],
}

const GDPR: Walk = Walk {
    page: "docs/walkthrough-gdpr.md",
    region: "eu-west",
    policy: "gdpr-shop",
    before: "eu-customers",
    hold: "claim-2026-117",
    court: "Regional Court Cologne",
    messages: "60 days",
    findings: &[("High", 0), ("Medium", 2), ("Low", 3)],
    words: &[
        "how long backups of store aurora-orders stay is unknown",
        "GDPR Article 17",
    ],
    undated: "Medium",
    customers: &[" - erased, <5 held, 0 blocked, 0 left"],
};

/// The blocks of a section, which are as many as the caller knows.
fn texts<const N: usize>(page: &str, begins: &str) -> [String; N] {
    let all: Vec<String> = section(page, begins)
        .into_iter()
        .map(|block: Block| block.text)
        .collect();
    all.try_into().unwrap_or_else(|all| {
        panic!("{page}: section {begins}has other blocks than this test knows: {all:#?}")
    })
}

/// What the page says to repeat, until it answers as told.
async fn repeats(desk: &Desk<'_>, text: &str, is_so: impl Fn(&str) -> bool) -> String {
    settle::until(text, SOON, || async {
        let shown = desk.types(text, "");
        Ok(if is_so(&shown) { Ok(shown) } else { Err(shown) })
    })
    .await
    .unwrap()
}

/// The line about a rule, from the colon on.
fn line<'a>(shown: &'a str, rule: &str) -> &'a str {
    let begins = format!("{rule}:");
    let found = shown
        .lines()
        .find_map(|line| line.trim().strip_prefix(&begins));
    found.unwrap_or_else(|| panic!("no {rule} in {shown}"))
}

/// The number that a line begins with.
fn first(line: &str) -> i64 {
    let word = line.split_whitespace().next().unwrap();
    word.parse().unwrap_or_else(|_| panic!("{line}"))
}

impl Walk {
    /// The rows that the page's hold is about and that are due without it: messages, and the customer with a name.
    async fn held_rows(&self, stage: &Stage, customer: &str) -> (i64, i64) {
        let messages = format!(
            "SELECT count(*) FROM messages WHERE customer_id = {customer}
                AND sent_at < now()::timestamp - interval '{}'",
            self.messages
        );
        let named =
            format!("SELECT count(*) FROM customers WHERE id = {customer} AND name <> 'erased'");
        (
            number(stage, self.region, &messages).await,
            number(stage, self.region, &named).await,
        )
    }

    async fn all_messages(&self, stage: &Stage) -> i64 {
        number(stage, self.region, "SELECT count(*) FROM messages").await
    }

    /// Sections 1 to 6.
    pub(crate) async fn until_the_release(&self, stage: &Stage, desk: &Desk<'_>) {
        let admin = stage.fleet.cluster(HUB).unwrap().kubeconfig_admin();
        let [begin] = texts(self.page, "1. ");
        desk.types_with(&admin, &begin);
        self.what_is_covered_is_shown(desk).await;
        self.a_count_is_approved(desk).await;
        let customer = self.a_hold_is_opened(stage, desk);
        let there = self.all_messages(stage).await;
        let held = self.held_rows(stage, &customer).await;
        assert!(
            (1..5).contains(&held.0) && held.1 == 1,
            "what the hold holds: {held:?}"
        );

        let [ask, wait, read] = texts(self.page, "5. ");
        desk.types(&ask, "");
        let shown = desk.types(&wait, "");
        assert!(shown.contains(self.policy), "{shown}");
        let shown = desk.types(&read, "");
        let told = line(&shown, "messages");
        let few = " - erased, <5 held, 0 blocked, 0 left";
        assert!(told.contains(few), "messages:{told}");
        let told = line(&shown, "customers");
        for word in self.customers {
            assert!(told.contains(word), "customers:{told}");
        }
        let due = first(line(&shown, "messages"));
        // Some went, and those of the hold are all that is left of what was due.
        assert_eq!(self.all_messages(stage).await, there - due + held.0);
        let still = self.held_rows(stage, &customer).await;
        assert_eq!(still, held, "what counsel holds is there");

        let [release] = texts(self.page, "6. ");
        let shown = desk.types(&release, "");
        assert!(
            shown.contains("Released") && shown.contains("0/1"),
            "{shown}"
        );
    }

    async fn what_is_covered_is_shown(&self, desk: &Desk<'_>) {
        let [conditions, findings] = texts(self.page, "2. ");
        let shown = repeats(desk, &conditions, |shown| {
            shown.contains("CoverageComplete\t")
        })
        .await;
        for word in [
            "Accepted\tTrue",
            "CoverageComplete\tTrue",
            "BaselineMet\tTrue",
            "Enforced\tFalse",
        ] {
            assert!(shown.contains(word), "{word} is not in {shown}");
        }
        let shown = desk.types(&findings, "");
        for (severity, wanted) in self.findings {
            assert_eq!(so_severe(&shown, severity), *wanted, "{severity}: {shown}");
        }
        for word in self.words {
            assert!(shown.contains(word), "{word} is not in {shown}");
        }
    }

    async fn a_count_is_approved(&self, desk: &Desk<'_>) {
        let [_, findings] = texts(self.page, "2. ");
        let before = so_severe(&desk.types(&findings, ""), self.undated);
        let [ask, read, days, approve] = texts(self.page, "3. ");
        desk.types(&ask, "");
        let shown = repeats(desk, &read, |shown| {
            shown.contains("sha256-") && shown.contains("customers: ")
        })
        .await;
        let hash = shown
            .split_whitespace()
            .find(|word| word.starts_with("sha256-"));
        let hash = hash.unwrap();
        assert_eq!(hash.len(), "sha256-".len() + 64, "{shown}");
        repeats(desk, &days, |shown| {
            shown.contains("  messages: oldest 20") && shown.contains("goes from 20")
        })
        .await;
        assert!(approve.contains("sha256-..."), "{approve}");
        desk.types(&approve.replace("sha256-...", hash), "");
        // After the count three rules are told to have rows without a clock.
        let found = repeats(desk, &findings, |shown| {
            so_severe(shown, self.undated) == before + 3
        })
        .await;
        for table in ["messages", "invoices", "customers"] {
            assert!(
                found.contains(&format!("rows of table {table} with nothing in ")),
                "{found}"
            );
        }
        assert!(first(line(&shown, "messages")) > 100, "{shown}");
    }

    /// Whom the page's hold is about.
    fn a_hold_is_opened(&self, stage: &Stage, desk: &Desk<'_>) -> String {
        let [secret, hold, apply] = texts(self.page, "4. ");
        desk.types(&of_the_region(stage, self.region, &secret), "");
        assert!(
            !desk.file("ids.txt").exists(),
            "the number stays on the desk"
        );
        desk.writes(&hold);
        let shown = desk.types(&apply, "");
        assert!(
            shown.contains("InForce") && shown.contains("1/1"),
            "{shown}"
        );
        let customer = secret
            .strip_prefix("echo ")
            .and_then(|rest| rest.split_once(' '));
        customer.unwrap().0.to_owned()
    }

    /// Section 8; the report.
    pub(crate) async fn the_quarter_is_verified(&self, stage: &Stage, desk: &Desk<'_>) -> String {
        let admin = stage.fleet.cluster(HUB).unwrap().kubeconfig_admin();
        let [sign, keys, trust, export] = texts(self.page, "8. ");
        desk.types_with(&admin, &sign);
        let regions = quickstart::POLICIES.map(|(_, region)| region);
        let shown = repeats(desk, &keys, |shown| {
            shown.matches(" ed25519-").count() == regions.len()
        })
        .await;
        let mut trust = trust.replace(
            "fleet: tradewind\n",
            &format!("fleet: {}\n", fleet(stage).await),
        );
        for told in shown.lines() {
            let (region, key) = told.split_once(' ').unwrap();
            let blank = format!("  {region}:\n    keys: [ed25519-...]");
            assert!(trust.contains(&blank), "{trust}");
            trust = trust.replace(&blank, &blank.replace("ed25519-...", key));
        }
        desk.writes(&trust);
        // The page says to write the quarter that one is in.
        let now = quarter();
        assert!(export.contains("--period 2026-Q4 "), "{export}");
        let shown = desk.types(&export.replace("2026-Q4", &now), "");
        assert!(shown.contains("no fault found"), "{shown}");
        let report = std::fs::read_to_string(desk.file(&format!("{now}.html"))).unwrap();
        // The quarter still runs, as the page says.
        let open = "Not the whole period";
        for word in [self.policy, self.hold, self.court, "no fault found", open] {
            assert!(report.contains(word), "{word} is not in the report");
        }
        report
    }

    /// The quickstart's own policy again, as it was but for its approval, which was for rows of then.
    pub(crate) async fn as_before(&self, stage: &Stage, hub: &Cluster, mut policy: Value) {
        for (kind, name) in [("datapolicy", self.policy), ("legalhold", self.hold)] {
            hub.kubectl(&["delete", kind, name, "--timeout=300s"])
                .await
                .unwrap();
        }
        let region = stage.fleet.cluster(self.region).unwrap();
        let secret = ["delete", "secret", self.hold, "-n", RUNS];
        region.kubectl(&secret).await.unwrap();
        let mut spec = policy["spec"].take();
        spec.as_object_mut().unwrap().remove("approvals");
        let again = json!({
            "apiVersion": policy["apiVersion"], "kind": policy["kind"],
            "metadata": {"name": self.before}, "spec": spec,
        });
        install::apply(hub, &again.to_string()).await.unwrap();
        quickstart::ready(&stage.fleet, SOON).await.unwrap();
    }
}

/// A block with the kubeconfig of a region where the page leaves it to its reader.
pub(crate) fn of_the_region(stage: &Stage, region: &str, text: &str) -> String {
    let file = format!("<the file of {region}>");
    assert!(text.contains(&file), "{text}");
    let own = stage.fleet.cluster(region).unwrap().kubeconfig_admin();
    text.replace(&file, &own.display().to_string())
}

/// How many findings are so severe.
fn so_severe(shown: &str, severity: &str) -> usize {
    let begins = format!("{severity}\t");
    let lines = shown.lines().filter(|line| line.starts_with(&begins));
    lines.count()
}

/// One number of a region's shop.
pub(crate) async fn number(stage: &Stage, region: &str, sql: &str) -> i64 {
    let told = sql_of(stage, region, sql).await;
    told.trim().parse().unwrap_or_else(|_| panic!("{told}"))
}

pub(crate) async fn the_page_is_followed_to_the_verified_quarter(stage: &mut Stage) {
    let hub = stage.fleet.cluster(HUB).unwrap();
    let before = settle::get(&hub, "datapolicy", None, GDPR.before).await;
    let desk = Desk::new(stage);
    GDPR.until_the_release(stage, &desk).await;
    let report = GDPR.the_quarter_is_verified(stage, &desk).await;
    is_told_as_ended(&report);
    GDPR.as_before(stage, &hub, before.unwrap().unwrap()).await;
}

/// The policy that the page deletes at its begin is in the report, and binds nobody.
fn is_told_as_ended(report: &str) {
    let Walk { before, region, .. } = GDPR;
    let begins = format!("<th scope=\"row\">{before}</th><td>{region}</td>");
    // In the register since when stands between.
    for (table, place) in [("register", 1), ("deletion", 0)] {
        let from = format!("<h2 id=\"{table}\">");
        let (_, section) = report.split_once(&from).unwrap();
        let (section, _) = section.split_once("</section>").unwrap();
        let rows: Vec<&str> = section
            .split("<tr>")
            .filter_map(|row| row.strip_prefix(&begins))
            .collect();
        assert!(!rows.is_empty(), "{before} is not in {table}");
        for row in rows {
            let ended = row.split("<td>").nth(place + 1).unwrap();
            assert!(ended.contains("Z</td>"), "{table}: {row}");
        }
    }
}
