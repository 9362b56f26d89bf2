//! Learning rules of the first eras, at the size of a real problem.

use crate::workload::Workload;
use eras_models::connectionism::Hopfield;
use eras_models::perceptron::AveragedPerceptron;
use eras_tensor::{Dtype, Rng, Tensor};
use std::hint::black_box;

pub(crate) fn workloads() -> [Workload; 2] {
    [perceptron(), hopfield()]
}

/// As many pictures as MNIST has, of as many pixels.
const SAMPLES: usize = 60_000;
const PIXELS: usize = 784;
const CLASSES: usize = 10;

fn perceptron() -> Workload {
    let about = "a pass of the averaged perceptron over 60,000 samples of 784 numbers in ten classes, one by one";
    // The scores of ten classes; what mistakes cost is left out.
    let flops = (2 * SAMPLES * PIXELS * CLASSES) as f64;
    Workload::compute("perceptron", about, flops, || {
        let rng = &mut Rng::new(0);
        let teacher = Tensor::randn([PIXELS, CLASSES], rng);
        let x = Tensor::uniform([SAMPLES, PIXELS], 0.0, 1.0, rng);
        let y = (&x - 0.5).matmul(&teacher).argmax(1);
        let mut perceptron = AveragedPerceptron::new(PIXELS, CLASSES);
        Box::new(move || {
            black_box(perceptron.pass(&x, &y));
        })
    })
}

fn hopfield() -> Workload {
    const UNITS: usize = 10_000;
    const PATTERNS: usize = 1000;
    const NOISE: f64 = 0.3;
    const SWEEPS: usize = 20;
    let about = "a Hopfield network of 10,000 units recalls one of 1,000 patterns from 30% noise, unit by unit";
    Workload::overhead("hopfield", about, || {
        let rng = &mut Rng::new(0);
        let signs = |x: Tensor| x.to_dtype(Dtype::F32) * 2.0 - 1.0;
        let patterns = signs(Tensor::uniform([PATTERNS, UNITS], 0.0, 1.0, rng).gt(0.5));
        let flips = signs(Tensor::uniform([UNITS], 0.0, 1.0, rng).gt(NOISE));
        let mut net = Hopfield::new(UNITS);
        net.store(&patterns);
        let noisy = patterns.select(0, 0) * flips;
        let mut rng = rng.clone();
        Box::new(move || {
            black_box(net.recall(&noisy, SWEEPS, &mut rng));
        })
    })
}
