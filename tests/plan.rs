//! What is planned and told for every example and for every reason there is, and what no facts can make a plan do.
//!
//! A case is `tests/plan/<case>/given.yaml` (its form: `tests/plan/world.rs`); beside it stand the plans and statuses
//! that follow. After a change that is meant: `INSTA_UPDATE=always cargo test --test plan`, and read the diff.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::too_many_lines,
    clippy::needless_pass_by_value,
    clippy::case_sensitive_file_extension_comparisons,
    reason = "the helpers of tests are tests as well, and a scenario reads best in one piece"
)]
#![cfg(feature = "plan")]

#[path = "plan/chance.rs"]
mod chance;
#[path = "plan/edges.rs"]
mod edges;
#[path = "plan/forgetting.rs"]
mod forgetting;
#[path = "plan/leaving.rs"]
mod leaving;
#[path = "plan/looked.rs"]
mod looked;
#[path = "plan/moments.rs"]
mod moments;
#[path = "repo/page.rs"]
mod page;
#[path = "plan/properties.rs"]
mod properties;
#[path = "plan/regions.rs"]
mod regions;
#[path = "plan/render.rs"]
mod render;
#[path = "plan/requests.rs"]
mod requests;
#[path = "plan/walk.rs"]
mod walk;
#[path = "plan/world.rs"]
mod world;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use tradewind::packs::Check;
use tradewind::plan::gates::Word as GateWord;
use tradewind::plan::reason::Word as PlanWord;
use tradewind::status::reason::Word as StatusWord;

use world::World;

fn folder(of: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(of)
}

fn folders(of: &str) -> Vec<PathBuf> {
    let mut list: Vec<PathBuf> = fs::read_dir(folder(of))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_dir())
        .collect();
    list.sort();
    list
}

fn name(path: &Path) -> String {
    path.file_name().unwrap().to_string_lossy().into_owned()
}

#[test]
fn every_case_is_planned_and_told_as_it_was() {
    let mut wrong = Vec::new();
    for case in folders("tests/plan") {
        let world = World::read(&case.join("given.yaml"));
        let mut wanted = BTreeSet::from(["given.yaml".to_owned()]);
        for (resource, text) in render::shown(&world) {
            let file = resource.replace(['/', ' '], "-").to_lowercase();
            wanted.insert(format!("{file}.snap"));
            let mut settings = insta::Settings::clone_current();
            settings.set_snapshot_path(&case);
            settings.set_prepend_module_to_snapshot(false);
            settings.set_omit_expression(true);
            settings.set_input_file(case.join("given.yaml"));
            let same = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                settings.bind(|| insta::assert_snapshot!(file, text));
            }));
            if same.is_err() {
                wrong.push(format!("{}/{resource}", name(&case)));
            }
        }
        assert!(wanted.len() > 1, "{}: shows nothing", name(&case));
        for file in fs::read_dir(&case).unwrap() {
            let file = name(&file.unwrap().path());
            assert!(
                wanted.contains(&file) || file.ends_with(".new"),
                "{}/{file}: nothing makes it any more",
                name(&case)
            );
        }
    }
    assert!(wrong.is_empty(), "differ: {}", wrong.join(", "));
}

#[test]
fn every_example_is_a_case_with_all_its_objects() {
    let cases: BTreeSet<String> = folders("tests/plan")
        .iter()
        .map(|case| World::read(&case.join("given.yaml")))
        .filter(|world| world.objects && world.is_untouched())
        .map(|world| world.base)
        .collect();
    for example in folders("examples") {
        let example = name(&example);
        assert!(
            cases.contains(&example),
            "examples/{example} is no case: give it tests/plan/example-{example}/given.yaml"
        );
    }
}

#[test]
fn every_reason_is_reached_by_a_case() {
    let mut reached = BTreeSet::new();
    for case in folders("tests/plan") {
        reached.extend(render::reasons(&World::read(&case.join("given.yaml"))));
    }
    let missing: BTreeSet<&str> = words().filter(|word| !reached.contains(*word)).collect();
    assert!(missing.is_empty(), "no case reaches {missing:?}");
}

#[test]
fn every_check_is_reached_and_explained() {
    let mut reached = BTreeSet::new();
    for case in folders("tests/plan") {
        reached.extend(render::checks(&World::read(&case.join("given.yaml"))));
    }
    let page = fs::read_to_string(folder("docs/findings.md")).unwrap();
    for check in Check::ALL.iter().map(|check| check.as_str()) {
        assert!(reached.contains(check), "no case reaches {check}");
        let row = format!("| `{check}` |");
        assert!(
            page.contains(&row),
            "docs/findings.md has no row for {check}"
        );
    }
}

/// Every reason that a plan or a status gives.
fn words() -> impl Iterator<Item = &'static str> {
    let words = GateWord::ALL.iter().map(|word| word.as_str());
    let words = words.chain(PlanWord::ALL.iter().map(|word| word.as_str()));
    words.chain(StatusWord::ALL.iter().map(|word| word.as_str()))
}

#[test]
fn every_reason_is_explained() {
    let page = fs::read_to_string(folder("docs/conditions.md")).unwrap();
    let rows: Vec<&str> = page.lines().filter(|line| line.starts_with("| ")).collect();
    let told = |word: &str| {
        let word = format!("`{word}`");
        rows.iter().any(|row| row.contains(&word))
    };
    let missing: BTreeSet<&str> = words().filter(|word| !told(word)).collect();
    assert!(
        missing.is_empty(),
        "docs/conditions.md has no row for {missing:?}"
    );
}
