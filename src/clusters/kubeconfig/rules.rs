//! Which fields a kubeconfig may have, and what to say of those that it may not.

/// What becomes of a field.
#[derive(Clone, Copy, Debug)]
pub(super) enum Rule {
    /// It is read. What would be right, when it is missing or wrong.
    Take(&'static str),
    /// It is nothing to us as long as it is empty.
    Empty,
    /// It is refused: what it does, what would be right.
    Refuse(&'static str, &'static str),
}

/// The fields of one level.
pub(super) type Fields = &'static [(&'static str, Rule)];

const CREDENTIALS: &str = "put a token, or client-certificate-data with client-key-data";
const CA: &str = "put the cluster's CA certificate, PEM in base64, into certificate-authority-data";
const SERVER: &str = "give the API server's address as https://host[:port]";
const PERSON: &str = "bind the rights to the kubeconfig's own user";
const EXTENSIONS: Rule = Rule::Refuse("is meant for another program", "remove it");

const fn file(instead: &'static str) -> Rule {
    Rule::Refuse("would read a file of the operator's own", instead)
}

const fn impersonation() -> Rule {
    Rule::Refuse("would act as somebody else", PERSON)
}

/// The document.
pub(super) const TOP: Fields = &[
    ("apiVersion", Rule::Take("it is always v1")),
    ("kind", Rule::Take("it is always Config")),
    (
        "clusters",
        Rule::Take("list the cluster that the Region means"),
    ),
    (
        "users",
        Rule::Take("list the user that the operator is there"),
    ),
    (
        "contexts",
        Rule::Take("list the context that joins cluster and user"),
    ),
    (
        "current-context",
        Rule::Take("name the context that is to be used"),
    ),
    ("preferences", Rule::Empty),
    ("extensions", EXTENSIONS),
];

/// `clusters[].cluster`.
pub(super) const CLUSTER: Fields = &[
    ("server", Rule::Take(SERVER)),
    ("certificate-authority-data", Rule::Take(CA)),
    ("disable-compression", Rule::Take("remove it")),
    ("certificate-authority", file(CA)),
    (
        "insecure-skip-tls-verify",
        Rule::Refuse("would trust whoever answers", CA),
    ),
    (
        "tls-server-name",
        Rule::Refuse(
            "would accept another server's certificate",
            "use a server name that the certificate has",
        ),
    ),
    (
        "proxy-url",
        Rule::Refuse(
            "would send everything through somebody else",
            "use an address that the operator reaches itself",
        ),
    ),
    ("extensions", EXTENSIONS),
];

/// `users[].user`.
pub(super) const USER: Fields = &[
    ("token", Rule::Take(CREDENTIALS)),
    ("client-certificate-data", Rule::Take(CREDENTIALS)),
    ("client-key-data", Rule::Take(CREDENTIALS)),
    (
        "exec",
        Rule::Refuse("would run a program in the operator", CREDENTIALS),
    ),
    (
        "auth-provider",
        Rule::Refuse("would run a program in the operator", CREDENTIALS),
    ),
    ("tokenFile", file(CREDENTIALS)),
    ("client-certificate", file(CREDENTIALS)),
    ("client-key", file(CREDENTIALS)),
    ("as", impersonation()),
    ("as-uid", impersonation()),
    ("as-groups", impersonation()),
    ("as-user-extra", impersonation()),
    (
        "username",
        Rule::Refuse(
            "is a password's, which Kubernetes no longer takes",
            CREDENTIALS,
        ),
    ),
    (
        "password",
        Rule::Refuse(
            "is a password, which Kubernetes no longer takes",
            CREDENTIALS,
        ),
    ),
    ("extensions", EXTENSIONS),
];

/// `contexts[].context`.
pub(super) const CONTEXT: Fields = &[
    ("cluster", Rule::Take("name an entry of clusters")),
    ("user", Rule::Take("name an entry of users")),
    ("namespace", Rule::Take("remove it")),
    ("extensions", EXTENSIONS),
];

/// An entry of a list: its name and its one member.
pub(super) fn named(member: &str) -> Fields {
    const NAME: (&str, Rule) = ("name", Rule::Take("give the entry a name of its own"));
    match member {
        "cluster" => &[NAME, ("cluster", Rule::Take(SERVER))],
        "user" => &[NAME, ("user", Rule::Take(CREDENTIALS))],
        _ => &[
            NAME,
            ("context", Rule::Take("name a cluster and a user in it")),
        ],
    }
}
