//! Every bit of an export.

use super::world::{World, moment};
use super::*;

/// Whether a changed line is found. Only this line is read anew: the others stand in `others`, in their order.
fn found(others: &Verifier<'_>, line: &[u8], place: usize) -> bool {
    let mut verifier = others.clone();
    let _ = verifier.line(line);
    if !verifier.faults.told.is_empty() {
        return true;
    }
    // It was read last and belongs where it stood.
    for chain in verifier.chains.values_mut() {
        if chain.links.len() > place && others.chains["region-0"].links.len() < chain.links.len() {
            let link = chain.links.pop().unwrap();
            chain.links.insert(place, link);
        }
    }
    !verifier.finish(moment(100_000), BOUND).faults.is_empty()
}

#[test]
fn every_bit_of_32_kib_counts() {
    let world = World::signed(1, 114, 114);
    let (trust, text) = (world.trust(), world.text());
    assert!(text.len() >= 32 * 1024, "{} bytes", text.len());
    assert_eq!(verify(&trust, &text).faults, []);
    let lines: Vec<&[u8]> = text.split(|byte| *byte == b'\n').collect();
    let lines = &lines[..lines.len() - 1];
    let (mut tried, mut caught, mut missed) = (0, 0, Vec::new());
    for (place, line) in lines.iter().enumerate() {
        let mut others = Verifier::new(&trust);
        for (_, other) in lines.iter().enumerate().filter(|(i, _)| *i != place) {
            let _ = others.line(other);
        }
        assert!(!found(&others, line, place), "line {place} as it was");
        for bit in 0..line.len() * 8 {
            let mut line = line.to_vec();
            line[bit / 8] ^= 1 << (bit % 8);
            tried += 1;
            if found(&others, &line, place) {
                caught += 1;
            } else {
                missed.push((place, bit));
            }
        }
    }
    // The line feeds, and a sample of all bits, by the whole text.
    let feeds = (0..text.len()).filter(|at| text[*at] == b'\n');
    let feeds = feeds.flat_map(|at| at * 8..at * 8 + 8);
    for bit in feeds.chain((0..text.len() * 8).step_by(9973)) {
        let mut text = text.clone();
        text[bit / 8] ^= 1 << (bit % 8);
        tried += 1;
        if verify(&trust, &text).faults.is_empty() {
            missed.push((usize::MAX, bit));
        } else {
            caught += 1;
        }
    }
    println!(
        "bits of {} bytes: tried {tried}, found {caught}",
        text.len()
    );
    assert_eq!(missed, []);
    assert!(tried > text.len() * 8);
}
