//! Classes of unequal size: counting, weighing and splitting them.

use eras_tensor::Rng;

/// The random stream of a seed that selections by class are drawn from.
const STREAM: u64 = 5;

/// How many labels there are of each of `classes` classes.
///
/// # Panics
/// If a label is not the number of one of them.
#[must_use]
#[track_caller]
pub fn class_counts(labels: &[i64], classes: usize) -> Vec<usize> {
    let mut counts = vec![0; classes];
    for &label in labels {
        assert!(
            (0..classes as i64).contains(&label),
            "class_counts: found label {label}, wanted 0 to {} for {classes} classes",
            classes.max(1) - 1
        );
        counts[label as usize] += 1;
    }
    counts
}

/// How much a sample of each class should count so that all classes count alike: `samples / (classes · count)`, 1 where
/// they are of one size. A class without samples gets 0.
///
/// ```
/// use eras_data::class_weights;
///
/// assert_eq!(class_weights(&[30, 10, 0]), [40.0 / 60.0, 2.0, 0.0]);
/// ```
#[must_use]
pub fn class_weights(counts: &[usize]) -> Vec<f64> {
    let (samples, there): (usize, usize) = counts.iter().fold((0, 0), |(sum, there), &n| {
        (sum + n, there + usize::from(n > 0))
    });
    let weight = |&n: &usize| match n {
        0 => 0.0,
        n => samples as f64 / (there * n) as f64,
    };
    counts.iter().map(weight).collect()
}

/// Two selections of the samples with these labels: of each class a random `fraction` comes second, the rest first. A
/// class of two samples or more has one at least on either side, unless the fraction is 0 or 1. Both are in rising
/// order.
#[cfg_attr(
    not(feature = "image"),
    expect(dead_code, reason = "only folders of pictures are split by class")
)]
pub(crate) fn stratified(labels: &[i64], fraction: f64, seed: u64) -> [Vec<usize>; 2] {
    let classes = labels.iter().max().map_or(0, |most| *most as usize + 1);
    let mut of_class = vec![Vec::new(); classes];
    for (i, &label) in labels.iter().enumerate() {
        of_class[label as usize].push(i);
    }
    let mut parts = [Vec::new(), Vec::new()];
    for (class, mut samples) in of_class.into_iter().enumerate() {
        Rng::at(seed, STREAM, (class as u64) << 32).shuffle(&mut samples);
        let mut count = (samples.len() as f64 * fraction).round() as usize;
        if samples.len() >= 2 && fraction > 0.0 && fraction < 1.0 {
            count = count.clamp(1, samples.len() - 1);
        }
        let (second, first) = samples.split_at(count);
        parts[0].extend(first);
        parts[1].extend(second);
    }
    parts.iter_mut().for_each(|part| part.sort_unstable());
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_class_is_split_in_its_own_share() {
        let labels: Vec<i64> = (0..130)
            .map(|i| [0, 0, 0, 1, 0][i % 5].min(i as i64))
            .collect();
        let labels = [labels, vec![2, 3, 3]].concat();
        let counts = class_counts(&labels, 4);
        assert_eq!(counts, [104, 26, 1, 2]);
        let [first, second] = stratified(&labels, 0.25, 1);
        let of =
            |part: &[usize]| class_counts(&part.iter().map(|&i| labels[i]).collect::<Vec<_>>(), 4);
        // The only one of its class is kept to train on.
        assert_eq!(
            (of(&first), of(&second)),
            (vec![78, 19, 1, 1], vec![26, 7, 0, 1])
        );
        assert!(first.is_sorted() && second.is_sorted());
        let mut all = [first.clone(), second.clone()].concat();
        all.sort_unstable();
        assert_eq!(all, (0..133).collect::<Vec<_>>());
        assert_eq!(stratified(&labels, 0.25, 1), [first, second.clone()]);
        assert_ne!(stratified(&labels, 0.25, 2)[1], second);
        assert_eq!(stratified(&labels, 0.0, 1)[1], [0; 0]);
        assert_eq!(stratified(&labels, 1.0, 1)[0], [0; 0]);
    }

    #[test]
    fn weighted_classes_count_alike() {
        let counts = [900, 90, 10];
        let total: Vec<f64> = class_weights(&counts)
            .iter()
            .zip(counts)
            .map(|(weight, n)| weight * n as f64)
            .collect();
        assert!(
            total.iter().all(|sum| (sum - 1000.0 / 3.0).abs() < 1e-9),
            "{total:?}"
        );
        assert_eq!(class_weights(&[7, 7]), [1.0, 1.0]);
    }
}
