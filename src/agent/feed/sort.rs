//! Sorts more than fits into memory: runs on disk, merged.
//!
//! In: records of a key and a value. Out: the same records in byte order, as often as wanted. Memory stays the
//! same however many there are: one buffer while they come in, one block per open run while they go out. What is
//! written leaves the page cache again, for a pod pays for that too.
//! The published crates for this bound a buffer by records, not by bytes, and leave the cache full.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Seek as _, Write};
use std::num::NonZeroU64;
use std::path::{Path, PathBuf};

use rustix::fs::{Advice, fadvise};

/// Runs that are merged at once; as many more become one longer run. Bounds open files and blocks.
const FAN_IN: usize = 48;
/// What is read of a run at a time.
const BLOCK_BYTES: usize = 64 * 1024;
/// Written bytes after which they are flushed to disk and dropped from the page cache.
const FLUSH_BYTES: u64 = 4 * 1024 * 1024;

/// Takes records in any order.
pub(super) struct Sorter {
    dir: PathBuf,
    /// Bytes of records and their places that are held before they are spilled.
    budget: usize,
    bytes: Vec<u8>,
    places: Vec<Place>,
    /// Runs by level: `FAN_IN` runs of one level make one of the next.
    levels: Vec<Vec<Run>>,
}

/// Where a record lies in the buffer.
#[derive(Clone, Copy)]
struct Place {
    start: u32,
    key: u32,
    value: u32,
}

/// A sorted file that is gone with its last reader.
struct Run {
    file: File,
}

/// Records that are sorted.
pub(super) struct Sorted {
    runs: Vec<Run>,
}

/// Records in order.
pub(super) struct Merge {
    heap: BinaryHeap<Reverse<Head>>,
    readers: Vec<RunReader>,
    /// The record that was handed out last.
    current: Option<Head>,
}

/// A run's next record. Ordered by key, then value, then run.
#[derive(Default, PartialEq, Eq, PartialOrd, Ord)]
struct Head {
    key: Vec<u8>,
    value: Vec<u8>,
    run: usize,
}

impl Sorter {
    /// A sorter that spills into `dir` whenever it holds `budget` bytes.
    pub(super) fn new(dir: &Path, budget: usize) -> Self {
        Self {
            dir: dir.to_owned(),
            budget,
            bytes: Vec::new(),
            places: Vec::new(),
            levels: Vec::new(),
        }
    }

    /// Takes a record.
    pub(super) fn push(&mut self, key: &[u8], value: &[u8]) -> io::Result<()> {
        let held = self.bytes.len() + self.places.len() * size_of::<Place>();
        if !self.places.is_empty() && held + key.len() + value.len() > self.budget {
            self.spill()?;
        }
        if self.bytes.capacity() == 0 {
            // At once: a buffer that doubles holds three halves of itself while it grows.
            self.bytes.reserve_exact(self.budget);
        }
        let length = |bytes: &[u8]| u32::try_from(bytes.len()).map_err(io::Error::other);
        self.places.push(Place {
            start: u32::try_from(self.bytes.len()).map_err(io::Error::other)?,
            key: length(key)?,
            value: length(value)?,
        });
        self.bytes.extend_from_slice(key);
        self.bytes.extend_from_slice(value);
        Ok(())
    }

    /// All records, sorted.
    pub(super) fn finish(mut self) -> io::Result<Sorted> {
        self.spill()?;
        Ok(Sorted {
            runs: self.levels.into_iter().flatten().collect(),
        })
    }

    fn spill(&mut self) -> io::Result<()> {
        if self.places.is_empty() {
            return Ok(());
        }
        let bytes = &self.bytes;
        let record = |place: &Place| {
            let (start, key) = (place.start as usize, place.key as usize);
            bytes[start..start + key + place.value as usize].split_at(key)
        };
        self.places
            .sort_unstable_by(|one, other| record(one).cmp(&record(other)));
        let mut writer = RunWriter::new(&self.dir)?;
        for place in &self.places {
            let (key, value) = record(place);
            writer.write(key, value)?;
        }
        let run = writer.finish()?;
        self.places.clear();
        self.bytes.clear();
        self.keep(run, 0)
    }

    /// Keeps a run; a full level becomes one run of the next.
    fn keep(&mut self, run: Run, level: usize) -> io::Result<()> {
        if self.levels.len() == level {
            self.levels.push(Vec::new());
        }
        self.levels[level].push(run);
        if self.levels[level].len() < FAN_IN {
            return Ok(());
        }
        let mut full = Sorted {
            runs: std::mem::take(&mut self.levels[level]),
        };
        let mut writer = RunWriter::new(&self.dir)?;
        let mut merge = full.merge()?;
        while let Some((key, value)) = merge.next()? {
            writer.write(key, value)?;
        }
        let longer = writer.finish()?;
        self.keep(longer, level + 1)
    }
}

impl Sorted {
    /// The records from the first on. One merge at a time: they share the files.
    pub(super) fn merge(&mut self) -> io::Result<Merge> {
        let mut merge = Merge {
            heap: BinaryHeap::with_capacity(self.runs.len()),
            readers: Vec::with_capacity(self.runs.len()),
            current: None,
        };
        for (at, run) in self.runs.iter_mut().enumerate() {
            let mut reader = RunReader::new(run)?;
            let mut head = Head {
                run: at,
                ..Head::default()
            };
            if reader.read(&mut head)? {
                merge.heap.push(Reverse(head));
            }
            merge.readers.push(reader);
        }
        Ok(merge)
    }
}

impl Merge {
    /// The next record's key and value.
    pub(super) fn next(&mut self) -> io::Result<Option<(&[u8], &[u8])>> {
        // Its buffers are used again for the run's next record.
        if let Some(mut head) = self.current.take()
            && self.readers[head.run].read(&mut head)?
        {
            self.heap.push(Reverse(head));
        }
        self.current = self.heap.pop().map(|Reverse(head)| head);
        Ok(self
            .current
            .as_ref()
            .map(|head| (head.key.as_slice(), head.value.as_slice())))
    }
}

/// Writes a run and keeps it out of the page cache.
struct RunWriter {
    file: BufWriter<File>,
    written: u64,
    flushed: u64,
}

impl RunWriter {
    fn new(dir: &Path) -> io::Result<Self> {
        Ok(Self {
            // Unlinked from the start: whatever ends the process, nothing stays.
            file: BufWriter::with_capacity(BLOCK_BYTES, tempfile::tempfile_in(dir)?),
            written: 0,
            flushed: 0,
        })
    }

    fn write(&mut self, key: &[u8], value: &[u8]) -> io::Result<()> {
        for part in [key, value] {
            let length = u32::try_from(part.len()).map_err(io::Error::other)?;
            self.file.write_all(&length.to_le_bytes())?;
        }
        self.file.write_all(key)?;
        self.file.write_all(value)?;
        self.written += 8 + (key.len() + value.len()) as u64;
        if self.written - self.flushed >= FLUSH_BYTES {
            self.flush()?;
        }
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()?;
        let file = self.file.get_ref();
        // Only clean pages can be dropped.
        file.sync_data()?;
        evict(file, 0, self.written);
        self.flushed = self.written;
        Ok(())
    }

    fn finish(mut self) -> io::Result<Run> {
        self.flush()?;
        let file = self
            .file
            .into_inner()
            .map_err(io::IntoInnerError::into_error)?;
        Ok(Run { file })
    }
}

/// Reads a run block by block and keeps it out of the page cache.
struct RunReader(BufReader<Evicting>);

struct Evicting {
    file: File,
    at: u64,
}

impl RunReader {
    fn new(run: &mut Run) -> io::Result<Self> {
        run.file.rewind()?;
        // Blocks are read one by one: what the kernel reads ahead of dozens of runs would fill the cache.
        let _ = fadvise(&run.file, 0, None, Advice::Random);
        let file = run.file.try_clone()?;
        Ok(Self(BufReader::with_capacity(
            BLOCK_BYTES,
            Evicting { file, at: 0 },
        )))
    }

    /// Fills `head` with the next record; false at the end.
    fn read(&mut self, head: &mut Head) -> io::Result<bool> {
        if io::BufRead::fill_buf(&mut self.0)?.is_empty() {
            return Ok(false);
        }
        let mut lengths = [[0_u8; 4]; 2];
        for length in &mut lengths {
            self.0.read_exact(length)?;
        }
        let [key, value] = lengths.map(u32::from_le_bytes);
        for (part, length) in [(&mut head.key, key), (&mut head.value, value)] {
            part.resize(length as usize, 0);
            self.0.read_exact(part)?;
        }
        Ok(true)
    }
}

impl Read for Evicting {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read(buffer)?;
        // From a block back: a page of which the last read took a part is whole only now.
        let from = self.at.saturating_sub(BLOCK_BYTES as u64);
        self.at += read as u64;
        evict(&self.file, from, self.at - from);
        Ok(read)
    }
}

/// Advice, so a file system that does not take it (tmpfs) costs memory and nothing else.
fn evict(file: &File, from: u64, length: u64) {
    if let Some(length) = NonZeroU64::new(length) {
        let _ = fadvise(file, from, Some(length), Advice::DontNeed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    type Record = (Vec<u8>, Vec<u8>);

    fn sorted(records: &[Record], budget: usize) -> Sorted {
        let dir = tempfile::tempdir().unwrap();
        let mut sorter = Sorter::new(dir.path(), budget);
        for (key, value) in records {
            sorter.push(key, value).unwrap();
        }
        let sorted = sorter.finish().unwrap();
        // The runs are unlinked: the folder is empty, and gone while they are still read.
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
        sorted
    }

    fn all(sorted: &mut Sorted) -> Vec<Record> {
        let mut merge = sorted.merge().unwrap();
        let mut records = Vec::new();
        while let Some((key, value)) = merge.next().unwrap() {
            records.push((key.to_vec(), value.to_vec()));
        }
        records
    }

    #[test]
    fn more_runs_than_fit_one_merge_are_merged_in_levels() {
        let runs = FAN_IN * FAN_IN + FAN_IN + 3;
        let records: Vec<Record> = (0..runs * 2)
            .map(|at| {
                (
                    format!("{:06}", at * 7919 % 99_991).into_bytes(),
                    vec![b'v'; at % 5],
                )
            })
            .collect();
        // Two records a run.
        let mut sorted = sorted(&records, 2 * (6 + 4 + size_of::<Place>()));
        assert!(sorted.runs.len() < 2 * FAN_IN, "{}", sorted.runs.len());
        let mut expected = records;
        expected.sort();
        assert_eq!(all(&mut sorted), expected);
    }

    #[test]
    fn a_record_larger_than_the_budget_passes() {
        let records = vec![
            (b"b".to_vec(), vec![b'x'; 300_000]),
            (b"a".to_vec(), vec![]),
        ];
        let mut sorted = sorted(&records, 1000);
        assert_eq!(all(&mut sorted)[1], records[0]);
    }

    #[test]
    fn nothing_in_nothing_out() {
        assert!(all(&mut sorted(&[], 1000)).is_empty());
    }

    proptest! {
        #[test]
        fn what_comes_out_is_what_went_in_sorted_each_time(
            records in prop::collection::vec(
                (prop::collection::vec(any::<u8>(), 0..6), prop::collection::vec(any::<u8>(), 0..20)), 0..200
            ),
            budget in 1usize..2000,
        ) {
            let mut sorted = sorted(&records, budget);
            let mut expected = records;
            expected.sort();
            prop_assert_eq!(&all(&mut sorted), &expected);
            prop_assert_eq!(&all(&mut sorted), &expected);
        }
    }
}
