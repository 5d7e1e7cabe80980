//! Which signed pack may take the place of what is in force: none that is older.
//!
//! A signature does not age. Whoever may write the ConfigMap, and not sign, could put back what was signed once, and with it
//! the law of then. So the date in the pack counts, `asOf`, which is under the signature: it may stay, and never go back.

use jiff::civil::Date;

use super::{PLATFORMS_KEY, Packs, REGIMES_KEY};

/// As of when each pack is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dates {
    /// The platform pack.
    pub platforms: Date,
    /// The regime pack.
    pub regimes: Date,
}

impl Dates {
    /// Those of packs.
    #[must_use]
    pub fn of(packs: &Packs) -> Self {
        Self {
            platforms: packs.platforms.as_of,
            regimes: packs.regimes.as_of,
        }
    }

    /// The later one of each.
    #[must_use]
    pub fn latest(self, other: Self) -> Self {
        Self {
            platforms: self.platforms.max(other.platforms),
            regimes: self.regimes.max(other.regimes),
        }
    }
}

/// A signed pack that is older than one that was in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Older {
    /// `regimes.yaml`.
    pub file: &'static str,
    /// As of when it is.
    pub is_of: Date,
    /// As of when the other was.
    pub than: Date,
}

/// The first of the signed packs that is older than what was in force. For one without a signature nobody vouched, then or
/// now: it is asked for no date.
#[must_use]
pub fn older(packs: &Packs, newest: Dates) -> Option<Older> {
    let is_of = Dates::of(packs);
    let all = [
        (
            &packs.signers.platforms,
            PLATFORMS_KEY,
            is_of.platforms,
            newest.platforms,
        ),
        (
            &packs.signers.regimes,
            REGIMES_KEY,
            is_of.regimes,
            newest.regimes,
        ),
    ];
    let mut older = all
        .into_iter()
        .filter(|(signer, _, is_of, than)| signer.is_some() && is_of < than);
    older
        .next()
        .map(|(_, file, is_of, than)| Older { file, is_of, than })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signed_pack_may_stay_at_its_date_and_not_go_back() {
        let day = |text: &str| text.parse::<Date>().unwrap();
        let mut packs = Packs::builtin().unwrap();
        let own = Dates::of(&packs);
        let newest = Dates {
            regimes: day("2027-03-01"),
            ..own
        };
        assert_eq!(older(&packs, newest), None, "nobody signed it");
        packs.signers.regimes = Some("ed25519-1".to_owned());
        assert_eq!(
            older(&packs, newest),
            Some(Older {
                file: "regimes.yaml",
                is_of: own.regimes,
                than: day("2027-03-01"),
            })
        );
        assert_eq!(older(&packs, own), None, "of the same day");
        // Of the other pack nobody vouched for its age.
        let platforms = Dates {
            platforms: day("2027-03-01"),
            ..own
        };
        assert_eq!(older(&packs, platforms), None);
        packs.signers.platforms = Some("ed25519-1".to_owned());
        assert_eq!(older(&packs, platforms).unwrap().file, "platforms.yaml");
        assert_eq!(own.latest(newest), newest);
        assert_eq!(
            newest.latest(platforms),
            Dates {
                platforms: platforms.platforms,
                ..newest
            }
        );
    }
}
