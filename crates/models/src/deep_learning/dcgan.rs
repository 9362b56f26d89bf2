//! The deep convolutional adversarial net: the game played with convolutions alone.
//!
//! Radford, Metz & Chintala 2015, arXiv:1511.06434. Their advice: strides where others pooled; batch norm in both players, but
//! not where the generator ends and the discriminator begins; ReLU in the generator and tanh at its end; leaky ReLU in the
//! discriminator; no hidden layers without convolution. Weights begin as N(0, 0.02²), those of batch norm as N(1, 0.02²).
//!
//! Differs from the paper: for 28 x 28 pixels two layers of convolution do where 64 x 64 took four; the discriminator ends in
//! a logit, whose logistic function is in the loss.
//!
//! Axes: `B` batch, `C` channels, images `(B, C, H, W)`.

use eras_nn::{Activation, BatchNorm, Conv2d, ConvTranspose2d, Dense, Init, Mode, Module};
use eras_tensor::{Rng, Tensor};

/// Both players. Their losses are those of [`gan`](super::gan).
///
/// ```
/// use eras::models::deep_learning::dcgan::Dcgan;
/// use eras::prelude::*;
///
/// let rng = &mut Rng::new(0);
/// let dcgan = Dcgan::new(100, 64, rng);
/// let pictures = dcgan.generator.forward(&Tensor::randn([2, 100], rng), &Mode::eval());
/// assert_eq!(pictures.shape(), [2, 1, 28, 28]);
/// assert_eq!(dcgan.discriminator.forward(&pictures, &Mode::eval()).shape(), [2, 1]);
/// ```
#[derive(Debug, Clone, Module)]
pub struct Dcgan {
    /// Noise to pictures.
    pub generator: Generator,
    /// Pictures to the logit of their being real.
    pub discriminator: Discriminator,
}

impl Dcgan {
    /// For gray pictures of 28 x 28, with `width` channels at 14 x 14 and twice as many at 7 x 7.
    #[must_use]
    pub fn new(noise: usize, width: usize, rng: &mut Rng) -> Self {
        Self {
            generator: Generator::new(noise, width, rng),
            discriminator: Discriminator::new(width, rng),
        }
    }
}

/// `z (B, noise)` to `(B, 2 width, 7, 7)`, `(B, width, 14, 14)`, `(B, 1, 28, 28)`.
#[derive(Debug, Clone, Module)]
pub struct Generator {
    project: Dense,
    norm1: BatchNorm,
    up1: ConvTranspose2d,
    norm2: BatchNorm,
    up2: ConvTranspose2d,
}

impl Generator {
    /// With `width` channels at 14 x 14 and twice as many at 7 x 7.
    #[must_use]
    pub fn new(noise: usize, width: usize, rng: &mut Rng) -> Self {
        let up = |c_in, c_out, rng: &mut Rng| {
            let up = ConvTranspose2d::new(c_in, c_out, 4, rng);
            up.stride(2).padding(1).with_init(WEIGHTS, rng)
        };
        Self {
            project: Dense::with_init(noise, 2 * width * 7 * 7, WEIGHTS, rng),
            norm1: batch_norm(2 * width, rng),
            up1: up(2 * width, width, rng).no_bias(),
            norm2: batch_norm(width, rng),
            up2: up(width, 1, rng).activation(Activation::Tanh),
        }
    }

    /// Noise `z (B, noise)` to pictures `(B, 1, 28, 28)` within (−1, 1).
    ///
    /// # Panics
    /// If `z` has another shape.
    #[must_use]
    #[track_caller]
    pub fn forward(&self, z: &Tensor, mode: &Mode) -> Tensor {
        let channels = self.norm1.weight.len();
        let h = self.project.forward(z);
        let h = h.reshape([z.shape()[0], channels, 7, 7]);
        let h = self.norm1.forward(&h, mode).relu();
        let h = self.norm2.forward(&self.up1.forward(&h), mode).relu();
        self.up2.forward(&h)
    }
}

/// `x (B, 1, 28, 28)` to `(B, width, 14, 14)`, `(B, 2 width, 7, 7)`, `(B, 1)`.
#[derive(Debug, Clone, Module)]
pub struct Discriminator {
    down1: Conv2d,
    down2: Conv2d,
    norm: BatchNorm,
    output: Dense,
}

impl Discriminator {
    /// With `width` channels at 14 x 14 and twice as many at 7 x 7.
    #[must_use]
    pub fn new(width: usize, rng: &mut Rng) -> Self {
        let down = |c_in, c_out, rng: &mut Rng| {
            let down = Conv2d::new(c_in, c_out, 4, rng);
            down.stride(2).padding(1).with_init(WEIGHTS, rng)
        };
        Self {
            down1: down(1, width, rng).activation(LEAKY),
            down2: down(width, 2 * width, rng).no_bias(),
            norm: batch_norm(2 * width, rng),
            output: Dense::with_init(2 * width * 7 * 7, 1, WEIGHTS, rng),
        }
    }

    /// Pictures `x (B, 1, 28, 28)` to the logit `(B, 1)` of their being real.
    ///
    /// # Panics
    /// If `x` has another shape.
    #[must_use]
    #[track_caller]
    pub fn forward(&self, x: &Tensor, mode: &Mode) -> Tensor {
        let h = self.down2.forward(&self.down1.forward(x));
        let h = LEAKY.forward(&self.norm.forward(&h, mode));
        self.output.forward(&h.flatten(1, -1))
    }
}

/// How the weights of both begin.
pub(super) const WEIGHTS: Init = Init::Normal {
    mean: 0.0,
    std: 0.02,
};

/// What follows in discriminators.
pub(super) const LEAKY: Activation = Activation::LeakyRelu(0.2);

/// Batch norm, as it begins.
pub(super) fn batch_norm(channels: usize, rng: &mut Rng) -> BatchNorm {
    let mut norm = BatchNorm::new(channels);
    norm.weight
        .set(&Init::normal(1.0, 0.02).draw([channels], rng));
    norm
}

#[cfg(test)]
mod tests {
    use super::super::gan::{discriminator_loss, generator_loss};
    use super::*;
    use eras_nn::{Adam, Optimizer};

    #[test]
    fn the_sizes_are_those_of_the_form_for_28_by_28() {
        let dcgan = Dcgan::new(100, 64, &mut Rng::new(0));
        let generator = 101 * 6272 + 2 * 128 + 128 * 64 * 16 + 2 * 64 + 64 * 16 + 1;
        let discriminator = 64 * 16 + 64 + 64 * 128 * 16 + 2 * 128 + 6272 + 1;
        assert_eq!(dcgan.generator.count_params(), generator);
        assert_eq!(dcgan.discriminator.count_params(), discriminator);
    }

    #[test]
    fn a_few_steps_teach_the_generator_to_draw_a_light_middle() {
        let rng = &mut Rng::new(0);
        let mut dcgan = Dcgan::new(4, 4, rng);
        let mut players = [0, 1].map(|_| Adam::new(5e-3).betas(0.5, 0.999));
        let middle = Tensor::full([8, 1, 12, 12], 1.8, eras_tensor::Dtype::F32);
        let real = middle.pad(&[(8, 8), (8, 8)], eras_tensor::PadMode::Constant(0.0)) - 0.9;
        for step in 0..150 {
            let mode = Mode::train(0, step);
            let Dcgan {
                generator,
                discriminator,
            } = &mut dcgan;
            let made = generator.forward(&Tensor::randn([8, 4], rng), &mode);
            let loss = discriminator_loss(
                &discriminator.forward(&real, &mode),
                &discriminator.forward(&made.detach(), &mode),
            );
            players[0].step(discriminator, &loss.backward());
            let loss = discriminator.frozen(|judge| generator_loss(&judge.forward(&made, &mode)));
            players[1].step(generator, &loss.backward());
        }
        let z = Tensor::randn([16, 4], rng);
        let made = dcgan.generator.forward(&z, &Mode::eval());
        assert!(
            made.to_vec::<f32>()
                .iter()
                .all(|x| (-1.0..=1.0).contains(x))
        );
        let off = (made - real.narrow(0, 0, 1)).abs().mean(..).item();
        // Gray all over is off by 0.9.
        assert!(off < 0.3, "{off}");
    }
}
