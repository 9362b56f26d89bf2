//! The operations on tensors.

use super::random::{length, width};
use super::{Entry, Random, entries};
use eras::{AttentionOptions, ConvOptions, CustomOp, Dtype, Interpolation, Pairing, PerAxis};
use eras::{Rng, Tensor, Window};
use eras::{checkpoint, custom, grad, no_grad};

/// Operations without arguments, and those that take one other tensor.
macro_rules! plain {
    ($($one:ident)*; $($two:ident)*) => {
        &[
            $((stringify!($one), |r| vec![r.floats().$one()]),)*
            $((stringify!($two), |r| {
                let x = if r.once_in(3) { r.tensor() } else { r.floats() };
                let y = r.partner(&x);
                vec![x.$two(&y)]
            }),)*
        ]
    };
}

pub(crate) const PLAIN: &[Entry] = plain! {
    abs acos acosh asin asinh atan atanh ceil cos cosh erf erfc exp exp2 exp_m1 floor frac gelu gelu_tanh
    hardsigmoid hardswish is_finite is_infinite is_nan ln ln_1p log10 log2 log_sigmoid mish neg recip relu relu6
    round rsqrt selu sigmoid sign silu sin sinh softsign sqr sqrt tan tanh tanhshrink trunc;
    add atan2 div eq fmod ge gt le lt maximum minimum mul ne pow remainder sub
};

pub(crate) const TENSORS: &[Entry] = entries! {
    // Numbers as arguments
    add_scalar: |r| r.tensor().add_scalar(r.number());
    mul_scalar: |r| r.tensor().mul_scalar(r.number());
    powf: |r| r.floats().powf(r.number());
    powi: |r| r.floats().powi(r.pick(&[0, 1, 2, 3, -1, -2, i32::MIN, i32::MAX]));
    clamp: |r| r.floats().clamp(r.number(), r.number());
    hardtanh: |r| r.floats().hardtanh(r.number(), r.number());
    leaky_relu: |r| r.floats().leaky_relu(r.number());
    elu: |r| r.floats().elu(r.number());
    celu: |r| r.floats().celu(r.number());
    softplus: |r| r.floats().softplus(r.number(), r.number());
    lerp: |r| { let x = r.floats(); x.lerp(&r.partner(&x), r.number()) };
    softshrink: |r| r.floats().softshrink(r.number());
    hardshrink: |r| r.floats().hardshrink(r.number());
    threshold: |r| r.floats().threshold(r.number(), r.number());
    operators: |r| {
        let (x, c) = (r.tensor(), r.number());
        let y = r.partner(&x);
        match r.pick(&[0, 1, 2, 3, 4, 5, 6]) {
            0 => &x + &y,
            1 => x - y,
            2 => c * &x,
            3 => x / c,
            4 => c - x,
            5 => -x,
            _ => {
                let mut x = x;
                x += &y;
                x
            }
        }
    };
    compared: |r| {
        let (x, c) = (r.tensor(), r.number());
        vec![x.eq(c), x.lt(c), x.ge(r.pick(&[0, -1, i32::MIN, i32::MAX]))]
    };
    to_dtype: |r| r.tensor().to_dtype(r.dtype());

    // Truth values
    where_: |r| {
        let a = r.tensor();
        let (mask, b) = (r.mask(&a), r.partner(&a));
        mask.where_(&a, &b)
    };
    logical_and: |r| { let x = r.of(&[2, 3], Dtype::Bool); x.logical_and(&r.partner(&x)) };
    logical_or: |r| { let x = r.of(&[2, 3], Dtype::Bool); x.logical_or(&r.partner(&x)) };
    logical_xor: |r| { let x = r.of(&[2, 3], Dtype::Bool); x.logical_xor(&r.partner(&x)) };
    logical_not: |r| r.of(&[2, 3], Dtype::Bool).logical_not();
    any: |r| { let x = r.of(&[2, 3], Dtype::Bool); x.any(r.axes(&x)) };
    any_keepdim: |r| { let x = r.of(&[2, 3], Dtype::Bool); x.any_keepdim(r.axes(&x)) };
    all: |r| { let x = r.of(&[2, 3], Dtype::Bool); x.all(r.axes(&x)) };
    all_keepdim: |r| { let x = r.of(&[2, 3], Dtype::Bool); x.all_keepdim(r.axes(&x)) };

    // Reductions
    sum: |r| { let x = r.tensor(); x.sum(r.axes(&x)) };
    sum_keepdim: |r| { let x = r.tensor(); x.sum_keepdim(r.axes(&x)) };
    mean: |r| { let x = r.floats(); x.mean(r.axes(&x)) };
    mean_keepdim: |r| { let x = r.floats(); x.mean_keepdim(r.axis(&x)) };
    prod: |r| { let x = r.floats(); x.prod(r.axes(&x)) };
    prod_keepdim: |r| { let x = r.floats(); x.prod_keepdim(..) };
    amax: |r| { let x = r.tensor(); x.amax(r.axes(&x)) };
    amax_keepdim: |r| { let x = r.tensor(); x.amax_keepdim(r.axes(&x)) };
    amin: |r| { let x = r.tensor(); x.amin(r.axes(&x)) };
    amin_keepdim: |r| { let x = r.tensor(); x.amin_keepdim(r.axes(&x)) };
    count_nonzero: |r| { let x = r.tensor(); x.count_nonzero(r.axes(&x)) };
    count_nonzero_keepdim: |r| { let x = r.tensor(); x.count_nonzero_keepdim(r.axes(&x)) };
    var: |r| { let x = r.floats(); x.var(r.size(), r.axes(&x)) };
    var_keepdim: |r| { let x = r.floats(); x.var_keepdim(r.size(), r.axes(&x)) };
    std: |r| { let x = r.floats(); x.std(r.size(), r.axes(&x)) };
    std_keepdim: |r| { let x = r.floats(); x.std_keepdim(r.size(), r.axes(&x)) };
    norm: |r| { let x = r.floats(); x.norm(r.number(), r.axes(&x)) };
    norm_keepdim: |r| { let x = r.floats(); x.norm_keepdim(r.number(), r.axes(&x)) };
    logsumexp: |r| { let x = r.floats(); x.logsumexp(r.axes(&x)) };
    logsumexp_keepdim: |r| { let x = r.floats(); x.logsumexp_keepdim(r.axes(&x)) };
    softmax: |r| { let x = r.floats(); x.softmax(r.axis(&x)) };
    log_softmax: |r| { let x = r.floats(); x.log_softmax(r.axis(&x)) };

    // Orders
    argmax: |r| { let x = r.tensor(); x.argmax(r.axis(&x)) };
    argmax_keepdim: |r| { let x = r.tensor(); x.argmax_keepdim(r.axis(&x)) };
    argmin: |r| { let x = r.tensor(); x.argmin(r.axis(&x)) };
    argmin_keepdim: |r| { let x = r.tensor(); x.argmin_keepdim(r.axis(&x)) };
    sort: |r| { let x = r.tensor(); x.sort(r.axis(&x), r.flag()) };
    argsort: |r| { let x = r.tensor(); x.argsort(r.axis(&x), r.flag()) };
    topk: |r| { let x = r.tensor(); let axis = r.axis(&x); x.topk(r.place(&x, axis), axis) };
    cumsum: |r| { let x = r.tensor(); x.cumsum(r.axis(&x)) };

    // Views
    reshape: |r| { let x = r.tensor(); x.reshape(r.shape_for(&x)) };
    permute: |r| {
        let x = r.floats_of_rank(3);
        x.permute(if r.flag() { [2, 0, 1] } else { [r.axis(&x), r.axis(&x), r.axis(&x)] })
    };
    transpose: |r| { let x = r.tensor(); x.transpose(r.axis(&x), r.axis(&x)) };
    t: |r| r.tensor().t();
    expand: |r| { let x = r.tensor(); x.expand(r.wider(&x)) };
    narrow: |r| {
        let x = r.tensor();
        let axis = r.axis(&x);
        x.narrow(axis, r.place(&x, axis), r.size())
    };
    select: |r| { let x = r.tensor(); let axis = r.axis(&x); x.select(axis, r.place(&x, axis)) };
    squeeze: |r| { let x = r.tensor(); x.squeeze(r.axis(&x)) };
    unsqueeze: |r| { let x = r.tensor(); x.unsqueeze(r.axis(&x)) };
    flatten: |r| { let x = r.tensor(); x.flatten(r.axis(&x), r.axis(&x)) };
    movedim: |r| { let x = r.tensor(); x.movedim(r.axis(&x), r.axis(&x)) };
    contiguous: |r| r.tensor().contiguous();

    // Rearrangements
    flip: |r| { let x = r.tensor(); x.flip(r.axes(&x)) };
    roll: |r| { let x = r.tensor(); x.roll(r.axis(&x), r.shift()) };
    repeat: |r| {
        let x = r.tensor();
        let counts: Vec<usize> = (0..x.rank() + r.below(2)).map(|i| if i < 2 { r.size() } else { 1 }).collect();
        x.repeat(&counts)
    };
    repeat_interleave: |r| { let x = r.tensor(); x.repeat_interleave(r.axis(&x), r.size()) };
    tril: |r| r.tensor().tril(r.shift());
    triu: |r| r.tensor().triu(r.shift());
    tril_mask: |r| Tensor::tril_mask(r.size(), r.size(), r.shift());
    diagonal: |r| { let x = r.tensor(); x.diagonal(r.shift(), r.axis(&x), r.axis(&x)) };
    pad: |r| {
        let x = r.tensor();
        let widths: Vec<_> = (0..r.below(3)).map(|_| (r.shift(), r.shift())).collect();
        x.pad(&widths, r.pad_mode())
    };
    concat: |r| {
        let x = r.tensor();
        let axis = r.axis(&x);
        let mut parts: Vec<Tensor> = (0..r.below(4)).map(|_| r.twin(&x)).collect();
        parts.push(x);
        Tensor::concat(&parts, axis)
    };
    stack: |r| {
        let x = r.tensor();
        let axis = r.axis(&x);
        let parts: Vec<Tensor> = (0..r.below(4)).map(|_| r.twin(&x)).collect();
        Tensor::stack(&parts, axis)
    };
    split: |r| {
        let x = r.tensor();
        let axis = r.axis(&x);
        let lengths: Vec<usize> = (0..r.below(4)).map(|_| r.size()).collect();
        x.split(axis, &lengths)
    };
    chunk: |r| { let x = r.tensor(); x.chunk(r.axis(&x), r.size()) };

    // Indices
    index_select: |r| {
        let x = r.tensor();
        let axis = r.axis(&x);
        x.index_select(axis, &r.indices(&[4], along(&x, axis)))
    };
    index_add: |r| {
        let x = r.floats();
        let axis = r.axis(&x);
        let indices = r.indices(&[4], along(&x, axis));
        let mut dims = x.shape().to_vec();
        if let Some(d) = dims.get_mut(place(&x, axis)) {
            *d = indices.len();
        }
        x.index_add(axis, &indices, &r.of(&dims, x.dtype()))
    };
    embedding: |r| {
        let table = r.floats_of_rank(2);
        let padding = r.flag().then(|| r.size());
        table.embedding(&r.indices(&[2, 3], length(&table, 0)), padding)
    };
    gather: |r| {
        let x = r.tensor();
        let axis = r.axis(&x);
        x.gather(axis, &r.indices(x.shape(), along(&x, axis)))
    };
    scatter_add: |r| {
        let x = r.floats();
        let axis = r.axis(&x);
        x.scatter_add(axis, &r.indices(x.shape(), along(&x, axis)), &r.twin(&x))
    };
    scatter: |r| {
        let x = r.tensor();
        let axis = r.axis(&x);
        x.scatter(axis, &r.indices(x.shape(), along(&x, axis)), &r.twin(&x))
    };
    masked_fill: |r| { let x = r.tensor(); x.masked_fill(&r.mask(&x), r.number()) };
    masked_select: |r| { let x = r.tensor(); x.masked_select(&r.mask(&x)) };
    one_hot: |r| { let n = r.size(); r.indices(&[2, 3], n).one_hot(n) };

    // Products
    matmul: |r| {
        let x = r.floats();
        let inner = width(&x);
        let mut dims = x.shape()[..x.rank().saturating_sub(2)].to_vec();
        dims.extend([inner, r.below(4)]);
        x.matmul(&r.of(&dims, x.dtype()))
    };
    einsum: |r| {
        let (equation, shapes) = r.pick(EQUATIONS);
        let mut equation = equation.to_owned();
        if r.once_in(3) {
            let at = r.below(equation.len());
            let with = r.pick(&["", "i", "->", "...", ",", " ", "é", "Z", "1"]);
            if equation.is_char_boundary(at) && equation.is_char_boundary(at + 1) {
                equation.replace_range(at..=at, with);
            }
        }
        let x = r.of(shapes[0], Dtype::F32);
        let y = r.of(shapes[1], Dtype::F32);
        Tensor::einsum(&equation, &[x, y])
    };
    linear: |r| {
        let x = r.floats();
        let weight = r.of(&[3, width(&x)], x.dtype());
        x.linear(&weight, r.maybe(|r| r.of(&[3], x.dtype())).as_ref())
    };
    linear_relu: |r| {
        let x = r.floats();
        let weight = r.of(&[3, width(&x)], x.dtype());
        x.linear_relu(&weight, r.maybe(|r| r.of(&[3], x.dtype())).as_ref())
    };
    gelu_linear: |r| {
        let x = r.floats();
        let weight = r.of(&[3, width(&x)], x.dtype());
        x.gelu_linear(&weight, r.maybe(|r| r.of(&[3], x.dtype())).as_ref())
    };
    gelu_tanh_linear: |r| {
        let x = r.floats();
        let weight = r.of(&[3, width(&x)], x.dtype());
        x.gelu_tanh_linear(&weight, r.maybe(|r| r.of(&[3], x.dtype())).as_ref())
    };
    swiglu: |r| {
        let gate = r.floats();
        gate.swiglu(&r.twin(&gate))
    };
    attention: |r| {
        let q = r.floats_of_rank(4);
        let (batch, heads) = (length(&q, 0), length(&q, 1));
        let groups = if r.flag() { heads } else { 1 };
        let keys = r.pick(&[0, 1, 3, 5]);
        let k = r.of(&[batch, groups, keys, width(&q)], q.dtype());
        let v = r.of(&[batch, groups, keys, 2], q.dtype());
        q.attention(&k, &v, &attention_options(r, &[batch, heads, length(&q, 2), keys]))
    };
    attention_packed: |r| {
        let (heads, groups) = (r.pick(&[1, 2, 4]), r.pick(&[1, 2]));
        let rows = r.pick(&[0, 1, 3, 5]);
        let x = r.of(&[2, rows, 2 * (heads + 2 * groups)], Dtype::F32);
        let options = attention_options(r, &[2, heads, rows, rows]);
        let (heads, groups) = if r.once_in(6) { (r.size(), r.size()) } else { (heads, groups) };
        x.attention_packed(heads, groups, &options)
    };
    rotary: |r| {
        let x = r.floats_of_rank(4);
        let pairs = width(&x) / 2;
        let dims = if r.flag() { vec![length(&x, 2), pairs] } else { vec![length(&x, 0), length(&x, 2), pairs] };
        let (cos, sin) = (r.of(&dims, x.dtype()), r.of(&dims, x.dtype()));
        x.rotary(&cos.detach(), &sin, r.pick(&[Pairing::Halves, Pairing::Interleaved]))
    };
    rotary_table: |r| {
        let (frequency, positions) = (r.number(), r.indices(&[2, 3], 100));
        let (cos, sin) = Tensor::rotary_table(&positions, &[1.0, frequency]);
        vec![cos, sin]
    };
    alibi_slopes: |r| {
        let slopes = AttentionOptions::alibi_slopes(r.below(40));
        assert!(slopes.iter().all(|slope| *slope > 0.0 && *slope < 1.0));
        Tensor::from_slice(&slopes, [slopes.len()])
    };
    conv: |r| {
        let x = image(r);
        let options = options(r);
        let groups = options.groups.clamp(1, 9);
        let weight = filter(r, &x, 2 * groups, length(&x, 1) / groups);
        let bias = r.maybe(|r| r.of(&[length(&weight, 0)], x.dtype()));
        x.conv(&weight, bias.as_ref(), &options)
    };
    conv_relu: |r| {
        let x = image(r);
        let weight = filter(r, &x, 3, length(&x, 1));
        let bias = r.maybe(|r| r.of(&[3], x.dtype()));
        x.conv_relu(&weight, bias.as_ref(), &options(r))
    };
    conv_transpose: |r| {
        let x = image(r);
        let mut options = options(r);
        if r.once_in(3) {
            options = options.output_padding(per_axis(r, 0));
        }
        let weight = filter(r, &x, length(&x, 1), 2);
        let bias = r.maybe(|r| r.of(&[2 * options.groups.min(9)], x.dtype()));
        x.conv_transpose(&weight, bias.as_ref(), &options)
    };
    max_pool: |r| match r.below(3) {
        0 => pooled::<1>(r, |x, window| x.max_pool(window)),
        1 => pooled::<2>(r, |x, window| x.max_pool(window)),
        _ => pooled::<3>(r, |x, window| x.max_pool(window)),
    };
    avg_pool: |r| match r.below(3) {
        0 => pooled::<1>(r, |x, window| x.avg_pool(window)),
        1 => pooled::<2>(r, |x, window| x.avg_pool(window)),
        _ => pooled::<3>(r, |x, window| x.avg_pool(window)),
    };
    adaptive_max_pool: |r| { let x = image(r); x.adaptive_max_pool([r.size(), r.size()]) };
    adaptive_avg_pool: |r| { let x = image(r); x.adaptive_avg_pool([r.size(), r.size()]) };
    interpolate: |r| {
        let x = image(r);
        let align_corners = r.flag();
        let how = r.pick(&[Interpolation::Nearest, Interpolation::Linear { align_corners }]);
        match r.below(3) {
            0 => x.interpolate([r.number()], how),
            1 => x.interpolate([r.size(), r.size()], how),
            _ => x.interpolate([r.number(), 2.0, 1.5], how),
        }
    };
    pixel_shuffle: |r| {
        let n = r.pick(&[1, 2, 3]);
        r.of(&[2, n * n, 2, 3], Dtype::F32).pixel_shuffle(if r.once_in(5) { r.size() } else { n })
    };
    pixel_unshuffle: |r| {
        let n = r.pick(&[1, 2, 3]);
        r.of(&[2, 2 * n, n], Dtype::F32).pixel_unshuffle(if r.once_in(5) { r.size() } else { n })
    };
    unfold: |r| match r.below(3) {
        0 => pooled::<1>(r, |x, window| x.unfold(window)),
        1 => pooled::<2>(r, |x, window| x.unfold(window)),
        _ => pooled::<3>(r, |x, window| x.unfold(window)),
    };
    fold: |r| {
        let window = window::<2>(r);
        let size = [r.pick(&[2, 3, 5]), r.size()];
        let taps = window.kernel.iter().fold(1, |n: usize, k| n.saturating_mul(*k));
        let dims = [2, taps.min(20) * r.below(3), r.below(9)];
        r.of(&dims, Dtype::F32).fold(size, window)
    };
    per_axis: |r| {
        let each: [usize; 2] = per_axis(r, 0).each("per_axis", "number");
        assert_eq!(each.len(), 2);
    };
    prelu: |r| { let x = r.floats(); x.prelu(&r.of(&[length(&x, 1)], x.dtype())) };
    glu: |r| { let x = r.floats(); x.glu(r.axis(&x)) };

    // Norms and dropout
    layer_norm: |r| {
        let x = r.floats();
        let dims = x.shape()[r.below(x.rank() + 1)..].to_vec();
        let weight = r.maybe(|r| r.of(&dims, x.dtype()));
        let bias = r.maybe(|r| r.of(&dims, x.dtype()));
        let dims = if r.once_in(9) { r.shape() } else { dims };
        x.layer_norm(dims, weight.as_ref(), bias.as_ref(), r.number())
    };
    rms_norm: |r| {
        let x = r.floats();
        let dims = x.shape()[r.below(x.rank() + 1)..].to_vec();
        let weight = r.maybe(|r| r.of(&dims, x.dtype()));
        let dims = if r.once_in(9) { r.shape() } else { dims };
        x.rms_norm(dims, weight.as_ref(), r.number())
    };
    group_norm: |r| {
        let x = r.floats_of_rank(3);
        let channels = [length(&x, 1)];
        let weight = r.maybe(|r| r.of(&channels, x.dtype()));
        let bias = r.maybe(|r| r.of(&channels, x.dtype()));
        x.group_norm(r.size(), weight.as_ref(), bias.as_ref(), r.number())
    };
    batch_norm: |r| {
        let x = r.floats();
        let channels = [length(&x, 1)];
        let weight = r.maybe(|r| r.of(&channels, x.dtype()));
        let bias = r.maybe(|r| r.of(&channels, x.dtype()));
        x.batch_norm(weight.as_ref(), bias.as_ref(), r.number())
    };
    batch_norm_given: |r| {
        let x = r.floats();
        let channels = [length(&x, 1)];
        let (mean, variance) = (r.of(&channels, x.dtype()), r.of(&channels, x.dtype()));
        let weight = r.maybe(|r| r.of(&channels, x.dtype()));
        let bias = r.maybe(|r| r.of(&channels, x.dtype()));
        x.batch_norm_given(&mean, &variance, weight.as_ref(), bias.as_ref(), r.number())
    };
    dropout: |r| r.floats().dropout(r.number(), &r.rng());
    dropout2d: |r| r.floats().dropout2d(r.number(), &r.rng());
    alpha_dropout: |r| r.floats().alpha_dropout(r.number(), &r.rng());

    // Losses
    cross_entropy: |r| {
        let x = r.floats();
        let weight = r.maybe(|r| r.of(&[length(&x, 1)], x.dtype()));
        let targets = if r.flag() { r.twin(&x) } else { classes(r, &x) };
        let ignore = r.pick(&[None, Some(0), Some(-100), Some(i64::MIN)]);
        x.cross_entropy(&targets, weight.as_ref(), ignore, r.number(), r.reduction())
    };
    linear_cross_entropy: |r| {
        let x = r.floats();
        let weight = r.of(&[3, width(&x)], x.dtype());
        let bias = r.maybe(|r| r.of(&[3], x.dtype()));
        let targets = r.indices(&x.shape()[..x.rank().saturating_sub(1)], 3);
        let ignore = r.pick(&[None, Some(0), Some(-100)]);
        x.linear_cross_entropy(&weight, bias.as_ref(), &targets, ignore, r.number(), r.reduction())
    };
    nll: |r| {
        let x = r.floats();
        let weight = r.maybe(|r| r.of(&[length(&x, 1)], x.dtype()));
        let targets = classes(r, &x);
        let ignore = r.pick(&[None, Some(0), Some(-100), Some(i64::MAX)]);
        x.nll(&targets, weight.as_ref(), ignore, r.reduction())
    };
    mse: |r| { let x = r.floats(); x.mse(&r.twin(&x), r.reduction()) };
    mae: |r| { let x = r.floats(); x.mae(&r.twin(&x), r.reduction()) };
    huber: |r| { let x = r.floats(); x.huber(&r.twin(&x), r.number(), r.reduction()) };
    smooth_l1: |r| { let x = r.floats(); x.smooth_l1(&r.twin(&x), r.number(), r.reduction()) };
    bce_with_logits: |r| { let x = r.floats(); x.bce_with_logits(&r.twin(&x), r.reduction()) };
    bce: |r| { let x = r.floats(); x.sigmoid().bce(&r.twin(&x).sigmoid(), r.reduction()) };
    ctc: |r| {
        let x = r.floats_of_rank(3);
        let (steps, n, classes) = (length(&x, 0), length(&x, 1), length(&x, 2));
        let targets = r.indices(&[n, 2], classes);
        let (inputs, lengths) = (r.indices(&[n], steps.saturating_add(1)), r.indices(&[n], 3));
        let blank = r.place(&x, 2);
        x.ctc(&targets, &inputs, &lengths, blank, r.flag(), r.reduction())
    };
    kl_div: |r| { let x = r.floats(); x.kl_div(&r.twin(&x), r.flag(), r.reduction()) };
};

/// Making tensors and reading them.
pub(crate) const MEMORY: &[Entry] = entries! {
    zeros: |r| Tensor::zeros(r.shape());
    ones: |r| Tensor::ones(r.shape());
    zeros_like: |r| Tensor::zeros_like(&r.tensor());
    ones_like: |r| Tensor::ones_like(&r.tensor());
    full: |r| Tensor::full(r.shape(), r.number(), r.dtype());
    from_slice: |r| {
        let dims = r.shape();
        let len = dims.iter().fold(1, |n: usize, d| n.saturating_mul(*d));
        let len = if len > 1000 { r.below(9) } else { len };
        Tensor::from_slice(&vec![half::bf16::ONE; len], dims)
    };
    from_bytes: |r| {
        let dims = r.shape();
        let dtype = r.dtype();
        let len = dims.iter().fold(dtype.size(), |n, d| n.saturating_mul(*d));
        let len = if len > 10_000 { r.below(9) } else { len };
        Tensor::from_bytes(&vec![r.pick(&[0, 1, 0xff]); len], dims, dtype)
    };
    from: |r| match r.below(4) {
        0 => Tensor::from([[[r.number()]]]),
        1 => Tensor::from(vec![false; r.below(3)]),
        2 => Tensor::from([[[[0u8; 0]; 3]; 2]]),
        _ => Tensor::from(&[r.number() as f32][..]),
    };
    arange: |r| Tensor::arange(r.size());
    linspace: |r| Tensor::linspace(r.number(), r.number(), r.size());
    uniform: |r| Tensor::uniform(r.shape(), r.number(), r.number(), &mut r.rng());
    uniform_f64: |r| Tensor::uniform_f64(r.shape(), r.number(), r.number(), &mut r.rng());
    randn: |r| Tensor::randn(r.shape(), &mut r.rng());
    randn_f64: |r| Tensor::randn_f64(r.shape(), &mut r.rng());
    rng: |r| {
        let mut rng = Rng::at(r.size() as u64, r.size() as u64, u64::MAX - r.below(3) as u64);
        rng.skip(r.size() as u64);
        rng.shuffle(&mut [0; 5]);
        let stream = rng.stream(r.size() as u64).block(u64::MAX);
        let _all = (rng.below(r.size()), rng.normal(), rng.uniform(), rng.state(), stream, rng.next_block());
    };
    distributions: |r| {
        let mut rng = r.rng();
        let gamma = if r.flag() { rng.gamma(r.number()) } else { 0.0 };
        let beta = rng.beta(r.number(), r.number());
        assert!(gamma >= 0.0 && (0.0..=1.0).contains(&beta), "{gamma}, {beta}");
    };
    to_vec: |r| Tensor::from(r.tensor().to_vec::<f32>());
    item: |r| Tensor::from(r.tensor().item());
    as_slice: |r| Tensor::from(r.floats().as_slice::<f32>());
    as_bytes: |r| Tensor::from(r.tensor().as_bytes());
    as_mut_slice: |r| {
        let mut x = r.floats();
        x.as_mut_slice::<f32>().fill(1.0);
        x
    };
    described: |r| {
        let x = r.tensor();
        let same = x.shares_storage_with(&x.detach()) && x.is_empty() == x.shape().contains(&0);
        assert!(same && x.device() == eras::Device::Cpu);
    };
    printed: |r| {
        let x = r.tensor();
        let digits = r.below(20);
        assert!(!format!("{x:.digits$}").is_empty());
    };
};

/// Histories.
pub(crate) const TAPE: &[Entry] = entries! {
    requires_grad: |r| r.tensor().requires_grad().detach();
    backward: |r| {
        let x = r.floats();
        let y = if r.flag() { &x * 2.0 } else { (&x * &x).sum(..) };
        y.backward().iter().cloned().collect::<Vec<_>>()
    };
    backward_with: |r| {
        let x = r.floats();
        x.tanh().backward_with(&r.twin(&x)).iter().cloned().collect::<Vec<_>>()
    };
    backward_twice: |r| {
        let y = r.of(&[2, 3], Dtype::F32).tanh().sum(..);
        let first = y.backward();
        if r.flag() { first } else { y.backward() }.iter().cloned().collect::<Vec<_>>()
    };
    grad: |r| {
        let x = r.floats();
        let z = r.floats();
        let dy = r.maybe(|r| r.twin(&x));
        grad(&x.exp(), &[&x, &z], dy.as_ref())
    };
    gradients: |r| {
        let x = r.of(&[2], Dtype::F32);
        let mut grads = x.requires_grad().sum(..).backward();
        grads.set(&x, r.twin(&x));
        grads.iter_mut().for_each(|dx| *dx = dx.tanh());
        let (is_there, taken) = (grads.get(&x).is_some(), grads.remove(&x));
        assert!(is_there && taken.is_some() && grads.len() == 1);
    };
    no_grad: |r| { let x = r.floats(); no_grad(|| x.tanh()) };
    checkpoint: |r| {
        let x = r.floats();
        let y = r.partner(&x);
        checkpoint(&[&x, &y], |x| &x[0] * &x[1])
    };
    custom: |r| {
        let x = r.floats();
        let y = r.twin(&x);
        let odd = Odd { gradients: r.below(4), differentiable: !r.once_in(4) };
        custom(odd, &[&x, &y]).sum(..).backward().iter().cloned().collect::<Vec<_>>()
    };
};

/// Equations of two operands, and their shapes.
const EQUATIONS: &[(&str, [&[usize]; 2])] = &[
    ("ij,jk->ik", [&[2, 3], &[3, 4]]),
    ("ij,jk", [&[2, 3], &[3, 4]]),
    ("bij,bjk->bik", [&[2, 2, 3], &[2, 3, 1]]),
    ("...i,...i->...", [&[2, 2, 3], &[2, 3]]),
    ("ii,i->i", [&[3, 3], &[3]]),
    ("i,j->ji", [&[5], &[0]]),
    ("abcd,dcba->", [&[1, 2, 3, 2], &[2, 3, 2, 1]]),
    (
        "abcdefgh,ijklmnop->",
        [&[1, 1, 1, 1, 1, 1, 1, 1], &[1, 1, 1, 1, 1, 1, 1, 1]],
    ),
    (
        "abcdef,ghijkl->abcdefghijkl",
        [&[1, 1, 1, 1, 1, 1], &[1, 1, 1, 1, 1, 1]],
    ),
    ("é,->..", [&[2], &[]]),
];

/// An operation whose gradients may be too few, too many or of a wrong shape.
struct Odd {
    gradients: usize,
    differentiable: bool,
}

impl CustomOp for Odd {
    fn name(&self) -> &'static str {
        "odd"
    }
    fn has_gradient(&self) -> bool {
        self.differentiable
    }
    fn forward(&self, x: &[&Tensor]) -> Tensor {
        x[0].detach()
    }
    fn backward(&self, _: &[&Tensor], _: &Tensor, dy: &Tensor) -> Vec<Option<Tensor>> {
        vec![Some(dy.clone()); self.gradients]
    }
}

/// Mostly floats `(B, C, *space)`.
fn image(r: &mut Random) -> Tensor {
    let rank = r.pick(&[3, 3, 4, 4, 5]);
    r.floats_of_rank(rank)
}

/// Mostly a small filter `(first, second, *kernel)` that meets `x`.
fn filter(r: &mut Random, x: &Tensor, first: usize, second: usize) -> Tensor {
    let mut dims = vec![first.min(20), second.min(20)];
    dims.extend((2..x.rank()).map(|_| r.pick(&[1, 1, 2, 3])));
    r.of(&dims, x.dtype())
}

/// Mostly a small number at least `least`, for all axes or for some.
fn per_axis(r: &mut Random, least: usize) -> PerAxis {
    let one = |r: &mut Random| {
        if r.once_in(9) {
            r.size()
        } else {
            least + r.pick(&[0, 0, 1, 2])
        }
    };
    match r.below(4) {
        0 => [one(r), one(r)].into(),
        1 => [one(r)].into(),
        _ => one(r).into(),
    }
}

/// Windows, mostly small ones.
pub(crate) fn window<const N: usize>(r: &mut Random) -> Window<N> {
    let one = |r: &mut Random| {
        if r.once_in(20) {
            r.size()
        } else {
            r.pick(&[1, 2, 2, 3])
        }
    };
    let mut window = Window::new(std::array::from_fn(|_| one(r)));
    if r.flag() {
        window = window.stride(per_axis(r, 1));
    }
    if r.once_in(3) {
        window = window.padding(per_axis(r, 0));
    }
    if r.once_in(3) {
        window = window.dilation(per_axis(r, 1));
    }
    if r.once_in(4) {
        window = window.ceil();
    }
    if r.once_in(4) {
        window = window.no_padding_counted();
    }
    window
}

/// `op` of an image, a sequence or a volume, mostly as large as windows want.
fn pooled<const N: usize>(r: &mut Random, op: fn(&Tensor, Window<N>) -> Tensor) -> Tensor {
    let window = window(r);
    let sides = (0..N).map(|_| r.pick(&[1, 3, 4, 5]));
    let dims: Vec<usize> = [2, 1]
        .into_iter()
        .chain(sides.collect::<Vec<_>>())
        .collect();
    op(&r.of(&dims, Dtype::F32), window)
}

/// How a filter moves.
/// Which keys are seen, of `[B, H, T, S]`.
fn attention_options(r: &mut Random, dims: &[usize; 4]) -> AttentionOptions {
    let mut options = AttentionOptions::new();
    if r.flag() {
        options = options.causal();
    }
    match r.below(9) {
        0 => options.scale(r.number()),
        1 => options.window(r.size()),
        2 => options.mask(&r.of(&[dims[2], dims[3]], Dtype::Bool)),
        3 => options.mask(&r.of(&[dims[0], 1, 1, dims[3]], Dtype::Bool)),
        4 => options.bias(&r.of(dims, Dtype::F32)),
        5 => {
            let lengths: Vec<usize> = (0..dims[0].min(9)).map(|_| r.size() % 6).collect();
            options.key_lengths(lengths)
        }
        6 => {
            let slopes: Vec<f64> = (0..dims[1].min(9)).map(|_| r.number()).collect();
            options.alibi(slopes)
        }
        7 => options.dropout(r.number(), &r.rng()),
        _ => options,
    }
}

pub(crate) fn options(r: &mut Random) -> ConvOptions {
    let mut options = ConvOptions::new();
    if r.flag() {
        options = options.stride(per_axis(r, 1));
    }
    if r.flag() {
        options = options.dilation(per_axis(r, 1));
    }
    match r.below(4) {
        0 => options = options.padding(per_axis(r, 0)),
        1 => options = options.padding_uneven(per_axis(r, 0), per_axis(r, 0)),
        2 => options = options.padding_same(),
        _ => {}
    }
    if r.once_in(3) {
        options = options.groups(r.size());
    }
    options
}

/// The place of dimension `axis` from the front.
fn place(x: &Tensor, axis: isize) -> usize {
    let back = axis.saturating_add(x.rank() as isize);
    usize::try_from(if axis < 0 { back } else { axis }).unwrap_or(0)
}

/// The length of dimension `axis`.
fn along(x: &Tensor, axis: isize) -> usize {
    length(x, place(x, axis))
}

/// A class for each row of the logits `x (N, C, ..)`.
fn classes(r: &mut super::Random, x: &Tensor) -> Tensor {
    let mut dims = x.shape().to_vec();
    if dims.len() > 1 {
        dims.remove(1);
    }
    r.indices(&dims, length(x, 1))
}
