//! Why a kubeconfig is refused. No value of it is ever repeated: it might be a secret in the wrong place.

/// Why a kubeconfig is refused, and what would be right.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Too many bytes.
    #[error(
        "the kubeconfig has more than 256 KiB: keep only the cluster, user and context that the Region means"
    )]
    TooLarge,
    /// Not one plain YAML document.
    #[error("the kubeconfig is not one plain YAML document (line {line}): {what}")]
    NotPlain {
        /// The line, from 1; 0 when it isn't known.
        line: u64,
        /// What is wrong.
        what: &'static str,
    },
    /// A field that does harm, or one that is wrong.
    #[error("kubeconfig: `{path}` {why}: {instead}")]
    Field {
        /// The field, `users[0].user.exec`.
        path: String,
        /// What it does or what is wrong with it.
        why: &'static str,
        /// What would be right.
        instead: &'static str,
    },
    /// A field that isn't a kubeconfig's.
    #[error("kubeconfig: `{path}` is not a field that Tradewind knows: remove it")]
    Unknown {
        /// The field.
        path: String,
    },
    /// A field that must be there.
    #[error("kubeconfig: `{path}` is missing: {instead}")]
    Missing {
        /// The field.
        path: String,
        /// What would be right.
        instead: &'static str,
    },
    /// A name that nothing has.
    #[error("kubeconfig: `{path}` names an entry that `{list}` does not have")]
    Dangling {
        /// The field with the name.
        path: &'static str,
        /// Where it should be.
        list: &'static str,
    },
}
