//! Pooling to a given size.

use crate::Module;
use crate::watch::Watch;
use eras_tensor::{PerAxis, Tensor};

macro_rules! layers {
    ($($(#[$about:meta])* $layer:ident, $kinds:expr, $op:ident;)*) => { $(
        $(#[$about])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Module)]
        pub struct $layer<const N: usize> {
            /// How many bins along each axis of space.
            #[module(skip)]
            pub bins: [usize; N],
        }

        impl<const N: usize> $layer<N> {
            const KIND: &'static str = $kinds[N - 1];

            /// So many bins: one number for all axes of space, or one for each.
            ///
            /// # Panics
            /// If `bins` names another number of axes.
            #[must_use]
            #[track_caller]
            pub fn new(bins: impl Into<PerAxis>) -> Self {
                Self {
                    bins: bins.into().each(Self::KIND, "bins"),
                }
            }

            /// Maps `x (B, C, *space)` to `(B, C, *bins)`.
            ///
            /// # Panics
            /// If `x` has fewer axes, or an axis of space is empty.
            #[must_use]
            #[track_caller]
            pub fn forward(&self, x: &Tensor) -> Tensor {
                let watch = Watch::begin();
                let y = x.$op(self.bins);
                watch.end(Self::KIND, self, y)
            }
        }
    )* };
}

layers! {
    /// The largest of each of so many bins, however long the axes of space are: [`AdaptiveMaxPool1d`],
    /// [`AdaptiveMaxPool2d`], [`AdaptiveMaxPool3d`].
    ///
    /// Shapes: `x (B, C, *space)` to `(B, C, *bins)`; bin `o` of `n` goes from ⌊o H / n⌋ to ⌈(o + 1) H / n⌉.
    AdaptiveMaxPool, ["AdaptiveMaxPool1d", "AdaptiveMaxPool2d", "AdaptiveMaxPool3d"], adaptive_max_pool;

    /// The average of each of so many bins, however long the axes of space are: [`AdaptiveAvgPool1d`],
    /// [`AdaptiveAvgPool2d`], [`AdaptiveAvgPool3d`].
    ///
    /// Shapes: as [`AdaptiveMaxPool`].
    AdaptiveAvgPool, ["AdaptiveAvgPool1d", "AdaptiveAvgPool2d", "AdaptiveAvgPool3d"], adaptive_avg_pool;
}

/// Sequences to so many largest elements. See [`AdaptiveMaxPool`].
pub type AdaptiveMaxPool1d = AdaptiveMaxPool<1>;

/// Images to so many largest elements. See [`AdaptiveMaxPool`].
///
/// ```
/// use eras::prelude::*;
///
/// let layer = AdaptiveMaxPool2d::new([2, 1]);
/// assert_eq!(layer.forward(&Tensor::zeros([4, 8, 7, 5])).shape(), [4, 8, 2, 1]);
/// ```
pub type AdaptiveMaxPool2d = AdaptiveMaxPool<2>;

/// Volumes to so many largest elements. See [`AdaptiveMaxPool`].
pub type AdaptiveMaxPool3d = AdaptiveMaxPool<3>;

/// Sequences to so many averages. See [`AdaptiveAvgPool`].
pub type AdaptiveAvgPool1d = AdaptiveAvgPool<1>;

/// Images to so many averages. See [`AdaptiveAvgPool`].
///
/// ```
/// use eras::prelude::*;
///
/// // VGG's, before its dense layers: 7 x 7 whatever the image.
/// let layer = AdaptiveAvgPool2d::new(7);
/// assert_eq!(layer.forward(&Tensor::zeros([4, 8, 10, 9])).shape(), [4, 8, 7, 7]);
/// ```
pub type AdaptiveAvgPool2d = AdaptiveAvgPool<2>;

/// Volumes to so many averages. See [`AdaptiveAvgPool`].
pub type AdaptiveAvgPool3d = AdaptiveAvgPool<3>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bins_overlap_where_they_do_not_divide() {
        let x = Tensor::from([[[1.0f32, 2.0, 9.0, 4.0, 5.0]]]);
        let largest = AdaptiveMaxPool1d::new(2).forward(&x);
        assert_eq!(largest.to_vec::<f32>(), [9.0, 9.0]);
        let average = AdaptiveAvgPool1d::new(2).forward(&x);
        assert_eq!(average.to_vec::<f32>(), [4.0, 6.0]);
    }
}
