//! Parts of data sets.

use std::collections::BTreeSet;

use eras_data::{Dataset, Subset, TensorDataset};
use eras_tensor::Tensor;

use crate::common::panic_of;

/// The numbers from 0, each a sample with its class.
fn numbers(count: i64) -> TensorDataset {
    let y: Vec<i64> = (0..count).collect();
    let x: Vec<f32> = y.iter().map(|&y| y as f32).collect();
    let names: Vec<String> = y.iter().map(ToString::to_string).collect();
    let count = y.len();
    TensorDataset::new(
        Tensor::from_slice(&x, [count, 1]),
        Tensor::from_slice(&y, [count]),
    )
    .unwrap()
    .with_classes(&names)
    .unwrap()
}

fn sorted(parts: &[&Subset<TensorDataset>]) -> Vec<usize> {
    let mut all: Vec<usize> = parts
        .iter()
        .flat_map(|part| part.indices())
        .copied()
        .collect();
    all.sort_unstable();
    all
}

#[test]
fn a_subset_has_the_samples_it_was_given_in_their_order() {
    let set = numbers(5);
    let part = set.subset(vec![4, 0, 4, 2]);
    let batch = part.batch(&[3, 0, 1]).unwrap();
    assert_eq!(batch.y.to_vec::<i64>(), [2, 4, 0]);
    assert_eq!(batch.x.to_vec::<f32>(), [2.0, 4.0, 0.0]);
    assert_eq!((part.len(), part.classes().len()), (4, 5));
    assert_eq!(
        part.subset(vec![2]).batch(&[0]).unwrap().y.to_vec::<i64>(),
        [4]
    );
    assert_eq!(
        panic_of(|| set.subset(vec![0, 5])),
        "subset: index 5 (number 1 of the selection) is not below 5, the length of the set"
    );
}

#[test]
fn the_first_samples_are_taken_as_far_as_there_are_any() {
    assert_eq!(numbers(5).take(2).indices(), [0, 1]);
    assert_eq!(numbers(5).take(9).len(), 5);
    assert!(numbers(5).take(0).is_empty());
}

#[test]
fn a_split_is_disjoint_complete_and_in_order() {
    let set = numbers(101);
    for (fraction, count) in [(0.0, 0), (0.2, 20), (0.5, 51), (1.0, 101)] {
        let (first, second) = set.split(fraction, 7);
        assert_eq!(second.len(), count, "{fraction}");
        assert_eq!(sorted(&[&first, &second]), (0..101).collect::<Vec<_>>());
        assert!(first.indices().is_sorted() && second.indices().is_sorted());
    }
    for fraction in [-0.1, 1.1, f64::NAN] {
        let message = panic_of(|| set.split(fraction, 0));
        assert!(
            message.starts_with("split: found a fraction of"),
            "{message}"
        );
    }
}

#[test]
fn a_seed_makes_the_same_split_and_another_seed_another() {
    let set = numbers(100);
    let second = |seed| set.split(0.3, seed).1.indices().to_vec();
    assert_eq!(second(1), second(1));
    let splits: BTreeSet<_> = (0..50).map(second).collect();
    assert_eq!(splits.len(), 50);
}

#[test]
fn a_split_chooses_every_sample_equally_often() {
    let set = numbers(20);
    let mut chosen = [0; 20];
    for seed in 0..2000 {
        for &index in set.split(0.25, seed).1.indices() {
            chosen[index] += 1;
        }
    }
    // 500 of each on average, with a standard deviation of √(2000 / 4 · 3 / 4) = 19.4: five of them.
    assert!(
        chosen.iter().all(|count| (403..=597).contains(count)),
        "{chosen:?}"
    );
}

#[test]
fn every_sample_is_in_one_fold_and_outside_the_others() {
    let set = numbers(23);
    let all: Vec<usize> = (0..23).collect();
    for k in [2, 5, 23] {
        let folds = set.folds(k, 3);
        assert_eq!(folds.len(), k);
        for (train, validation) in &folds {
            assert_eq!(sorted(&[train, validation]), all);
            assert!([23 / k, 23_usize.div_ceil(k)].contains(&validation.len()));
        }
        let validations: Vec<_> = folds.iter().map(|(_, validation)| validation).collect();
        assert_eq!(sorted(&validations), all);
    }
    let parts = |seed| -> Vec<Vec<usize>> {
        let folds = set.folds(4, seed);
        folds
            .iter()
            .map(|(_, part)| part.indices().to_vec())
            .collect()
    };
    assert_eq!(parts(1), parts(1));
    assert_ne!(parts(1), parts(2));
}

#[test]
fn there_are_two_folds_at_least_and_none_is_empty() {
    let set = numbers(3);
    for k in [0, 1, 4] {
        assert_eq!(
            panic_of(|| set.folds(k, 0)),
            format!("folds: found k = {k}, wanted 2 to 3, the number of samples")
        );
    }
}
