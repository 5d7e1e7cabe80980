//! What follows when a channel is not covered: nothing starts, and what runs goes after the grace.

use jiff::{SignedDuration, Span, SpanRelativeTo, Timestamp};

use crate::api::{Enforcement, EnforcementMode};

/// How long what runs may go on when the Region says nothing else.
const GRACE: SignedDuration = SignedDuration::from_hours(24);

/// What the Region does about an uncovered channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sanction {
    /// It is covered: nothing.
    None,
    /// It runs, and the condition says what is missing.
    Warn,
    /// What runs goes on until then; nothing starts.
    Grace(Timestamp),
    /// Nothing may run.
    Withdraw,
}

/// What follows, and what status must remember.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Enforced {
    /// What follows.
    pub sanction: Sanction,
    /// Since when it has been uncovered.
    pub since: Option<Timestamp>,
    /// When what follows changes by itself.
    pub wake_at: Option<Timestamp>,
}

/// What follows from being covered or not. `since` is what status remembers; `runs` whether something is there.
#[must_use]
pub fn enforce(
    covered: bool,
    enforcement: Option<&Enforcement>,
    since: Option<Timestamp>,
    runs: bool,
    now: Timestamp,
) -> Enforced {
    if covered {
        return Enforced {
            sanction: Sanction::None,
            since: None,
            wake_at: None,
        };
    }
    // A clock that was set back must not prolong the grace.
    let since = since.map_or(now, |since| since.min(now));
    let sanction = match enforcement.and_then(|e| e.mode).unwrap_or_default() {
        EnforcementMode::Warn => Sanction::Warn,
        EnforcementMode::Enforce => {
            let end = since.saturating_add(grace(enforcement)).unwrap_or(now);
            if runs && end > now {
                Sanction::Grace(end)
            } else {
                Sanction::Withdraw
            }
        }
    };
    Enforced {
        sanction,
        since: Some(since),
        wake_at: match sanction {
            Sanction::Grace(end) => Some(end),
            Sanction::None | Sanction::Warn | Sanction::Withdraw => None,
        },
    }
}

/// The grace; its default when the text is no duration, as the Region's own verdict says.
fn grace(enforcement: Option<&Enforcement>) -> SignedDuration {
    let span = enforcement.and_then(|e| e.grace.as_deref()?.parse::<Span>().ok());
    span.and_then(|span| span.to_duration(SpanRelativeTo::days_are_24_hours()).ok())
        .unwrap_or(GRACE)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(hour: i64) -> Timestamp {
        Timestamp::from_second(hour * 3600).unwrap()
    }

    fn region(mode: Option<EnforcementMode>, grace: &str) -> Enforcement {
        Enforcement {
            mode,
            grace: Some(grace.into()),
        }
    }

    #[test]
    fn nothing_starts_and_what_runs_goes_after_the_grace() {
        let day = region(None, "P1D");
        let warn = region(Some(EnforcementMode::Warn), "PT1H");
        for (rule, since, runs, now, sanction, told) in [
            // The default is a day.
            (None, None, true, 10, Sanction::Grace(at(34)), Some(10)),
            (None, None, false, 10, Sanction::Withdraw, Some(10)),
            (
                Some(&day),
                Some(10),
                true,
                33,
                Sanction::Grace(at(34)),
                Some(10),
            ),
            (Some(&day), Some(10), true, 34, Sanction::Withdraw, Some(10)),
            // Nothing starts within the grace either.
            (
                Some(&day),
                Some(10),
                false,
                11,
                Sanction::Withdraw,
                Some(10),
            ),
            // A remembered moment in the future is no longer grace.
            (
                Some(&day),
                Some(99),
                true,
                10,
                Sanction::Grace(at(34)),
                Some(10),
            ),
            (Some(&warn), Some(10), true, 500, Sanction::Warn, Some(10)),
            (Some(&warn), None, false, 10, Sanction::Warn, Some(10)),
        ] {
            let answer = enforce(false, rule, since.map(at), runs, at(now));
            assert_eq!(answer.sanction, sanction, "{rule:?} {since:?} {runs} {now}");
            assert_eq!(answer.since, told.map(at));
            let wakes = matches!(sanction, Sanction::Grace(_));
            assert_eq!(answer.wake_at.is_some(), wakes);
        }
    }

    #[test]
    fn a_covered_channel_forgets_that_it_was_not() {
        let answer = enforce(true, None, Some(at(1)), true, at(99));
        assert_eq!(answer.sanction, Sanction::None);
        assert_eq!(answer.since, None);
    }

    #[test]
    fn no_grace_is_no_grace_and_nonsense_is_the_default() {
        for (grace, end) in [
            ("PT0S", None),
            ("PT30M", Some(1800)),
            ("P2DT1H", Some(49 * 3600)),
            ("P", Some(86400)),
        ] {
            let rule = region(None, grace);
            let answer = enforce(false, Some(&rule), None, true, Timestamp::UNIX_EPOCH);
            let wanted = end.map_or(Sanction::Withdraw, |s| {
                Sanction::Grace(Timestamp::from_second(s).unwrap())
            });
            assert_eq!(answer.sanction, wanted, "{grace}");
        }
    }
}
