//! What a model holds: parameters that are trained, and buffers that are not but belong to it.

use eras_tensor::Tensor;
use std::ops::Deref;

/// A trainable tensor: a leaf of the tape, unless it is frozen.
///
/// Reads like the tensor it holds. A clone is a parameter of its own: training it leaves the other as it was.
#[derive(Debug)]
pub struct Param {
    tensor: Tensor,
}

impl Param {
    /// A parameter that begins as `tensor`.
    ///
    /// # Panics
    /// If the elements are not floats.
    #[must_use]
    #[track_caller]
    pub fn new(tensor: &Tensor) -> Self {
        Self {
            tensor: tensor.contiguous().requires_grad(),
        }
    }

    /// The value to write in place; nobody else who holds it sees the change.
    pub fn tensor_mut(&mut self) -> &mut Tensor {
        &mut self.tensor
    }

    /// Puts `value` in the place of the old one; a frozen parameter stays frozen.
    ///
    /// # Panics
    /// If the shape or dtype differs.
    #[track_caller]
    pub fn set(&mut self, value: &Tensor) {
        let same = value.shape() == self.shape() && value.dtype() == self.dtype();
        assert!(
            same,
            "set: the parameter is {} {:?}, the value {} {:?}",
            self.dtype(),
            self.shape(),
            value.dtype(),
            value.shape()
        );
        let frozen = self.is_frozen();
        self.tensor = value.detach().contiguous();
        self.freeze(frozen);
    }

    /// Whether no gradient is wanted.
    #[must_use]
    pub fn is_frozen(&self) -> bool {
        !self.tensor.is_tracked()
    }

    /// Freezes or thaws.
    pub fn freeze(&mut self, frozen: bool) {
        if frozen != self.is_frozen() {
            self.tensor = if frozen {
                self.tensor.detach()
            } else {
                self.tensor.requires_grad()
            };
        }
    }
}

impl Clone for Param {
    fn clone(&self) -> Self {
        Self {
            tensor: if self.is_frozen() {
                self.tensor.clone()
            } else {
                self.tensor.requires_grad()
            },
        }
    }
}

impl Deref for Param {
    type Target = Tensor;
    fn deref(&self) -> &Tensor {
        &self.tensor
    }
}

/// A tensor that belongs to a model and is saved with it but not trained, as the running mean of batch norm.
///
/// It may change while the model computes, which needs only `&self`.
#[derive(Debug)]
pub struct Buffer {
    tensor: std::sync::RwLock<Tensor>,
}

impl Buffer {
    /// A buffer that begins as `tensor`.
    #[must_use]
    pub fn new(tensor: &Tensor) -> Self {
        Self {
            tensor: std::sync::RwLock::new(tensor.detach().contiguous()),
        }
    }

    /// The value.
    #[must_use]
    pub fn get(&self) -> Tensor {
        self.tensor
            .read()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .clone()
    }

    /// Puts `value` in the place of the old one.
    ///
    /// # Panics
    /// If the shape or dtype differs.
    #[track_caller]
    pub fn set(&self, value: &Tensor) {
        let mut tensor = self
            .tensor
            .write()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        let same = value.shape() == tensor.shape() && value.dtype() == tensor.dtype();
        assert!(
            same,
            "set: the buffer is {} {:?}, the value {} {:?}",
            tensor.dtype(),
            tensor.shape(),
            value.dtype(),
            value.shape()
        );
        *tensor = value.detach().contiguous();
    }
}

impl Clone for Buffer {
    fn clone(&self) -> Self {
        Self::new(&self.get())
    }
}
