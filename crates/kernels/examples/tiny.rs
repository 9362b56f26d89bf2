//! What the smallest products cost: `cargo run --release -p eras-kernels --example tiny`.
#![expect(
    clippy::print_stdout,
    reason = "a program that prints its measurements"
)]

use eras_kernels::matmul::{Epilogue, Mat, matmul};
use std::hint::black_box;
use std::time::Instant;

fn main() {
    let data = vec![0.5_f32; 64 * 64];
    for (m, k, n) in [
        (1, 2, 2),
        (1, 2, 1),
        (2, 2, 1),
        (4, 2, 2),
        (8, 8, 8),
        (16, 16, 16),
        (64, 64, 64),
    ] {
        for transposed in [false, true] {
            let (a, b) = (
                Mat::rows(&data[..], k),
                Mat::rows(&data[..], if transposed { k } else { n }),
            );
            let b = if transposed { b.t() } else { b };
            let mut c = vec![0.0; m * n];
            let times = 1000;
            let best = (0..200).map(|_| {
                let start = Instant::now();
                for _ in 0..times {
                    matmul(
                        black_box(&mut c),
                        (m, k, n),
                        black_box(a),
                        black_box(b),
                        &Epilogue::default(),
                    );
                }
                start.elapsed() / times
            });
            println!(
                "({m} x {k})({k} x {n}){}: {:?}",
                if transposed { ", b transposed" } else { "" },
                best.min().unwrap()
            );
        }
    }
}
