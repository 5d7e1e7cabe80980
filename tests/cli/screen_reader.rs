//! The report as a screen reader has it: chromium's accessibility tree, asked for over the pipe of its DevTools protocol.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::{Value as Json, json};

use super::audit::{audit, export};
use super::world::{Folder, lines};

/// The browser reads commands from descriptor 3 and answers on 4. It ends with its commands' end; `timeout` sees to it that one
/// that hangs ends too, and with it the stream that the test reads.
const START: &str = r#"exec timeout --kill-after=5 300 chromium "$@" 3<&0 4>&1 0</dev/null 1>&2"#;

/// What a sighted reader sees of the page that is open: its texts, and the texts within its charts.
const SEEN: &str = r"new Promise((done) => document.readyState === 'complete' ? done() : addEventListener('load', done)).then(() => {
  const texts = [];
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    const within = walk.currentNode.parentElement;
    if (!within.closest('svg') && within.checkVisibility()) texts.push(walk.currentNode.data);
  }
  const drawn = [...document.querySelectorAll('svg text')].map((one) => one.textContent);
  return { language: document.documentElement.lang, texts, drawn };
})";

struct Browser {
    child: Child,
    commands: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
    log: PathBuf,
    session: Json,
    asked: u64,
}

impl Browser {
    fn start(folder: &Folder) -> Self {
        let log = folder.at("browser.log");
        let mut child = Command::new("sh")
            .args(["-c", START, "sh", "--remote-debugging-pipe"])
            .args([
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-dev-shm-usage",
            ])
            .arg(format!("--user-data-dir={}", folder.at("heard").display()))
            .env("HOME", folder.path())
            .current_dir(folder.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(File::create(&log).unwrap())
            .spawn()
            .unwrap();
        let mut browser = Self {
            commands: child.stdin.take(),
            answers: BufReader::new(child.stdout.take().unwrap()),
            child,
            log,
            session: Json::Null,
            asked: 0,
        };
        let target = browser.ask("Target.createTarget", &json!({"url": "about:blank"}));
        let target = json!({"targetId": target["targetId"], "flatten": true});
        browser.session = browser.ask("Target.attachToTarget", &target)["sessionId"].take();
        browser
    }

    fn ask(&mut self, method: &str, params: &Json) -> Json {
        self.asked += 1;
        let mut command = json!({"id": self.asked, "method": method, "params": params});
        if !self.session.is_null() {
            command["sessionId"] = self.session.clone();
        }
        let commands = self.commands.as_mut().unwrap();
        // One that is gone has said why in its log; the answer that does not come tells.
        let _ = commands.write_all(format!("{command}\0").as_bytes());
        loop {
            let mut answer = Vec::new();
            self.answers.read_until(0, &mut answer).unwrap();
            let log = || fs::read_to_string(&self.log).unwrap();
            assert_eq!(answer.pop(), Some(0), "chromium is gone: {}", log());
            let mut answer: Json = serde_json::from_slice(&answer).unwrap();
            if answer["id"] == self.asked {
                assert!(answer["error"].is_null(), "{method}: {answer}");
                return answer["result"].take();
            }
        }
    }

    /// What is seen of a page, and what is heard of it.
    fn open(&mut self, page: &str) -> (Json, Vec<Node>) {
        self.ask("Page.navigate", &json!({"url": format!("file://{page}")}));
        let seen = json!({"expression": SEEN, "awaitPromise": true, "returnByValue": true});
        let mut seen = self.ask("Runtime.evaluate", &seen);
        assert!(seen["exceptionDetails"].is_null(), "{seen}");
        let tree = self.ask("Accessibility.getFullAXTree", &json!({}));
        (seen["result"]["value"].take(), heard(&tree["nodes"]))
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        drop(self.commands.take());
        let _ = self.child.wait();
    }
}

/// What a screen reader is told of one thing.
#[derive(Debug)]
struct Node {
    role: String,
    within: String,
    name: String,
    description: String,
    level: i64,
    can_focus: bool,
}

/// What is not ignored, in the order of the page.
fn heard(tree: &Json) -> Vec<Node> {
    let tree = tree.as_array().unwrap();
    let id = |node: &Json| node.as_str().unwrap().to_owned();
    let nodes: BTreeMap<String, &Json> = tree
        .iter()
        .map(|node| (id(&node["nodeId"]), node))
        .collect();
    let mut all = Vec::new();
    let mut next = vec![(id(&tree[0]["nodeId"]), String::new())];
    while let Some((at, within)) = next.pop() {
        let node = nodes[&at];
        let text = |what: &str| plain(node[what]["value"].as_str().unwrap_or_default());
        let property = |what: &str| {
            let mut all = node["properties"].as_array().into_iter().flatten();
            all.find(|one| one["name"] == what)
                .map(|one| &one["value"]["value"])
        };
        let is_heard = node["ignored"] != true;
        let role = text("role");
        let children = node["childIds"].as_array().into_iter().flatten().rev();
        // An image is one thing, whatever it is drawn of.
        let around = if is_heard && within != "image" {
            &role
        } else {
            &within
        };
        next.extend(children.map(|child| (id(child), around.clone())));
        if is_heard {
            all.push(Node {
                within,
                name: text("name"),
                description: text("description"),
                level: property("level").and_then(Json::as_i64).unwrap_or(0),
                can_focus: property("focusable").is_some_and(|it| it == true),
                role,
            });
        }
    }
    all
}

/// A text as both a reader and a listener have it: with single spaces.
fn plain(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Texts without their order, as the tree may break them otherwise.
fn texts(value: &Json) -> Vec<String> {
    let all = value.as_array().unwrap().iter();
    let all = all.map(|text| plain(text.as_str().unwrap()));
    let mut all: Vec<String> = all.filter(|text| !text.is_empty()).collect();
    all.sort();
    all
}

fn of<'a>(heard: &'a [Node], role: &str) -> Vec<&'a Node> {
    heard.iter().filter(|node| node.role == role).collect()
}

/// Each has a name, and no two have the same.
fn has_own_names(nodes: &[&Node]) {
    let names: BTreeSet<&str> = nodes.iter().map(|node| node.name.as_str()).collect();
    assert!(
        names.len() == nodes.len() && !names.contains(""),
        "{nodes:#?}"
    );
}

/// What holds of every report.
fn can_be_heard(page: &str, seen: &Json, heard: &[Node]) {
    let count = |what: &str| page.matches(what).count();
    assert_eq!(seen["language"], "en");
    assert_eq!(of(heard, "RootWebArea")[0].name, "Evidence of 2026-Q4");
    // Charts: what each is of, and what it comes to.
    let charts = of(heard, "image");
    assert_eq!(charts.len(), count("<svg"));
    has_own_names(&charts);
    for chart in &charts {
        assert!(chart.description.contains(" bars from "), "{chart:?}");
        assert!(!chart.name.contains(" bars from "), "{chart:?}");
    }
    // Tables, whose every cell belongs to a named column and a named row.
    let tables = of(heard, "table");
    assert_eq!(tables.len(), count("<table>"));
    has_own_names(&tables);
    for (role, tag) in [
        ("columnheader", "<th scope=\"col\">"),
        ("rowheader", "<th scope=\"row\">"),
    ] {
        let heads = of(heard, role);
        assert_eq!(heads.len(), count(tag), "{role}");
        assert!(heads.iter().all(|head| !head.name.is_empty()), "{heads:#?}");
    }
    // Who moves by headings misses no level; who moves by landmarks tells one from another.
    let levels: Vec<i64> = of(heard, "heading").iter().map(|one| one.level).collect();
    assert_eq!((levels[0], count("<h1")), (1, 1));
    assert!(
        levels.windows(2).all(|two| two[1] <= two[0] + 1),
        "{levels:?}"
    );
    let landmarks: Vec<&Node> = ["main", "navigation", "region"]
        .iter()
        .flat_map(|role| of(heard, role))
        .collect();
    has_own_names(&landmarks);
    for role in ["banner", "main", "navigation", "contentinfo"] {
        assert_eq!(of(heard, role).len(), 1, "{role}");
    }
    // What scrolls sideways is reached by keys, and says what it is.
    let scrolled: Vec<&Node> = of(heard, "group")
        .into_iter()
        .filter(|it| it.can_focus)
        .collect();
    assert_eq!(scrolled.len(), tables.len());
    has_own_names(&scrolled);
    // Nothing is seen and not heard, or heard and not seen, but in images; a list's points are the browser's own.
    let said = of(heard, "StaticText")
        .into_iter()
        .filter(|it| it.within != "ListMarker" && it.within != "image");
    let said = json!(said.map(|it| &it.name).collect::<Vec<_>>());
    let (said, shown) = (texts(&said), texts(&seen["texts"]));
    assert_eq!(
        said.iter().zip(&shown).find(|(said, shown)| said != shown),
        None
    );
    assert_eq!(said.len(), shown.len());
    // A chart is one image: what stands in it stands in a table too.
    let cells = ["cell", "rowheader"]
        .iter()
        .flat_map(|role| of(heard, role));
    let cells: BTreeSet<&str> = cells.map(|cell| cell.name.as_str()).collect();
    for drawn in texts(&seen["drawn"]) {
        assert!(cells.contains(drawn.as_str()), "{drawn} is in no table");
    }
}

#[test]
fn a_screen_reader_is_told_what_the_report_shows() {
    let folder = Folder::of(&lines(&[]));
    let mut browser = Browser::start(&folder);
    let all = lines(&[]);
    // One that was meddled with is told as loudly as it is shown.
    let cut = [&all[..5], &all[6..]].concat();
    for (evidence, alerts, exit) in [(all, 0, "exit 0\n"), (cut, 1, "exit 1\n")] {
        folder.put("evidence.jsonl", &evidence.concat());
        let args = export("html", &["--trust", "trust.yaml", "--out", "heard.html"]);
        let said = audit(&folder, &args);
        assert!(said.ends_with(exit), "{said}");
        let page = fs::read_to_string(folder.at("heard.html")).unwrap();
        let (seen, heard) = browser.open(folder.at("heard.html").to_str().unwrap());
        can_be_heard(&page, &seen, &heard);
        assert_eq!(of(&heard, "alert").len(), alerts);
    }
}
