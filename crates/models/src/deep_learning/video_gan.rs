//! An adversarial net that makes short videos: convolution over time as over space, judged as a whole and by two frames at a time.
//!
//! Vondrick, Pirsiavash & Torralba 2016, "Generating videos with scene dynamics", arXiv:1609.02612; a judge of frames beside
//! that of videos is of Tulyakov, Liu, Yang & Kautz 2018, "MoCoGAN: decomposing motion and content for video generation",
//! arXiv:1707.04993, and that it sees two of them of Yu et al. 2022, arXiv:2202.10571.
//!
//! ```text
//! the game     min_G max_D   E ln D(x) + E ln (1 − D(G(z))),   of whole videos, and of two frames of theirs
//! the mean     Ḡ ← β Ḡ + (1 − β) G after each step, which makes the videos that are shown
//! ```
//!
//! Differs from the papers: 8 frames of 36 x 36 in gray, and so two layers, of which the first
//! makes four frames of one map, so that all show the same thing, and both double space. Nothing stands still
//! behind what moves, so there is one stream, where the first paper had a second for the background. Both judges have spectral
//! norm in each layer (Miyato et al. 2018, arXiv:1802.05957) where they had batch norm, with which they are never fooled on
//! videos that are black for the most part, and teach nothing; they end in logits, whose logistic function is in the loss. A
//! mean of the generator's weights over its steps makes sharper digits than any of them (Yaz et al. 2019, arXiv:1806.04498).
//!
//! Axes: `B` batch, `C` channels, `T` frames, videos `(B, C, T, H, W)`.

use super::dcgan::{LEAKY, WEIGHTS, batch_norm};
use eras_nn::{
    Activation, BatchNorm, Buffer, Conv2d, Conv3d, ConvTranspose3d, Dense, Mode, Module, Param,
    Path, SpectralNorm, VisitorMut,
};
use eras_tensor::{Rng, Tensor};

/// Frames of a video.
pub const FRAMES: usize = 8;
/// The side of a frame.
pub const SIDE: usize = 36;
/// The side of the smallest maps.
const SMALL: usize = SIDE / 4;

/// Both players, and the mean of one. Their losses are those of [`gan`](super::gan).
///
/// ```
/// use eras::models::deep_learning::video_gan::VideoGan;
/// use eras::prelude::*;
///
/// let rng = &mut Rng::new(0);
/// let gan = VideoGan::new(100, [8, 4, 8], rng);
/// let videos = gan.mean.forward(&Tensor::randn([2, 100], rng), &Mode::eval());
/// assert_eq!(videos.shape(), [2, 1, 8, 36, 36]);
/// // Of each video a logit, and one of its frames 0 and 5, and of 2 and 3.
/// let logits = gan.discriminator.forward(&videos, &[[0, 5], [2, 3]], &Mode::eval());
/// assert_eq!(logits.shape(), [2 + 2 * 2, 1]);
/// ```
#[derive(Debug, Clone, Module)]
pub struct VideoGan {
    /// Noise to videos.
    pub generator: Generator,
    /// The mean of the generator over its steps ([`follow`](Self::follow)).
    pub mean: Generator,
    /// Videos to logits of their being real.
    pub discriminator: Discriminator,
}

impl VideoGan {
    /// With so many channels at half the size in the generator, in the judge of videos, and in that of two frames; twice as many
    /// below.
    #[must_use]
    pub fn new(noise: usize, [made, whole, frame]: [usize; 3], rng: &mut Rng) -> Self {
        let generator = Generator::new(noise, made, rng);
        Self {
            mean: generator.clone(),
            generator,
            discriminator: Discriminator::new([whole, frame], rng),
        }
    }

    /// Lets the mean follow the generator, of which it takes the part `share` in.
    pub fn follow(&mut self, share: f64) {
        let state = self.generator.state();
        let from = state.into_iter().map(|(_, tensor)| tensor);
        let mut follow = Follow { from, share };
        self.mean.visit_mut(&mut Path::default(), &mut follow);
    }
}

/// Draws parameters near others, and copies buffers.
struct Follow<I> {
    from: I,
    share: f64,
}

impl<I: Iterator<Item = Tensor>> VisitorMut for Follow<I> {
    fn param(&mut self, _path: &str, param: &mut Param) {
        if let Some(target) = self.from.next() {
            let mean = param.detach() * (1.0 - self.share) + target * self.share;
            param.set(&mean);
        }
    }
    fn buffer(&mut self, _path: &str, buffer: &mut Buffer) {
        if let Some(target) = self.from.next() {
            buffer.set(&target);
        }
    }
}

/// Noise `(B, noise)` to `(B, 2 width, 1, 9, 9)`, `(B, width, 4, 18, 18)`, `(B, 1, 8, 36, 36)`.
#[derive(Debug, Clone, Module)]
pub struct Generator {
    project: Dense,
    norm1: BatchNorm,
    up1: ConvTranspose3d,
    norm2: BatchNorm,
    up2: ConvTranspose3d,
}

impl Generator {
    /// With `width` channels at half the size and twice as many at a quarter.
    #[must_use]
    pub fn new(noise: usize, width: usize, rng: &mut Rng) -> Self {
        let up1 = ConvTranspose3d::new(2 * width, width, 4, rng);
        let up2 = ConvTranspose3d::new(width, 1, 4, rng);
        let up1 = up1.stride([4, 2, 2]).padding([0, 1, 1]).no_bias();
        let up2 = up2.stride(2).padding(1).activation(Activation::Tanh);
        Self {
            project: Dense::with_init(noise, 2 * width * SMALL * SMALL, WEIGHTS, rng),
            norm1: batch_norm(2 * width, rng),
            up1: up1.with_init(WEIGHTS, rng),
            norm2: batch_norm(width, rng),
            up2: up2.with_init(WEIGHTS, rng),
        }
    }

    /// Noise `z (B, noise)` to videos `(B, 1, 8, 36, 36)` within (−1, 1).
    ///
    /// # Panics
    /// If `z` has another shape.
    #[must_use]
    #[track_caller]
    pub fn forward(&self, z: &Tensor, mode: &Mode) -> Tensor {
        let channels = self.norm1.weight.len();
        let h = self.project.forward(z);
        let h = h.reshape([z.shape()[0], channels, 1, SMALL, SMALL]);
        let h = self.norm1.forward(&h, mode).relu();
        let h = self.norm2.forward(&self.up1.forward(&h), mode).relu();
        self.up2.forward(&h)
    }
}

/// Two judges. Of whole videos: `(B, width, 4, 18, 18)`, `(B, 2 width, 2, 9, 9)`, `(B, 1)`; of two frames, which it sees as two
/// channels: `(B, width, 18, 18)`, `(B, 2 width, 9, 9)`, `(B, 1)`.
#[derive(Debug, Clone, Module)]
pub struct Discriminator {
    video: Vec<SpectralNorm<Conv3d>>,
    of_video: SpectralNorm<Dense>,
    frames: Vec<SpectralNorm<Conv2d>>,
    of_frames: SpectralNorm<Dense>,
}

impl Discriminator {
    /// With so many channels at half the size for videos and for frames, and twice as many at a quarter.
    #[must_use]
    pub fn new([video, frames]: [usize; 2], rng: &mut Rng) -> Self {
        let down3 = |c_in, c_out, rng: &mut Rng| {
            let down = Conv3d::new(c_in, c_out, 4, rng).stride(2).padding(1);
            SpectralNorm::new(down.activation(LEAKY), rng)
        };
        let down2 = |c_in, c_out, rng: &mut Rng| {
            let down = Conv2d::new(c_in, c_out, 4, rng).stride(2).padding(1);
            SpectralNorm::new(down.activation(LEAKY), rng)
        };
        let logit = |columns, rng: &mut Rng| SpectralNorm::new(Dense::new(columns, 1, rng), rng);
        Self {
            video: vec![down3(1, video, rng), down3(video, 2 * video, rng)],
            of_video: logit(2 * video * (FRAMES / 4) * SMALL * SMALL, rng),
            frames: vec![down2(2, frames, rng), down2(frames, 2 * frames, rng)],
            of_frames: logit(2 * frames * SMALL * SMALL, rng),
        }
    }

    /// Videos `x (B, 1, 8, 36, 36)` to the logits of their being real, `(B (1 + n), 1)`: of each video, then of the `n` pairs of
    /// their frames with these numbers.
    ///
    /// # Panics
    /// If `x` has another shape, or a number is not below 8.
    #[must_use]
    #[track_caller]
    pub fn forward(&self, x: &Tensor, pairs: &[[usize; 2]], mode: &Mode) -> Tensor {
        let down = self.video.iter();
        let h = down.fold(x.clone(), |h, down| down.forward(&h, mode));
        let mut logits = vec![self.of_video.forward(&h.flatten(1, -1), mode)];
        if !pairs.is_empty() {
            let two = |pair: &[usize; 2]| Tensor::concat(&pair.map(|frame| x.select(2, frame)), 1);
            let each: Vec<Tensor> = pairs.iter().map(two).collect(); // (B, 2, 36, 36)
            let down = self.frames.iter();
            let h = down.fold(Tensor::concat(&each, 0), |h, down| down.forward(&h, mode));
            logits.push(self.of_frames.forward(&h.flatten(1, -1), mode));
        }
        Tensor::concat(&logits, 0)
    }
}

#[cfg(test)]
mod tests {
    use super::super::gan::{discriminator_loss, generator_loss};
    use super::*;
    use eras_nn::{Adam, Optimizer};
    use eras_tensor::Dtype;

    #[test]
    fn a_few_steps_teach_the_generator_when_and_where_there_is_light() {
        let rng = &mut Rng::new(0);
        let mut gan = VideoGan::new(2, [4, 4, 4], rng);
        let mut players = [0, 1].map(|_| Adam::new(5e-3).betas(0.5, 0.999));
        // The upper half is always light; below, light comes in the second half of the time.
        let light = |value, frames| Tensor::full([4, 1, frames, SIDE / 2, SIDE], value, Dtype::F32);
        let lower = Tensor::concat(&[light(-0.8, FRAMES / 2), light(0.8, FRAMES / 2)], 2);
        let real = Tensor::concat(&[light(0.8, FRAMES), lower], 3);
        for step in 0..200 {
            let mode = Mode::train(0, step);
            let pair = [[rng.below(FRAMES), rng.below(FRAMES)]];
            let made = gan.generator.forward(&Tensor::randn([4, 2], rng), &mode);
            let judge = |judge: &Discriminator, x: &Tensor| judge.forward(x, &pair, &mode);
            let (of_real, of_made) = (
                judge(&gan.discriminator, &real),
                judge(&gan.discriminator, &made.detach()),
            );
            let loss = discriminator_loss(&of_real, &of_made);
            players[0].step(&mut gan.discriminator, &loss.backward());
            let fooled = gan
                .discriminator
                .frozen(|held| generator_loss(&judge(held, &made)));
            players[1].step(&mut gan.generator, &fooled.backward());
            gan.follow(0.05);
        }
        let z = Tensor::randn([8, 2], rng);
        let made = gan.mean.forward(&z, &Mode::eval());
        let off = (made - real.narrow(0, 0, 1)).abs().mean(..).item();
        // Gray all over is off by 0.8; without time, by 0.4 at best.
        assert!(off < 0.2, "{off}");
    }

    #[test]
    fn the_mean_follows_the_generator_and_takes_its_statistics() {
        let rng = &mut Rng::new(0);
        let mut gan = VideoGan::new(3, [2, 2, 2], rng);
        let before = gan.mean.state();
        gan.generator
            .for_each_param_mut(&mut |_, w| w.set(&(&**w + 1.0)));
        let _video = gan
            .generator
            .forward(&Tensor::randn([4, 3], rng), &Mode::train(0, 0));
        gan.follow(0.25);
        let (mean, now) = (gan.mean.state(), gan.generator.state());
        for ((name, old), ((_, mean), (_, now))) in before.iter().zip(mean.iter().zip(&now)) {
            // Of batch norm's buffers, which are not trained.
            let is_copied = name.contains("running") || name.contains("num_batches");
            if is_copied {
                assert_eq!(
                    mean.to_dtype(Dtype::F32).to_vec::<f32>(),
                    now.to_dtype(Dtype::F32).to_vec::<f32>(),
                    "{name}"
                );
                continue;
            }
            let wanted = old + 0.25;
            let off = (mean - wanted).abs().amax(..).item();
            assert!(off < 1e-6, "{name}: {off}");
        }
    }
}
