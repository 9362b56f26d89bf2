//! Windows as columns, and columns as the sum of windows.

use crate::Module;
use crate::watch::Watch;
use eras_tensor::{PerAxis, Tensor, Window};

/// Windows over two axes of space as columns, as PyTorch's `nn.Unfold` (im2col).
///
/// Shapes: `x (B, C, H, W)` to `(B, C KH KW, L)`, with one column for each of the L windows.
///
/// ```
/// use eras::prelude::*;
///
/// // The patches of a vision transformer: 4 x 4 pixels of 3 colours each.
/// let patches = Unfold::new(4).stride(4).forward(&Tensor::zeros([2, 3, 32, 32]));
/// assert_eq!(patches.shape(), [2, 48, 64]);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Module)]
pub struct Unfold {
    /// Where the windows lie.
    #[module(skip)]
    pub window: Window<2>,
}

/// Columns as the sum of the windows that they are, as PyTorch's `nn.Fold` (col2im).
///
/// Shapes: `x (B, C KH KW, L)` to `(B, C, H, W)`.
///
/// ```
/// use eras::prelude::*;
///
/// let fold = Fold::new([32, 32], 4).stride(4);
/// assert_eq!(fold.forward(&Tensor::zeros([2, 48, 64])).shape(), [2, 3, 32, 32]);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Module)]
pub struct Fold {
    /// Height and width of the result.
    #[module(skip)]
    pub size: [usize; 2],
    /// Where the windows lie.
    #[module(skip)]
    pub window: Window<2>,
}

impl Unfold {
    /// Windows of this size, one element from each other: one number for both axes, or one for each.
    ///
    /// # Panics
    /// If `kernel` names another number of axes.
    #[must_use]
    #[track_caller]
    pub fn new(kernel: impl Into<PerAxis>) -> Self {
        Self {
            window: Window::new(kernel.into().each("Unfold", "kernel")),
        }
    }

    /// Maps `x (B, C, H, W)` to `(B, C KH KW, L)`.
    ///
    /// # Panics
    /// If `x` has another number of axes, or no window fits.
    #[must_use]
    #[track_caller]
    pub fn forward(&self, x: &Tensor) -> Tensor {
        let watch = Watch::begin();
        let y = x.unfold(self.window);
        watch.end("Unfold", self, y)
    }
}

impl Fold {
    /// To this size, from windows of the size `kernel`, one element from each other.
    ///
    /// # Panics
    /// If `size` or `kernel` names another number of axes than two.
    #[must_use]
    #[track_caller]
    pub fn new(size: impl Into<PerAxis>, kernel: impl Into<PerAxis>) -> Self {
        Self {
            size: size.into().each("Fold", "size"),
            window: Window::new(kernel.into().each("Fold", "kernel")),
        }
    }

    /// Maps `x (B, C KH KW, L)` to `(B, C, H, W)`.
    ///
    /// # Panics
    /// If `x` does not hold the columns of windows that fill the size.
    #[must_use]
    #[track_caller]
    pub fn forward(&self, x: &Tensor) -> Tensor {
        let watch = Watch::begin();
        let y = x.fold(self.size, self.window);
        watch.end("Fold", self, y)
    }
}

/// The settings that both have.
macro_rules! settings {
    ($($layer:ident),*) => { $(
        impl $layer {
            /// Each window this far from the one before.
            ///
            /// # Panics
            /// If `stride` names another number of axes.
            #[must_use]
            #[track_caller]
            pub fn stride(mut self, stride: impl Into<PerAxis>) -> Self {
                self.window.stride = Some(stride.into().each(stringify!($layer), "stride"));
                self
            }

            /// The first window begins this far before each axis, and the last may end so far behind it.
            ///
            /// # Panics
            /// If `padding` names another number of axes.
            #[must_use]
            #[track_caller]
            pub fn padding(mut self, padding: impl Into<PerAxis>) -> Self {
                self.window.padding = padding.into().each(stringify!($layer), "padding");
                self
            }

            /// The elements of a window this far apart.
            ///
            /// # Panics
            /// If `dilation` names another number of axes.
            #[must_use]
            #[track_caller]
            pub fn dilation(mut self, dilation: impl Into<PerAxis>) -> Self {
                self.window.dilation = dilation.into().each(stringify!($layer), "dilation");
                self
            }
        }
    )* };
}
settings!(Unfold, Fold);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folding_counts_how_many_windows_an_element_is_in() {
        let x = Tensor::ones([1, 1, 3, 3]);
        let columns = Unfold::new(2).padding([1, 0]).stride([2, 1]).forward(&x);
        assert_eq!(columns.shape(), [1, 4, 4]);
        let y = Fold::new(3, 2)
            .padding([1, 0])
            .stride([2, 1])
            .forward(&columns);
        assert_eq!(
            y.to_vec::<f32>(),
            [1.0, 2.0, 1.0, 1.0, 2.0, 1.0, 1.0, 2.0, 1.0]
        );
    }

    #[test]
    fn elements_of_a_window_may_lie_apart() {
        let x = Tensor::arange(5)
            .to_dtype(eras_tensor::Dtype::F32)
            .reshape([1, 1, 1, 5]);
        let y = Unfold::new([1, 2]).dilation([1, 3]).forward(&x);
        assert_eq!(y.to_vec::<f32>(), [0.0, 1.0, 3.0, 4.0]);
    }
}
