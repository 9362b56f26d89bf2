//! Rotary positions.

use super::want_float;
use crate::dtype::with_float;
use crate::shape::{Dims, broadcast};
use crate::tape::{record, tracked};
use crate::{Dtype, Tensor};
use eras_kernels::rotary::{self, Angles, Pairs};

/// Which columns of a head are turned together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Pairing {
    /// Columns `i` and `i + R / 2`, as in the files of the Llama family at Hugging Face, and GPT-NeoX.
    #[default]
    Halves,
    /// Columns `2 i` and `2 i + 1`, as in the paper, GPT-J and Meta's own files.
    Interleaved,
}

impl Pairing {
    fn pairs(self) -> Pairs {
        match self {
            Self::Halves => Pairs::Halves,
            Self::Interleaved => Pairs::Neighbours,
        }
    }
}

/// What [`Tensor::rotary`] means.
#[cfg(test)]
fn definition(x: &Tensor, cos: &Tensor, sin: &Tensor, pairing: Pairing) -> Tensor {
    let (pairs, width) = (cos.shape()[cos.rank() - 1], x.shape()[3]);
    let dims = [&x.shape()[..3], &[pairs]].concat();
    // (B, T, R / 2) as (B, 1, T, R / 2)
    let spread = |angle: &Tensor| {
        let angle = angle.to_dtype(x.dtype());
        if angle.rank() == 3 {
            angle.unsqueeze(1)
        } else {
            angle
        }
    };
    let (cos, sin) = (spread(cos), spread(sin));
    let (axis, shape) = match pairing {
        Pairing::Halves => (3, [&x.shape()[..3], &[2, pairs]].concat()),
        Pairing::Interleaved => (4, [&x.shape()[..3], &[pairs, 2]].concat()),
    };
    let both = x.narrow(3, 0, 2 * pairs).reshape(shape);
    let [a, b] = [0, 1].map(|i| both.narrow(axis, i, 1).reshape(dims.clone()));
    let turned = [&a * &cos - &b * &sin, &b * &cos + &a * &sin];
    let turned = Tensor::stack(&turned, axis as isize);
    let turned = turned.reshape([&x.shape()[..3], &[2 * pairs]].concat());
    Tensor::concat(&[turned, x.narrow(3, 2 * pairs, width - 2 * pairs)], 3)
}

impl Tensor {
    /// Turns pairs of columns by the angles of each place, so that products of queries and keys depend on how far they are
    /// apart (Su et al. 2021, "RoFormer", arXiv:2104.09864).
    ///
    /// Shapes: `x (B, H, T, D)`, unchanged; `cos` and `sin (T, R / 2)`, or `(B, T, R / 2)` where the examples stand at
    /// different places: see [`rotary_table`](Self::rotary_table). Columns from `R` on are left as they are. The angles are
    /// constants: scaled variants are other tables. The result lies in memory as `(B, T, H, D)`.
    ///
    /// ```
    /// use eras::prelude::*;
    ///
    /// let x = Tensor::from([[[[1.0f32, 0.0], [1.0, 0.0]]]]);
    /// let quarter = std::f64::consts::FRAC_PI_2;
    /// let (cos, sin) = Tensor::rotary_table(&Tensor::arange(2), &[quarter]);
    /// let y = x.rotary(&cos, &sin, Pairing::Halves).to_vec::<f32>();
    /// assert!((y[2] - 0.0).abs() < 1e-7 && (y[3] - 1.0).abs() < 1e-7);
    /// ```
    ///
    /// # Panics
    /// If the shapes do not fit, the elements are no floats, or a gradient of the angles is wanted.
    #[must_use]
    #[track_caller]
    pub fn rotary(&self, cos: &Self, sin: &Self, pairing: Pairing) -> Self {
        want_float("rotary", self);
        let &[batch, _, rows, width] = self.shape() else {
            panic!("rotary: x {:?} must be (B, H, T, D)", self.shape())
        };
        let (angles, rank) = (cos.shape(), cos.rank());
        let pairs = angles.last().map_or(0, |n| *n);
        let whole = Dims::from([batch, rows, pairs]);
        assert!(
            angles == sin.shape()
                && (2..=3).contains(&rank)
                && angles[rank - 2] == rows
                && broadcast(angles, &whole) == Some(whole)
                && pairs <= width / 2,
            "rotary: x {:?} wants cos and sin (T, R / 2) or (B, T, R / 2) with R up to D, not {angles:?} and {:?}",
            self.shape(),
            sin.shape()
        );
        want_float("rotary", cos);
        want_float("rotary", sin);
        assert!(
            !tracked(&[cos, sin]),
            "rotary: the angles are constants, but a gradient of them is wanted"
        );
        if self.dtype().is_half() {
            let x = self.to_dtype(Dtype::F32);
            return x.rotary(cos, sin, pairing).to_dtype(self.dtype());
        }
        let spread = |x: &Self| x.detach().to_dtype(self.dtype()).in_line().expand(whole);
        rotated(self, spread(cos), spread(sin), pairing, false)
    }

    /// Cosines and sines for [`rotary`](Self::rotary): of the products of places and frequencies, computed in `f64`.
    ///
    /// Shapes: `positions (..)` in `i64` and `R / 2` frequencies to `(.., R / 2)` in `f32`, twice.
    ///
    /// ```
    /// use eras::prelude::*;
    ///
    /// // The paper's frequencies: 10000^(-2 i / R).
    /// let frequencies: Vec<f64> = (0..32).map(|i| 10000f64.powf(-f64::from(i) / 32.0)).collect();
    /// let (cos, sin) = Tensor::rotary_table(&Tensor::arange(100), &frequencies);
    /// assert_eq!((cos.shape(), sin.shape()), (&[100, 32][..], &[100, 32][..]));
    /// ```
    ///
    /// # Panics
    /// If the positions are no whole numbers, there are more than seven axes of them, or a frequency is not finite.
    #[must_use]
    #[track_caller]
    pub fn rotary_table(positions: &Self, frequencies: &[f64]) -> (Self, Self) {
        assert!(
            positions.dtype() == Dtype::I64,
            "rotary_table: positions must be i64, not {}",
            positions.dtype()
        );
        assert!(
            frequencies.iter().all(|frequency| frequency.is_finite()),
            "rotary_table: frequencies must be finite, not {frequencies:?}"
        );
        let places = positions.to_dtype(Dtype::F64).unsqueeze(-1);
        let angles = places * Self::from_slice(frequencies, [frequencies.len()]);
        (
            angles.cos().to_dtype(Dtype::F32),
            angles.sin().to_dtype(Dtype::F32),
        )
    }
}

/// `x` turned by angles `(B, T, R / 2)`, on the tape: its gradient is turned back.
#[track_caller]
fn rotated(x: &Tensor, cos: Tensor, sin: Tensor, pairing: Pairing, back: bool) -> Tensor {
    let &[batch, heads, rows, width] = x.shape() else {
        unreachable!("checked")
    };
    let line = if width > 1 && x.layout().strides[3] != 1 {
        x.detach().in_line()
    } else {
        x.detach()
    };
    let dims: Dims = [batch, rows, heads, width].into();
    let y = with_float!(x.dtype(), T => Tensor::build::<T>(x.dtype(), dims, |y| {
        let angles = Angles { cos: cos.view(), sin: sin.view(), pairs: cos.shape()[2] };
        let dims = [batch, heads, rows, width];
        rotary::rotate(y, line.view(), dims, &angles, pairing.pairs(), back);
    }));
    record("rotary", y.transpose(1, 2), [x], move |b| {
        [Some(rotated(
            b.dy,
            cos.clone(),
            sin.clone(),
            pairing,
            !back,
        ))]
    })
}

#[cfg(test)]
pub(crate) fn checks() -> Vec<crate::checks::Check> {
    use crate::checks::{Check, normal};
    let mut check = Check::new("rotary");
    // x, the shape of the angles.
    let samples: [([usize; 4], &[usize]); 8] = [
        ([2, 3, 5, 4], &[5, 2]),
        ([2, 3, 5, 7], &[2, 5, 2]),
        ([1, 1, 1, 2], &[1, 1, 1]),
        ([2, 4, 130, 64], &[130, 32]),
        ([0, 2, 3, 4], &[3, 2]),
        ([2, 2, 0, 4], &[0, 2]),
        ([2, 2, 3, 4], &[3, 0]),
        ([2, 2, 3, 1], &[3, 0]),
    ];
    for (i, (dims, of_angles)) in samples.into_iter().enumerate() {
        let angles = normal(of_angles, 90 + i as u64);
        for pairing in [Pairing::Halves, Pairing::Interleaved] {
            let (cos, sin) = (angles.cos(), angles.sin());
            let (c, s) = (cos.clone(), sin.clone());
            check = check
                .case([normal(dims, i as u64)], move |x| {
                    x[0].rotary(&cos, &sin, pairing)
                })
                .defined_by(move |x| definition(&x[0], &c, &s, pairing));
        }
    }
    let zeros = |dims: &[usize]| Tensor::zeros(dims);
    vec![
        check
            .bad("rotary: x [3, 4] must be (B, H, T, D)", move || {
                zeros(&[3, 4]).rotary(&zeros(&[3, 2]), &zeros(&[3, 2]), Pairing::Halves)
            })
            .bad(
                "rotary: x [1, 2, 3, 4] wants cos and sin (T, R / 2) or (B, T, R / 2) with R up to D, not [4, 2] and [4, 2]",
                move || zeros(&[1, 2, 3, 4]).rotary(&zeros(&[4, 2]), &zeros(&[4, 2]), Pairing::Halves),
            )
            .bad("not [3, 3] and [3, 3]", move || {
                zeros(&[1, 2, 3, 4]).rotary(&zeros(&[3, 3]), &zeros(&[3, 3]), Pairing::Halves)
            })
            .bad("not [3, 2] and [3, 1]", move || {
                zeros(&[1, 2, 3, 4]).rotary(&zeros(&[3, 2]), &zeros(&[3, 1]), Pairing::Halves)
            })
            .bad("rotary: the angles are constants", move || {
                let cos = zeros(&[3, 2]).requires_grad();
                zeros(&[1, 2, 3, 4]).rotary(&cos, &zeros(&[3, 2]), Pairing::Halves)
            })
            .bad("rotary: wants floats", move || {
                let x = zeros(&[1, 2, 3, 4]).to_dtype(Dtype::I64);
                x.rotary(&zeros(&[3, 2]), &zeros(&[3, 2]), Pairing::Halves)
            }),
        Check::new("rotary_table")
            .bad("rotary_table: positions must be i64, not f32", move || {
                Tensor::rotary_table(&zeros(&[3]), &[1.0])
            })
            .bad("rotary_table: frequencies must be finite, not [NaN]", move || {
                Tensor::rotary_table(&Tensor::arange(3), &[f64::NAN])
            }),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Rng;

    #[test]
    fn products_depend_on_the_distance_alone() {
        let rng = &mut Rng::new(0);
        let [q, k] = [0; 2].map(|_| Tensor::randn_f64([1, 1, 1, 8], rng));
        for pairing in [Pairing::Halves, Pairing::Interleaved] {
            let product = |at: i64, before: i64| {
                let turned = |x: &Tensor, place: i64| {
                    let frequencies = [1.0, 0.3, 0.1, 0.01];
                    let (cos, sin) = Tensor::rotary_table(&Tensor::from([place]), &frequencies);
                    x.rotary(&cos, &sin, pairing)
                };
                (turned(&q, at) * turned(&k, before)).sum(..).item()
            };
            // The table is f32.
            assert!((product(9, 4) - product(105, 100)).abs() < 1e-5);
            assert!((product(9, 4) - product(9, 5)).abs() > 1e-3);
        }
    }

    #[test]
    fn columns_behind_the_turned_ones_stay() {
        let x = Tensor::randn([1, 2, 3, 7], &mut Rng::new(1));
        let (cos, sin) = Tensor::rotary_table(&Tensor::arange(3), &[1.0, 0.5]);
        let y = x.rotary(&cos, &sin, Pairing::Interleaved);
        assert_eq!(
            y.narrow(3, 4, 3).to_vec::<f32>(),
            x.narrow(3, 4, 3).to_vec::<f32>()
        );
        assert_eq!(
            y.select(2, 0).to_vec::<f32>(),
            x.select(2, 0).to_vec::<f32>()
        );
    }
}
