//! MNIST and Fashion-MNIST.

use std::path::Path;
use std::thread;

use eras_tensor::{Error, Result};

use crate::catalog::{FASHION_MNIST, Known, MNIST};
use crate::{Images, Search};

/// Handwritten digits: 60,000 to train on and 10,000 to test with, 28 x 28 pixels (LeCun, Bottou, Bengio & Haffner
/// 1998, "Gradient-based learning applied to document recognition").
///
/// The batches are `(B, 784)`; `mnist.train.planes()` gives `(B, 1, 28, 28)`.
///
/// ```
/// use eras_data::{Dataset, Mnist};
///
/// let mnist = Mnist::load()?;
/// assert_eq!((mnist.train.len(), mnist.test.len()), (60_000, 10_000));
/// assert_eq!(mnist.train.batch(&[0, 1])?.x.shape(), [2, 784]);
/// # Ok::<(), eras_tensor::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Mnist {
    /// 60,000 digits.
    pub train: Images,
    /// 10,000 digits of other writers.
    pub test: Images,
}

impl Mnist {
    /// The names of the classes.
    pub const CLASSES: [&str; 10] = ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"];

    /// Loads it from where it is found ([`Search::from_env`]): it always is, for it is part of this library.
    ///
    /// # Errors
    /// If it is found in `$ERAS_DATA` or the cache, but altered or incomplete there.
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

    /// Loads it from where `search` finds it.
    ///
    /// # Errors
    /// If it is found altered or incomplete.
    pub fn find(search: &Search) -> Result<Self> {
        let [train, test] = load(&MNIST, search, &Self::CLASSES)?;
        Ok(Self { train, test })
    }
}

/// Clothes in the form of [`Mnist`], which are harder (Xiao, Rasul & Vollgraf 2017, arXiv:1708.07747).
#[derive(Debug, Clone)]
pub struct FashionMnist {
    /// 60,000 pieces.
    pub train: Images,
    /// 10,000 pieces.
    pub test: Images,
}

impl FashionMnist {
    /// The names of the classes.
    pub const CLASSES: [&str; 10] = [
        "T-shirt/top",
        "Trouser",
        "Pullover",
        "Dress",
        "Coat",
        "Sandal",
        "Shirt",
        "Sneaker",
        "Bag",
        "Ankle boot",
    ];

    /// Loads it from where it is found ([`Search::from_env`]), downloading it (31 MB) if it is nowhere.
    ///
    /// # Errors
    /// If it is nowhere and cannot be downloaded (the error says what to fetch and where to put it), or altered.
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

    /// Loads it from where `search` finds it.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    pub fn find(search: &Search) -> Result<Self> {
        let [train, test] = load(&FASHION_MNIST, search, &Self::CLASSES)?;
        Ok(Self { train, test })
    }
}

/// The training and the test part of `known`, whose four files are in the order of MNIST's.
fn load(known: &'static Known, search: &Search, classes: &[&str]) -> Result<[Images; 2]> {
    let found = search.find(known, &mut |_, _| ())?;
    let part = |first: usize| -> Result<Images> {
        let images = Images::from_idx(found.idx(first)?, found.idx(first + 1)?, classes)?;
        Ok(images.flat())
    };
    thread::scope(|scope| {
        let test = scope.spawn(|| part(2));
        let train = part(0)?;
        let test = test
            .join()
            .map_err(|_| Error::new("the thread that reads the test set has panicked"))?;
        Ok([train, test?])
    })
}
