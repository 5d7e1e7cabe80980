//! From what is so in each region to one condition: the worst first, with its region.

use crate::api::condition::{ConditionType, Truth, Wanted};
use crate::plan::{Finding, Reason};

/// Regions that a message names before it only counts them.
const NAMED: usize = 3;

/// What is so in one region, or everywhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Said {
    pub(super) region: Option<String>,
    pub(super) truth: Truth,
    pub(super) reason: Reason,
}

impl Said {
    pub(super) fn of(region: &str, truth: Truth, reason: Reason) -> Self {
        Self {
            region: Some(region.to_owned()),
            truth,
            reason,
        }
    }
}

impl From<&Finding> for Said {
    fn from(finding: &Finding) -> Self {
        Self {
            region: finding.region.clone(),
            truth: finding.holds.map_or(Truth::Unknown, Truth::from),
            reason: finding.reason.clone(),
        }
    }
}

/// One condition of many sayings: `False` before `Unknown` before `True`, and in the order given among equals.
/// `otherwise` is for when nothing was said.
pub(super) fn condition(kind: ConditionType, said: &[Said], otherwise: (Truth, Reason)) -> Wanted {
    let (status, reason) = worst(said).unwrap_or(otherwise);
    wanted(kind, status, reason)
}

/// One condition.
pub(super) fn wanted(kind: ConditionType, status: Truth, reason: Reason) -> Wanted {
    Wanted {
        kind,
        status,
        reason: word(reason.word),
        message: reason.message,
    }
}

/// A word that the API server takes as a reason. What a pod or a region reports is a stranger's: one bad word must
/// not keep a whole status from being written.
pub(super) fn word(said: String) -> String {
    let is_word = said.len() <= 128
        && said.starts_with(|first: char| first.is_ascii_alphabetic())
        && said.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if is_word {
        said
    } else {
        "Unspecified".to_owned()
    }
}

/// The worst of what was said, with the regions of which it is so.
pub(super) fn worst(said: &[Said]) -> Option<(Truth, Reason)> {
    let truth = [Truth::False, Truth::Unknown, Truth::True]
        .into_iter()
        .find(|truth| said.iter().any(|one| one.truth == *truth))?;
    let mut same: Vec<(&Reason, Vec<&str>)> = Vec::new();
    for one in said.iter().filter(|one| one.truth == truth) {
        let region = one.region.as_deref();
        // What is so in many regions in the same words is told once.
        match same.iter_mut().find(|(reason, _)| **reason == one.reason) {
            Some((_, regions)) => regions.extend(region),
            None => same.push((&one.reason, region.into_iter().collect())),
        }
    }
    let (first, _) = same.first()?;
    let mut told: Vec<String> = same
        .iter()
        .take(NAMED)
        .map(|(reason, regions)| sentence(reason, regions))
        .collect();
    if same.len() > NAMED {
        told.push(format!("and {} more", same.len() - NAMED));
    }
    Some((
        truth,
        Reason {
            word: first.word.clone(),
            message: told.join("; "),
        },
    ))
}

fn sentence(reason: &Reason, regions: &[&str]) -> String {
    let named = regions
        .iter()
        .take(NAMED)
        .copied()
        .collect::<Vec<_>>()
        .join(", ");
    match regions.len() {
        0 => reason.message.clone(),
        count if count > NAMED => {
            format!("{named} and {} more: {}", count - NAMED, reason.message)
        }
        _ => format!("{named}: {}", reason.message),
    }
}

/// What the plan's findings say of a condition.
pub(super) fn findings(findings: &[Finding], kind: ConditionType) -> Vec<Said> {
    findings
        .iter()
        .filter(|finding| finding.condition == kind)
        .map(Said::from)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(region: &str, truth: Truth, word: &str) -> Said {
        let reason = Reason {
            word: word.into(),
            message: format!("it is {word}"),
        };
        Said::of(region, truth, reason)
    }

    #[test]
    fn the_worst_comes_first_with_its_region() {
        let all = [
            said("a", Truth::True, "Fine"),
            said("b", Truth::Unknown, "Lost"),
            said("c", Truth::False, "Broken"),
        ];
        let (truth, reason) = worst(&all).unwrap();
        assert_eq!((truth, reason.word.as_str()), (Truth::False, "Broken"));
        assert_eq!(reason.message, "c: it is Broken");
        assert_eq!(worst(&all[..2]).unwrap().0, Truth::Unknown);
        assert_eq!(worst(&[]), None);
    }

    #[test]
    fn a_strangers_word_is_checked() {
        for (given, wanted) in [
            ("GrantsMissing", "GrantsMissing"),
            ("", "Unspecified"),
            ("two words", "Unspecified"),
            ("1st", "Unspecified"),
            ("ä", "Unspecified"),
        ] {
            assert_eq!(word(given.to_owned()), wanted);
        }
    }

    #[test]
    fn many_regions_are_counted() {
        let alike: Vec<Said> = (0..5)
            .map(|n| said(&format!("r{n}"), Truth::False, "Broken"))
            .collect();
        let message = worst(&alike).unwrap().1.message;
        assert_eq!(message, "r0, r1, r2 and 2 more: it is Broken");
        let unlike: Vec<Said> = (0..5)
            .map(|n| said("r", Truth::False, &format!("Broken{n}")))
            .collect();
        let message = worst(&unlike).unwrap().1.message;
        assert!(message.ends_with("; and 2 more"), "{message}");
    }

    /// As many as are named are named, and none is counted.
    #[test]
    fn as_many_regions_as_are_named_are_not_counted() {
        let all: Vec<String> = (0..=NAMED).map(|n| format!("r{n}")).collect();
        let names: Vec<&str> = all.iter().map(String::as_str).collect();
        let reason = said("a", Truth::False, "Broken").reason;
        let told = |count: usize| sentence(&reason, &names[..count]);
        assert_eq!(told(0), "it is Broken");
        assert_eq!(
            told(NAMED),
            format!("{}: it is Broken", names[..NAMED].join(", "))
        );
        assert!(
            told(NAMED + 1).contains(" and 1 more: "),
            "{}",
            told(NAMED + 1)
        );
    }
}
