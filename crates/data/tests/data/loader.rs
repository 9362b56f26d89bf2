//! The loader: orders, places, threads.

use std::cmp::Reverse;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use eras_data::{Batch, Dataset, Loader, Position};
use eras_tensor::{Error, Result, Tensor};

use crate::common::panic_of;

/// The numbers from 0, read in the background, with what can go wrong there.
#[derive(Clone, Default)]
struct Numbers {
    count: usize,
    /// This sample cannot be read while `is_bad` holds.
    error: Option<usize>,
    /// This one makes the set panic while `is_bad` holds.
    panic: Option<usize>,
    /// These are left out.
    missing: Vec<usize>,
    is_bad: Arc<AtomicBool>,
    reads: Arc<AtomicUsize>,
}

fn numbers(count: usize) -> Numbers {
    let is_bad = Arc::new(AtomicBool::new(true));
    Numbers {
        count,
        is_bad,
        ..Numbers::default()
    }
}

impl Dataset for Numbers {
    fn len(&self) -> usize {
        self.count
    }

    fn batch(&self, indices: &[usize]) -> Result<Batch> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        // Some take longer than others, so that threads would mix them up if they could.
        thread::sleep(Duration::from_micros((indices[0] as u64 * 7919 % 5) * 100));
        let has = |bad: Option<usize>| {
            self.is_bad.load(Ordering::Relaxed) && bad.is_some_and(|bad| indices.contains(&bad))
        };
        if has(self.error) {
            return Err(Error::new("sample 17 is not readable"));
        }
        assert!(!has(self.panic), "sample 17 is cursed");
        let read = indices.iter().filter(|index| !self.missing.contains(index));
        let y: Vec<i64> = read.map(|&index| index as i64).collect();
        let x: Vec<f32> = y.iter().map(|&y| y as f32).collect();
        Ok(Batch {
            x: Tensor::from_slice(&x, [y.len(), 1]),
            y: Tensor::from_slice(&y, [y.len()]),
        })
    }

    fn background(&self) -> Option<Arc<dyn Dataset>> {
        Some(Arc::new(self.clone()))
    }
}

fn labels(batch: &Batch) -> Vec<i64> {
    let y = batch.y.to_vec::<i64>();
    let x: Vec<f32> = y.iter().map(|&y| y as f32).collect();
    assert_eq!(batch.x.to_vec::<f32>(), x);
    y
}

/// The batches to the end of the epoch.
fn epoch(loader: &mut Loader) -> Vec<Vec<i64>> {
    loader.map(|batch| labels(&batch)).collect()
}

fn sorted(batches: &[Vec<i64>]) -> Vec<i64> {
    let mut all = batches.concat();
    all.sort_unstable();
    all
}

#[test]
fn without_a_seed_the_order_is_that_of_the_set() {
    let mut loader = Loader::new(numbers(7), 3);
    for _ in 0..2 {
        assert_eq!(epoch(&mut loader), [vec![0, 1, 2], vec![3, 4, 5], vec![6]]);
    }
}

#[test]
fn an_epoch_is_a_permutation_and_another_epoch_another() {
    let all: Vec<i64> = (0..50).collect();
    let mut loader = Loader::new(numbers(50), 8).shuffle(3);
    let epochs: Vec<_> = (0..4).map(|_| epoch(&mut loader)).collect();
    for (i, batches) in epochs.iter().enumerate() {
        assert_eq!(sorted(batches), all);
        assert_ne!(batches.concat(), all);
        assert!(epochs[..i].iter().all(|other| other != batches));
    }
}

#[test]
fn a_seed_repeats_and_another_seed_makes_another_order() {
    let first = |seed| {
        let mut loader = Loader::new(numbers(50), 50).shuffle(seed);
        [epoch(&mut loader), epoch(&mut loader)]
    };
    assert_eq!(first(5), first(5));
    assert_ne!(first(5), first(6));
}

#[test]
fn the_last_batch_is_smaller_or_left_out() {
    let sizes = |loader: &mut Loader| epoch(loader).iter().map(Vec::len).collect::<Vec<_>>();
    let mut loader = Loader::new(numbers(10), 4).shuffle(0);
    assert_eq!((loader.batches(), sizes(&mut loader)), (3, vec![4, 4, 2]));
    let mut loader = loader.drop_last();
    assert_eq!((loader.batches(), sizes(&mut loader)), (2, vec![4, 4]));
    let mut loader = Loader::new(numbers(8), 4).drop_last();
    assert_eq!((loader.batches(), sizes(&mut loader)), (2, vec![4, 4]));
    let mut loader = Loader::new(numbers(3), 100);
    assert_eq!((loader.batches(), sizes(&mut loader)), (1, vec![3]));
}

#[test]
fn any_number_of_workers_makes_the_same_batches() {
    let batches = |workers| -> Vec<_> {
        let mut loader = Loader::new(numbers(101), 4).shuffle(1).workers(workers);
        (0..3).map(|_| epoch(&mut loader)).collect()
    };
    let alone = batches(0);
    for workers in [1, 2, 4, 40] {
        assert_eq!(batches(workers), alone, "{workers} workers");
    }
}

#[test]
fn a_loader_goes_on_exactly_where_another_stood() {
    for workers in [0, 3] {
        let new = || Loader::new(numbers(23), 4).shuffle(9).workers(workers);
        let mut whole = new();
        let mut batches = Vec::new(); // (where it stood before, the batch)
        for _ in 0..3 * 7 {
            let at = whole.position();
            let batch = whole.next_batch().unwrap();
            batches.push((at, batch.as_ref().map(labels)));
        }
        assert_eq!(
            (batches[8].0, batches[6].0),
            (
                Position { epoch: 1, batch: 1 },
                Position { epoch: 0, batch: 6 }
            )
        );
        assert_eq!(batches[6].1, None);
        for start in [0, 3, 6, 7, 9, 13, 15] {
            let mut other = new();
            other.seek(batches[start].0).unwrap();
            assert_eq!(other.position(), batches[start].0);
            for (at, batch) in &batches[start..] {
                assert_eq!(other.position(), *at);
                assert_eq!(&other.next_batch().unwrap().as_ref().map(labels), batch);
            }
        }
        // Back to where it was, with batches read ahead.
        whole.seek(batches[9].0).unwrap();
        assert_eq!(
            whole.next_batch().unwrap().as_ref().map(labels),
            batches[9].1
        );
        whole.seek(batches[1].0).unwrap();
        assert_eq!(
            whole.next_batch().unwrap().as_ref().map(labels),
            batches[1].1
        );
    }
}

#[test]
fn a_place_that_no_epoch_has_is_an_error() {
    let mut loader = Loader::new(numbers(23), 4);
    let at = Position { epoch: 2, batch: 7 };
    assert_eq!(
        loader.seek(at).unwrap_err().to_string(),
        "found a position at batch 7, but an epoch has only 6"
    );
    assert_eq!(loader.position(), Position::default());
}

#[test]
fn a_seed_or_workers_given_late_count_from_there_on() {
    let at = Position { epoch: 0, batch: 1 };
    let mut late = Loader::new(numbers(20), 4);
    late.next_batch().unwrap();
    let mut late = late.shuffle(2).workers(1);
    let mut early = Loader::new(numbers(20), 4).shuffle(2);
    early.seek(at).unwrap();
    assert_eq!(late.position(), at);
    assert_eq!(epoch(&mut late), epoch(&mut early));
}

#[test]
fn dropping_a_loader_early_ends_its_threads() {
    let set = numbers(10_000);
    let mut loader = Loader::new(&set, 1).workers(4);
    loader.next_batch().unwrap();
    drop(loader); // waits for the threads
    let reads = set.reads.load(Ordering::Relaxed);
    assert!(reads <= 1 + 4 * 2, "{reads} batches for one");
    thread::sleep(Duration::from_millis(20));
    assert_eq!(set.reads.load(Ordering::Relaxed), reads);
    // One that nobody asked for anything has none.
    drop(Loader::new(&set, 1).workers(4));
}

#[test]
fn an_error_reaches_the_caller_who_may_try_again() {
    for workers in [0, 1, 4] {
        let set = Numbers {
            error: Some(17),
            ..numbers(40)
        };
        let mut loader = Loader::new(&set, 4).workers(workers);
        for _ in 0..4 {
            loader.next_batch().unwrap();
        }
        let at = Position { epoch: 0, batch: 4 };
        for _ in 0..2 {
            let error = loader.next_batch().unwrap_err();
            assert_eq!(error.to_string(), "sample 17 is not readable");
            assert_eq!(loader.position(), at);
        }
        let message = panic_of(|| loader.next());
        assert!(
            message.starts_with("Loader: ") && message.contains("sample 17"),
            "{message}"
        );
        set.is_bad.store(false, Ordering::Relaxed);
        assert_eq!(epoch(&mut loader).concat(), (16..40).collect::<Vec<_>>());
    }
}

#[test]
fn a_panic_reaches_the_caller_who_may_try_again() {
    for workers in [0, 1, 4] {
        let set = Numbers {
            panic: Some(17),
            ..numbers(40)
        };
        let mut loader = Loader::new(&set, 4).workers(workers);
        for _ in 0..4 {
            loader.next_batch().unwrap();
        }
        for _ in 0..2 {
            let message = panic_of(|| loader.next_batch());
            assert_eq!(message, "sample 17 is cursed");
        }
        set.is_bad.store(false, Ordering::Relaxed);
        assert_eq!(epoch(&mut loader).concat(), (16..40).collect::<Vec<_>>());
    }
}

#[test]
fn batches_of_which_nothing_could_be_read_are_passed_over() {
    for workers in [0, 2] {
        let set = Numbers {
            missing: vec![1, 2, 3, 6],
            ..numbers(7)
        };
        let mut loader = Loader::new(set, 2).workers(workers);
        for _ in 0..2 {
            assert_eq!(epoch(&mut loader), [vec![0], vec![4, 5]]);
        }
        assert_eq!(loader.position(), Position { epoch: 2, batch: 0 });
    }
}

#[test]
fn mistakes_panic_with_a_reason() {
    assert_eq!(
        panic_of(|| drop(Loader::new(numbers(3), 0))),
        "Loader: found batch size 0, wanted at least 1"
    );
    assert_eq!(
        panic_of(|| drop(Loader::new(numbers(0), 1))),
        "Loader: the data set is empty"
    );
    assert_eq!(
        panic_of(|| drop(Loader::new(numbers(3), 4).drop_last())),
        "Loader: dropping the last batch of 4 leaves none of a set of 3"
    );
}

/// The numbers from 0, each with a length.
struct Long(Vec<u32>);

impl Dataset for Long {
    fn len(&self) -> usize {
        self.0.len()
    }

    fn batch(&self, indices: &[usize]) -> Result<Batch> {
        numbers(self.0.len()).batch(indices)
    }

    fn lengths(&self) -> Option<Vec<u32>> {
        Some(self.0.clone())
    }
}

#[test]
fn samples_of_one_length_come_together_and_others_each_epoch() {
    let long = Long((0..200).map(|i| 1 + i * i % 37).collect());
    let mut loader = Loader::new(&long, 100).shuffle(4);
    let epochs: Vec<Vec<Vec<i64>>> = (0..3).map(|_| epoch(&mut loader)).collect();
    let shapes = |batches: &[Vec<i64>]| {
        let of = |batch: &Vec<i64>| {
            let lengths = batch.iter().map(|i| long.0[*i as usize]);
            (batch.len(), lengths.clone().min(), lengths.max())
        };
        let mut all: Vec<_> = batches.iter().map(of).collect();
        assert!(
            all.iter()
                .all(|(n, _, most)| *n as u32 * most.unwrap() <= 100)
        );
        let order = all.clone();
        all.sort_unstable();
        // No batch could hold the shortest of the next, too.
        let mut by_length = all.clone();
        by_length.sort_unstable_by_key(|&(n, least, most)| (least, most, Reverse(n)));
        let full = by_length
            .windows(2)
            .all(|pair| (pair[0].0 as u32 + 1) * pair[1].1.unwrap() > 100);
        assert!(full, "{by_length:?}");
        (all, order)
    };
    let (wanted, first) = shapes(&epochs[0]);
    assert_eq!(loader.batches(), epochs[0].len());
    for (i, batches) in epochs.iter().enumerate() {
        assert_eq!(sorted(batches), (0..200).collect::<Vec<i64>>());
        let (found, order) = shapes(batches);
        assert_eq!(found, wanted);
        assert!(i == 0 || order != first, "the batches come in one order");
        assert!(epochs[..i].iter().all(|other| other != batches));
    }
    // From a place within an epoch on it is the same again.
    let mut again = Loader::new(&long, 100).shuffle(4);
    let batch = 3;
    again.seek(Position { epoch: 1, batch }).unwrap();
    assert_eq!(epoch(&mut again), epochs[1][batch..]);
}

#[test]
fn a_sample_longer_than_a_batch_stands_alone() {
    let long = Long(vec![3, 50, 2, 4, 60, 1]);
    let mut loader = Loader::new(&long, 10);
    let all = epoch(&mut loader);
    assert_eq!(all, [vec![5, 2, 0], vec![3], vec![1], vec![4]]);
    assert_eq!(
        (
            loader.samples(),
            loader.samples_per_batch(),
            loader.batches()
        ),
        (6, 2, 4)
    );
}
