//! Weight norm.

use super::weighted::{Weighted, visit_as, visit_mut_as};
use crate::{Layer, Mode, Module, Param, Path, Visitor, VisitorMut};
use eras_tensor::{Tensor, no_grad};
use std::fmt::Debug;

/// A layer whose weight is taken apart into its length and its direction, `w = g v / ‖v‖`, for each slice along the first
/// axis (Salimans & Kingma 2016, arXiv:1602.07868): the length is learned apart from the direction.
///
/// Parameters are saved as PyTorch's `weight_norm` does: `weight_g` and `weight_v`.
///
/// ```
/// use eras::prelude::*;
///
/// let layer = Linear::new(3, 2, &mut Rng::new(0));
/// let norm = WeightNorm::new(layer.clone());
/// let x = Tensor::ones([1, 3]);
/// let (a, b) = (layer.forward(&x), norm.forward(&x));
/// assert!((a - b).abs().amax(..).item() < 1e-6); // nothing has changed yet
/// assert_eq!(norm.count_params(), layer.count_params() + 2);
/// ```
#[derive(Debug, Clone)]
pub struct WeightNorm<L> {
    /// The layer, with v in the place of its weight.
    pub layer: L,
    /// `(n, 1, ..)`: a length for each slice along the first axis of the weight.
    pub g: Param,
}

impl<L: Weighted> WeightNorm<L> {
    /// Begins with the weight that the layer has.
    #[must_use]
    #[track_caller]
    pub fn new(layer: L) -> Self {
        Self {
            g: Param::new(&lengths(&layer.weight().detach())),
            layer,
        }
    }

    /// g v / ‖v‖
    fn weight(&self) -> Tensor {
        let v = self.layer.weight();
        &**v * (&*self.g / lengths(v))
    }

    /// The output of the layer with its weight put together.
    ///
    /// # Panics
    /// If the layer does not take `x`.
    #[must_use]
    #[track_caller]
    pub fn forward(&self, x: &Tensor) -> Tensor {
        self.layer.forward_with(x, &self.weight())
    }

    /// The layer alone, with its weight put together once and for all.
    #[must_use]
    #[track_caller]
    pub fn into_layer(mut self) -> L {
        let weight = no_grad(|| self.weight());
        self.layer.weight_mut().set(&weight);
        self.layer
    }
}

/// The lengths of the slices along the first axis.
fn lengths(v: &Tensor) -> Tensor {
    let others: Vec<usize> = (1..v.rank()).collect();
    v.norm_keepdim(2.0, others)
}

impl<L: Weighted> Module for WeightNorm<L> {
    fn visit(&self, path: &mut Path, visitor: &mut dyn Visitor) {
        path.within("weight_g", |path| self.g.visit(path, visitor));
        visit_as(&self.layer, "weight_v", path, visitor);
    }
    fn visit_mut(&mut self, path: &mut Path, visitor: &mut dyn VisitorMut) {
        path.within("weight_g", |path| self.g.visit_mut(path, visitor));
        visit_mut_as(&mut self.layer, "weight_v", path, visitor);
    }
}

impl<L: Weighted + Debug + Send + Sync> Layer for WeightNorm<L> {
    #[track_caller]
    fn apply(&self, x: &Tensor, _mode: &Mode) -> Tensor {
        self.forward(x)
    }
    fn kind(&self) -> &'static str {
        "WeightNorm"
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Conv1d, Dense};
    use eras_tensor::Rng;

    #[test]
    fn length_and_direction_by_hand() {
        let mut layer = Dense::new(2, 1, &mut Rng::new(0)).relu();
        layer.linear.weight.set(&Tensor::from([[3.0f32, 4.0]]));
        let mut norm = WeightNorm::new(layer);
        assert_eq!(norm.g.to_vec::<f32>(), [5.0]);
        norm.g.set(&Tensor::from([[10.0f32]]));
        let x = Tensor::from([[1.0f32, 0.0], [-1.0, 0.0]]);
        assert_eq!(norm.forward(&x).to_vec::<f32>(), [6.0, 0.0]);
        let grads = norm.forward(&x).sum(..).backward();
        assert_eq!(grads[&norm.g].to_vec::<f32>(), [0.6]);
        // Across the direction alone: (1, 0) less its part along (0.6, 0.8), times 10 / 5.
        let dv = grads[norm.layer.weight()].to_vec::<f32>();
        assert!(
            (dv[0] - 1.28).abs() < 1e-6 && (dv[1] + 0.96).abs() < 1e-6,
            "{dv:?}"
        );
        let weight = norm.into_layer().linear.weight.to_vec::<f32>();
        assert_eq!(weight, [6.0, 8.0]);
    }

    #[test]
    fn it_is_saved_under_pytorchs_names() {
        let norm = WeightNorm::new(Conv1d::new(3, 4, 2, &mut Rng::new(0)));
        let names: Vec<String> = norm.state().into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["weight_g", "weight_v", "bias"]);
        assert_eq!(norm.g.shape(), [4, 1, 1]);
    }
}
