//! Linear operations: `f(a x + b y) = a f(x) + b f(y)`, and the gradient is the adjoint, `⟨f(x), d⟩ = ⟨x, f'(d)⟩`. What
//! leads gradients back is linear in them, whatever the operation is.

use super::{Draw, assert_near, axes, between, for_all, indices, maps, mask, permutation, shape};
use eras::nn::Activation;
use eras::{ConvOptions, INFER, PadMode, Reduction, Rng, Tensor, checkpoint, grad};

/// Sums in `f64` of a few hundred products of normal numbers are off by less.
const BOUND: f64 = 1e-11;

const LINEAR: &[(&str, Draw)] = maps! {
    // Sums
    neg: |r| (shape(2, 0, r), |x: &Tensor| -x);
    mul_scalar: |r| { let c = r.normal(); (shape(2, 0, r), move |x: &Tensor| x * c) };
    mul: |r| {
        let dims = shape(3, 1, r);
        let y = Tensor::randn_f64(&dims[1..], r);
        (dims, move |x: &Tensor| x * &y)
    };
    mul_into_more: |r| {
        let dims = shape(3, 1, r);
        let y = Tensor::randn_f64(dims.as_slice(), r);
        (dims[2..].to_vec(), move |x: &Tensor| x * &y)
    };
    div: |r| {
        let dims = shape(2, 1, r);
        let y = Tensor::uniform_f64(dims.as_slice(), 0.5, 2.0, r);
        (dims, move |x: &Tensor| x / &y)
    };
    add_and_sub: |r| (shape(2, 1, r), |x: &Tensor| x + x.sum_keepdim(0) - x.mean_keepdim(1));
    lerp: |r| {
        let weight = r.uniform();
        (shape(2, 1, r), move |x: &Tensor| x.lerp(&x.flip([0]), weight))
    };
    sum: |r| { let axes = axes(4, r); (shape(4, 0, r), move |x: &Tensor| x.sum(&axes[..])) };
    sum_keepdim: |r| { let axes = axes(3, r); (shape(3, 0, r), move |x: &Tensor| x.sum_keepdim(&axes[..])) };
    mean: |r| { let axes = axes(4, r); (shape(4, 1, r), move |x: &Tensor| x.mean(&axes[..])) };
    mean_keepdim: |r| { let axes = axes(3, r); (shape(3, 1, r), move |x: &Tensor| x.mean_keepdim(&axes[..])) };
    cumsum: |r| { let axis = r.below(3); (shape(3, 0, r), move |x: &Tensor| x.cumsum(axis)) };

    // Views and rearrangements
    reshape: |r| (shape(3, 1, r), |x: &Tensor| x.reshape([x.shape()[1], INFER]));
    flatten: |r| { let from = r.below(3); (shape(3, 0, r), move |x: &Tensor| x.flatten(from, 2)) };
    permute: |r| {
        let order: Vec<isize> = permutation(4, r).into_iter().map(|d| d as isize).collect();
        (shape(4, 0, r), move |x: &Tensor| x.permute([order[0], order[1], order[2], order[3]]))
    };
    transpose: |r| { let (a, b) = (r.below(3), r.below(3)); (shape(3, 0, r), move |x: &Tensor| x.transpose(a, b)) };
    movedim: |r| { let (a, b) = (r.below(3), r.below(3)); (shape(3, 0, r), move |x: &Tensor| x.movedim(a, b)) };
    expand: |r| {
        let (n, dims) = (between(1, 4, r), shape(2, 1, r));
        (vec![dims[0], 1, dims[1]], move |x: &Tensor| x.expand([n, dims[0], n, dims[1]]))
    };
    squeeze: |r| (vec![between(0, 4, r), 1], |x: &Tensor| x.squeeze(1).unsqueeze(0));
    narrow: |r| {
        let dims = shape(3, 1, r);
        let d = r.below(3);
        let from = r.below(dims[d]);
        let n = r.below(dims[d] - from + 1);
        (dims, move |x: &Tensor| x.narrow(d, from, n))
    };
    select: |r| {
        let dims = shape(3, 1, r);
        let d = r.below(3);
        let at = r.below(dims[d]);
        (dims, move |x: &Tensor| x.select(d, at))
    };
    contiguous: |r| (shape(3, 0, r), |x: &Tensor| x.transpose(0, 2).contiguous());
    flip: |r| { let axes = axes(3, r); (shape(3, 0, r), move |x: &Tensor| x.flip(&axes[..])) };
    roll: |r| {
        let (axis, by) = (r.below(3), r.below(9) as isize - 4);
        (shape(3, 1, r), move |x: &Tensor| x.roll(axis, by))
    };
    repeat: |r| { let counts = shape(3, 0, r); (shape(2, 0, r), move |x: &Tensor| x.repeat(&counts)) };
    repeat_interleave: |r| {
        let (axis, n) = (r.below(2), r.below(4));
        (shape(2, 0, r), move |x: &Tensor| x.repeat_interleave(axis, n))
    };
    tril: |r| { let k = r.below(7) as isize - 3; (shape(3, 0, r), move |x: &Tensor| x.tril(k)) };
    triu: |r| { let k = r.below(7) as isize - 3; (shape(3, 0, r), move |x: &Tensor| x.triu(k)) };
    diagonal: |r| {
        let k = r.below(5) as isize - 2;
        (shape(3, 3, r), move |x: &Tensor| x.diagonal(k, 0, 2))
    };
    pad: |r| {
        // Every way repeats at most what is there.
        let mode = [PadMode::Constant(0.0), PadMode::Reflect, PadMode::Replicate, PadMode::Circular][r.below(4)];
        let widths: Vec<_> = (0..2).map(|_| (r.below(3) as isize, r.below(3) as isize)).collect();
        (shape(2, 3, r), move |x: &Tensor| x.pad(&widths, mode))
    };
    crop: |r| (shape(2, 3, r), |x: &Tensor| x.pad(&[(-1, 2), (0, -2)], PadMode::Constant(0.0)));
    concat: |r| {
        let axis = r.below(2);
        (shape(2, 0, r), move |x: &Tensor| Tensor::concat(&[x, &(x * 2.0), x], axis))
    };
    stack: |r| { let axis = r.below(3); (shape(2, 0, r), move |x: &Tensor| Tensor::stack(&[x, &-x], axis)) };
    split: |r| {
        let dims = shape(2, 1, r);
        let from = r.below(dims[0]);
        let lengths = [from, dims[0] - from];
        (dims, move |x: &Tensor| {
            let parts = x.split(0, &lengths);
            Tensor::concat(&[&parts[1], &parts[0]], 0)
        })
    };
    chunk: |r| { let n = between(1, 4, r); (shape(2, 1, r), move |x: &Tensor| x.chunk(1, n)[0].clone()) };

    // By index
    index_select: |r| {
        let dims = shape(3, 1, r);
        let axis = r.below(3);
        let at = indices(&[r.below(7)], dims[axis], r);
        (dims, move |x: &Tensor| x.index_select(axis, &at))
    };
    index_add: |r| {
        let dims = shape(2, 1, r);
        let at = indices(&[dims[0]], dims[0], r);
        (dims, move |x: &Tensor| (x * 3.0).index_add(0, &at, x))
    };
    embedding: |r| {
        let dims = shape(2, 1, r);
        let ids = indices(&[2, 4], dims[0], r);
        (dims, move |x: &Tensor| x.embedding(&ids, None))
    };
    gather: |r| {
        let dims = shape(3, 1, r);
        let axis = r.below(3);
        let at = indices(&dims, dims[axis], r);
        (dims, move |x: &Tensor| x.gather(axis, &at))
    };
    scatter: |r| {
        let dims = shape(2, 1, r);
        let axis = r.below(2);
        let at = indices(&dims, dims[axis], r);
        (dims, move |x: &Tensor| (x * 3.0).scatter(axis, &at, x))
    };
    scatter_add: |r| {
        let dims = shape(2, 1, r);
        let axis = r.below(2);
        let at = indices(&dims, dims[axis], r);
        (dims, move |x: &Tensor| (x * 3.0).scatter_add(axis, &at, x))
    };
    masked_fill: |r| {
        let dims = shape(3, 1, r);
        let mask = mask(&dims[1..], r);
        (dims, move |x: &Tensor| x.masked_fill(&mask, 0.0))
    };
    masked_select: |r| {
        let dims = shape(2, 1, r);
        let mask = mask(&dims, r);
        (dims, move |x: &Tensor| x.masked_select(&mask))
    };
    where_: |r| {
        let dims = shape(2, 1, r);
        let mask = mask(&dims, r);
        (dims, move |x: &Tensor| mask.where_(x, &x.flip([1])))
    };
    sort_by_another: |r| {
        let dims = shape(2, 1, r);
        let order = Tensor::randn_f64(dims.as_slice(), r).argsort(1, true);
        (dims, move |x: &Tensor| x.gather(1, &order))
    };

    // Products
    matmul_left: |r| {
        let dims = shape(3, 0, r);
        let y = Tensor::randn_f64([dims[0], dims[2], between(1, 5, r)], r);
        (dims, move |x: &Tensor| x.matmul(&y))
    };
    matmul_right: |r| {
        let dims = shape(2, 0, r);
        let y = Tensor::randn_f64([between(1, 3, r), between(1, 5, r), dims[0]], r);
        (dims, move |x: &Tensor| y.matmul(x))
    };
    linear_x: |r| {
        let dims = shape(3, 1, r);
        let w = Tensor::randn_f64([between(1, 9, r), dims[2]], r);
        (dims, move |x: &Tensor| x.linear(&w, None))
    };
    linear_weight: |r| {
        let dims = shape(2, 1, r);
        let y = Tensor::randn_f64([3, between(1, 4, r), dims[1]], r);
        (dims, move |w: &Tensor| y.linear(w, None))
    };
    linear_bias: |r| {
        let n = between(1, 9, r);
        let y = Tensor::randn_f64([between(1, 4, r), 3], r);
        (vec![n], move |b: &Tensor| y.linear(&Tensor::zeros([b.len(), 3]).to_dtype(eras::Dtype::F64), Some(b)))
    };
    conv_x: |r| {
        let (options, k) = filter(r);
        let w = Tensor::randn_f64([4, 2, k, 2], r);
        (vec![between(1, 3, r), 4, between(3, 7, r), between(3, 7, r)], move |x: &Tensor| x.conv(&w, None, &options))
    };
    conv_weight: |r| {
        let (options, k) = filter(r);
        let x = Tensor::randn_f64([between(1, 3, r), 4, 5, 4], r);
        (vec![4, 2, k, 2], move |w: &Tensor| x.conv(w, None, &options))
    };
    conv_bias: |r| {
        let x = Tensor::zeros([between(1, 3, r), 1, 5]).to_dtype(eras::Dtype::F64);
        let n = between(1, 9, r);
        let w = Tensor::randn_f64([n, 1, 3], r);
        (vec![n], move |b: &Tensor| x.conv(&w, Some(b), &ConvOptions::new()))
    };
    conv_transpose_x: |r| {
        let (options, k) = filter(r);
        let w = Tensor::randn_f64([4, 2, k, 2], r);
        let dims = vec![between(1, 3, r), 4, between(2, 5, r), between(2, 5, r)];
        (dims, move |x: &Tensor| x.conv_transpose(&w, None, &options))
    };
    conv_transpose_weight: |r| {
        let (options, k) = filter(r);
        let x = Tensor::randn_f64([between(1, 3, r), 4, 5, 4], r);
        (vec![4, 2, k, 2], move |w: &Tensor| x.conv_transpose(w, None, &options))
    };
    einsum: |r| {
        let dims = shape(4, 1, r);
        let y = Tensor::randn_f64([dims[2], dims[0], 3], r);
        (dims, move |x: &Tensor| Tensor::einsum("aibj,bak->kij", &[x, &y]))
    };
    einsum_trace: |r| {
        let (n, m) = (between(1, 5, r), between(1, 5, r));
        let y = Tensor::randn_f64([m], r);
        (vec![n, m, n], move |x: &Tensor| Tensor::einsum("iji,j->i", &[x, &y]))
    };

    // Layers that are linear once their constants are
    dropout: |r| { let chance = Rng::new(r.next_u64()); (shape(3, 0, r), move |x: &Tensor| x.dropout(0.3, &chance)) };
    dropout2d: |r| {
        let chance = Rng::new(r.next_u64());
        (shape(4, 1, r), move |x: &Tensor| x.dropout2d(0.5, &chance))
    };
    batch_norm_given: |r| {
        let dims = shape(3, 1, r);
        let zero = Tensor::zeros([dims[1]]).to_dtype(eras::Dtype::F64);
        let variance = Tensor::uniform_f64([dims[1]], 0.5, 2.0, r);
        let weight = Tensor::randn_f64([dims[1]], r);
        (dims, move |x: &Tensor| x.batch_norm_given(&zero, &variance, Some(&weight), None, 1e-5))
    };
    nll: |r| {
        let dims = shape(3, 1, r);
        let targets = indices(&[dims[0], dims[2]], dims[1], r);
        (dims, move |x: &Tensor| x.nll(&targets, None, None, Reduction::Mean))
    };
    checkpoint: |r| (shape(2, 1, r), |x: &Tensor| checkpoint(&[x], |x| x[0].cumsum(1)));
};

/// How a filter of two groups moves, and its length.
fn filter(r: &mut Rng) -> (ConvOptions, usize) {
    let options = ConvOptions::new()
        .groups(2)
        .stride(between(1, 3, r))
        .dilation([between(1, 2, r), 1]);
    let options = if r.below(2) == 0 {
        options.padding_same()
    } else {
        options.padding([1, 0])
    };
    (options, between(1, 3, r))
}

/// `f` at points where every derivative is there: what leads its gradients back is linear in them.
const SMOOTH: &[(&str, Draw)] = maps! {
    activations: |r| {
        let activation = [Activation::Gelu, Activation::Silu, Activation::Tanh, Activation::Sigmoid,
            Activation::Relu, Activation::Mish, Activation::Softplus, Activation::Elu(1.0)][r.below(8)];
        (shape(2, 0, r), move |x: &Tensor| activation.forward(x))
    };
    elementwise: |r| (shape(2, 0, r), |x: &Tensor| x.sqr().exp_m1().sqrt() * x.sin());
    quotient: |r| (shape(2, 1, r), |x: &Tensor| x / (x.abs().sum_keepdim(1) + 1.0));
    softmax: |r| { let axis = r.below(3); (shape(3, 1, r), move |x: &Tensor| x.softmax(axis)) };
    log_softmax: |r| { let axis = r.below(3); (shape(3, 1, r), move |x: &Tensor| x.log_softmax(axis)) };
    logsumexp: |r| { let axes = axes(3, r); (shape(3, 1, r), move |x: &Tensor| x.logsumexp(&axes[..])) };
    prod: |r| { let axes = axes(2, r); (shape(2, 1, r), move |x: &Tensor| x.prod(&axes[..])) };
    extremes: |r| (shape(2, 1, r), |x: &Tensor| x.amax(0).sum(..) - x.amin(1));
    spread: |r| (shape(2, 2, r), |x: &Tensor| x.var(1, 1) + x.std(0, 1) + x.norm(2.0, 1));
    sort: |r| (shape(2, 1, r), |x: &Tensor| x.sort(1, true).0);
    square: |r| (shape(3, 1, r), |x: &Tensor| x.matmul(&x.transpose(1, 2)));
    linear_relu: |r| {
        let dims = shape(2, 1, r);
        let w = Tensor::randn_f64([5, dims[1]], r);
        (dims, move |x: &Tensor| x.linear_relu(&w, None))
    };
    conv_relu: |r| {
        let (options, k) = filter(r);
        let w = Tensor::randn_f64([4, 2, k, 2], r);
        (vec![between(1, 3, r), 4, 5, 4], move |x: &Tensor| x.conv_relu(&w, None, &options))
    };
    layer_norm: |r| (shape(3, 2, r), |x: &Tensor| x.layer_norm(&x.shape()[1..], None, None, 1e-5));
    rms_norm: |r| (shape(3, 2, r), |x: &Tensor| x.rms_norm(&x.shape()[2..], None, 1e-5));
    group_norm: |r| {
        let dims = [between(1, 4, r), 4, between(1, 4, r)];
        (dims.to_vec(), |x: &Tensor| x.group_norm(2, None, None, 1e-5))
    };
    batch_norm: |r| (shape(3, 2, r), |x: &Tensor| x.batch_norm(None, None, 1e-5).0);
    cross_entropy: |r| {
        let dims = shape(2, 1, r);
        let targets = indices(&dims[..1], dims[1], r);
        (dims, move |x: &Tensor| x.cross_entropy(&targets, None, None, 0.1, Reduction::None))
    };
    distances: |r| {
        let dims = shape(2, 1, r);
        let t = Tensor::randn_f64(dims.as_slice(), r);
        (dims, move |x: &Tensor| {
            x.mse(&t, Reduction::None) + x.huber(&t, 0.7, Reduction::None) + x.smooth_l1(&t, 0.3, Reduction::None)
        })
    };
    bce_with_logits: |r| {
        let dims = shape(2, 1, r);
        let t = Tensor::uniform_f64(dims.as_slice(), 0.0, 1.0, r);
        (dims, move |x: &Tensor| x.bce_with_logits(&t, Reduction::None))
    };
    glu: |r| (vec![between(1, 5, r), 4], |x: &Tensor| x.glu(1));
};

/// `f(a x + b y) = a f(x) + b f(y)`
fn check_linear(f: &dyn Fn(&Tensor) -> Tensor, dims: &[usize], rng: &mut Rng) {
    let (x, y) = (Tensor::randn_f64(dims, rng), Tensor::randn_f64(dims, rng));
    let (a, b) = (rng.normal(), rng.normal());
    assert_near(&f(&(&x * a + &y * b)), &(f(&x) * a + f(&y) * b), BOUND);
}

#[test]
fn linear_operations_are_linear_and_their_gradients_adjoint() {
    for (name, draw) in LINEAR {
        for_all(name, |rng| {
            let (dims, f) = draw(rng);
            check_linear(&f, &dims, rng);
            let x = Tensor::randn_f64(dims.as_slice(), rng);
            let leaf = x.requires_grad();
            let y = f(&leaf);
            let dy = Tensor::randn_f64(y.shape(), rng);
            let dx = y.backward_with(&dy)[&leaf].clone();
            let [there, back] = [&y.detach() * &dy, &x * dx].map(|x| x.sum(..).item());
            assert!(
                (there - back).abs() < BOUND,
                "⟨f(x), d⟩ is {there}, but ⟨x, f'(d)⟩ is {back}"
            );
        });
    }
}

#[test]
fn gradients_are_led_back_linearly() {
    for (name, draw) in LINEAR.iter().chain(SMOOTH) {
        for_all(name, |rng| {
            let (dims, f) = draw(rng);
            let x = Tensor::randn_f64(dims.as_slice(), rng).requires_grad();
            let y = f(&x);
            let dims = y.shape().to_vec();
            check_linear(&|dy| grad(&y, &[&x], Some(dy)).remove(0), &dims, rng);
            // Once more by the way that frees what it has used.
            let fast = |dy: &Tensor| f(&x).backward_with(dy)[&x].clone();
            check_linear(&fast, &dims, rng);
        });
    }
}
