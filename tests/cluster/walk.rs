//! docs/walkthrough-gdpr.md, typed from its beginning to the verified quarter: as the officer, but for the two lines that the
//! page says are an administrator's, and the one of whoever runs the region. Section 7 has a chapter of its own (`request`).

use std::path::Path;

use serde_json::{Value, json};
use tradewind_dev::fleet::{Cluster, HUB};
use tradewind_dev::story::install::{self, RUNS};
use tradewind_dev::story::{Stage, quickstart, settle};

use crate::SOON;
use crate::desk::{Desk, section};
use crate::evidence::{fleet, quarter};
use crate::page::Block;
use crate::world::sql_of;

const PAGE: &str = "docs/walkthrough-gdpr.md";
const REGION: &str = "eu-west";
const POLICY: &str = "gdpr-shop";
const HOLD: &str = "claim-2026-117";
/// The policy of the quickstart that the page takes away.
const BEFORE: &str = "eu-customers";

fn texts<const N: usize>(begins: &str) -> [String; N] {
    let all: Vec<String> = section(PAGE, begins)
        .into_iter()
        .map(|block: Block| block.text)
        .collect();
    all.try_into().unwrap_or_else(|all| {
        panic!("section {begins}has other blocks than this test knows: {all:#?}")
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

/// The rows that the page's hold is about and that are due without it: messages, and the customer with a name.
async fn held_rows(stage: &Stage, customer: &str) -> String {
    let sql = format!(
        "SELECT (SELECT count(*) FROM messages WHERE customer_id = {customer} AND sent_at < now()::timestamp - interval '60 days')
            || ' ' || (SELECT count(*) FROM customers WHERE id = {customer} AND name <> 'erased')"
    );
    sql_of(stage, REGION, &sql).await
}

async fn messages(stage: &Stage) -> i64 {
    let count = sql_of(stage, REGION, "SELECT count(*) FROM messages").await;
    count.trim().parse().unwrap()
}

pub(crate) async fn the_page_is_followed_to_the_verified_quarter(stage: &mut Stage) {
    let hub = stage.fleet.cluster(HUB).unwrap();
    let admin = hub.kubeconfig_admin();
    let before = settle::get(&hub, "datapolicy", None, BEFORE).await.unwrap();
    let desk = Desk::new(stage);

    let [begin] = texts("1. ");
    desk.types_with(&admin, &begin);
    what_is_covered_is_shown(&desk).await;
    a_count_is_approved(&desk).await;
    let customer = a_hold_is_opened(stage, &desk);
    let there = messages(stage).await;
    assert_eq!(
        held_rows(stage, &customer).await,
        "2 1",
        "what the hold holds"
    );

    let [ask, wait, read] = texts("5. ");
    desk.types(&ask, "");
    let shown = desk.types(&wait, "");
    assert!(shown.contains(POLICY), "{shown}");
    let shown = desk.types(&read, "");
    for rule in ["messages", "customers"] {
        let told = line(&shown, rule);
        assert!(
            told.contains(" - erased, <5 held, 0 blocked, 0 left"),
            "{rule}:{told}"
        );
    }
    let due = first(line(&shown, "messages"));
    // Some went, and those of the hold are all that is left of what was due.
    assert_eq!(messages(stage).await, there - due + 2);
    assert_eq!(
        held_rows(stage, &customer).await,
        "2 1",
        "what counsel holds is there"
    );

    let [release] = texts("6. ");
    let shown = desk.types(&release, "");
    assert!(
        shown.contains("Released") && shown.contains("0/1"),
        "{shown}"
    );
    the_quarter_is_verified(stage, &desk, &admin).await;
    as_before(stage, &hub, before.unwrap()).await;
}

async fn what_is_covered_is_shown(desk: &Desk<'_>) {
    let [conditions, findings] = texts("2. ");
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
    let begin = |severity: &str| {
        let begins = format!("{severity}\t");
        shown
            .lines()
            .filter(|line| line.starts_with(&begins))
            .count()
    };
    assert_eq!(
        (begin("High"), begin("Medium"), begin("Low")),
        (0, 2, 3),
        "{shown}"
    );
    assert!(
        shown.contains("how long backups of store aurora-orders stay is unknown"),
        "{shown}"
    );
    assert!(shown.contains("GDPR Article 17"), "{shown}");
}

async fn a_count_is_approved(desk: &Desk<'_>) {
    let [ask, read, days, approve] = texts("3. ");
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
    let [_, findings] = texts("2. ");
    let is_told = |shown: &str| {
        shown
            .lines()
            .filter(|line| line.starts_with("Medium\t"))
            .count()
            == 5
    };
    let found = repeats(desk, &findings, is_told).await;
    for table in ["messages", "invoices", "customers"] {
        assert!(
            found.contains(&format!("rows of table {table} with nothing in ")),
            "{found}"
        );
    }
    assert!(first(line(&shown, "messages")) > 100, "{shown}");
}

/// Whom the page's hold is about.
fn a_hold_is_opened(stage: &Stage, desk: &Desk<'_>) -> String {
    let region = stage.fleet.cluster(REGION).unwrap();
    let [secret, hold, apply] = texts("4. ");
    let file = format!("<the file of {REGION}>");
    assert!(secret.contains(&file), "{secret}");
    let own = region.kubeconfig_admin().display().to_string();
    desk.types(&secret.replace(&file, &own), "");
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

async fn the_quarter_is_verified(stage: &Stage, desk: &Desk<'_>, admin: &Path) {
    let [sign, keys, trust, export] = texts("8. ");
    desk.types_with(admin, &sign);
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
    for word in [
        POLICY,
        HOLD,
        "Regional Court Cologne",
        "no fault found",
        open,
    ] {
        assert!(report.contains(word), "{word} is not in the report");
    }
    is_told_as_ended(&report);
}

/// The policy that the page deletes at its begin is in the report, and binds nobody.
fn is_told_as_ended(report: &str) {
    let begins = format!("<th scope=\"row\">{BEFORE}</th><td>{REGION}</td>");
    // In the register since when stands between.
    for (table, place) in [("register", 1), ("deletion", 0)] {
        let from = format!("<h2 id=\"{table}\">");
        let (_, section) = report.split_once(&from).unwrap();
        let (section, _) = section.split_once("</section>").unwrap();
        let rows: Vec<&str> = section
            .split("<tr>")
            .filter_map(|row| row.strip_prefix(&begins))
            .collect();
        assert!(!rows.is_empty(), "{BEFORE} is not in {table}");
        for row in rows {
            let ended = row.split("<td>").nth(place + 1).unwrap();
            assert!(ended.contains("Z</td>"), "{table}: {row}");
        }
    }
}

/// The quickstart's own policy again, as it was but for its approval, which was for rows of then.
async fn as_before(stage: &Stage, hub: &Cluster, mut policy: Value) {
    for (kind, name) in [("datapolicy", POLICY), ("legalhold", HOLD)] {
        hub.kubectl(&["delete", kind, name, "--timeout=90s"])
            .await
            .unwrap();
    }
    let region = stage.fleet.cluster(REGION).unwrap();
    let secret = ["delete", "secret", HOLD, "-n", RUNS];
    region.kubectl(&secret).await.unwrap();
    let mut spec = policy["spec"].take();
    spec.as_object_mut().unwrap().remove("approvals");
    let again = json!({
        "apiVersion": policy["apiVersion"], "kind": policy["kind"], "metadata": {"name": BEFORE}, "spec": spec,
    });
    install::apply(hub, &again.to_string()).await.unwrap();
    quickstart::ready(&stage.fleet, SOON).await.unwrap();
}
