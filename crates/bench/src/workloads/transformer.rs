//! A training step of the Transformer of the paper, from vectors to vectors.

use super::networks::steps;
use crate::workload::{Step, Workload};
use eras_models::large_models::{EncoderDecoder, StackConfig};
use eras_nn::{Adam, Mode, mse};
use eras_tensor::{Rng, Tensor};
use std::hint::black_box;

/// Of source and target.
const BATCH: usize = 10;
const PLACES: usize = 32;

pub(crate) fn workload() -> Workload {
    Workload::compute(
        "transformer",
        "a training step of the Transformer's base model, 6 + 6 layers of 512, source and target 10 x 32 vectors: Adam, f32",
        flops(&config(), BATCH, PLACES),
        || transformer(config(), BATCH, PLACES),
    )
}

fn config() -> StackConfig {
    StackConfig {
        dropout: 0.0,
        ..StackConfig::base()
    }
}

fn transformer(config: StackConfig, batch: usize, places: usize) -> Step {
    let rng = &mut Rng::new(0);
    let shape = [batch, places, config.d_model];
    let [source, target, wanted] = [0; 3].map(|_| Tensor::randn(shape, rng));
    let model = EncoderDecoder::new(config, rng);
    steps(model, Adam::new(1e-4), move |model, step| {
        let mode = Mode::train(0, step);
        mse(
            &model.forward(black_box(&source), &target, None, &mode),
            &wanted,
        )
    })
}

/// Of products, a multiply-add being two: all layers three times, forward and for both gradients, but what comes first in either
/// stack, whose input has none; of attention, two products forward and five back.
fn flops(config: &StackConfig, batch: usize, places: usize) -> f64 {
    let (width, units) = (config.d_model, 2 * config.d_model * config.d_ff);
    let encoder = config.n_encoder * (4 * width * width + units);
    let decoder = config.n_decoder * (8 * width * width + units);
    let first = 2 * 3 * width * width;
    let rows = batch * places;
    let (whole, causal) = (batch * places * places, batch * places * (places + 1) / 2);
    let pairs = config.n_encoder * whole + config.n_decoder * (whole + causal);
    (2 * (rows * (3 * (encoder + decoder) - first) + 7 * pairs * width)) as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use eras_tensor::count;

    #[test]
    fn the_operations_are_those_that_are_counted_as_they_are_asked_for() {
        let config = StackConfig {
            d_model: 16,
            n_head: 2,
            n_encoder: 2,
            n_decoder: 3,
            d_ff: 24,
            ..config()
        };
        let wanted = flops(&config, 3, 5);
        let mut step = transformer(config, 3, 5);
        let before = count::flops();
        step();
        assert_eq!((count::flops() - before) as f64, wanted);
    }
}
