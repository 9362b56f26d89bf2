//! The variational autoencoder (Kingma & Welling 2013, "Auto-encoding variational Bayes", arXiv:1312.6114; Rezende, Mohamed
//! & Wierstra 2014, arXiv:1401.4082).
//!
//! ```text
//! model      z ~ N(0, 1)        x ~ Bernoulli(σ(decoder(z)))
//! guess      q(z|x) = N(mean, e^log_var), both from encoder(x)
//! sample     z = mean + ε e^(log_var / 2),  ε ~ N(0, 1)               so that gradients reach the encoder
//! bound      ln p(x) ≥ E_q[ln p(x|z)] − KL(q(z|x) ‖ N(0, 1))         what is left over is KL(q(z|x) ‖ p(z|x))
//! ```
//!
//! Pixels may be any numbers from 0 to 1: as the probabilities with which bits are drawn, of which the bound then is the
//! mean over all draws (for a guess that sees the probabilities and not the bits).
//!
//! Differs from the paper: rectified units where it had tanh.
//!
//! Axes: `B` pictures, `V` pixels, `Z` numbers of a code.

use super::Mlp;
use super::diagonal_gaussian::{DiagonalGaussian, normal};
use eras_nn::{Layer, Mode, Module};
use eras_tensor::{Reduction, Rng, Tensor, no_grad};

/// Encoder and decoder of dense layers: `(B, V)` to `(B, Z)` and back.
///
/// ```
/// use eras::models::deep_learning::Vae;
/// use eras::prelude::*;
///
/// let rng = &mut Rng::new(0);
/// let mut vae = Vae::new(6, &[16], 2, rng);
/// let x = Tensor::from([[1.0f32, 1.0, 1.0, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 1.0, 1.0, 1.0]]);
/// let mut adam = Adam::new(0.01);
/// for _ in 0..300 {
///     let loss = -vae.bound(&x, rng).nats().mean(..);
///     adam.step(&mut vae, &loss.backward());
/// }
/// // Two pictures, a coin flip each: −ln 2 is the best.
/// assert!(vae.bound(&x, rng).nats().mean(..).item() > -1.2);
/// assert_eq!(vae.sample(5, rng).shape(), [5, 6]);
/// ```
#[derive(Debug, Module)]
pub struct Vae {
    encoder: Mlp,
    decoder: Mlp,
    latent: usize,
}

/// The evidence bound of each picture, in its two parts, in nats.
#[derive(Debug, Clone)]
pub struct Bound {
    /// `−ln p(x|z)`: what is still to be told where the code is known. `(B)`
    pub reconstruction: Tensor,
    /// `KL(q(z|x) ‖ p(z))`: what the code tells. `(B)`
    pub divergence: Tensor,
}

impl Bound {
    /// What `ln p(x)` is at least, but for the chance of the one code that was drawn: `(B)`.
    #[must_use]
    pub fn nats(&self) -> Tensor {
        -(&self.reconstruction + &self.divergence)
    }
}

impl Vae {
    /// For pictures of `pixels`, with hidden layers of these sizes on the way to a code of `latent` numbers, and the same
    /// in reverse on the way back.
    ///
    /// # Panics
    /// If `latent` is 0.
    #[must_use]
    #[track_caller]
    pub fn new(pixels: usize, hidden: &[usize], latent: usize, rng: &mut Rng) -> Self {
        assert!(latent > 0, "Vae: a code has at least one number");
        let back: Vec<usize> = hidden.iter().rev().copied().collect();
        Self {
            encoder: Mlp::new(pixels, hidden, 2 * latent, 0.0, rng),
            decoder: Mlp::new(latent, &back, pixels, 0.0, rng),
            latent,
        }
    }

    /// Numbers of a code.
    #[must_use]
    pub fn latent(&self) -> usize {
        self.latent
    }

    /// What the code of `x (B, V)` may be: `q(z|x)`, `(B, Z)`.
    ///
    /// # Panics
    /// If the last axis of `x` is not `V`.
    #[must_use]
    #[track_caller]
    pub fn encode(&self, x: &Tensor) -> DiagonalGaussian {
        DiagonalGaussian::from_halves(&self.encoder.forward(x, &Mode::eval()))
    }

    /// The log-odds of each pixel: `z (.., Z)` to `(.., V)`.
    ///
    /// # Panics
    /// If the last axis of `z` is not `Z`.
    #[must_use]
    #[track_caller]
    pub fn decode(&self, z: &Tensor) -> Tensor {
        self.decoder.forward(z, &Mode::eval())
    }

    /// The bound of each picture of `x (B, V)`, from one code drawn for each.
    ///
    /// # Panics
    /// If the last axis of `x` is not `V`.
    #[must_use]
    #[track_caller]
    pub fn bound(&self, x: &Tensor, rng: &mut Rng) -> Bound {
        let q = self.encode(x);
        let noise = normal(q.mean.shape(), q.mean.dtype(), rng);
        self.bound_at(x, &q, &noise)
    }

    /// With the guess `q` and the code at `noise (B, Z)`.
    #[track_caller]
    fn bound_at(&self, x: &Tensor, q: &DiagonalGaussian, noise: &Tensor) -> Bound {
        Bound {
            reconstruction: unlikeliness(&self.decode(&q.at(noise)), x),
            divergence: q.kl_to_standard(),
        }
    }

    /// An estimate of `ln p(x)` for each picture of `x (B, V)`, by importance sampling from the guess: in the mean it is
    /// too low, the less so the more `samples` (Burda, Grosse & Salakhutdinov 2015, arXiv:1509.00519). Off the tape.
    ///
    /// # Panics
    /// If the last axis of `x` is not `V`, or `samples` is 0.
    #[must_use]
    #[track_caller]
    pub fn log_likelihood(&self, x: &Tensor, samples: usize, rng: &mut Rng) -> Tensor {
        assert!(
            samples > 0,
            "log_likelihood: found 0 samples, wanted at least 1"
        );
        no_grad(|| {
            let q = self.encode(x);
            let weights: Vec<Tensor> = (0..samples)
                .map(|_| {
                    let z = q.sample(rng);
                    let joint = DiagonalGaussian::standard_log_density(&z)
                        - unlikeliness(&self.decode(&z), x);
                    joint - q.log_density(&z) // ln p(x, z) / q(z|x)
                })
                .collect();
            Tensor::stack(&weights, 0).logsumexp(0) - (samples as f64).ln()
        })
    }

    /// `n` pictures that nobody drew, as the probabilities of their pixels: `(n, V)`. Off the tape.
    #[must_use]
    pub fn sample(&self, n: usize, rng: &mut Rng) -> Tensor {
        self.draw(&Tensor::randn([n, self.latent], rng))
    }

    /// The pictures of the codes `z (.., Z)`, as the probabilities of their pixels: `(.., V)`. Off the tape.
    ///
    /// # Panics
    /// If the last axis of `z` is not `Z`.
    #[must_use]
    #[track_caller]
    pub fn draw(&self, z: &Tensor) -> Tensor {
        no_grad(|| self.decode(z).sigmoid())
    }
}

/// Gives `x (B, V)` back by way of the likeliest code, as probabilities.
impl Layer for Vae {
    #[track_caller]
    fn apply(&self, x: &Tensor, _: &Mode) -> Tensor {
        self.decode(&self.encode(x).mean).sigmoid()
    }
}

/// `−ln p(x)` where each pixel is drawn by itself with these log-odds: `(.., V)` both, to `(..)`.
#[track_caller]
pub(super) fn unlikeliness(logits: &Tensor, x: &Tensor) -> Tensor {
    logits.bce_with_logits(x, Reduction::None).sum(-1)
}

#[cfg(test)]
mod tests {
    // The library of all crates, for its files: within this crate `eras` names another one.
    extern crate eras as library;

    use super::*;
    use eras_nn::{Adam, Optimizer, Param};
    use eras_tensor::Dtype;
    use library::formats;
    use std::collections::HashMap;

    /// Every weight in f64, as `f` makes it of its name and what it was.
    fn in_f64(vae: &mut Vae, f: impl Fn(&str, &Tensor) -> Tensor) {
        vae.for_each_param_mut(&mut |name, param| {
            *param = Param::new(&f(name, &param.detach().to_dtype(Dtype::F64)));
        });
    }

    #[test]
    fn the_bound_and_its_gradients_are_pytorchs() {
        let file = format!(
            "{}/../../testdata/models/vae.safetensors",
            env!("CARGO_MANIFEST_DIR")
        );
        let file = formats::read(file.as_ref()).expect("reference values");
        let stored: HashMap<String, Tensor> = file.tensors.into_iter().collect();
        let mut vae = Vae::new(12, &[7], 3, &mut Rng::new(0));
        in_f64(&mut vae, |name, _| stored[&format!("model.{name}")].clone());
        let [x, noise] = ["x", "noise"].map(|name| stored[name].clone());
        let bound = vae.bound_at(&x, &vae.encode(&x), &noise);
        let close = |ours: &Tensor, name: &str| {
            let theirs = &stored[name];
            assert_eq!(ours.shape(), theirs.shape(), "{name}");
            let off = (ours - theirs).abs() / (theirs.abs() + 1.0);
            assert!(
                off.amax(..).item() < 1e-7,
                "{name}: {ours:?}, wanted {theirs:?}"
            );
        };
        close(&bound.reconstruction, "reconstruction");
        close(&bound.divergence, "divergence");
        let grads = (-bound.nats().mean(..)).backward();
        vae.for_each_param(&mut |name, param| close(&grads[&**param], &format!("grad.{name}")));
    }

    /// A machine with a code of one number, in f64, whose pictures depend much on it.
    fn small(rng: &mut Rng) -> Vae {
        let mut vae = Vae::new(4, &[5], 1, rng);
        in_f64(&mut vae, |_, w| w * 2.0);
        vae
    }

    /// `ln p(x)` by adding up over all codes: `(B)`.
    fn integrated(vae: &Vae, x: &Tensor) -> Tensor {
        const STEPS: usize = 4000;
        let z: Vec<f64> = (0..=STEPS)
            .map(|i| -8.0 + 16.0 * i as f64 / STEPS as f64)
            .collect();
        let z = Tensor::from(z).unsqueeze(1); // (4001, 1)
        let all = [STEPS + 1, x.shape()[0], 4];
        let logits = vae.decode(&z).unsqueeze(1).expand(all);
        let log_p = DiagonalGaussian::standard_log_density(&z).unsqueeze(1)
            - unlikeliness(&logits, &x.unsqueeze(0).expand(all));
        log_p.logsumexp(0) + (16.0 / STEPS as f64).ln()
    }

    #[test]
    fn the_bound_is_below_the_likelihood_and_importance_sampling_reaches_it() {
        let rng = &mut Rng::new(1);
        let mut vae = small(rng);
        let x = Tensor::from([[1.0f64, 0.0, 0.0, 1.0], [0.0, 1.0, 0.3, 0.0]]);
        // A guess far from the truth would want more samples than there are.
        let mut adam = Adam::new(0.01);
        for _ in 0..100 {
            let loss = -vae.bound(&x, rng).nats().mean(..);
            adam.step(&mut vae, &loss.backward());
        }
        let exact = integrated(&vae, &x);
        let many = x.unsqueeze(0).expand([5000, 2, 4]).reshape([10_000, 4]);
        let bound = vae.bound(&many, rng).nats().reshape([5000, 2]);
        let gap = &exact - bound.mean(0);
        // What is left over is a divergence: not negative, and here not 0 either.
        assert!(gap.amin(..).item() > 0.01, "{gap:?}");
        let estimate = vae.log_likelihood(&x, 5000, rng);
        assert!(
            (&estimate - &exact).abs().amax(..).item() < 0.05,
            "{estimate:?} and {exact:?}"
        );
    }

    #[test]
    fn the_probabilities_of_all_pictures_sum_to_one() {
        let vae = small(&mut Rng::new(2));
        let bits: Vec<f64> = (0..64)
            .map(|i| f64::from(((i / 4) >> (i % 4)) & 1))
            .collect();
        let all = Tensor::from_slice(&bits, [16, 4]);
        let sum = integrated(&vae, &all).exp().sum(..).item();
        assert!((sum - 1.0).abs() < 1e-6, "{sum}");
    }

    #[test]
    fn the_mean_over_drawn_bits_is_the_value_at_their_probabilities() {
        let rng = &mut Rng::new(3);
        let vae = small(rng);
        let (p, z) = (
            Tensor::from([[0.2f64, 0.9, 0.5, 0.0]]),
            Tensor::from([[0.7f64]]),
        );
        let at_p = unlikeliness(&vae.decode(&z), &p).item();
        let bits: Vec<f64> = (0..64)
            .map(|i| f64::from(((i / 4) >> (i % 4)) & 1))
            .collect();
        let bits = Tensor::from_slice(&bits, [16, 4]);
        let weight = (&bits * &p + (1.0 - &bits) * (1.0 - &p)).prod(-1); // of each of the 16 draws
        let each = unlikeliness(&vae.decode(&z.expand([16, 1])), &bits);
        assert!(((weight * each).sum(..).item() - at_p).abs() < 1e-12);
    }

    #[test]
    fn learning_opens_a_code_for_what_differs() {
        // Bars in one of four places: two bits, which one code number cannot tell as well as two.
        let rng = &mut Rng::new(4);
        let x = Tensor::arange(4)
            .one_hot(4)
            .to_dtype(Dtype::F32)
            .repeat_interleave(1, 4); // (4, 16)
        let mut vae = Vae::new(16, &[32], 2, rng);
        let mut adam = Adam::new(3e-3);
        let mut bound = f64::NEG_INFINITY;
        for _ in 0..1500 {
            let found = vae.bound(&x.repeat(&[8, 1]), rng);
            bound = found.nats().mean(..).item();
            adam.step(&mut vae, &(-found.nats().mean(..)).backward());
        }
        // Without a code, 16 pixels at one in four are −9.0; the truth is −ln 4 = −1.4.
        assert!(bound > -2.5, "{bound}");
        let back = vae.apply(&x, &Mode::eval());
        assert!((back - &x).abs().amax(..).item() < 0.2);
    }
}
