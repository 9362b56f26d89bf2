//! The JPEG files of an archive.

use super::{Cifar10, Fill, PIXELS, Rows};
use eras_kernels::team;
use eras_tensor::{Error, Result};
use std::sync::Mutex;

/// The longest file that is believed of a picture of 32 x 32 pixels.
const LONGEST: u64 = 1 << 16;
/// What reading may take, as for other pictures: this much, and so much more for each byte of the archive.
const FREE: u64 = 40 << 20;
const RATIO: u64 = 128;
/// What a picture takes beside its file and its pixels, in bytes: names and lists.
const BESIDE: u64 = 512;

/// Pictures of an archive that were not decoded yet.
pub(super) struct Jpegs {
    /// Of the training set, then of the test set.
    files: [Vec<Jpeg>; 2],
    /// Bytes that may still be taken.
    left: u64,
}

struct Jpeg {
    /// The name of the file and the number of the class: what it is sorted by.
    key: (String, usize),
    name: String,
    #[cfg_attr(
        not(feature = "image"),
        expect(dead_code, reason = "without that feature nothing is decoded")
    )]
    bytes: Vec<u8>,
}

impl Jpegs {
    /// For an archive of `length` bytes as it is stored.
    pub(super) fn new(length: u64) -> Self {
        Self {
            files: Default::default(),
            left: length.saturating_mul(RATIO).saturating_add(FREE),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.files.iter().all(Vec::is_empty)
    }

    /// Reads the file `name` of `size` bytes if it is a picture of a class; passes over others.
    pub(super) fn read(&mut self, name: &str, size: u64, fill: Fill<'_>) -> Result<()> {
        let Some((half, class, file)) = parts(name) else {
            return Ok(());
        };
        let known = Cifar10::CLASSES.iter().position(|known| *known == class);
        let Some(class) = known else {
            return Err(Error::new(format!(
                "found a class that is none of {}",
                Cifar10::CLASSES.join(", ")
            )));
        };
        if size > LONGEST {
            return Err(Error::new(format!(
                "found {size} bytes, wanted {LONGEST} at most for a picture of 32 x 32 pixels"
            )));
        }
        let taken = size + PIXELS as u64 + BESIDE + 2 * name.len() as u64;
        self.left = self.left.checked_sub(taken).ok_or_else(|| {
            Error::new(
                "with it there are more pictures than are believed of an archive of this length",
            )
        })?;
        let mut bytes = vec![0; size as usize];
        fill(&mut bytes)?;
        self.files[half].push(Jpeg {
            key: (file.to_owned(), class),
            name: name.to_owned(),
            bytes,
        });
        Ok(())
    }

    /// Decodes all pictures.
    pub(super) fn finish(self) -> Result<Cifar10> {
        let [train, test] = self.files;
        for (half, files) in [("train", &train), ("test", &test)] {
            if files.is_empty() {
                return Err(Error::new(format!("found no pictures in {half}/<class>/")));
            }
        }
        Ok(Cifar10 {
            train: decode_all(train)?.images()?,
            test: decode_all(test)?.images()?,
        })
    }
}

/// The half (0 for the training set), the class and the file that `.../train/cat/0001.jpg` names.
fn parts(name: &str) -> Option<(usize, &str, &str)> {
    let mut parts = name.rsplit('/');
    let (file, class, half) = (parts.next()?, parts.next()?, parts.next()?);
    let half = ["train", "test"].iter().position(|name| *name == half)?;
    let (stem, ending) = file.rsplit_once('.')?;
    let is_picture = ["jpg", "jpeg", "png"]
        .iter()
        .any(|known| ending.eq_ignore_ascii_case(known));
    let is_hidden = stem.is_empty() || stem.starts_with('.');
    (is_picture && !is_hidden).then_some((half, class, file))
}

/// The first picture that cannot be read is the error.
fn decode_all(mut files: Vec<Jpeg>) -> Result<Rows> {
    const AT_ONCE: usize = 32;
    files.sort_by(|a, b| a.key.cmp(&b.key));
    let mut rows = Rows::new(files.len())?;
    let first_error: Mutex<Option<(usize, Error)>> = Mutex::new(None);
    team::chunks_mut(&mut rows.pixels, AT_ONCE * PIXELS, |chunk, pixels| {
        let from = chunk * AT_ONCE;
        for (i, pixels) in (from..).zip(pixels.chunks_exact_mut(PIXELS)) {
            let Err(e) = decode(&files[i], pixels) else {
                continue;
            };
            let mut first = first_error.lock().unwrap_or_else(|e| e.into_inner());
            if first.as_ref().is_none_or(|(before, _)| i < *before) {
                *first = Some((i, e));
            }
        }
    });
    let first = first_error.into_inner().unwrap_or_else(|e| e.into_inner());
    if let Some((_, e)) = first {
        return Err(e);
    }
    for (label, file) in rows.labels.iter_mut().zip(&files) {
        *label = file.key.1 as i64;
    }
    Ok(rows)
}

#[cfg(feature = "image")]
fn decode(file: &Jpeg, pixels: &mut [u8]) -> Result<()> {
    use crate::{Color, Picture};
    let name = std::path::Path::new(&file.name);
    let picture = Picture::of_size(name, &file.bytes, [32, 32], Color::Rgb)?;
    pixels.copy_from_slice(&picture.pixels);
    Ok(())
}

#[cfg(not(feature = "image"))]
fn decode(file: &Jpeg, _pixels: &mut [u8]) -> Result<()> {
    let message = "this build reads no JPEG files (cargo feature `image`)";
    Err(Error::file(&file.name, message))
}
