//! What an operation costs beside its arithmetic: nanoseconds for single numbers.
//!
//! `cargo run --release -p eras-tensor --example overhead`
#![expect(clippy::print_stdout, reason = "a program whose output is a table")]

use eras_tensor::{Rng, Tensor};
use std::hint::black_box;
use std::time::Instant;

/// The median over many short rounds of the time of one call, in nanoseconds: a round that another process
/// interrupts does not count.
fn nanoseconds<R>(mut call: impl FnMut() -> R) -> f64 {
    const CALLS: usize = 100;
    let mut rounds: Vec<f64> = (0..501)
        .map(|_| {
            let start = Instant::now();
            for _ in 0..CALLS {
                black_box(call());
            }
            start.elapsed().as_nanos() as f64 / CALLS as f64
        })
        .collect();
    rounds.sort_by(f64::total_cmp);
    rounds[rounds.len() / 2]
}

fn main() {
    let (a, b) = (Tensor::from(1.0f32), Tensor::from(2.0f32));
    let (x, y) = (a.requires_grad(), b.requires_grad());
    let row = |name: &str, ns: f64| println!("{name:<44} {ns:>8.0} ns");

    row("add of two scalars, untracked", nanoseconds(|| &a + &b));
    row("add of two scalars, tracked", nanoseconds(|| &x + &y));
    row("tanh of a scalar, untracked", nanoseconds(|| a.tanh()));
    row("tanh of a scalar, tracked", nanoseconds(|| x.tanh()));
    row(
        "3 tracked operations",
        nanoseconds(|| (&x * &y + &x).tanh()),
    );
    row(
        "3 tracked operations and their backward",
        nanoseconds(|| (&x * &y + &x).tanh().backward()),
    );

    let rng = &mut Rng::new(0);
    let column = Tensor::randn([3, 1], rng).requires_grad();
    let grid = Tensor::randn([3, 4], rng).requires_grad();
    row(
        "add of (3, 4) and (3, 1), tracked",
        nanoseconds(|| &grid + &column),
    );
    row(
        "the same, its sum, and their backward",
        nanoseconds(|| (&grid + &column).sum(..).backward()),
    );
}
