//! The repository itself: sizes, rooms, orphans, words, links. Each test names the file and what would be right.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::too_many_lines,
    clippy::needless_pass_by_value,
    reason = "the helpers of tests are tests as well, and a scenario reads best in one piece"
)]

#[path = "repo/page.rs"]
mod page;
#[path = "repo/walkthroughs.rs"]
mod walkthroughs;
#[path = "repo/words.rs"]
mod words;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Every file that git knows or would take, so that build output is never looked at.
fn files() -> Vec<PathBuf> {
    let out = std::process::Command::new("git")
        .args(["ls-files", "--cached", "--others", "--exclude-standard"])
        .current_dir(root())
        .output()
        .expect("git is needed: apt-get install git");
    assert!(
        out.status.success(),
        "git ls-files failed in {}",
        root().display()
    );
    let text = String::from_utf8(out.stdout).unwrap();
    let files: Vec<PathBuf> = text
        .lines()
        .map(PathBuf::from)
        .filter(|f| root().join(f).is_file())
        .collect();
    assert!(files.len() > 20, "git lists only {} files", files.len());
    files
}

fn rust_files() -> Vec<PathBuf> {
    files()
        .into_iter()
        .filter(|f| f.extension().is_some_and(|e| e == "rs"))
        .collect()
}

fn read(file: &Path) -> String {
    fs::read_to_string(root().join(file)).unwrap_or_default()
}

fn under(file: &Path, folder: &str) -> bool {
    file.starts_with(folder)
}

#[test]
fn files_stay_below_four_hundred_code_lines() {
    let long: Vec<String> = rust_files()
        .iter()
        .filter(|f| !under(f, "tests") && !under(f, "dev/tests"))
        .filter(|f| !f.ends_with("tests.rs"))
        .filter_map(|file| {
            let text = read(file);
            let lines = text
                .lines()
                .take_while(|l| !l.starts_with("#[cfg(test)]"))
                .filter(|l| !l.trim().is_empty() && !l.trim_start().starts_with("//"))
                .count();
            (lines > 400).then(|| format!("{} ({lines})", file.display()))
        })
        .collect();
    assert!(long.is_empty(), "split by concept: {}", long.join(", "));
}

#[test]
fn every_rust_file_is_named_by_a_module() {
    let files = rust_files();
    let orphans: Vec<String> = files
        .iter()
        .filter(|f| {
            under(f, "src") || under(f, "dev/src") || under(f, "tests") || under(f, "dev/tests")
        })
        .filter(|f| !is_crate_root(f))
        .filter(|file| {
            let stem = file.file_stem().unwrap().to_string_lossy();
            let name = file.file_name().unwrap().to_string_lossy();
            let declared = format!("mod {stem};");
            !files.iter().any(|other| {
                let text = read(other);
                other != *file
                    && (declares(&text, &declared) || text.contains(&format!("{name}\"]")))
            })
        })
        .map(|f| f.display().to_string())
        .collect();
    assert!(
        orphans.is_empty(),
        "never compiled, no `mod` names them: {}",
        orphans.join(", ")
    );
}

fn declares(text: &str, declared: &str) -> bool {
    text.lines().any(|line| {
        let line = line.trim();
        line == declared || (line.starts_with("pub") && line.ends_with(&format!(" {declared}")))
    })
}

fn is_crate_root(file: &Path) -> bool {
    let text = file.to_string_lossy();
    let depth = file.components().count();
    text.ends_with("src/lib.rs")
        || text.ends_with("src/main.rs")
        || text.contains("src/bin/")
        || (under(file, "tests") && depth == 2)
        || (under(file, "dev/tests") && depth == 3)
}

/// The rooms that may not see a client or a clock, and what they may not import.
const PURE: [&str; 8] = [
    "contract", "evidence", "api", "packs", "clock", "plan", "status", "watch",
];
const IMPURE: [&str; 8] = [
    "resolve", "apply", "observe", "clusters", "control", "lease", "agent", "cli",
];

#[test]
fn pure_rooms_carry_the_wall_and_import_no_impure_room() {
    for room in PURE {
        let file = PathBuf::from(format!("src/{room}.rs"));
        assert!(
            read(&file).contains("#![deny(clippy::disallowed_types, clippy::disallowed_methods)]"),
            "{} must begin with the purity wall",
            file.display()
        );
    }
    for file in rust_files() {
        let room = file.to_string_lossy().into_owned();
        let Some(room) = PURE
            .iter()
            .find(|r| room == format!("src/{r}.rs") || room.starts_with(&format!("src/{r}/")))
        else {
            continue;
        };
        let text = read(&file);
        for impure in IMPURE {
            assert!(
                !text.contains(&format!("crate::{impure}::"))
                    && !text.contains(&format!("use crate::{impure}")),
                "{}: `{room}` is pure and must not see `{impure}`",
                file.display()
            );
        }
    }
}

#[test]
fn the_agent_sees_only_the_contract() {
    for file in rust_files()
        .iter()
        .filter(|f| under(f, "src/agent") || f.ends_with("src/agent.rs"))
    {
        for (number, line) in read(file).lines().enumerate() {
            let Some(rest) = line.split("crate::").nth(1) else {
                continue;
            };
            assert!(
                rest.starts_with("contract")
                    || rest.starts_with("evidence")
                    || rest.starts_with("agent")
                    || rest.starts_with('{'),
                "{}:{}: the agent may import contract, evidence and agent only",
                file.display(),
                number + 1
            );
        }
    }
}

#[test]
fn every_allow_says_why() {
    for file in rust_files()
        .iter()
        .filter(|f| under(f, "src") || under(f, "dev"))
    {
        let text = read(file);
        let flat = text.split_whitespace().collect::<Vec<_>>().join(" ");
        for found in flat.match_indices("[allow(").map(|(at, _)| &flat[at..]) {
            let attribute = found.split(")]").next().unwrap_or(found);
            assert!(
                attribute.contains("reason ="),
                "{}: {attribute}) has no reason",
                file.display()
            );
        }
    }
}

/// Words that have no place in what is committed. Assembled here, so that this file may be looked at as well.
fn forbidden() -> Vec<String> {
    vec![
        ["crates", ".io"].concat(),
        ["proxy.golang", ".org"].concat(),
        ["registry.npmjs", ".org"].concat(),
        ["/work", "/"].concat(),
        ["TO", "DO"].concat(),
        ["FIX", "ME"].concat(),
        ["unimplemented", "!"].concat(),
        ["todo", "!("].concat(),
    ]
}

#[test]
fn nothing_names_a_registry_host_a_foreign_path_or_unfinished_work() {
    let generated = ["Cargo.lock", "go.sum", "deny.toml", "LICENSE"];
    for file in files() {
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        if generated.contains(&name.as_str()) {
            continue;
        }
        let text = read(&file);
        for word in forbidden() {
            assert!(
                !text.contains(&word),
                "{}: contains `{word}`",
                file.display()
            );
        }
    }
}

#[test]
fn the_chart_installs_the_crds_of_this_tree() {
    let listed = |folder: &str| -> BTreeSet<(String, String)> {
        fs::read_dir(root().join(folder))
            .unwrap_or_else(|error| panic!("{folder}: {error}"))
            .map(|entry| entry.unwrap().path())
            .map(|path| {
                (
                    path.file_name().unwrap().to_string_lossy().into_owned(),
                    fs::read_to_string(path).unwrap(),
                )
            })
            .collect()
    };
    let crds = listed("crds");
    assert_eq!(crds.len(), 6, "one file per kind in crds/");
    assert_eq!(crds, listed("charts/tradewind/files/crds"));
}

#[test]
fn relative_links_in_the_docs_lead_somewhere() {
    for file in files()
        .iter()
        .filter(|f| f.extension().is_some_and(|e| e == "md"))
    {
        let text = read(file);
        for link in text
            .split("](")
            .skip(1)
            .filter_map(|rest| rest.split(')').next())
        {
            let path = link.split('#').next().unwrap_or_default();
            if path.is_empty() || path.contains("://") || path.starts_with("mailto:") {
                continue;
            }
            let target = root().join(file).parent().unwrap().join(path);
            assert!(
                target.exists(),
                "{}: link to `{path}` leads nowhere",
                file.display()
            );
        }
    }
}

#[test]
fn every_make_target_that_the_docs_name_exists() {
    let makefile = read(Path::new("Makefile"));
    for file in files()
        .iter()
        .filter(|f| f.extension().is_some_and(|e| e == "md"))
    {
        for target in read(file)
            .split("`make ")
            .skip(1)
            .filter_map(|rest| rest.split('`').next())
        {
            let name = target.split_whitespace().next().unwrap_or_default();
            assert!(
                makefile.contains(&format!("\n{name}:")),
                "{}: no target `{name}`",
                file.display()
            );
        }
    }
}

/// What a program of this package prints, and its exit code.
fn run(program: &str, args: &[&str]) -> (Option<i32>, String, String) {
    let out = std::process::Command::new(program)
        .args(args)
        .env_clear()
        .output()
        .unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (out.status.code(), text(out.stdout), text(out.stderr))
}

/// The words of every command that a program's help names, itself and theirs included.
fn commands(program: &str, words: &[String]) -> Vec<Vec<String>> {
    let args: Vec<&str> = words.iter().map(String::as_str).chain(["--help"]).collect();
    let help = run(program, &args).1;
    let mut all = vec![words.to_vec()];
    let listed = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    for line in listed.take_while(|line| !line.is_empty()) {
        // A line that goes on is indented further.
        let name = line
            .strip_prefix("  ")
            .filter(|rest| !rest.starts_with(' '));
        let name = name.and_then(|rest| rest.split_whitespace().next());
        if let Some(name) = name.filter(|name| *name != "help") {
            all.extend(commands(program, &[words, &[name.to_owned()]].concat()));
        }
    }
    all
}

#[test]
fn every_command_helps_with_examples_and_refuses_what_it_does_not_know() {
    let operator = env!("CARGO_BIN_EXE_tradewind");
    let agent = env!("CARGO_BIN_EXE_tradewind-agent");
    // Not clap's own 2: where a command compares, that says that something differs.
    for (program, misused) in [(operator, 1), (agent, 64)] {
        let commands = commands(program, &[]);
        assert!(commands.len() > 7, "{commands:?}");
        for command in commands {
            let words = || command.iter().map(String::as_str);
            let args: Vec<&str> = words().chain(["--help"]).collect();
            let (code, help, _) = run(program, &args);
            assert_eq!(code, Some(0), "{args:?}");
            assert!(help.contains("Example"), "{args:?} has no examples: {help}");
            let wrong: Vec<&str> = words().chain(["--no-such-flag"]).collect();
            let (code, _, said) = run(program, &wrong);
            assert_eq!(code, Some(misused), "{wrong:?}: {said}");
            assert!(said.contains("--no-such-flag"), "{said}");
        }
    }
}

#[test]
fn the_programs_print_their_version_and_the_crds() {
    let operator = env!("CARGO_BIN_EXE_tradewind");
    let version = format!("tradewind {}\n", env!("CARGO_PKG_VERSION"));
    assert_eq!(run(operator, &["version"]).1, version);
    assert_eq!(run(operator, &["--version"]).1, version);
    let printed = run(operator, &["crds"]).1;
    for kind in [
        "regions",
        "socialchannels",
        "datapolicies",
        "legalholds",
        "evidencerecords",
        "datasubjectrequests",
    ] {
        let file = read(Path::new(&format!("crds/{kind}.yaml")));
        assert!(!file.is_empty(), "crds/{kind}.yaml is missing");
        let (_, body) = file.split_once("apiVersion:").unwrap();
        assert!(printed.contains(body.trim_end()), "{kind} is not printed");
    }
}

#[test]
fn what_a_newcomer_looks_for_is_there() {
    for file in [
        "README.md",
        "CHANGELOG.md",
        "CONTRIBUTING.md",
        "SECURITY.md",
    ] {
        assert!(read(Path::new(file)).lines().count() > 20, "{file}");
    }
    let licence = read(Path::new("LICENSE"));
    assert!(licence.contains("Apache License") && licence.contains("Version 2.0"));
    let gate = read(Path::new(".ci/run"));
    assert!(gate.contains("for target in check test"), "{gate}");
    let makefile = read(Path::new("Makefile"));
    assert!(
        makefile.contains("\ncheck: fmt clippy features docs deny unit "),
        "{makefile}"
    );
}

/// A cold start compiles for minutes: whoever waits sees how far it is, and learns that a second fleet may be beside it.
#[test]
fn make_shows_how_far_it_is_and_tells_of_names() {
    let makefile = read(Path::new("Makefile"));
    for step in ["cargo build --workspace", "cargo test --workspace --no-run"] {
        assert!(
            makefile.contains(&format!("\t@{step}")),
            "`{step}` without -q"
        );
    }
    let out = std::process::Command::new("make")
        .args(["--no-print-directory", "help"])
        .current_dir(root())
        .output()
        .expect("make is needed: apt-get install make");
    let help = String::from_utf8(out.stdout).unwrap();
    for target in ["  make up ", "  make down "] {
        let line = help.lines().find(|line| line.starts_with(target));
        assert!(line.is_some_and(|line| line.contains("NAME=")), "{help}");
    }
    assert!(read(Path::new("README.md")).contains("make up NAME="));
}

/// What is written into a spec is written by whoever applied it: nothing changes it on its way.
#[test]
fn the_chart_brings_no_webhook() {
    let files = files();
    let chart: Vec<_> = files.iter().filter(|file| under(file, "charts")).collect();
    assert!(!chart.is_empty());
    for file in chart {
        let brings = read(file).contains("WebhookConfiguration");
        assert!(!brings, "{}", file.display());
    }
}

/// A watch inside kube's controller lives as long as the controller: it cannot be ended, or begun again with another client,
/// alone. Each cluster's watches are its own task's, and only feed the queues.
#[test]
fn no_controller_watches_by_itself() {
    let own = [
        "Controller::new(",
        "Controller::new_with(",
        ".watches(",
        ".watches_with(",
        ".watches_stream(",
        ".watches_metadata",
        ".owns(",
        ".owns_with(",
        ".owns_stream(",
    ];
    let mut controllers = 0;
    for file in rust_files().iter().filter(|file| under(file, "src")) {
        for (number, line) in read(file).lines().enumerate() {
            controllers += line.matches("Controller::for_stream(").count();
            let found = own.iter().find(|call| line.contains(**call));
            assert!(
                found.is_none(),
                "{}:{}: `{}`: feed the controller by `reconcile_on`",
                file.display(),
                number + 1,
                found.unwrap_or(&"")
            );
        }
    }
    assert!(controllers > 0, "the controllers are built in another way");
}
