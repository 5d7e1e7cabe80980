use std::io::Write as _;
use std::process::{Command, Stdio};

use proptest::prelude::*;

use super::*;

/// HMAC-SHA256 by another implementation. A machine without openssl fails here, and says so.
fn openssl(key: &[u8], message: &[u8]) -> Vec<u8> {
    let mut child = Command::new("openssl")
        .args(["dgst", "-sha256", "-mac", "HMAC", "-binary", "-macopt"])
        .arg(format!("hexkey:{}", hex::encode(key)))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the openssl command is needed as the second implementation");
    child.stdin.take().unwrap().write_all(message).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "openssl failed");
    output.stdout
}

const META_SECRET: &str = "app_secret";
/// The escapes stand literally in the body: whoever parses and writes it again signs other bytes.
const META_BODY: &[u8] = br#"{"text":"caf\u00e9","url":"https:\/\/example.com"}"#;
const META_DIGEST: &str = "62743639ea3947ed5bf05975c58510592da4e0605f573ca0f6e8321e496da72f";

const STANDARD_SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const STANDARD_ID: &str = "msg_p5jXN8AQM9LWM0D4loKWxJek";
const STANDARD_TIME: i64 = 1_614_265_330;
const STANDARD_BODY: &[u8] = br#"{"test": 2432232314}"#;
const STANDARD_SIGNATURE: &str = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";

fn standard<'a>(timestamp: &'a str, signatures: &'a str) -> Standard<'a> {
    Standard {
        id: STANDARD_ID,
        timestamp,
        signatures,
    }
}

#[test]
fn the_published_meta_vector_holds_here_and_in_openssl() {
    assert_eq!(
        hex::encode(openssl(META_SECRET.as_bytes(), META_BODY)),
        META_DIGEST
    );
    let keys = Keys::plain(META_SECRET).unwrap();
    assert_eq!(
        keys.verify_meta(Some(&format!("sha256={META_DIGEST}")), META_BODY),
        Ok(())
    );
}

#[test]
fn a_body_that_was_parsed_and_written_again_fails() {
    let value: serde_json::Value = serde_json::from_slice(META_BODY).unwrap();
    let rewritten = serde_json::to_vec(&value).unwrap();
    assert!(hex::encode(openssl(META_SECRET.as_bytes(), &rewritten)).starts_with("280dd4c4"));
    let keys = Keys::plain(META_SECRET).unwrap();
    assert_eq!(
        keys.verify_meta(Some(&format!("sha256={META_DIGEST}")), &rewritten),
        Err(Refusal::WrongSignature)
    );
}

#[test]
fn the_published_standard_webhooks_vector_holds_here_and_in_openssl() {
    let key = STANDARD.decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
    let message = [STANDARD_ID.as_bytes(), b".1614265330.", STANDARD_BODY].concat();
    assert_eq!(
        format!("v1,{}", STANDARD.encode(openssl(&key, &message))),
        STANDARD_SIGNATURE
    );

    let keys = Keys::standard(STANDARD_SECRET).unwrap();
    assert_eq!(
        keys.sign_standard(STANDARD_ID, STANDARD_TIME, STANDARD_BODY),
        STANDARD_SIGNATURE
    );
    let headers = standard("1614265330", STANDARD_SIGNATURE);
    assert_eq!(
        keys.verify_standard(headers, STANDARD_BODY, STANDARD_TIME),
        Ok(())
    );
}

#[test]
fn a_timestamp_is_good_for_five_minutes_either_way() {
    let keys = Keys::standard(STANDARD_SECRET).unwrap();
    let headers = standard("1614265330", STANDARD_SIGNATURE);
    for (offset, expected) in [
        (-301, Err(Refusal::StaleTimestamp)),
        (-300, Ok(())),
        (300, Ok(())),
        (301, Err(Refusal::StaleTimestamp)),
    ] {
        let now = STANDARD_TIME + offset;
        assert_eq!(
            keys.verify_standard(headers, STANDARD_BODY, now),
            expected,
            "{offset}"
        );
    }
}

#[test]
fn one_right_signature_among_several_is_enough() {
    let keys = Keys::standard(STANDARD_SECRET).unwrap();
    let list = format!("v1a,AAAA v1,AAAA v1,not-base64! {STANDARD_SIGNATURE}");
    let headers = standard("1614265330", &list);
    assert_eq!(
        keys.verify_standard(headers, STANDARD_BODY, STANDARD_TIME),
        Ok(())
    );
}

#[test]
fn both_keys_hold_while_a_secret_is_rotated() {
    let old = Keys::plain("old").unwrap();
    let both = Keys::plain("new\nold\n").unwrap();
    let by_old = format!("sha256={}", hex::encode(openssl(b"old", b"body")));
    let by_new = format!("sha256={}", hex::encode(openssl(b"new", b"body")));
    assert_eq!(both.verify_meta(Some(&by_old), b"body"), Ok(()));
    assert_eq!(both.verify_meta(Some(&by_new), b"body"), Ok(()));
    assert_eq!(
        old.verify_meta(Some(&by_new), b"body"),
        Err(Refusal::WrongSignature)
    );

    let next = "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    let both = Keys::standard(&format!("{STANDARD_SECRET}\n{next}")).unwrap();
    let signatures = both.sign_standard(STANDARD_ID, STANDARD_TIME, STANDARD_BODY);
    assert_eq!(signatures.split(' ').count(), 2);
    for secret in [STANDARD_SECRET, next] {
        let keys = Keys::standard(secret).unwrap();
        let headers = standard("1614265330", &signatures);
        assert_eq!(
            keys.verify_standard(headers, STANDARD_BODY, STANDARD_TIME),
            Ok(())
        );
    }
}

#[test]
fn headers_out_of_form_are_missing_signatures() {
    let keys = Keys::plain("k").unwrap();
    for header in [
        None,
        Some(""),
        Some("sha1=00"),
        Some("sha256=xyz"),
        Some("sha256=123"),
    ] {
        assert_eq!(
            keys.verify_meta(header, b""),
            Err(Refusal::MissingSignature),
            "{header:?}"
        );
    }
    let keys = Keys::standard(STANDARD_SECRET).unwrap();
    for (timestamp, signatures) in [
        ("", STANDARD_SIGNATURE),
        ("1e9", STANDARD_SIGNATURE),
        ("1614265330", ""),
        ("1614265330", "v2,AA=="),
    ] {
        let result = keys.verify_standard(
            standard(timestamp, signatures),
            STANDARD_BODY,
            STANDARD_TIME,
        );
        assert_eq!(
            result,
            Err(Refusal::MissingSignature),
            "{timestamp} {signatures}"
        );
    }
    let nameless = Standard {
        id: "",
        ..standard("1614265330", STANDARD_SIGNATURE)
    };
    assert_eq!(
        keys.verify_standard(nameless, STANDARD_BODY, STANDARD_TIME),
        Err(Refusal::MissingSignature)
    );
}

#[test]
fn an_empty_or_truncated_digest_never_verifies() {
    let keys = Keys::plain(META_SECRET).unwrap();
    for length in [0, 2, 62] {
        let header = format!("sha256={}", &META_DIGEST[..length]);
        assert_eq!(
            keys.verify_meta(Some(&header), META_BODY),
            Err(Refusal::WrongSignature)
        );
    }
}

#[test]
fn secrets_without_keys_say_what_is_wrong_and_not_what_they_hold() {
    assert_eq!(Keys::plain(" \n").unwrap_err(), Malformed::Empty);
    assert_eq!(
        Keys::standard("\nwhsec_se cret").unwrap_err(),
        Malformed::NotBase64 { line: 2 }
    );
    assert_eq!(
        Keys::standard("whsec_AAAA").unwrap_err(),
        Malformed::TooShort { line: 1 }
    );
    assert_eq!(Tokens::parse("\n").unwrap_err(), Malformed::Empty);
    assert_eq!(format!("{:?}", Keys::plain("hidden").unwrap()), "Keys(1)");
    assert_eq!(
        format!("{:?}", Tokens::parse("hidden").unwrap()),
        "Tokens(1)"
    );
}

#[test]
fn a_token_is_accepted_whole_or_not() {
    let tokens = Tokens::parse("new\nold").unwrap();
    for (token, expected) in [
        ("new", true),
        ("old", true),
        ("ol", false),
        ("", false),
        ("new\nold", false),
    ] {
        assert_eq!(tokens.accept(token), expected, "{token}");
    }
}

proptest! {
    #[test]
    fn what_was_signed_verifies_and_a_flipped_bit_does_not(
        key in proptest::collection::vec(any::<u8>(), 16..64),
        mut body in proptest::collection::vec(any::<u8>(), 1..200),
        id in "[a-zA-Z0-9_]{1,40}",
        time in 0i64..4_000_000_000,
        bit in any::<proptest::sample::Index>(),
    ) {
        let keys = Keys::standard(&STANDARD.encode(&key)).unwrap();
        let signatures = keys.sign_standard(&id, time, &body);
        let timestamp = time.to_string();
        let headers = Standard { id: &id, timestamp: &timestamp, signatures: &signatures };
        prop_assert_eq!(keys.verify_standard(headers, &body, time), Ok(()));
        let bit = bit.index(body.len() * 8);
        body[bit / 8] ^= 1 << (bit % 8);
        prop_assert_eq!(keys.verify_standard(headers, &body, time), Err(Refusal::WrongSignature));
    }
}
