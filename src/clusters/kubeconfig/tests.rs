//! The hostile corpus: every refused field in every dress, and the one shape that is accepted.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rcgen::{CertificateParams, KeyPair};

use super::*;

/// Stands in every hostile value: it must never be repeated.
const CANARY: &str = "canary-7f3a";

/// A certificate and its key, each PEM in base64.
fn pair() -> (String, String) {
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(vec!["eu.example".into()])
        .unwrap()
        .self_signed(&key)
        .unwrap();
    (
        STANDARD.encode(certificate.pem()),
        STANDARD.encode(key.serialize_pem()),
    )
}

/// A kubeconfig of which any part can be replaced.
struct Doc {
    server: String,
    ca: String,
    cluster: String,
    user: String,
    entries: String,
    tail: String,
}

impl Doc {
    fn sound() -> Self {
        Self {
            server: "https://eu.example:6443".into(),
            ca: pair().0,
            cluster: String::new(),
            user: "token: abc".into(),
            entries: String::new(),
            tail: String::new(),
        }
    }

    fn yaml(&self) -> String {
        let Self {
            server,
            ca,
            cluster,
            user,
            entries,
            tail,
        } = self;
        format!(
            "apiVersion: v1\nkind: Config\npreferences: {{}}\nclusters:\n- name: eu\n  cluster:\n    server: {server}\n    \
             certificate-authority-data: {ca}\n    {cluster}\nusers:\n{entries}\n- name: op\n  user:\n    {user}\ncontexts:\n\
             - name: main\n  context: {{cluster: eu, user: op, namespace: x}}\ncurrent-context: main\n{tail}"
        )
    }

    fn parse(&self) -> Result<Config, Refused> {
        parse(self.yaml().as_bytes())
    }
}

fn with(change: impl FnOnce(&mut Doc)) -> Doc {
    let mut doc = Doc::sound();
    change(&mut doc);
    doc
}

/// Every field that is refused, with a value that would do harm.
const USER_FIELDS: &[(&str, &str)] = &[
    (
        "exec",
        "{apiVersion: client.authentication.k8s.io/v1, command: canary-7f3a, args: [x]}",
    ),
    (
        "auth-provider",
        "{name: gcp, config: {cmd-path: /bin/canary-7f3a, cmd-args: x}}",
    ),
    ("tokenFile", "/var/run/secrets/canary-7f3a"),
    ("client-certificate", "/etc/canary-7f3a.crt"),
    ("client-key", "/etc/canary-7f3a.key"),
    ("as", "canary-7f3a"),
    ("as-uid", "canary-7f3a"),
    ("as-groups", "[canary-7f3a]"),
    ("as-user-extra", "{scopes: [canary-7f3a]}"),
    ("username", "canary-7f3a"),
    ("password", "canary-7f3a"),
    ("extensions", "[{name: canary-7f3a, extension: {}}]"),
];

const CLUSTER_FIELDS: &[(&str, &str)] = &[
    ("certificate-authority", "/etc/canary-7f3a.crt"),
    ("insecure-skip-tls-verify", "true"),
    ("tls-server-name", "canary-7f3a"),
    ("proxy-url", "http://canary-7f3a:3128"),
    ("extensions", "[{name: canary-7f3a, extension: {}}]"),
];

/// The dresses in which a field is refused for itself.
fn plain_dresses(key: &str, value: &str) -> Vec<String> {
    let escaped = format!("\"\\x{:02x}{}\"", key.as_bytes()[0], &key[1..]);
    vec![
        format!("{key}: {value}"),
        format!("\"{key}\": {value}"),
        format!("'{key}': {value}"),
        format!("{escaped}: {value}"),
        format!("{key}: null"),
        format!("{key}: \"\""),
        format!("? {key}\n    : {value}"),
    ]
}

/// The dresses in which the document is refused as a whole.
fn masked_dresses(key: &str, value: &str) -> Vec<String> {
    vec![
        format!("<<: {{{key}: {value}}}"),
        format!("\"<<\": [{{{key}: {value}}}]"),
        format!("{key}: &anchor {value}"),
        format!("&anchor {key}: {value}"),
        format!("{key}: *nothing"),
        format!("{key}: !include {value}"),
        format!("{key}: {value}\n    {key}: {value}"),
    ]
}

fn assert_refused(doc: &str, key: &str) {
    let refused = parse(doc.as_bytes()).unwrap_err();
    let Refused::Field { path, instead, .. } = &refused else {
        panic!("{refused:?} for\n{doc}");
    };
    assert!(path.ends_with(&format!(".{key}")), "{path} for\n{doc}");
    assert!(!instead.is_empty());
    assert!(!refused.to_string().contains(CANARY), "{refused}");
}

fn assert_not_taken(doc: &str) {
    let refused = parse(doc.as_bytes()).expect_err(doc);
    assert!(!refused.to_string().contains(CANARY), "{refused}");
}

#[test]
fn every_harmful_field_is_refused_in_every_dress() {
    for (key, value) in USER_FIELDS {
        for dress in plain_dresses(key, value) {
            assert_refused(
                &with(|d| d.user = format!("token: abc\n    {dress}")).yaml(),
                key,
            );
            assert_refused(&with(|d| d.user = dress.clone()).yaml(), key);
        }
    }
    for (key, value) in CLUSTER_FIELDS {
        for dress in plain_dresses(key, value) {
            assert_refused(&with(|d| d.cluster = dress).yaml(), key);
        }
    }
}

#[test]
fn an_entry_that_nobody_uses_is_checked_too() {
    for (key, value) in USER_FIELDS {
        let entries = format!("- name: spare\n  user:\n    token: abc\n    {key}: {value}");
        assert_refused(&with(|d| d.entries = entries).yaml(), key);
    }
}

#[test]
fn json_is_no_way_around() {
    for (key, value) in USER_FIELDS {
        let doc = with(|d| d.user = format!("token: abc\n    {key}: {value}"));
        let tree: Value = serde_saphyr::from_str(&doc.yaml()).unwrap();
        assert_refused(&serde_json::to_string(&tree).unwrap(), key);
        assert_refused(&serde_json::to_string_pretty(&tree).unwrap(), key);
    }
    for (key, value) in CLUSTER_FIELDS {
        let doc = with(|d| d.cluster = format!("{key}: {value}"));
        let tree: Value = serde_saphyr::from_str(&doc.yaml()).unwrap();
        assert_refused(&serde_json::to_string(&tree).unwrap(), key);
    }
}

#[test]
fn no_merge_anchor_tag_or_second_key_hides_anything() {
    for (key, value) in USER_FIELDS {
        for dress in masked_dresses(key, value) {
            assert_not_taken(&with(|d| d.user = format!("token: abc\n    {dress}")).yaml());
        }
    }
    for (key, value) in CLUSTER_FIELDS {
        for dress in masked_dresses(key, value) {
            assert_not_taken(&with(|d| d.cluster = dress).yaml());
        }
    }
}

#[test]
fn the_document_must_be_one_and_plain() {
    let says = |doc: &str, what: &str| {
        let refused = parse(doc.as_bytes()).expect_err(doc);
        assert!(refused.to_string().contains(what), "{refused}");
    };
    let sound = Doc::sound().yaml();
    says(&format!("{sound}---\n{sound}"), "more than one document");
    says(
        &format!("{sound}---\nkind: Secret\n"),
        "more than one document",
    );
    says(&format!("{sound}kind: Config\n"), "twice");
    says(
        &sound.replace("token: abc", "token: abc\n    token: def"),
        "twice",
    );
    says(
        &sound.replace("preferences: {}", "preferences: &a {}"),
        "anchors",
    );
    says(
        &sound.replace("preferences: {}", "preferences: {colors: true}"),
        "`preferences` is not empty",
    );
    says(
        &sound.replace("kind: Config", "kind: Secret"),
        "`kind` has another value",
    );
    says(
        &sound.replace("apiVersion: v1", "apiVersion: v2"),
        "`apiVersion` has another value",
    );
    says("", "");
    says("[]", "is not a mapping");
    says("just text", "is not a mapping");
    says("{", "can't be read");
    says("\u{0}", "");
    let deep = format!("preferences: {}1{}\n", "[".repeat(5_000), "]".repeat(5_000));
    says(&deep, "");
    let bomb = "a: &a [x,x]\nb: &b [*a,*a]\nc: &c [*b,*b]\n";
    says(bomb, "anchors");
}

#[test]
fn a_switch_that_is_off_is_only_to_be_removed() {
    let off = with(|d| d.cluster = "insecure-skip-tls-verify: false".into());
    let refused = parse(off.yaml().as_bytes()).unwrap_err().to_string();
    assert!(
        refused.contains("`clusters[0].cluster.insecure-skip-tls-verify` says nothing when it is false: remove it"),
        "{refused}"
    );
}

#[test]
fn size_is_looked_at_first() {
    let large = format!("{}# {}\n", Doc::sound().yaml(), "x".repeat(MOST_BYTES));
    assert_eq!(parse(large.as_bytes()).unwrap_err(), Refused::TooLarge);
    assert_eq!(
        parse(&vec![0xff; MOST_BYTES + 1]).unwrap_err(),
        Refused::TooLarge
    );
    assert!(matches!(
        parse(&[0xff, 0xfe]).unwrap_err(),
        Refused::NotPlain { .. }
    ));
}

#[test]
fn unknown_fields_are_named_only_when_they_look_like_names() {
    let refused = with(|d| d.user = "token: abc\n    Exec: {}".into()).parse();
    let path = "users[0].user.Exec".to_owned();
    assert_eq!(refused.unwrap_err(), Refused::Unknown { path });
    let refused = with(|d| d.user = "eyJhbGciOi.secret_1: x".into()).parse();
    assert!(!refused.unwrap_err().to_string().contains("eyJ"));
    for tail in ["contextz: []", "users2: []", "x: 1"] {
        let refused = with(|d| d.tail = tail.into()).parse();
        assert!(matches!(refused, Err(Refused::Unknown { .. })), "{tail}");
    }
}

#[test]
fn servers_are_https_and_nothing_else() {
    for server in [
        "http://eu.example:6443",
        "ftp://eu.example",
        "eu.example:6443",
        "https://",
        "https://user:canary-7f3a@eu.example",
        "https://canary-7f3a@eu.example:6443",
        "https://eu.example/?x=canary-7f3a",
        "https://eu.example/#canary-7f3a",
        "\"https://eu.example\\r\\nHost: canary-7f3a\"",
        "unix:///var/run/canary-7f3a.sock",
        "[\"https://eu.example\"]",
        "''",
    ] {
        let doc = with(|d| d.server = server.into()).yaml();
        let refused = parse(doc.as_bytes()).expect_err(server);
        assert!(refused.to_string().contains("server"), "{refused}");
        assert!(!refused.to_string().contains(CANARY), "{refused}");
    }
}

#[test]
fn certificates_must_be_there_and_be_certificates() {
    let key_only = pair().1;
    let noise = STANDARD.encode("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    for ca in [
        "''",
        "not base64!",
        "AAAA",
        key_only.as_str(),
        noise.as_str(),
        "12345",
        "[]",
    ] {
        let refused = with(|d| d.ca = ca.into()).parse().expect_err(ca);
        assert!(
            refused.to_string().contains("certificate-authority-data"),
            "{refused}"
        );
    }
    let doc = Doc::sound();
    let without = doc
        .yaml()
        .replace(&format!("certificate-authority-data: {}", doc.ca), "");
    let refused = parse(without.as_bytes()).unwrap_err();
    assert!(matches!(refused, Refused::Missing { .. }), "{refused}");
}

#[test]
fn credentials_are_a_token_or_a_certificate_with_its_key() {
    let (certificate, key) = pair();
    let other_key = pair().1;
    let refused = |user: String, what: &str| {
        let refused = with(|d| d.user = user).parse().unwrap_err().to_string();
        assert!(refused.contains(what), "{refused}");
    };
    refused("{}".into(), "token");
    refused("token: ''".into(), "is empty");
    refused("token: \"a\\nb\"".into(), "characters");
    refused("token: \"a b\"".into(), "characters");
    refused("token: 12345".into(), "not a string");
    refused(format!("token: {}", "x".repeat(20_000)), "longer");
    refused(
        format!("client-certificate-data: {certificate}"),
        "client-key-data` is missing",
    );
    refused(
        format!("client-key-data: {key}"),
        "client-certificate-data` is missing",
    );
    let pair =
        |key: &str| format!("client-certificate-data: {certificate}\n    client-key-data: {key}");
    refused(pair(&other_key), "is not the key of");
    refused(pair(&certificate), "no PEM private key");
    refused(format!("token: abc\n    {}", pair(&key)), "one must go");
    with(|d| d.user = pair(&key)).parse().unwrap();
}

#[test]
fn names_must_lead_somewhere() {
    let says = |from: &str, to: &str, what: &str| {
        let doc = Doc::sound().yaml().replace(from, to);
        let refused = parse(doc.as_bytes()).unwrap_err().to_string();
        assert!(refused.contains(what), "{refused}");
    };
    says(
        "current-context: main",
        "current-context: other",
        "`current-context` names",
    );
    says(
        "cluster: eu, user",
        "cluster: other, user",
        "`context.cluster` names",
    );
    says("user: op", "user: other", "`context.user` names");
    says("current-context: main", "", "`current-context` is missing");
    let twice = with(|d| d.entries = "- name: op\n  user: {token: x}".into()).parse();
    assert!(twice.unwrap_err().to_string().contains("twice"));
    let many: Vec<_> = (0..65)
        .map(|n| {
            format!(
                "- name: u{n}
  user: {{token: x}}"
            )
        })
        .collect();
    let many = many.join(
        "
",
    );
    let many = with(|d| d.entries = many).parse();
    assert!(many.unwrap_err().to_string().contains("64"));
}

#[test]
fn a_sound_one_becomes_exactly_what_it_says() {
    let config = Doc::sound().parse().unwrap();
    assert_eq!(config.cluster_url.to_string(), "https://eu.example:6443/");
    assert_eq!(config.root_cert.as_ref().map(Vec::len), Some(1));
    assert!(config.auth_info.token.is_some());
    assert!(!config.default_retry && !config.accept_invalid_certs);
    assert!(config.proxy_url.is_none() && config.tls_server_name.is_none());
    assert!(config.read_timeout.is_some() && config.connect_timeout.is_some());
    let agent = config.headers.iter().find(|(name, _)| name == "user-agent");
    assert!(agent.unwrap().1.to_str().unwrap().starts_with("tradewind/"));
    assert!(
        !format!("{config:?}").contains("abc"),
        "the token is not shown"
    );
}

#[test]
fn base64_may_be_folded_as_openssl_folds_it() {
    let doc = Doc::sound();
    let folded: Vec<String> = doc
        .ca
        .as_bytes()
        .chunks(64)
        .map(|line| format!("      {}", String::from_utf8_lossy(line)))
        .collect();
    let ca = format!("|\n{}", folded.join("\n"));
    with(|d| d.ca = ca).parse().unwrap();
}
