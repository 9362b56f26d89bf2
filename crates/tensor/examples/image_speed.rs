//! How fast the operations on batches of images move their bytes, beside a plain copy measured in turn with each.
//!
//! `cargo run --release -p eras-tensor --example image_speed`; a name as argument measures those alone whose names
//! contain it.
#![expect(clippy::print_stdout, reason = "an example prints")]

use eras::prelude::*;
use std::hint::black_box;
use std::time::Instant;

/// Batches as they come in small networks for small images, and in deep ones.
const SHAPES: [[usize; 4]; 5] = [
    [128, 64, 24, 24],
    [32, 64, 32, 32],
    [32, 128, 16, 16],
    [32, 256, 8, 8],
    [32, 512, 4, 4],
];
/// The best of at least so many runs counts, and of as many as fit into these seconds.
const RUNS: usize = 30;
const SECONDS: f64 = 0.4;

fn seconds<R>(f: impl FnOnce() -> R) -> f64 {
    let start = Instant::now();
    black_box(f());
    start.elapsed().as_secs_f64()
}

/// An operation whose forward pass must move `forward` and whose backward pass `backward` tensors of the size of `x`.
fn measure(name: &str, x: &Tensor, forward: f64, backward: f64, op: impl Fn(&Tensor) -> Tensor) {
    let only = std::env::args().nth(1).unwrap_or_default();
    if !name.contains(&only) {
        return;
    }
    let leaf = x.requires_grad();
    let dy = op(x) * 1.0;
    let mut best = [f64::INFINITY; 3];
    let start = Instant::now();
    let mut runs = 0;
    while runs < RUNS || start.elapsed().as_secs_f64() < SECONDS {
        let mut y = None;
        let times = [
            seconds(|| x.neg()),
            seconds(|| y = Some(op(&leaf))),
            seconds(|| y.take().map(|y| y.backward_with(&dy))),
        ];
        for (best, time) in best.iter_mut().zip(times) {
            *best = best.min(time);
        }
        runs += 1;
    }
    let size = (x.len() * x.dtype().size()) as f64;
    let rate = |tensors: f64, time: f64| tensors * size / time / 1e9;
    let copy = rate(2.0, best[0]);
    let (there, back) = (rate(forward, best[1]), rate(backward, best[2]));
    println!(
        "  {name:26} copy {copy:5.1} GB/s   forward {:7.0} µs {there:5.1} GB/s ({:3.0}%)   backward {:7.0} µs {back:5.1} GB/s ({:3.0}%)",
        best[1] * 1e6,
        100.0 * there / copy,
        best[2] * 1e6,
        100.0 * back / copy
    );
}

fn main() {
    let rng = &mut Rng::new(0);
    let linear = Interpolation::Linear {
        align_corners: false,
    };
    for shape in SHAPES {
        println!("{shape:?}");
        let x = Tensor::randn(shape, rng);
        let c = shape[1];
        let (w, b) = (Tensor::ones([c]), Tensor::zeros([c]));
        let (w, b) = (w.requires_grad(), b.requires_grad());
        // A quarter is written, and a byte for each of its elements; then read, and all is written.
        let (quarter, byte) = (1.0 / 4.0, 1.0 / 16.0);
        measure(
            "max_pool 2",
            &x,
            1.0 + quarter + byte,
            1.0 + quarter + byte,
            |x| x.max_pool([2, 2]),
        );
        let window = Window::new([3, 3]).stride([2, 2]).padding([1, 1]);
        measure(
            "max_pool 3, stride 2",
            &x,
            1.0 + quarter + byte,
            1.0 + quarter + byte,
            |x| x.max_pool(window),
        );
        measure("avg_pool 2", &x, 1.0 + quarter, 1.0 + quarter, |x| {
            x.avg_pool([2, 2])
        });
        measure(
            "avg_pool 3, stride 2",
            &x,
            1.0 + quarter,
            1.0 + quarter,
            |x| x.avg_pool(window),
        );
        measure("global average", &x, 1.0, 1.0, |x| {
            x.adaptive_avg_pool([1, 1])
        });
        measure("nearest, twice as long", &x, 5.0, 5.0, |x| {
            x.interpolate([2.0, 2.0], Interpolation::Nearest)
        });
        measure("bilinear, twice as long", &x, 5.0, 5.0, |x| {
            x.interpolate([2.0, 2.0], linear)
        });
        // Statistics and result are two passes, as are sums and gradient.
        measure("batch_norm", &x, 3.0, 5.0, |x| {
            x.batch_norm(Some(&w), Some(&b), 1e-5).0
        });
        measure("relu", &x, 2.0, 3.0, Tensor::relu);
    }
}
