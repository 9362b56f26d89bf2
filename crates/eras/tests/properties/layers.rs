//! Layers and losses that treat the samples of a batch alone.

use super::{Draw, between, maps};
use eras::nn::{
    self, Activation, BatchNorm, Conv1d, Conv2d, Conv3d, ConvTranspose2d, Dense, Dropout,
    Embedding, Flatten, GroupNorm, Init, Layer, LayerNorm, Linear, Mode, MultiHeadAttention,
    RmsNorm, Sequential,
};
use eras::{AttentionOptions, Dtype, Rng, Tensor};

/// Maps of batches `(B, ..)`, drawn with the shape of a sample.
pub(crate) const LAYERS: &[(&str, Draw)] = maps! {
    Linear: |r| {
        let (n, m) = widths(r);
        let layer = Linear::new(n, m, r);
        (vec![n], move |x: &Tensor| layer.forward(x))
    };
    Linear_of_sequences: |r| {
        let (n, m) = widths(r);
        let layer = Linear::no_bias(n, m, r);
        (vec![3, n], move |x: &Tensor| layer.forward(x))
    };
    Linear_wide: |r| {
        let layer = Linear::new(300, 130, r);
        (vec![300], move |x: &Tensor| layer.forward(x))
    };
    Dense: |r| {
        let (n, m) = widths(r);
        let layer = Dense::new(n, m, r).activation(activation(r));
        (vec![n], move |x: &Tensor| layer.forward(x))
    };
    Dense_relu: |r| {
        let (n, m) = widths(r);
        let layer = Dense::new(n, m, r).relu();
        (vec![n], move |x: &Tensor| layer.forward(x))
    };
    Conv1d: |r| {
        let (n, m) = widths(r);
        let layer = Conv1d::new(n, m, 3, r).padding(1);
        (vec![n, between(1, 40, r)], move |x: &Tensor| layer.forward(x))
    };
    Conv2d: |r| {
        let (n, m) = widths(r);
        let layer = Conv2d::new(n, m, [3, 2], r).padding_same().relu();
        (vec![n, between(1, 9, r), between(1, 9, r)], move |x: &Tensor| layer.forward(x))
    };
    Conv2d_deep: |r| {
        let layer = Conv2d::new(70, 20, 5, r).stride(2).padding(2);
        (vec![70, between(1, 9, r), between(1, 9, r)], move |x: &Tensor| layer.forward(x))
    };
    Conv2d_of_many_channels: |r| {
        let layer = Conv2d::new(40, 33, 3, r).padding(1);
        (vec![40, between(1, 9, r), between(1, 9, r)], move |x: &Tensor| layer.forward(x))
    };
    Conv2d_depthwise: |r| {
        let n = between(1, 40, r);
        let layer = Conv2d::new(n, n, 3, r).groups(n).padding(1);
        (vec![n, between(1, 20, r), between(1, 20, r)], move |x: &Tensor| layer.forward(x))
    };
    Conv3d: |r| {
        let layer = Conv3d::new(2, 4, 2, r).groups(2);
        (vec![2, between(2, 5, r), between(2, 5, r), between(2, 5, r)], move |x: &Tensor| layer.forward(x))
    };
    ConvTranspose2d: |r| {
        let (n, m) = widths(r);
        let layer = ConvTranspose2d::new(n, m, 4, r).stride(2).padding(1);
        (vec![n, between(1, 9, r), between(1, 9, r)], move |x: &Tensor| layer.forward(x))
    };
    MultiHeadAttention: |r| {
        let layer = MultiHeadAttention::grouped(12, 4, 2, r);
        let options = AttentionOptions::new().causal();
        (vec![between(1, 70, r), 12], move |x: &Tensor| layer.forward(x, &options, &Mode::eval()))
    };
    LayerNorm: |r| {
        let (n, m) = widths(r);
        let layer = if r.below(2) == 0 { LayerNorm::new(m) } else { LayerNorm::over([n, m]) };
        (vec![n, m], move |x: &Tensor| layer.forward(x))
    };
    RmsNorm: |r| {
        let n = between(1, 300, r);
        let layer = RmsNorm::new(n);
        (vec![n], move |x: &Tensor| layer.forward(x))
    };
    GroupNorm: |r| {
        let layer = GroupNorm::new(2, 4);
        (vec![4, between(1, 40, r)], move |x: &Tensor| layer.forward(x))
    };
    BatchNorm_in_evaluation: |r| {
        let (n, m) = widths(r);
        let layer = BatchNorm::new(n);
        layer.running_mean.set(&Tensor::randn([n], r));
        layer.running_var.set(&Tensor::uniform([n], 0.5, 2.0, r));
        (vec![n, m], move |x: &Tensor| layer.forward(x, &Mode::eval()))
    };
    Dropout_in_evaluation: |r| (vec![between(1, 9, r)], |x: &Tensor| Dropout::new(0.5).forward(x, &Mode::eval()));
    Embedding: |r| {
        let layer = Embedding::new(50, between(1, 40, r), r);
        // Numbers made to stand for words.
        let ids = |x: &Tensor| ((x.tanh() + 1.0) * 24.0).to_dtype(Dtype::I64);
        (vec![between(1, 9, r)], move |x: &Tensor| layer.forward(&ids(x)))
    };
    Flatten: |r| (vec![between(1, 9, r), 2], |x: &Tensor| Flatten.forward(x));
    activation: |r| {
        let activation = activation(r);
        (vec![between(1, 40, r)], move |x: &Tensor| activation.forward(x))
    };
    softmax: |r| (vec![3, between(1, 40, r)], |x: &Tensor| x.softmax(-1));
    softmax_of_the_middle: |r| (vec![between(1, 9, r), between(1, 40, r)], |x: &Tensor| x.softmax(1));
    log_softmax: |r| (vec![between(1, 40, r)], |x: &Tensor| x.log_softmax(1));
    softmax_in_bf16: |r| {
        (vec![between(1, 40, r)], |x: &Tensor| x.to_dtype(Dtype::BF16).softmax(1))
    };
    softmax_in_f64: |r| (vec![between(1, 40, r)], |x: &Tensor| x.to_dtype(Dtype::F64).softmax(1));
    rows_reduced: |r| (vec![between(1, 300, r)], |x: &Tensor| x.sum_keepdim(1) + x.var_keepdim(0, 1) + x.amax_keepdim(1));
    model: |r| {
        let (n, m) = widths(r);
        let model = Sequential::new()
            .add(Linear::new(n, m, r))
            .add(LayerNorm::new(m))
            .add(activation(r))
            .add(Dropout::new(0.5))
            .add(Linear::with_init(m, 3, Init::he_normal(), r));
        (vec![n], move |x: &Tensor| model.apply(x, &Mode::eval()))
    };
};

fn widths(rng: &mut Rng) -> (usize, usize) {
    (between(1, 40, rng), between(1, 40, rng))
}

fn activation(rng: &mut Rng) -> Activation {
    let all = [
        Activation::Relu,
        Activation::LeakyRelu(0.1),
        Activation::Elu(1.0),
        Activation::Selu,
        Activation::Gelu,
        Activation::GeluTanh,
        Activation::Silu,
        Activation::Mish,
        Activation::Softplus,
        Activation::Tanh,
        Activation::Sigmoid,
        Activation::HardSwish,
    ];
    all[rng.below(all.len())]
}

/// Some rows: outputs `(B, 12)`, numbers inside of 0 and 1 `(B, 12)`, classes `(B)` below 12.
pub(crate) struct Rows {
    pub(crate) outputs: Tensor,
    pub(crate) parts: Tensor,
    pub(crate) labels: Tensor,
}

impl Rows {
    pub(crate) fn draw(n: usize, rng: &mut Rng) -> Self {
        Self {
            outputs: Tensor::randn_f64([n, 12], rng),
            parts: Tensor::uniform_f64([n, 12], 0.05, 0.95, rng),
            labels: super::indices(&[n], 12, rng),
        }
    }

    /// Those at `places`.
    pub(crate) fn at(&self, places: &Tensor) -> Self {
        Self {
            outputs: self.outputs.index_select(0, places),
            parts: self.parts.index_select(0, places),
            labels: self.labels.index_select(0, places),
        }
    }
}

/// A name and a loss.
type Loss = (&'static str, fn(&Rows) -> Tensor);

/// Losses that are a mean over rows.
#[rustfmt::skip]
pub(crate) const MEANS: &[Loss] = &[
    ("cross_entropy", |r| nn::cross_entropy(&r.outputs, &r.labels)),
    ("label smoothing", |r| nn::CrossEntropy::new().label_smoothing(0.1).loss(&r.outputs, &r.labels)),
    ("nll", |r| nn::nll(&r.outputs.log_softmax(1), &r.labels)),
    ("softmax_focal", |r| nn::softmax_focal(&r.outputs, &r.labels)),
    ("multi_margin", |r| nn::multi_margin(&r.outputs, &r.labels)),
    ("bce_with_logits", |r| nn::bce_with_logits(&r.outputs, &r.parts)),
    ("bce", |r| nn::bce(&r.outputs.sigmoid(), &r.parts)),
    ("sigmoid_focal", |r| nn::sigmoid_focal(&r.outputs, &r.parts)),
    ("hinge", |r| nn::hinge(&r.outputs, &r.parts.round())),
    ("squared_hinge", |r| nn::squared_hinge(&r.outputs, &r.parts.round())),
    ("mse", |r| nn::mse(&r.outputs, &r.parts)),
    ("mae", |r| nn::mae(&r.outputs, &r.parts)),
    ("huber", |r| nn::huber(&r.outputs, &r.parts, 0.7)),
    ("smooth_l1", |r| nn::smooth_l1(&r.outputs, &r.parts, 0.7)),
    ("log_cosh", |r| nn::log_cosh(&r.outputs, &r.parts)),
    ("mape", |r| nn::mape(&r.outputs, &r.parts)),
    ("msle", |r| nn::msle(&r.outputs.abs(), &r.parts)),
    ("kl_div", |r| nn::kl_div(&r.outputs.log_softmax(1), &r.parts)),
    ("poisson_nll", |r| nn::poisson_nll(&r.outputs, &r.parts)),
    ("gaussian_nll", |r| nn::gaussian_nll(&r.outputs, &r.parts, &(r.outputs.abs() + 0.1))),
    ("cosine_loss", |r| nn::cosine_loss(&r.outputs, &r.parts)),
    ("cosine_embedding", |r| {
        let together = r.labels.gt(5.0).to_dtype(Dtype::I64) * 2.0 - 1.0;
        nn::cosine_embedding(&r.outputs, &r.parts, &together)
    }),
    ("triplet_margin", |r| nn::triplet_margin(&r.outputs, &r.parts, &(&r.parts * 2.0))),
    ("dice of each row", |r| nn::Tversky::dice().axes([1]).loss(&r.outputs.sigmoid(), &r.parts)),
    ("ctc", |r| {
        let (n, m) = (r.labels.len(), r.labels.to_dtype(Dtype::F64));
        let x = r.outputs.reshape([n, 4, 3]).transpose(0, 1).log_softmax(2); // (T, B, C)
        let label = m.gt(5.0).to_dtype(Dtype::I64) + 1.0;
        let length = |n_each: f64| Tensor::full([n], n_each, Dtype::I64);
        nn::ctc(&x, &label.unsqueeze(1), &length(4.0), &length(1.0))
    }),
];

/// Losses that count all rows together.
#[rustfmt::skip]
pub(crate) const TOGETHER: &[Loss] = &[
    ("dice", |r| nn::dice(&r.outputs.sigmoid(), &r.parts)),
    ("class weights", |r| {
        let weight = Tensor::linspace(0.5, 2.0, 12);
        nn::CrossEntropy::new().weight(&weight.to_dtype(Dtype::F64)).loss(&r.outputs, &r.labels)
    }),
];
