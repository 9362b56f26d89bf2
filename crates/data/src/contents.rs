//! The contents of a file, decompressed where they are gzip, hashed where that is asked for.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use flate2::bufread::MultiGzDecoder;
use sha2::{Digest, Sha256};

use crate::fingerprint::hex;
use eras_tensor::{Error, Result};

/// A reader takes at most `RATIO` times the length of a compressed file and 64 MiB, whatever the file announces: this
/// much for what it keeps, the rest for buffers and the decoder. (Deflate itself ends at 1032 times the length.)
const FREE: u64 = 60 << 20;
const RATIO: u64 = 4;

/// A stream of contents that knows its name, so that every error can say it.
pub(crate) struct Contents<'a> {
    path: PathBuf,
    stream: Box<dyn Read + Send + 'a>,
    /// Of the file as it is stored.
    length: u64,
    limit: Limit,
    count: u64,
    hasher: Option<Sha256>,
}

/// How many bytes the contents can have.
#[derive(Clone, Copy)]
enum Limit {
    /// A plain file: its length.
    Exactly(u64),
    /// A known one that is compressed: the length of the right contents.
    Known(u64),
    /// A compressed one: what its length makes believable.
    AtMost(u64),
}

/// What is in the file at `path`, decompressed where it is gzip.
///
/// # Errors
/// If it cannot be read, or is compressed so well that nobody believes it.
pub fn read_contents(path: impl AsRef<Path>) -> Result<Vec<u8>> {
    let mut contents = Contents::open(path.as_ref())?;
    let (mut bytes, mut piece) = (Vec::new(), vec![0; 1 << 16]);
    loop {
        match contents.next(&mut piece)? {
            0 => return Ok(bytes),
            n => bytes.extend_from_slice(&piece[..n]),
        }
    }
}

impl<'a> Contents<'a> {
    /// Opens the file at `path`.
    pub(crate) fn open(path: &Path) -> Result<Contents<'static>> {
        let (file, length) = Self::file(path)?;
        Contents::new(path.into(), file, length)
    }

    /// Opens the file at `path` as it is stored: what is compressed stays so.
    pub(crate) fn open_stored(path: &Path) -> Result<Contents<'static>> {
        let (file, length) = Self::file(path)?;
        Ok(Contents::from_stream(
            path.into(),
            Box::new(file),
            length,
            Limit::Exactly(length),
        ))
    }

    /// The file at `path` and its length.
    fn file(path: &Path) -> Result<(BufReader<File>, u64)> {
        let file = File::open(path).map_err(|e| Error::io(path, &e))?;
        let meta = file.metadata().map_err(|e| Error::io(path, &e))?;
        if !meta.is_file() {
            return Err(Error::file(
                path,
                "found something that is not a file, wanted a file",
            ));
        }
        Ok((BufReader::with_capacity(1 << 16, file), meta.len()))
    }

    /// Reads from memory; `name` stands for the path.
    pub(crate) fn of_bytes(name: &str, bytes: &'a [u8]) -> Result<Self> {
        Self::new(name.into(), bytes, bytes.len() as u64)
    }

    fn new(path: PathBuf, mut stored: impl BufRead + Send + 'a, length: u64) -> Result<Self> {
        let is_gzip = stored
            .fill_buf()
            .map_err(|e| Error::io(&path, &e))?
            .starts_with(&[0x1f, 0x8b]);
        let (stream, limit): (Box<dyn Read + Send + 'a>, _) = if is_gzip {
            let limit = length.saturating_mul(RATIO).saturating_add(FREE);
            (Box::new(MultiGzDecoder::new(stored)), Limit::AtMost(limit))
        } else {
            (Box::new(stored), Limit::Exactly(length))
        };
        Ok(Self::from_stream(path, stream, length, limit))
    }

    fn from_stream(
        path: PathBuf,
        stream: Box<dyn Read + Send + 'a>,
        length: u64,
        limit: Limit,
    ) -> Self {
        Self {
            path,
            stream,
            length,
            limit,
            count: 0,
            hasher: None,
        }
    }

    /// The same, for a reader that keeps up to `bytes` bytes for each byte of contents.
    pub(crate) fn each_becomes(mut self, bytes: u64) -> Self {
        if let Limit::AtMost(limit) = &mut self.limit {
            *limit /= bytes;
        }
        self
    }

    /// The same, of which it is known that `length` bytes are right, however well they are compressed.
    pub(crate) fn known(mut self, length: u64) -> Self {
        if matches!(self.limit, Limit::AtMost(_)) {
            self.limit = Limit::Known(length);
        }
        self
    }

    /// The same, hashing every byte that is read from here on.
    pub(crate) fn hashed(mut self) -> Self {
        self.hasher = Some(Sha256::new());
        self
    }

    /// The length of the file as it is stored.
    pub(crate) fn stored(&self) -> u64 {
        self.length
    }

    /// How many more bytes there can be.
    pub(crate) fn left(&self) -> u64 {
        let (Limit::Exactly(all) | Limit::Known(all) | Limit::AtMost(all)) = self.limit;
        all.saturating_sub(self.count)
    }

    /// Where the bytes come from.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether the whole contents can be `wanted` bytes: a check before room is made for them.
    pub(crate) fn expect_length(&self, what: &str, wanted: u64) -> Result<()> {
        match self.limit {
            Limit::Exactly(found) if found != wanted => Err(Error::file(
                &self.path,
                format!(
                    "{what} makes {wanted} bytes, but the file has {found}: it was cut off or altered"
                ),
            )),
            Limit::Known(length) if wanted != length => Err(Error::file(
                &self.path,
                format!("{what} makes {wanted} bytes, but {length} are right: it was altered"),
            )),
            Limit::AtMost(limit) if wanted > limit => Err(Error::file(
                &self.path,
                format!(
                    "{what} makes {wanted} bytes, but no more than {limit} are believed of a compressed file of \
                     this length; if it is right, decompress it first"
                ),
            )),
            _ => Ok(()),
        }
    }

    /// Fills `buffer`; contents that end before are an error.
    pub(crate) fn fill(&mut self, buffer: &mut [u8]) -> Result<()> {
        if self.fill_or_end(buffer)? {
            return Ok(());
        }
        Err(self.cut_off(buffer.len() as u64))
    }

    /// Fills `buffer`, or says that the contents ended before its first byte; an end within it is an error.
    pub(crate) fn fill_or_end(&mut self, buffer: &mut [u8]) -> Result<bool> {
        let mut filled = 0;
        while filled < buffer.len() {
            match self.next(&mut buffer[filled..])? {
                0 if filled == 0 => return Ok(false),
                0 => return Err(self.cut_off((buffer.len() - filled) as u64)),
                n => filled += n,
            }
        }
        Ok(true)
    }

    /// Passes over `count` bytes.
    pub(crate) fn skip(&mut self, mut count: u64) -> Result<()> {
        let mut piece = [0; 1 << 12];
        while count > 0 {
            let now = piece
                .len()
                .min(usize::try_from(count).unwrap_or(usize::MAX));
            self.fill(&mut piece[..now])?;
            count -= now as u64;
        }
        Ok(())
    }

    fn cut_off(&self, missing: u64) -> Error {
        let (found, wanted) = (self.count, self.count + missing);
        Error::file(
            &self.path,
            format!(
                "ends after {found} bytes of contents, wanted at least {wanted}: it was cut off"
            ),
        )
    }

    /// Makes sure that nothing follows (which also has gzip's own check sum checked) and gives the SHA-256 in hex
    /// of what was read since [`Contents::hashed`].
    pub(crate) fn end(mut self) -> Result<Option<String>> {
        if self.next(&mut [0])? != 0 {
            let read = self.count - 1;
            return Err(Error::file(
                &self.path,
                format!("goes on after the {read} bytes of contents it should have"),
            ));
        }
        Ok(self.hasher.map(|hasher| hex(&hasher.finalize())))
    }

    /// Reads to the end, at most `limit` bytes, keeping none of them, and gives their SHA-256 in hex.
    pub(crate) fn sha256(self, limit: u64) -> Result<String> {
        let mut contents = self.hashed();
        let mut buffer = vec![0; 1 << 16];
        while contents.next(&mut buffer)? != 0 {
            if contents.count > limit {
                return Err(Error::file(
                    &contents.path,
                    format!("has more than the {limit} bytes it should have"),
                ));
            }
        }
        Ok(contents
            .hasher
            .map(|hasher| hex(&hasher.finalize()))
            .unwrap_or_default())
    }

    /// Some of the bytes that follow; none at the end.
    fn next(&mut self, buffer: &mut [u8]) -> Result<usize> {
        self.read(buffer).map_err(|e| {
            let message = format!(
                "cannot be read past byte {} of its contents: {e}",
                self.count
            );
            Error::file(&self.path, message).caused_by(e)
        })
    }
}

impl Read for Contents<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = loop {
            match self.stream.read(buffer) {
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                result => break result?,
            }
        };
        self.count += n as u64;
        if let Limit::AtMost(limit) = self.limit
            && self.count > limit
        {
            return Err(io::Error::other(format!(
                "more than {limit} bytes are not believed of a file of this length"
            )));
        }
        if let Some(hasher) = &mut self.hasher {
            hasher.update(&buffer[..n]);
        }
        Ok(n)
    }
}
