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

    fn text(&self) -> String {
        match &self.region {
            Some(region) => format!("{region}: {}", self.reason.message),
            None => self.reason.message.clone(),
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
fn word(said: String) -> String {
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
    let mut same: Vec<&Said> = Vec::new();
    for one in said.iter().filter(|one| one.truth == truth) {
        if !same.contains(&one) {
            same.push(one);
        }
    }
    let mut message: Vec<String> = same.iter().take(NAMED).map(|one| one.text()).collect();
    if same.len() > NAMED {
        message.push(format!("and {} more", same.len() - NAMED));
    }
    Some((
        truth,
        Reason {
            word: same.first()?.reason.word.clone(),
            message: message.join("; "),
        },
    ))
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
        let all: Vec<Said> = (0..5)
            .map(|n| said(&format!("r{n}"), Truth::False, "Broken"))
            .collect();
        let message = worst(&all).unwrap().1.message;
        assert!(message.ends_with("and 2 more"), "{message}");
    }
}
