//! The training step of the recipe `mlp`, on a batch that is in memory already.

use crate::workload::{Step, Workload};
use eras_nn::{Adadelta, Dense, Layer, Mode, Optimizer, Sequential, cross_entropy};
use eras_tensor::{Rng, Tensor};
use std::hint::black_box;

const BATCH: usize = 128;
const WIDTHS: [usize; 4] = [784, 512, 512, 10];

pub(crate) fn workload() -> Workload {
    let about = "a training step of 784-512-512-10 with ReLU, batch 128: forward, cross entropy, backward, \
                 Adadelta, f32";
    Workload::compute("mlp", about, flops(), prepare)
}

/// Of the matrix products: forward, the weights' gradients, and the inputs' but for the first layer, whose is not wanted.
fn flops() -> f64 {
    let product = |layer: &[usize]| (2 * BATCH * layer[0] * layer[1]) as f64;
    let layers = WIDTHS.windows(2);
    let all: f64 = layers.clone().map(product).sum();
    let inner: f64 = layers.skip(1).map(product).sum();
    2.0 * all + inner
}

fn prepare() -> Step {
    let rng = &mut Rng::new(0);
    let [d_in, hidden1, hidden2, d_out] = WIDTHS;
    let mut model = Sequential::new()
        .add(Dense::new(d_in, hidden1, rng).relu())
        .add(Dense::new(hidden1, hidden2, rng).relu())
        .add(Dense::new(hidden2, d_out, rng));
    let mut adadelta = Adadelta::new(1.0).rho(0.95).eps(1e-7);
    let x = Tensor::uniform([BATCH, d_in], 0.0, 1.0, rng);
    let labels: Vec<i64> = (0..BATCH).map(|i| (7 * i % d_out) as i64).collect();
    let y = Tensor::from(labels);
    let mut steps = 0;
    Box::new(move || {
        let mode = Mode::train(0, steps);
        let loss = cross_entropy(&model.apply(black_box(&x), &mode), &y);
        adadelta.step(&mut model, &loss.backward());
        black_box(&loss);
        steps += 1;
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_operations_are_those_counted_by_hand() {
        // 668,672 weights in matrices, of which 401,408 in the first; two operations for each sample and weight.
        assert_eq!(flops(), 2.0 * 128.0 * (3 * 668_672 - 401_408) as f64);
    }
}
