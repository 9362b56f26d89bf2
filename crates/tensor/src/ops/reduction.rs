//! What becomes of the losses of single elements or rows.

use crate::Tensor;

/// What becomes of the losses of single elements or rows, in PyTorch's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Reduction {
    /// Their mean, the default.
    #[default]
    Mean,
    /// Their sum.
    Sum,
    /// They stay as they are.
    None,
}

impl Reduction {
    /// What the sum is multiplied by, where the mean divides by `total`.
    pub(super) fn factor(self, total: f64) -> f64 {
        match self {
            Self::Mean => 1.0 / total,
            Self::Sum | Self::None => 1.0,
        }
    }

    /// The reduction of the losses `each`.
    pub(super) fn of(self, each: &Tensor, total: f64) -> Tensor {
        match self {
            Self::None => each.clone(),
            _ => each.sum(..) * self.factor(total),
        }
    }
}
