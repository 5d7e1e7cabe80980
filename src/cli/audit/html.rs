//! The report as one page: no script, no font, nothing to download; readable on paper and by a screen reader.
//!
//! Plain formatting: one page needs no template language, and everything that comes from a record goes through one
//! function that escapes it.

mod chart;
mod clocks;

use std::fmt::Write as _;

use super::export::Book;
use super::tables::Table;
use super::verify::Found;

const STYLE: &str = "\
:root { color-scheme: light; }
body { font: 16px/1.5 system-ui, sans-serif; color: #1b1b1b; background: #fff; margin: 2rem auto; max-width: 75rem; padding: 0 1rem; }
h1 { font-size: 1.8rem; margin-bottom: 0; } h2 { font-size: 1.3rem; margin-top: 2.5rem; }
nav ul { columns: 2; padding-left: 1.2rem; } a { color: #0b4f8a; }
.scroll { overflow-x: auto; } .scroll:focus { outline: 3px solid #0b4f8a; }
table { border-collapse: collapse; font-size: .85rem; margin: .5rem 0; }
caption { text-align: left; font-weight: 600; padding: .3rem 0; }
th, td { border: 1px solid #767676; padding: .25rem .5rem; text-align: left; vertical-align: top; }
thead th { background: #ededed; } td.n { text-align: right; font-variant-numeric: tabular-nums; }
.verdict { border-left: .5rem solid #767676; padding: .5rem 1rem; background: #f5f5f5; }
.verdict.good { border-color: #1a6b2f; } .verdict.bad { border-color: #a3140c; }
figure { margin: 1rem 0; } figcaption { font-weight: 600; }
svg { max-width: 100%; height: auto; }
@media print {
  body { font-size: 9pt; max-width: none; margin: 0; } .scroll { overflow: visible; } nav { display: none; }
  table { font-size: 6.5pt; } thead { display: table-header-group; } tr, figure { break-inside: avoid; }
  @page { size: A4 landscape; margin: 12mm; }
}
";

const CLOCKS: &str = "Open requests against their clocks";

/// The page.
pub(super) fn page(book: &Book) -> String {
    let mut out = String::new();
    // Writing to a String cannot fail.
    let _ = write_page(&mut out, book);
    out
}

fn write_page(out: &mut String, book: &Book) -> std::fmt::Result {
    let name = escaped(&book.period.name);
    writeln!(
        out,
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>Evidence of {name}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<header>\n<h1 id=\"evidence\">Evidence of {name}</h1>\n<p>From {} to {}, in UTC. Made of {} records and nothing else; they hold counts, dates and hashes, and no personal data.</p>\n</header>\n<main aria-labelledby=\"evidence\">",
        book.period.first(),
        book.period.last(),
        book.records
    )?;
    verdict(out, book.found.as_ref(), !book.open.is_empty())?;
    open(out, book)?;
    verified(out, book.found.as_ref())?;
    writeln!(out, "<nav aria-label=\"Contents\">\n<ul>")?;
    for (id, title) in contents(book) {
        writeln!(out, "<li><a href=\"#{id}\">{title}</a></li>")?;
    }
    writeln!(
        out,
        "</ul>\n</nav>\n<section aria-labelledby=\"charts\">\n<h2 id=\"charts\">Runs and rows over time</h2>"
    )?;
    chart::write(out, book)?;
    writeln!(
        out,
        "</section>\n<section aria-labelledby=\"clocks\">\n<h2 id=\"clocks\">{CLOCKS}</h2>"
    )?;
    clocks::write(out, book)?;
    writeln!(out, "</section>")?;
    for one in &book.tables.tables {
        section(out, one)?;
    }
    writeln!(
        out,
        "</main>\n<footer>\n<p>Evidence proves what was recorded, in which order, and that nobody changed it since it was signed. It does not prove that a law was kept, and it is not legal advice.</p>\n</footer>\n</body>\n</html>"
    )
}

fn contents(book: &Book) -> Vec<(&'static str, &'static str)> {
    let tables = book.tables.tables.iter().map(|one| (one.id, one.title));
    [("charts", "Runs and rows over time"), ("clocks", CLOCKS)]
        .into_iter()
        .chain(tables)
        .collect()
}

fn verdict(out: &mut String, found: Option<&Found>, is_open: bool) -> std::fmt::Result {
    let Some(found) = found else {
        return writeln!(
            out,
            "<p class=\"verdict\"><strong>Not verified.</strong> This report was made without trusted keys: nobody has checked that the records are whole and unchanged.</p>"
        );
    };
    let faults = found.faults();
    if faults.is_empty() {
        writeln!(
            out,
            "<p class=\"verdict good\"><strong>Verified, no fault found{}.</strong> Checked against keys that were trusted from outside the evidence, as of {}.</p>",
            if is_open { " in what is here" } else { "" },
            found.at
        )
    } else {
        writeln!(
            out,
            "<div class=\"verdict bad\" role=\"alert\"><strong>Faults found: {}.</strong> What follows cannot be relied upon.\n<ul>",
            faults.len() as u64 + found.report.more
        )?;
        for fault in faults {
            writeln!(out, "<li>{}</li>", escaped(&fault.to_string()))?;
        }
        writeln!(out, "</ul>\n</div>")
    }
}

/// Of which part of the period nothing is known.
fn open(out: &mut String, book: &Book) -> std::fmt::Result {
    if book.open.is_empty() {
        return Ok(());
    }
    writeln!(
        out,
        "<div class=\"verdict bad\" role=\"alert\"><strong>Not the whole period.</strong>\n<ul>"
    )?;
    for says in &book.open {
        writeln!(out, "<li>{}</li>", escaped(says))?;
    }
    writeln!(out, "</ul>\n</div>")
}

fn verified(out: &mut String, found: Option<&Found>) -> std::fmt::Result {
    let Some(found) = found else { return Ok(()) };
    writeln!(
        out,
        "<div class=\"scroll\" tabindex=\"0\" role=\"group\" aria-label=\"What was verified\">\n<table>\n<caption>What was verified</caption>\n<thead><tr><th scope=\"col\">Region</th><th scope=\"col\">Records</th><th scope=\"col\">Signed up to</th><th scope=\"col\">Not signed yet</th><th scope=\"col\">Countersigned by</th></tr></thead>\n<tbody>"
    )?;
    for (region, checked) in &found.report.regions {
        let witnesses: Vec<String> = checked.witnesses.keys().map(|by| escaped(by)).collect();
        writeln!(
            out,
            "<tr><th scope=\"row\">{}</th><td class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td><td>{}</td></tr>",
            escaped(region),
            checked.records,
            checked.signed,
            checked.unsigned,
            witnesses.join(", ")
        )?;
    }
    writeln!(out, "</tbody>\n</table>\n</div>")
}

fn section(out: &mut String, one: &Table) -> std::fmt::Result {
    let (id, title) = (one.id, one.title);
    writeln!(
        out,
        "<section aria-labelledby=\"{id}\">\n<h2 id=\"{id}\">{title}</h2>\n<p>{}</p>",
        escaped(one.note)
    )?;
    if one.rows.is_empty() {
        return writeln!(out, "<p>None was recorded.</p>\n</section>");
    }
    let headings = one
        .columns
        .iter()
        .map(|column| (column.title, column.number));
    let heads: Vec<(&str, bool)> = headings.collect();
    table(out, title, &heads, &one.rows)?;
    writeln!(out, "</section>")
}

/// A table whose first column names the row.
fn table(
    out: &mut String,
    caption: &str,
    heads: &[(&str, bool)],
    rows: &[Vec<String>],
) -> std::fmt::Result {
    let caption = escaped(caption);
    writeln!(
        out,
        "<div class=\"scroll\" tabindex=\"0\" role=\"group\" aria-label=\"{caption}\">\n<table>\n<caption>{caption}: {} rows</caption>\n<thead><tr>",
        rows.len()
    )?;
    for (title, _) in heads {
        write!(out, "<th scope=\"col\">{}</th>", escaped(title))?;
    }
    writeln!(out, "</tr></thead>\n<tbody>")?;
    for row in rows {
        write!(out, "<tr>")?;
        for (index, cell) in row.iter().enumerate() {
            let cell = escaped(cell);
            let number = heads.get(index).is_some_and(|head| head.1);
            match (index, number) {
                (0, _) => write!(out, "<th scope=\"row\">{cell}</th>")?,
                (_, true) => write!(out, "<td class=\"n\">{cell}</td>")?,
                (_, false) => write!(out, "<td>{cell}</td>")?,
            }
        }
        writeln!(out, "</tr>")?;
    }
    writeln!(out, "</tbody>\n</table>\n</div>")
}

/// A text that stays one, whatever it holds.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c if c.is_control() && c != '\n' && c != '\t' => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}
