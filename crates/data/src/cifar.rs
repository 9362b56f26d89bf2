//! CIFAR-10, in the official binary form or as JPEG files in an archive.
//!
//! ```text
//! data_batch_1.bin .. data_batch_5.bin, test_batch.bin     rows of 3,073 bytes: the label, then 32 x 32 red, green, blue
//! batches.meta.txt                                         the names of the classes, a line each
//!
//! train/<class>/<number>.jpg, test/<class>/<number>.jpg
//! ```

use crate::catalog::CIFAR10;
use crate::contents::Contents;
use crate::tar::{Entry, Tar};
use crate::{Images, Search};
use eras_tensor::{Error, Result};
use jpeg::Jpegs;
use std::path::Path;

mod jpeg;

/// Channels, height and width of a picture.
const SHAPE: [usize; 3] = [3, 32, 32];
/// Bytes of a picture.
const PIXELS: usize = 3 * 32 * 32;
/// Bytes of a picture with its label.
const ROW: usize = 1 + PIXELS;
/// The files of the binary form; the last one is the test set.
const BATCHES: [&str; 6] = [
    "data_batch_1.bin",
    "data_batch_2.bin",
    "data_batch_3.bin",
    "data_batch_4.bin",
    "data_batch_5.bin",
    "test_batch.bin",
];
const META: &str = "batches.meta.txt";

/// Small photographs: 50,000 to train on and 10,000 to test with, 32 x 32 pixels in colour (Krizhevsky 2009, "Learning
/// multiple layers of features from tiny images").
///
/// The batches are `(B, 3, 32, 32)` with values in [0, 1].
///
/// ```no_run
/// use eras_data::{Cifar10, Dataset};
///
/// let cifar = Cifar10::load()?;
/// assert_eq!((cifar.train.len(), cifar.test.len()), (50_000, 10_000));
/// assert_eq!(cifar.train.batch(&[0, 1])?.x.shape(), [2, 3, 32, 32]);
/// # Ok::<(), eras_tensor::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Cifar10 {
    /// 50,000 photographs.
    pub train: Images,
    /// 10,000 others.
    pub test: Images,
}

impl Cifar10 {
    /// The names of the classes.
    pub const CLASSES: [&str; 10] = [
        "airplane",
        "automobile",
        "bird",
        "cat",
        "deer",
        "dog",
        "frog",
        "horse",
        "ship",
        "truck",
    ];

    /// The means of red, green and blue over the training set, from 0 to 1.
    pub const MEAN: [f64; 3] = [0.4914, 0.4822, 0.4465];

    /// The standard deviations of red, green and blue over the training set.
    pub const STD: [f64; 3] = [0.2470, 0.2435, 0.2616];

    /// Loads it from where it is found ([`Search::from_env`]), downloading it (170 MB) if it is nowhere.
    ///
    /// # Errors
    /// If it is nowhere and cannot be downloaded (the error says what to fetch and where to put it), altered or
    /// incomplete.
    pub fn load() -> Result<Self> {
        Self::find(&Search::from_env())
    }

    /// Loads it from the folder at `path`.
    ///
    /// # Errors
    /// If it is not there, or altered or incomplete.
    pub fn load_from(path: impl AsRef<Path>) -> Result<Self> {
        Self::find(&Search::from_env().at(path.as_ref()))
    }

    /// Loads it from where `search` finds it: the official archive, the files that it holds, or JPEG files in an
    /// archive (`cifar10-jpeg.tar.gz`), which are not the same pixels, nor in the same order.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    pub fn find(search: &Search) -> Result<Self> {
        let found = search.find(&CIFAR10, &mut |_, _| ())?;
        let (path, set) = match found.paths() {
            paths if found.form.is_none() => (&paths[0], Self::read(found.archive(0)?)?),
            [path] => (path, Self::read(path)?),
            paths => (&paths[0], Self::read_batches(paths)?),
        };
        for (part, images, wanted) in [
            ("training", &set.train, 50_000),
            ("test", &set.test, 10_000),
        ] {
            let found = images.labels().len();
            if found != wanted {
                return Err(Error::file(
                    path,
                    format!(
                        "found {found} {part} pictures, wanted {wanted}: the set is incomplete"
                    ),
                ));
            }
        }
        Ok(set)
    }

    /// Reads an archive (tar, compressed with gzip or not) of either form, with any number of pictures. JPEG files come
    /// in the order of their names, a picture of each class in turn.
    ///
    /// # Errors
    /// If it cannot be read, is damaged, or is not of either form: a file of the binary one is missing or cut off, a
    /// label is not below 10, a picture is not of 32 x 32 pixels. What a header announces is compared with the length
    /// of the file before memory is taken.
    pub fn read(path: impl AsRef<Path>) -> Result<Self> {
        Self::unpack(Contents::open(path.as_ref())?)
    }

    /// Reads an archive that is in memory; errors call it `name`.
    ///
    /// # Errors
    /// As [`Cifar10::read`].
    pub fn from_bytes(name: &str, bytes: &[u8]) -> Result<Self> {
        Self::unpack(Contents::of_bytes(name, bytes)?)
    }

    /// Reads the six files of the binary form, with any number of pictures; `folder` may have the names of the
    /// classes too.
    ///
    /// # Errors
    /// As [`Cifar10::read`].
    pub fn read_folder(folder: impl AsRef<Path>) -> Result<Self> {
        Self::read_batches(&BATCHES.map(|name| folder.as_ref().join(name)))
    }

    /// The files at `paths`, in the order of [`BATCHES`].
    fn read_batches(paths: &[impl AsRef<Path>]) -> Result<Self> {
        let meta = paths[0].as_ref().with_file_name(META);
        if meta.is_file() {
            let mut contents = Contents::open_stored(&meta)?;
            let size = contents.left();
            check_meta(size, &mut |text| contents.fill(text)).map_err(|e| e.at(&meta))?;
        }
        let mut batches = Batches::default();
        for (index, path) in paths.iter().enumerate() {
            let mut contents = Contents::open_stored(path.as_ref())?;
            let size = contents.left();
            // Only an archive announces what may not be there.
            batches
                .read(index, size, u64::MAX, &mut |row| contents.fill(row))
                .map_err(|e| e.at(path))?;
            contents.end()?;
        }
        batches.finish().map_err(|e| e.at(&paths[0]))
    }

    fn unpack(contents: Contents<'_>) -> Result<Self> {
        let path = contents.path().to_path_buf();
        let limit = contents.left();
        let mut batches = Batches::default();
        let mut jpegs = Jpegs::new(contents.stored());
        let mut tar = Tar::new(contents);
        while let Some(Entry { name, size }) = tar.next_file()? {
            let file = name.rsplit('/').next().unwrap_or(&name);
            let mut fill = |bytes: &mut [u8]| tar.fill(bytes);
            let read = if let Some(index) = BATCHES.iter().position(|batch| *batch == file) {
                batches.read(index, size, limit, &mut fill)
            } else if file == META {
                check_meta(size, &mut fill)
            } else {
                jpegs.read(&name, size, &mut fill)
            };
            read.map_err(|e| match e.path() {
                Some(_) => e,
                None => Error::file(&path, format!("`{}`: {e}", name.escape_debug())),
            })?;
        }
        let set = if batches.is_empty() && !jpegs.is_empty() {
            jpegs.finish()
        } else {
            batches.finish()
        };
        set.map_err(|e| Error::file(&path, e.to_string()))
    }
}

type Fill<'a> = &'a mut dyn FnMut(&mut [u8]) -> Result<()>;

/// Whether a file of `size` bytes names the classes of CIFAR-10, and no others.
fn check_meta(size: u64, fill: Fill<'_>) -> Result<()> {
    const LONGEST: u64 = 4096;
    if size > LONGEST {
        return Err(Error::new(format!(
            "found {size} bytes, wanted {LONGEST} at most: the names of ten classes"
        )));
    }
    let mut text = vec![0; size as usize];
    fill(&mut text)?;
    let text = String::from_utf8_lossy(&text);
    let names: Vec<&str> = text.split_whitespace().collect();
    if names == Cifar10::CLASSES {
        return Ok(());
    }
    Err(Error::new(format!(
        "found the classes {names:?}, wanted {:?}",
        Cifar10::CLASSES
    )))
}

/// The files of the binary form, as far as they were read.
#[derive(Default)]
struct Batches {
    /// Pictures of a file: all have as many.
    rows: usize,
    is_there: [bool; BATCHES.len()],
    train: Rows,
    test: Rows,
}

/// Pictures `(N, 3, 32, 32)` and their labels.
#[derive(Default)]
struct Rows {
    pixels: Vec<u8>,
    labels: Vec<i64>,
}

impl Rows {
    /// Room for `count` pictures.
    fn new(count: usize) -> Result<Self> {
        let mut pixels = Vec::new();
        pixels
            .try_reserve_exact(count.saturating_mul(PIXELS))
            .map_err(|_| Error::new(format!("there is no memory for {count} pictures")))?;
        pixels.resize(count * PIXELS, 0);
        let labels = vec![0; count];
        Ok(Self { pixels, labels })
    }

    fn images(self) -> Result<Images> {
        Images::new(self.pixels, SHAPE, self.labels, &Cifar10::CLASSES)
    }
}

impl Batches {
    fn is_empty(&self) -> bool {
        !self.is_there.contains(&true)
    }

    /// Reads file `index` of `size` bytes, where all files together can have `limit`.
    fn read(&mut self, index: usize, size: u64, limit: u64, fill: Fill<'_>) -> Result<()> {
        if size == 0 || !size.is_multiple_of(ROW as u64) {
            return Err(Error::new(format!(
                "found {size} bytes, wanted a multiple of {ROW}: a label and {PIXELS} pixels for each picture"
            )));
        }
        if std::mem::replace(&mut self.is_there[index], true) {
            return Err(Error::new("is there twice"));
        }
        let rows = (size / ROW as u64) as usize;
        if self.rows == 0 {
            // As long as the first are all: so the place for them is made once.
            let all = size.saturating_mul(BATCHES.len() as u64);
            if all > limit {
                return Err(Error::new(format!(
                    "announces {rows} pictures; with as many in each of {} files there were {all} bytes, but no more \
                     than {limit} are believed",
                    BATCHES.len()
                )));
            }
            self.rows = rows;
            self.train = Rows::new(rows * (BATCHES.len() - 1))?;
            self.test = Rows::new(rows)?;
        }
        if rows != self.rows {
            return Err(Error::new(format!(
                "found {rows} pictures, wanted {} as in the file before it",
                self.rows
            )));
        }
        let (set, first) = match index {
            5 => (&mut self.test, 0),
            _ => (&mut self.train, index * rows),
        };
        let pixels = set.pixels[first * PIXELS..].chunks_exact_mut(PIXELS);
        let mut bytes = [0; ROW];
        for (i, (label, pixels)) in set.labels[first..]
            .iter_mut()
            .zip(pixels)
            .take(rows)
            .enumerate()
        {
            fill(&mut bytes)?;
            if usize::from(bytes[0]) >= Cifar10::CLASSES.len() {
                return Err(Error::new(format!(
                    "picture {i}: found label {}, wanted 0 to {}",
                    bytes[0],
                    Cifar10::CLASSES.len() - 1
                )));
            }
            *label = bytes[0].into();
            pixels.copy_from_slice(&bytes[1..]);
        }
        Ok(())
    }

    fn finish(self) -> Result<Cifar10> {
        let missing: Vec<&str> = BATCHES
            .into_iter()
            .zip(self.is_there)
            .filter(|(_, is_there)| !is_there)
            .map(|(name, _)| name)
            .collect();
        if self.is_empty() {
            return Err(Error::new(format!(
                "is not CIFAR-10: found neither {} nor train/{}/*.jpg",
                BATCHES[0],
                Cifar10::CLASSES[0]
            )));
        }
        if !missing.is_empty() {
            return Err(Error::new(format!("has no {}", missing.join(", "))));
        }
        Ok(Cifar10 {
            train: self.train.images()?,
            test: self.test.images()?,
        })
    }
}
