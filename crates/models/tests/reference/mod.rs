//! What the tests of whole models share: numbers that need not be stored, and how near values must be.

use eras::prelude::*;

/// Uniform in [-1, 1): splitmix64 of the index, from the FNV-1a hash of the name on; multiples of 2⁻²³.
pub(crate) fn numbers(name: &str, shape: &[usize]) -> Tensor {
    let start = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
    });
    let number = |i: u64| {
        let z = i.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(start);
        let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 40) as f64 / f64::from(1 << 23) - 1.0
    };
    let all: Vec<f64> = (1..=shape.iter().product::<usize>() as u64)
        .map(number)
        .collect();
    Tensor::from_slice(&all, shape)
}

/// N3's tolerance for f64.
#[track_caller]
pub(crate) fn close(found: &[f64], wanted: &[f64], what: &str) {
    assert_eq!(found.len(), wanted.len(), "{what}");
    for (a, b) in found.iter().zip(wanted) {
        assert!(
            (a - b).abs() <= 1e-7 + 1e-7 * b.abs(),
            "{what}: {a}, wanted {b}"
        );
    }
}
