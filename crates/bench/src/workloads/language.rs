//! Models of language: training steps of GPT, one token at a time from a cache, and an encoder that reads.

use super::networks::steps;
use crate::measurement::Kind;
use crate::workload::{Step, Workload};
use eras_models::large_models::{Cache, Gpt, GptConfig};
use eras_nn::{AdamW, LayerNorm, Linear, Mode, MultiHeadAttention};
use eras_tensor::{AttentionOptions, Dtype, Rng, Tensor, matmul_precision, no_grad};
use std::hint::black_box;

/// Texts, and tokens of each.
type Batch = [usize; 2];

pub(crate) fn workloads() -> Vec<Workload> {
    let train = |name: &str, about: &str, config: fn() -> GptConfig, batch: Batch| {
        let flops = flops::training(&config(), batch);
        let of = |dtype: Dtype, kind: Kind, suffix: &str| {
            let (name, about) = (format!("{name}{suffix}"), format!("{about}, {dtype}"));
            Workload::compute(&name, &about, flops, move || train(config(), batch, dtype)).of(kind)
        };
        // In bf16 all products but those of attention.
        [
            of(Dtype::F32, Kind::F32, ""),
            of(Dtype::BF16, Kind::Bf16, "_bf16"),
        ]
    };
    let read = |name: &str, batch: Batch| {
        let about = format!(
            "the encoder of BERT base reads {} x {} tokens, f32",
            batch[0], batch[1]
        );
        Workload::compute(name, &about, flops::encoder(batch), move || read(batch))
    };
    let trainings = [
        train(
            "gpt_char",
            "a training step of GPT, 4 layers, 4 heads, 128 channels, 65 letters, batch 12 x 64: AdamW",
            || GptConfig::gpt2(65, 64, 128, 4, 4),
            [12, 64],
        ),
        train(
            "gpt_baby",
            "a training step of GPT, 6 layers, 6 heads, 384 channels, 65 letters, batch 16 x 256: AdamW",
            || GptConfig::gpt2(65, 256, 384, 6, 6),
            [16, 256],
        ),
        train(
            "gpt2",
            "a training step of GPT-2 (124 M), batch 1 x 512: AdamW",
            gpt2,
            [1, 512],
        ),
    ];
    let reading = [
        Workload::memory(
            "gpt2_token",
            "GPT-2 (124 M) tells what comes after 256 tokens, of which a cache keeps all but the last, f32",
            token_bytes(),
            token,
        )
        .of(Kind::Read),
        read("bert_base", [8, 128]),
        read("bert_base_one", [1, 128]),
    ];
    trainings.into_iter().flatten().chain(reading).collect()
}

/// The smallest of the four.
fn gpt2() -> GptConfig {
    GptConfig::gpt2(50_257, 1024, 768, 12, 12)
}

/// Tokens without order, the same every time.
fn tokens(batch: Batch, vocab: usize, rng: &mut Rng) -> Tensor {
    let tokens: Vec<i64> = (0..batch[0] * batch[1])
        .map(|_| rng.below(vocab) as i64)
        .collect();
    Tensor::from_slice(&tokens, batch)
}

fn train(config: GptConfig, batch: Batch, dtype: Dtype) -> Step {
    let rng = &mut Rng::new(0);
    let [x, y] = [0, 1].map(|_| tokens(batch, config.vocab_size, rng));
    let gpt = Gpt::new(config, rng);
    steps(gpt, AdamW::new(1e-3), move |gpt, step| {
        matmul_precision(dtype, || gpt.loss(black_box(&x), &y, &Mode::train(0, step)))
    })
}

/// Tokens that the cache keeps.
const SEEN: usize = 255;

fn token() -> Step {
    let rng = &mut Rng::new(0);
    let gpt = Gpt::new(gpt2(), rng);
    let [seen, last] = [SEEN, 1].map(|rows| tokens([1, rows], 50_257, rng));
    let mut cache = Cache::new(1024);
    let mut next = move |tokens: &Tensor| {
        cache.truncate(SEEN);
        _ = black_box(no_grad(|| gpt.next(tokens, &mut cache)));
    };
    next(&seen);
    Box::new(move || next(black_box(&last)))
}

/// The weights of the blocks and of the output are read, and the keys and values that were kept.
fn token_bytes() -> f64 {
    let GptConfig {
        d_model,
        n_layer,
        vocab_size,
        ..
    } = gpt2();
    let block = 12 * d_model * d_model + 2 * (SEEN + 1) * d_model;
    (size_of::<f32>() * (n_layer * block + vocab_size * d_model)) as f64
}

/// What BERT does between its embedding and its heads (Devlin et al. 2018, arXiv:1810.04805): norms come after.
struct Encoder(Vec<EncoderBlock>);

struct EncoderBlock {
    attention: MultiHeadAttention,
    norm1: LayerNorm,
    up: Linear,
    down: Linear,
    norm2: LayerNorm,
}

/// Of BERT base.
const LAYERS: usize = 12;
const CHANNELS: usize = 768;
const HEADS: usize = 12;

impl Encoder {
    fn new(rng: &mut Rng) -> Self {
        let block = |_| EncoderBlock {
            attention: MultiHeadAttention::new(CHANNELS, HEADS, rng),
            norm1: LayerNorm::new(CHANNELS),
            up: Linear::new(CHANNELS, 4 * CHANNELS, rng),
            down: Linear::new(4 * CHANNELS, CHANNELS, rng),
            norm2: LayerNorm::new(CHANNELS),
        };
        Self((0..LAYERS).map(block).collect())
    }

    /// `(B, T, C)` to `(B, T, C)`.
    fn forward(&self, x: &Tensor) -> Tensor {
        self.0.iter().fold(x.clone(), |x, block| {
            let all = AttentionOptions::new();
            let seen = block.attention.forward(&x, &all, &Mode::eval());
            let x = block.norm1.forward(&(x + seen));
            let thought = block.down.forward(&block.up.forward(&x).gelu());
            block.norm2.forward(&(x + thought))
        })
    }
}

fn read(batch: Batch) -> Step {
    let rng = &mut Rng::new(0);
    let encoder = Encoder::new(rng);
    let x = Tensor::randn([batch[0], batch[1], CHANNELS], rng);
    Box::new(move || _ = black_box(no_grad(|| encoder.forward(black_box(&x)))))
}

/// Of products, a multiply-add being two.
mod flops {
    use super::{Batch, CHANNELS, GptConfig, LAYERS};

    /// All layers three times, forward and for both gradients; of attention, two products forward and five back.
    pub(super) fn training(config: &GptConfig, [batch, rows]: Batch) -> f64 {
        let (d_model, layers) = (config.d_model, config.n_layer);
        let weights = layers * 12 * d_model * d_model + config.vocab_size * d_model;
        let pairs = batch * rows * (rows + 1) / 2;
        (2 * (3 * batch * rows * weights + 7 * layers * pairs * d_model)) as f64
    }

    /// All layers once; every token sees all others.
    pub(super) fn encoder([batch, rows]: Batch) -> f64 {
        let weights = 12 * CHANNELS * CHANNELS;
        let pairs = batch * rows * rows;
        (2 * LAYERS * (batch * rows * weights + 2 * pairs * CHANNELS)) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use eras_tensor::count;

    #[test]
    fn the_operations_are_those_that_are_counted_as_they_are_asked_for() {
        for name in ["gpt_char", "bert_base_one"] {
            let workload = workloads().into_iter().find(|w| w.name == name).unwrap();
            let mut step = (workload.prepare)();
            let before = count::flops();
            step();
            let counted = (count::flops() - before) as f64;
            assert_eq!(Some(counted), workload.flops, "{workload:?}");
        }
    }
}
