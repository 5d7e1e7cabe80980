//! Every bit of an export.

use super::mixed::mixed;
use super::world::moment;
use super::*;

/// Where a line's record stands: its region, and how many of the region's come before it. None for a signature.
type Place = Option<(String, usize)>;

/// Whether a changed line is found. Only this line is read anew: the others stand in `others`, in their order.
fn found(others: &Verifier<'_>, line: &[u8], place: &Place) -> bool {
    let mut verifier = others.clone();
    let _ = verifier.line(line);
    if !verifier.faults.told.is_empty() {
        return true;
    }
    // It was read last and belongs where it stood.
    if let Some((region, at)) = place
        && let Some(chain) = verifier.chains.get_mut(region)
        && others.chains[region].links.len() < chain.links.len()
    {
        let link = chain.links.pop().unwrap();
        chain.links.insert(*at, link);
    }
    // Most of it the next record tells, without a signature: that is quick.
    if place.is_some() {
        let mut bare = verifier.clone();
        for chain in bare.chains.values_mut() {
            chain.checkpoints.clear();
            chain.countersignatures.clear();
        }
        let faults = bare.finish(AsOf::Moment(moment(100_000)), BOUND).faults;
        let tied = [Name::Rewritten, Name::BrokenLink, Name::Reordered];
        if faults.iter().any(|fault| tied.contains(&fault.name)) {
            return true;
        }
    }
    !verifier
        .finish(AsOf::Moment(moment(100_000)), BOUND)
        .faults
        .is_empty()
}

/// Where each line's record stands.
fn places(lines: &[Vec<u8>]) -> Vec<Place> {
    let mut before: BTreeMap<String, usize> = BTreeMap::new();
    let place = |line: &Vec<u8>| match Line::parse(&line[..line.len() - 1]) {
        Ok(Line::Record(record)) => {
            let count = before.entry(record.region.clone()).or_default();
            *count += 1;
            Some((record.region, *count - 1))
        }
        _ => None,
    };
    lines.iter().map(place).collect()
}

/// How many bits of these lines were tried, and which of them, by line, nothing told of.
fn tried(
    (trust, lines): (&Trust, &[Vec<u8>]),
    which: impl Iterator<Item = usize>,
) -> (usize, Vec<(usize, usize)>) {
    let places = places(lines);
    let (mut tried, mut missed) = (0, Vec::new());
    for at in which {
        let mut others = Verifier::new(trust);
        for (_, other) in lines.iter().enumerate().filter(|(i, _)| *i != at) {
            let _ = others.line(&other[..other.len() - 1]);
        }
        let whole = &lines[at][..lines[at].len() - 1];
        assert!(!found(&others, whole, &places[at]), "line {at} as it was");
        let mut line = whole.to_vec();
        for bit in 0..line.len() * 8 {
            line[bit / 8] ^= 1 << (bit % 8);
            tried += 1;
            if !found(&others, &line, &places[at]) {
                missed.push((at, bit));
            }
            line[bit / 8] ^= 1 << (bit % 8);
        }
    }
    (tried, missed)
}

#[test]
fn every_bit_of_32_kib_counts() {
    let (trust, lines) = mixed();
    let text = lines.concat();
    assert!(text.len() >= 32 * 1024, "{} bytes", text.len());
    let whole = verify(&trust, &text);
    assert_eq!(whole.faults, []);
    let first = &whole.regions["region-0"];
    assert_eq!(
        (first.expired, first.rotations, first.committed),
        (Some(10), 1, 1)
    );
    assert!(first.kept.as_ref().unwrap().by_region);
    assert_eq!(first.witnesses.len(), 1);
    let halves = std::thread::scope(|scope| {
        let half = |odd: usize| {
            let (trust, lines) = (&trust, &lines[..]);
            scope.spawn(move || tried((trust, lines), (odd..lines.len()).step_by(2)))
        };
        [half(0), half(1)].map(|half| half.join().unwrap())
    });
    let mut count = halves[0].0 + halves[1].0;
    let mut missed = [&halves[0].1[..], &halves[1].1].concat();
    // The line feeds, and a sample of all bits, by the whole text.
    let feeds = (0..text.len()).filter(|at| text[*at] == b'\n');
    let feeds = feeds.flat_map(|at| at * 8..at * 8 + 8);
    for bit in feeds.chain((0..text.len() * 8).step_by(9973)) {
        let mut text = text.clone();
        text[bit / 8] ^= 1 << (bit % 8);
        count += 1;
        if verify(&trust, &text).faults.is_empty() {
            missed.push((usize::MAX, bit));
        }
    }
    world::print(&format!(
        "bits of {} bytes in {} lines of two regions: tried {count}, found {}",
        text.len(),
        lines.len(),
        count - missed.len()
    ));
    assert_eq!(missed, []);
    assert!(count > text.len() * 8);
}
