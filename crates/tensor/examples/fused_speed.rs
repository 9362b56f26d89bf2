//! How fast the fused operations move their bytes, beside a plain copy measured in turn with each.
//!
//! `cargo run --release -p eras-tensor --example fused_speed`
#![expect(clippy::print_stdout, reason = "an example prints")]

use eras::prelude::*;
use std::hint::black_box;
use std::time::Instant;

/// Rows and columns of the large ones: 64 MiB, beyond the caches.
const LARGE: [usize; 2] = [16 * 1024, 1024];
/// The best of so many runs counts.
const RUNS: usize = 40;

fn seconds<R>(f: impl FnOnce() -> R) -> f64 {
    let start = Instant::now();
    black_box(f());
    start.elapsed().as_secs_f64()
}

/// An operation whose forward pass must move `forward` and whose backward pass `backward` tensors of the size of `x`.
fn measure(name: &str, x: &Tensor, forward: f64, backward: f64, op: impl Fn(&Tensor) -> Tensor) {
    let leaf = x.requires_grad();
    let dy = op(x) * 1.0;
    let mut best = [f64::INFINITY; 3];
    for _ in 0..RUNS {
        let mut y = None;
        let times = [
            seconds(|| x.neg()),
            seconds(|| y = Some(op(&leaf))),
            seconds(|| y.take().map(|y| y.backward_with(&dy))),
        ];
        for (best, time) in best.iter_mut().zip(times) {
            *best = best.min(time);
        }
    }
    let size = (x.len() * x.dtype().size()) as f64;
    let rate = |tensors: f64, time: f64| tensors * size / time / 1e9;
    let copy = rate(2.0, best[0]);
    let (forward, backward) = (rate(forward, best[1]), rate(backward, best[2]));
    println!(
        "{name:24} copy {copy:5.1} GB/s   forward {forward:5.1} ({:3.0}%)   backward {backward:5.1} ({:3.0}%)",
        100.0 * forward / copy,
        100.0 * backward / copy
    );
}

fn main() {
    let rng = &mut Rng::new(0);
    let x = Tensor::randn(LARGE, rng);
    let labels: Vec<i64> = (0..LARGE[0]).map(|_| rng.below(LARGE[1]) as i64).collect();
    let labels = Tensor::from(labels);
    measure("softmax(-1)", &x, 2.0, 3.0, |x| x.softmax(-1));
    measure("softmax(0)", &x, 2.0, 3.0, |x| x.softmax(0));
    measure("log_softmax(-1)", &x, 2.0, 3.0, |x| x.log_softmax(-1));
    measure("cross_entropy", &x, 1.0, 2.0, |x| {
        x.cross_entropy(&labels, None, None, 0.0, Reduction::Mean)
    });
    let (w, b) = (Tensor::ones([LARGE[1]]), Tensor::zeros([LARGE[1]]));
    let (w, b) = (w.requires_grad(), b.requires_grad());
    measure("layer_norm", &x, 2.0, 3.0, |x| {
        x.layer_norm([LARGE[1]], Some(&w), Some(&b), 1e-5)
    });
    measure("rms_norm", &x, 2.0, 3.0, |x| {
        x.rms_norm([LARGE[1]], Some(&w), 1e-5)
    });
    // Statistics and result are two passes.
    measure("batch_norm", &x, 3.0, 5.0, |x| {
        x.batch_norm(Some(&w), Some(&b), 1e-5).0
    });
    measure("dropout", &x, 2.0, 2.0, |x| x.dropout(0.1, &Rng::new(1)));
    let other = Tensor::randn(LARGE, rng);
    measure("mse (2 tensors)", &x, 2.0, 3.0, |y| {
        y.mse(&other, Reduction::Mean)
    });
    let narrow = x.reshape([LARGE[0] * LARGE[1] / 16, 16]);
    measure("softmax(-1), rows of 16", &narrow, 2.0, 3.0, |x| {
        x.softmax(-1)
    });

    let logits = Tensor::randn([128, 10], rng).requires_grad();
    let labels = Tensor::from((0..128).map(|i| i % 10).collect::<Vec<i64>>());
    let step = || cross_entropy(&logits, &labels).backward();
    let best = (0..20_000).map(|_| seconds(step)).fold(1.0, f64::min);
    println!(
        "cross_entropy (128, 10), forward and backward: {:.2} µs",
        best * 1e6
    );
}
