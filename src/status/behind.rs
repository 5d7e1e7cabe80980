//! Of whose chain a region that countersigns has yet to be shown what is in the archive. It may have been no witness for a while; how
//! far it had come is its own word, and stands in status until it has caught up.

use std::collections::BTreeMap;

use crate::api::{CountersignedTo, SigningStatus};
use crate::contract::Behind;
use crate::evidence::Tip;

/// A Region's name is no longer.
const LONGEST: usize = 253;
/// No task has more other regions than a few.
const MOST: usize = 8;

/// What was found when a region was to be shown what it missed of another one's chain.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Missed {
    /// Why it is not shown that, or what is wrong with it.
    pub problem: Option<String>,
    /// Whether it is not what was sealed, or not what the region had countersigned: somebody changed it.
    pub is_other: bool,
}

/// Of each region once: what a region's pods write is no list of the API server's yet.
pub(super) fn behind(told: &[Behind]) -> Vec<CountersignedTo> {
    let each: BTreeMap<&str, Tip> = told
        .iter()
        .filter(|one| one.region.len() <= LONGEST)
        .map(|one| (one.region.as_str(), one.noted))
        .collect();
    let one = |(region, noted): (&str, Tip)| {
        let sequence = i64::try_from(noted.sequence).ok()?;
        Some(CountersignedTo {
            region: region.to_owned(),
            sequence,
            head: noted.head.to_string(),
            problem: None,
        })
    };
    each.into_iter().take(MOST).filter_map(one).collect()
}

/// What status says of that. `came` is how far the region's last run came, `old` what status said before, and `begins` from where
/// on the hub by itself shows a chain: who has not come as far has still to be shown what is before that.
pub fn catching_up(
    status: &mut SigningStatus,
    (came, old): (&[Behind], &[CountersignedTo]),
    missed: &BTreeMap<String, Missed>,
    begins: impl Fn(&str) -> u64,
) {
    let mut all: BTreeMap<String, CountersignedTo> = std::mem::take(&mut status.behind)
        .into_iter()
        .map(|one| (one.region.clone(), one))
        .collect();
    let mut enter = |one: CountersignedTo| {
        all.entry(one.region.clone()).or_insert(one);
    };
    let is_further = |one: &CountersignedTo| {
        u64::try_from(one.sequence).is_ok_and(|to| to < begins(&one.region))
    };
    let came = behind(came).into_iter();
    came.filter(is_further).for_each(&mut enter);
    // What was found to be another chain is shown again from there, so that it is not told as one that nobody compared.
    let is_other = |region: &str| missed.get(region).is_some_and(|found| found.is_other);
    let stays =
        |one: &&CountersignedTo| is_other(&one.region) && status.unproven.contains(&one.region);
    old.iter().filter(stays).cloned().for_each(&mut enter);
    let mut told: Vec<CountersignedTo> = all.into_values().take(MOST).collect();
    for one in &mut told {
        let found = missed.get(&one.region);
        one.problem = found.and_then(|found| found.problem.clone());
        if is_other(&one.region) && !status.unproven.contains(&one.region) {
            status.unproven.push(one.region.clone());
        }
    }
    status.behind = told;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::Hash;

    fn to(region: &str, sequence: u64) -> Behind {
        let head = Hash([7; 32]);
        Behind {
            region: region.to_owned(),
            noted: Tip { head, sequence },
        }
    }

    fn status(told: &[Behind], unproven: &[&str]) -> SigningStatus {
        SigningStatus {
            behind: behind(told),
            unproven: unproven.iter().map(ToString::to_string).collect(),
            ..SigningStatus::default()
        }
    }

    fn said(status: &SigningStatus) -> Vec<(&str, i64, Option<&str>)> {
        let all = status.behind.iter();
        all.map(|one| (one.region.as_str(), one.sequence, one.problem.as_deref()))
            .collect()
    }

    fn found(problem: Option<&str>, is_other: bool) -> BTreeMap<String, Missed> {
        let missed = Missed {
            problem: problem.map(str::to_owned),
            is_other,
        };
        BTreeMap::from([("us".to_owned(), missed)])
    }

    /// What it came to at a run is where the next one goes on, until the hub has all that follows.
    #[test]
    fn who_has_not_come_to_where_the_hub_begins_is_behind() {
        let begins = |region: &str| if region == "us" { 40 } else { 0 };
        for (to_place, wanted) in [(39, vec![("us", 39, None)]), (40, vec![]), (41, vec![])] {
            let mut told = status(&[], &[]);
            let came = [to("us", to_place), to("br", 1)];
            catching_up(&mut told, (&came, &[]), &BTreeMap::new(), begins);
            assert_eq!(said(&told), wanted);
        }
        // Its own word counts before that.
        let mut told = status(&[to("us", 7)], &[]);
        catching_up(&mut told, (&[to("us", 9)], &[]), &BTreeMap::new(), begins);
        assert_eq!(said(&told), [("us", 7, None)]);
    }

    #[test]
    fn why_it_is_not_shown_stands_beside_and_goes_with_it() {
        let mut told = status(&[to("us", 7)], &[]);
        let why = "the archive does not give a segment back";
        catching_up(&mut told, (&[], &[]), &found(Some(why), false), |_| 40);
        assert_eq!(said(&told), [("us", 7, Some(why))]);
        assert!(told.unproven.is_empty(), "that is no sign of tampering");
        // The next look finds it there: of a region that does not answer the last word stands, with today's reason.
        catching_up(&mut told, (&[], &[]), &found(None, false), |_| 40);
        assert_eq!(said(&told), [("us", 7, None)]);
    }

    #[test]
    fn what_is_another_is_unproven_and_stays_so_until_it_is_not() {
        let old = behind(&[to("us", 7), to("br", 3)]);
        let why = Some("the archive has another record 7 than the one that was countersigned");
        // The agent refused it, and so says no more that it is behind.
        let mut told = status(&[], &["us"]);
        catching_up(&mut told, (&[], &old), &found(why, true), |_| 40);
        assert_eq!(said(&told), [("us", 7, why)]);
        assert_eq!(told.unproven, ["us"]);
        // Or it was shown none of it, and nobody but the hub knows.
        let mut told = status(&[to("us", 7)], &[]);
        catching_up(&mut told, (&[], &old), &found(why, true), |_| 40);
        assert_eq!(told.unproven, ["us"]);
        // Refused though what it said was there: it has come further, and says so when it is shown the end again.
        let mut told = status(&[], &["us"]);
        catching_up(&mut told, (&[], &old), &found(None, false), |_| 40);
        assert!(told.behind.is_empty());
        assert_eq!(told.unproven, ["us"]);
        // It took what it was shown.
        let mut told = status(&[], &[]);
        catching_up(
            &mut told,
            (&[to("us", 50)], &old),
            &found(why, true),
            |_| 40,
        );
        assert!(told.behind.is_empty());
        assert!(told.unproven.is_empty());
    }
}
