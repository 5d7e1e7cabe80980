//! `tradewind audit verify`: what is wrong with evidence, by name.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;

use clap::Args;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use super::expected::Expectations;
use super::opening::{Opened, Openings, Tally};
use super::{Audited, source};
use crate::cli::input::{self, Error};
use crate::evidence::{AsOf, Checked, Fault, Record, Report, Trust, Verifier};

/// The evidence, and what is trusted.
#[derive(Args, Debug)]
pub struct Verify {
    /// A file of evidence, or a folder with such files (*.jsonl, *.json, *.jsonl.gz).
    #[arg(long, value_name = "DIR|FILE", required_unless_present = "live")]
    from: Option<PathBuf>,
    /// A hub's kubeconfig, with its data inline, that may list its records: they are read as they are now. Beside --from,
    /// which then has the segments of the archive.
    #[arg(long, value_name = "KUBECONFIG")]
    live: Option<PathBuf>,
    /// A file with the fleet's id and each region's key, from anywhere but the evidence.
    #[arg(long, value_name = "FILE")]
    trust: PathBuf,
    /// The moment that it is verified for: when an older export was made. Now when absent.
    #[arg(long, value_name = "MOMENT")]
    at: Option<String>,
    /// How long a record may wait for a signature, in days or hours.
    #[arg(long, value_name = "DURATION", default_value = "P2D")]
    unsigned: String,
    /// A file with what is behind commitments, as `tradewind-agent retain --open` or `erase --open` wrote it in a region: each is
    /// checked, and its number told.
    #[arg(long, value_name = "FILE")]
    opening: Option<PathBuf>,
    /// For a reader or for a program.
    #[arg(long, value_enum, default_value_t)]
    format: Shape,
}

/// How a verification looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Shape {
    /// For a reader.
    #[default]
    Text,
    /// For a program.
    Json,
}

/// What was looked at, and what is wrong.
pub fn verify(args: &Verify, now: Timestamp) -> Result<Audited, Error> {
    let trust = source::trust(&args.trust)?;
    let bound = input::duration("--unsigned", &args.unsigned, "P2D or PT48H")?;
    let at = match &args.at {
        Some(text) => input::moment("--at", text)?,
        None => Timestamp::from_second(now.as_second()).unwrap_or(now),
    };
    let evidence = source::with_live(args.from.as_deref(), args.live.as_deref())?;
    let openings = args.opening.as_deref().map(Openings::read);
    let mut openings = openings.transpose()?;
    let mut found = look(
        &evidence,
        &trust,
        |record| {
            if let Some(openings) = &mut openings {
                openings.note(&record);
            }
        },
        |_| (AsOf::Moment(at), bound),
    );
    if let Some(openings) = openings {
        openings.end(&mut found);
    }
    let text = match args.format {
        Shape::Text => found.text(),
        Shape::Json => {
            let mut text = serde_json::to_string_pretty(&found).map_err(Error::Json)?;
            text.push('\n');
            text
        }
    };
    Ok(Audited {
        clean: found.report.faults.is_empty(),
        text,
    })
}

/// What a verification found.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Found {
    fleet: String,
    pub(super) at: Timestamp,
    /// Runs that schedules asked for by then.
    expected_runs: u64,
    /// How many numbers were opened, where there is a file that opens some.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) openings: Option<Tally>,
    /// Numbers that were opened.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) opened: Vec<Opened>,
    #[serde(flatten)]
    pub(super) report: Report,
}

/// Verifies evidence; hands each record on. `when` is asked for the moment and the bound once all lines were read.
pub(super) fn look(
    evidence: &[Vec<u8>],
    trust: &Trust,
    mut each: impl FnMut(Record),
    when: impl FnOnce(Option<Timestamp>) -> (AsOf, SignedDuration),
) -> Found {
    let mut verifier = Verifier::new(trust);
    let mut expectations = Expectations::default();
    let mut latest = None;
    for text in evidence {
        verifier.text(text, |record| {
            expectations.note(&record);
            latest = latest.max(Some(record.at));
            each(record);
        });
    }
    let (as_of, bound) = when(latest);
    let mut report = verifier.finish(as_of, bound);
    let at = as_of.at();
    expectations.begin(&report.regions);
    let ended = |region: &str| trust.regions.get(region)?.ended;
    let (expected_runs, missing) = expectations.missing(at, ended);
    report.faults.extend(missing);
    report
        .faults
        .sort_by(|one, other| one.region.cmp(&other.region));
    Found {
        fleet: trust.fleet.clone(),
        at,
        expected_runs,
        openings: None,
        opened: Vec::new(),
        report,
    }
}

impl Found {
    fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a String cannot fail.
        let _ = self.write(&mut text);
        text
    }

    fn write(&self, out: &mut String) -> std::fmt::Result {
        writeln!(out, "fleet {}, as of {}", self.fleet, self.at)?;
        for (region, checked) in &self.report.regions {
            writeln!(out, "\n{region}")?;
            one(out, checked)?;
        }
        writeln!(
            out,
            "\nruns that schedules asked for: {}",
            self.expected_runs
        )?;
        for opened in &self.opened {
            writeln!(out, "opened: {opened}")?;
        }
        if let Some(openings) = &self.openings {
            writeln!(out, "{openings}")?;
        }
        let noted = self.report.regions.iter();
        let noted: Vec<_> = noted.filter_map(|(r, c)| Some((r, c.tip?))).collect();
        if self.report.faults.is_empty() {
            writeln!(out, "no fault found")?;
            writeln!(
                out,
                "\nFor the trust file, so that nothing of this can be taken away unseen:"
            )?;
            for (region, tip) in noted {
                let (sequence, head) = (tip.sequence, tip.head);
                writeln!(
                    out,
                    "  {region}: noted: {{sequence: {sequence}, head: {head}}}"
                )?;
            }
            return Ok(());
        }
        let more = self.report.more;
        let count = self.report.faults.len() as u64 + more;
        writeln!(out, "\nfaults: {count}")?;
        for fault in &self.report.faults {
            writeln!(out, "  {fault}")?;
        }
        if more > 0 {
            writeln!(out, "  and {more} more")?;
        }
        Ok(())
    }

    /// Up to when something is known of each region: until its last signature, which says that there was no other record before.
    /// What no signature reaches anybody may have written.
    pub(super) fn ends(&self) -> BTreeMap<String, Timestamp> {
        let regions = self.report.regions.iter();
        let end = |checked: &Checked| checked.signed_at.or(checked.last);
        regions
            .filter_map(|(region, checked)| Some((region.clone(), end(checked)?)))
            .collect()
    }

    /// Its faults, for a report.
    pub(super) fn faults(&self) -> &[Fault] {
        &self.report.faults
    }
}

fn one(out: &mut String, checked: &Checked) -> std::fmt::Result {
    let (Some(first), Some(last)) = (checked.first, checked.last) else {
        return writeln!(out, "  no record");
    };
    writeln!(
        out,
        "  records         {}, from {first} to {last}",
        checked.records
    )?;
    match checked.signed_at {
        Some(at) => writeln!(
            out,
            "  signed          up to {} on {at}; signatures: {}, changes of key: {}",
            checked.signed, checked.checkpoints, checked.rotations
        )?,
        None => writeln!(out, "  signed          nothing")?,
    }
    writeln!(
        out,
        "  not signed yet  {}: what they say is not proven",
        checked.unsigned
    )?;
    gone(out, checked)?;
    if checked.committed > 0 {
        writeln!(
            out,
            "  small counts    {} sums hold by commitments to what is not told",
            checked.committed
        )?;
    }
    if checked.uncommitted > 0 {
        writeln!(
            out,
            "  not known       {} sums: a number is not told, and nothing stands for it",
            checked.uncommitted
        )?;
    }
    if checked.segments > 0 {
        writeln!(
            out,
            "  archive         {} segments, whole and as they were sealed",
            checked.segments
        )?;
    }
    let witnesses: Vec<String> = checked
        .witnesses
        .iter()
        .map(|(region, sequence)| format!("{region} up to {sequence}"))
        .collect();
    let by = if witnesses.is_empty() {
        "no other region".to_owned()
    } else {
        witnesses.join(", ")
    };
    writeln!(out, "  countersigned   by {by}")
}

/// What went by rule, and for how long it was kept by whose word.
fn gone(out: &mut String, checked: &Checked) -> std::fmt::Result {
    let Some(expired) = checked.expired else {
        return Ok(());
    };
    let kept = match &checked.kept {
        Some(kept) if kept.by_region => {
            format!("kept for {}, as the region's signatures show", kept.period)
        }
        Some(kept) => format!("kept for {}, by the hub's word", kept.period),
        None => "see the faults".to_owned(),
    };
    writeln!(out, "  gone by rule    records up to {expired}: {kept}")?;
    match checked.noted_gone {
        Some(noted) => writeln!(
            out,
            "  noted           record {noted}, which went: that note proves nothing of what is here; note a later one"
        ),
        None => Ok(()),
    }
}
