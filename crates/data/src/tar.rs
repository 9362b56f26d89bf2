//! The tar format (POSIX.1-1988 `ustar`, with what GNU tar, pax and git add to it), read from beginning to end.
//!
//! ```text
//! header of 512 bytes: name 0..100 | size 124..136, octal | check sum 148..156, octal | type 156 | "ustar" 257..262 |
//!                      prefix of the name 345..500
//! contents, filled up to a multiple of 512
//! .. and two blocks of zeros at the end
//! ```
//!
//! Only files are handed out. Folders, links and notes are passed over: nothing is ever written, so a link leads nowhere.

use crate::contents::Contents;
use eras_tensor::{Error, Result};
use std::path::{Component, Path};

const BLOCK: usize = 512;

/// An archive that is being read.
pub(crate) struct Tar<'a> {
    contents: Contents<'a>,
    /// Bytes of the current file that were not read, and those that fill up its last block.
    left: u64,
    filling: u64,
}

/// A file of an archive.
pub(crate) struct Entry {
    /// Its path in the archive, which stays inside.
    pub(crate) name: String,
    /// Its length: no more than the archive can have left.
    pub(crate) size: u64,
}

impl<'a> Tar<'a> {
    pub(crate) fn new(contents: Contents<'a>) -> Self {
        Self {
            contents,
            left: 0,
            filling: 0,
        }
    }

    /// The next file; `None` at the end, which must be one.
    pub(crate) fn next_file(&mut self) -> Result<Option<Entry>> {
        loop {
            self.contents.skip(self.left + self.filling)?;
            (self.left, self.filling) = (0, 0);
            let mut block = [0; BLOCK];
            if !self.contents.fill_or_end(&mut block)? {
                return Err(self.wrong("ends without the mark of an end: it was cut off"));
            }
            if block == [0; BLOCK] {
                return self.end();
            }
            let header = self.header(&block)?;
            if header.size > self.contents.left() {
                let (name, left) = (header.name.escape_debug(), self.contents.left());
                let size = header.size;
                return Err(self.wrong(format!(
                    "`{name}` announces {size} bytes, but no more than {left} can follow: it was cut off or altered"
                )));
            }
            self.left = header.size;
            self.filling = header.size.next_multiple_of(BLOCK as u64) - header.size;
            // What POSIX knows as a file, and what came before.
            if !matches!(header.kind, b'0' | 0) {
                continue;
            }
            let leaves = |part| !matches!(part, Component::Normal(_) | Component::CurDir);
            if header.name.is_empty() || Path::new(&header.name).components().any(leaves) {
                let name = header.name.escape_debug();
                return Err(self.wrong(format!("`{name}` is a path that leaves the archive")));
            }
            return Ok(Some(Entry {
                name: header.name,
                size: header.size,
            }));
        }
    }

    /// The next bytes of the current file.
    pub(crate) fn fill(&mut self, buffer: &mut [u8]) -> Result<()> {
        debug_assert!(buffer.len() as u64 <= self.left, "beyond the end of a file");
        self.contents.fill(buffer)?;
        self.left -= buffer.len() as u64;
        Ok(())
    }

    /// An error about the archive.
    pub(crate) fn wrong(&self, message: impl Into<String>) -> Error {
        Error::file(self.contents.path(), message)
    }

    /// Nothing but zeros may follow the mark.
    fn end(&mut self) -> Result<Option<Entry>> {
        let mut block = [0; BLOCK];
        while self.contents.fill_or_end(&mut block)? {
            if block != [0; BLOCK] {
                return Err(self.wrong("goes on after the mark of its end"));
            }
        }
        Ok(None)
    }

    fn header(&self, block: &[u8; BLOCK]) -> Result<Header> {
        let no_tar = |what: &str| self.wrong(format!("is no tar archive, or was altered: {what}"));
        let number = |range| octal(&block[range]);
        // As if the check sum itself were blanks.
        let sum: u64 = block.iter().map(|byte| u64::from(*byte)).sum();
        let own: u64 = block[148..156].iter().map(|byte| u64::from(*byte)).sum();
        let wanted = sum - own + 8 * u64::from(b' ');
        match number(148..156) {
            Some(found) if found == wanted => {}
            _ => return Err(no_tar("the check sum of a header is wrong")),
        }
        let size = number(124..136).ok_or_else(|| no_tar("a size is no octal number"))?;
        let text = |range: std::ops::Range<usize>| {
            let bytes = &block[range];
            let end = bytes.iter().position(|byte| *byte == 0);
            String::from_utf8_lossy(&bytes[..end.unwrap_or(bytes.len())]).into_owned()
        };
        let (mut name, prefix) = (text(0..100), text(345..500));
        // GNU tar, whose mark goes on with a blank, keeps other things there.
        if block[257..263] == *b"ustar\0" && !prefix.is_empty() {
            name = format!("{prefix}/{name}");
        }
        Ok(Header {
            name,
            size,
            kind: block[156],
        })
    }
}

struct Header {
    name: String,
    size: u64,
    kind: u8,
}

/// A number in octal digits, ended by a blank or zero, perhaps behind blanks.
fn octal(field: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(field).ok()?;
    let digits = text.trim_matches(|c| c == ' ' || c == '\0');
    u64::from_str_radix(digits, 8).ok()
}
