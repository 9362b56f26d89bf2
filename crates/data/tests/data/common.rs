//! What several tests need.

use std::error::Error as _;
use std::fs;
use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

/// A folder that goes when it is dropped.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let name = format!(
            "eras-data-{}-{}",
            std::process::id(),
            COUNT.fetch_add(1, Ordering::Relaxed)
        );
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// Writes a file, with its folders, and gives its path.
    pub(crate) fn file(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, bytes).unwrap();
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// `bytes` as gzip.
pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// A tar archive of files, in the form of POSIX.
pub(crate) fn tar(files: &[(&str, &[u8])]) -> Vec<u8> {
    let entries = files.iter().map(|(name, bytes)| {
        let mut entry = tar_header(name, bytes.len() as u64, b'0').to_vec();
        entry.extend_from_slice(bytes);
        entry.resize(entry.len().next_multiple_of(512), 0);
        entry
    });
    let mut archive = entries.collect::<Vec<_>>().concat();
    archive.resize(archive.len() + 1024, 0);
    archive
}

pub(crate) fn tar_header(name: &str, size: u64, kind: u8) -> [u8; 512] {
    let mut header = [0; 512];
    header[..name.len()].copy_from_slice(name.as_bytes());
    header[124..135].copy_from_slice(format!("{size:011o}").as_bytes());
    header[156] = kind;
    header[257..265].copy_from_slice(b"ustar\x0000");
    header[148..156].fill(b' ');
    let sum: u64 = header.iter().map(|byte| u64::from(*byte)).sum();
    header[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
    header
}

/// An IDX file of bytes.
pub(crate) fn idx(shape: &[u32], values: &[u8]) -> Vec<u8> {
    let mut file = vec![0, 0, 8, shape.len() as u8];
    file.extend(shape.iter().flat_map(|size| size.to_be_bytes()));
    file.extend(values);
    file
}

/// An error and its causes, as one text.
pub(crate) fn text(error: &eras_tensor::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text += &format!(" | {error}");
        cause = error.source();
    }
    text
}

/// What `f` says when it panics.
pub(crate) fn panic_of<R>(f: impl FnOnce() -> R) -> String {
    let Err(payload) = catch_unwind(AssertUnwindSafe(f)) else {
        return "nothing: it did not panic".into();
    };
    match payload.downcast::<String>() {
        Ok(text) => *text,
        Err(payload) => payload
            .downcast_ref::<&str>()
            .map_or("something", |text| text)
            .into(),
    }
}

/// Gives `count` mangled inputs to `read`, and shows the one that makes it panic.
pub(crate) fn never_panics(seeds: &[Vec<u8>], count: usize, read: impl Fn(usize, &[u8])) {
    for (i, input) in mangled(seeds, count).enumerate() {
        let result = catch_unwind(AssertUnwindSafe(|| read(i, &input)));
        assert!(
            result.is_ok(),
            "input {i} made the reader panic: {input:02x?}"
        );
    }
}

/// `count` inputs for a reader: pieces of `seeds` cut, repeated, overwritten and mixed with noise, the same every
/// time.
fn mangled(seeds: &[Vec<u8>], count: usize) -> impl Iterator<Item = Vec<u8>> {
    let mut state = 1_u64;
    let mut below = move |n: usize| {
        // Splitmix64 (Steele, Lea & Flood 2014).
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) % n.max(1) as u64) as usize
    };
    (0..count).map(move |_| {
        let mut input = seeds[below(seeds.len())].clone();
        for _ in 0..=below(4) {
            let (at, other) = (below(input.len()), below(input.len()));
            match below(6) {
                0 if below(4) == 0 => input = (0..below(200)).map(|_| below(256) as u8).collect(),
                0 => input.truncate(at),
                1 if !input.is_empty() => drop(input.drain(at.min(other)..at.max(other))),
                2 => input.extend_from_within(at.min(other)..),
                3 => input.insert(at, below(256) as u8),
                1.. if input.is_empty() => {}
                4 => input[at] = below(256) as u8,
                _ => input[at] ^= 1 << below(8),
            }
        }
        input
    })
}
