//! What a data set is.

use std::sync::Arc;

use eras_tensor::{Result, Tensor};

use crate::Subset;

/// Some samples of a data set, together.
#[derive(Debug, Clone)]
pub struct Batch {
    /// What the model sees: `(B, ...)`.
    pub x: Tensor,
    /// What it should answer: `(B)` in `i64` for classes, `(B, ...)` for numbers.
    pub y: Tensor,
}

/// Samples with numbers from 0, of which any selection can be made a [`Batch`].
///
/// Reading a data set never changes it: a batch is a function of the indices alone. References, `Box` and `Arc` of
/// a data set are data sets too.
///
/// ```
/// use eras_data::{Batch, Dataset, Loader};
/// use eras_tensor::{Result, Tensor};
///
/// /// x and 2 x, for whole numbers below 100.
/// #[derive(Clone)]
/// struct Doubles;
///
/// impl Dataset for Doubles {
///     fn len(&self) -> usize {
///         100
///     }
///
///     fn batch(&self, indices: &[usize]) -> Result<Batch> {
///         let x: Vec<f32> = indices.iter().map(|&i| i as f32).collect();
///         let y: Vec<f32> = x.iter().map(|x| 2.0 * x).collect();
///         let shape = [indices.len(), 1];
///         Ok(Batch { x: Tensor::from_slice(&x, shape), y: Tensor::from_slice(&y, shape) })
///     }
/// }
///
/// let (train, validation) = Doubles.split(0.2, 0);
/// assert_eq!((train.len(), validation.len()), (80, 20));
/// assert_eq!(Loader::new(&train, 32).count(), 3);
/// ```
pub trait Dataset: Send + Sync {
    /// The number of samples.
    fn len(&self) -> usize;

    /// The samples `indices`, in that order; an index may come twice. A set may leave out samples that turn out
    /// to be unreadable, even all of them (`B` is 0 then).
    ///
    /// # Errors
    /// If a sample cannot be read. Sets in memory never fail.
    ///
    /// # Panics
    /// If an index is not below [`len`](Self::len).
    fn batch(&self, indices: &[usize]) -> Result<Batch>;

    /// Whether there are no samples.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The names of the classes, by number; none where the answers are no classes.
    fn classes(&self) -> &[String] {
        &[]
    }

    /// The length of each sample, where they differ and a batch is filled up to its longest; `None` (the default) where all
    /// are alike. A [`Loader`](crate::Loader) puts samples of nearly one length together then.
    fn lengths(&self) -> Option<Vec<u32>> {
        None
    }

    /// What tells this set from others: a SHA-256 in hex over its samples and their order, by which a training that
    /// goes on knows its data again. Sets of files that are read each time take the names and lengths of the files
    /// instead. `None` (the default) where it is not known: then nothing is compared.
    ///
    /// The names of classes do not count, nor does the shape in which a batch hands out the same numbers.
    fn fingerprint(&self) -> Option<String> {
        None
    }

    /// A handle on this set for threads that prepare batches ahead; `None` (the default) where a batch is made
    /// faster than it could be handed over, as from memory.
    fn background(&self) -> Option<Arc<dyn Dataset>> {
        None
    }

    /// The samples `indices` of this set, in that order, as a set.
    ///
    /// # Panics
    /// If an index is not below [`len`](Self::len).
    #[track_caller]
    fn subset(&self, indices: Vec<usize>) -> Subset<Self>
    where
        Self: Sized + Clone,
    {
        Subset::new(self.clone(), indices)
    }

    /// The first `n` samples, or all if there are fewer.
    fn take(&self, n: usize) -> Subset<Self>
    where
        Self: Sized + Clone,
    {
        self.subset((0..self.len().min(n)).collect())
    }

    /// Two sets: a random selection of `fraction` of the samples comes second, the rest first. Both keep the order
    /// of this set. The selection is drawn from stream 2 of `seed`.
    ///
    /// # Panics
    /// If `fraction` is not in [0, 1].
    #[track_caller]
    fn split(&self, fraction: f64, seed: u64) -> (Subset<Self>, Subset<Self>)
    where
        Self: Sized + Clone,
    {
        crate::subset::split(self, fraction, seed)
    }

    /// For each of `k` folds the samples outside it (to train on) and those in it (to validate on); every sample is
    /// in one fold, and folds differ in size by one at most. Drawn from stream 2 of `seed`.
    ///
    /// # Panics
    /// If `k` is less than 2 or more than there are samples.
    #[track_caller]
    fn folds(&self, k: usize, seed: u64) -> Vec<(Subset<Self>, Subset<Self>)>
    where
        Self: Sized + Clone,
    {
        crate::subset::folds(self, k, seed)
    }
}

/// Panics at the caller of the set `name` unless every index is below `len`.
#[track_caller]
pub(crate) fn check_indices(name: &str, indices: &[usize], len: usize) {
    if let Some(index) = indices.iter().find(|&&index| index >= len) {
        panic!("{name}: sample {index} of a set of {len}");
    }
}

macro_rules! forward {
    ($($pointer:ty),*) => { $(
        impl<D: Dataset + ?Sized> Dataset for $pointer {
            fn len(&self) -> usize {
                (**self).len()
            }
            #[track_caller]
            fn batch(&self, indices: &[usize]) -> Result<Batch> {
                (**self).batch(indices)
            }
            fn classes(&self) -> &[String] {
                (**self).classes()
            }
            fn lengths(&self) -> Option<Vec<u32>> {
                (**self).lengths()
            }
            fn fingerprint(&self) -> Option<String> {
                (**self).fingerprint()
            }
            fn background(&self) -> Option<Arc<dyn Dataset>> {
                (**self).background()
            }
        }
    )* };
}
forward!(&D, Box<D>, Arc<D>);
