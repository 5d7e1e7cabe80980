//! The report in a real browser: what it shows, on a screen and on paper.

use std::fs;
use std::process::Command;

use super::audit::{audit, export};
use super::world::{Folder, lines};

/// What the browser measures once the page is laid out. It stands in a copy: the report itself has no script.
const MEASURE: &str = r"<script>
addEventListener('load', () => {
  const all = (what) => [...document.querySelectorAll(what)];
  const seen = (one) => { const box = one.getBoundingClientRect(); return box.width > 0 && box.height > 0; };
  const bars = all('svg rect');
  const filled = (fill) => all('svg[aria-labelledby^=clocks] rect').filter((bar) => bar.getAttribute('fill').endsWith(fill));
  const measured = {
    tables: all('table').filter(seen).length,
    captions: all('table > caption').filter(seen).length,
    heads: all('thead th[scope=col]').filter(seen).length,
    charts: all('svg[role=img]').filter(seen).length,
    named: all('svg').filter((svg) => ['aria-labelledby', 'aria-describedby'].every((by) => document.getElementById(svg.getAttribute(by)).textContent)).length,
    bars: bars.length,
    soon: filled('8a8a8a').length,
    late: filled('1b1b1b').length,
    hidden: bars.filter((bar) => !seen(bar)).length,
    outside: bars.filter((bar) => bar.getBoundingClientRect().right > bar.ownerSVGElement.getBoundingClientRect().right + 1).length,
    wide: document.documentElement.scrollWidth > innerWidth,
    verdict: document.querySelector('.verdict').innerText.split('.')[0],
    loaded: performance.getEntriesByType('resource').length,
    links: all('nav a').every((a) => document.getElementById(a.hash.slice(1))),
    numbers: getComputedStyle(document.querySelector('td.n')).textAlign,
    notes: document.body.innerText.includes('table: <notes>'),
  };
  const out = document.createElement('pre');
  out.id = 'measured';
  out.textContent = JSON.stringify(measured);
  document.body.append(out);
});
</script>";

fn chromium(folder: &Folder, args: &[&str]) -> String {
    let out = Command::new("chromium")
        .args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--window-size=1280,900",
            "--virtual-time-budget=5000",
        ])
        .arg(format!(
            "--user-data-dir={}",
            folder.at("profile").display()
        ))
        .args(args)
        .env("HOME", folder.path())
        .current_dir(folder.path())
        .output()
        .expect("chromium is needed: target/debug/dev setup");
    assert!(
        out.status.success(),
        "{}",
        String::from_utf8_lossy(&out.stderr)
    );
    String::from_utf8(out.stdout).unwrap()
}

#[test]
fn a_browser_shows_the_report() {
    let folder = Folder::of(&lines(&[]));
    let args = export("html", &["--trust", "trust.yaml", "--out", "report.html"]);
    assert_eq!(audit(&folder, &args), "exit 0\n");
    let page = fs::read_to_string(folder.at("report.html")).unwrap();
    folder.put(
        "measured.html",
        &page.replace("</head>", &format!("{MEASURE}</head>")),
    );
    let address = |name: &str| format!("file://{}", folder.at(name).display());
    let dom = chromium(&folder, &["--dump-dom", &address("measured.html")]);
    let measured = dom.split("<pre id=\"measured\">").nth(1).expect(&dom);
    let measured = measured.split("</pre>").next().unwrap();
    let measured: serde_json::Value = serde_json::from_str(
        &measured
            .replace("&lt;", "<")
            .replace("&gt;", ">")
            .replace("&amp;", "&"),
    )
    .unwrap();
    let count = |what: &str| page.matches(what).count();
    // Thirteen runs a region: a bar for each week's runs, two for its rows due and erased. Of requests: at the ends of seven
    // weeks one is open in each region, one of these near its deadline and one too late.
    let expected = serde_json::json!({
        "tables": count("<table>"), "captions": count("<table>"), "heads": count("<th scope=\"col\">"),
        "charts": 6, "named": 6, "bars": 2 * 13 * 3 + 2 * 7, "soon": 1, "late": 1, "hidden": 0, "outside": 0, "wide": false,
        "verdict": "Verified, no fault found", "loaded": 0, "links": true, "numbers": "right", "notes": true,
    });
    assert_eq!(measured, expected);
    // On paper.
    let paper = folder.at("report.pdf");
    chromium(
        &folder,
        &[
            "--no-pdf-header-footer",
            &format!("--print-to-pdf={}", paper.display()),
            &address("report.html"),
        ],
    );
    let paper = fs::read(paper).unwrap();
    assert!(paper.starts_with(b"%PDF-"));
    let text = String::from_utf8_lossy(&paper);
    let pages = text.matches("/Type /Page\n").count();
    // A4 landscape, in points.
    assert!(text.contains("/MediaBox [0 0 841.9"), "{pages} pages");
    assert!((2..40).contains(&pages), "{pages} pages");
}
