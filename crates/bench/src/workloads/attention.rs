//! Causal attention of a small language model: queries, keys and values of one projection.

use crate::workload::Workload;
use eras_tensor::{AttentionOptions, Rng, Tensor, no_grad};
use std::hint::black_box;

const BATCH: usize = 16;
const HEADS: usize = 6;
const ROWS: usize = 256;
const WIDTH: usize = 64;

/// Operations of one product of width 64 for all pairs that see each other.
const PRODUCT: f64 = 2.0 * (BATCH * HEADS * (ROWS * (ROWS + 1) / 2) * WIDTH) as f64;

pub(crate) fn workloads() -> Vec<Workload> {
    vec![
        // Scores and results.
        Workload::compute(
            "attention",
            "causal attention, 16 examples, 6 heads of 64, 256 places, f32",
            2.0 * PRODUCT,
            || {
                let (x, _) = tensors();
                Box::new(move || _ = black_box(no_grad(|| attend(black_box(&x)))))
            },
        ),
        // And back: scores again, and the gradients of scores, queries, keys and values.
        Workload::compute(
            "attention_backward",
            "causal attention, 16 examples, 6 heads of 64, 256 places, f32, forward and backward",
            7.0 * PRODUCT,
            || {
                let (x, dy) = tensors();
                let x = x.requires_grad();
                Box::new(move || {
                    let y = attend(black_box(&x));
                    black_box(y.backward_with(&dy));
                })
            },
        ),
    ]
}

fn attend(x: &Tensor) -> Tensor {
    x.attention_packed(HEADS, HEADS, &AttentionOptions::new().causal())
}

/// The projection and the gradient of the result.
fn tensors() -> (Tensor, Tensor) {
    let rng = &mut Rng::new(0);
    let mut draw = |columns: usize| Tensor::randn([BATCH, ROWS, columns], rng);
    (draw(3 * HEADS * WIDTH), draw(HEADS * WIDTH))
}
