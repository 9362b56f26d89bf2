//! Layers that map one tensor to one tensor, and models made of a chain of them.

use crate::{Mode, Module, Path, Visitor, VisitorMut};
use eras_tensor::Tensor;
use std::fmt::Debug;

/// A module that maps one tensor to one tensor: what [`Sequential`] chains and a trainer trains.
pub trait Layer: Module + Debug + Send + Sync {
    /// The output for `x`. Layers that do the same in training and evaluation leave `mode` alone.
    fn apply(&self, x: &Tensor, mode: &Mode) -> Tensor;

    /// Takes every batch norm into the convolution before it, where the model knows such pairs (see
    /// [`Conv::fold_norm`](crate::Conv::fold_norm)): evaluation gives the same in fewer passes. For a trained model that
    /// is only asked any more; its parameters are others then.
    fn fold_norms(&mut self) {}

    /// The name of the kind of layer, for summaries.
    fn kind(&self) -> &'static str {
        let name = std::any::type_name::<Self>();
        name.rsplit("::").next().unwrap_or(name)
    }
}

/// Layers one after another. Parameters are named by position, as `0.weight`.
///
/// ```
/// use eras::prelude::*;
///
/// let rng = &mut Rng::new(0);
/// let model = Sequential::new().add(Dense::new(4, 8, rng).relu()).add(Dense::new(8, 2, rng));
/// assert_eq!(model.apply(&Tensor::zeros([3, 4]), &Mode::eval()).shape(), [3, 2]);
/// ```
#[derive(Debug, Default)]
pub struct Sequential {
    layers: Vec<Box<dyn Layer>>,
}

impl Sequential {
    /// No layers: the identity.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// With `layer` behind the last.
    #[must_use]
    #[expect(
        clippy::should_implement_trait,
        reason = "the builder's word, as in Keras"
    )]
    pub fn add(mut self, layer: impl Layer + 'static) -> Self {
        self.layers.push(Box::new(layer));
        self
    }

    /// The layers in order.
    #[must_use]
    pub fn layers(&self) -> &[Box<dyn Layer>] {
        &self.layers
    }
}

impl Module for Sequential {
    fn visit(&self, path: &mut Path, visitor: &mut dyn Visitor) {
        self.layers.visit(path, visitor);
    }
    fn visit_mut(&mut self, path: &mut Path, visitor: &mut dyn VisitorMut) {
        self.layers.visit_mut(path, visitor);
    }
}

impl Layer for Sequential {
    #[track_caller]
    fn apply(&self, x: &Tensor, mode: &Mode) -> Tensor {
        let mut x = x.clone();
        for layer in &self.layers {
            x = layer.apply(&x, mode);
        }
        x
    }

    fn fold_norms(&mut self) {
        for layer in &mut self.layers {
            layer.fold_norms();
        }
    }
}
