//! Which keys a query sees, and how: the settings of attention.

use super::dropout::want_part;
use super::want_float;
use crate::shape::{Dims, broadcast};
use crate::{Dtype, Rng, Tensor};
use eras_kernels::attention::Shape;

/// The settings of [`Tensor::attention`]. Queries stand at the end of the keys: query `t` of `T` is at place `t + S - T`
/// among `S` keys, so that with keys kept from before only the new queries are given.
///
/// ```
/// use eras::prelude::*;
///
/// let (q, k) = (Tensor::ones([1, 1, 2, 4]), Tensor::ones([1, 1, 3, 4]));
/// let v = Tensor::from([[[[1.0f32], [2.0], [6.0]]]]);
/// let y = q.attention(&k, &v, &AttentionOptions::new().causal());
/// assert_eq!(y.to_vec::<f32>(), [1.5, 3.0]);
/// ```
#[derive(Debug, Clone, Default)]
pub struct AttentionOptions {
    /// What products are multiplied by; 1/√D if `None`.
    pub scale: Option<f64>,
    /// Whether nothing behind a query is seen.
    pub causal: bool,
    /// Only keys fewer places away than this are seen.
    pub window: Option<usize>,
    /// True where a key is seen; broadcasts to `(B, H, T, S)`.
    pub mask: Option<Tensor>,
    /// Added to the scores; broadcasts to `(B, H, T, S)`.
    pub bias: Option<Tensor>,
    /// Of each example, how many keys there are; those behind are padding.
    pub key_lengths: Option<Vec<usize>>,
    /// Of each head, what is taken off the score for each place between query and key.
    pub slopes: Option<Vec<f64>>,
    /// The part of the shares that is dropped, and the place of the random stream.
    pub dropout: Option<(f64, Rng)>,
}

impl AttentionOptions {
    /// Every query sees every key; scale 1/√D.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Multiplies products by `scale`.
    #[must_use]
    pub fn scale(mut self, scale: f64) -> Self {
        self.scale = Some(scale);
        self
    }

    /// Hides the keys behind each query.
    #[must_use]
    pub fn causal(mut self) -> Self {
        self.causal = true;
        self
    }

    /// Hides the keys that are `window` or more places away (Mistral's sliding window, if causal too).
    #[must_use]
    pub fn window(mut self, window: usize) -> Self {
        self.window = Some(window);
        self
    }

    /// Hides the keys where `mask` is false, as in PyTorch's `scaled_dot_product_attention`. It broadcasts to `(B, H, T, S)`;
    /// `(B, 1, 1, S)` is padding.
    #[must_use]
    pub fn mask(mut self, mask: &Tensor) -> Self {
        self.mask = Some(mask.clone());
        self
    }

    /// Adds `bias`, which broadcasts to `(B, H, T, S)`, to the scores; -∞ hides. One that wants a gradient is computed by the
    /// definition, which holds the scores of all queries and keys.
    #[must_use]
    pub fn bias(mut self, bias: &Tensor) -> Self {
        self.bias = Some(bias.clone());
        self
    }

    /// Hides the keys of example `b` from `lengths[b]` on: nothing is computed for them.
    #[must_use]
    pub fn key_lengths(mut self, lengths: impl Into<Vec<usize>>) -> Self {
        self.key_lengths = Some(lengths.into());
        self
    }

    /// Takes the slope of a head off the score for each place between query and key (ALiBi: Press, Smith & Lewis 2021,
    /// arXiv:2108.12409); see [`alibi_slopes`](Self::alibi_slopes).
    #[must_use]
    pub fn alibi(mut self, slopes: impl Into<Vec<f64>>) -> Self {
        self.slopes = Some(slopes.into());
        self
    }

    /// ALiBi's slopes: 2^(-8/n), 2^(-16/n), .. for `n` heads. If `n` is no power of two, those of the next smaller one, and
    /// then every other of twice as many, as in the authors' code.
    ///
    /// ```
    /// use eras::prelude::*;
    ///
    /// assert_eq!(AttentionOptions::alibi_slopes(4), [0.25, 0.0625, 0.015625, 0.00390625]);
    /// assert_eq!(AttentionOptions::alibi_slopes(3)[2], 0.25);
    /// ```
    #[must_use]
    pub fn alibi_slopes(heads: usize) -> Vec<f64> {
        let slope = |of: usize, i: usize| (-8.0 * i as f64 / of as f64).exp2();
        let lower = if heads == 0 { 1 } else { 1 << heads.ilog2() };
        let rest = (0..).map(|i| slope(2 * lower, 2 * i + 1));
        let first = (1..=lower).map(|i| slope(lower, i));
        first.chain(rest).take(heads).collect()
    }

    /// Sets shares to 0 with probability `p` and divides the others by 1 - p. Which ones is a function of the place of `rng`
    /// and of example, head, query and key; `rng` does not step on.
    #[must_use]
    pub fn dropout(mut self, p: f64, rng: &Rng) -> Self {
        self.dropout = Some((p, rng.clone()));
        self
    }

    /// What products are multiplied by.
    pub(super) fn scale_of(&self, shape: &Shape) -> f64 {
        self.scale
            .unwrap_or_else(|| 1.0 / (shape.width.max(1) as f64).sqrt())
    }

    /// Panics if a setting does not fit.
    #[track_caller]
    pub(super) fn check(&self, op: &str, shape: &Shape) {
        let Shape {
            batch,
            heads,
            queries,
            keys,
            ..
        } = *shape;
        let dims = Dims::from([batch, heads, queries, keys]);
        if let Some(scale) = self.scale {
            assert!(scale.is_finite(), "{op}: scale must be finite, not {scale}");
        }
        if let Some(mask) = &self.mask {
            assert!(
                mask.dtype() == Dtype::Bool,
                "{op}: the mask {:?} must hold truth values, not {}; what is added to the scores is a bias",
                mask.shape(),
                mask.dtype()
            );
            want_spread(op, "mask", mask, &dims);
        }
        if let Some(bias) = &self.bias {
            want_float(op, bias);
            want_spread(op, "bias", bias, &dims);
        }
        if let Some(lengths) = &self.key_lengths {
            assert!(
                lengths.len() == batch && lengths.iter().all(|n| *n <= keys),
                "{op}: key lengths {lengths:?} must be {batch} numbers up to {keys}"
            );
        }
        if let Some(slopes) = &self.slopes {
            assert!(
                slopes.len() == heads && slopes.iter().all(|slope| slope.is_finite()),
                "{op}: slopes {slopes:?} must be {heads} finite numbers"
            );
        }
        if let Some((p, _)) = &self.dropout {
            want_part(op, *p);
        }
    }
}

/// Panics unless `x` broadcasts to these dimensions.
#[track_caller]
fn want_spread(op: &str, what: &str, x: &Tensor, dims: &Dims) {
    assert!(
        broadcast(x.shape(), dims) == Some(*dims),
        "{op}: the {what} {:?} does not broadcast to (B, H, T, S) = {dims:?}",
        x.shape()
    );
}
