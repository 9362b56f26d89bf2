//! CIFAR-10 in both forms, whole and damaged.

use std::fs::{self, File};
use std::io::Cursor;
use std::path::PathBuf;

use eras_data::catalog::CIFAR10;
use eras_data::{Cifar10, Dataset, Place, Search};
use image::{ImageFormat, Rgb, RgbImage};

use crate::common::{Folder, gzip, never_panics, tar, tar_header, text};
use crate::mnist::{counts, moments};

const BATCHES: [&str; 6] = [
    "data_batch_1.bin",
    "data_batch_2.bin",
    "data_batch_3.bin",
    "data_batch_4.bin",
    "data_batch_5.bin",
    "test_batch.bin",
];

/// A row: the label, then three planes of `pixel`, one more and one more again.
fn row(label: u8, pixel: u8) -> Vec<u8> {
    let planes = (0..3).flat_map(|c| [pixel + c; 1024]);
    [label].into_iter().chain(planes).collect()
}

/// The six files, two pictures each: file `i` has the labels `i` and 9.
fn files() -> Vec<(&'static str, Vec<u8>)> {
    let file = |i: u8| [row(i, 10 * i), row(9, 100 + i)].concat();
    BATCHES.into_iter().zip((0..6).map(file)).collect()
}

fn archive(files: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let inside: Vec<_> = files
        .iter()
        .map(|(name, bytes)| (format!("cifar-10-batches-bin/{name}"), bytes))
        .collect();
    let inside: Vec<_> = inside
        .iter()
        .map(|(name, bytes)| (name.as_str(), bytes.as_slice()))
        .collect();
    tar(&inside)
}

fn error(bytes: &[u8]) -> String {
    text(&Cifar10::from_bytes("x.tar", bytes).unwrap_err())
}

fn check(set: &Cifar10) {
    assert_eq!(set.train.labels(), [0, 9, 1, 9, 2, 9, 3, 9, 4, 9]);
    assert_eq!(set.test.labels(), [5, 9]);
    assert_eq!(set.train.classes(), Cifar10::CLASSES);
    assert_eq!(set.train.shape(), [3, 32, 32]);
    let batch = set.train.batch(&[3, 4]).unwrap();
    assert_eq!(batch.x.shape(), [2, 3, 32, 32]);
    for (picture, first) in batch.x.to_vec::<f32>().chunks(3072).zip([101, 20]) {
        for (plane, wanted) in picture.chunks(1024).zip(first..) {
            assert!(plane.iter().all(|pixel| *pixel == wanted as f32 / 255.0));
        }
    }
}

#[test]
fn the_binary_form_is_read_from_a_folder_and_from_an_archive_in_any_order() {
    let folder = Folder::new();
    for (name, bytes) in files() {
        folder.file(name, bytes);
    }
    check(&Cifar10::read_folder(folder.path()).unwrap());
    folder.file("batches.meta.txt", Cifar10::CLASSES.join("\n") + "\n\n");
    let set = Cifar10::read_folder(folder.path()).unwrap();
    check(&set);

    let mut files = files();
    files.reverse();
    files.insert(2, ("batches.meta.txt", Cifar10::CLASSES.join("\n").into()));
    files.insert(0, ("readme.html", b"<html>".to_vec()));
    let plain = archive(&files);
    check(&Cifar10::from_bytes("x", &plain).unwrap());
    let packed = Cifar10::read(folder.file("x.tar.gz", gzip(&plain))).unwrap();
    check(&packed);
    assert_eq!(packed.train.fingerprint(), set.train.fingerprint());
    assert_ne!(packed.train.fingerprint(), packed.test.fingerprint());
}

#[test]
fn what_is_wrong_with_a_file_of_the_binary_form_is_said_with_its_name() {
    let folder = Folder::new();
    let alter = |index: usize, change: &dyn Fn(&mut Vec<u8>)| {
        let mut files = files();
        change(&mut files[index].1);
        for (name, bytes) in &files {
            folder.file(name, bytes);
        }
        let in_folder = text(&Cifar10::read_folder(folder.path()).unwrap_err());
        (in_folder, error(&archive(&files)))
    };
    type Change = &'static dyn Fn(&mut Vec<u8>);
    let cases: [(usize, Change, &str); 6] = [
        (
            1,
            &|file| file.truncate(4000),
            "data_batch_2.bin`: found 4000 bytes, wanted a multiple of 3073",
        ),
        (
            0,
            &|file| file.push(0),
            "data_batch_1.bin`: found 6147 bytes, wanted a multiple of 3073",
        ),
        (0, &Vec::clear, "data_batch_1.bin`: found 0 bytes"),
        (
            2,
            &|file| file.truncate(3073),
            "data_batch_3.bin`: found 1 pictures, wanted 2 as in the file before it",
        ),
        (
            4,
            &|file| file[3073] = 10,
            "data_batch_5.bin`: picture 1: found label 10, wanted 0 to 9",
        ),
        (
            5,
            &|file| file[0] = 255,
            "test_batch.bin`: picture 0: found label 255, wanted 0 to 9",
        ),
    ];
    for (index, change, wanted) in cases {
        let (in_folder, in_archive) = alter(index, change);
        assert!(in_folder.contains(wanted), "{in_folder}");
        assert!(in_archive.contains(wanted), "{in_archive}");
        assert!(
            in_archive.starts_with("`x.tar`: `cifar-10-batches-bin/"),
            "{in_archive}"
        );
    }
    fs::remove_file(folder.path().join("data_batch_4.bin")).unwrap();
    let missing = text(&Cifar10::read_folder(folder.path()).unwrap_err());
    assert!(missing.contains("data_batch_4.bin`: "), "{missing}");
    folder.file("batches.meta.txt", "apple\naquarium_fish\n");
    let other = text(&Cifar10::read_folder(folder.path()).unwrap_err());
    assert!(
        other.contains("batches.meta.txt`: found the classes [\"apple\", \"aquarium_fish\"]"),
        "{other}"
    );
}

#[test]
fn archives_that_are_cut_altered_or_hostile_are_refused_before_memory_is_taken() {
    let whole = archive(&files());
    for length in [
        0,
        100,
        512,
        700,
        4096,
        whole.len() - 1025,
        whole.len() - 1024,
    ] {
        let message = error(&whole[..length]);
        assert!(message.contains("cut off"), "{length}: {message}");
    }
    // gzip has a check sum of its own behind the end.
    let mut packed = gzip(&whole);
    let at = packed.len() - 6;
    packed[at] ^= 1;
    assert!(error(&packed).contains("cannot be read past byte"));

    let mut altered = whole.clone();
    altered[130] ^= 1;
    assert!(error(&altered).contains("the check sum of a header is wrong"));
    assert!(error(&[whole.clone(), vec![1; 512]].concat()).contains("goes on after"));

    let mut without = files();
    without.remove(3);
    assert_eq!(
        error(&gzip(&archive(&without))),
        "`x.tar`: has no data_batch_4.bin"
    );
    without[1].0 = "data_batch_1.bin";
    assert!(error(&gzip(&archive(&without))).contains("data_batch_1.bin`: is there twice"));
    let nothing = error(&tar(&[("readme.txt", b"x")]));
    assert_eq!(
        nothing,
        "`x.tar`: is not CIFAR-10: found neither data_batch_1.bin nor train/airplane/*.jpg"
    );

    for name in ["../data_batch_1.bin", "/etc/test_batch.bin", "a/../../x"] {
        let message = error(&tar(&[(name, b"x")]));
        assert_eq!(
            message,
            format!("`x.tar`: `{name}` is a path that leaves the archive")
        );
    }
    // A link leads nowhere; the file behind it is not read.
    let mut link = tar_header("test_batch.bin", 0, b'2').to_vec();
    link.extend_from_slice(&whole);
    check(&Cifar10::from_bytes("x", &link).unwrap());

    // Announced, and not there.
    let huge = |name: &str, size: u64| error(&[&tar_header(name, size, b'0')[..], &whole].concat());
    let message = huge("data_batch_1.bin", 3073 << 20);
    assert!(
        message.contains("`data_batch_1.bin` announces 3222274048 bytes, but no more than"),
        "{message}"
    );
    let all = 3073 * 12_u64;
    let message = huge("data_batch_1.bin", all);
    assert!(
        message.contains(
            "announces 12 pictures; with as many in each of 6 files there were 221256 bytes"
        ),
        "{message}"
    );
    assert!(huge("batches.meta.txt", 5000).contains("found 5000 bytes, wanted 4096 at most"));
    let long = [&tar_header("train/cat/1.jpg", 70_000, b'0')[..], &whole].concat();
    let message = error(&gzip(&long));
    assert!(
        message.contains("`train/cat/1.jpg`: found 70000 bytes, wanted 65536 at most"),
        "{message}"
    );
}

/// A JPEG file of one color.
fn jpeg(side: u32, color: [u8; 3]) -> Vec<u8> {
    let mut file = Cursor::new(Vec::new());
    let image = RgbImage::from_pixel(side, side, Rgb(color));
    image.write_to(&mut file, ImageFormat::Jpeg).unwrap();
    file.into_inner()
}

#[test]
fn jpeg_files_come_by_number_and_then_class() {
    let (red, blue) = (jpeg(32, [250, 0, 0]), jpeg(32, [0, 0, 250]));
    let archive = tar(&[
        ("pax_global", b"not a picture"),
        ("top/README.md", b"nor this"),
        ("top/train/airplane/0000.jpg", &red),
        ("top/train/airplane/0001.jpg", &blue),
        ("top/train/cat/0000.jpg", &blue),
        ("top/train/cat/.0001.jpg", b"hidden"),
        ("top/test/truck/0000.jpg", &red),
    ]);
    for bytes in [gzip(&archive), archive] {
        let set = Cifar10::from_bytes("x", &bytes).unwrap();
        assert_eq!(set.train.labels(), [0, 3, 0]);
        assert_eq!(set.test.labels(), [9]);
        for (i, (channel, other)) in [(0, 2), (2, 0), (2, 0)].into_iter().enumerate() {
            let plane = |c: usize| &set.train.pixels(i)[c * 1024..][..1024];
            // JPEG loses a little, even of one color.
            assert!(plane(channel).iter().all(|pixel| *pixel > 240), "{i}");
            assert!(plane(other).iter().all(|pixel| *pixel < 10), "{i}");
        }
    }
}

#[test]
fn a_jpeg_file_that_is_none_of_cifar_is_named() {
    let good = jpeg(32, [1, 2, 3]);
    let one = |name: &str, bytes: &[u8]| {
        error(&tar(&[
            ("train/dog/0.jpg", &good),
            (name, bytes),
            ("test/dog/0.jpg", &good),
        ]))
    };
    let message = one("train/dog/1.jpg", &jpeg(16, [0; 3]));
    assert!(
        message.contains("`train/dog/1.jpg`: found 16 x 16 pixels, wanted 32 x 32"),
        "{message}"
    );
    let message = one("train/dog/1.jpg", &good[..good.len() / 3]);
    assert!(
        message.contains("`train/dog/1.jpg`: is not a readable picture"),
        "{message}"
    );
    let message = one("test/cow/1.jpg", &good);
    assert!(
        message.contains("`test/cow/1.jpg`: found a class that is none of airplane"),
        "{message}"
    );
    let message = error(&tar(&[("train/dog/0.jpg", &good)]));
    assert_eq!(message, "`x.tar`: found no pictures in test/<class>/");
}

#[test]
fn the_set_is_found_in_every_form_and_the_official_one_must_be_right() {
    let folder = Folder::new();
    let at = |path: PathBuf| Search {
        eras_data: Some(path),
        ..Search::default()
    };
    let search = at(folder.path().into());
    assert!(search.local(&CIFAR10).unwrap().is_none());
    let message = search
        .find(&CIFAR10, &mut |_, _| ())
        .unwrap_err()
        .to_string();
    assert!(
        message.ends_with("https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz"),
        "{message}"
    );

    let small = gzip(&archive(&files()));
    folder.file("cifar10-jpeg/cifar10-jpeg.tar.gz", &small);
    let place = |name: &str| Place::Folder(folder.path().join(name));
    let found = search.local(&CIFAR10).unwrap().unwrap();
    assert_eq!(found.place, place("cifar10-jpeg"));
    let few = Cifar10::find(&search).unwrap_err().to_string();
    assert!(
        few.contains(
            "cifar10-jpeg.tar.gz`: found 10 training pictures, wanted 50000: the set is incomplete"
        ),
        "{few}"
    );

    // The official name wants the official bytes.
    folder.file("cifar10/cifar-10-binary.tar.gz", &small);
    let other = Cifar10::find(&search).unwrap_err().to_string();
    assert!(
        other.contains(
            "cifar-10-binary.tar.gz`: the archive makes 170052171 bytes, but the file has"
        ),
        "{other}"
    );
    let length = File::options()
        .write(true)
        .open(folder.path().join("cifar10/cifar-10-binary.tar.gz"))
        .unwrap();
    length.set_len(170_052_171).unwrap();
    let other = Cifar10::find(&search).unwrap_err().to_string();
    assert!(
        other.contains("is not the cifar-10-binary.tar.gz of cifar10: found contents with SHA-256"),
        "{other}"
    );

    // Unpacked, in the folder of the archive or directly.
    fs::remove_file(folder.path().join("cifar10/cifar-10-binary.tar.gz")).unwrap();
    let missing = search.local(&CIFAR10).unwrap_err().to_string();
    assert!(
        missing.contains("cifar10`: found in this folder none of: cifar-10-binary.tar.gz; cifar-10-batches-bin/data_batch_1.bin"),
        "{missing}"
    );
    for name in BATCHES {
        // All zeros: airplanes at night, which take no room on the disk.
        let path = folder.file(&format!("cifar10/cifar-10-batches-bin/{name}"), "");
        File::options()
            .write(true)
            .open(path)
            .unwrap()
            .set_len(30_730_000)
            .unwrap();
    }
    let set = Cifar10::find(&search).unwrap();
    assert_eq!((set.train.len(), set.test.len()), (50_000, 10_000));
    let inside = folder.path().join("cifar10/cifar-10-batches-bin");
    assert_eq!(Cifar10::load_from(&inside).unwrap().test.len(), 10_000);
}

#[test]
fn altered_archives_never_panic() {
    let good = jpeg(32, [9, 200, 7]);
    let jpegs = tar(&[("train/cat/0.jpg", &good), ("test/cat/0.jpg", &good)]);
    let binary = archive(&files());
    never_panics(&[jpegs.clone(), binary, gzip(&jpegs)], 2000, |_, bytes| {
        drop(Cifar10::from_bytes("x", bytes));
    });
}

#[test]
fn the_jpeg_set_is_the_one_that_its_source_describes() {
    let folder = std::env::var_os("ERAS_DATA").map(PathBuf::from);
    let Some(folder) = folder.filter(|folder| folder.join("cifar10-jpeg").is_dir()) else {
        eprintln!("skipped: $ERAS_DATA has no cifar10-jpeg");
        return;
    };
    let set = Cifar10::load_from(folder).unwrap();
    assert_eq!((set.train.len(), set.test.len()), (50_000, 10_000));
    assert_eq!(counts(&set.train), [5000; 10]);
    assert_eq!(counts(&set.test), [1000; 10]);
    assert_eq!(
        set.train.labels()[..12],
        [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1]
    );
    // Those of the official pixels, but for what JPEG lost, and for colours that its reader makes in whole numbers: the
    // mean can be off by half a level, 0.002.
    for channel in 0..3 {
        let (mean, deviation) = moments(&set.train, channel);
        assert!(
            (mean - Cifar10::MEAN[channel]).abs() < 2e-3,
            "{channel}: {mean}"
        );
        assert!(
            (deviation - Cifar10::STD[channel]).abs() < 2e-3,
            "{channel}: {deviation}"
        );
    }
}
