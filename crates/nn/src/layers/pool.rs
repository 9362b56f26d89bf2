//! Pooling over windows.

use crate::Module;
use crate::watch::Watch;
use eras_tensor::{PerAxis, Tensor, Window};

/// The two layers differ in name and operation alone.
macro_rules! layers {
    ($($(#[$about:meta])* $layer:ident, $kinds:expr, $op:ident;)*) => { $(
        $(#[$about])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Module)]
        pub struct $layer<const N: usize> {
            /// Where it looks.
            #[module(skip)]
            pub window: Window<N>,
        }

        impl<const N: usize> $layer<N> {
            const KIND: &'static str = $kinds[N - 1];

            /// Windows of this size, one behind the other: one number for all axes of space, or one for each.
            ///
            /// # Panics
            /// If `kernel` names another number of axes.
            #[must_use]
            #[track_caller]
            pub fn new(kernel: impl Into<PerAxis>) -> Self {
                Self {
                    window: Window::new(kernel.into().each(Self::KIND, "kernel")),
                }
            }

            /// Each window this far from the one before.
            ///
            /// # Panics
            /// If `stride` names another number of axes.
            #[must_use]
            #[track_caller]
            pub fn stride(mut self, stride: impl Into<PerAxis>) -> Self {
                self.window.stride = Some(stride.into().each(Self::KIND, "stride"));
                self
            }

            /// The first window begins this far before each axis of space, and the last may end so far behind it.
            ///
            /// # Panics
            /// If `padding` names another number of axes.
            #[must_use]
            #[track_caller]
            pub fn padding(mut self, padding: impl Into<PerAxis>) -> Self {
                self.window.padding = padding.into().each(Self::KIND, "padding");
                self
            }

            /// The elements of a window this far apart.
            ///
            /// # Panics
            /// If `dilation` names another number of axes.
            #[must_use]
            #[track_caller]
            pub fn dilation(mut self, dilation: impl Into<PerAxis>) -> Self {
                self.window.dilation = dilation.into().each(Self::KIND, "dilation");
                self
            }

            /// With a last window that is cut off at the end, where else it is left out.
            #[must_use]
            pub fn ceil(mut self) -> Self {
                self.window.ceil = true;
                self
            }

            /// Maps `x (B, C, *space)` to `(B, C, *space')`.
            ///
            /// # Panics
            /// If `x` has fewer axes, no window fits, or the padding is more than half of a window.
            #[must_use]
            #[track_caller]
            pub fn forward(&self, x: &Tensor) -> Tensor {
                let watch = Watch::begin();
                let y = x.$op(self.window);
                watch.end(Self::KIND, self, y)
            }
        }
    )* };
}

layers! {
    /// The largest of each window over `N` axes of space: [`MaxPool1d`], [`MaxPool2d`], [`MaxPool3d`].
    ///
    /// Shapes: `x (B, C, *space)` to `(B, C, *space')`, where each axis of space has
    /// `(n + 2 padding - dilation (k - 1) - 1) / stride + 1` places. Settings have PyTorch's names and defaults; padding
    /// is never the largest.
    MaxPool, ["MaxPool1d", "MaxPool2d", "MaxPool3d"], max_pool;

    /// The average of each window over `N` axes of space: [`AvgPool1d`], [`AvgPool2d`], [`AvgPool3d`].
    ///
    /// Shapes: as [`MaxPool`]. Settings have PyTorch's names and defaults; padding counts as zeros unless
    /// [`no_padding_counted`](Self::no_padding_counted) says otherwise.
    AvgPool, ["AvgPool1d", "AvgPool2d", "AvgPool3d"], avg_pool;
}

impl<const N: usize> AvgPool<N> {
    /// Averages over what lies on the axes alone.
    #[must_use]
    pub fn no_padding_counted(mut self) -> Self {
        self.window.count_padding = false;
        self
    }
}

/// The largest of each window of sequences: `x (B, C, T)` to `(B, C, T')`. See [`MaxPool`].
pub type MaxPool1d = MaxPool<1>;

/// The largest of each window of images: `x (B, C, H, W)` to `(B, C, H', W')`. See [`MaxPool`].
///
/// ```
/// use eras::prelude::*;
///
/// let x = Tensor::zeros([2, 8, 28, 28]);
/// assert_eq!(MaxPool2d::new(2).forward(&x).shape(), [2, 8, 14, 14]);
/// assert_eq!(MaxPool2d::new(3).stride(2).padding(1).forward(&x).shape(), [2, 8, 14, 14]);
/// assert_eq!(MaxPool2d::new([1, 4]).forward(&x).shape(), [2, 8, 28, 7]);
/// ```
pub type MaxPool2d = MaxPool<2>;

/// The largest of each window of volumes: `x (B, C, D, H, W)` to `(B, C, D', H', W')`. See [`MaxPool`].
pub type MaxPool3d = MaxPool<3>;

/// The average of each window of sequences: `x (B, C, T)` to `(B, C, T')`. See [`AvgPool`].
pub type AvgPool1d = AvgPool<1>;

/// The average of each window of images: `x (B, C, H, W)` to `(B, C, H', W')`. See [`AvgPool`].
///
/// ```
/// use eras::prelude::*;
///
/// let x = Tensor::ones([2, 8, 28, 28]);
/// assert_eq!(AvgPool2d::new(2).forward(&x).shape(), [2, 8, 14, 14]);
/// let padded = AvgPool2d::new(3).stride(2).padding(1).no_padding_counted();
/// assert_eq!(padded.forward(&x).amin(..).item(), 1.0);
/// ```
pub type AvgPool2d = AvgPool<2>;

/// The average of each window of volumes: `x (B, C, D, H, W)` to `(B, C, D', H', W')`. See [`AvgPool`].
pub type AvgPool3d = AvgPool<3>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_arrive() {
        let layer = MaxPool1d::new(3).stride(2).padding(1).dilation(2).ceil();
        let x = Tensor::from([[[0.0f32, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]]]);
        // Windows {1, 3}, {1, 3, 5}, {3, 5, 7}, and {5, 7} cut off.
        let y = layer.forward(&x).to_vec::<f32>();
        assert_eq!(y, [3.0, 5.0, 7.0, 7.0]);
        let layer = AvgPool1d::new(2).stride(1).padding(1);
        let x = Tensor::from([[[2.0f32, 4.0]]]);
        assert_eq!(layer.forward(&x).to_vec::<f32>(), [1.0, 3.0, 2.0]);
        let alone = layer.no_padding_counted();
        assert_eq!(alone.forward(&x).to_vec::<f32>(), [2.0, 3.0, 4.0]);
    }

    #[test]
    #[should_panic(expected = "MaxPool2d: stride [1, 2, 3] names 3 axes of space, wanted 2")]
    fn a_stride_of_another_space_is_refused() {
        let _layer = MaxPool2d::new(2).stride([1, 2, 3]);
    }

    #[test]
    fn a_summary_tells_the_kind() {
        let summary = crate::summary(&AvgPool2d::new(2), [3, 8, 8]);
        let row = &summary.rows[0];
        assert_eq!((row.kind, &row.output[..]), ("AvgPool2d", &[3, 4, 4][..]));
    }
}
