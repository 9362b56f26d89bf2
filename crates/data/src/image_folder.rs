//! Folders of picture files: one folder a class.

mod parts;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread;

use eras_tensor::{Dims, Error, Result, Tensor};

use crate::classes::{class_counts, stratified};
use crate::dataset::check_indices;
use crate::fingerprint;
use crate::images::to_unit;
use crate::picture::check_size;
use crate::{Batch, Color, Dataset, Images, Picture, Subset};

pub use parts::FolderParts;
use parts::name;

/// The names of picture files end so.
const ENDINGS: [&str; 6] = ["bmp", "jfif", "jpeg", "jpg", "png", "webp"];
/// So do those of pictures that are not read.
const OTHERS: [&str; 13] = [
    "avif", "gif", "heic", "heif", "ico", "jp2", "jxl", "pgm", "ppm", "svg", "tga", "tif", "tiff",
];

/// Pictures in folders, as in `train/cat/1.png`: each folder in `train` is a class, numbered in the order of their
/// names; pictures may lie deeper inside. Hidden files and files whose endings are no picture's are passed over.
///
/// A file that cannot be read as a picture is left out and listed in [`skipped`](Self::skipped): those whose ending or
/// beginning shows it when the folder is opened, others when their turn comes; their batches are smaller. Once none
/// is left, batches are errors.
///
/// The batches are `(B, C, H, W)` with values in [0, 1], read from the files each time by the loader's threads.
/// [`load`](Self::load) reads them once, into memory, before anything else; [`keep`](Self::keep) lets those stay there
/// that were read once. A handle: clones are cheap.
#[derive(Debug, Clone)]
pub struct ImageFolder {
    inner: Arc<Inner>,
    flat: bool,
}

#[derive(Debug)]
struct Inner {
    root: PathBuf,
    classes: Vec<String>,
    files: Vec<(PathBuf, i64)>,
    size: [usize; 2],
    color: Color,
    skipped: Mutex<BTreeMap<PathBuf, String>>,
    /// Pictures that were read, by file, and how many bytes of others there is room for.
    kept: Vec<OnceLock<Box<[u8]>>>,
    room: AtomicUsize,
}

/// A file that is no readable picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skipped {
    /// Where it is.
    pub path: PathBuf,
    /// What is wrong with it.
    pub reason: String,
}

impl ImageFolder {
    /// The pictures in the folder `root`, to be scaled to `size` (height, width). Looks at the beginning of every
    /// file.
    ///
    /// # Errors
    /// If there is no such folder, it has no folders of classes, or one of them has no pictures or none that is
    /// readable.
    ///
    /// # Panics
    /// If `size` is not between 1 and 16,384 each way.
    #[track_caller]
    pub fn open(root: impl AsRef<Path>, size: [usize; 2], color: Color) -> Result<Self> {
        check_size(Some(size));
        let root = root.as_ref();
        let folders: Vec<PathBuf> = entries(root)?
            .into_iter()
            .filter(|path| path.is_dir())
            .collect();
        let classes: Vec<String> = folders.iter().map(|folder| name(folder)).collect();
        let (mut files, mut others) = (Vec::new(), Vec::new());
        for (folder, label) in folders.iter().zip(0..) {
            let before = files.len();
            collect(folder, label, &mut files, &mut others)?;
            if files.len() == before {
                return Err(Error::file(
                    folder,
                    format!("found no pictures ({}) for this class", ENDINGS.join(", ")),
                ));
            }
        }
        if classes.is_empty() {
            let but = match Self::lying_in(root)? {
                0 => String::new(),
                count => format!(" but {count} pictures"),
            };
            return Err(Error::file(
                root,
                format!("found no folders in this folder{but}, wanted one for each class"),
            ));
        }
        let not_read = format!(
            "pictures of this kind are not read, wanted {}",
            ENDINGS.join(", ")
        );
        let other = |path: PathBuf| {
            let reason = Error::file(&path, &*not_read).to_string();
            (path, reason)
        };
        let mut skipped: BTreeMap<PathBuf, String> = others.into_iter().map(other).collect();
        let checks = in_parallel(&files, |(path, _)| Picture::check(path));
        let mut readable = Vec::with_capacity(files.len());
        for (file, check) in files.into_iter().zip(checks) {
            match check {
                Ok(()) => readable.push(file),
                Err(e) => drop(skipped.insert(file.0, e.to_string())),
            }
        }
        let folder = Self {
            inner: Arc::new(Inner {
                root: root.into(),
                classes,
                kept: readable.iter().map(|_| OnceLock::new()).collect(),
                files: readable,
                size,
                color,
                skipped: Mutex::new(skipped),
                room: AtomicUsize::new(0),
            }),
            flat: false,
        };
        let counts = class_counts(&folder.labels(), folders.len());
        match counts.iter().position(|count| *count == 0) {
            Some(class) => Err(folder.nothing_readable(&folders[class])),
            None => Ok(folder),
        }
    }

    /// The same pictures, `(B, C * H * W)` in a batch.
    #[must_use]
    pub fn flat(&self) -> Self {
        Self {
            flat: true,
            ..self.clone()
        }
    }

    /// The files that were left out up to now, by path.
    #[must_use]
    pub fn skipped(&self) -> Vec<Skipped> {
        let skipped = self
            .inner
            .skipped
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        skipped
            .iter()
            .map(|(path, reason)| Skipped {
                path: path.clone(),
                reason: reason.clone(),
            })
            .collect()
    }

    /// The paths of the pictures, in the order of the samples.
    pub fn paths(&self) -> impl Iterator<Item = &Path> {
        self.inner.files.iter().map(|(path, _)| path.as_path())
    }

    /// The class of each picture.
    #[must_use]
    pub fn labels(&self) -> Vec<i64> {
        self.inner.files.iter().map(|(_, label)| *label).collect()
    }

    /// Keeps pictures in memory once they were read, scaled, as long as they take no more than `bytes` (a byte for each
    /// value of a pixel): later epochs read and decode nothing.
    pub fn keep(&self, bytes: usize) {
        self.inner.room.store(bytes, Ordering::Relaxed);
    }

    /// How many pictures, by their names, lie in the folder `root` itself, where they are of no class.
    ///
    /// # Errors
    /// If there is no such folder.
    pub fn lying_in(root: impl AsRef<Path>) -> Result<usize> {
        let paths = entries(root.as_ref())?;
        let pictures = paths.iter().filter(|path| is_picture(path));
        Ok(pictures.filter(|path| !path.is_dir()).count())
    }

    /// Training and test set in the folder `root`: its [`FolderParts`], if it has them. Where there is none to test
    /// with, a random `share` of each class is, the same for the same `seed`. A class with one picture is trained on
    /// only.
    ///
    /// # Errors
    /// As [`open`](Self::open) and [`FolderParts::find`], or if training and test set have different classes.
    ///
    /// # Panics
    /// As [`open`](Self::open), or if `share` is not between 0 and 1.
    #[track_caller]
    pub fn train_and_test(
        root: impl AsRef<Path>,
        size: [usize; 2],
        color: Color,
        share: f64,
        seed: u64,
    ) -> Result<[Subset<Self>; 2]> {
        assert!(
            (0.0..=1.0).contains(&share),
            "train_and_test: found a share of {share}, wanted one in [0, 1]"
        );
        let root = root.as_ref();
        let (train, test) = match FolderParts::find(root)? {
            Some(parts) => (parts.train, parts.test),
            None => (root.into(), None),
        };
        let train = Self::open(train, size, color)?;
        let Some(test) = test else {
            let parts = stratified(&train.labels(), share, seed);
            return Ok(parts.map(|indices| train.subset(indices)));
        };
        let test = Self::open(test, size, color)?;
        if train.classes() != test.classes() {
            return Err(Error::file(
                root,
                format!(
                    "found the classes {:?} to train on and {:?} to test with, wanted the same",
                    train.classes(),
                    test.classes()
                ),
            ));
        }
        Ok([train, test].map(|set| {
            let indices = (0..set.len()).collect();
            set.subset(indices)
        }))
    }

    /// Reads all pictures into memory.
    ///
    /// # Errors
    /// If none is readable.
    pub fn load(&self) -> Result<Images> {
        self.load_some(&(0..self.len()).collect::<Vec<_>>())
    }

    /// Reads the pictures `indices` into memory, in that order.
    ///
    /// # Errors
    /// If none of them is readable.
    ///
    /// # Panics
    /// If there is no such picture.
    #[track_caller]
    pub fn load_some(&self, indices: &[usize]) -> Result<Images> {
        check_indices("ImageFolder", indices, self.len());
        let (mut pixels, mut labels) = (Vec::new(), Vec::new());
        // Piece by piece: besides the result, no more than a piece is in memory.
        for piece in indices.chunks(1024) {
            let pictures = in_parallel(piece, |index| self.decode(*index));
            for (&index, picture) in piece.iter().zip(pictures) {
                if let Some(picture) = picture {
                    pixels.extend(picture);
                    labels.push(self.inner.files[index].1);
                }
            }
        }
        if labels.is_empty() {
            return Err(self.nothing_readable(&self.inner.root));
        }
        let images = Images::new(pixels, self.shape(), labels, &self.inner.classes)?;
        Ok(if self.flat { images.flat() } else { images })
    }

    /// Which of the pictures `indices` are readable, in that order. Reads them all, and [keeps](Self::keep) those that
    /// there is room for.
    ///
    /// # Panics
    /// If there is no such picture.
    #[must_use]
    #[track_caller]
    pub fn readable(&self, indices: &[usize]) -> Vec<bool> {
        check_indices("ImageFolder", indices, self.len());
        in_parallel(indices, |&index| {
            let mut is_read = false;
            self.read(index, |_| is_read = true);
            is_read
        })
    }

    /// Channels, height and width of the pictures as they are read.
    #[must_use]
    pub fn shape(&self) -> [usize; 3] {
        [
            self.inner.color.channels(),
            self.inner.size[0],
            self.inner.size[1],
        ]
    }

    /// The pixels of picture `index`; none, which is remembered, if it is not readable.
    fn decode(&self, index: usize) -> Option<Vec<u8>> {
        let inner = &*self.inner;
        let path = &inner.files[index].0;
        Picture::read(path, Some(inner.size), inner.color)
            .map(|picture| picture.pixels)
            .map_err(|e| {
                let mut skipped = inner.skipped.lock().unwrap_or_else(PoisonError::into_inner);
                skipped.insert(path.clone(), e.to_string());
            })
            .ok()
    }

    /// Hands the pixels of picture `index` to `take`, unless it is not readable.
    fn read(&self, index: usize, take: impl FnOnce(&[u8])) {
        let inner = &*self.inner;
        let kept = &inner.kept[index];
        if let Some(pixels) = kept.get() {
            return take(pixels);
        }
        let Some(pixels) = self.decode(index) else {
            return;
        };
        take(&pixels);
        let less = |room: usize| room.checked_sub(pixels.len());
        let claimed = inner
            .room
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
        if claimed.is_ok() {
            // Another thread may have been faster.
            let _ = kept.set(pixels.into_boxed_slice());
        }
    }

    /// Whether every picture has turned out to be unreadable.
    fn is_all_skipped(&self) -> bool {
        let skipped = self
            .inner
            .skipped
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        self.paths().all(|path| skipped.contains_key(path))
    }

    /// That none of the pictures in `folder` is readable, which is the whole one or a class.
    fn nothing_readable(&self, folder: &Path) -> Error {
        let mut skipped = self.skipped();
        skipped.retain(|file| file.path.starts_with(folder));
        let first = skipped.first().map_or(String::new(), |file| {
            format!("; the first: {}", file.reason)
        });
        Error::file(
            folder,
            format!("none of {} pictures is readable{first}", skipped.len()),
        )
    }
}

impl Dataset for ImageFolder {
    fn len(&self) -> usize {
        self.inner.files.len()
    }

    #[track_caller]
    fn batch(&self, indices: &[usize]) -> Result<Batch> {
        check_indices("ImageFolder", indices, self.len());
        let [channels, height, width] = self.shape();
        let size = channels * height * width;
        let (mut x, mut y) = (
            Vec::with_capacity(indices.len() * size),
            Vec::with_capacity(indices.len()),
        );
        for &index in indices {
            self.read(index, |pixels| {
                let start = x.len();
                x.extend(pixels.iter().map(|&byte| f32::from(byte)));
                to_unit(&mut x[start..]);
                y.push(self.inner.files[index].1);
            });
        }
        if y.is_empty() && self.is_all_skipped() {
            return Err(self.nothing_readable(&self.inner.root));
        }
        let shape: Dims = if self.flat {
            [y.len(), size].into()
        } else {
            [y.len(), channels, height, width].into()
        };
        let x = Tensor::from_slice(&x, shape);
        Ok(Batch {
            x,
            y: Tensor::from_slice(&y, [y.len()]),
        })
    }

    fn classes(&self) -> &[String] {
        &self.inner.classes
    }

    fn fingerprint(&self) -> Option<String> {
        let inner = &*self.inner;
        let how = format!("{:?} {:?}", inner.size, inner.color);
        let files = inner.files.iter().map(|(path, label)| {
            let name = path.strip_prefix(&inner.root).unwrap_or(path);
            let length = fs::metadata(path).map_or(0, |meta| meta.len());
            format!("{label} {length} {}", name.display())
        });
        Some(fingerprint::of(std::iter::once(how).chain(files)))
    }

    fn background(&self) -> Option<Arc<dyn Dataset>> {
        Some(Arc::new(self.clone()))
    }
}

/// What lies in the folder `path`, in the order of the names, without what is hidden.
fn entries(path: &Path) -> Result<Vec<PathBuf>> {
    let io = |e| Error::io(path, &e);
    let mut paths = Vec::new();
    for entry in fs::read_dir(path).map_err(io)? {
        let entry = entry.map_err(io)?;
        if !entry.file_name().to_string_lossy().starts_with('.') {
            paths.push(entry.path());
        }
    }
    paths.sort();
    Ok(paths)
}

/// Adds the picture files in `folder` and, not following links, in the folders inside it; those of kinds that are not read go
/// to `others`.
fn collect(
    folder: &Path,
    label: i64,
    files: &mut Vec<(PathBuf, i64)>,
    others: &mut Vec<PathBuf>,
) -> Result<()> {
    for path in entries(folder)? {
        if path.is_dir() {
            if !path.is_symlink() {
                collect(&path, label, files, others)?;
            }
        } else if is_picture(&path) {
            files.push((path, label));
        } else if has_ending(&path, &OTHERS) {
            others.push(path);
        }
    }
    Ok(())
}

/// Whether a file's name ends as a picture's does.
fn is_picture(path: &Path) -> bool {
    has_ending(path, &ENDINGS)
}

fn has_ending(path: &Path, endings: &[&str]) -> bool {
    let ending = path.extension().unwrap_or_default().to_ascii_lowercase();
    endings.iter().any(|known| ending == *known)
}

/// `f` of every item, in their order, by as many threads as there are processors.
fn in_parallel<T: Sync, R: Send>(items: &[T], f: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let piece = items.len().div_ceil(threads).max(1);
    thread::scope(|scope| {
        let f = &f;
        let pieces: Vec<_> = items
            .chunks(piece)
            .map(|piece| scope.spawn(move || piece.iter().map(f).collect::<Vec<_>>()))
            .collect();
        pieces
            .into_iter()
            .flat_map(|piece| {
                piece
                    .join()
                    .unwrap_or_else(|payload| std::panic::resume_unwind(payload))
            })
            .collect()
    })
}
