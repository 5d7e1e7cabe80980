//! How a rule's rows go: whole, or only what some of their columns say.

use serde::{Deserialize, Serialize};

/// How rows go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "plan", derive(schemars::JsonSchema))]
pub enum Method {
    /// The row is deleted.
    #[default]
    Delete,
    /// The row stays, and the named columns become null.
    Nullify,
    /// The row stays, and each named column is set as it says.
    Anonymise,
    /// The row stays as it is, and the application's roles read it as absent, until that is lifted. It is no erasure.
    Restrict,
    /// The row stays without the key that it held, and a receipt tells which key that was.
    Shred,
    /// Values that stand for others. It is no erasure, and nothing does it: it is here to be told apart, and refused.
    Pseudonymise,
}

/// What is said of a method that is none: the API server, the plan and the agent say it alike.
pub const PSEUDONYMISE: &str = "Pseudonymise is no erasure, and nothing does it: with the key, or by trying, the value comes back; choose Delete, Nullify, Anonymise or Shred, or Restrict to hide rows";

impl Method {
    /// Every method that has a name.
    pub const ALL: [Self; 6] = [
        Self::Delete,
        Self::Nullify,
        Self::Anonymise,
        Self::Restrict,
        Self::Shred,
        Self::Pseudonymise,
    ];

    /// As policies and books write it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Delete => "Delete",
            Self::Nullify => "Nullify",
            Self::Anonymise => "Anonymise",
            Self::Restrict => "Restrict",
            Self::Shred => "Shred",
            Self::Pseudonymise => "Pseudonymise",
        }
    }

    /// The method of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|method| method.name() == name)
    }

    /// Whether what it does may be called an erasure.
    #[must_use]
    pub fn erases(self) -> bool {
        match self {
            Self::Delete | Self::Nullify | Self::Anonymise | Self::Shred => true,
            Self::Restrict | Self::Pseudonymise => false,
        }
    }

    /// For serde: what tasks and reports leave out.
    #[must_use]
    #[allow(
        clippy::trivially_copy_pass_by_ref,
        reason = "the signature is serde's"
    )]
    pub fn is_delete(&self) -> bool {
        *self == Self::Delete
    }
}

/// What the column is set to: `Null`; `Constant`, the same `value` in every row, also in those that had none;
/// `Truncate`, the first `length` characters of a text; `Generalise`, the start of a date's year or month (`to`), or a
/// number's next multiple of `step` towards zero. Absent: `Null`, as YAML reads an unquoted `Null` as nothing at all. A
/// hash or a mask is a pseudonym, from which the value can be found again: there is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "plan", derive(schemars::JsonSchema))]
pub enum ColumnSet {
    /// Null.
    Null,
    /// `value`, in every row.
    Constant,
    /// The first `length` characters of its text.
    Truncate,
    /// The start of its year or month (`to`), or the multiple of `step` next to it towards zero.
    Generalise,
}

/// For `Generalise` of a `date`, `timestamp` or `timestamptz`: it becomes the first moment of its `Year` or `Month`, in
/// the region's time zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "plan", derive(schemars::JsonSchema))]
pub enum Grain {
    /// The year: its first moment.
    Year,
    /// The month: its first moment.
    Month,
}

/// A column that a rule changes, with the parameters of its `set`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ColumnChange {
    /// The column.
    pub name: String,
    /// What it is set to; absent: `Null`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub set: Option<ColumnSet>,
    /// For `Constant`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// For `Truncate`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub length: Option<u32>,
    /// For `Generalise` of a date.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<Grain>,
    /// For `Generalise` of a number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<u32>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_method_is_read_by_the_name_it_is_written_with() {
        for method in Method::ALL {
            assert_eq!(Method::named(method.name()), Some(method));
            assert_eq!(serde_json::to_value(method).unwrap(), method.name());
        }
        assert_eq!(Method::named("Hash"), None);
    }

    #[test]
    fn hiding_and_masking_are_no_erasure() {
        let not = Method::ALL.into_iter().filter(|method| !method.erases());
        assert_eq!(
            not.collect::<Vec<_>>(),
            [Method::Restrict, Method::Pseudonymise]
        );
    }
}
