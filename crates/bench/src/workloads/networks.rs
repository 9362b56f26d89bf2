//! Training steps of convolutional networks, on batches that are in memory already.

use crate::workload::{Step, Workload};
use eras_models::deep_learning::dcgan::Dcgan;
use eras_models::deep_learning::gan::{discriminator_loss, generator_loss};
use eras_models::deep_learning::{Cnn, ResNet, Stem, UNet};
use eras_nn::{
    Adadelta, Adam, BatchNorm, Conv2d, Layer, Linear, Mode, Module, Optimizer, Sgd, cross_entropy,
    mse,
};
use eras_tensor::{Dtype, Rng, Tensor};
use std::hint::black_box;

pub(crate) fn workloads() -> [Workload; 5] {
    [
        Workload::compute(
            "cnn",
            "a training step of convolutions 3x3x32 and 3x3x64, max pool 2, dense 128 and 10, batch 128 of 28 x 28: \
             cross entropy, Adadelta, f32",
            flops::cnn(),
            cnn,
        ),
        Workload::compute(
            "resnet18",
            "a training step of ResNet-18, batch 32 of 3 x 32 x 32: cross entropy, SGD with momentum, f32",
            flops::resnet18(),
            resnet18,
        ),
        Workload::compute(
            "mobilenet",
            "a training step of MobileNet's depthwise and pointwise layers, 32 to 1,024 channels, batch 32 of 3 x 32 x 32: \
             cross entropy, SGD with momentum, f32",
            flops::mobilenet(),
            mobilenet,
        ),
        Workload::compute(
            "dcgan",
            "a step of the discriminator and one of the generator of a DCGAN, batch 64 of 28 x 28: Adam, f32",
            flops::dcgan(),
            dcgan,
        ),
        Workload::compute(
            "unet",
            "a training step of a U-Net with a time, 64 to 256 channels, batch 32 of 28 x 28: squared error, Adam, f32",
            flops::unet(),
            unet,
        ),
    ]
}

/// Noise in [0, 1), and labels of ten classes.
fn pictures(shape: [usize; 4], rng: &mut Rng) -> (Tensor, Tensor) {
    let labels: Vec<i64> = (0..shape[0]).map(|i| (7 * i % 10) as i64).collect();
    (Tensor::uniform(shape, 0.0, 1.0, rng), Tensor::from(labels))
}

/// Steps that make `loss` small, each told its number.
pub(super) fn steps<M: Module + 'static>(
    mut model: M,
    mut optimizer: impl Optimizer + 'static,
    loss: impl Fn(&M, u64) -> Tensor + 'static,
) -> Step {
    let mut step = 0;
    Box::new(move || {
        let loss = loss(&model, step);
        optimizer.step(&mut model, &loss.backward());
        black_box(&loss);
        step += 1;
    })
}

fn cnn() -> Step {
    let rng = &mut Rng::new(0);
    let model = Cnn::new([1, 28, 28], 10, rng);
    let (x, y) = pictures([128, 1, 28, 28], rng);
    let adadelta = Adadelta::new(1.0).rho(0.95).eps(1e-7);
    // The workload has no dropout, and nothing else of this network knows whether it is trained.
    steps(model, adadelta, move |model, _| {
        cross_entropy(&model.apply(black_box(&x), &Mode::eval()), &y)
    })
}

fn resnet18() -> Step {
    let rng = &mut Rng::new(0);
    let model = ResNet::resnet18(3, 10, Stem::Small, rng);
    let (x, y) = pictures([32, 3, 32, 32], rng);
    let sgd = Sgd::new(0.01).momentum(0.9);
    steps(model, sgd, move |model, step| {
        cross_entropy(&model.apply(black_box(&x), &Mode::train(0, step)), &y)
    })
}

/// Channels and stride of the layers of MobileNet (Howard et al. 2017, arXiv:1704.04861, table 1) behind the stem, which halves
/// nothing here, nor does the first that did for pictures of 224 x 224.
const SEPARABLE: [(usize, usize); 13] = [
    (64, 1),
    (128, 1),
    (128, 1),
    (256, 2),
    (256, 1),
    (512, 2),
    (512, 1),
    (512, 1),
    (512, 1),
    (512, 1),
    (512, 1),
    (1024, 2),
    (1024, 1),
];

/// MobileNet for pictures like CIFAR's.
#[derive(Module)]
struct MobileNet {
    stem: (Conv2d, BatchNorm),
    /// Filters of one channel each, then those of 1 x 1 over all channels.
    layers: Vec<[(Conv2d, BatchNorm); 2]>,
    fc: Linear,
}

impl MobileNet {
    fn new(rng: &mut Rng) -> Self {
        let mut c_in = 32;
        let stem = Conv2d::new(3, c_in, 3, rng).padding(1).no_bias();
        let stem = (stem, BatchNorm::new(c_in));
        let mut layers = Vec::new();
        for (c_out, stride) in SEPARABLE {
            let depthwise = Conv2d::new(c_in, c_in, 3, rng).groups(c_in);
            let depthwise = depthwise.stride(stride).padding(1).no_bias();
            let pointwise = Conv2d::new(c_in, c_out, 1, rng).no_bias();
            layers.push([
                (depthwise, BatchNorm::new(c_in)),
                (pointwise, BatchNorm::new(c_out)),
            ]);
            c_in = c_out;
        }
        Self {
            stem,
            layers,
            fc: Linear::new(c_in, 10, rng),
        }
    }

    fn forward(&self, x: &Tensor, mode: &Mode) -> Tensor {
        let all = std::iter::once(&self.stem).chain(self.layers.iter().flatten());
        let h = all.fold(x.clone(), |h, (conv, norm)| {
            norm.forward(&conv.forward(&h), mode).relu()
        });
        self.fc.forward(&h.mean([2, 3]))
    }
}

fn mobilenet() -> Step {
    let rng = &mut Rng::new(0);
    let model = MobileNet::new(rng);
    let (x, y) = pictures([32, 3, 32, 32], rng);
    let sgd = Sgd::new(0.01).momentum(0.9);
    steps(model, sgd, move |model, step| {
        cross_entropy(&model.forward(black_box(&x), &Mode::train(0, step)), &y)
    })
}

fn unet() -> Step {
    let rng = &mut Rng::new(0);
    let model = UNet::timed(1, 1, 64, 2, rng);
    let [x, noise] = [0, 1].map(|_| Tensor::randn([32, 1, 28, 28], rng));
    let t = Tensor::arange(32).to_dtype(Dtype::F32) * 31.0;
    steps(model, Adam::new(2e-4), move |model, _| {
        mse(&model.forward_at(black_box(&x), &t), &noise)
    })
}

fn dcgan() -> Step {
    const NOISE: usize = 100;
    const BATCH: usize = 64;
    let rng = &mut Rng::new(0);
    let mut model = Dcgan::new(NOISE, 64, rng);
    let [mut of_generator, mut of_discriminator] =
        [0, 1].map(|_| Adam::new(2e-4).betas(0.5, 0.999));
    let real = pictures([BATCH, 1, 28, 28], rng).0 * 2.0 - 1.0;
    let mut step = 0;
    Box::new(move || {
        let mode = Mode::train(0, step);
        let Dcgan {
            generator,
            discriminator,
        } = &mut model;
        let z = Tensor::randn([BATCH, NOISE], &mut mode.rng());
        let made = generator.forward(&z, &mode);
        let loss = discriminator_loss(
            &discriminator.forward(black_box(&real), &mode),
            &discriminator.forward(&made.detach(), &mode),
        );
        of_discriminator.step(discriminator, &loss.backward());
        // The discriminator's gradients of this pass are not wanted, and not computed.
        let fooled = discriminator.frozen(|held| generator_loss(&held.forward(&made, &mode)));
        of_generator.step(generator, &fooled.backward());
        black_box(&fooled);
        step += 1;
    })
}

/// Of products and convolutions, a multiply-add being two. A step computes each layer three times, forward and for both
/// gradients, but not the gradient of what it was given.
mod flops {
    /// A convolution to `c_out` channels of `side` x `side`, from `c_in` channels through filters of `k` x `k`.
    fn conv(c_in: usize, c_out: usize, k: usize, side: usize) -> usize {
        2 * c_in * c_out * k * k * side * side
    }

    fn dense(d_in: usize, d_out: usize) -> usize {
        2 * d_in * d_out
    }

    pub(super) fn cnn() -> f64 {
        let first = conv(1, 32, 3, 26);
        let rest = conv(32, 64, 3, 24) + dense(64 * 12 * 12, 128) + dense(128, 10);
        (128 * (2 * first + 3 * rest)) as f64
    }

    pub(super) fn resnet18() -> f64 {
        let first = conv(3, 64, 3, 32);
        let stage = |c_in: usize, c: usize, side: usize| {
            let shortcut = if c_in == c { 0 } else { conv(c_in, c, 1, side) };
            conv(c_in, c, 3, side) + 3 * conv(c, c, 3, side) + shortcut
        };
        let stages =
            stage(64, 64, 32) + stage(64, 128, 16) + stage(128, 256, 8) + stage(256, 512, 4);
        (32 * (2 * first + 3 * (stages + dense(512, 10)))) as f64
    }

    pub(super) fn mobilenet() -> f64 {
        let (mut c_in, mut side, mut layers) = (32, 32, dense(1024, 10));
        for (c_out, stride) in super::SEPARABLE {
            side /= stride;
            layers += c_in * conv(1, 1, 3, side) + conv(c_in, c_out, 1, side);
            c_in = c_out;
        }
        (32 * (2 * conv(3, 32, 3, 32) + 3 * layers)) as f64
    }

    /// The time's layers are the same for each picture of a batch, but of another time.
    pub(super) fn unet() -> f64 {
        const TIME: usize = 256;
        let block = |c_in: usize, c: usize, side: usize| {
            let shortcut = if c_in == c { 0 } else { conv(c_in, c, 1, side) };
            conv(c_in, c, 3, side) + conv(c, c, 3, side) + shortcut + dense(TIME, c)
        };
        // A transposed convolution of stride 2 meets each place of what it reads with each element of its filter.
        let grow = |c_in: usize, c: usize, side: usize| conv(c_in, c, 2, side / 2);
        let given = conv(1, 64, 3, 28) + dense(64, TIME);
        let rest = dense(TIME, TIME)
            + block(64, 64, 28)
            + conv(64, 64, 3, 14)
            + block(64, 128, 14)
            + conv(128, 128, 3, 7)
            + block(128, 256, 7)
            + grow(256, 128, 14)
            + block(256, 128, 14)
            + grow(128, 64, 28)
            + block(128, 64, 28)
            + conv(64, 1, 3, 28);
        (32 * (2 * given + 3 * rest)) as f64
    }

    pub(super) fn dcgan() -> f64 {
        let project = dense(100, 128 * 7 * 7);
        // Read at 7 x 7 and at 14 x 14.
        let up = conv(128, 64, 4, 7) + conv(64, 1, 4, 14);
        let first = conv(1, 64, 4, 14);
        let down = conv(64, 128, 4, 7) + dense(128 * 7 * 7, 1);
        let generator = 2 * project + 3 * up;
        // Forward and both gradients for real and made pictures; then forward and the gradient of the input, once more.
        let discriminator = 2 * (2 * first + 3 * down) + 2 * (first + down);
        (64 * (generator + discriminator)) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use eras_tensor::count;

    #[test]
    fn the_operations_are_those_that_are_counted_as_they_are_asked_for() {
        for workload in workloads() {
            let mut step = (workload.prepare)();
            let before = count::flops();
            step();
            let counted = (count::flops() - before) as f64;
            assert_eq!(Some(counted), workload.flops, "{workload:?}");
        }
    }
}
