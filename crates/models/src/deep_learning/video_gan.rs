//! An adversarial net that makes short videos: convolution over time as over space, and a scene in two streams, what moves in
//! front of what stays.
//!
//! Vondrick, Pirsiavash & Torralba 2016, "Generating videos with scene dynamics", arXiv:1609.02612.
//!
//! ```text
//! scene            G(z) = m(z) ⊙ f(z) + (1 − m(z)) ⊙ b(z)
//! foreground f     and its mask m in [0, 1]: (B, 1, T, H, W), by transposed convolution over time and space
//! background b     one picture for all frames: (B, 1, 1, H, W), by transposed convolution over space
//! generator        descends  −ln D(G(z)) + λ E m,  which leaves to the background what does not move
//! ```
//!
//! Differs from the paper: 8 frames of 40 x 40 in gray where it had 32 of 64 x 64 in colour, and so three layers that double
//! time and space where it had four. The background begins dark and the mask mostly closed. The discriminator has spectral norm
//! in each layer (Miyato et al. 2018, arXiv:1802.05957) where it had batch norm, with which it is never fooled on videos that are
//! black for the most part, and teaches nothing; it ends in a logit, whose logistic function is in the loss.
//!
//! Axes: `B` batch, `C` channels, `T` frames, videos `(B, C, T, H, W)`.

use super::dcgan::{LEAKY, WEIGHTS, batch_norm};
use eras_nn::{
    Activation, BatchNorm, Conv3d, ConvTranspose2d, ConvTranspose3d, Dense, Mode, Module,
    SpectralNorm,
};
use eras_tensor::{Dtype, Rng, Tensor};

/// Frames of a video.
pub const FRAMES: usize = 8;
/// The side of a frame.
pub const SIDE: usize = 40;
/// The side of the maps that noise is unfolded from.
const SMALL: usize = SIDE / 8;

/// Both players. Their losses are those of [`gan`](super::gan).
///
/// ```
/// use eras::models::deep_learning::video_gan::VideoGan;
/// use eras::prelude::*;
///
/// let rng = &mut Rng::new(0);
/// let gan = VideoGan::new(100, [8, 4], rng);
/// let video = gan.generator.forward(&Tensor::randn([2, 100], rng), &Mode::eval()).video();
/// assert_eq!(video.shape(), [2, 1, 8, 40, 40]);
/// assert_eq!(gan.discriminator.forward(&video, &Mode::eval()).shape(), [2, 1]);
/// ```
#[derive(Debug, Clone, Module)]
pub struct VideoGan {
    /// Noise to scenes.
    pub generator: Generator,
    /// Videos to the logit of their being real.
    pub discriminator: Discriminator,
}

impl VideoGan {
    /// With so many channels at half the size in the generator and in the discriminator, twice and four times as many below.
    #[must_use]
    pub fn new(noise: usize, widths: [usize; 2], rng: &mut Rng) -> Self {
        Self {
            generator: Generator::new(noise, widths[0], rng),
            discriminator: Discriminator::new(widths[1], rng),
        }
    }
}

/// What a video is put together from.
#[derive(Debug, Clone)]
pub struct Scene {
    /// What moves: `(B, 1, T, H, W)` within (−1, 1).
    pub foreground: Tensor,
    /// Where it is seen: `(B, 1, T, H, W)` within (0, 1).
    pub mask: Tensor,
    /// What stays: `(B, 1, 1, H, W)` within (−1, 1).
    pub background: Tensor,
}

impl Scene {
    /// The foreground where its mask is, the background elsewhere: `(B, 1, T, H, W)` within (−1, 1).
    #[must_use]
    pub fn video(&self) -> Tensor {
        &self.mask * &self.foreground + (1.0 - &self.mask) * &self.background
    }
}

/// Noise to scenes: `(B, 4 width, 1, 5, 5)`, `(B, 2 width, 2, 10, 10)`, `(B, width, 4, 20, 20)`, and the scene.
#[derive(Debug, Clone, Module)]
pub struct Generator {
    moving: Dense,
    moving_norms: Vec<BatchNorm>,
    moving_up: Vec<ConvTranspose3d>,
    foreground: ConvTranspose3d,
    mask: ConvTranspose3d,
    still: Dense,
    still_norms: Vec<BatchNorm>,
    still_up: Vec<ConvTranspose2d>,
    background: ConvTranspose2d,
}

impl Generator {
    /// With `width` channels at half the size, twice and four times as many below.
    #[must_use]
    pub fn new(noise: usize, width: usize, rng: &mut Rng) -> Self {
        let unfolded = 4 * width * SMALL * SMALL;
        let norms = |rng: &mut Rng| [4, 2, 1].map(|n| batch_norm(n * width, rng)).into();
        let up3 = |c_in, c_out, rng: &mut Rng| {
            let up = ConvTranspose3d::new(c_in, c_out, 4, rng);
            up.stride(2).padding(1).with_init(WEIGHTS, rng)
        };
        let up2 = |c_in, c_out, rng: &mut Rng| {
            let up = ConvTranspose2d::new(c_in, c_out, 4, rng);
            up.stride(2).padding(1).with_init(WEIGHTS, rng)
        };
        let mut it = Self {
            moving: Dense::with_init(noise, unfolded, WEIGHTS, rng),
            moving_norms: norms(rng),
            moving_up: [4, 2]
                .map(|n| up3(n * width, n / 2 * width, rng).no_bias())
                .into(),
            foreground: up3(width, 1, rng).activation(Activation::Tanh),
            mask: up3(width, 1, rng).activation(Activation::Sigmoid),
            still: Dense::with_init(noise, unfolded, WEIGHTS, rng),
            still_norms: norms(rng),
            still_up: [4, 2]
                .map(|n| up2(n * width, n / 2 * width, rng).no_bias())
                .into(),
            background: up2(width, 1, rng).activation(Activation::Tanh),
        };
        // Dark, and the foreground hidden for the most part.
        for (bias, begins) in [(&mut it.background.bias, -1.5), (&mut it.mask.bias, -1.0)] {
            if let Some(bias) = bias {
                bias.set(&Tensor::full([1], begins, Dtype::F32));
            }
        }
        it
    }

    /// Noise `z (B, noise)` to scenes.
    ///
    /// # Panics
    /// If `z` has another shape.
    #[must_use]
    #[track_caller]
    pub fn forward(&self, z: &Tensor, mode: &Mode) -> Scene {
        let norm = |norm: &BatchNorm, h: &Tensor| norm.forward(h, mode).relu();
        let channels = self.moving_norms[0].weight.len();
        let batch = z.shape()[0];

        let h = self.moving.forward(z);
        let h = h.reshape([batch, channels, 1, SMALL, SMALL]);
        let mut h = norm(&self.moving_norms[0], &h);
        for (up, after) in self.moving_up.iter().zip(&self.moving_norms[1..]) {
            h = norm(after, &up.forward(&h));
        }
        let (foreground, mask) = (self.foreground.forward(&h), self.mask.forward(&h));

        let h = self.still.forward(z);
        let h = h.reshape([batch, channels, SMALL, SMALL]);
        let mut h = norm(&self.still_norms[0], &h);
        for (up, after) in self.still_up.iter().zip(&self.still_norms[1..]) {
            h = norm(after, &up.forward(&h));
        }
        Scene {
            foreground,
            mask,
            background: self.background.forward(&h).unsqueeze(2), // (B, 1, 1, H, W)
        }
    }
}

/// Videos to a logit: `(B, width, 4, 20, 20)`, `(B, 2 width, 2, 10, 10)`, `(B, 4 width, 1, 5, 5)`, `(B, 1)`.
#[derive(Debug, Clone, Module)]
pub struct Discriminator {
    down: Vec<SpectralNorm<Conv3d>>,
    output: SpectralNorm<Dense>,
}

impl Discriminator {
    /// With `width` channels at half the size, twice and four times as many below.
    #[must_use]
    pub fn new(width: usize, rng: &mut Rng) -> Self {
        let down = |c_in, c_out, rng: &mut Rng| {
            let down = Conv3d::new(c_in, c_out, 4, rng).stride(2).padding(1);
            SpectralNorm::new(down.activation(LEAKY), rng)
        };
        Self {
            down: vec![
                down(1, width, rng),
                down(width, 2 * width, rng),
                down(2 * width, 4 * width, rng),
            ],
            output: SpectralNorm::new(Dense::new(4 * width * SMALL * SMALL, 1, rng), rng),
        }
    }

    /// Videos `x (B, 1, 8, 40, 40)` to the logit `(B, 1)` of their being real.
    ///
    /// # Panics
    /// If `x` has another shape.
    #[must_use]
    #[track_caller]
    pub fn forward(&self, x: &Tensor, mode: &Mode) -> Tensor {
        let mut h = x.clone();
        for down in &self.down {
            h = down.forward(&h, mode);
        }
        self.output.forward(&h.flatten(1, -1), mode)
    }
}

#[cfg(test)]
mod tests {
    use super::super::gan::{discriminator_loss, generator_loss};
    use super::*;
    use eras_nn::{Adam, Optimizer};
    use eras_tensor::PadMode;

    #[test]
    fn the_foreground_is_seen_where_its_mask_is() {
        let scene = Scene {
            foreground: Tensor::full([1, 1, 2, 1, 2], 0.5, Dtype::F32),
            mask: Tensor::from_slice(&[1.0f32, 0.0, 0.0, 1.0], [1, 1, 2, 1, 2]),
            background: Tensor::from_slice(&[-0.5f32, -1.0], [1, 1, 1, 1, 2]),
        };
        assert_eq!(scene.video().to_vec::<f32>(), [0.5, -1.0, -0.5, 0.5]);
    }

    #[test]
    fn a_few_steps_teach_the_generator_what_moves_and_what_stays() {
        let rng = &mut Rng::new(0);
        let mut gan = VideoGan::new(2, [4, 4], rng);
        let mut players = [0, 1].map(|_| Adam::new(5e-3).betas(0.5, 0.999));
        // The upper half is always light; below, light comes in the second half of the time.
        let upper = Tensor::full([4, 1, FRAMES, SIDE / 2, SIDE], 0.8, Dtype::F32);
        let lower = Tensor::full([4, 1, FRAMES / 2, SIDE / 2, SIDE], 1.6, Dtype::F32);
        let still = [(0, 0), (0, 0), (0, 0)];
        let mut late = still;
        late[0] = (FRAMES as isize / 2, 0);
        let lower = lower.pad(&late, PadMode::Constant(0.0)) - 0.8;
        let real = Tensor::concat(&[upper, lower], 3);
        for step in 0..280 {
            let mode = Mode::train(0, step);
            let VideoGan {
                generator,
                discriminator,
            } = &mut gan;
            let scene = generator.forward(&Tensor::randn([4, 2], rng), &mode);
            let made = scene.video();
            let loss = discriminator_loss(
                &discriminator.forward(&real, &mode),
                &discriminator.forward(&made.detach(), &mode),
            );
            players[0].step(discriminator, &loss.backward());
            let fooled = discriminator.frozen(|held| generator_loss(&held.forward(&made, &mode)));
            let loss = &fooled + scene.mask.mean(..) * 0.1;
            players[1].step(generator, &loss.backward());
        }
        let z = Tensor::randn([8, 2], rng);
        let made = gan.generator.forward(&z, &Mode::eval()).video();
        assert!(
            made.to_vec::<f32>()
                .iter()
                .all(|x| (-1.0..=1.0).contains(x))
        );
        let off = (made - real.narrow(0, 0, 1)).abs().mean(..).item();
        // Gray all over is off by 0.8; without time, by 0.4 at best.
        assert!(off < 0.2, "{off}");
    }
}
