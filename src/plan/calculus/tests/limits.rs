//! By when terms of platforms ask rows to be gone.

use super::*;

/// The first policy's rule as status tells it, and how many limits it outlasts.
fn told(policies: &[Value]) -> (Option<RuleDecision>, usize) {
    let (facts, region) = (facts(policies), region());
    let rulings = rulings(&facts, &region, now());
    let hash = crate::plan::retention::bound_hash(&facts.policy, &rulings);
    let own = crate::plan::spec_hash(&facts.policy.spec);
    let is_bound = !rulings[0].foreign(&facts.policy).is_empty();
    assert_eq!(
        hash != own,
        is_bound,
        "an approval is bound to what keeps alone"
    );
    (rulings[0].told(), rulings[0].held_too_long().count())
}

fn videos(after: &str, more: &[&str]) -> Value {
    let laws: Vec<&str> = ["eu-gdpr", "youtube-api"]
        .into_iter()
        .chain(more.iter().copied())
        .collect();
    let rule = has(&["youtubeApiData"], erase("videos", after));
    under(&laws, policy("own", &json!([rule])))
}

const TERMS: &str = "P30D from at by YouTube API Services Developer Policies III.E.4, as public files quote it (unconfirmed) \
    (youtube-api, for the youtubeApiData records of rule erases of DataPolicy own)";

#[test]
fn a_period_that_outlasts_terms_is_told_with_them() {
    let (late, count) = told(&[videos("P90D", &[])]);
    let late = late.unwrap();
    assert_eq!(
        (late.decides, late.keeps.len(), count),
        (Decides::Erase, 0, 1)
    );
    assert_eq!(
        late.message,
        format!("the rule's own P90D from at may have rows for longer than {TERMS}")
    );
    for in_time in ["P30D", "P14D"] {
        assert_eq!(told(&[videos(in_time, &[])]), (None, 0), "{in_time}");
    }
    // A month may have 31 days.
    assert_eq!(told(&[videos("P1M", &[])]).1, 1);
    // Without the word nothing is asked.
    let silent = under(
        &["youtube-api"],
        policy("own", &json!([erase("videos", "P90D")])),
    );
    assert_eq!(told(&[silent]), (None, 0));
}

/// A row of whom nobody was told stays, however short the rule's own period is.
#[test]
fn a_notice_may_outlast_terms() {
    let mut waits = videos("P14D", &[]);
    waits["spec"]["rules"][0]["erase"]["notice"] = json!({"column": "told_at", "hours": 48});
    let (late, count) = told(&[waits]);
    assert_eq!(count, 1);
    let message = late.unwrap().message;
    assert!(
        message.contains("may have rows for longer than P30D from at by YouTube API"),
        "{message}"
    );
}

/// No contract lets anybody break a law: what is kept stays, and the terms lose.
#[test]
fn terms_give_way_to_what_a_law_keeps() {
    let tax = policy("tax", &json!([keep("books", "orders", "videos", "P8Y")]));
    let (kept, count) = told(&[videos("P14D", &[]), tax]);
    let kept = kept.unwrap();
    assert_eq!((kept.decides, count), (Decides::Keep, 1));
    assert!(
        kept.message.ends_with(&format!(
            "; {TERMS} gives way to P8Y from the end of at's calendar year by AO 147(3) (rule books of DataPolicy tax)"
        )),
        "{}",
        kept.message
    );
}

/// Whoever says what a table has says it for all who erase from it; in any order of policies.
#[test]
fn terms_bind_who_erases_from_the_table() {
    let rule = json!({"name": "says", "dataset": {"store": "alias", "table": "shop.videos", "clock": "at"}});
    let says = has(&["youtubeApiData"], rule);
    let other = under(&["youtube-api"], policy("other", &json!([says])));
    let own = policy("own", &json!([erase("videos", "P1Y")]));
    let third = policy("third", &json!([keep("k", "orders", "messages", "P8Y")]));
    let all = told(&[own.clone(), other.clone(), third.clone()]);
    assert_eq!(all.1, 1);
    assert!(
        all.0
            .as_ref()
            .unwrap()
            .message
            .contains("rule says of DataPolicy other")
    );
    assert_eq!(all, told(&[own, third, other]));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// What is not told of is never there for longer than the terms let, whatever the day.
    #[test]
    fn silence_means_in_time(
        after in prop::sample::select(vec!["P1D", "P14D", "P28D", "P29D", "P30D", "P31D", "P1M", "P2M", "P1Y"]),
        from in prop::sample::select(vec!["EventDate", "EndOfCalendarYear", "EndOfFiscalYear"]),
        day in 0_i64..5000, later in 0_i64..800,
        zone in prop::sample::select(vec!["UTC", "Europe/Berlin", "Pacific/Apia"]),
    ) {
        let mut own = videos(after, &[]);
        own["spec"]["rules"][0]["erase"]["from"] = json!(from);
        let (facts, region) = (facts(&[own]), region());
        let ruling = &rulings(&facts, &region, now())[0];
        let zone = TimeZone::get(zone).unwrap();
        let clock = jiff::civil::date(2008, 2, 28) + day.days();
        let now = (clock + later.days()).at(12, 0, 0, 0).to_zoned(zone.clone()).unwrap().timestamp();
        let is_asked = is_over(Anchor::EventDate, "P30D", clock, &zone, now);
        let is_due = is_over(ruling.anchor, after, clock, &zone, now);
        if ruling.held_too_long().count() == 0 {
            prop_assert!(is_due || !is_asked, "{after} {from} {clock}");
        }
    }
}
