//! The words that end up in a status are explained where somebody looks them up.

use std::collections::BTreeSet;
use std::path::Path;

use crate::{read, rust_files, under};

/// What stands in quotes in the bodies of a source's functions `reason`.
fn reasons(source: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let shipped = source.split("#[cfg(test)]").next().unwrap();
    for (_, body) in shipped
        .match_indices("fn reason(")
        .map(|(at, _)| shipped.split_at(at))
    {
        let body = body.split("\n    }\n").next().unwrap();
        let quoted = body.split('"').skip(1).step_by(2);
        found.extend(
            quoted
                .filter(|word| word.starts_with(char::is_uppercase))
                .map(str::to_owned),
        );
    }
    found
}

#[test]
fn every_word_of_the_agent_is_explained() {
    let page = read(Path::new("docs/conditions.md"));
    let agent = rust_files();
    let sources = agent.iter().filter(|file| under(file, "src/agent"));
    let words: BTreeSet<String> = sources.flat_map(|file| reasons(&read(file))).collect();
    assert!(words.len() > 60, "{words:?}");
    let missing: Vec<&String> = words
        .iter()
        .filter(|word| !page.contains(&format!("`{word}`")))
        .collect();
    assert!(
        missing.is_empty(),
        "docs/conditions.md has no row for {missing:?}"
    );
}
