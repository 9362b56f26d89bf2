//! One step of Adam on weights that no cache holds.

use crate::workload::Workload;
use eras_nn::{Adam, Optimizer, Param};
use eras_tensor::{Gradients, Rng, Tensor};

/// Weights, gradient and both moments are 16 MiB each.
const WEIGHTS: usize = 4_194_304;

pub(crate) fn workload() -> Workload {
    // Weights and both moments are read and written, the gradient is read.
    let bytes = (7 * WEIGHTS * size_of::<f32>()) as f64;
    let about = "a step of Adam on 4,194,304 weights, f32";
    Workload::memory("adam", about, bytes, || {
        let rng = &mut Rng::new(0);
        let mut weight = Param::new(&Tensor::randn([WEIGHTS], rng));
        let mut gradients = Gradients::default();
        gradients.set(&weight, Tensor::randn([WEIGHTS], rng));
        let mut adam = Adam::new(1e-3);
        Box::new(move || adam.step(&mut weight, &gradients))
    })
}
