//! What operations cost however small they are.

use crate::workload::{Step, Workload};
use eras_nn::{Linear, Optimizer, Sgd, mse};
use eras_tensor::{Rng, Tensor};
use std::hint::black_box;

pub(crate) fn workloads() -> Vec<Workload> {
    vec![
        Workload::overhead(
            "scalar_add",
            "a sum of two numbers on the tape, f32",
            || {
                let number = |x: f32| Tensor::from(x).requires_grad();
                let (a, b) = (number(1.0), number(2.0));
                Box::new(move || _ = black_box(black_box(&a) + black_box(&b)))
            },
        ),
        Workload::overhead(
            "tiny_step",
            "a training step of 2-2-1 with tanh, one sample: forward, squared error, backward, SGD, f32",
            tiny_step,
        ),
    ]
}

fn tiny_step() -> Step {
    let rng = &mut Rng::new(0);
    let mut model = (Linear::new(2, 2, rng), Linear::new(2, 1, rng));
    let mut sgd = Sgd::new(0.1);
    let (x, y) = (Tensor::from([[0.0f32, 1.0]]), Tensor::from([[1.0f32]]));
    Box::new(move || {
        let h = model.0.forward(black_box(&x)).tanh();
        let loss = mse(&model.1.forward(&h), &y);
        sgd.step(&mut model, &loss.backward());
    })
}
