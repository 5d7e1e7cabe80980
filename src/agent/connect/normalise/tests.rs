use proptest::prelude::*;
use serde_json::json;

use super::*;

fn rule(
    each: &str,
    kind: EventKind,
    when: Option<Match>,
    id: &[&str],
    subject: &[&str],
) -> EventRule {
    EventRule {
        each: each.into(),
        when,
        kind,
        id: id.iter().map(ToString::to_string).collect(),
        subject: subject.iter().map(ToString::to_string).collect(),
    }
}

fn when(pointer: &str, equals: Option<&str>, prefix: Option<&str>) -> Match {
    Match {
        pointer: pointer.into(),
        equals: equals.map(str::to_owned),
        prefix: prefix.map(str::to_owned),
    }
}

fn messenger() -> Vec<EventRule> {
    let each = "/entry/*/messaging/*";
    vec![
        rule(
            each,
            EventKind::Orders,
            Some(when("/order", None, None)),
            &["/order/id"],
            &["/sender/id"],
        ),
        rule(
            each,
            EventKind::Messages,
            Some(when("/message", None, None)),
            &["/message/mid"],
            &["/sender/id"],
        ),
    ]
}

fn read<'a>(rules: &[EventRule], body: &'a str, message: Option<&str>) -> Normalised<'a> {
    normalise(rules, body.as_bytes(), message).unwrap()
}

const TWO_MESSAGES: &str = r#"{"object": "page", "entry": [{"id": "1", "messaging": [
    {"sender": {"id": "ann"}, "message": {"mid": "m1", "text": "caf\u00e9"}},
    {"sender": {"id": "bob"}, "order": {"id": 9007199254740993}}]}, {"id": "2", "messaging": [
    {"sender": {"id": "ann"}, "message": {"mid": "m2"}}, {"sender": {"id": "ann"}, "read": {}}]}]}"#;

#[test]
fn elements_become_events_in_order_and_keep_their_bytes() {
    let found = read(&messenger(), TWO_MESSAGES, None);
    let kinds: Vec<EventKind> = found.events.iter().map(|event| event.kind).collect();
    assert_eq!(
        kinds,
        [EventKind::Messages, EventKind::Orders, EventKind::Messages]
    );
    assert_eq!((found.unmatched, found.repeated), (1, 0));
    assert_eq!(
        found.events[0].raw.get(),
        r#"{"sender": {"id": "ann"}, "message": {"mid": "m1", "text": "caf\u00e9"}}"#
    );
    assert_eq!(found.events[0].subject, found.events[2].subject);
    assert_ne!(found.events[0].subject, found.events[1].subject);
}

#[test]
fn the_first_rule_that_matches_decides() {
    let both = r#"{"entry": [{"messaging": [{"order": {"id": 1}, "message": {"mid": "m"}}]}]}"#;
    assert_eq!(
        read(&messenger(), both, None).events[0].kind,
        EventKind::Orders
    );
}

#[test]
fn an_event_told_twice_in_one_body_is_one_event() {
    let body =
        r#"{"entry": [{"messaging": [{"message": {"mid": "m"}}, {"message": {"mid": "m"}}]}]}"#;
    let found = read(&messenger(), body, None);
    assert_eq!((found.events.len(), found.repeated), (1, 1));
}

#[test]
fn without_an_id_the_signed_message_names_each_event_apart() {
    let rules = [rule("/*", EventKind::Orders, None, &["/id"], &[])];
    let first = read(&rules, "[1, 1]", Some("msg_1"));
    let again = read(&rules, "[1, 1]", Some("msg_1"));
    let other = read(&rules, "[1, 1]", Some("msg_2"));
    assert_eq!(first.events.len(), 2);
    assert_eq!(first.events[0].key, again.events[0].key);
    assert_ne!(first.events[0].key, other.events[0].key);
    assert_eq!(
        first.events[0].subject, first.events[0].key,
        "a subject of its own"
    );
}

#[test]
fn without_any_id_the_bytes_name_the_event() {
    let rules = [rule("", EventKind::Orders, None, &[], &[])];
    let (one, same, spaced) = (
        read(&rules, "{}", None),
        read(&rules, "{}", None),
        read(&rules, "{ }", None),
    );
    assert_eq!(one.events[0].key, same.events[0].key);
    assert_ne!(one.events[0].key, spaced.events[0].key);
}

#[test]
fn parts_of_an_id_do_not_run_together() {
    let rules = [rule("", EventKind::Orders, None, &["/a", "/b"], &[])];
    let keys: HashSet<Name> = [
        r#"{"a":"x","b":"yz"}"#,
        r#"{"a":"xy","b":"z"}"#,
        r#"{"a":"xyz"}"#,
        r#"{"b":"xyz"}"#,
    ]
    .iter()
    .map(|body| read(&rules, body, None).events[0].key)
    .collect();
    assert_eq!(keys.len(), 4);
}

#[test]
fn conditions_test_presence_equality_and_prefix() {
    let body = r#"{"type": "order/paid", "n": 5, "absent": null}"#;
    for (condition, expected) in [
        (when("/type", None, None), true),
        (when("/missing", None, None), false),
        (when("/absent", None, None), false),
        (when("/type", Some("order/paid"), None), true),
        (when("/type", Some("order"), None), false),
        (when("/type", None, Some("order/")), true),
        (when("/type", None, Some("product/")), false),
        (when("/type", Some("order/paid"), Some("product/")), false),
        (when("/n", Some("5"), None), true),
    ] {
        let rules = [rule(
            "",
            EventKind::Orders,
            Some(condition.clone()),
            &[],
            &[],
        )];
        assert_eq!(
            read(&rules, body, None).events.len(),
            usize::from(expected),
            "{condition:?}"
        );
    }
}

#[test]
fn a_body_without_a_place_for_events_is_one_unmatched() {
    assert_eq!(read(&messenger(), "{}", None).unmatched, 1);
    assert_eq!(read(&[], "{}", None).unmatched, 1);
    assert!(normalise(&messenger(), b"{", None).is_err());
    assert!(normalise(&messenger(), b"\xff", None).is_err());
}

/// Any JSON, with a taste for the names that the rules look for.
fn any_json() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(json!(null)),
        any::<bool>().prop_map(|value| json!(value)),
        any::<i64>().prop_map(|value| json!(value)),
        "[a-c]{0,2}|\\PC{0,5}".prop_map(|value| json!(value)),
    ];
    let name = "entry|messaging|message|mid|sender|id|order|\\PC{0,3}";
    leaf.prop_recursive(6, 64, 4, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(serde_json::Value::from),
            proptest::collection::btree_map(name, inner, 0..4)
                .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
        ]
    })
}

fn messaging_body() -> impl Strategy<Value = String> {
    let message = proptest::collection::vec(any_json(), 0..5);
    let entries =
        proptest::collection::vec(message.prop_map(|list| json!({"messaging": list})), 0..4);
    prop_oneof![entries.prop_map(|list| json!({"entry": list})), any_json()]
        .prop_map(|body| body.to_string())
}

proptest! {
    #[test]
    fn any_json_gives_the_same_events_each_time_and_loses_none(body in messaging_body()) {
        let rules = messenger();
        let found = read(&rules, &body, None);
        let again = read(&rules, &body, None);
        let keys: Vec<Name> = found.events.iter().map(|event| event.key).collect();
        prop_assert_eq!(&keys, &again.events.iter().map(|event| event.key).collect::<Vec<_>>());
        prop_assert_eq!(keys.iter().collect::<HashSet<_>>().len(), keys.len());
        // Every element is an event, a repetition or unmatched.
        let document: &RawValue = serde_json::from_str(&body).unwrap();
        let elements = pointer::each(document, "/entry/*/messaging/*").len() as u64;
        let counted = found.events.len() as u64 + found.repeated + found.unmatched;
        prop_assert_eq!(counted, elements.max(1));
        for event in &found.events {
            prop_assert!(body.contains(event.raw.get()));
        }
    }

    #[test]
    fn any_bytes_are_read_or_refused_without_a_panic(body in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = normalise(&messenger(), &body, Some("id"));
    }

    #[test]
    fn events_with_the_same_id_have_the_same_key_whatever_surrounds_them(mid in "\\PC{1,20}", text in "\\PC{0,20}") {
        let rules = messenger();
        let one = json!({"entry": [{"messaging": [{"message": {"mid": mid}}]}]}).to_string();
        let two = json!({"entry": [{"messaging": [{"message": {"text": text, "mid": mid}, "sender": {"id": 1}}]}]}).to_string();
        prop_assert_eq!(read(&rules, &one, None).events[0].key, read(&rules, &two, None).events[0].key);
    }
}
