//! The pictures that are checked.

use eras_data::{
    Cifar10, Color, Dataset, FashionMnist, FolderParts, ImageFolder, Images, Mnist, Search, catalog,
};
use eras_tensor::{Error, Result, nearest};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Height and width at which pictures from folders are compared.
const SIZE: [usize; 2] = [32, 32];

/// A side of the border.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Set {
    /// What is trained on.
    Train,
    /// What it is judged by.
    Test,
}

impl Set {
    /// `train` or `test`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Test => "test",
        }
    }
}

/// One picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Sample {
    /// Where it is.
    pub set: Set,
    /// Its number there, from 0.
    pub index: usize,
}

/// A data set of pictures to be checked: a training set, and perhaps a test set.
#[derive(Debug)]
pub struct Subject {
    name: String,
    train: Part,
    test: Option<Part>,
}

#[derive(Debug)]
struct Part {
    images: Images,
    /// Where each picture was read from, if they are files.
    files: Vec<PathBuf>,
}

impl Part {
    fn folder(path: &Path) -> Result<Self> {
        let folder = ImageFolder::open(path, SIZE, Color::Rgb)?;
        let images = folder.load()?;
        let skipped = folder.skipped();
        let skipped: BTreeSet<&Path> = skipped.iter().map(|file| file.path.as_path()).collect();
        let read = folder.paths().filter(|path| !skipped.contains(path));
        Ok(Self {
            files: read.map(Path::to_owned).collect(),
            images,
        })
    }
}

impl From<Images> for Part {
    fn from(images: Images) -> Self {
        Self {
            images,
            files: Vec::new(),
        }
    }
}

impl Subject {
    /// A training set, and perhaps a test set.
    ///
    /// # Errors
    /// If their pictures have different shapes or their classes different names.
    pub fn new(name: &str, train: Images, test: Option<Images>) -> Result<Self> {
        Self::of_parts(name, train.into(), test.map(Part::from))
    }

    fn of_parts(name: &str, train: Part, test: Option<Part>) -> Result<Self> {
        if let Some(test) = &test {
            let [a, b] = [&train.images, &test.images];
            if a.shape() != b.shape() || a.classes() != b.classes() {
                return Err(Error::new(format!(
                    "found training pictures {:?} of classes {:?} and test pictures {:?} of classes {:?}, \
                     wanted them alike",
                    a.shape(),
                    a.classes(),
                    b.shape(),
                    b.classes()
                )));
            }
        }
        Ok(Self {
            name: name.to_owned(),
            train,
            test,
        })
    }

    /// The set called `what` (found as `search` says), or a folder of pictures: with a folder for each class, or with
    /// [`FolderParts`] that have them. Pictures from folders are scaled to 32 x 32.
    ///
    /// # Errors
    /// If there is no such set or folder, or it cannot be read.
    pub fn find(what: &str, search: &Search) -> Result<Self> {
        match what {
            "cifar10" => {
                let set = Cifar10::find(search)?;
                return Self::new(what, set.train, Some(set.test));
            }
            "mnist" => {
                let set = Mnist::find(search)?;
                return Self::new(what, set.train, Some(set.test));
            }
            "fashion-mnist" => {
                let set = FashionMnist::find(search)?;
                return Self::new(what, set.train, Some(set.test));
            }
            _ => {}
        }
        let path = Path::new(what);
        if !path.is_dir() {
            let names: Vec<&str> = catalog::all().iter().map(|known| known.name).collect();
            return Err(Error::usage(format!(
                "`{what}` is neither a data set nor a folder of pictures; {}",
                nearest(what, &names)
            )));
        }
        let name = path.file_name().unwrap_or(path.as_os_str());
        let name = name.to_string_lossy();
        let Some(parts) = FolderParts::find(path)? else {
            return Self::of_parts(&name, Part::folder(path)?, None);
        };
        let train = Part::folder(&parts.train)?;
        let test = parts.test.map(|test| Part::folder(&test)).transpose()?;
        Self::of_parts(&name, train, test).map_err(|e| e.at(path))
    }

    /// What it is called.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The sets that there are.
    pub fn sets(&self) -> impl Iterator<Item = (Set, &Images)> {
        let train = (Set::Train, &self.train.images);
        [train]
            .into_iter()
            .chain(self.test.iter().map(|test| (Set::Test, &test.images)))
    }

    /// The pictures of `set`, if there is one.
    #[must_use]
    pub fn images(&self, set: Set) -> Option<&Images> {
        self.part(set).map(|part| &part.images)
    }

    fn part(&self, set: Set) -> Option<&Part> {
        match set {
            Set::Train => Some(&self.train),
            Set::Test => self.test.as_ref(),
        }
    }

    /// The names of the classes.
    #[must_use]
    pub fn classes(&self) -> &[String] {
        self.train.images.classes()
    }

    /// How many pictures of each class `set` has.
    #[must_use]
    pub fn counts(&self, set: Set) -> Vec<usize> {
        let mut counts = vec![0; self.classes().len()];
        for &label in self.images(set).map_or(&[][..], Images::labels) {
            counts[label as usize] += 1;
        }
        counts
    }

    /// Every picture.
    pub fn samples(&self) -> impl Iterator<Item = Sample> {
        self.sets()
            .flat_map(|(set, images)| (0..images.len()).map(move |index| Sample { set, index }))
    }

    /// The pixels of a picture, one plane a channel.
    #[must_use]
    pub fn pixels(&self, sample: Sample) -> &[u8] {
        let images = self.images(sample.set);
        images.map_or(&[], |images| images.pixels(sample.index))
    }

    /// The name of its class.
    #[must_use]
    pub fn label(&self, sample: Sample) -> &str {
        let class = self
            .images(sample.set)
            .map_or(0, |images| images.labels()[sample.index]);
        &self.classes()[class as usize]
    }

    /// The file that it was read from, if it was one.
    #[must_use]
    pub fn file(&self, sample: Sample) -> Option<&Path> {
        let file = self.part(sample.set)?.files.get(sample.index);
        file.map(PathBuf::as_path)
    }

    /// Pixels that are the same in every training picture.
    pub(super) fn constant(&self) -> Vec<usize> {
        let images = &self.train.images;
        let first = images.pixels(0);
        let mut changes = vec![false; first.len()];
        for index in 1..images.len() {
            for ((changes, a), b) in changes.iter_mut().zip(first).zip(images.pixels(index)) {
                *changes |= a != b;
            }
        }
        (0..first.len()).filter(|&at| !changes[at]).collect()
    }

    /// Pictures of one value all over.
    pub(super) fn blank(&self) -> Vec<Sample> {
        let is_blank = |sample: &Sample| {
            let pixels = self.pixels(*sample);
            pixels.iter().all(|x| *x == pixels[0])
        };
        self.samples().filter(is_blank).collect()
    }
}
