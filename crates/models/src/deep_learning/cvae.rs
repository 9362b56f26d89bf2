//! The conditional variational autoencoder (Sohn, Lee & Yan 2015, "Learning structured output representation using deep
//! conditional generative models").
//!
//! ```text
//! model      z ~ N(0, 1)        x ~ Bernoulli(σ(decoder(z, c)))
//! guess      q(z|x, c) from encoder(x, c)
//! bound      ln p(x|c) ≥ E_q[ln p(x|z, c)] − KL(q(z|x, c) ‖ N(0, 1))
//! ```
//!
//! What is known, `c`, need not be told by the code, which is left with what `c` does not say: of a digit of known class,
//! the hand.
//!
//! Differs from the paper: `c` is a class, and the picture is drawn from it, where the paper completes pictures of which a
//! part is known; the code's distribution does not depend on `c` (the paper's section 4.1 allows either); one code is drawn
//! for each picture; there is no second guess from a network without the code.
//!
//! Axes: `B` pictures, `V` pixels, `K` classes, `Z` numbers of a code.

use super::Mlp;
use super::diagonal_gaussian::DiagonalGaussian;
use super::vae::{Bound, unlikeliness};
use eras_nn::{Mode, Module};
use eras_tensor::{Rng, Tensor, no_grad};

/// Encoder and decoder of dense layers, both of which are told the class.
///
/// ```
/// use eras::models::deep_learning::ConditionalVae;
/// use eras::prelude::*;
///
/// let rng = &mut Rng::new(0);
/// let vae = ConditionalVae::new(784, 10, &[128], 20, rng);
/// let threes = vae.sample(&Tensor::from(vec![3i64; 5]), rng);
/// assert_eq!(threes.shape(), [5, 784]);
/// ```
#[derive(Debug, Module)]
pub struct ConditionalVae {
    encoder: Mlp,
    decoder: Mlp,
    classes: usize,
    latent: usize,
}

impl ConditionalVae {
    /// For pictures of `pixels` of so many `classes`, with hidden layers of these sizes on the way to a code of `latent`
    /// numbers, and the same in reverse on the way back.
    ///
    /// # Panics
    /// If `latent` or `classes` is 0.
    #[must_use]
    #[track_caller]
    pub fn new(
        pixels: usize,
        classes: usize,
        hidden: &[usize],
        latent: usize,
        rng: &mut Rng,
    ) -> Self {
        assert!(
            latent > 0 && classes > 0,
            "ConditionalVae: found a code of {latent} numbers and {classes} classes, wanted at least 1 of each"
        );
        let back: Vec<usize> = hidden.iter().rev().copied().collect();
        Self {
            encoder: Mlp::new(pixels + classes, hidden, 2 * latent, 0.0, rng),
            decoder: Mlp::new(latent + classes, &back, pixels, 0.0, rng),
            classes,
            latent,
        }
    }

    /// Numbers of a code.
    #[must_use]
    pub fn latent(&self) -> usize {
        self.latent
    }

    /// What the code of `x (B, V)` of the classes `c (B)` may be: `q(z|x, c)`, `(B, Z)`.
    ///
    /// # Panics
    /// If the last axis of `x` is not `V`, or `c` is not a class for each.
    #[must_use]
    #[track_caller]
    pub fn encode(&self, x: &Tensor, c: &Tensor) -> DiagonalGaussian {
        DiagonalGaussian::from_halves(&self.encoder.forward(&self.with_class(x, c), &Mode::eval()))
    }

    /// The log-odds of each pixel: `z (B, Z)` of the classes `c (B)` to `(B, V)`.
    ///
    /// # Panics
    /// If the last axis of `z` is not `Z`, or `c` is not a class for each.
    #[must_use]
    #[track_caller]
    pub fn decode(&self, z: &Tensor, c: &Tensor) -> Tensor {
        self.decoder.forward(&self.with_class(z, c), &Mode::eval())
    }

    /// `x (B, ..)` with one of `K` marks behind.
    #[track_caller]
    fn with_class(&self, x: &Tensor, c: &Tensor) -> Tensor {
        let marks = c.one_hot(self.classes).to_dtype(x.dtype());
        Tensor::concat(&[x, &marks], -1)
    }

    /// The bound on `ln p(x|c)` of each picture of `x (B, V)` of the classes `c (B)`, from one code drawn for each.
    ///
    /// # Panics
    /// If the last axis of `x` is not `V`, or `c` is not a class for each.
    #[must_use]
    #[track_caller]
    pub fn bound(&self, x: &Tensor, c: &Tensor, rng: &mut Rng) -> Bound {
        let q = self.encode(x, c);
        Bound {
            reconstruction: unlikeliness(&self.decode(&q.sample(rng), c), x),
            divergence: q.kl_to_standard(),
        }
    }

    /// The bound of each picture of `x (B, V)` as one of each class: `(B, K)`. Where all classes are as frequent, the
    /// largest of a row is the likeliest class (Bayes' rule), as nearly as bounds tell. Off the tape.
    ///
    /// # Panics
    /// If the last axis of `x` is not `V`.
    #[must_use]
    #[track_caller]
    pub fn bounds(&self, x: &Tensor, rng: &mut Rng) -> Tensor {
        let all = x.shape().first().copied().unwrap_or(0);
        no_grad(|| {
            let each: Vec<Tensor> = (0..self.classes)
                .map(|class| {
                    let c = Tensor::from(vec![class as i64; all]);
                    self.bound(x, &c, rng).nats()
                })
                .collect();
            Tensor::stack(&each, 1)
        })
    }

    /// A picture of each of the classes `c (B)`, as the probabilities of its pixels: `(B, V)`. Off the tape.
    ///
    /// # Panics
    /// If one is no class.
    #[must_use]
    #[track_caller]
    pub fn sample(&self, c: &Tensor, rng: &mut Rng) -> Tensor {
        self.draw(&Tensor::randn([c.len(), self.latent], rng), c)
    }

    /// The pictures of the codes `z (B, Z)` as of the classes `c (B)`, as the probabilities of their pixels: `(B, V)`. Off
    /// the tape.
    ///
    /// # Panics
    /// If the last axis of `z` is not `Z`, or `c` is not a class for each.
    #[must_use]
    #[track_caller]
    pub fn draw(&self, z: &Tensor, c: &Tensor) -> Tensor {
        no_grad(|| self.decode(z, c).sigmoid())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use eras_nn::{Adam, Optimizer};
    use eras_tensor::Dtype;

    /// A bar in one of four places (the class), of one of two heights (which the class does not say): `(8, 16)`, `(8)`.
    fn bars() -> (Tensor, Tensor) {
        let place = Tensor::arange(4).one_hot(4).to_dtype(Dtype::F32);
        let tall = place.repeat_interleave(1, 4);
        let half = Tensor::from([1.0f32, 1.0, 0.0, 0.0]).repeat(&[4]);
        let x = Tensor::concat(&[&tall, &(&tall * half)], 0);
        (x, Tensor::arange(4).repeat(&[2]))
    }

    #[test]
    fn the_class_is_obeyed_and_the_code_keeps_the_rest() {
        let rng = &mut Rng::new(0);
        let (x, c) = bars();
        let mut vae = ConditionalVae::new(16, 4, &[64], 2, rng);
        let mut adam = Adam::new(3e-3);
        for _ in 0..1500 {
            let loss = -vae.bound(&x, &c, rng).nats().mean(..);
            adam.step(&mut vae, &loss.backward());
        }
        // The height is a coin flip: −ln 2 = −0.7 is the best. Without the class it would be −ln 8 = −2.1.
        let found = vae.bound(&x.repeat(&[50, 1]), &c.repeat(&[50]), rng);
        let (bound, told) = (
            found.nats().mean(..).item(),
            found.divergence.mean(..).item(),
        );
        assert!(bound > -1.2, "{bound}");
        assert!((0.4..1.1).contains(&told), "the code tells {told} nats");
        // Samples stand where they were asked to.
        let asked = Tensor::arange(4).repeat(&[25]);
        let places = vae
            .sample(&asked, rng)
            .reshape([100, 4, 4])
            .sum(-1)
            .argmax(-1);
        assert_eq!(places.to_vec::<i64>(), asked.to_vec::<i64>());
        // Each picture is likeliest as what it is.
        let best = vae.bounds(&x, rng).argmax(-1);
        assert_eq!(best.to_vec::<i64>(), c.to_vec::<i64>());
    }

    #[test]
    #[should_panic(expected = "one_hot: index 4 at [0] leaves the 4 classes")]
    fn a_class_that_there_is_not_is_refused() {
        let rng = &mut Rng::new(0);
        let _refused = ConditionalVae::new(16, 4, &[8], 2, rng).sample(&Tensor::from([4i64]), rng);
    }
}
