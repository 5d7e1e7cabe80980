//! A chain of twelve records, of which the first eight are in two segments of an archive and no more on the hub.

use super::*;
use crate::evidence::{About, Kind, Object, Record, Signer, body, canonical, checkpoint, segment};
use crate::status::{Statement, When, expired, sealed};

const REGION: &str = "us";

struct World {
    folder: tempfile::TempDir,
    archive: Archive,
    chains: Chains,
    records: Vec<Record>,
}

impl World {
    async fn new() -> Self {
        let world = Self::sealed().await;
        world.removed(1..=8);
        world
    }

    /// Both segments are in the archive, and the hub has their records still.
    async fn sealed() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("file://{}", folder.path().display());
        let archive = Archive::open(&url, None).unwrap();
        let mut world = Self {
            folder,
            archive,
            chains: Chains::none("f"),
            records: Vec::new(),
        };
        for n in 0..10 {
            world.write(&Statement {
                kind: Kind::Run,
                about: About::cluster("DataPolicy", "p"),
                source: n.to_string(),
                body: Object::new(),
                when: When::Once,
            });
        }
        for first in [1, 5] {
            let text = world.text(first);
            let name = segment(REGION, first, first + 3);
            world.archive.put(&name, &text).await.unwrap();
            let read = Segment::parse(&text).unwrap();
            let seal = read.seal(REGION, world.tip(first - 1), "a").unwrap();
            let told = canonical::object(&seal).unwrap();
            world.write(&sealed(REGION, name, told));
        }
        world.sign();
        world
    }

    /// These are on the hub no more.
    fn removed(&self, places: std::ops::RangeInclusive<u64>) {
        for place in places {
            self.chains.removed(REGION, place);
        }
    }

    fn write(&mut self, statement: &Statement) {
        let record = self.chains.read(REGION, |chain| {
            let entry = chain.entry(statement, Timestamp::UNIX_EPOCH).unwrap();
            entry.append(REGION, &chain.tip())
        });
        self.chains.wrote(&record);
        self.records.push(record);
    }

    fn sign(&self) {
        let tip = self.chains.read(REGION, crate::status::Chain::tip);
        let signer = Signer::new(&[3; 32]);
        let made = checkpoint(&signer, REGION, tip, Timestamp::UNIX_EPOCH);
        self.chains.signed(&made.unwrap());
    }

    /// Where the chain stood at a place.
    fn tip(&self, place: u64) -> Tip {
        let before = usize::try_from(place).unwrap().checked_sub(1);
        before.map_or(Tip::genesis("f", REGION), |at| Tip::of(&self.records[at]))
    }

    /// The lines of four records.
    fn text(&self, first: u64) -> Vec<u8> {
        let mut segment = Segment::default();
        let four = self.records.iter();
        let four = four.filter(|record| (first..first + 4).contains(&record.sequence));
        for record in four {
            segment.take(record.clone(), Vec::new(), Vec::new());
        }
        segment.text().unwrap()
    }

    fn file(&self, first: u64) -> std::path::PathBuf {
        self.folder.path().join(segment(REGION, first, first + 3))
    }

    fn source(&self) -> Source<'_> {
        Source {
            archive: Some(&self.archive),
            chains: &self.chains,
            region: REGION,
        }
    }

    async fn after(&self, place: u64, most: usize) -> Result<Option<Part>, Unread> {
        let source = self.source();
        let part = source.archived(place, most).await?;
        Ok(source.on(part, (place, most)))
    }
}

/// From wherever a region had come it comes to the end, run after run, and at each of them no more is shown than there is room for.
#[tokio::test]
async fn run_after_run_a_region_is_shown_all_that_it_missed() {
    let world = World::new().await;
    for begun in 0..=12 {
        for most in 1..=13 {
            let (mut at, mut runs) = (begun, 0);
            while let Some((from, digests)) = world.after(at, most).await.unwrap() {
                assert_eq!(from, world.tip(at), "where it said that it was");
                assert!((1..=most).contains(&digests.len()), "{at}: {digests:?}");
                at += digests.len() as u64;
                runs += 1;
                assert_eq!(extend(from, &digests), world.tip(at));
            }
            let wanted = (12 - usize::try_from(begun).unwrap()).div_ceil(most);
            assert_eq!((at, runs), (12, wanted), "from {begun} by {most}");
        }
    }
}

/// All that there is room for or nothing: what ended earlier than before would look like a chain that was cut.
#[tokio::test]
async fn what_cannot_be_read_is_not_shown_in_part() {
    let world = World::new().await;
    let whole = world.after(2, 100).await.unwrap();
    std::fs::remove_file(world.file(5)).unwrap();
    let why = world.after(2, 100).await.unwrap_err();
    assert!(
        why.may_pass() && matches!(why, Unread::Archive(_)),
        "{why:?}"
    );
    assert!(
        why.to_string().starts_with("the archive does not give"),
        "{why}"
    );
    let near = world.after(2, 2).await.unwrap().unwrap();
    assert_eq!(near.1.len(), 2, "that is in the segment before");
    let name = segment(REGION, 5, 8);
    world.archive.put(&name, &world.text(5)).await.unwrap();
    assert_eq!(world.after(2, 100).await.unwrap(), whole);
    let nowhere = Source {
        archive: None,
        ..world.source()
    };
    assert_eq!(nowhere.archived(2, 100).await, Err(Unread::NoArchive));
    assert_eq!(nowhere.archived(8, 100).await, Ok(None), "the hub has it");
}

/// Whoever is shown a record that was changed and notes it refuses the true chain for ever.
#[tokio::test]
async fn what_is_not_what_was_sealed_is_told_and_never_shown() {
    let world = World::new().await;
    let mut forged = world.records[6].clone();
    forged.source = "another".to_owned();
    let mut changed = Segment::default();
    for record in [
        &world.records[4],
        &world.records[5],
        &forged,
        &world.records[7],
    ] {
        changed.take(record.clone(), Vec::new(), Vec::new());
    }
    let name = segment(REGION, 5, 8);
    for text in [changed.text().unwrap(), world.text(1), b"{}\n".to_vec()] {
        std::fs::remove_file(world.file(5)).unwrap();
        world.archive.put(&name, &text).await.unwrap();
        for place in 1..8 {
            let told = world.after(place, 100).await;
            assert_eq!(
                told,
                Err(Unread::Other {
                    segment: name.clone()
                })
            );
        }
        let said = said(&world, 6);
        let told = missed(&said, &world.after(6, 100).await);
        assert!(told.is_other && told.problem.unwrap().contains(&name));
    }
}

fn said(world: &World, place: u64) -> CountersignedTo {
    CountersignedTo {
        region: REGION.to_owned(),
        sequence: i64::try_from(place).unwrap(),
        head: world.tip(place).head.to_string(),
        problem: None,
    }
}

#[tokio::test]
async fn another_record_than_the_one_that_was_countersigned_is_told() {
    let world = World::new().await;
    for place in [6, 9] {
        let found = world.after(place, 100).await;
        let mut said = said(&world, place);
        assert_eq!(missed(&said, &found), Missed::default());
        said.head = Hash([0; 32]).to_string();
        let told = missed(&said, &found);
        let problem = told.problem.unwrap();
        assert!(
            told.is_other && problem.starts_with(&format!("record {place} ")),
            "{problem}"
        );
    }
}

#[tokio::test]
async fn what_went_by_rule_is_told_and_what_follows_it_is_shown() {
    let mut world = World::new().await;
    let expiry = body::Expiry {
        expired: world.tip(4),
        segment: segment(REGION, 1, 4),
        kept: "P1Y".to_owned(),
        regimes: Vec::new(),
    };
    world.write(&expired(REGION, &expiry));
    world.sign();
    std::fs::remove_file(world.file(1)).unwrap();
    assert_eq!(world.after(3, 100).await, Err(Unread::Expired { to: 4 }));
    assert!(!Unread::Expired { to: 4 }.may_pass());
    let (from, digests) = world.after(4, 100).await.unwrap().unwrap();
    assert_eq!((from, digests.len()), (world.tip(4), 9));
}

/// Looks are many: the archive is read when the region has come further, and one that gave nothing is asked again after a while.
#[tokio::test]
async fn what_was_read_is_kept_until_the_region_has_come_further() {
    let world = World::new().await;
    let (reads, source) = (Reads::default(), world.source());
    let key = || ("eu".to_owned(), REGION.to_owned());
    let read = async |place: u64, second: i64| {
        let now = Timestamp::from_second(second).unwrap();
        reads.read(key(), &source, (place, 3), now).await
    };
    let first = read(1, 0).await;
    assert!(first.found.as_ref().is_ok_and(Option::is_some));
    std::fs::remove_file(world.file(1)).unwrap();
    assert_eq!(read(1, 9999).await.found, first.found);
    let failed = read(2, 10_000).await;
    assert_eq!(failed.again_at, Timestamp::from_second(10_300).ok());
    assert!(matches!(failed.found, Err(Unread::Archive(_))));
    world
        .archive
        .put(&segment(REGION, 1, 4), &world.text(1))
        .await
        .unwrap();
    assert!(read(2, 10_299).await.found.is_err());
    let mended = read(2, 10_300).await;
    assert!(mended.found.is_ok() && mended.again_at.is_none());
    // Caught up, nothing is kept.
    reads.forget(&key());
    assert!(reads.lock().is_empty());
}

/// Records leave the hub after their seal was signed, with no other sign of it: what was read then no longer leads to what the hub has.
#[tokio::test]
async fn what_was_read_is_read_anew_once_the_hub_has_less() {
    let world = World::sealed().await;
    let (reads, source) = (Reads::default(), world.source());
    let key = ("eu".to_owned(), REGION.to_owned());
    for (gone, in_archive) in [(None, 0), (Some(1..=4), 2), (Some(5..=8), 6)] {
        if let Some(gone) = gone {
            world.removed(gone);
        }
        let read = reads.read(key.clone(), &source, (2, 100), Timestamp::UNIX_EPOCH);
        let part = read.await.found.unwrap();
        assert_eq!(part.as_ref().map_or(0, |(_, all)| all.len()), in_archive);
        let (_, shown) = source.on(part, (2, 100)).unwrap();
        assert_eq!(shown.len(), 10, "all after record 2, wherever it is");
    }
}
