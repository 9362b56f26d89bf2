//! The IDX format of MNIST (LeCun, Cortes & Burges, "The MNIST database of handwritten digits"), plain or gzip.
//!
//! ```text
//! 0 0 type rank | rank sizes, u32 big-endian | values, big-endian, the last axis fastest
//! type: 8 u8, 9 i8, 11 i16, 12 i32, 13 f32, 14 f64
//! ```

use std::path::{Path, PathBuf};

use crate::contents::Contents;
use eras_tensor::{Error, Result};

/// The highest rank that is read: the highest a tensor has.
const MAX_RANK: usize = 8;
/// Bytes read at once: small enough to stay in the cache between decoder, hash and copy.
const PIECE: usize = 1 << 16;

/// An array read from an IDX file.
///
/// ```
/// use eras_data::Idx;
///
/// let file = [0, 0, 8, 1, 0, 0, 0, 3, 7, 8, 9];
/// let idx = Idx::from_bytes("three.idx", &file)?;
/// assert_eq!(idx.shape, [3]);
/// assert_eq!(idx.into_u8()?, [7, 8, 9]);
/// # Ok::<(), eras_tensor::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Idx {
    /// The size of each axis.
    pub shape: Vec<usize>,
    /// The values, the last axis fastest.
    pub values: IdxValues,
    path: PathBuf,
}

/// The values of an [`Idx`], of one of the six types the format knows.
#[derive(Debug, Clone, PartialEq)]
#[expect(missing_docs, reason = "each is named after its type")]
pub enum IdxValues {
    U8(Vec<u8>),
    I8(Vec<i8>),
    I16(Vec<i16>),
    I32(Vec<i32>),
    F32(Vec<f32>),
    F64(Vec<f64>),
}

impl Idx {
    /// Reads the file at `path`, compressed with gzip or not.
    ///
    /// # Errors
    /// If the file cannot be read, is no IDX file, or is shorter or longer than its header says. What the header
    /// says is compared with the length of the file before memory is taken.
    pub fn read(path: impl AsRef<Path>) -> Result<Self> {
        Ok(Self::decode(Contents::open(path.as_ref())?)?.0)
    }

    /// Reads a file that is in memory; errors call it `name`.
    ///
    /// # Errors
    /// As [`Idx::read`].
    pub fn from_bytes(name: &str, bytes: &[u8]) -> Result<Self> {
        Ok(Self::decode(Contents::of_bytes(name, bytes)?)?.0)
    }

    /// The values of a file of bytes.
    ///
    /// # Errors
    /// If the file holds another type.
    pub fn into_u8(self) -> Result<Vec<u8>> {
        let found = match self.values {
            IdxValues::U8(values) => return Ok(values),
            IdxValues::I8(_) => "i8",
            IdxValues::I16(_) => "i16",
            IdxValues::I32(_) => "i32",
            IdxValues::F32(_) => "f32",
            IdxValues::F64(_) => "f64",
        };
        Err(Error::file(
            &self.path,
            format!("found values of type {found}, wanted u8"),
        ))
    }

    /// Reads `contents` to the end; where they are hashed, the SHA-256 comes with the array.
    pub(crate) fn decode(mut contents: Contents<'_>) -> Result<(Self, Option<String>)> {
        let path = contents.path().to_path_buf();
        let mut magic = [0; 4];
        contents.fill(&mut magic)?;
        let width: u64 = match magic {
            [0, 0, 8 | 9, _] => 1,
            [0, 0, 11, _] => 2,
            [0, 0, 12 | 13, _] => 4,
            [0, 0, 14, _] => 8,
            _ => {
                let wanted = "wanted 00 00, a type of 08, 09, 0b, 0c, 0d or 0e, and the rank";
                return Err(Error::file(
                    &path,
                    format!("is not an IDX file: it begins with {magic:02x?}, {wanted}"),
                ));
            }
        };
        let rank = usize::from(magic[3]);
        if rank == 0 || rank > MAX_RANK {
            return Err(Error::file(
                &path,
                format!("found an IDX array of rank {rank}, wanted 1 to {MAX_RANK}"),
            ));
        }
        let mut sizes = [0; 4 * MAX_RANK];
        contents.fill(&mut sizes[..4 * rank])?;
        let shape: Vec<usize> = sizes[..4 * rank]
            .as_chunks()
            .0
            .iter()
            .map(|&size| u32::from_be_bytes(size) as usize)
            .collect();

        let count = shape
            .iter()
            .try_fold(1_u64, |n, &size| n.checked_mul(size as u64));
        let length = count
            .and_then(|n| n.checked_mul(width)?.checked_add(4 + 4 * rank as u64))
            .unwrap_or(u64::MAX);
        contents.expect_length(
            &format!("an IDX array {shape:?} of {width}-byte values"),
            length,
        )?;
        let count = count.unwrap_or(u64::MAX) as usize;

        let values = match magic[2] {
            8 => IdxValues::U8(values(&mut contents, count, u8::from_be_bytes)?),
            9 => IdxValues::I8(values(&mut contents, count, i8::from_be_bytes)?),
            11 => IdxValues::I16(values(&mut contents, count, i16::from_be_bytes)?),
            12 => IdxValues::I32(values(&mut contents, count, i32::from_be_bytes)?),
            13 => IdxValues::F32(values(&mut contents, count, f32::from_be_bytes)?),
            _ => IdxValues::F64(values(&mut contents, count, f64::from_be_bytes)?),
        };
        Ok((
            Self {
                shape,
                values,
                path,
            },
            contents.end()?,
        ))
    }
}

/// The next `count` values of `N` bytes each.
fn values<T, const N: usize>(
    contents: &mut Contents<'_>,
    count: usize,
    value: impl Fn([u8; N]) -> T,
) -> Result<Vec<T>> {
    let mut values = Vec::new();
    values.try_reserve_exact(count).map_err(|_| {
        Error::file(
            contents.path(),
            format!("holds {count} values, for which there is no memory"),
        )
    })?;
    let mut piece = vec![0; PIECE];
    while values.len() < count {
        let bytes = &mut piece[..PIECE.min((count - values.len()) * N)];
        contents.fill(bytes)?;
        values.extend(bytes.as_chunks().0.iter().map(|&bytes| value(bytes)));
    }
    Ok(values)
}
