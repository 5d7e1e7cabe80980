//! The signatures over one region's records: its own, those of others, and what somebody noted earlier.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::super::body::KeyRotation;
use super::super::chain::Tip;
use super::super::checkpoint::{Checkpoint, Countersignature};
use super::super::expired::Begin;
use super::super::fault::{Faults, Name};
use super::super::hash::Hash;
use super::super::key::KeyId;
use super::{AsOf, Seen, earlier};

/// What two machines' clocks may differ by.
const CLOCKS: SignedDuration = SignedDuration::from_mins(5);

/// One region, and where its faults go.
pub(super) struct View<'a> {
    pub(super) region: &'a str,
    pub(super) faults: &'a mut Faults,
}

impl View<'_> {
    pub(super) fn fault(&mut self, name: Name, sequence: u64, says: String) {
        self.faults.add(name, self.region, Some(sequence), says);
    }

    /// Follows the region's own signatures from the first to the last, and its keys with them.
    pub(super) fn checkpoints(&mut self, seen: &mut Seen, mut given: Vec<Checkpoint>) {
        given.sort_by_key(|signed| (signed.tip.sequence, signed.at));
        seen.earlier = earlier::keys(seen, self.region);
        let mut strange: Vec<Checkpoint> = Vec::new();
        let mut valid = seen.keys.clone();
        let mut agreed: Vec<Tip> = Vec::new();
        let mut rest = &given[..];
        while let Some(first) = rest.first() {
            let same = rest.partition_point(|signed| signed.tip.sequence <= first.tip.sequence);
            let (here, after) = rest.split_at(same);
            rest = after;
            // Of one place those of the old key first: one of them makes a new key known.
            let (known, unknown): (Vec<_>, Vec<_>) =
                here.iter().partition(|signed| valid.contains(&signed.key));
            let mut coming = valid.clone();
            for signed in known {
                if self.checkpoint(seen, signed, &agreed) {
                    agreed.push(signed.tip);
                    coming = rotated(seen, signed, &coming);
                }
            }
            valid = coming;
            for signed in unknown {
                if !valid.contains(&signed.key) {
                    strange.push(signed.clone());
                } else if self.checkpoint(seen, signed, &agreed) {
                    agreed.push(signed.tip);
                }
            }
        }
        for signed in strange.iter().filter(|signed| !seen.is_idle(signed)) {
            self.untrusted(signed, &seen.keys);
        }
    }

    fn untrusted(&mut self, signed: &Checkpoint, ever: &[KeyId]) {
        let says = if ever.contains(&signed.key) {
            format!("signed by {}, which another key had replaced", signed.key)
        } else {
            format!(
                "signed by {}, which neither the trust file nor a signed rotation names",
                signed.key
            )
        };
        self.fault(Name::UntrustedKey, signed.tip.sequence, says);
    }

    /// Whether a signature of a trusted key holds and is over the record that is here.
    fn checkpoint(&mut self, seen: &mut Seen, signed: &Checkpoint, agreed: &[Tip]) -> bool {
        let Tip { head, sequence } = signed.tip;
        if !signed.is_signed() {
            let says = "the checkpoint's signature is not over this checkpoint".to_owned();
            self.fault(Name::BadSignature, sequence, says);
            return false;
        }
        if sequence > seen.end() {
            let says = format!("signed on {}; the records end at {}", signed.at, seen.end());
            self.fault(Name::TruncatedTail, sequence, says);
            return false;
        }
        match seen.hash(sequence) {
            // Told as missing.
            None => false,
            Some(hash) if hash == head => {
                seen.checked.checkpoints += 1;
                seen.signatures.push((sequence, signed.at));
                if sequence >= seen.checked.signed {
                    seen.checked.signed = sequence;
                    seen.checked.signed_at = Some(signed.at);
                }
                true
            }
            Some(_) if agreed.iter().any(|tip| tip.sequence == sequence) => {
                let says = "its own region signed two different records of this place".to_owned();
                self.fault(Name::Forked, sequence, says);
                false
            }
            Some(_) => {
                let since = agreed.last().map_or(0, |tip| tip.sequence);
                let says = format!(
                    "another record was signed here: this one, or one after record {since}, was changed later"
                );
                self.fault(Name::Rewritten, sequence, says);
                false
            }
        }
    }

    /// What somebody noted at an earlier time.
    pub(super) fn noted(&mut self, seen: &mut Seen, head: &Tip, begin: Option<Begin>) {
        let Tip { head, sequence } = *head;
        let gone = begin.filter(|begin| sequence < begin.first && sequence > 0);
        if let Some(begin) = gone {
            seen.checked.noted_gone = Some(sequence);
            if sequence == begin.expired.sequence && head != begin.expired.head {
                let says = "the trust file notes another record as the last that went".to_owned();
                self.fault(Name::Rewritten, sequence, says);
            }
        }
        if sequence > seen.end() {
            let says = format!(
                "the trust file notes record {sequence}; the records end at {}",
                seen.end()
            );
            self.fault(Name::TruncatedTail, sequence, says);
        } else if seen.hash(sequence).is_some_and(|hash| hash != head) {
            let says = "the trust file notes another record here".to_owned();
            self.fault(Name::Rewritten, sequence, says);
        }
    }

    /// Records of a time that has not come, or had not when they were signed: once for the region, by the first of them.
    pub(super) fn later(&mut self, seen: &Seen, now: Timestamp) {
        self.later_than_signed(seen);
        let latest = now.checked_add(CLOCKS).unwrap_or(now);
        let mut later = seen.line.iter().filter(|link| link.at > latest);
        let Some(first) = later.next() else {
            return;
        };
        let says = format!(
            "dated {}, after {now} that is verified for; records that are: {}",
            first.at,
            later.count() + 1
        );
        self.fault(Name::LaterThanNow, first.sequence, says);
    }

    /// What a region signed was there by the region's own clock.
    fn later_than_signed(&mut self, seen: &Seen) {
        // From the end on: a record is reached by each signature behind it, and so was there at the first of these.
        let mut signatures = seen.signatures.iter().rev().peekable();
        let mut signed: Option<Timestamp> = None;
        let (mut count, mut first) = (0_u64, None);
        for link in seen.line.iter().rev() {
            while let Some((_, at)) = signatures.next_if(|(to, _)| *to >= link.sequence) {
                signed = Some(signed.map_or(*at, |before| before.min(*at)));
            }
            let Some(at) = signed else { continue };
            if link.at > at.checked_add(CLOCKS).unwrap_or(at) {
                count += 1;
                first = Some((link.sequence, link.at, at));
            }
        }
        let Some((sequence, dated, at)) = first else {
            return;
        };
        let says = format!(
            "dated {dated}, and its region signed it on {at}, before that; records of which that is so: {count}"
        );
        self.fault(Name::LaterThanSigned, sequence, says);
    }

    /// Records that no signature reaches yet, and a key that signs no more: it does also where nothing happens.
    pub(super) fn tail(
        &mut self,
        seen: &mut Seen,
        (as_of, bound): (AsOf, SignedDuration),
        ended: Option<Timestamp>,
    ) {
        let now = as_of.within(seen);
        let signed = seen.checked.signed;
        let from = seen.line.partition_point(|link| link.sequence <= signed);
        let tail = &seen.line[from..];
        seen.checked.unsigned = tail.len() as u64;
        let oldest = tail.iter().map(|link| link.at).min();
        let oldest = oldest.zip(tail.first().map(|first| first.sequence));
        if let Some((_, sequence)) = oldest.filter(|_| signed == 0) {
            let says = "no signature that holds reaches any record of this region".to_owned();
            self.fault(Name::UnsignedTail, sequence, says);
            return;
        }
        // Of a region that was given up neither the last records nor its key are waited for after that.
        let now = ended.map_or(now, |ended| ended.min(now));
        if let Some((oldest, sequence)) = oldest
            && now.duration_since(oldest) > bound
        {
            let says = format!(
                "{} records wait for a signature, the oldest since {oldest}",
                tail.len()
            );
            self.fault(Name::UnsignedTail, sequence, says);
        }
        let last = seen.signatures.iter().map(|(_, at)| *at).max();
        let Some(last) = last.filter(|last| now.duration_since(*last) > bound) else {
            return;
        };
        let says = format!(
            "the region's key last signed at {last}, and it signs by its schedule, each hour unless the Region says otherwise, also where nothing happens: the end is missing, or the region is silent"
        );
        self.fault(Name::Silent, signed, says);
    }
}

/// The keys that are valid after a signature that holds: one that the key which signed has named, in a record that the
/// signature reaches through an unbroken chain, replaces it.
fn rotated(seen: &mut Seen, signed: &Checkpoint, valid: &[KeyId]) -> Vec<KeyId> {
    let Some(at) = seen.index(signed.tip.sequence) else {
        return valid.to_vec();
    };
    let mut valid = valid.to_vec();
    // By the few rotations, not by the many records: each checkpoint comes here.
    let span = seen.line[seen.unbroken(at)].sequence..=signed.tip.sequence;
    let named: Vec<(u64, Vec<(Hash, KeyRotation)>)> = seen
        .rotations
        .range(span)
        .map(|(sequence, named)| (*sequence, named.clone()))
        .collect();
    let mut reached = Vec::new();
    for (sequence, named) in named {
        let here = seen.hash(sequence);
        let stands = |(hash, _): &&(Hash, KeyRotation)| Some(*hash) == here;
        let Some((_, rotation)) = named.iter().find(stands) else {
            continue;
        };
        // The first record of a chain may name the key that it begins with.
        let is_own = rotation.key == signed.key;
        if is_own || rotation.is_named_by(signed.key, &signed.region) {
            reached.push((sequence, rotation.key));
        }
    }
    for (sequence, key) in reached {
        seen.rotations.remove(&sequence);
        if key == signed.key {
            continue;
        }
        seen.checked.rotations += 1;
        seen.replaced.entry(signed.key).or_insert(signed.at);
        seen.replaced.remove(&key);
        valid.retain(|old| *old != signed.key);
        valid.push(key);
        if !seen.keys.contains(&key) {
            seen.keys.push(key);
        }
    }
    valid
}

/// Signatures of other regions, once the keys of all regions are known.
pub(super) fn others(regions: &mut BTreeMap<String, Seen>, faults: &mut Faults) {
    let known = |seen: &Seen| -> Known {
        let until = |key: &KeyId| seen.replaced.get(key).copied();
        Known {
            keys: seen.keys.iter().map(|key| (*key, until(key))).collect(),
            earlier: seen.earlier.clone(),
        }
    };
    let keys: BTreeMap<String, Known> = regions
        .iter()
        .map(|(region, seen)| (region.clone(), known(seen)))
        .collect();
    for (region, seen) in regions.iter_mut() {
        let mut view = View { region, faults };
        for signed in std::mem::take(&mut seen.countersignatures) {
            let theirs = keys.get(&signed.by);
            view.countersignature(seen, &signed, theirs);
        }
    }
}

/// Keys of a region.
struct Known {
    /// Each with when another one replaced it.
    keys: BTreeMap<KeyId, Option<Timestamp>>,
    /// Those that may have been before them.
    earlier: Vec<KeyId>,
}

impl View<'_> {
    fn countersignature(
        &mut self,
        seen: &mut Seen,
        signed: &Countersignature,
        theirs: Option<&Known>,
    ) {
        let sequence = signed.tip.sequence;
        let by = &signed.by;
        let theirs = theirs.filter(|_| by != self.region);
        let known = theirs.and_then(|theirs| theirs.keys.get(&signed.key));
        let Some(until) = known else {
            let is_earlier = theirs.is_some_and(|theirs| theirs.earlier.contains(&signed.key));
            if is_earlier && seen.has_signed(&signed.tip) && signed.is_signed() {
                return;
            }
            let says = format!(
                "countersigned for {by} by {}, which is no trusted key of another region",
                signed.key
            );
            self.fault(Name::UntrustedKey, sequence, says);
            return;
        };
        let is_over = |until: &Timestamp| signed.at > until.checked_add(CLOCKS).unwrap_or(*until);
        if let Some(until) = until.filter(|until| is_over(until)) {
            let says = format!(
                "countersigned for {by} on {} by {}, which another key had replaced on {until}",
                signed.at, signed.key
            );
            self.fault(Name::UntrustedKey, sequence, says);
            return;
        }
        if !signed.is_signed() {
            let says = format!("the signature of {by} is not over this countersignature");
            self.fault(Name::BadSignature, sequence, says);
            return;
        }
        if sequence > seen.end() {
            let says = format!(
                "countersigned by {by} on {}; the records end at {}",
                signed.at,
                seen.end()
            );
            self.fault(Name::TruncatedTail, sequence, says);
            return;
        }
        let mut holds = true;
        for tip in [Some(signed.tip), signed.previous].into_iter().flatten() {
            if tip.sequence > 0 && seen.hash(tip.sequence).is_some_and(|hash| hash != tip.head) {
                let says = format!("{by} countersigned another record here on {}", signed.at);
                self.fault(Name::Forked, tip.sequence, says);
                holds = false;
            }
        }
        if holds && seen.index(sequence).is_some() {
            let reached = seen.checked.witnesses.entry(by.clone()).or_default();
            *reached = (*reached).max(sequence);
        }
    }
}
