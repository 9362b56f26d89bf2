//! The Transformer as its paper has it, which translates (Vaswani et al. 2017, "Attention Is All You Need",
//! arXiv:1706.03762): tokens, sinusoidal positions, an [`EncoderDecoder`], and an output.
//!
//! ```text
//! position t     sin(t / 10000^(2i/C)) at channel 2i, cos of the same at 2i + 1
//! embedding      √C · table[token] + position
//! ```
//!
//! Differs from the paper: what [`EncoderDecoder`] says.
//!
//! Axes: `B` batch, `S` source, `T` target, `C` channels, `V` vocabulary.

use super::encoder_decoder::{EncoderDecoder, StackConfig, Writing};
use eras_nn::{Dropout, Embedding, Init, Linear, Mode, Module};
use eras_tensor::{Reduction, Rng, Tensor};

/// What a [`Transformer`] is made of.
#[derive(Debug, Clone, PartialEq)]
pub struct TransformerConfig {
    /// Tokens of the source.
    pub source_vocab: usize,
    /// Tokens of the target.
    pub target_vocab: usize,
    /// Whether source, target and output read one table, of a vocabulary that both share.
    pub tied: bool,
    /// The token that fills a batch up, behind the end of its shorter texts; it is never seen and never wanted.
    pub padding: u32,
    /// Its two stacks.
    pub stacks: StackConfig,
}

/// Reads a text and writes another.
///
/// ```
/// use eras::models::large_models::{StackConfig, Transformer, TransformerConfig};
/// use eras::prelude::*;
///
/// let stacks = StackConfig { d_model: 16, n_head: 2, n_encoder: 1, n_decoder: 1, d_ff: 32, ..StackConfig::base() };
/// let config = TransformerConfig { source_vocab: 20, target_vocab: 20, tied: true, padding: 0, stacks };
/// let model = Transformer::new(config, &mut Rng::new(0));
/// let source = Tensor::from([[5i64, 6, 7, 2], [8, 2, 0, 0]]); // the second is shorter
/// let target = Tensor::from([[1i64, 9], [1, 9]]);
/// let logits = model.forward(&source, &target, &Mode::eval());
/// assert_eq!(logits.shape(), [2, 2, 20]); // what comes after each token of the target
/// ```
#[derive(Debug, Clone, Module)]
pub struct Transformer {
    #[module(skip)]
    config: TransformerConfig,
    /// Of the source, and of all where it is tied.
    source: Embedding,
    target: Option<Embedding>,
    stacks: EncoderDecoder,
    /// The output, where it is not tied.
    head: Option<Linear>,
    dropout: Dropout,
}

impl Transformer {
    /// Tables are drawn normally with standard deviation 1/√C, the rest as [`EncoderDecoder::new`] does.
    ///
    /// # Panics
    /// If the vocabularies differ though they are tied, the padding is none of them, or as `EncoderDecoder::new`.
    #[must_use]
    #[track_caller]
    pub fn new(config: TransformerConfig, rng: &mut Rng) -> Self {
        let (source, target) = (config.source_vocab, config.target_vocab);
        assert!(
            !config.tied || source == target,
            "Transformer: found vocabularies of {source} and {target} tokens, wanted one to tie"
        );
        assert!(
            (config.padding as usize) < source.min(target),
            "Transformer: found padding {}, wanted a token of both vocabularies, of {source} and {target}",
            config.padding
        );
        let width = config.stacks.d_model;
        let init = Init::normal(0.0, 1.0 / (width.max(1) as f64).sqrt());
        let apart = !config.tied;
        Self {
            source: Embedding::with_init(source, width, init, rng),
            target: apart.then(|| Embedding::with_init(target, width, init, rng)),
            stacks: EncoderDecoder::new(config.stacks.clone(), rng),
            head: apart.then(|| {
                let mut head = Linear::with_init(width, target, init, rng);
                head.bias = None;
                head
            }),
            dropout: Dropout::new(config.stacks.dropout),
            config,
        }
    }

    /// What it is made of.
    #[must_use]
    pub fn config(&self) -> &TransformerConfig {
        &self.config
    }

    /// What comes after each token of `target (B, T)`, where `source (B, S)` is to be said, both in `i64`: logits `(B, T, V)`.
    ///
    /// # Panics
    /// If a source is empty, or a token is none of its vocabulary.
    #[must_use]
    #[track_caller]
    pub fn forward(&self, source: &Tensor, target: &Tensor, mode: &Mode) -> Tensor {
        self.logits(&self.decoded(source, target, mode))
    }

    /// `(B, T, d_model)`, before the output.
    #[track_caller]
    fn decoded(&self, source: &Tensor, target: &Tensor, mode: &Mode) -> Tensor {
        let lengths = self.lengths(source);
        let memory = self.encode(source, &lengths, mode);
        let target = self.embedded(target, self.target_table(), 0, mode);
        self.stacks.decode(&target, &memory, Some(&lengths), mode)
    }

    /// The mean cross entropy of each token of `target (B, T)` but the first, where all before it are given ("teacher
    /// forcing") and the part `smoothing` of what is wanted is spread over all tokens. Padding does not count, and the logits
    /// are never there all at once.
    ///
    /// # Panics
    /// As [`forward`](Self::forward), or if the target has fewer than two tokens. One of padding alone gives NaN.
    #[must_use]
    #[track_caller]
    pub fn loss(&self, source: &Tensor, target: &Tensor, smoothing: f64, mode: &Mode) -> Tensor {
        let &[_, tokens] = target.shape() else {
            panic!("Transformer: target {:?} must be (B, T)", target.shape())
        };
        assert!(
            tokens > 1,
            "Transformer: found a target of {tokens} tokens, wanted at least 2, the first and one to tell"
        );
        let given = target.narrow(1, 0, tokens - 1);
        let wanted = target.narrow(1, 1, tokens - 1);
        let (weight, bias) = match &self.head {
            Some(head) => (&head.weight, head.bias.as_deref()),
            None => (&self.source.weight, None),
        };
        let padding = Some(i64::from(self.config.padding));
        let y = self.decoded(source, &given, mode);
        y.linear_cross_entropy(weight, bias, &wanted, padding, smoothing, Reduction::Mean)
    }

    /// Reads `source (B, S)`, to write at most `room` tokens for each.
    ///
    /// # Panics
    /// If a source is empty, or a token is none of its vocabulary.
    #[must_use]
    #[track_caller]
    pub fn read(&self, source: &Tensor, room: usize) -> Writing {
        let lengths = self.lengths(source);
        let memory = self.encode(source, &lengths, &Mode::eval());
        self.stacks.begin(&memory, Some(&lengths), room)
    }

    /// What comes after the last of `tokens (B, T)`, which follow what was written: logits `(B, V)`. They are written then, too.
    ///
    /// # Panics
    /// If there is no token, one is none of the vocabulary, or there is no room.
    #[must_use]
    #[track_caller]
    pub fn next(&self, tokens: &Tensor, writing: &mut Writing) -> Tensor {
        let start = writing.len();
        let y = self.embedded(tokens, self.target_table(), start, &Mode::eval());
        let rows = tokens.shape()[1];
        assert!(rows > 0, "Transformer: found no token, wanted one or more");
        let y = self.stacks.write(&y, writing);
        self.logits(&y.narrow(1, rows - 1, 1)).squeeze(1)
    }

    /// The shares in which it looked at each token of `source (B, S)` when it told what comes after each of `target (B, T)`:
    /// `(B, H, T, S)` of each layer.
    ///
    /// # Panics
    /// As [`forward`](Self::forward).
    #[must_use]
    #[track_caller]
    pub fn looks(&self, source: &Tensor, target: &Tensor) -> Vec<Tensor> {
        let (lengths, mode) = (self.lengths(source), Mode::eval());
        let memory = self.encode(source, &lengths, &mode);
        let target = self.embedded(target, self.target_table(), 0, &mode);
        self.stacks.looks(&target, &memory, Some(&lengths))
    }

    fn encode(&self, source: &Tensor, lengths: &[usize], mode: &Mode) -> Tensor {
        let x = self.embedded(source, &self.source, 0, mode);
        self.stacks.encode(&x, Some(lengths), mode)
    }

    fn target_table(&self) -> &Embedding {
        self.target.as_ref().unwrap_or(&self.source)
    }

    /// Tokens and where they stand: `(B, T)` to `(B, T, C)`.
    #[track_caller]
    fn embedded(&self, tokens: &Tensor, table: &Embedding, start: usize, mode: &Mode) -> Tensor {
        let &[_, rows] = tokens.shape() else {
            panic!("Transformer: tokens {:?} must be (B, T)", tokens.shape())
        };
        let width = self.config.stacks.d_model;
        let x = table.forward(tokens) * (width as f64).sqrt();
        let places = sinusoids(start, rows, width).to_dtype(x.dtype());
        self.dropout.forward(&(x + places), mode)
    }

    /// `(B, T, C)` to `(B, T, V)`.
    fn logits(&self, y: &Tensor) -> Tensor {
        match &self.head {
            Some(head) => head.forward(y),
            None => y.linear(&self.source.weight, None),
        }
    }

    /// How many tokens of each source come before the padding.
    #[track_caller]
    fn lengths(&self, source: &Tensor) -> Vec<usize> {
        let &[_, places] = source.shape() else {
            panic!("Transformer: source {:?} must be (B, S)", source.shape())
        };
        let padding = i64::from(self.config.padding);
        let tokens = source.to_vec::<i64>();
        let lengths = tokens.chunks(places.max(1)).map(|row| {
            let behind = row.iter().rev().take_while(|token| **token == padding);
            places - behind.count()
        });
        let lengths: Vec<usize> = lengths.collect();
        if let Some(row) = lengths.iter().position(|length| *length == 0) {
            panic!("Transformer: source {row} is empty, wanted a token or more before the padding")
        }
        lengths
    }
}

/// Where tokens stand, from place `start` on: `(rows, width)` sines and cosines.
fn sinusoids(start: usize, rows: usize, width: usize) -> Tensor {
    let at = |place: usize, channel: usize| {
        let slow = 10_000f64.powf((channel / 2 * 2) as f64 / width as f64);
        let (sin, cos) = (place as f64 / slow).sin_cos();
        (if channel.is_multiple_of(2) { sin } else { cos }) as f32
    };
    let all: Vec<f32> = (start..start + rows)
        .flat_map(|place| (0..width).map(move |channel| at(place, channel)))
        .collect();
    Tensor::from_slice(&all, [rows, width])
}

#[cfg(test)]
mod tests {
    use super::*;
    use eras_nn::{Adam, CrossEntropy, Optimizer};

    const END: i64 = 2;

    fn model(tied: bool, norm_first: bool) -> Transformer {
        let stacks = StackConfig {
            d_model: 32,
            n_head: 4,
            n_encoder: 1,
            n_decoder: 1,
            d_ff: 48,
            norm_first,
            dropout: 0.0,
        };
        let config = TransformerConfig {
            source_vocab: if tied { 13 } else { 11 },
            target_vocab: 13,
            tied,
            padding: 0,
            stacks,
        };
        Transformer::new(config, &mut Rng::new(3))
    }

    /// Sources of different lengths, and the same backwards.
    fn texts() -> (Tensor, Tensor) {
        let source = Tensor::from([
            [3i64, 4, 5, 6, END],
            [7, 8, END, 0, 0],
            [9, 3, 8, END, 0],
            [10, END, 0, 0, 0],
        ]);
        let target = Tensor::from([
            [1i64, 6, 5, 4, 3, END],
            [1, 8, 7, END, 0, 0],
            [1, 8, 3, 9, END, 0],
            [1, 10, END, 0, 0, 0],
        ]);
        (source, target)
    }

    #[test]
    fn it_learns_four_texts_by_heart_and_writes_them_with_what_it_keeps() {
        let (source, target) = texts();
        for (tied, norm_first) in [(true, true), (false, true), (true, false)] {
            let mut model = model(tied, norm_first);
            let mut adam = Adam::new(0.005);
            for step in 0..150 {
                let loss = model.loss(&source, &target, 0.0, &Mode::train(0, step));
                adam.step(&mut model, &loss.backward());
            }
            let loss = model.loss(&source, &target, 0.0, &Mode::eval()).item();
            assert!(loss < 0.05, "{loss}");
            let mut writing = model.read(&source, 6);
            let mut last = target.narrow(1, 0, 1);
            for place in 1..4 {
                let told = model.next(&last, &mut writing).argmax(-1);
                let wanted = target.narrow(1, place, 1).to_vec::<i64>();
                for (told, wanted) in told.to_vec::<i64>().iter().zip(&wanted) {
                    assert!(told == wanted || *wanted == 0);
                }
                last = target.narrow(1, place, 1);
            }
        }
    }

    #[test]
    fn the_loss_is_the_cross_entropy_of_the_logits() {
        let (source, target) = texts();
        for tied in [true, false] {
            let (model, mode) = (model(tied, true), Mode::eval());
            let logits = model.forward(&source, &target.narrow(1, 0, 5), &mode);
            let criterion = CrossEntropy::new().ignore_index(0).label_smoothing(0.1);
            let wanted = target.narrow(1, 1, 5).flatten(0, 1);
            let wanted = criterion.loss(&logits.flatten(0, 1), &wanted).item();
            let loss = model.loss(&source, &target, 0.1, &mode).item();
            assert!((loss - wanted).abs() < 1e-5, "{loss} {wanted}");
        }
    }

    #[test]
    fn padding_changes_nothing() {
        let (source, target) = texts();
        let model = model(true, true);
        let mode = Mode::eval();
        let alone = |row: usize, s: usize, t: usize| {
            let source = source.narrow(0, row, 1).narrow(1, 0, s);
            let target = target.narrow(0, row, 1).narrow(1, 0, t);
            model.loss(&source, &target, 0.1, &mode).item()
        };
        // Each row's mean over its own tokens.
        let rows = [(5, 6, 5.0), (3, 4, 3.0), (4, 5, 4.0), (2, 3, 2.0)];
        let sum: f64 = (0..4)
            .map(|row| rows[row].2 * alone(row, rows[row].0, rows[row].1))
            .sum();
        let whole = model.loss(&source, &target, 0.1, &mode).item();
        assert!((whole - sum / 14.0).abs() < 1e-6, "{whole}");
    }

    #[test]
    fn places_are_the_papers() {
        let places = sinusoids(2, 3, 6).to_vec::<f32>();
        let wanted = |t: f64, i: f64| t / 10_000f64.powf(2.0 * i / 6.0);
        for (row, t) in [2.0, 3.0, 4.0].into_iter().enumerate() {
            for i in 0..3 {
                let (sin, cos) = wanted(t, i as f64).sin_cos();
                assert!((f64::from(places[6 * row + 2 * i]) - sin).abs() < 1e-7);
                assert!((f64::from(places[6 * row + 2 * i + 1]) - cos).abs() < 1e-7);
            }
        }
    }

    #[test]
    #[should_panic(
        expected = "Transformer: source 1 is empty, wanted a token or more before the padding"
    )]
    fn a_source_of_padding_alone_is_refused() {
        let _y = model(true, true).forward(
            &Tensor::from([[3i64, 2], [0, 0]]),
            &Tensor::from([[1i64], [1]]),
            &Mode::eval(),
        );
    }

    #[test]
    #[should_panic(
        expected = "Transformer: found vocabularies of 11 and 13 tokens, wanted one to tie"
    )]
    fn vocabularies_that_differ_are_not_tied() {
        let config = TransformerConfig {
            tied: true,
            ..model(false, true).config().clone()
        };
        let _model = Transformer::new(config, &mut Rng::new(0));
    }
}
