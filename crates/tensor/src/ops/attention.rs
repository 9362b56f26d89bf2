//! Attention of queries on keys and values.

use super::dropout::scale as kept_scale;
use super::{AttentionOptions, want_float};
use crate::dtype::with_float;
use crate::shape::{Dims, Layout};
use crate::tape::{Back, record_fused, tracked};
use crate::{Dtype, Tensor, count};
use eras_kernels::attention::{self as kernel, Dropout, Inputs, Results, Scores, Shape};
use eras_kernels::buffer::Plain;

impl Tensor {
    /// Scaled dot-product attention of these queries: `softmax(c q kᵀ) v`, head by head (Vaswani et al. 2017,
    /// arXiv:1706.03762), in one operation that never holds the scores of a head (Dao et al. 2022, arXiv:2205.14135).
    ///
    /// Shapes: `q (B, H, T, D)`, `k (B, G, S, D)`, `v (B, G, S, E)` to `(B, H, T, E)`. With fewer heads of keys than of
    /// queries, `H / G` neighbours share one (Ainslie et al. 2023, "GQA", arXiv:2305.13245). Views are read as they lie:
    /// heads that are parts of one projection need no copy. The result lies in memory as `(B, T, H, E)`, so that its heads
    /// are joined without a copy, too.
    ///
    /// A query that sees no key gets 0, and its gradient is 0. 16-bit floats are computed in `f32`.
    ///
    /// ```
    /// use eras::prelude::*;
    ///
    /// let rng = &mut Rng::new(0);
    /// let q = Tensor::randn([2, 4, 5, 8], rng);
    /// let (k, v) = (Tensor::randn([2, 2, 7, 8], rng), Tensor::randn([2, 2, 7, 3], rng));
    /// let y = q.attention(&k, &v, &AttentionOptions::new().causal());
    /// assert_eq!(y.shape(), [2, 4, 5, 3]);
    /// ```
    ///
    /// # Panics
    /// If the shapes do not fit each other or the options, or the dtypes differ or are no floats.
    #[must_use]
    #[track_caller]
    pub fn attention(&self, k: &Self, v: &Self, options: &AttentionOptions) -> Self {
        let op = "attention";
        want_float(op, self);
        let (q_dims, k_dims, v_dims) = (self.shape(), k.shape(), v.shape());
        let (&[batch, heads, queries, width], &[b, groups, keys, w], &[bv, gv, kv, value_width]) =
            (q_dims, k_dims, v_dims)
        else {
            panic!(
                "{op}: q {q_dims:?}, k {k_dims:?} and v {v_dims:?} must be (B, H, T, D), (B, G, S, D) and (B, G, S, E)"
            )
        };
        assert!(
            (b, w) == (batch, width) && (bv, gv, kv) == (batch, groups, keys),
            "{op}: q {q_dims:?}, k {k_dims:?} and v {v_dims:?} do not fit as (B, H, T, D), (B, G, S, D) and (B, G, S, E)"
        );
        want_groups(op, heads, groups);
        assert!(
            self.dtype() == k.dtype() && self.dtype() == v.dtype(),
            "{op}: q {}, k {} and v {} differ; convert with to_dtype",
            self.dtype(),
            k.dtype(),
            v.dtype()
        );
        let shape = Shape {
            batch,
            heads,
            groups,
            queries,
            keys,
            width,
            value_width,
        };
        options.check(op, &shape);
        if self.dtype().is_half() {
            let [q, k, v] = [self, k, v].map(|x| x.to_dtype(Dtype::F32));
            return q.attention(&k, &v, options).to_dtype(self.dtype());
        }
        if options.wants_definition() {
            return definition(self, k, v, options);
        }
        let call = Call::new(shape, options, self.dtype());
        let parts = [self, k, v].map(Self::detach);
        let (y, kept) = call.forward(&parts);
        let options = options.clone();
        let result = y.clone();
        record_fused(
            op,
            y.transpose(1, 2),
            [self, k, v],
            move |[q, k, v]| definition(q, k, v, &options),
            move |back| call.backward(&parts, &result, &kept, back),
        )
    }

    /// [`attention`](Self::attention) of queries, keys and values that lie beside each other, as one projection makes them;
    /// their gradients do, too.
    ///
    /// Shapes: `x (B, T, (H + 2 G) D)`, which is `q (H, D)`, `k (G, D)` and `v (G, D)` at each place, to `(B, T, H D)`.
    ///
    /// ```
    /// use eras::prelude::*;
    ///
    /// let x = Tensor::randn([2, 5, 3 * 32], &mut Rng::new(0)); // as of Linear::new(32, 96)
    /// let y = x.attention_packed(4, 4, &AttentionOptions::new().causal());
    /// assert_eq!(y.shape(), [2, 5, 32]);
    /// ```
    ///
    /// # Panics
    /// If the last axis is not `H + 2 G` parts of one length, or as `attention` does.
    #[must_use]
    #[track_caller]
    pub fn attention_packed(
        &self,
        heads: usize,
        groups: usize,
        options: &AttentionOptions,
    ) -> Self {
        let op = "attention_packed";
        want_float(op, self);
        want_groups(op, heads, groups);
        let parts = groups.saturating_mul(2).saturating_add(heads);
        let &[batch, rows, all] = self.shape() else {
            panic!("{op}: x {:?} must be (B, T, (H + 2 G) D)", self.shape())
        };
        assert!(
            parts > 0 && all.is_multiple_of(parts),
            "{op}: x {:?} must end in a multiple of {parts}: {heads} heads of queries, {groups} of keys and of values",
            self.shape()
        );
        let width = all / parts;
        let shape = Shape {
            batch,
            heads,
            groups,
            queries: rows,
            keys: rows,
            width,
            value_width: width,
        };
        options.check(op, &shape);
        if self.dtype().is_half() {
            let x = self.to_dtype(Dtype::F32);
            return x
                .attention_packed(heads, groups, options)
                .to_dtype(self.dtype());
        }
        if options.wants_definition() {
            return packed_definition(self, &shape, options);
        }
        let call = Call::new(shape, options, self.dtype());
        let parts = unpacked(&self.detach(), &shape);
        let (y, kept) = call.forward(&parts);
        let options = options.clone();
        let result = y.clone();
        record_fused(
            op,
            y.reshape([batch, rows, heads * width]),
            [self],
            move |[x]| packed_definition(x, &shape, &options),
            move |back| [Some(call.backward_packed(&parts, &result, &kept, back))],
        )
    }
}

impl AttentionOptions {
    /// Whether the bias wants a gradient, which the kernel does not compute.
    #[track_caller]
    fn wants_definition(&self) -> bool {
        self.bias.as_ref().is_some_and(|bias| tracked(&[bias]))
    }
}

#[track_caller]
fn want_groups(op: &str, heads: usize, groups: usize) {
    assert!(
        heads.checked_rem(groups) == Some(0) || (heads, groups) == (0, 0),
        "{op}: {heads} heads of queries cannot share {groups} heads of keys: wanted a multiple"
    );
}

/// `q (B, H, T, D)`, `k` and `v (B, G, T, D)` as views of `x (B, T, (H + 2 G) D)`.
fn unpacked(x: &Tensor, shape: &Shape) -> [Tensor; 3] {
    let &Layout {
        strides, offset, ..
    } = x.layout();
    let head = shape.width * strides[2];
    let part = |first: usize, heads: usize| {
        x.with_layout(Layout {
            dims: [shape.batch, heads, shape.queries, shape.width].into(),
            strides: [strides[0], head, strides[1], strides[2]].into(),
            offset: offset + first * head,
        })
    };
    let Shape { heads, groups, .. } = *shape;
    [
        part(0, heads),
        part(heads, groups),
        part(heads + groups, groups),
    ]
}

/// A call of the kernel, with what it looks up.
struct Call {
    shape: Shape,
    dtype: Dtype,
    options: AttentionOptions,
    /// Both spread over `(B, H, T, S)`.
    mask: Option<Tensor>,
    bias: Option<Tensor>,
}

impl Call {
    fn new(shape: Shape, options: &AttentionOptions, dtype: Dtype) -> Self {
        let dims = [shape.batch, shape.heads, shape.queries, shape.keys];
        let spread = |x: &Tensor| x.detach().expand(dims);
        Self {
            shape,
            dtype,
            mask: options.mask.as_ref().map(spread),
            bias: options
                .bias
                .as_ref()
                .map(|bias| spread(&bias.detach().to_dtype(dtype))),
            options: options.clone(),
        }
    }

    /// Calls `run` with what the kernel is told of the scores.
    #[track_caller]
    fn with_scores<T: Plain, R>(&self, run: impl FnOnce(&Scores<'_, T>) -> R) -> R {
        let options = &self.options;
        let rng = options.dropout.as_ref().map(|(_, rng)| rng);
        let draw = rng.map(|rng| {
            kernel::draws(
                #[inline(always)]
                |i| rng.block(i),
            )
        });
        let dropout = options.dropout.as_ref().zip(draw.as_ref());
        run(&Scores {
            scale: options.scale_of(&self.shape),
            causal: options.causal,
            window: options.window,
            lengths: options.key_lengths.as_deref(),
            mask: self.mask.as_ref().map(Tensor::view),
            bias: self.bias.as_ref().map(Tensor::view),
            slopes: options.slopes.as_deref(),
            dropout: dropout
                .filter(|((p, _), _)| *p > 0.0)
                .map(|((p, _), draw)| Dropout {
                    p: *p,
                    scale: kept_scale(*p),
                    draw,
                }),
        })
    }

    /// Counts products of `widths` in all for each pair of a query and a key.
    fn count<T: eras_kernels::Float>(&self, scores: &Scores<'_, T>, widths: usize) {
        count::product(1, (scores.pairs(&self.shape), widths, 1));
    }

    /// The result `(B, T, H, E)` and what is kept of each query, without history.
    #[track_caller]
    fn forward(&self, [q, k, v]: &[Tensor; 3]) -> (Tensor, Tensor) {
        let Shape {
            batch,
            heads,
            queries,
            width,
            value_width,
            ..
        } = self.shape;
        let mut kept = None;
        let y = with_float!(self.dtype, T => self.with_scores::<T, _>(|scores| {
            let inputs = Inputs { q: q.view(), k: k.view(), v: v.view() };
            let dims = [batch, queries, heads, value_width].into();
            Tensor::build::<T>(self.dtype, dims, |y| {
                let dims = [batch, heads, queries].into();
                kept = Some(Tensor::build::<T>(self.dtype, dims, |kept| {
                    self.count(scores, width + value_width);
                    kernel::forward(y, kept, self.shape, &inputs, scores);
                }));
            })
        }));
        (y, kept.expect("just built"))
    }

    /// The gradients of queries, keys and values.
    #[track_caller]
    fn backward(
        &self,
        [q, k, v]: &[Tensor; 3],
        y: &Tensor,
        kept: &Tensor,
        back: &Back<'_>,
    ) -> [Option<Tensor>; 3] {
        let Shape {
            batch,
            heads,
            groups,
            queries,
            keys,
            width,
            value_width,
        } = self.shape;
        let dy = back.dy;
        let wants = [0, 1, 2].map(|i| back.wants(i));
        let by_scores = if wants[0] || wants[1] { value_width } else { 0 };
        let own = [width, width, value_width];
        let own: usize = (0..3).filter(|i| wants[*i]).map(|i| own[i]).sum();
        let (mut dk, mut dv) = (None, None);
        let dq = with_float!(self.dtype, T => self.with_scores::<T, _>(|scores| {
            self.count(scores, width + by_scores + own);
            let inputs = Inputs { q: q.view(), k: k.view(), v: v.view() };
            let results = Results { y: y.data(), kept: kept.data(), dy: dy.view() };
            wanted::<T>(wants[0], self.dtype, [batch, queries, heads, width], |dq| {
                dk = wanted::<T>(wants[1], self.dtype, [batch, keys, groups, width], |dk| {
                    dv = wanted::<T>(wants[2], self.dtype, [batch, keys, groups, value_width], |dv| {
                        kernel::backward(dq, dk, dv, self.shape, &inputs, &results, scores);
                    });
                });
            })
        }));
        [dq, dk, dv].map(|gradient| gradient.map(|x| x.transpose(1, 2)))
    }

    /// The gradients of all three beside each other.
    #[track_caller]
    fn backward_packed(
        &self,
        [q, k, v]: &[Tensor; 3],
        y: &Tensor,
        kept: &Tensor,
        back: &Back<'_>,
    ) -> Tensor {
        let Shape {
            batch,
            heads,
            groups,
            queries,
            width,
            ..
        } = self.shape;
        let dy = back
            .dy
            .reshape([batch, queries, heads, width])
            .transpose(1, 2);
        let dims = [batch, queries, (heads + 2 * groups) * width];
        with_float!(self.dtype, T => self.with_scores::<T, _>(|scores| {
            self.count(scores, 5 * width);
            let inputs = Inputs { q: q.view(), k: k.view(), v: v.view() };
            let results = Results { y: y.data(), kept: kept.data(), dy: dy.view() };
            Tensor::build::<T>(self.dtype, dims.into(), |dx| {
                kernel::backward_packed(dx, self.shape, &inputs, &results, scores);
            })
        }))
    }
}

/// A new tensor that `fill` writes, if it is wanted; else `fill` gets nothing to write to.
#[track_caller]
pub(super) fn wanted<T: Plain>(
    wanted: bool,
    dtype: Dtype,
    dims: impl Into<Dims>,
    fill: impl FnOnce(Option<&mut [T]>),
) -> Option<Tensor> {
    if wanted {
        return Some(Tensor::build::<T>(dtype, dims.into(), |x| fill(Some(x))));
    }
    fill(None);
    None
}

/// What [`Tensor::attention`] means.
fn definition(q: &Tensor, k: &Tensor, v: &Tensor, options: &AttentionOptions) -> Tensor {
    let shape = Shape {
        batch: q.shape()[0],
        heads: q.shape()[1],
        groups: k.shape()[1],
        queries: q.shape()[2],
        keys: k.shape()[2],
        width: q.shape()[3],
        value_width: v.shape()[3],
    };
    let shared = shape.heads.checked_div(shape.groups).unwrap_or(1);
    let [k, v] = [k, v].map(|x| x.repeat_interleave(1, shared));
    let mut scores = q.matmul(&k.transpose(2, 3)) * options.scale_of(&shape);
    if shape.keys == 0 {
        return scores.matmul(&v);
    }
    if let Some(bias) = &options.bias {
        scores += &bias.to_dtype(q.dtype());
    }
    // How far the key lies behind the place of the query: (T, S).
    let place = Tensor::arange(shape.queries)
        .unsqueeze(1)
        .to_dtype(Dtype::F64);
    let place = place + (shape.keys as f64 - shape.queries as f64);
    let away = place - Tensor::arange(shape.keys).to_dtype(Dtype::F64);
    if let Some(slopes) = &options.slopes {
        let slopes = Tensor::from_slice(slopes, [shape.heads, 1, 1]);
        scores = scores - (slopes * away.abs()).to_dtype(q.dtype());
    }
    if let Some(mask) = &options.mask {
        scores = scores.masked_fill(&mask.logical_not(), f64::NEG_INFINITY);
    }
    if options.causal {
        scores = scores.masked_fill(&away.lt(0.0), f64::NEG_INFINITY);
    }
    if let Some(window) = options.window {
        scores = scores.masked_fill(&away.abs().ge(window as f64), f64::NEG_INFINITY);
    }
    if let Some(lengths) = &options.key_lengths {
        let lengths: Vec<i64> = lengths.iter().map(|n| *n as i64).collect();
        let lengths = Tensor::from_slice(&lengths, [shape.batch, 1, 1, 1]);
        let padding = Tensor::arange(shape.keys).ge(&lengths);
        scores = scores.masked_fill(&padding, f64::NEG_INFINITY);
    }
    // The softmax, but 0 where nothing is seen.
    let max = scores.detach().amax_keepdim(-1);
    let max = max.masked_fill(&max.eq(f64::NEG_INFINITY), 0.0);
    let exp = (scores - max).exp();
    let sum = exp.sum_keepdim(-1);
    let mut shares = &exp / sum.masked_fill(&sum.eq(0.0), 1.0);
    if let Some((p, rng)) = &options.dropout {
        // The random numbers of a query begin with a block of four.
        let more = shape.keys.next_multiple_of(4) - shape.keys;
        let zeros = crate::PadMode::Constant(0.0);
        let padded = shares.pad(&[(0, more as isize)], zeros);
        shares = padded.dropout(*p, rng).narrow(3, 0, shape.keys);
    }
    shares.matmul(&v)
}

/// What [`Tensor::attention_packed`] means.
fn packed_definition(x: &Tensor, shape: &Shape, options: &AttentionOptions) -> Tensor {
    let Shape {
        batch,
        heads,
        groups,
        queries,
        width,
        ..
    } = *shape;
    let all = x
        .reshape([batch, queries, heads + 2 * groups, width])
        .transpose(1, 2);
    let parts = all.split(1, &[heads, groups, groups]);
    definition(&parts[0], &parts[1], &parts[2], options)
        .transpose(1, 2)
        .reshape([batch, queries, heads * width])
}

#[cfg(test)]
pub(crate) fn checks() -> Vec<crate::checks::Check> {
    use crate::Rng;
    use crate::checks::{Check, normal};
    let new = AttentionOptions::new;
    let mask = |dims: &[usize], seed: u64| normal(dims, seed).gt(-0.5);
    let all = || {
        new()
            .causal()
            .window(5)
            .scale(0.4)
            .alibi([0.5, 0.1, 0.25, 1.0])
            .key_lengths([6, 9])
            .mask(&mask(&[2, 1, 7, 9], 5))
            .bias(&normal([4, 1, 9], 6))
            .dropout(0.3, &Rng::new(7))
    };
    // q, k, v.
    type Shapes = [[usize; 4]; 3];
    let same = |b, h, t, d| [[b, h, t, d]; 3];
    let samples: Vec<(Shapes, AttentionOptions)> = vec![
        (same(2, 3, 5, 4), new()),
        (same(1, 1, 1, 1), new()),
        (same(2, 1, 40, 3), new().causal()),
        ([[1, 4, 7, 5], [1, 2, 9, 5], [1, 2, 9, 3]], new().causal()),
        ([[2, 4, 7, 5], [2, 2, 9, 5], [2, 2, 9, 3]], all()),
        ([[1, 2, 6, 4], [1, 1, 3, 4], [1, 1, 3, 4]], new().causal()),
        ([[1, 2, 6, 4], [1, 2, 3, 4], [1, 2, 3, 4]], new().window(2)),
        (same(2, 2, 35, 4), new().window(3).causal()),
        (same(2, 2, 35, 4), new().dropout(0.5, &Rng::at(1, 2, 3))),
        (same(1, 1, 5, 2), new().dropout(1.0, &Rng::new(0))),
        (same(1, 1, 5, 2), new().dropout(0.0, &Rng::new(0))),
        (same(2, 3, 6, 4), new().mask(&mask(&[2, 1, 1, 6], 3))),
        (same(2, 3, 6, 4), new().mask(&mask(&[6, 6], 3)).causal()),
        (same(2, 3, 6, 4), new().bias(&normal([2, 3, 6, 6], 3))),
        (same(2, 3, 6, 4), new().key_lengths([0, 4])),
        (same(0, 2, 3, 4), new()),
        (same(2, 2, 3, 0), new()),
        ([[2, 2, 0, 3], [2, 2, 4, 3], [2, 2, 4, 5]], new()),
        ([[2, 2, 4, 3], [2, 2, 0, 3], [2, 2, 0, 5]], new().causal()),
        ([[2, 2, 4, 3], [2, 2, 4, 3], [2, 2, 4, 0]], new()),
        // More keys than a tile, more queries than a task.
        (
            [[1, 2, 70, 8], [1, 1, 300, 8], [1, 1, 300, 16]],
            new().causal(),
        ),
    ];
    let mut check = Check::new("attention");
    for (i, (shapes, options)) in samples.into_iter().enumerate() {
        let inputs: Vec<Tensor> = (0..3)
            .map(|j| normal(shapes[j], 3 * i as u64 + j as u64))
            .collect();
        let meant = options.clone();
        check = check
            .case(inputs, move |x| x[0].attention(&x[1], &x[2], &options))
            .defined_by(move |x| definition(&x[0], &x[1], &x[2], &meant));
    }
    let x = same(2, 2, 4, 3).map(|dims| normal(dims, 8));
    // A bias with a gradient of its own; parts of one projection.
    let check = check
        .case([x.as_slice(), &[normal([2, 4, 4], 4)]].concat(), |x| {
            let options = AttentionOptions::new().causal().bias(&x[3]);
            x[0].attention(&x[1], &x[2], &options)
        })
        .case([normal([2, 5, 3, 2, 4], 1)], |x| {
            let part = |i: usize| x[0].select(2, i).transpose(1, 2);
            part(0).attention(&part(1), &part(2), &AttentionOptions::new())
        });
    let mut packed = Check::new("attention_packed");
    let samples = [
        ([2, 5, 3 * 2 * 4], 2, 2, new()),
        ([2, 35, 3 * 3], 3, 3, new().causal()),
        (
            [2, 6, 8 * 3],
            4,
            2,
            new().causal().dropout(0.2, &Rng::new(3)),
        ),
        (
            [2, 6, 8 * 3],
            4,
            2,
            new().mask(&mask(&[6, 6], 1)).bias(&normal([4, 6, 6], 2)),
        ),
        ([0, 6, 8], 4, 2, new()),
        ([2, 0, 8], 4, 2, new()),
        ([2, 3, 0], 1, 1, new()),
    ];
    for (i, (dims, heads, groups, options)) in samples.into_iter().enumerate() {
        let meant = options.clone();
        packed = packed
            .case([normal(dims, i as u64)], move |x| {
                x[0].attention_packed(heads, groups, &options)
            })
            .defined_by(move |x| {
                let width = x[0].shape()[2] / (heads + 2 * groups);
                let shape = Shape {
                    batch: x[0].shape()[0],
                    heads,
                    groups,
                    queries: x[0].shape()[1],
                    keys: x[0].shape()[1],
                    width,
                    value_width: width,
                };
                packed_definition(&x[0], &shape, &meant)
            });
    }
    packed = packed.case([normal([1, 4, 6], 1), normal([4, 4], 2)], |x| {
        x[0].attention_packed(1, 1, &AttentionOptions::new().bias(&x[1]))
    });
    let zeros = |dims: &[usize]| Tensor::zeros(dims);
    #[track_caller]
    fn of(options: &AttentionOptions) -> Tensor {
        let [q, k, v] = [[2, 4, 3, 8], [2, 2, 5, 8], [2, 2, 5, 6]].map(|dims| Tensor::zeros(dims));
        q.attention(&k, &v, options)
    }
    vec![
        check
            .bad(
                "attention: q [3, 8], k [2, 2, 5, 8] and v [2, 2, 5, 6] must be (B, H, T, D), (B, G, S, D) and (B, G, S, E)",
                move || zeros(&[3, 8]).attention(&zeros(&[2, 2, 5, 8]), &zeros(&[2, 2, 5, 6]), &new()),
            )
            .bad(
                "attention: q [2, 4, 3, 8], k [2, 2, 5, 7] and v [2, 2, 5, 6] do not fit",
                move || zeros(&[2, 4, 3, 8]).attention(&zeros(&[2, 2, 5, 7]), &zeros(&[2, 2, 5, 6]), &new()),
            )
            .bad(
                "attention: 4 heads of queries cannot share 3 heads of keys",
                move || zeros(&[2, 4, 3, 8]).attention(&zeros(&[2, 3, 5, 8]), &zeros(&[2, 3, 5, 6]), &new()),
            )
            .bad("attention: q f64, k f32 and v f32 differ", move || {
                let q = zeros(&[1, 1, 1, 1]).to_dtype(Dtype::F64);
                q.attention(&zeros(&[1, 1, 1, 1]), &zeros(&[1, 1, 1, 1]), &new())
            })
            .bad("attention: wants floats", move || {
                let x = zeros(&[1, 1, 1, 1]).to_dtype(Dtype::I64);
                x.attention(&x, &x, &new())
            })
            .bad("attention: the mask [3, 5] must hold truth values, not f32", move || {
                of(&new().mask(&zeros(&[3, 5])))
            })
            .bad(
                "attention: the mask [2, 3, 5] does not broadcast to (B, H, T, S) = [2, 4, 3, 5]",
                move || of(&new().mask(&zeros(&[2, 3, 5]).eq(0.0))),
            )
            .bad("attention: the bias [1, 2, 4, 3, 5] does not broadcast", move || {
                of(&new().bias(&zeros(&[1, 2, 4, 3, 5])))
            })
            .bad("attention: key lengths [5, 6] must be 2 numbers up to 5", move || {
                of(&new().key_lengths([5, 6]))
            })
            .bad("attention: slopes [1.0, 0.5] must be 4 finite numbers", move || of(&new().alibi([1.0, 0.5])))
            .bad("attention: scale must be finite, not inf", move || {
                of(&new().scale(f64::INFINITY))
            })
            .bad("attention: p is the part to drop, from 0 to 1, not 2", move || {
                of(&new().dropout(2.0, &Rng::new(0)))
            }),
        packed
            .bad("attention_packed: x [3, 12] must be (B, T, (H + 2 G) D)", move || {
                zeros(&[3, 12]).attention_packed(2, 2, &new())
            })
            .bad(
                "attention_packed: x [2, 3, 10] must end in a multiple of 6: 2 heads of queries, 2 of keys",
                move || zeros(&[2, 3, 10]).attention_packed(2, 2, &new()),
            )
            .bad("attention_packed: 3 heads of queries cannot share 2", move || {
                zeros(&[2, 3, 14]).attention_packed(3, 2, &new())
            }),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Rng;

    #[test]
    fn two_keys_by_hand() {
        // Scores 0 and ln 3: shares 1/4 and 3/4.
        let q = Tensor::from([[[[1.0f64]]]]).requires_grad();
        let k = Tensor::from([[[[0.0], [3f64.ln()]]]]).requires_grad();
        let v = Tensor::from([[[[4.0f64], [8.0]]]]).requires_grad();
        let y = q.attention(&k, &v, &AttentionOptions::new());
        assert!((y.item() - 7.0).abs() < 1e-14);
        let grads = y.sum(..).backward();
        crate::checks::assert_close(&grads[&v], &Tensor::from([[[[0.25], [0.75]]]]), 1e-14, 0.0);
        // ds = p (v - y) = ∓ 3/4
        crate::checks::assert_close(&grads[&k], &Tensor::from([[[[-0.75], [0.75]]]]), 1e-14, 0.0);
        assert!((grads[&q].item() - 0.75 * 3f64.ln()).abs() < 1e-14);
    }

    #[test]
    fn a_query_that_sees_nothing_gets_nothing_and_passes_no_gradient() {
        let rng = &mut Rng::new(0);
        let x = Tensor::randn([1, 2, 4, 3], rng).requires_grad();
        let seen = Tensor::arange(4).ne(&Tensor::from([2i64])).reshape([4, 1]);
        let y = x.attention(&x, &x, &AttentionOptions::new().mask(&seen));
        assert_eq!(y.select(2, 2).to_vec::<f32>(), [0.0; 6]);
        let inf = Tensor::full([4, 1], f64::NEG_INFINITY, Dtype::F32);
        let bias = seen.where_(&Tensor::zeros([4, 1]), &inf);
        let z = x.attention(&x, &x, &AttentionOptions::new().bias(&bias));
        assert_eq!(y.to_vec::<f32>(), z.to_vec::<f32>());
        let only = y.select(2, 2).sum(..).backward();
        assert_eq!(only[&x].to_vec::<f32>(), [0.0; 24]);
    }

    #[test]
    fn the_future_does_not_leak_into_the_past_and_the_window_forgets() {
        let rng = &mut Rng::new(1);
        let [q, k, v] = [0; 3].map(|_| Tensor::randn([1, 1, 50, 4], rng));
        let options = AttentionOptions::new().causal().window(10);
        let y = q.attention(&k, &v, &options);
        let other = Tensor::concat(
            &[
                v.narrow(2, 0, 20),
                v.narrow(2, 20, 1) + 1.0,
                v.narrow(2, 21, 29),
            ],
            2,
        );
        let z = q.attention(&k, &other, &options);
        let differ: Vec<usize> = (0..50)
            .filter(|t| y.select(2, *t).to_vec::<f32>() != z.select(2, *t).to_vec::<f32>())
            .collect();
        assert_eq!(differ, (20..30).collect::<Vec<_>>());
    }

    #[test]
    fn keys_from_before_give_the_last_rows_of_the_whole() {
        let rng = &mut Rng::new(2);
        let [q, k, v] = [0; 3].map(|_| Tensor::randn([2, 3, 40, 8], rng));
        let options = AttentionOptions::new().causal().alibi([0.5, 0.25, 0.125]);
        let whole = q.attention(&k, &v, &options);
        let last = q.narrow(2, 33, 7).attention(&k, &v, &options);
        crate::checks::assert_close(&last, &whole.narrow(2, 33, 7), 1.3e-6, 1e-5);
    }

    #[test]
    fn pairs_that_see_each_other_are_counted_forward_and_backward() {
        let x = Tensor::ones([2, 3, 8, 4]).requires_grad();
        let pairs = 2 * 3 * (8 * 9 / 2);
        let before = count::flops();
        let y = x.attention(&x, &x, &AttentionOptions::new().causal());
        assert_eq!(count::flops() - before, 2 * pairs * (4 + 4));
        let _grads = y.sum(..).backward();
        assert_eq!(count::flops() - before, 2 * pairs * (2 + 5) * 4);
    }

    #[test]
    fn no_scores_are_held() {
        let x = Tensor::randn([1, 1, 2000, 4], &mut Rng::new(3)).requires_grad();
        let before = count::bytes();
        let y = x.attention(&x, &x, &AttentionOptions::new().causal());
        // Result and what is kept of each query.
        assert_eq!(count::bytes() - before, 4 * 2000 * (4 + 1));
        drop(y.sum(..).backward());
    }

    #[test]
    fn shares_are_dropped_in_the_part_asked_for() {
        // Equal scores and ones as values: each result is the kept part over 1 - p.
        let x = Tensor::zeros([1, 1, 200, 1]);
        let v = Tensor::ones([1, 1, 500, 1]);
        let options = AttentionOptions::new().dropout(0.2, &Rng::new(4));
        let y = x.attention(&Tensor::zeros([1, 1, 500, 1]), &v, &options);
        // Five standard deviations of the mean of 100,000 draws: 5 √(0.2 · 0.8 / 10⁵) / 0.8
        assert!((y.mean(..).item() - 1.0).abs() < 0.008);
        let rows = y.to_vec::<f32>();
        assert!(rows.iter().any(|row| *row != rows[0]));
    }
}
