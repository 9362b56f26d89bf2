//! Dropout in its forms. No mask is stored: it is drawn again in the backward pass.

use super::{through_f32, want_float};
use crate::dtype::with_float;
use crate::shape::Dims;
use crate::tape::record;
use crate::{Dtype, Rng, Tensor};
use eras_kernels::dropout;

/// 1 where an element stays and 0 where it goes, as a tensor: what the kernel never writes out.
fn mask(dims: impl Into<Dims>, dtype: Dtype, p: f64, rng: &Rng) -> Tensor {
    let x = Tensor::full(dims, 1.0, dtype).contiguous();
    apply(&x, p, 1.0, rng)
}

/// What [`Tensor::dropout`] means.
#[cfg(test)]
fn definition(x: &Tensor, p: f64, rng: &Rng) -> Tensor {
    x * mask(x.dims(), x.dtype(), p, rng) * (1.0 / (1.0 - p))
}

/// `x` times `scale` where it stays, else 0; without history.
fn apply(x: &Tensor, p: f64, scale: f64, rng: &Rng) -> Tensor {
    let x = x.detach().contiguous();
    with_float!(x.dtype(), T => Tensor::build::<T>(x.dtype(), x.dims(), |y| {
        dropout::dropout(y, x.data::<T>(), p, scale, #[inline(always)] |i| rng.block(i));
    }))
}

/// [`apply`] on the tape: its gradient is itself, applied to the gradient.
fn dropped(x: &Tensor, p: f64, scale: f64, rng: Rng) -> Tensor {
    let y = apply(x, p, scale, &rng);
    record("dropout", y, [x], move |b| {
        [Some(dropped(b.dy, p, scale, rng.clone()))]
    })
}

#[track_caller]
pub(super) fn want_part(op: &str, p: f64) {
    assert!(
        (0.0..=1.0).contains(&p),
        "{op}: p is the part to drop, from 0 to 1, not {p}"
    );
}

/// 1/(1 - p); 1 where nothing stays.
pub(super) fn scale(p: f64) -> f64 {
    if p < 1.0 { 1.0 / (1.0 - p) } else { 1.0 }
}

impl Tensor {
    /// Each element becomes 0 with probability `p` and is divided by 1 - p otherwise, so that the expectation
    /// stays (Srivastava et al. 2014, "Dropout").
    ///
    /// Which elements go is a function of the place of `rng` and of their index alone, the same at any number of
    /// threads; `rng` does not step on, so give each call a place of its own.
    ///
    /// ```
    /// use eras::prelude::*;
    ///
    /// let y = Tensor::ones([1000]).dropout(0.5, &Rng::new(7));
    /// assert!(y.to_vec::<f32>().iter().all(|y| *y == 0.0 || *y == 2.0));
    /// assert_eq!(y.to_vec::<f32>(), Tensor::ones([1000]).dropout(0.5, &Rng::new(7)).to_vec::<f32>());
    /// ```
    ///
    /// # Panics
    /// If `p` is not from 0 to 1, or the elements are not floats.
    #[must_use]
    #[track_caller]
    pub fn dropout(&self, p: f64, rng: &Rng) -> Self {
        want_float("dropout", self);
        want_part("dropout", p);
        if p == 0.0 {
            return self.clone();
        }
        if let Some(y) = through_f32([self], |[x]| x.dropout(p, rng)) {
            return y;
        }
        dropped(self, p, scale(p), rng.clone())
    }

    /// As [`dropout`](Self::dropout), but whole channels `(N, C)` of `x (N, C, ..)` go or stay (Tompson et al. 2015,
    /// arXiv:1411.4280).
    ///
    /// # Panics
    /// If there are fewer than two dimensions, `p` is not from 0 to 1, or the elements are not floats.
    #[must_use]
    #[track_caller]
    pub fn dropout2d(&self, p: f64, rng: &Rng) -> Self {
        want_float("dropout2d", self);
        want_part("dropout2d", p);
        assert!(
            self.rank() >= 2,
            "dropout2d: x must be (N, C, ..), not {:?}",
            self.shape()
        );
        if let Some(y) = through_f32([self], |[x]| x.dropout2d(p, rng)) {
            return y;
        }
        let mut channels = self.dims();
        channels.as_mut()[2..].fill(1);
        self * (mask(channels, self.dtype(), p, rng) * scale(p))
    }

    /// Dropout for self-normalizing networks: dropped elements become SELU's limit at -∞, and an affine map keeps
    /// mean 0 and variance 1 (Klambauer et al. 2017, arXiv:1706.02515).
    ///
    /// # Panics
    /// If `p` is not from 0 to 1, or the elements are not floats.
    #[must_use]
    #[track_caller]
    pub fn alpha_dropout(&self, p: f64, rng: &Rng) -> Self {
        /// -λα of SELU
        const LIMIT: f64 = -1.758_099_340_847_376_6;
        want_float("alpha_dropout", self);
        want_part("alpha_dropout", p);
        if p == 0.0 {
            return self.clone();
        }
        if let Some(y) = through_f32([self], |[x]| x.alpha_dropout(p, rng)) {
            return y;
        }
        if p == 1.0 {
            return dropped(self, p, 1.0, rng.clone());
        }
        let a = ((1.0 - p) * (1.0 + p * LIMIT * LIMIT)).sqrt().recip();
        // Kept: a x + b; dropped: a LIMIT + b.
        let b = -a * p * LIMIT;
        dropped(&(self - LIMIT), p, a, rng.clone()) + (a * LIMIT + b)
    }
}

#[cfg(test)]
pub(crate) fn checks() -> Vec<crate::checks::Check> {
    use crate::checks::{Check, normal};
    let samples: [&[usize]; 5] = [&[2, 3], &[], &[0, 3], &[5, 131], &[20_003]];
    let mut dropout = Check::new("dropout");
    for (shape, p) in samples.into_iter().zip([0.5, 0.3, 0.5, 0.1, 0.9]) {
        dropout = dropout
            .case([normal(shape, 1)], move |x| x[0].dropout(p, &Rng::new(5)))
            .defined_by(move |x| definition(&x[0], p, &Rng::new(5)));
    }
    vec![
        dropout
            .case([normal([7], 1)], |x| x[0].dropout(0.0, &Rng::new(5)))
            .case([normal([7], 1)], |x| x[0].dropout(1.0, &Rng::new(5)))
            .bad(
                "dropout: p is the part to drop, from 0 to 1, not -0.1",
                || Tensor::zeros([2]).dropout(-0.1, &Rng::new(0)),
            ),
        Check::new("dropout2d")
            .case([normal([3, 4, 5], 1)], |x| {
                x[0].dropout2d(0.5, &Rng::new(5))
            })
            .case([normal([3, 4], 1)], |x| x[0].dropout2d(1.0, &Rng::new(5)))
            .bad("dropout2d: x must be (N, C, ..), not [2]", || {
                Tensor::zeros([2]).dropout2d(0.1, &Rng::new(0))
            }),
        Check::new("alpha_dropout")
            .case([normal([5, 31], 1)], |x| {
                x[0].alpha_dropout(0.3, &Rng::new(5))
            })
            .case([normal([5], 1)], |x| x[0].alpha_dropout(1.0, &Rng::new(5)))
            .bad("alpha_dropout: p is the part to drop", || {
                Tensor::zeros([2]).alpha_dropout(f64::NAN, &Rng::new(0))
            }),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn element_i_is_decided_by_word_i() {
        let rng = Rng::at(3, 9, 1 << 40);
        let y = Tensor::ones([50_001]).dropout(0.25, &rng).to_vec::<f32>();
        for (i, y) in y.iter().enumerate() {
            let word = rng.block(i as u64 / 4)[i % 4];
            assert_eq!(*y, if word < 1 << 30 { 0.0 } else { 4.0 / 3.0 });
        }
    }

    #[test]
    fn as_many_go_as_asked_for() {
        let n = 100_000;
        for p in [0.1, 0.5, 0.9] {
            let y = Tensor::ones([n]).dropout(p, &Rng::new(1));
            let gone = y.to_vec::<f32>().iter().filter(|y| **y == 0.0).count();
            // Five standard deviations.
            let bound = 5.0 * (n as f64 * p * (1.0 - p)).sqrt();
            assert!((gone as f64 - n as f64 * p).abs() < bound, "{gone} at {p}");
        }
    }

    #[test]
    fn the_gradient_passes_where_the_element_did_even_beside_infinities() {
        let x = Tensor::full([64], f64::INFINITY, Dtype::F64).requires_grad();
        let y = x.dropout(0.5, &Rng::new(2));
        let dx = y.backward_with(&Tensor::ones_like(&y))[&x].to_vec::<f64>();
        for (y, dx) in y.to_vec::<f64>().iter().zip(dx) {
            assert_eq!(dx, if *y == 0.0 { 0.0 } else { 2.0 });
        }
    }

    #[test]
    fn whole_channels_go_together() {
        let y = Tensor::ones([4, 8, 5]).dropout2d(0.5, &Rng::new(3));
        let y = y.to_vec::<f32>();
        assert!(y.chunks(5).all(|c| c.iter().all(|v| *v == c[0])));
        assert!(y.contains(&0.0) && y.contains(&2.0));
    }

    #[test]
    fn alpha_dropout_keeps_mean_and_variance() {
        let x = Tensor::randn([200_000], &mut Rng::new(1));
        let y = x.alpha_dropout(0.2, &Rng::new(2));
        let mean = y.mean(..).item();
        let variance = y.sqr().mean(..).item() - mean * mean;
        assert!(mean.abs() < 0.02 && (variance - 1.0).abs() < 0.03);
    }
}
