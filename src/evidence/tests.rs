//! The one spelling, the hashes and the signatures, each against something that was not made by this code.

use proptest::prelude::*;

use super::canonical::{self, GREATEST};
use super::*;

fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

fn first() -> Record {
    let body = Object::from([
        ("due".to_owned(), Value::Integer(7)),
        ("note".to_owned(), text("café \"x\"\n")),
    ]);
    let entry = Entry {
        kind: Kind::Run,
        at: "2026-10-01T02:00:00Z".parse().unwrap(),
        about: About::cluster("DataPolicy", "customers"),
        source: "job-1".to_owned(),
        body,
    };
    entry.append("eu-west", &Tip::genesis("aurora", "eu-west"))
}

#[test]
fn a_record_has_the_bytes_and_hashes_that_the_design_page_says() {
    // Worked out by another program from docs/design/0009-evidence.md.
    let genesis = "4398689cf3df2a6bb942b2fc57bb3fdb8dfe5c1c93558a1c2f55ed867afc0a1e";
    let spelled = format!(
        r#"{{"about":{{"kind":"DataPolicy","name":"customers"}},"at":"2026-10-01T02:00:00Z","body":{{"due":7,"note":"café \"x\"\n"}},"kind":"Run","previous":"sha256-{genesis}","region":"eu-west","sequence":1,"source":"job-1","version":1}}"#
    );
    let record = first();
    assert_eq!(String::from_utf8(record.canonical()).unwrap(), spelled);
    assert_eq!(Record::parse(spelled.as_bytes()).unwrap(), record);
    assert_eq!(
        record.hash().to_string(),
        "sha256-f73f91464eb4588a1f1f3dc94ed2cc48616ab44975a26931aabe7edf8c658049"
    );
    assert_eq!(Tip::of(&record).sequence, 1);
}

#[test]
fn what_must_be_escaped_is_escaped_the_shortest_way() {
    let object = Object::from([("a".to_owned(), text("\u{8}\t\n\u{c}\r\u{1}\u{1f}\"\\/é"))]);
    let spelled = r#"{"a":"\b\t\n\f\r\u0001\u001f\"\\/é"}"#;
    assert_eq!(canonical::encode(&object), spelled.as_bytes());
    assert_eq!(canonical::parse(spelled.as_bytes()).unwrap(), object);
}

#[test]
fn what_is_no_object_and_what_is_spelled_otherwise_are_two_faults() {
    let told = |bytes: &[u8]| canonical::parse(bytes).unwrap_err();
    assert!(matches!(told(b"{ }"), canonical::Error::Spelling));
    for other in [&b"[]"[..], b"1", b"true", b"\"a\""] {
        assert!(matches!(told(other), canonical::Error::NoObject));
    }
}

#[test]
fn a_hash_is_64_small_digits_behind_its_prefix() {
    let digits = "0123456789abcdef".repeat(4);
    let hash: Hash = format!("sha256-{digits}").parse().unwrap();
    assert_eq!(hash.to_string(), format!("sha256-{digits}"));
    for wrong in [
        digits.clone(),
        format!("sha256-{}", &digits[..62]),
        format!("sha256-{digits}00"),
        format!("sha256-{}", digits.to_uppercase()),
        format!("sha256-{}", digits.replace('a', "g")),
    ] {
        assert!(wrong.parse::<Hash>().is_err(), "{wrong}");
    }
}

#[test]
fn a_chain_can_be_followed_by_its_digests_alone() {
    let begin = Tip::genesis("aurora", "eu-west");
    let mut tip = begin;
    let mut digests = Vec::new();
    for source in ["a", "b", "c"] {
        let record = Entry {
            kind: Kind::Coverage,
            at: "2026-10-01T02:00:00Z".parse().unwrap(),
            about: About::cluster("DataPolicy", "customers"),
            source: source.to_owned(),
            body: Object::new(),
        }
        .append("eu-west", &tip);
        digests.push(record.digest());
        tip = Tip::of(&record);
    }
    assert_eq!(extend(begin, &digests), tip);
    digests.swap(0, 1);
    assert_ne!(extend(begin, &digests), tip);
    assert_ne!(begin, Tip::genesis("aurora", "us-east"));
    assert_ne!(begin, Tip::genesis("boreal", "eu-west"));
}

#[test]
fn every_other_spelling_is_refused() {
    let good = String::from_utf8(first().canonical()).unwrap();
    for (from, to) in [
        ("{\"about\"", "{ \"about\""),
        ("\"due\":7", "\"due\":7.0"),
        ("\"due\":7", "\"due\":7e0"),
        ("\"due\":7", "\"due\":-0"),
        ("\"due\":7", "\"due\":null"),
        ("\"due\":7", "\"due\":9007199254740992"),
        ("\"due\":7", "\"due\":6,\"due\":7"),
        ("\"due\":7", "\"éclat\":7"),
        ("café", "caf\\u00e9"),
        ("\\n", "\\u000a"),
        ("02:00:00Z", "02:00:00+00:00"),
        ("02:00:00Z", "02:00:00.0Z"),
        ("2026-10-01T", "2026-10-01t"),
        ("sha256-", "SHA256-"),
        ("\"version\":1", "\"version\":2"),
        ("\"version\":1", "\"version\":1,\"more\":1"),
        ("\"sequence\":1", "\"sequence\":0"),
        (
            "\"name\":\"customers\"",
            "\"name\":\"customers\",\"namespace\":null",
        ),
        ("\"Run\"", "\"run\""),
        ("}}", "}} "),
    ] {
        let other = good.replacen(from, to, 1);
        if other == good {
            assert_eq!(from, "}}", "{from} is not in it");
            continue;
        }
        assert!(Record::parse(other.as_bytes()).is_err(), "{other}");
    }
    let moved = good.replace(
        "\"kind\":\"DataPolicy\",\"name\":\"customers\"",
        "\"name\":\"customers\",\"kind\":\"DataPolicy\"",
    );
    assert!(matches!(
        Record::parse(moved.as_bytes()),
        Err(canonical::Error::Spelling)
    ));
}

#[test]
fn keys_and_signatures_are_those_of_rfc_8032() {
    // Section 7.1, test 1: an empty message.
    let seed = "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60";
    let mut bytes = [0; 32];
    hex::decode_to_slice(seed, &mut bytes).unwrap();
    let signer = Signer::new(&bytes);
    let key = "ed25519-d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";
    assert_eq!(signer.key().to_string(), key);
    let signature = "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b";
    assert_eq!(signer.sign(b"").to_string(), signature);
    assert!(signer.key().signed(b"", &signature.parse().unwrap()));
    assert!(!signer.key().signed(b"x", &signature.parse().unwrap()));
    let shown = format!("{signer:?}");
    assert!(!shown.contains(&seed[..8]), "{shown}");
    for wrong in [&key[1..], &key[..70], &key.to_uppercase()] {
        assert!(wrong.parse::<KeyId>().is_err(), "{wrong}");
    }
}

#[test]
fn signatures_stand_for_one_purpose_and_one_statement() {
    let signer = Signer::new(&[7; 32]);
    let tip = Tip::of(&first());
    let at = "2026-10-01T03:00:00Z".parse().unwrap();
    let good = checkpoint(&signer, "eu-west", tip, at).unwrap();
    assert!(good.is_signed());
    let bytes = good.canonical().unwrap();
    assert_eq!(Checkpoint::parse(&bytes).unwrap(), good);
    let mut other = good.clone();
    other.region = "us-east".to_owned();
    assert!(!other.is_signed());
    let witness = Witness {
        by: "us-east",
        region: "eu-west",
        previous: None,
    };
    let mut theirs = countersign(&signer, witness, tip, at).unwrap();
    assert!(theirs.is_signed());
    theirs.signature = good.signature;
    assert!(!theirs.is_signed(), "a checkpoint is no countersignature");
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        any::<bool>().prop_map(Value::Bool),
        (-GREATEST..=GREATEST).prop_map(Value::Integer),
        any::<String>().prop_map(Value::Text),
    ];
    leaf.prop_recursive(3, 24, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::List),
            prop::collection::btree_map("[ -~]{0,6}", inner, 0..5).prop_map(Value::Object),
        ]
    })
}

proptest! {
    #[test]
    fn what_is_written_is_read_as_the_same(object in prop::collection::btree_map("[ -~]{0,6}", value(), 0..6)) {
        let bytes = canonical::encode(&object);
        prop_assert_eq!(canonical::parse(&bytes).unwrap(), object.clone());
        let json: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
        prop_assert_eq!(canonical::object(&json).unwrap(), object.clone(), "any reader of JSON sees the same");
        prop_assert_eq!(canonical::read::<Object>(&object).unwrap(), object);
    }

    #[test]
    fn no_two_spellings_are_one_record(mut bytes in Just(first().canonical()), at in 0_usize..200, with in any::<u8>()) {
        let at = at % bytes.len();
        let before = bytes[at];
        bytes[at] = with;
        if let Ok(record) = Record::parse(&bytes) {
            prop_assert_eq!(record == first(), before == with);
            prop_assert_eq!(record.hash() == first().hash(), before == with);
        }
    }
}

/// A key is shown by its public half, a hash and a signature as they are written; nothing of a private key is shown.
#[test]
fn what_is_shown_of_keys_hashes_and_signatures_is_what_is_written() {
    let signer = Signer::new(&[7; 32]);
    let signed = checkpoint(
        &signer,
        "eu",
        Tip::genesis("f", "eu"),
        jiff::Timestamp::UNIX_EPOCH,
    )
    .unwrap();
    let shown = format!("{signer:?}");
    assert_eq!(shown, format!("Signer({})", signer.key()));
    assert!(!shown.contains(&hex::encode([7; 32])));
    assert_eq!(format!("{:?}", signer.key()), signer.key().to_string());
    assert_eq!(
        format!("{:?}", signed.tip.head),
        signed.tip.head.to_string()
    );
    assert_eq!(
        format!("{:?}", signed.signature),
        signed.signature.to_string()
    );
}
