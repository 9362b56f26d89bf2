//! Parts of a data set.

use std::sync::Arc;

use eras_tensor::{Result, Rng};

use crate::dataset::check_indices;
use crate::fingerprint;
use crate::{Batch, Dataset};

/// The random stream of a seed that selections are drawn from.
const STREAM: u64 = 2;

/// Some samples of the set `D`, in an order of their own.
#[derive(Debug, Clone)]
pub struct Subset<D> {
    data: D,
    indices: Arc<[usize]>,
}

impl<D: Dataset> Subset<D> {
    /// The samples `indices` of `data`, in that order.
    ///
    /// # Panics
    /// If an index is not below the length of `data`.
    #[track_caller]
    pub fn new(data: D, indices: Vec<usize>) -> Self {
        let len = data.len();
        if let Some((at, index)) = indices.iter().enumerate().find(|&(_, &index)| index >= len) {
            panic!(
                "subset: index {index} (number {at} of the selection) is not below {len}, the length of the set"
            );
        }
        Self {
            data,
            indices: indices.into(),
        }
    }

    /// The set that this is a part of.
    pub fn whole(&self) -> &D {
        &self.data
    }

    /// Which samples of the whole these are.
    pub fn indices(&self) -> &[usize] {
        &self.indices
    }
}

impl<D: Dataset> Dataset for Subset<D> {
    fn len(&self) -> usize {
        self.indices.len()
    }

    #[track_caller]
    fn batch(&self, indices: &[usize]) -> Result<Batch> {
        check_indices("Subset", indices, self.len());
        let indices: Vec<usize> = indices.iter().map(|&i| self.indices[i]).collect();
        self.data.batch(&indices)
    }

    fn classes(&self) -> &[String] {
        self.data.classes()
    }

    fn lengths(&self) -> Option<Vec<u32>> {
        let whole = self.data.lengths()?;
        Some(self.indices.iter().map(|&i| whole[i]).collect())
    }

    fn fingerprint(&self) -> Option<String> {
        let whole = self.data.fingerprint()?;
        let indices = self.indices.iter().flat_map(|&i| (i as u64).to_le_bytes());
        Some(fingerprint::of([whole.into_bytes(), indices.collect()]))
    }

    fn background(&self) -> Option<Arc<dyn Dataset>> {
        let data = self.data.background()?;
        Some(Arc::new(Subset {
            data,
            indices: self.indices.clone(),
        }))
    }
}

/// [`Dataset::split`].
#[track_caller]
pub(crate) fn split<D: Dataset + Clone>(
    data: &D,
    fraction: f64,
    seed: u64,
) -> (Subset<D>, Subset<D>) {
    assert!(
        (0.0..=1.0).contains(&fraction),
        "split: found a fraction of {fraction}, wanted one in [0, 1]"
    );
    let count = (data.len() as f64 * fraction).round() as usize;
    let order = shuffled(data.len(), seed);
    let (second, first) = order.split_at(count);
    (data.subset(sorted(first)), data.subset(sorted(second)))
}

/// [`Dataset::folds`].
#[track_caller]
pub(crate) fn folds<D: Dataset + Clone>(
    data: &D,
    k: usize,
    seed: u64,
) -> Vec<(Subset<D>, Subset<D>)> {
    let len = data.len();
    assert!(
        (2..=len).contains(&k),
        "folds: found k = {k}, wanted 2 to {len}, the number of samples"
    );
    let order = shuffled(len, seed);
    let fold = |i: usize| {
        let (start, end) = (i * len / k, (i + 1) * len / k);
        let outside = [&order[..start], &order[end..]].concat();
        (
            data.subset(sorted(&outside)),
            data.subset(sorted(&order[start..end])),
        )
    };
    (0..k).map(fold).collect()
}

fn shuffled(len: usize, seed: u64) -> Vec<usize> {
    let mut order: Vec<usize> = (0..len).collect();
    Rng::at(seed, STREAM, 0).shuffle(&mut order);
    order
}

fn sorted(indices: &[usize]) -> Vec<usize> {
    let mut indices = indices.to_vec();
    indices.sort_unstable();
    indices
}
