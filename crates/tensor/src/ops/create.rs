//! New tensors.

use crate::Tensor;
use crate::dtype::{Dtype, Element};
use crate::rng::{Rng, box_muller, unit_f32, unit_f64};
use crate::shape::Dims;
use eras_kernels::buffer::Plain;
use eras_kernels::random;

impl Tensor {
    /// Zeros in `f32`.
    #[must_use]
    #[track_caller]
    pub fn zeros(shape: impl Into<Dims>) -> Self {
        Self::full(shape, 0.0, Dtype::F32)
    }

    /// Ones in `f32`.
    #[must_use]
    #[track_caller]
    pub fn ones(shape: impl Into<Dims>) -> Self {
        Self::full(shape, 1.0, Dtype::F32)
    }

    /// Zeros of the shape and dtype of `other`.
    #[must_use]
    #[track_caller]
    pub fn zeros_like(other: &Self) -> Self {
        Self::full(other.dims(), 0.0, other.dtype())
    }

    /// Ones of the shape and dtype of `other`.
    #[must_use]
    #[track_caller]
    pub fn ones_like(other: &Self) -> Self {
        Self::full(other.dims(), 1.0, other.dtype())
    }

    /// `value` everywhere. One element is stored, and repeated.
    #[must_use]
    #[track_caller]
    pub fn full(shape: impl Into<Dims>, value: f64, dtype: Dtype) -> Self {
        let dims = shape.into();
        let one = match dtype {
            Dtype::F32 => Self::from(value as f32),
            _ => Self::from(value).to_dtype(dtype),
        };
        one.expand(dims)
    }

    /// The elements `data` in the shape `shape`.
    ///
    /// # Panics
    /// If there are not as many elements as the shape holds.
    #[must_use]
    #[track_caller]
    pub fn from_slice<T: Element>(data: &[T], shape: impl Into<Dims>) -> Self {
        let dims = shape.into();
        assert!(
            data.len() == dims.count(),
            "from_slice: {} elements do not fill shape {dims:?}, which holds {}",
            data.len(),
            dims.count()
        );
        Self::build::<T::Stored>(T::DTYPE, dims, |y| {
            y.iter_mut().zip(data).for_each(|(y, x)| *y = x.store())
        })
    }

    /// The whole numbers from 0 to `n` - 1, as `i64`.
    #[must_use]
    #[track_caller]
    pub fn arange(n: usize) -> Self {
        Self::build::<i64>(Dtype::I64, [n].into(), |y| {
            (0..).zip(y).for_each(|(i, y)| *y = i)
        })
    }

    /// `n` numbers in `f32` from `start` to `end` at equal distances, both included.
    #[must_use]
    #[track_caller]
    pub fn linspace(start: f64, end: f64, n: usize) -> Self {
        let step = (end - start) / (n.max(2) - 1) as f64;
        let at = |i: usize| {
            if i + 1 == n && n > 1 {
                end
            } else {
                start + step * i as f64
            }
        };
        Self::build::<f32>(Dtype::F32, [n].into(), |y| {
            (0..).zip(y).for_each(|(i, y)| *y = at(i) as f32)
        })
    }

    /// Uniform numbers in [`low`, `high`), in `f32`. Element i depends on the stream and i alone.
    #[must_use]
    #[track_caller]
    pub fn uniform(shape: impl Into<Dims>, low: f64, high: f64, rng: &mut Rng) -> Self {
        let (low, range) = (low as f32, (high - low) as f32);
        Self::random(Dtype::F32, shape.into(), rng, |words| {
            words.map(|w| low + range * unit_f32(w))
        })
    }

    /// Normal numbers with mean 0 and variance 1, in `f32`. Element i depends on the stream and i alone.
    #[must_use]
    #[track_caller]
    pub fn randn(shape: impl Into<Dims>, rng: &mut Rng) -> Self {
        Self::random(Dtype::F32, shape.into(), rng, |[a, b, c, d]| {
            let wide = |w: u32| u64::from(w) << 32;
            let (x, y) = box_muller(wide(a), wide(b));
            let (z, w) = box_muller(wide(c), wide(d));
            [x as f32, y as f32, z as f32, w as f32]
        })
    }

    /// As [`uniform`](Self::uniform) in `f64`, with 53 random bits each.
    #[must_use]
    #[track_caller]
    pub fn uniform_f64(shape: impl Into<Dims>, low: f64, high: f64, rng: &mut Rng) -> Self {
        Self::random(Dtype::F64, shape.into(), rng, |[a, b, ..]| {
            [low + (high - low) * unit_f64(u64::from(b) << 32 | u64::from(a))]
        })
    }

    /// As [`randn`](Self::randn) in `f64`.
    #[must_use]
    #[track_caller]
    pub fn randn_f64(shape: impl Into<Dims>, rng: &mut Rng) -> Self {
        Self::random(Dtype::F64, shape.into(), rng, |[a, b, c, d]| {
            let wide = |low: u32, high: u32| u64::from(high) << 32 | u64::from(low);
            [box_muller(wide(a, b), wide(c, d)).0]
        })
    }

    /// Steps on by the blocks that were drawn, `N` elements each.
    #[track_caller]
    fn random<T: Plain + Default, const N: usize>(
        dtype: Dtype,
        dims: Dims,
        rng: &mut Rng,
        draw: impl Fn([u32; 4]) -> [T; N] + Copy + Sync,
    ) -> Self {
        let start = &*rng;
        let x = Self::build::<T>(dtype, dims, |y| random::fill(y, |i| start.block(i), draw));
        rng.skip(dims.count().div_ceil(N) as u64);
        x
    }
}

/// A single number.
impl<T: Element> From<T> for Tensor {
    fn from(x: T) -> Self {
        Self::from_slice(&[x], [])
    }
}

impl<T: Element> From<Vec<T>> for Tensor {
    fn from(x: Vec<T>) -> Self {
        Self::from_slice(&x, [x.len()])
    }
}

impl<T: Element> From<&[T]> for Tensor {
    fn from(x: &[T]) -> Self {
        Self::from_slice(x, [x.len()])
    }
}

impl<T: Element, const N: usize> From<[T; N]> for Tensor {
    fn from(x: [T; N]) -> Self {
        Self::from_slice(&x, [N])
    }
}

impl<T: Element, const M: usize, const N: usize> From<[[T; N]; M]> for Tensor {
    fn from(x: [[T; N]; M]) -> Self {
        Self::from_slice(x.as_flattened(), [M, N])
    }
}

impl<T: Element, const L: usize, const M: usize, const N: usize> From<[[[T; N]; M]; L]> for Tensor {
    fn from(x: [[[T; N]; M]; L]) -> Self {
        Self::from_slice(x.as_flattened().as_flattened(), [L, M, N])
    }
}

impl<T: Element, const K: usize, const L: usize, const M: usize, const N: usize>
    From<[[[[T; N]; M]; L]; K]> for Tensor
{
    fn from(x: [[[[T; N]; M]; L]; K]) -> Self {
        Self::from_slice(x.as_flattened().as_flattened().as_flattened(), [K, L, M, N])
    }
}
