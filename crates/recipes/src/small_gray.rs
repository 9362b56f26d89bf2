//! The sets of small gray pictures that generative recipes learn from, by their names.

use eras_data::{Dataset, FashionMnist, Images, Mnist, Search};
use eras_tensor::{Error, Result, nearest};
use std::path::Path;

/// Refuses the setting `dataset` where it names no such set.
pub(crate) fn check(dataset: &str) -> Result<()> {
    let sets = ["mnist", "fashion-mnist"];
    if sets.contains(&dataset) {
        return Ok(());
    }
    let hint = nearest(dataset, &sets);
    Err(Error::usage(format!(
        "setting `dataset` is `{dataset}`, which is not known here; {hint}"
    )))
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
