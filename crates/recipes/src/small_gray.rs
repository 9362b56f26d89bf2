//! The sets of small gray pictures that generative recipes learn from, by their names, and the settings of those recipes.

use crate::classification::check_loop;
use crate::settings;
use eras_data::{Dataset, FashionMnist, Images, Mnist, Search};
use eras_nn::{Adam, Schedule};
use eras_tensor::Result;
use eras_train::Trainer;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// Settings of all that make an objective small.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Common {
    pub(crate) epochs: usize,
    pub(crate) batch_size: usize,
    /// Of the weights, the order of the pictures, and all that is drawn.
    pub(crate) seed: u64,
    /// Adam's, of the first step; it falls to 0 along a half cosine.
    pub(crate) lr: f64,
    /// `mnist` or `fashion-mnist`.
    pub(crate) dataset: String,
    /// Of the training set, the first so many pictures; 0 for all.
    pub(crate) limit: usize,
    /// A checkpoint is saved after so many steps, beside the one after each epoch; 0 for none.
    pub(crate) checkpoint_steps: u64,
}

impl Common {
    pub(crate) fn new(epochs: usize) -> Self {
        Self {
            epochs,
            batch_size: 128,
            seed: 0,
            lr: 1e-3,
            dataset: "mnist".into(),
            limit: 0,
            checkpoint_steps: 0,
        }
    }

    pub(crate) fn check(&self) -> Result<()> {
        check_loop(self.epochs, self.batch_size)?;
        let lr = self.lr.is_finite() && self.lr > 0.0;
        settings::want(&[(lr, "lr", "a number above 0")])?;
        check(&self.dataset)
    }

    /// Training and test set.
    pub(crate) fn data(&self, folder: Option<&Path>) -> Result<[Images; 2]> {
        find(&self.dataset, self.limit, folder)
    }

    /// For so many epochs of so many `samples`.
    pub(crate) fn trainer(&self, epochs: usize, samples: usize) -> Trainer {
        let steps = epochs * samples.div_ceil(self.batch_size);
        Trainer::for_objective(Adam::new(self.lr))
            .batch_size(self.batch_size)
            .epochs(epochs)
            .seed(self.seed)
            .schedule(Schedule::cosine(steps as u64, 0.0))
    }
}

/// Refuses hidden layers without units, and codes without numbers.
pub(crate) fn check_sizes(hidden: &[usize], latent: usize) -> Result<()> {
    let rules = [
        (
            hidden.iter().all(|&units| units > 0),
            "hidden",
            "layers of at least one unit",
        ),
        (latent > 0, "latent", "at least 1"),
    ];
    settings::want(&rules)
}

/// Refuses the setting `dataset` where it names no such set.
pub(crate) fn check(dataset: &str) -> Result<()> {
    let sets = ["mnist", "fashion-mnist"];
    settings::want_word("dataset", dataset, &sets)
}

/// The names of the classes of the set called `dataset`.
pub(crate) fn classes(dataset: &str) -> [&'static str; 10] {
    match dataset {
        "fashion-mnist" => FashionMnist::CLASSES,
        _ => Mnist::CLASSES,
    }
}

/// Training and test set of the set called `dataset`, from `folder` if it is given: of the training set the first `limit`
/// pictures, or all where that is 0.
pub(crate) fn find(dataset: &str, limit: usize, folder: Option<&Path>) -> Result<[Images; 2]> {
    let search = Search::given(folder);
    let [train, test] = if dataset == "fashion-mnist" {
        FashionMnist::find(&search).map(|set| [set.train, set.test])
    } else {
        Mnist::find(&search).map(|set| [set.train, set.test])
    }?;
    if limit == 0 || limit >= train.len() {
        return Ok([train, test]);
    }
    let kept: Vec<u8> = (0..limit).flat_map(|i| train.pixels(i)).copied().collect();
    let labels = train.labels()[..limit].to_vec();
    let train = Images::new(kept, train.shape(), labels, train.classes())?;
    Ok([train, test])
}
