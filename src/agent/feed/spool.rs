//! The files as they will be written: sorted on disk, walked as often as needed, always with the same bytes.
//!
//! In: lines of CSV by id. Out: the file's bytes, and their count and hash.

use std::io::{self, Read};

use sha2::{Digest as _, Sha256};

use super::sort::Sorted;
use super::source::Metered;

/// What a file is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    /// Its lines without the header.
    pub(super) items: i64,
    /// Its size.
    pub(super) bytes: i64,
    /// `sha256-<hex>` of it.
    pub(super) hash: String,
}

/// A file: a header, and lines sorted by id.
pub(super) struct Spool {
    header: Vec<u8>,
    lines: Sorted,
    /// Whether an id may have one line only.
    unique: bool,
}

/// Takes the next bytes of the file.
type Take<'a> = dyn FnMut(&[u8]) -> io::Result<()> + 'a;

/// Takes an id of which `lines` lines are not in the file.
type Twice<'a> = dyn FnMut(&[u8], i64) -> io::Result<()> + 'a;

impl Spool {
    /// A file in which every line counts.
    pub(super) fn new(header: Vec<u8>, lines: Sorted) -> Self {
        Self {
            header,
            lines,
            unique: false,
        }
    }

    /// A file in which an id has one line. Of equal lines one is taken; lines that differ are all left out, for
    /// nobody can say which is right, and whichever came first would depend on the source's order.
    pub(super) fn unique(header: Vec<u8>, lines: Sorted) -> Self {
        Self {
            header,
            lines,
            unique: true,
        }
    }

    /// Walks the file for its count and hash; `twice` hears of lines that are left out.
    pub(super) fn tally(&mut self, twice: &mut Twice<'_>) -> io::Result<Tally> {
        self.walk(&mut |_| Ok(()), twice)
    }

    /// Gives the file's bytes to `take`, and fails at the end if they are not those of `expected`: then the disk
    /// lied, and nothing may be published.
    pub(super) fn write(&mut self, expected: &Tally, take: &mut Take<'_>) -> io::Result<()> {
        if self.walk(take, &mut |_, _| Ok(()))? == *expected {
            Ok(())
        } else {
            Err(io::Error::other(
                "the spilled items changed between two walks",
            ))
        }
    }

    fn walk(&mut self, take: &mut Take<'_>, twice: &mut Twice<'_>) -> io::Result<Tally> {
        let mut file = Counting::new(take);
        file.bytes(&self.header)?;
        let mut merge = self.lines.merge()?;
        if !self.unique {
            while let Some((_, line)) = merge.next()? {
                file.line(line)?;
            }
            return Ok(file.tally());
        }
        let mut group = Group::default();
        while let Some((id, line)) = merge.next()? {
            if group.lines > 0 && group.id == id {
                group.lines += 1;
                group.differ |= group.line != line;
                continue;
            }
            group.end(&mut file, twice)?;
            group.begin(id, line);
        }
        group.end(&mut file, twice)?;
        Ok(file.tally())
    }
}

/// The lines of one id. Buffers are used again from group to group.
#[derive(Default)]
struct Group {
    id: Vec<u8>,
    line: Vec<u8>,
    lines: i64,
    differ: bool,
}

impl Group {
    fn begin(&mut self, id: &[u8], line: &[u8]) {
        self.id.clear();
        self.id.extend_from_slice(id);
        self.line.clear();
        self.line.extend_from_slice(line);
        self.lines = 1;
        self.differ = false;
    }

    fn end(&self, file: &mut Counting<'_, '_>, twice: &mut Twice<'_>) -> io::Result<()> {
        let taken = i64::from(self.lines > 0 && !self.differ);
        if taken == 1 {
            file.line(&self.line)?;
        }
        if self.lines > taken {
            twice(&self.id, self.lines - taken)?;
        }
        Ok(())
    }
}

/// Counts and hashes what passes.
struct Counting<'a, 't> {
    take: &'a mut Take<'t>,
    hash: Sha256,
    tally: Tally,
}

impl<'a, 't> Counting<'a, 't> {
    fn new(take: &'a mut Take<'t>) -> Self {
        Self {
            take,
            hash: Sha256::new(),
            tally: Tally::default(),
        }
    }

    fn bytes(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.hash.update(bytes);
        self.tally.bytes += i64::try_from(bytes.len()).map_err(io::Error::other)?;
        (self.take)(bytes)
    }

    fn line(&mut self, line: &[u8]) -> io::Result<()> {
        self.tally.items += 1;
        self.bytes(line)
    }

    fn tally(self) -> Tally {
        Tally {
            hash: sha256(self.hash),
            ..self.tally
        }
    }
}

/// How hashes are written everywhere.
pub(super) fn sha256(hash: Sha256) -> String {
    format!("sha256-{}", hex::encode(hash.finalize()))
}

/// Count and hash of a file that an earlier run wrote.
pub(super) fn measure(file: impl Read) -> io::Result<Tally> {
    let mut hashing = Hashing {
        inner: file,
        hash: Sha256::new(),
        bytes: 0,
    };
    let items = {
        let (metered, meter) = Metered::new(&mut hashing);
        let mut rows = csv::Reader::from_reader(metered);
        let mut row = csv::ByteRecord::new();
        let mut items = 0;
        while rows.read_byte_record(&mut row).map_err(io::Error::other)? {
            meter.reset();
            items += 1;
        }
        items
    };
    Ok(Tally {
        items,
        bytes: hashing.bytes,
        hash: sha256(hashing.hash),
    })
}

struct Hashing<R> {
    inner: R,
    hash: Sha256,
    bytes: i64,
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.hash.update(&buffer[..read]);
        self.bytes += i64::try_from(read).map_err(io::Error::other)?;
        Ok(read)
    }
}
