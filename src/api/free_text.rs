//! What a field of free text, or a name, must not look like: it goes into evidence that nobody can change, and into every
//! region's database.
//!
//! A person's plain name cannot be told from other words, and is not looked for. Digits with a court's punctuation are a file
//! number; nine in a row, and what is written as a telephone number is, are taken for a person's.

use kube::core::Rule;

/// An e-mail address; nine digits in a row; telephone numbers with `+`, with a trunk zero, or as North America writes them.
const PERSON: &str = "[^ ]@[^ ]+[.][A-Za-z]|[0-9]{9}|[+]([0-9][-() /.]{0,2}){7}|(^|[^-.0-9A-Za-z])0[1-9]([-() /]{0,2}[0-9]){7}|(^|[^-.0-9A-Za-z])[(]?[0-9]{3}[-.) ]{1,2}[0-9]{3}[-. ][0-9]{4}";

/// The same of what an object may be called. An object that the operator has seen keeps its name: a hold must be released.
const NAME: &str = "(has(self.status) && self.status.observedGeneration >= 0) || !self.metadata.name.matches('[0-9]{9}|^0[1-9](-?[0-9]){7}')";

/// For a field in which somebody says why.
pub(super) fn says_nobody(field: &str) -> Rule {
    let message = format!(
        "{field}: it is kept as evidence for years, and looks as if an e-mail address or a telephone number were in it; write the law, the court with its file number as the court writes it, or a reference of your own"
    );
    Rule::new(format!("!self.matches('{PERSON}')")).message(message.as_str())
}

/// For an object that is called by a reference.
pub(super) fn is_called_by_reference() -> Rule {
    Rule::new(NAME).message(
        "metadata.name: it is kept as evidence for years, and looks like a telephone number or a customer's; name it by a reference that says nothing of the person, such as dsr-2026-17",
    )
}
