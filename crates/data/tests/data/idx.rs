//! The IDX reader, given what it should read and what it should refuse.

use crate::common::{Folder, gzip, idx, never_panics, text};
use eras_data::{Idx, IdxValues};

#[test]
fn plain_and_compressed_files_give_the_same_array() {
    let folder = Folder::new();
    let file = idx(&[2, 3], &[1, 2, 3, 4, 5, 6]);
    let plain = Idx::read(folder.file("plain", &file)).unwrap();
    let compressed = Idx::read(folder.file("compressed", gzip(&file))).unwrap();
    assert_eq!(plain.shape, [2, 3]);
    assert_eq!(plain.values, compressed.values);
    assert_eq!(plain.into_u8().unwrap(), [1, 2, 3, 4, 5, 6]);
}

#[test]
fn every_type_is_read_big_endian() {
    let read = |kind: u8, bytes: &[u8]| {
        Idx::from_bytes("x", &[&[0, 0, kind, 1, 0, 0, 0, 1], bytes].concat())
    };
    assert_eq!(read(9, &[0xfe]).unwrap().values, IdxValues::I8(vec![-2]));
    assert_eq!(read(11, &[1, 2]).unwrap().values, IdxValues::I16(vec![258]));
    assert_eq!(
        read(12, &[0xff, 0xff, 0xff, 0xfd]).unwrap().values,
        IdxValues::I32(vec![-3])
    );
    assert_eq!(
        read(13, &1.5_f32.to_be_bytes()).unwrap().values,
        IdxValues::F32(vec![1.5])
    );
    assert_eq!(
        read(14, &(-0.1_f64).to_be_bytes()).unwrap().values,
        IdxValues::F64(vec![-0.1])
    );
    let error = read(13, &1.5_f32.to_be_bytes())
        .unwrap()
        .into_u8()
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "`x`: found values of type f32, wanted u8"
    );
}

#[test]
fn many_values_arrive_in_order() {
    let values: Vec<u8> = (0..300_000_u32).map(|i| (i % 251) as u8).collect();
    let file = gzip(&idx(&[300, 1000], &values));
    assert_eq!(
        Idx::from_bytes("x", &file).unwrap().into_u8().unwrap(),
        values
    );
}

#[test]
fn every_truncation_is_an_error_that_names_the_file() {
    let file = idx(&[2, 2, 3], &[7; 12]);
    for file in [file.clone(), gzip(&file)] {
        assert!(Idx::from_bytes("whole", &file).is_ok());
        for length in 0..file.len() {
            let error = Idx::from_bytes("some/file", &file[..length]).unwrap_err();
            assert!(text(&error).starts_with("`some/file`"), "{error}");
        }
    }
}

#[test]
fn every_flipped_bit_of_the_header_is_an_error() {
    let file = idx(&[2, 2, 3], &[7; 12]);
    for byte in 0..16 {
        for bit in 0..8 {
            let mut altered = file.clone();
            altered[byte] ^= 1 << bit;
            let read = Idx::from_bytes("x", &altered).and_then(Idx::into_u8);
            assert!(read.is_err(), "byte {byte}, bit {bit}");
        }
    }
}

#[test]
fn a_flipped_bit_of_a_compressed_file_never_changes_the_values() {
    let file = gzip(&idx(&[4, 5], &[9; 20]));
    let whole = Idx::from_bytes("x", &file).unwrap();
    for byte in 0..file.len() {
        for bit in 0..8 {
            let mut altered = file.clone();
            altered[byte] ^= 1 << bit;
            // gzip's own header has bytes that mean nothing here (time, system); all else is under its check sum.
            if let Ok(read) = Idx::from_bytes("x", &altered) {
                assert_eq!(read, whole, "byte {byte}, bit {bit}");
            }
        }
    }
}

#[test]
fn a_header_of_terabytes_takes_no_memory() {
    let huge = idx(&[u32::MAX, u32::MAX], &[0; 8]);
    let error = Idx::from_bytes("x", &huge).unwrap_err().to_string();
    assert!(
        error.contains("makes 18446744065119617037 bytes, but the file has 20"),
        "{error}"
    );
    let error = Idx::from_bytes("x", &gzip(&huge)).unwrap_err().to_string();
    assert!(error.contains("decompress it first"), "{error}");
    let endless = idx(&[u32::MAX; 8], &[]);
    assert!(Idx::from_bytes("x", &endless).is_err());
}

#[test]
fn what_is_no_idx_file_says_so() {
    let error = Idx::from_bytes("x.idx", b"hello").unwrap_err().to_string();
    assert!(
        error.starts_with("`x.idx`: is not an IDX file: it begins with [68, 65, 6c, 6c]"),
        "{error}"
    );
    let longer = [idx(&[1], &[1]), vec![0]].concat();
    let error = Idx::from_bytes("x.idx", &longer).unwrap_err().to_string();
    assert!(
        error.contains("makes 9 bytes, but the file has 10"),
        "{error}"
    );
    let error = Idx::from_bytes("x.idx", &gzip(&longer))
        .unwrap_err()
        .to_string();
    assert!(error.contains("goes on after the 9 bytes"), "{error}");
    let error = Idx::read("/no/such/file").unwrap_err();
    assert!(text(&error).starts_with("`/no/such/file`"), "{error}");
    assert!(Idx::read(std::env::temp_dir()).is_err());
}

#[test]
fn random_files_never_panic() {
    let file = idx(&[2, 2, 3], &[7; 12]);
    never_panics(&[file.clone(), gzip(&file)], 30_000, |_, input| {
        let _ = Idx::from_bytes("x", input);
    });
}
