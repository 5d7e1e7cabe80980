//! For how long rows stay: a rule's own period, and all that keeps rows of its table, whoever says so.

use super::InForce;
use super::concept::{UNSTATED, after, contacts, kept, object, plain, rules, word};
use crate::evidence::Object;
use crate::plan;

/// For how long a rule's rows are kept, each with its statute: what its own words say, and what rules say that may be over its
/// table, of its policy and of every other in the region that is in force. A store is one by its name: which two are one database
/// no record says.
pub(super) fn kept_by_all(
    one: &InForce<'_>,
    rule: &Object,
    policies: &[InForce<'_>],
) -> Vec<(String, String)> {
    let mut all = kept(one, rule);
    let is_own = |other: &InForce<'_>| other.record.about == one.record.about;
    let is_here = |other: &&InForce<'_>| {
        other.record.region == one.record.region && (other.ended.is_none() || is_own(other))
    };
    for other in policies.iter().filter(is_here) {
        let rules = rules(&other.policy.spec).into_iter();
        let over = rules.filter(|other| share_table(rule, other));
        for keep in over.flat_map(|rule| kept(other, rule)) {
            if !all.contains(&keep) {
                all.push(keep);
            }
        }
    }
    all
}

fn share_table(one: &Object, other: &Object) -> bool {
    let told = |rule: &Object, key: &str| object(rule, "dataset")?.get(key).map(plain);
    let both = |key: &str| Some((told(one, key)?, told(other, key)?));
    both("store").is_some_and(|(one, other)| one == other)
        && both("table").is_some_and(|(one, other)| plan::may_be_one(&one, &other))
}

/// When a rule's rows go, and what keeps them for longer.
pub(super) fn ends(one: &InForce<'_>, rule: &Object, policies: &[InForce<'_>]) -> String {
    let kept = kept_by_all(one, rule, policies).into_iter();
    let kept = kept.map(|keep| format!("kept for {}", told(keep)));
    let all: Vec<String> = erased(rule).into_iter().chain(kept).collect();
    if all.is_empty() {
        return UNSTATED.to_owned();
    }
    all.join("; ")
}

/// The same of a rule among others: with its name, and where it says nothing its name alone.
pub(super) fn limit(one: &InForce<'_>, rule: &Object, policies: &[InForce<'_>]) -> String {
    let name = word(rule, "name");
    let kept: Vec<String> = kept_by_all(one, rule, policies)
        .into_iter()
        .map(told)
        .collect();
    let kept = (!kept.is_empty()).then(|| format!("kept for {}", kept.join(", ")));
    let all: Vec<String> = erased(rule).into_iter().chain(kept).collect();
    if all.is_empty() {
        return name;
    }
    format!("{name}: {}", all.join(", "))
}

/// `P8Y from EndOfCalendarYear (AO 147(3))`; where the period says more in brackets the statute joins it.
fn told((period, statute): (String, String)) -> String {
    match period.strip_suffix(')') {
        Some(open) => format!("{open}; {statute})"),
        None => format!("{period} ({statute})"),
    }
}

/// How a rule's rows go, and after which period.
fn erased(rule: &Object) -> Option<String> {
    let erase = object(rule, "erase")?;
    let (method, after) = (word(erase, "method"), after(erase));
    let contacts = contacts(Some(erase)).map(|more| format!(" {more}"));
    let (from, contacts) = (from(erase), contacts.unwrap_or_default());
    Some(format!("{method} after {after}{from}{contacts}"))
}

/// What a period runs from, where that is not the event itself.
pub(super) fn from(part: &Object) -> String {
    let from = part.get("from").map(plain);
    let from = from.filter(|from| from != "EventDate");
    from.map_or_else(String::new, |from| format!(" from {from}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::evidence::{About, Entry, Kind, Record, Tip, canonical};

    /// What was erased under it, it kept from; it keeps nothing of what others erase from now on.
    #[test]
    fn a_policy_that_ended_keeps_nothing_beside_others() {
        let change = |name: &str, period: &str| -> Record {
            let rule = json!({"name": name, "dataset": {"store": "shop", "table": "orders", "clock": "at"}, "keep": {"for": period, "reference": name}});
            let body = json!({"generation": 1, "runs": true, "schedule": "0 2 * * 1", "zone": "UTC", "window": "PT4H", "spec": {"rules": [rule]}});
            let entry = Entry {
                kind: Kind::PolicyChange,
                at: jiff::Timestamp::UNIX_EPOCH,
                about: About::cluster("DataPolicy", name),
                source: "s".to_owned(),
                body: canonical::object(&body).unwrap(),
            };
            entry.append("eu", &Tip::genesis("f", "eu"))
        };
        let records = [("own", "P1Y"), ("tax", "P8Y"), ("gone", "P9Y")];
        let records = records.map(|(name, period)| change(name, period));
        let policies = records.each_ref().map(|record| InForce {
            record,
            policy: canonical::read(&record.body).unwrap(),
            ended: (record.about.name == "gone").then_some(jiff::Timestamp::UNIX_EPOCH),
        });
        let kept = policies.each_ref().map(|one| {
            let rule = rules(&one.policy.spec)[0];
            let kept = kept_by_all(one, rule, &policies).into_iter();
            kept.map(|(period, _)| period).collect::<Vec<_>>().join(" ")
        });
        assert_eq!(kept, ["P1Y P8Y", "P8Y P1Y", "P9Y P1Y P8Y"]);
    }
}
