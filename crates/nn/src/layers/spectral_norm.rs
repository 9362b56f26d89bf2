//! Spectral norm.

use super::weighted::{Weighted, rows, visit_as, visit_mut_as};
use crate::{Buffer, Layer, Mode, Module, Path, Visitor, VisitorMut};
use eras_tensor::{Rng, Tensor, no_grad};
use std::fmt::Debug;

/// A layer whose weight is divided by its largest singular value, so that it stretches nothing (Miyato et al. 2018,
/// arXiv:1802.05957): what keeps the critic of a GAN smooth.
///
/// The singular value is σ = uᵀ W v. Each step of training brings `u` and `v` nearer to its vectors by one power
/// iteration; for the gradient they are constants. A filter `(out, in, *kernel)` counts as a matrix with a row for each
/// output.
///
/// Parameters and buffers are saved as PyTorch's `nn.utils.spectral_norm` does: `weight_orig`, `weight_u`, `weight_v`.
///
/// ```
/// use eras::prelude::*;
///
/// let rng = &mut Rng::new(0);
/// let layer = SpectralNorm::new(Linear::no_bias(8, 8, rng), rng);
/// let x = Tensor::randn([100, 8], rng);
/// let y = layer.forward(&x, &Mode::eval());
/// let longer = y.norm(2.0, 1) / x.norm(2.0, 1);
/// assert!(longer.amax(..).item() < 1.05);
/// ```
#[derive(Debug, Clone)]
pub struct SpectralNorm<L> {
    /// The layer, with its weight not divided.
    pub layer: L,
    /// `(out)`, of length 1.
    pub u: Buffer,
    /// `(n)`, of length 1.
    pub v: Buffer,
}

impl<L: Weighted> SpectralNorm<L> {
    /// Begins with random vectors, brought near by 15 iterations.
    #[must_use]
    #[track_caller]
    pub fn new(layer: L, rng: &mut Rng) -> Self {
        const ITERATIONS: usize = 15;
        let weight = rows(&layer.weight().detach(), layer.out_axis());
        let mut draw = |n: usize| Tensor::randn([n], rng).to_dtype(weight.dtype());
        let (u, v) = (draw(weight.shape()[0]), draw(weight.shape()[1]));
        let it = Self {
            u: Buffer::new(&unit(&u)),
            v: Buffer::new(&unit(&v)),
            layer,
        };
        for _ in 0..ITERATIONS {
            it.iterate(&weight);
        }
        it
    }

    /// One power iteration.
    fn iterate(&self, weight: &Tensor) {
        no_grad(|| {
            let v = unit(&weight.t().matmul(&self.u.get()));
            self.u.set(&unit(&weight.matmul(&v)));
            self.v.set(&v);
        });
    }

    /// The weight, divided.
    fn divided(&self) -> Tensor {
        let weight = self.layer.weight();
        let product = rows(weight, self.layer.out_axis()).matmul(&self.v.get());
        &**weight / (product * self.u.get()).sum(..)
    }

    /// The output of the layer with its weight divided.
    ///
    /// # Panics
    /// If the layer does not take `x`.
    #[must_use]
    #[track_caller]
    pub fn forward(&self, x: &Tensor, mode: &Mode) -> Tensor {
        if mode.is_training() {
            self.iterate(&rows(&self.layer.weight().detach(), self.layer.out_axis()));
        }
        self.layer.forward_with(x, &self.divided())
    }

    /// The layer alone, with its weight divided once and for all.
    #[must_use]
    #[track_caller]
    pub fn into_layer(mut self) -> L {
        let weight = no_grad(|| self.divided());
        self.layer.weight_mut().set(&weight);
        self.layer
    }
}

/// `x` divided by its length.
fn unit(x: &Tensor) -> Tensor {
    const EPS: f64 = 1e-12;
    x / x.norm_keepdim(2.0, 0).clamp(EPS, f64::INFINITY)
}

impl<L: Weighted> Module for SpectralNorm<L> {
    fn visit(&self, path: &mut Path, visitor: &mut dyn Visitor) {
        visit_as(&self.layer, "weight_orig", path, visitor);
        path.within("weight_u", |path| self.u.visit(path, visitor));
        path.within("weight_v", |path| self.v.visit(path, visitor));
    }
    fn visit_mut(&mut self, path: &mut Path, visitor: &mut dyn VisitorMut) {
        visit_mut_as(&mut self.layer, "weight_orig", path, visitor);
        path.within("weight_u", |path| self.u.visit_mut(path, visitor));
        path.within("weight_v", |path| self.v.visit_mut(path, visitor));
    }
}

impl<L: Weighted + Debug + Send + Sync> Layer for SpectralNorm<L> {
    #[track_caller]
    fn apply(&self, x: &Tensor, mode: &Mode) -> Tensor {
        self.forward(x, mode)
    }
    fn kind(&self) -> &'static str {
        "SpectralNorm"
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Conv2d, ConvTranspose2d, Linear};

    /// A layer whose weight has the singular values 3 and 2.
    fn diagonal() -> Linear {
        let mut layer = Linear::no_bias(3, 2, &mut Rng::new(0));
        let weight = Tensor::from([[0.0f32, 3.0, 0.0], [2.0, 0.0, 0.0]]);
        layer.weight.set(&weight);
        layer
    }

    #[test]
    fn the_largest_singular_value_becomes_one() {
        let norm = SpectralNorm::new(diagonal(), &mut Rng::new(1));
        for _ in 0..30 {
            let _y = norm.forward(&Tensor::ones([1, 3]), &Mode::train(0, 0));
        }
        let weight = norm.into_layer().weight.to_vec::<f32>();
        let wanted = [0.0, 1.0, 0.0, 2.0 / 3.0, 0.0, 0.0];
        let near = |(a, b): (&f32, f32)| (a - b).abs() < 1e-6;
        assert!(weight.iter().zip(wanted).all(near), "{weight:?}");
    }

    #[test]
    fn training_moves_the_vectors_and_evaluation_does_not() {
        let norm = SpectralNorm::new(Conv2d::new(3, 4, 3, &mut Rng::new(0)), &mut Rng::new(1));
        let x = Tensor::ones([1, 3, 4, 4]);
        let u = || norm.u.get().to_vec::<f32>();
        let before = u();
        let _y = norm.forward(&x, &Mode::eval());
        assert_eq!(u(), before);
        let _y = norm.forward(&x, &Mode::train(0, 0));
        assert_ne!(u(), before);
    }

    #[test]
    fn the_gradient_knows_that_a_longer_weight_changes_nothing() {
        // Along the weight itself the slope is 0: dividing makes up for its length.
        let mut layer = Linear::no_bias(4, 3, &mut Rng::new(2));
        layer.to_dtype(eras_tensor::Dtype::F64);
        let norm = SpectralNorm::new(layer, &mut Rng::new(3));
        let x = Tensor::randn_f64([5, 4], &mut Rng::new(4));
        let loss = norm.forward(&x, &Mode::eval()).sqr().sum(..);
        let dw = loss.backward()[&norm.layer.weight].clone();
        let along = (dw * norm.layer.weight.detach()).sum(..).item();
        assert!(along.abs() < 1e-12 * loss.item(), "{along}");
    }

    #[test]
    fn it_is_saved_under_pytorchs_names_and_shapes() {
        let rng = &mut Rng::new(0);
        let of = |model: &dyn Module| -> Vec<(String, Vec<usize>)> {
            let state = model.state().into_iter();
            state.map(|(name, x)| (name, x.shape().to_vec())).collect()
        };
        let named = |all: &[(&str, &[usize])]| -> Vec<(String, Vec<usize>)> {
            let all = all.iter();
            all.map(|(name, shape)| ((*name).to_owned(), shape.to_vec()))
                .collect()
        };
        let conv = SpectralNorm::new(Conv2d::new(3, 4, 2, rng), rng);
        assert_eq!(
            of(&conv),
            named(&[
                ("weight_orig", &[4, 3, 2, 2]),
                ("bias", &[4]),
                ("weight_u", &[4]),
                ("weight_v", &[12])
            ])
        );
        // Of a transposed convolution the outputs are the second axis.
        let back = vec![SpectralNorm::new(
            ConvTranspose2d::new(3, 4, 2, rng).no_bias(),
            rng,
        )];
        assert_eq!(
            of(&back),
            named(&[
                ("0.weight_orig", &[3, 4, 2, 2]),
                ("0.weight_u", &[4]),
                ("0.weight_v", &[12])
            ])
        );
    }

    #[test]
    fn what_was_saved_is_loaded() {
        let make =
            |seed| SpectralNorm::new(Linear::new(3, 2, &mut Rng::new(seed)), &mut Rng::new(seed));
        let (a, mut b) = (make(0), make(1));
        b.load_state(&a.state()).expect("the same layer");
        let x = Tensor::ones([1, 3]);
        let of = |norm: &SpectralNorm<Linear>| norm.forward(&x, &Mode::eval()).to_vec::<f32>();
        assert_eq!(of(&a), of(&b));
        assert_eq!(b.freeze("weight_orig"), 1);
    }

    #[test]
    fn a_summary_counts_its_weight_and_leaves_the_vectors_alone() {
        let norm = SpectralNorm::new(Linear::new(3, 2, &mut Rng::new(0)), &mut Rng::new(0));
        let before = norm.u.get().to_vec::<f32>();
        let summary = crate::summary(&norm, [3]);
        assert_eq!((summary.params, summary.rows[0].params), (8, 8));
        assert_eq!(norm.u.get().to_vec::<f32>(), before);
    }
}
