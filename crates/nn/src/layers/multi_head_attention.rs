//! Multi-head attention.

use super::{Dropout, Linear, Rotary};
use crate::watch::Watch;
use crate::{Init, Mode, Module, Param, Path, Visitor, VisitorMut};
use eras_tensor::{AttentionOptions, Rng, Tensor};

/// Projects to queries, keys and values, attends head by head, and projects back (Vaswani et al. 2017, "Attention Is All
/// You Need", arXiv:1706.03762). Heads of queries may share those of keys (Ainslie et al. 2023, arXiv:2305.13245).
///
/// Shapes: `x (B, T, C)`, and for cross attention `memory (B, S, M)`, to `(B, T, C)`.
///
/// ```
/// use eras::prelude::*;
///
/// let attention = MultiHeadAttention::new(32, 4, &mut Rng::new(0));
/// let x = Tensor::ones([2, 5, 32]);
/// let y = attention.forward(&x, &AttentionOptions::new().causal(), &Mode::eval());
/// assert_eq!(y.shape(), [2, 5, 32]);
/// ```
#[derive(Debug, Clone)]
pub struct MultiHeadAttention {
    /// To queries, keys and values.
    pub project: Projections,
    /// `(C, H D)`
    pub out: Linear,
    /// Heads of the queries, `H`.
    pub heads: usize,
    /// Heads of keys and values, `G`.
    pub groups: usize,
    /// Drops shares in training.
    pub dropout: Dropout,
    /// Positions of queries and keys.
    pub rotary: Option<Rotary>,
}

/// How queries, keys and values are made.
#[derive(Debug, Clone)]
pub enum Projections {
    /// All three by one product, `((H + 2 G) D, C)`: parameters are named `qkv`.
    Packed(Linear),
    /// Each by its own: `q (H D, C)`, `k` and `v (G D, M)`.
    Separate {
        /// To queries.
        q: Linear,
        /// To keys.
        k: Linear,
        /// To values.
        v: Linear,
    },
}

impl MultiHeadAttention {
    /// `heads` heads of `d_model / heads` columns each, projected by one product. The projection is drawn from Xavier's
    /// uniform, the way back as [`Linear::new`] does, and biases are zero, as in PyTorch's `nn.MultiheadAttention`.
    ///
    /// # Panics
    /// If `d_model` is no multiple of `heads`.
    #[must_use]
    #[track_caller]
    pub fn new(d_model: usize, heads: usize, rng: &mut Rng) -> Self {
        Self::grouped(d_model, heads, heads, rng)
    }

    /// As [`new`](Self::new), with `groups` heads of keys and values for all heads of queries.
    ///
    /// # Panics
    /// If `d_model` is no multiple of `heads`, or `heads` none of `groups`.
    #[must_use]
    #[track_caller]
    pub fn grouped(d_model: usize, heads: usize, groups: usize, rng: &mut Rng) -> Self {
        let width = head_width(d_model, heads, groups);
        let all = groups
            .saturating_mul(2)
            .saturating_add(heads)
            .saturating_mul(width);
        let project = Projections::Packed(drawn(d_model, all, rng));
        Self::with(project, d_model, heads, groups, rng)
    }

    /// As [`grouped`](Self::grouped), with a projection each for queries, keys and values; these come from rows of
    /// `d_memory` columns.
    ///
    /// # Panics
    /// As `grouped`.
    #[must_use]
    #[track_caller]
    pub fn separate(
        d_model: usize,
        d_memory: usize,
        heads: usize,
        groups: usize,
        rng: &mut Rng,
    ) -> Self {
        let width = head_width(d_model, heads, groups);
        let q = drawn(d_model, d_model, rng);
        let k = drawn(d_memory, groups * width, rng);
        let v = drawn(d_memory, groups * width, rng);
        Self::with(
            Projections::Separate { q, k, v },
            d_model,
            heads,
            groups,
            rng,
        )
    }

    #[track_caller]
    fn with(
        project: Projections,
        d_model: usize,
        heads: usize,
        groups: usize,
        rng: &mut Rng,
    ) -> Self {
        let mut out = Linear::new(d_model, d_model, rng);
        out.bias = Some(Param::new(&Tensor::zeros([d_model])));
        Self {
            project,
            out,
            heads,
            groups,
            dropout: Dropout::new(0.0),
            rotary: None,
        }
    }

    /// Without biases.
    #[must_use]
    pub fn no_bias(mut self) -> Self {
        match &mut self.project {
            Projections::Packed(qkv) => qkv.bias = None,
            Projections::Separate { q, k, v } => [q, k, v].into_iter().for_each(|l| l.bias = None),
        }
        self.out.bias = None;
        self
    }

    /// Drops the part `p` of the shares in training.
    ///
    /// # Panics
    /// If `p` is not from 0 to 1.
    #[must_use]
    #[track_caller]
    pub fn dropout(mut self, p: f64) -> Self {
        self.dropout = Dropout::new(p);
        self
    }

    /// Turns queries and keys by their places.
    #[must_use]
    pub fn rotary(mut self, rotary: Rotary) -> Self {
        self.rotary = Some(rotary);
        self
    }

    /// Self-attention: `x (B, T, C)` to `(B, T, C)`.
    ///
    /// # Panics
    /// If `x` or an option does not fit.
    #[must_use]
    #[track_caller]
    pub fn forward(&self, x: &Tensor, options: &AttentionOptions, mode: &Mode) -> Tensor {
        match &self.project {
            Projections::Packed(qkv) if self.rotary.is_none() => {
                let (packed, options) = (qkv.forward(x), self.options(options, mode));
                let watch = Watch::begin();
                let y = packed.attention_packed(self.heads, self.groups, &options);
                self.out.forward(&self.attended(watch, y))
            }
            _ => {
                let (q, k, v) = self.project(x, 0);
                self.attend(&q, &k, &v, options, mode)
            }
        }
    }

    /// Cross attention: queries of `x (B, T, C)`, keys and values of `memory (B, S, M)`, to `(B, T, C)`.
    ///
    /// # Panics
    /// If `x`, `memory` or an option does not fit.
    #[must_use]
    #[track_caller]
    pub fn forward_cross(
        &self,
        x: &Tensor,
        memory: &Tensor,
        options: &AttentionOptions,
        mode: &Mode,
    ) -> Tensor {
        let (k, v) = self.keys_values(memory, 0);
        self.attend(&self.queries(x, 0), &k, &v, options, mode)
    }

    /// The queries of `x (B, T, C)`, whose first row is at place `start`: `(B, H, T, D)`.
    ///
    /// # Panics
    /// If `x` does not fit.
    #[must_use]
    #[track_caller]
    pub fn queries(&self, x: &Tensor, start: usize) -> Tensor {
        let q = match &self.project {
            Projections::Packed(qkv) => part(qkv, x, 0, self.heads * self.width()),
            Projections::Separate { q, .. } => q.forward(x),
        };
        self.turned(&in_heads(&q, self.heads), start)
    }

    /// The keys and the values of `memory (B, S, M)`, whose first row is at place `start`: `(B, G, S, D)` each. What a cache
    /// keeps and [`attend`](Self::attend) takes.
    ///
    /// # Panics
    /// If `memory` does not fit.
    #[must_use]
    #[track_caller]
    pub fn keys_values(&self, memory: &Tensor, start: usize) -> (Tensor, Tensor) {
        let (k, v) = match &self.project {
            Projections::Packed(qkv) => {
                let (first, len) = (self.heads * self.width(), 2 * self.groups * self.width());
                let both = in_heads(&part(qkv, memory, first, len), 2 * self.groups);
                (
                    both.narrow(1, 0, self.groups),
                    both.narrow(1, self.groups, self.groups),
                )
            }
            Projections::Separate { k, v, .. } => (
                in_heads(&k.forward(memory), self.groups),
                in_heads(&v.forward(memory), self.groups),
            ),
        };
        (self.turned(&k, start), v)
    }

    /// Queries, keys and values of `x (B, T, C)`, whose first row is at place `start`: as [`queries`](Self::queries) and
    /// [`keys_values`](Self::keys_values), at once.
    ///
    /// # Panics
    /// If `x` does not fit.
    #[must_use]
    #[track_caller]
    pub fn project(&self, x: &Tensor, start: usize) -> (Tensor, Tensor, Tensor) {
        let Projections::Packed(qkv) = &self.project else {
            let (k, v) = self.keys_values(x, start);
            return (self.queries(x, start), k, v);
        };
        let (heads, groups) = (self.heads, self.groups);
        let all = in_heads(&qkv.forward(x), heads + 2 * groups);
        let turned = self.turned(&all.narrow(1, 0, heads + groups), start);
        (
            turned.narrow(1, 0, heads),
            turned.narrow(1, heads, groups),
            all.narrow(1, heads + groups, groups),
        )
    }

    /// Attends with given queries `(B, H, T, D)`, keys and values `(B, G, S, D)`, of which some may have been kept from
    /// before, and projects back: `(B, T, C)`.
    ///
    /// # Panics
    /// If the shapes do not fit.
    #[must_use]
    #[track_caller]
    pub fn attend(
        &self,
        q: &Tensor,
        k: &Tensor,
        v: &Tensor,
        options: &AttentionOptions,
        mode: &Mode,
    ) -> Tensor {
        let options = self.options(options, mode);
        let watch = Watch::begin();
        let y = q.attention(k, v, &options); // (B, H, T, D)
        let &[batch, heads, rows, width] = y.shape() else {
            unreachable!("attention has four axes")
        };
        let y = y.transpose(1, 2).reshape([batch, rows, heads * width]);
        self.out.forward(&self.attended(watch, y))
    }

    /// The projections tell for themselves what they did; this is what lies between them, which has no parameters.
    fn attended(&self, watch: Watch, y: Tensor) -> Tensor {
        watch.end("Attention", &self.dropout, y)
    }

    fn options(&self, options: &AttentionOptions, mode: &Mode) -> AttentionOptions {
        let options = options.clone();
        if self.dropout.p > 0.0 && mode.is_training() {
            return options.dropout(self.dropout.p, &mode.rng());
        }
        options
    }

    /// Columns of a head.
    fn width(&self) -> usize {
        let columns = self.out.weight.shape()[1];
        columns.checked_div(self.heads).unwrap_or(0)
    }

    #[track_caller]
    fn turned(&self, x: &Tensor, start: usize) -> Tensor {
        match &self.rotary {
            Some(rotary) => rotary.forward(x, start),
            None => x.clone(),
        }
    }
}

/// Columns of a head.
#[track_caller]
fn head_width(d_model: usize, heads: usize, groups: usize) -> usize {
    assert!(
        heads > 0 && groups > 0 && d_model.is_multiple_of(heads) && heads.is_multiple_of(groups),
        "multi_head_attention: {d_model} columns, {heads} heads of queries and {groups} of keys: wanted multiples"
    );
    d_model / heads
}

#[track_caller]
fn drawn(d_in: usize, d_out: usize, rng: &mut Rng) -> Linear {
    Linear::with_init(d_in, d_out, Init::glorot_uniform(), rng)
}

/// `x (B, T, N D)` as `(B, N, T, D)`.
#[track_caller]
fn in_heads(x: &Tensor, heads: usize) -> Tensor {
    let &[batch, rows, columns] = x.shape() else {
        panic!(
            "multi_head_attention: x must be (B, T, C), but its projection is {:?}",
            x.shape()
        )
    };
    x.reshape([batch, rows, heads, columns / heads])
        .transpose(1, 2)
}

/// Some rows of a packed projection.
#[track_caller]
fn part(packed: &Linear, x: &Tensor, first: usize, len: usize) -> Tensor {
    let of = |w: &Param| w.narrow(0, first, len);
    x.linear(&of(&packed.weight), packed.bias.as_ref().map(of).as_ref())
}

impl Module for MultiHeadAttention {
    fn visit(&self, path: &mut Path, visitor: &mut dyn Visitor) {
        match &self.project {
            Projections::Packed(qkv) => path.within("qkv", |path| qkv.visit(path, visitor)),
            Projections::Separate { q, k, v } => {
                for (name, layer) in [("q", q), ("k", k), ("v", v)] {
                    path.within(name, |path| layer.visit(path, visitor));
                }
            }
        }
        path.within("out", |path| self.out.visit(path, visitor));
    }
    fn visit_mut(&mut self, path: &mut Path, visitor: &mut dyn VisitorMut) {
        match &mut self.project {
            Projections::Packed(qkv) => path.within("qkv", |path| qkv.visit_mut(path, visitor)),
            Projections::Separate { q, k, v } => {
                for (name, layer) in [("q", q), ("k", k), ("v", v)] {
                    path.within(name, |path| layer.visit_mut(path, visitor));
                }
            }
        }
        path.within("out", |path| self.out.visit_mut(path, visitor));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packed_and_separate_projections_of_the_same_weights_agree() {
        let rng = &mut Rng::new(0);
        for rotary in [None, Some(Rotary::new(8, 10, 1e4))] {
            let mut packed = MultiHeadAttention::grouped(32, 4, 2, rng);
            let mut apart = MultiHeadAttention::separate(32, 32, 4, 2, rng);
            let (Projections::Packed(qkv), Projections::Separate { q, k, v }) =
                (&packed.project, &mut apart.project)
            else {
                unreachable!("just made")
            };
            for (layer, first, len) in [(q, 0, 32), (k, 32, 16), (v, 48, 16)] {
                layer.weight.set(&qkv.weight.narrow(0, first, len));
            }
            apart.out = packed.out.clone();
            (packed.rotary, apart.rotary) = (rotary.clone(), rotary);
            let x = Tensor::randn([2, 5, 32], rng);
            let options = AttentionOptions::new().causal();
            let (y, z) = (
                packed.forward(&x, &options, &Mode::eval()),
                apart.forward(&x, &options, &Mode::eval()),
            );
            let cross = packed.forward_cross(&x, &x, &options, &Mode::eval());
            for other in [z, cross] {
                assert!((&y - other).abs().amax(..).item() < 1e-6);
            }
        }
    }

    #[test]
    fn keys_kept_from_before_give_the_same_rows() {
        let rng = &mut Rng::new(1);
        let attention = MultiHeadAttention::grouped(16, 4, 2, rng).rotary(Rotary::new(4, 20, 1e4));
        let (x, mode) = (Tensor::randn([2, 9, 16], rng), Mode::eval());
        let options = AttentionOptions::new().causal();
        let whole = attention.forward(&x, &options, &mode);
        let (k, v) = attention.keys_values(&x.narrow(1, 0, 6), 0);
        let (q, new_k, new_v) = attention.project(&x.narrow(1, 6, 3), 6);
        let (k, v) = (
            Tensor::concat(&[k, new_k], 2),
            Tensor::concat(&[v, new_v], 2),
        );
        let last = attention.attend(&q, &k, &v, &options, &mode);
        assert!((last - whole.narrow(1, 6, 3)).abs().amax(..).item() < 1e-6);
    }

    #[test]
    fn shares_are_dropped_in_training_alone() {
        let rng = &mut Rng::new(2);
        let attention = MultiHeadAttention::new(8, 2, rng).dropout(0.5);
        let x = Tensor::randn([1, 6, 8], rng);
        let of = |mode: &Mode| {
            attention
                .forward(&x, &AttentionOptions::new(), mode)
                .to_vec::<f32>()
        };
        assert_eq!(of(&Mode::train(1, 0)), of(&Mode::train(1, 0)));
        assert_ne!(of(&Mode::train(1, 0)), of(&Mode::train(1, 1)));
        assert_eq!(of(&Mode::eval()), of(&Mode::eval()));
        assert_ne!(of(&Mode::eval()), of(&Mode::train(1, 0)));
    }

    #[test]
    fn names_are_those_of_the_projections() {
        let rng = &mut Rng::new(3);
        let names = |layer: &MultiHeadAttention| {
            layer
                .named_params()
                .into_iter()
                .map(|(name, _)| name)
                .collect::<Vec<_>>()
        };
        let layer = MultiHeadAttention::new(8, 2, rng);
        assert_eq!(
            names(&layer),
            ["qkv.weight", "qkv.bias", "out.weight", "out.bias"]
        );
        let layer = MultiHeadAttention::separate(8, 6, 2, 1, rng).no_bias();
        assert_eq!(
            names(&layer),
            ["q.weight", "k.weight", "v.weight", "out.weight"]
        );
    }

    #[test]
    #[should_panic(expected = "10 columns, 4 heads of queries and 4 of keys: wanted multiples")]
    fn columns_that_heads_cannot_share_are_refused() {
        let _layer = MultiHeadAttention::new(10, 4, &mut Rng::new(0));
    }
}
