//! The sets that are known by name, as they are delivered.

use std::path::PathBuf;

use eras_data::catalog::{CIFAR10, FASHION_MNIST, MNIST, all};
use eras_data::{Dataset, FashionMnist, Images, Mnist, Search};

use crate::common::{Folder, gzip, idx};

pub(crate) fn counts(images: &Images) -> [usize; 10] {
    let mut counts = [0; 10];
    for &label in images.labels() {
        counts[label as usize] += 1;
    }
    counts
}

/// The mean and the standard deviation of all pixels of a channel, from 0 to 1.
pub(crate) fn moments(images: &Images, channel: usize) -> (f64, f64) {
    let [_, height, width] = images.shape();
    let plane = height * width;
    let (mut sum, mut squares, mut count) = (0_u64, 0_u64, 0_u64);
    for pixel in (0..images.len()).flat_map(|i| &images.pixels(i)[channel * plane..][..plane]) {
        let pixel = u64::from(*pixel);
        sum += pixel;
        squares += pixel * pixel;
        count += 1;
    }
    let mean = sum as f64 / count as f64;
    let variance = squares as f64 / count as f64 - mean * mean;
    (mean / 255.0, variance.sqrt() / 255.0)
}

#[test]
fn embedded_mnist_is_the_published_set() {
    // Loading compares the SHA-256 of all four files; without any folder only the embedded ones are there.
    let mnist = Mnist::find(&Search::default()).unwrap();
    assert_eq!((mnist.train.len(), mnist.test.len()), (60_000, 10_000));
    assert_eq!(
        counts(&mnist.train),
        [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    );
    assert_eq!(
        counts(&mnist.test),
        [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    );
    assert_eq!(mnist.train.labels()[..8], [5, 0, 4, 1, 9, 2, 1, 3]);
    assert_eq!(mnist.test.labels()[..8], [7, 2, 1, 0, 4, 1, 4, 9]);
    assert_eq!(mnist.train.classes(), Mnist::CLASSES);
    assert_eq!(mnist.train.batch(&[0, 59_999]).unwrap().x.shape(), [2, 784]);
    assert_eq!(
        mnist.test.planes().batch(&[9999]).unwrap().x.shape(),
        [1, 1, 28, 28]
    );
    // The numbers by which everyone normalizes MNIST.
    let (mean, deviation) = moments(&mnist.train, 0);
    assert!((mean - 0.1307).abs() < 5e-5, "{mean}");
    assert!((deviation - 0.3081).abs() < 5e-5, "{deviation}");
}

#[test]
fn altered_truncated_or_missing_files_are_errors_that_name_them() {
    let folder = Folder::new();
    let error = || Mnist::load_from(folder.path()).unwrap_err().to_string();
    for file in MNIST.files {
        folder.file(&format!("{}.gz", file.name), file.embedded.unwrap());
    }
    assert_eq!(Mnist::load_from(folder.path()).unwrap().test.len(), 10_000);

    let labels = folder.file(
        "t10k-labels-idx1-ubyte.gz",
        gzip(&idx(&[10_000], &[3; 10_000])),
    );
    let altered = error();
    assert!(altered.contains("t10k-labels-idx1-ubyte.gz`"), "{altered}");
    assert!(altered.contains("it was altered"), "{altered}");

    // However well they are compressed: no more is read than is right.
    folder.file(
        "t10k-labels-idx1-ubyte.gz",
        gzip(&idx(&[1_000_000], &[3; 1_000_000])),
    );
    let longer = error();
    assert!(
        longer.contains("makes 1000008 bytes, but 10008 are right: it was altered"),
        "{longer}"
    );

    folder.file(
        "t10k-labels-idx1-ubyte.gz",
        MNIST.files[3].embedded.unwrap(),
    );
    folder.file(
        "train-images-idx3-ubyte.gz",
        &MNIST.files[0].embedded.unwrap()[..1 << 20],
    );
    let truncated = error();
    assert!(
        truncated.contains("train-images-idx3-ubyte.gz`: cannot be read past byte"),
        "{truncated}"
    );

    std::fs::remove_file(labels).unwrap();
    let missing = error();
    assert!(
        missing.contains("found neither t10k-labels-idx1-ubyte.gz nor"),
        "{missing}"
    );
}

#[test]
fn fashion_mnist_is_the_published_set() {
    let folder = std::env::var_os("ERAS_DATA").map(PathBuf::from);
    let Some(folder) = folder.filter(|folder| folder.join(FASHION_MNIST.name).is_dir()) else {
        eprintln!("skipped: $ERAS_DATA has no fashion-mnist");
        return;
    };
    let fashion = FashionMnist::load_from(folder).unwrap();
    assert_eq!((fashion.train.len(), fashion.test.len()), (60_000, 10_000));
    assert_eq!(counts(&fashion.train), [6000; 10]);
    assert_eq!(counts(&fashion.test), [1000; 10]);
    assert_eq!(fashion.train.labels()[..4], [9, 0, 0, 3]);
    assert_eq!(fashion.train.classes()[9], "Ankle boot");
}

#[test]
fn the_catalog_has_the_published_hashes() {
    let hashes: Vec<&str> = MNIST.files.iter().map(|file| file.sha256).collect();
    assert_eq!(
        hashes,
        [
            "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
            "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
            "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
            "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
        ]
    );
    assert!(all().is_sorted_by_key(|known| known.name));
    for known in all() {
        for file in known.files {
            assert!(file.sha256.len() == 64, "{}", file.name);
            let plain = file.is_archive || known.name == "tiny-shakespeare";
            let ending = if plain { "" } else { ".gz" };
            let is_its = |address: &&str| address.ends_with(&format!("/{}{ending}", file.name));
            assert!(file.addresses.iter().all(is_its), "{}", file.name);
        }
    }
    for known in [&MNIST, &FASHION_MNIST] {
        assert_eq!(known.bytes(), 47_040_016 + 60_008 + 7_840_016 + 10_008);
    }
    assert_eq!(CIFAR10.bytes(), 170_052_171);
    assert!(MNIST.is_embedded() && !FASHION_MNIST.is_embedded());
}
