//! The restricted Boltzmann machine: no connections within a group, so that each group is sampled at one stroke.
//!
//! Smolensky 1986, "Information processing in dynamical systems: foundations of harmony theory"; Hinton 2002, "Training
//! products of experts by minimizing contrastive divergence"; Tieleman 2008, "Training restricted Boltzmann machines using
//! approximations to the likelihood gradient"; Salakhutdinov & Murray 2008, "On the quantitative analysis of deep belief
//! networks".
//!
//! ```text
//! energy        E(v, h) = −h W v − b·v − c·h                  P(v, h) = e^(−E) / Z
//! halves        P(h = 1 | v) = σ(W v + c)                     P(v = 1 | h) = σ(h W + b)
//! free energy   F(v) = −b·v − Σ_j softplus(c + W v)_j         P(v) = e^(−F) / Z
//! learning      −∂ ln P(v) / ∂θ = ∂F(v) / ∂θ − ⟨∂F / ∂θ⟩ of the machine's own samples
//! ```
//!
//! CD-k takes these samples after `k` steps from the data; persistent CD from chains that are never called back. Either is
//! the gradient of [`contrast`](Rbm::contrast), which goes through the tape and any optimizer.
//!
//! Differs from the paper: the statistics of hidden units are their probabilities at both ends (Hinton's later advice, and
//! what the slope of F says), not samples.
//!
//! Axes: `B` cases, `V` visible units, `H` hidden units.

use eras_nn::{Module, Param};
use eras_tensor::{Dtype, Error, Result, Rng, Tensor, no_grad};

/// Binary visible and hidden units.
///
/// ```
/// use eras::models::connectionism::Rbm;
/// use eras::prelude::*;
///
/// let rng = &mut Rng::new(0);
/// let mut rbm = Rbm::new(4, 2, rng);
/// let v = Tensor::from([[1.0f32, 1.0, 0.0, 0.0], [0.0, 0.0, 1.0, 1.0]]);
/// let before = rbm.log_likelihood(&v)?;
/// let mut descent = Sgd::new(0.5);
/// for _ in 0..200 {
///     let grads = rbm.cd(&v, 1, rng).backward();
///     descent.step(&mut rbm, &grads);
/// }
/// assert!(rbm.log_likelihood(&v)? > before);
/// # Ok::<(), eras::Error>(())
/// ```
#[derive(Debug, Clone, Module)]
pub struct Rbm {
    /// `(H, V)`
    pub weight: Param,
    /// `(V)`
    pub visible_bias: Param,
    /// `(H)`
    pub hidden_bias: Param,
}

/// What annealed importance sampling says of `ln Z`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LogZ {
    /// The estimate.
    pub value: f64,
    /// The estimate from a mean weight three standard errors lower, and from one three higher.
    pub range: [f64; 2],
}

impl Rbm {
    /// The most units, of the smaller group, whose states are counted one by one.
    pub const MAX_EXACT: usize = 20;

    /// Weights are drawn from N(0, 0.01²), biases are 0 (Hinton 2010, "A practical guide to training restricted Boltzmann
    /// machines").
    #[must_use]
    pub fn new(visible: usize, hidden: usize, rng: &mut Rng) -> Self {
        Self {
            weight: Param::new(&(Tensor::randn([hidden, visible], rng) * 0.01)),
            visible_bias: Param::new(&Tensor::zeros([visible])),
            hidden_bias: Param::new(&Tensor::zeros([hidden])),
        }
    }

    /// `P(h = 1 | v)`: `(B, V)` to `(B, H)`.
    ///
    /// # Panics
    /// If the last axis of `v` is not `V`.
    #[must_use]
    #[track_caller]
    pub fn hidden(&self, v: &Tensor) -> Tensor {
        v.linear(&self.weight, Some(&self.hidden_bias)).sigmoid()
    }

    /// `P(v = 1 | h)`: `(B, H)` to `(B, V)`.
    ///
    /// # Panics
    /// If the last axis of `h` is not `H`.
    #[must_use]
    #[track_caller]
    pub fn visible(&self, h: &Tensor) -> Tensor {
        (h.matmul(&self.weight) + &*self.visible_bias).sigmoid()
    }

    /// `F(v)`, of which `e^(−F) / Z` is the probability: `(B, V)` to `(B)`.
    ///
    /// # Panics
    /// If the last axis of `v` is not `V`.
    #[must_use]
    #[track_caller]
    pub fn free_energy(&self, v: &Tensor) -> Tensor {
        let x = v.linear(&self.weight, Some(&self.hidden_bias)); // (B, H)
        -(v * &*self.visible_bias).sum(-1) - softplus(&x).sum(-1)
    }

    /// Samples the hidden units from `v (B, V)` and new visible ones from them, `k` times; off the tape.
    ///
    /// # Panics
    /// If the last axis of `v` is not `V`.
    #[must_use]
    #[track_caller]
    pub fn gibbs(&self, v: &Tensor, k: usize, rng: &mut Rng) -> Tensor {
        no_grad(|| {
            let mut v = v.detach();
            for _ in 0..k {
                let h = flip(&self.hidden(&v), rng);
                v = flip(&self.visible(&h), rng);
            }
            v
        })
    }

    /// How much less free energy the machine gives to its own samples than to the data, `(B, V)` both. Its value is no
    /// measure of success, but its gradient is that of learning.
    ///
    /// # Panics
    /// If a last axis is not `V`.
    #[must_use]
    #[track_caller]
    pub fn contrast(&self, data: &Tensor, samples: &Tensor) -> Tensor {
        self.free_energy(data).mean(..) - self.free_energy(samples).mean(..)
    }

    /// Contrastive divergence: the [`contrast`](Self::contrast) of `v (B, V)` with itself after `k` steps.
    ///
    /// # Panics
    /// If the last axis of `v` is not `V`.
    #[must_use]
    #[track_caller]
    pub fn cd(&self, v: &Tensor, k: usize, rng: &mut Rng) -> Tensor {
        self.contrast(v, &self.gibbs(v, k, rng))
    }

    /// Persistent contrastive divergence: the [`contrast`](Self::contrast) of `v (B, V)` with `chains (C, V)`, which go on
    /// by `k` steps from where the last call left them.
    ///
    /// # Panics
    /// If a last axis is not `V`.
    #[must_use]
    #[track_caller]
    pub fn persistent_cd(
        &self,
        v: &Tensor,
        chains: &mut Tensor,
        k: usize,
        rng: &mut Rng,
    ) -> Tensor {
        *chains = self.gibbs(chains, k, rng);
        self.contrast(v, chains)
    }

    /// `v (B, V)` as it comes back from the hidden units, in probabilities: `(B, V)`.
    ///
    /// # Panics
    /// If the last axis of `v` is not `V`.
    #[must_use]
    #[track_caller]
    pub fn reconstruct(&self, v: &Tensor) -> Tensor {
        self.visible(&self.hidden(v))
    }

    /// `n` samples, in probabilities: `steps` of Gibbs sampling from coin flips, and the probabilities of the last.
    #[must_use]
    pub fn sample(&self, n: usize, steps: usize, rng: &mut Rng) -> Tensor {
        no_grad(|| {
            let coins = Tensor::full([n, self.visible_bias.len()], 0.5, self.weight.dtype());
            let v = self.gibbs(&flip(&coins, rng), steps, rng);
            self.visible(&flip(&self.hidden(&v), rng))
        })
    }

    /// `ln Z` by counting the states of the smaller group.
    ///
    /// # Errors
    /// If both groups have more than [`MAX_EXACT`](Self::MAX_EXACT) units.
    pub fn log_z(&self) -> Result<f64> {
        let [w, b, c] = self.in_f64();
        // Of the other group's units each adds softplus of its field: W is turned so that the smaller group is counted.
        let (w, counted, summed) = if b.len() < c.len() {
            (w, b, c)
        } else {
            (w.t(), c, b)
        };
        let n = counted.len();
        if n > Self::MAX_EXACT {
            return Err(Error::usage(format!(
                "an exact count over {n} units was asked for, but is made for {} at most; see Rbm::ais",
                Self::MAX_EXACT
            )));
        }
        let (mut parts, chunk) = (Vec::new(), 1usize << n.min(10));
        for start in (0..1 << n).step_by(chunk) {
            let bits =
                (start..start + chunk).flat_map(|code| (0..n).map(move |i| (code >> i & 1) as f64));
            let x = Tensor::from_slice(&bits.collect::<Vec<_>>(), [chunk, n]);
            let goodness = x.matmul(&counted) + softplus(&x.linear(&w, Some(&summed))).sum(-1);
            parts.push(goodness.logsumexp(0).item());
        }
        Ok(Tensor::from(parts).logsumexp(0).item())
    }

    /// The mean of `ln P(v)` over `v (B, V)`, in nats, exactly.
    ///
    /// # Errors
    /// As [`log_z`](Self::log_z).
    ///
    /// # Panics
    /// If the last axis of `v` is not `V`.
    #[track_caller]
    pub fn log_likelihood(&self, v: &Tensor) -> Result<f64> {
        let free_energy = no_grad(|| self.free_energy(v).mean(..).item());
        Ok(-free_energy - self.log_z()?)
    }

    /// `ln Z` by annealed importance sampling: `chains` of samples go in `steps` from a machine without weights, whose Z is
    /// known, to this one. The biases of the first machine, `base (V)`, are best those of the data: `ln(p / (1 − p))`.
    ///
    /// # Panics
    /// If `base` is not `(V)`, or `steps` or `chains` is 0.
    #[must_use]
    #[track_caller]
    pub fn ais(&self, base: &Tensor, steps: usize, chains: usize, rng: &mut Rng) -> LogZ {
        let [w, b, c] = self.in_f64();
        let fits = base.shape() == b.shape() && steps > 0 && chains > 0;
        assert!(
            fits,
            "ais: found base {:?}, {steps} steps and {chains} chains, wanted {:?} and numbers above 0",
            base.shape(),
            b.shape()
        );
        let base = base.detach().to_dtype(Dtype::F64);
        // ln p*_β(v) = ((1 − β) base + β b)·v + Σ_j softplus(β (W v + c))_j
        let bias = |beta: f64| &base * (1.0 - beta) + &b * beta;
        let log_p = |v: &Tensor, field: &Tensor, beta: f64| {
            v.matmul(&bias(beta)) + softplus(&(field * beta)).sum(-1) // (chains)
        };
        let mut v = flip(&bias(0.0).sigmoid().expand([chains, b.len()]), rng);
        let mut log_w = Tensor::zeros([chains]).to_dtype(Dtype::F64);
        for step in 1..=steps {
            let [last, beta] = [step - 1, step].map(|step| step as f64 / steps as f64);
            let field = v.linear(&w, Some(&c)); // (chains, H)
            log_w = log_w + log_p(&v, &field, beta) - log_p(&v, &field, last);
            let h = flip(&(field * beta).sigmoid(), rng);
            v = flip(&(h.matmul(&w) * beta + bias(beta)).sigmoid(), rng);
        }
        let log_z0 = softplus(&base).sum(..).item() + c.len() as f64 * std::f64::consts::LN_2;
        let (highest, n) = (log_w.amax(..).item(), chains as f64);
        let weights = (log_w - highest).exp();
        let mean = weights.mean(..).item();
        let error = (weights - mean).sqr().mean(..).item().sqrt() / n.sqrt();
        // From few chains the lower end may reach 0: then nothing is known below.
        let log_z = |weight: f64| log_z0 + highest + weight.max(0.0).ln();
        LogZ {
            value: log_z(mean),
            range: [log_z(mean - 3.0 * error), log_z(mean + 3.0 * error)],
        }
    }

    /// Weight, visible and hidden bias. Sums over many states want all the digits there are.
    fn in_f64(&self) -> [Tensor; 3] {
        [&self.weight, &self.visible_bias, &self.hidden_bias]
            .map(|param| param.detach().to_dtype(Dtype::F64))
    }
}

/// `ln(1 + eˣ)`
fn softplus(x: &Tensor) -> Tensor {
    x.softplus(1.0, 40.0)
}

/// 1 with the probability `p`, else 0.
fn flip(p: &Tensor, rng: &mut Rng) -> Tensor {
    let is_less = match p.dtype() {
        Dtype::F64 => Tensor::uniform_f64(p.shape(), 0.0, 1.0, rng).lt(p),
        _ => Tensor::uniform(p.shape(), 0.0, 1.0, rng).lt(&p.to_dtype(Dtype::F32)),
    };
    is_less.to_dtype(p.dtype())
}

#[cfg(test)]
mod tests {
    // The library of all crates, for its data: within this crate `eras` names another one.
    extern crate eras as library;

    use super::*;
    use eras_nn::{Optimizer, Sgd};
    use library::data::{Dataset, Mnist};

    /// A machine with weights from N(0, 0.7²) and biases from N(0, 1).
    fn wild(visible: usize, hidden: usize, rng: &mut Rng) -> Rbm {
        let mut rbm = Rbm::new(visible, hidden, rng);
        rbm.weight
            .set(&(Tensor::randn([hidden, visible], rng) * 0.7));
        rbm.visible_bias.set(&Tensor::randn([visible], rng));
        rbm.hidden_bias.set(&Tensor::randn([hidden], rng));
        rbm
    }

    /// All states of `n` units, `(2ⁿ, n)`.
    fn all_states(n: usize) -> Tensor {
        let bits: Vec<f32> = (0..n << n)
            .map(|i| ((i / n) >> (i % n) & 1) as f32)
            .collect();
        Tensor::from_slice(&bits, [1 << n, n])
    }

    #[test]
    fn the_free_energy_is_that_of_all_hidden_states_together() {
        let rbm = wild(3, 4, &mut Rng::new(0));
        let (v, h) = (all_states(3), all_states(4));
        // −E(v, h) of all pairs: (8, 16)
        let goodness = v.matmul(&rbm.weight.t()).matmul(&h.t())
            + v.matmul(&rbm.visible_bias).unsqueeze(1)
            + h.matmul(&rbm.hidden_bias).unsqueeze(0);
        let off = goodness.logsumexp(1) + rbm.free_energy(&v);
        assert!(off.abs().amax(..).item() < 1e-5);
        let log_z = goodness.reshape([128]).logsumexp(0).item();
        assert!((log_z - rbm.log_z().expect("small")).abs() < 1e-5);
    }

    #[test]
    fn probabilities_sum_to_one_whichever_group_is_counted() {
        for (visible, hidden) in [(3, 12), (12, 3), (11, 11)] {
            let rbm = wild(visible, hidden, &mut Rng::new(1));
            let log_p = -rbm.free_energy(&all_states(visible)).to_dtype(Dtype::F64)
                - rbm.log_z().expect("small");
            let sum = log_p.exp().sum(..).item();
            assert!((sum - 1.0).abs() < 1e-5, "{visible}, {hidden}: {sum}");
        }
    }

    #[test]
    fn the_contrast_with_true_samples_is_the_slope_of_the_likelihood() {
        let rng = &mut Rng::new(2);
        let rbm = wild(5, 3, rng);
        let data = Tensor::from([[1.0f32, 0.0, 1.0, 1.0, 0.0]]);
        // True samples: every state as often as it is likely.
        let v = all_states(5);
        let p = (-rbm.free_energy(&v).detach() - rbm.log_z().expect("small")).exp();
        let contrast = rbm.free_energy(&data).mean(..) - (rbm.free_energy(&v) * p).sum(..);
        let slope = &contrast.backward()[&rbm.weight];
        let direction = Tensor::randn([3, 5], rng);
        let at = |h: f64| {
            let mut rbm = rbm.clone();
            rbm.weight.set(&(rbm.weight.detach() + &direction * h));
            rbm.log_likelihood(&data).expect("small")
        };
        let (measured, wanted) = (
            (at(0.01) - at(-0.01)) / 0.02,
            -(slope * &direction).sum(..).item(),
        );
        assert!((measured - wanted).abs() < 1e-3, "{measured} and {wanted}");
        // And the gradient by its formula: σ(W v + c) v at both ends.
        let samples = Tensor::from([[0.0f32, 1.0, 1.0, 0.0, 0.0]]);
        let grads = rbm.contrast(&data, &samples).backward();
        let outer = |v: &Tensor| rbm.hidden(v).detach().t().matmul(v);
        let off = &grads[&rbm.weight] - (outer(&samples) - outer(&data));
        assert!(off.abs().amax(..).item() < 1e-6);
    }

    #[test]
    fn gibbs_sampling_keeps_the_machines_own_distribution() {
        let rng = &mut Rng::new(3);
        let rbm = wild(4, 3, rng);
        let v = all_states(4);
        let p = (-rbm.free_energy(&v).detach() - rbm.log_z().expect("small")).exp();
        let wanted = p.matmul(&v).detach();
        // 5,000 samples: five standard errors of a share are 0.036 at most.
        let found = rbm.gibbs(&Tensor::zeros([5000, 4]), 50, rng).mean(0);
        assert!((found - wanted).abs().amax(..).item() < 0.036);
    }

    #[test]
    fn annealed_importance_sampling_finds_the_z_that_counting_finds() {
        let rng = &mut Rng::new(4);
        for seed in 0..4 {
            let rbm = wild(30, 12, &mut Rng::new(seed));
            let exact = rbm.log_z().expect("small");
            let ais = rbm.ais(&Tensor::zeros([30]), 500, 50, rng);
            assert!((ais.value - exact).abs() < 0.5, "{ais:?} and {exact}");
            assert!(ais.range[0] <= ais.value && ais.value <= ais.range[1]);
        }
    }

    #[test]
    fn persistent_chains_teach_bars_better_than_chance() {
        let rng = &mut Rng::new(5);
        // A row of eight units, of which two neighbours are on.
        let bars = Tensor::arange(8).one_hot(8).to_dtype(Dtype::F32);
        let bars = &bars + bars.roll(1, 1);
        let mut rbm = Rbm::new(8, 12, rng);
        let (mut chains, mut descent) = (bars.repeat(&[12, 1]), Sgd::new(0.1));
        for _ in 0..3000 {
            let grads = rbm.persistent_cd(&bars, &mut chains, 1, rng).backward();
            descent.step(&mut rbm, &grads);
        }
        // Coins say −8 ln 2 = −5.5, the truth is −3 ln 2 = −2.1.
        let likelihood = rbm.log_likelihood(&bars).expect("small");
        assert!(likelihood > -3.0, "{likelihood}");
    }

    #[test]
    fn a_little_training_on_digits_lowers_the_error_and_raises_the_likelihood() {
        let rng = &mut Rng::new(6);
        let mnist = Mnist::load().expect("the embedded digits");
        let digits: Vec<usize> = (0..300).collect();
        let x = mnist.train.batch(&digits).expect("digits").x;
        let x = x.gt(0.5).to_dtype(Dtype::F32);
        let p = x.mean(0) * 0.9 + 0.05; // never 0 or 1
        let base = (&p / (1.0 - &p)).ln();
        // Few hidden units, so that the estimate can be held against the count.
        let mut rbm = Rbm::new(784, 14, rng);
        rbm.visible_bias.set(&base);
        let mut measure = |rbm: &Rbm| {
            let error = (rbm.reconstruct(&x) - &x).sqr().mean(..).item();
            let log_z = rbm.ais(&base, 300, 30, rng).value;
            let exact = rbm.log_z().expect("few hidden units");
            assert!((log_z - exact).abs() < 2.0, "{log_z} and {exact}");
            (error, -rbm.free_energy(&x).mean(..).item() - log_z)
        };
        let before = measure(&rbm);
        let (mut descent, rng) = (Sgd::new(0.1), &mut Rng::new(7));
        for step in 0..300 {
            let batch = x.narrow(0, step % 15 * 20, 20);
            let grads = rbm.cd(&batch, 1, rng).backward();
            descent.step(&mut rbm, &grads);
        }
        let after = measure(&rbm);
        assert!(
            after.0 < 0.8 * before.0,
            "error {} to {}",
            before.0,
            after.0
        );
        assert!(
            after.1 > before.1 + 20.0,
            "ln P {} to {}",
            before.1,
            after.1
        );
    }

    #[test]
    fn more_units_than_can_be_counted_are_an_error() {
        let error = Rbm::new(30, 21, &mut Rng::new(7))
            .log_z()
            .expect_err("21 units");
        assert!(error.is_usage());
        assert!(
            error
                .to_string()
                .contains("over 21 units was asked for, but is made for 20 at most")
        );
    }

    #[test]
    fn it_is_saved_and_loaded_like_any_model() {
        let (a, mut b) = (
            Rbm::new(3, 2, &mut Rng::new(8)),
            Rbm::new(3, 2, &mut Rng::new(9)),
        );
        let names: Vec<String> = a.state().into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["weight", "visible_bias", "hidden_bias"]);
        b.load_state(&a.state()).expect("the same shapes");
        assert_eq!(a.weight.to_vec::<f32>(), b.weight.to_vec::<f32>());
    }

    #[test]
    #[should_panic(expected = "ais: found base [2], 10 steps and 5 chains, wanted [3]")]
    fn a_base_of_another_size_is_refused() {
        let _refused =
            Rbm::new(3, 2, &mut Rng::new(0)).ais(&Tensor::zeros([2]), 10, 5, &mut Rng::new(1));
    }
}
