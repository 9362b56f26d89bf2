//! Small good files to begin with.

use eras::prelude::*;
use eras::train::Checkpoints;
use flate2::{Compression, Crc, write::GzEncoder};
use image::{DynamicImage, ImageFormat, RgbImage};
use std::fs;
use std::io::{Cursor, Write};
use std::path::{Path, PathBuf};

/// A folder of its own, removed at the end.
pub(crate) struct Scratch(pub(crate) PathBuf);

impl Scratch {
    pub(crate) fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("eras-fuzz-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Writes a file in the place of another. Removed first: some systems wait for the disk where a file is written over.
pub(crate) fn replace(path: &Path, contents: &[u8]) {
    let _ = fs::remove_file(path);
    fs::write(path, contents).unwrap();
}

pub(crate) fn idx() -> Vec<Vec<u8>> {
    let header = |kind: u8, sizes: &[u32]| {
        let mut bytes = vec![0, 0, kind, sizes.len() as u8];
        sizes
            .iter()
            .for_each(|size| bytes.extend(size.to_be_bytes()));
        bytes
    };
    vec![
        [header(8, &[2, 3, 3]), (0..18).collect()].concat(),
        [header(13, &[3]), vec![0x3f; 12]].concat(),
        [header(14, &[1, 1]), vec![0x3f; 8]].concat(),
    ]
}

/// `bytes` as gzip.
pub(crate) fn packed(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

pub(crate) fn gzip() -> Vec<Vec<u8>> {
    let mut files: Vec<_> = idx().iter().map(|file| packed(file)).collect();
    // One that becomes far more than it is.
    let zeros = [&[0, 0, 8, 1, 0, 8, 0, 0][..], &[0; 1 << 19]].concat();
    files.push(packed(&zeros));
    files
}

pub(crate) fn csv() -> Vec<Vec<u8>> {
    let texts = [
        "length,width,species\n5.1,3.5,setosa\n7.0,3.2,versicolor\n4.9,3.0,setosa\n",
        "1;2;3\r\n4;5;6\r\n",
        "a,b,c\n\"1\",\"2\",\"x \"\"y\"\" z\"\n-1e-3,+2.5,ü\n",
    ];
    texts.map(|text| text.as_bytes().to_vec()).to_vec()
}

/// Two PNG files, then one of each other kind.
pub(crate) fn pictures() -> Vec<Vec<u8>> {
    let colors = RgbImage::from_fn(9, 7, |x, y| image::Rgb([x as u8 * 20, y as u8 * 30, 7]));
    let colors = DynamicImage::ImageRgb8(colors);
    let encode = |image: &DynamicImage, format| {
        let mut file = Cursor::new(Vec::new());
        image.write_to(&mut file, format).unwrap();
        file.into_inner()
    };
    vec![
        encode(&colors, ImageFormat::Png),
        encode(
            &DynamicImage::ImageLumaA16(colors.to_luma_alpha16()),
            ImageFormat::Png,
        ),
        encode(&colors, ImageFormat::Jpeg),
        encode(&colors, ImageFormat::Bmp),
        encode(&colors, ImageFormat::WebP),
    ]
}

/// The same PNG file with the check sum of each chunk made right.
pub(crate) fn png_mended(file: &[u8]) -> Vec<u8> {
    let mut file = file.to_vec();
    let mut at = 8;
    while let Some(length) = file.get(at..at + 4) {
        let length = u32::from_be_bytes(length.try_into().unwrap()) as usize;
        let end = at + 8 + length;
        if end + 4 > file.len() {
            break;
        }
        let mut crc = Crc::new();
        crc.update(&file[at + 4..end]);
        file[end..end + 4].copy_from_slice(&crc.sum().to_be_bytes());
        at = end + 4;
    }
    file
}

/// Archives of CIFAR-10 in either form, a picture or two each.
pub(crate) fn archives() -> Vec<Vec<u8>> {
    let picture = DynamicImage::ImageRgb8(RgbImage::from_fn(32, 32, |x, y| {
        image::Rgb([x as u8 * 8, y as u8 * 8, 7])
    }));
    let mut file = Cursor::new(Vec::new());
    picture.write_to(&mut file, ImageFormat::Jpeg).unwrap();
    let jpeg = file.into_inner();
    let jpegs = [("train/cat/1.jpg", &jpeg), ("x/test/dog/1.jpg", &jpeg)];
    let row = [&[3][..], &[77; 3072]].concat();
    let batch = |i: usize| match i {
        6 => ("test_batch.bin".to_owned(), &row),
        i => (format!("data_batch_{i}.bin"), &row),
    };
    let archive = |files: &[(&str, &Vec<u8>)]| {
        let mut bytes = Vec::new();
        for (name, file) in files {
            let mut header = [0; 512];
            header[..name.len()].copy_from_slice(name.as_bytes());
            header[124..135].copy_from_slice(format!("{:011o}", file.len()).as_bytes());
            header[156] = b'0';
            bytes.extend_from_slice(&header);
            bytes.extend_from_slice(file);
            bytes.resize(bytes.len().next_multiple_of(512), 0);
        }
        bytes.resize(bytes.len() + 1024, 0);
        tar_mended(&bytes)
    };
    let batches: Vec<_> = (1..=6).map(batch).collect();
    let batches: Vec<_> = batches
        .iter()
        .map(|(name, row)| (name.as_str(), *row))
        .collect();
    vec![archive(&jpegs), archive(&batches)]
}

/// The same tar archive with the check sum of each header made right.
pub(crate) fn tar_mended(file: &[u8]) -> Vec<u8> {
    let mut file = file.to_vec();
    let mut at = 0;
    while let Some(header) = file
        .get_mut(at..at + 512)
        .filter(|header| header.iter().any(|b| *b != 0))
    {
        header[148..156].fill(b' ');
        let sum: u64 = header.iter().map(|byte| u64::from(*byte)).sum();
        header[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
        let digits = std::str::from_utf8(&header[124..135]).unwrap_or_default();
        let size = usize::from_str_radix(digits, 8).unwrap_or(0).min(1 << 20);
        at += 512 + size.next_multiple_of(512);
    }
    file
}

pub(crate) fn safetensors() -> Vec<Vec<u8>> {
    let mut files = stored(&["safetensors"], &[]);
    let x = Tensor::arange(6).reshape([2, 3]);
    let small = Dtype::ALL.map(|d| (d.to_string(), x.to_dtype(d)));
    files.push(eras::formats::safetensors::serialize(&small).unwrap());
    files.push(eras::formats::safetensors::serialize(&small[..1]).unwrap());
    files
}

/// The files that PyTorch and NumPy wrote, with one of `endings`, but those that begin with one of `without`.
pub(crate) fn stored(endings: &[&str], without: &[&str]) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/formats");
    let mut paths: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            let name = path.file_name().unwrap().to_str().unwrap();
            endings.iter().any(|e| name.ends_with(e))
                && !without.iter().any(|w| name.starts_with(w))
        })
        .collect();
    assert!(!paths.is_empty(), "no files {endings:?}");
    paths.sort();
    paths.iter().map(|path| fs::read(path).unwrap()).collect()
}

pub(crate) fn names() -> Vec<Vec<u8>> {
    let texts = [
        "# names\n\"layers.*.linear.weight\" = \"*.fc.weight\" # why\nmodule.** = **\n",
        "'a' = \"b\\\"\\\\\"\n\n**.** = **.x.**\n",
    ];
    texts.map(|text| text.as_bytes().to_vec()).to_vec()
}

pub(crate) fn configurations() -> Vec<Vec<u8>> {
    let texts = [
        "recipe = \"mlp\"\nversion = \"0.1.0\"\nthreads = 2\ndata = \"/data\"\n\n[settings]\nlr = 0.1\nhidden = [512, 512]\n\
         dataset = \"mnist\"\nflag = true\n[weights]\nfile = \"mlp.npz\"\nsha256 = \"00\"\n",
        "recipe = 'x'\nthreads = 0x10\nsettings = { a.b = [[1], [2.5e3]], \"c d\" = 1979-05-27T07:32:00Z }\n",
    ];
    texts.map(|text| text.as_bytes().to_vec()).to_vec()
}

/// Leaves a checkpoint in `folder`: its name and its manifest.
pub(crate) fn checkpoint(folder: &Path) -> (String, Vec<u8>) {
    let rng = &mut Rng::new(0);
    let set =
        TensorDataset::new(Tensor::randn([4, 2], rng), Tensor::from([0i64, 1, 1, 0])).unwrap();
    let mut model = Sequential::new().add(Dense::new(2, 2, rng));
    Trainer::new(Adam::new(0.1), cross_entropy)
        .batch_size(2)
        .epochs(2)
        .metric(Accuracy)
        .callback(Checkpoints::new(folder))
        .fit(&mut model, &set, &set)
        .unwrap();
    let mut names: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .filter_map(|entry| {
            entry
                .unwrap()
                .file_name()
                .into_string()
                .ok()?
                .strip_suffix(".json")
                .map(str::to_owned)
        })
        .collect();
    names.sort();
    let name = names.pop().unwrap();
    let manifest = fs::read(folder.join(format!("{name}.json"))).unwrap();
    (name, manifest)
}
