//! A request whose clock stands still while a question to the person is open: behind its end, and not too late.

use serde_json::{Value as Json, json};
use tradewind::evidence::{About, Entry, Kind, Line, Record, Tip, canonical};

use super::audit::{audit, export};
use super::oscal::{document, findings, misfits};
use super::world::{Folder, moment};

/// Received in October and asked back in November; the last record is of the end of December.
fn evidence(clock: &Json) -> Vec<String> {
    let request = json!({
        "state": "Working", "kind": "Access", "received": "2026-10-20T09:30:00+01:00", "jurisdictions": ["GB"], "zone": "Europe/London",
        "steps": [{"step": "Verified", "at": "2026-10-21T10:00:00+01:00", "by": "privacy"}, {"step": "Paused", "at": "2026-11-02"}],
        "deadlines": [clock],
    });
    let entry = |kind: Kind, at: &str, about: About, body: &Json| Entry {
        kind,
        at: moment(at),
        about,
        source: at.to_owned(),
        body: canonical::object(body).unwrap(),
    };
    let about = About::cluster("DataSubjectRequest", "dsr-20");
    let asked = entry(Kind::Request, "2026-11-02T12:00:00Z", about, &request);
    let about = About::cluster("Region", "gb-south");
    let none = json!({"transfers": []});
    let later = entry(Kind::TransferChange, "2026-12-30T12:00:00Z", about, &none);
    let first = asked.append("gb-south", &Tip::genesis("aurora", "gb-south"));
    let second = later.append("gb-south", &Tip::of(&first));
    let line = |record: Record| Line::Record(record).canonical().unwrap();
    let lines = [first, second].map(|record| String::from_utf8(line(record)).unwrap());
    lines.to_vec()
}

/// The columns of deadlines and of what is late, what OSCAL says of lateness, and the chart's last row.
fn told(clock: &Json) -> (String, String, bool, String) {
    let folder = Folder::of(&evidence(clock));
    let json = audit(&folder, &export("json", &[]));
    let json: Json = serde_json::from_str(&json[..json.rfind("exit ").unwrap()]).unwrap();
    let row = &json["tables"]["requests"][0];
    let word = |key: &str| row[key].as_str().unwrap().to_owned();
    let oscal = document(&folder, &[]);
    assert_eq!(misfits(&oscal), [""; 0]);
    let in_time = findings(&oscal).contains(&"requests-in-time satisfied".to_owned());
    let page = audit(&folder, &export("html", &[]));
    let last = "<th scope=\"row\">2026-12-28</th><td>gb-south</td>";
    let from = page.rfind(last).unwrap();
    let counts = page[from + last.len()..].split("</tr>").next().unwrap();
    let counts = counts.replace("<td class=\"n\">", "").replace("</td>", " ");
    (
        word("deadlines"),
        word("late"),
        in_time,
        counts.trim().to_owned(),
    )
}

#[test]
fn a_clock_that_stands_still_is_not_late() {
    let clock = |regime: &str| json!({"regime": regime, "step": "response", "within": "P1M", "ends": "2026-11-21T00:00:00Z", "law": "UK GDPR Article 12A"});
    let mut still = clock("uk-gdpr");
    still["standsStill"] = true.into();
    let words = "uk-gdpr response before 2026-11-21T00:00:00Z (UK GDPR Article 12A)";
    let stands = format!("{words}, stands still since 2026-11-02");
    // Open, and in time.
    assert_eq!(
        told(&still),
        (stands, String::new(), true, "1 1 0 0".to_owned())
    );
    // One that runs on, or of which an older release did not say, is missed.
    let missed = (
        words.to_owned(),
        words.to_owned(),
        false,
        "1 0 0 1".to_owned(),
    );
    assert_eq!(told(&clock("uk-gdpr")), missed);
}
