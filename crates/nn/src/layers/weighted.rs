//! Layers whose weight may come from outside, and how what wraps them names it.

use crate::{Buffer, Module, Param, Path, Visitor, VisitorMut};
use eras_tensor::{INFER, Tensor};

/// A layer with one parameter called `weight` that can compute with another weight in its place: what
/// [`SpectralNorm`](super::SpectralNorm) and [`WeightNorm`](super::WeightNorm) wrap.
///
/// ```
/// use eras::nn::Weighted;
/// use eras::prelude::*;
///
/// let layer = Linear::no_bias(3, 2, &mut Rng::new(0));
/// let twice = &**layer.weight() * 2.0;
/// let x = Tensor::ones([1, 3]);
/// let (y, z) = (layer.forward(&x), layer.forward_with(&x, &twice));
/// assert_eq!((y * 2.0).to_vec::<f32>(), z.to_vec::<f32>());
/// ```
pub trait Weighted: Module {
    /// The weight.
    fn weight(&self) -> &Param;

    /// The weight, to change it.
    fn weight_mut(&mut self) -> &mut Param;

    /// The axis of the weight along which the outputs are counted.
    fn out_axis(&self) -> usize {
        0
    }

    /// The output for `x` with `weight` in the place of the layer's own.
    fn forward_with(&self, x: &Tensor, weight: &Tensor) -> Tensor;
}

/// A weight as a matrix with a row for each output.
pub(super) fn rows(weight: &Tensor, out_axis: usize) -> Tensor {
    let weight = weight.movedim(out_axis, 0);
    let out = weight.shape()[0];
    if weight.is_empty() {
        return weight.reshape([out, 0]);
    }
    weight.reshape([out, INFER])
}

/// Shows the parameters of `layer`, with its weight under the name `to`.
pub(super) fn visit_as(
    layer: &impl Module,
    to: &'static str,
    path: &mut Path,
    visitor: &mut dyn Visitor,
) {
    let renamed = &mut Renamed::new(to, path, visitor);
    layer.visit(path, renamed);
}

/// As [`visit_as`], to change them.
pub(super) fn visit_mut_as(
    layer: &mut impl Module,
    to: &'static str,
    path: &mut Path,
    visitor: &mut dyn VisitorMut,
) {
    let renamed = &mut Renamed::new(to, path, visitor);
    layer.visit_mut(path, renamed);
}

/// Passes on what it sees, one parameter under another name.
struct Renamed<'a, V: ?Sized> {
    visitor: &'a mut V,
    from: String,
    to: String,
}

impl<'a, V: ?Sized> Renamed<'a, V> {
    fn new(to: &str, path: &mut Path, visitor: &'a mut V) -> Self {
        let mut named = |name: &str| path.within(name, |path| path.as_str().to_owned());
        Self {
            from: named("weight"),
            to: named(to),
            visitor,
        }
    }
}

impl Visitor for Renamed<'_, dyn Visitor + '_> {
    fn param(&mut self, path: &str, param: &Param) {
        let name = if path == self.from { &*self.to } else { path };
        self.visitor.param(name, param);
    }
    fn buffer(&mut self, path: &str, buffer: &Buffer) {
        self.visitor.buffer(path, buffer);
    }
}

impl VisitorMut for Renamed<'_, dyn VisitorMut + '_> {
    fn param(&mut self, path: &str, param: &mut Param) {
        let name = if path == self.from { &*self.to } else { path };
        self.visitor.param(name, param);
    }
    fn buffer(&mut self, path: &str, buffer: &mut Buffer) {
        self.visitor.buffer(path, buffer);
    }
}
