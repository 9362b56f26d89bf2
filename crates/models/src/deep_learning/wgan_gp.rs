//! The Wasserstein adversarial net with a gradient penalty: a critic that measures how far the made pictures are from the real
//! ones, and so has something to say also where it tells them apart.
//!
//! Arjovsky, Chintala & Bottou 2017, arXiv:1701.07875; Gulrajani, Ahmed, Arjovsky, Dumoulin & Courville 2017, "Improved
//! training of Wasserstein GANs", arXiv:1704.00028.
//!
//! ```text
//! distance     W = sup E D(x) − E D(G(z))                     over critics D of slope at most 1 everywhere
//! critic       descends  E D(G(z)) − E D(x) + λ E (‖∇D(x̂)‖ − 1)²
//! in between   x̂ = ε x + (1 − ε) G(z),  ε uniform in [0, 1]
//! generator    descends  −E D(G(z))
//! ```
//!
//! The generator is [`dcgan`](super::dcgan)'s. The critic has no batch norm, as the paper says: the penalty is on the slope
//! for each picture alone, and batch norm makes one picture's score depend on the others.
//!
//! Differs from the paper: for 28 x 28 pixels two layers of convolution of 4 x 4; weights begin as PyTorch's, not He's.
//!
//! Axes: `B` batch, `C` channels, images `(B, C, H, W)`.

use super::dcgan::{Generator, LEAKY};
use eras_nn::{Conv2d, Linear, Module};
use eras_tensor::{Rng, Tensor, grad};

/// Both players.
///
/// ```
/// use eras::models::deep_learning::wgan_gp::WganGp;
/// use eras::prelude::*;
///
/// let rng = &mut Rng::new(0);
/// let wgan = WganGp::new(100, 64, rng);
/// let pictures = wgan.generator.forward(&Tensor::randn([2, 100], rng), &Mode::eval());
/// assert_eq!(pictures.shape(), [2, 1, 28, 28]);
/// assert_eq!(wgan.critic.forward(&pictures).shape(), [2, 1]);
/// ```
#[derive(Debug, Clone, Module)]
pub struct WganGp {
    /// Noise to pictures.
    pub generator: Generator,
    /// Pictures to scores, of which only differences mean something.
    pub critic: Critic,
}

impl WganGp {
    /// For gray pictures of 28 x 28, with `width` channels at 14 x 14 and twice as many at 7 x 7.
    #[must_use]
    pub fn new(noise: usize, width: usize, rng: &mut Rng) -> Self {
        Self {
            generator: Generator::new(noise, width, rng),
            critic: Critic::new(width, rng),
        }
    }
}

/// `x (B, 1, 28, 28)` to `(B, width, 14, 14)`, `(B, 2 width, 7, 7)`, `(B, 1)`.
#[derive(Debug, Clone, Module)]
pub struct Critic {
    down1: Conv2d,
    down2: Conv2d,
    output: Linear,
}

impl Critic {
    /// With `width` channels at 14 x 14 and twice as many at 7 x 7.
    #[must_use]
    pub fn new(width: usize, rng: &mut Rng) -> Self {
        let down = |c_in, c_out, rng: &mut Rng| {
            let down = Conv2d::new(c_in, c_out, 4, rng);
            down.stride(2).padding(1).activation(LEAKY)
        };
        Self {
            down1: down(1, width, rng),
            down2: down(width, 2 * width, rng),
            output: Linear::new(2 * width * 7 * 7, 1, rng),
        }
    }

    /// The score `(B, 1)` of pictures `x (B, 1, 28, 28)`.
    ///
    /// # Panics
    /// If `x` has another shape.
    #[must_use]
    #[track_caller]
    pub fn forward(&self, x: &Tensor) -> Tensor {
        let h = self.down2.forward(&self.down1.forward(x));
        self.output.forward(&h.flatten(1, -1))
    }
}

/// `E (‖∇D(x̂)‖ − 1)²` at points between `real` and `made`, `(B, ..)` both: how far the slope of `critic`, which gives `(B, 1)`,
/// is from 1. Its own gradient is one of second order.
///
/// ```
/// use eras::models::deep_learning::wgan_gp::gradient_penalty;
/// use eras::prelude::*;
///
/// let rng = &mut Rng::new(0);
/// let (real, made) = (Tensor::randn([8, 2], rng), Tensor::randn([8, 2], rng));
/// // Of slope 5 everywhere.
/// let critic = |x: &Tensor| x.matmul(&Tensor::from([[3.0f32], [4.0]]));
/// let penalty = gradient_penalty(critic, &real, &made, rng);
/// assert!((penalty.item() - 16.0).abs() < 1e-4);
/// ```
///
/// # Panics
/// If the shapes differ, or the critic does not give one score for each picture.
#[must_use]
#[track_caller]
pub fn gradient_penalty(
    critic: impl FnOnce(&Tensor) -> Tensor,
    real: &Tensor,
    made: &Tensor,
    rng: &mut Rng,
) -> Tensor {
    assert!(
        real.shape() == made.shape() && real.rank() > 1,
        "gradient_penalty: real {:?} and made {:?} must have one shape (B, ..)",
        real.shape(),
        made.shape()
    );
    let mut each = vec![1; real.rank()];
    each[0] = real.shape()[0];
    let share = Tensor::uniform(each, 0.0, 1.0, rng).to_dtype(real.dtype());
    let (real, made) = (real.detach(), made.detach());
    let between = (&made + share * (&real - &made)).requires_grad();
    let scores = critic(&between);
    assert!(
        scores.len() == real.shape()[0],
        "gradient_penalty: scores {:?} must be one for each of {} pictures",
        scores.shape(),
        real.shape()[0]
    );
    // No picture's score depends on another: the slope of the sum holds that of each.
    let slope = grad(&scores.sum(..), &[&between], None).remove(0);
    let norm = slope.flatten(1, -1).norm(2.0, 1); // (B)
    (norm - 1.0).sqr().mean(..)
}

#[cfg(test)]
mod tests {
    use super::*;
    use eras_nn::{Adam, Mode, Optimizer};
    use eras_tensor::Dtype;

    fn pictures(rng: &mut Rng) -> [Tensor; 2] {
        [0, 1].map(|_| Tensor::randn_f64([3, 1, 28, 28], rng))
    }

    #[test]
    fn a_critic_of_slope_one_pays_nothing() {
        let rng = &mut Rng::new(0);
        let [real, made] = pictures(rng);
        let direction = Tensor::randn_f64([784, 1], rng);
        let unit = &direction / direction.norm(2.0, ..);
        let critic = |x: &Tensor| x.flatten(1, -1).matmul(&unit) + 7.0;
        assert!(gradient_penalty(critic, &real, &made, rng).item() < 1e-20);
    }

    #[test]
    fn its_gradient_by_the_weights_is_that_of_finite_differences() {
        let rng = &mut Rng::new(1);
        let mut critic = Critic::new(2, rng);
        critic.to_dtype(Dtype::F64);
        let [real, made] = pictures(rng);
        // The same points in between each time.
        let penalty = |critic: &Critic| {
            gradient_penalty(|x| critic.forward(x), &real, &made, &mut Rng::new(2))
        };
        let grads = penalty(&critic).backward();
        for name in ["down1.weight", "down2.weight", "output.weight"] {
            let params = critic.named_params();
            let param = &params.iter().find(|(n, _)| n == name).expect(name).1;
            let direction = Tensor::randn_f64(param.shape(), rng);
            let slope = (&grads[param] * &direction).sum(..).item();
            let at = |h: f64| {
                let mut moved = critic.clone();
                moved.for_each_param_mut(&mut |n, param| {
                    if n == name {
                        param.set(&(param.detach() + &direction * h));
                    }
                });
                penalty(&moved).item()
            };
            let h = 1e-6;
            let measured = (at(h) - at(-h)) / (2.0 * h);
            // Differences of numbers near 1 are exact to 2⁻⁵² / h; no kink of the leaky ReLU lies within so small a step.
            assert!(
                (slope - measured).abs() < 1e-7 * (1.0 + measured.abs()),
                "{name}: {slope} and {measured}"
            );
        }
    }

    #[test]
    fn the_critic_measures_how_far_apart_two_points_are() {
        let rng = &mut Rng::new(3);
        let mut critic = Critic::new(4, rng);
        // Pictures all alike, and others at a distance of 2 from them.
        let real = Tensor::full([16, 1, 28, 28], 1.0 / 14.0, Dtype::F32);
        let made = Tensor::zeros([16, 1, 28, 28]);
        let mut adam = Adam::new(1e-3).betas(0.0, 0.9);
        let mut distance = 0.0;
        for _ in 0..250 {
            let scores = critic.forward(&made).mean(..) - critic.forward(&real).mean(..);
            distance = -scores.item();
            let penalty = gradient_penalty(|x| critic.forward(x), &real, &made, rng);
            adam.step(&mut critic, &(scores + penalty * 10.0).backward());
        }
        // With the slope s it pays −2 s + 10 (s − 1)², which is least at s = 1.1.
        assert!((1.8..2.5).contains(&distance), "{distance}");
    }

    #[test]
    fn the_generator_draws_within_minus_one_and_one() {
        let rng = &mut Rng::new(4);
        let wgan = WganGp::new(10, 4, rng);
        let z = Tensor::randn([5, 10], rng);
        let x = wgan.generator.forward(&z, &Mode::train(0, 0));
        assert_eq!(x.shape(), [5, 1, 28, 28]);
        assert!(x.to_vec::<f32>().iter().all(|x| (-1.0..=1.0).contains(x)));
    }
}
