//! The PixelCNN: one place after another, each from those before it, all at once while it learns (van den Oord, Kalchbrenner
//! & Kavukcuoglu 2016, "Pixel recurrent neural networks", arXiv:1601.06759).
//!
//! ```text
//! ln p(x) = Σᵢ ln p(xᵢ | x₁ … xᵢ₋₁)         places row by row, from the upper left
//! ```
//!
//! A convolution looks only back where the weights that look ahead are put to 0: the first one those of its own place too
//! (mask A), the others not (mask B), since there stands what the first made of the places before.
//!
//! Differs from the paper: it reads and writes numbers of codes, which are not ordered, so that each has a vector of its own
//! in the place of an intensity.
//!
//! Axes: `B` pictures, `C` channels, `K` codes, `H` and `W` height and width.

use eras_nn::{Conv2d, Embedding, Layer, Mode, Module};
use eras_tensor::{Dtype, Rng, Tensor, no_grad};

/// What follows what, in grids of codes: `(B, H, W)` in `i64` to logits `(B, K, H, W)`.
///
/// ```
/// use eras::models::deep_learning::PixelCnn;
/// use eras::prelude::*;
///
/// let rng = &mut Rng::new(0);
/// let model = PixelCnn::new(16, 32, 2, rng);
/// let codes = model.sample(3, [7, 7], rng);
/// assert_eq!(codes.shape(), [3, 7, 7]);
/// assert_eq!(model.unlikeliness(&codes).shape(), [3]);
/// ```
#[derive(Debug, Module)]
pub struct PixelCnn {
    embedding: Embedding,
    first: Masked,
    blocks: Vec<Block>,
    last: Conv2d,
    output: Conv2d,
}

/// A convolution that looks back.
#[derive(Debug, Module)]
struct Masked {
    conv: Conv2d,
    /// 1 where it may look: `(k, k)`.
    #[module(skip)]
    mask: Tensor,
}

impl Masked {
    /// With mask B, or A where it may not see its `own` place.
    fn new(channels: [usize; 2], kernel: usize, own: bool, rng: &mut Rng) -> Self {
        let middle = kernel * kernel / 2;
        let may_look = |i: usize| f32::from(u8::from(i < middle || (own && i == middle)));
        let mask: Vec<f32> = (0..kernel * kernel).map(may_look).collect();
        Self {
            conv: Conv2d::new(channels[0], channels[1], kernel, rng).padding(kernel / 2),
            mask: Tensor::from_slice(&mask, [kernel, kernel]),
        }
    }

    fn forward(&self, x: &Tensor) -> Tensor {
        let Conv2d {
            weight,
            bias,
            options,
            ..
        } = &self.conv;
        x.conv(&(&**weight * &self.mask), bias.as_deref(), options)
    }
}

/// `x + F(x)`: half as many channels, which look back over 3 x 3 places.
#[derive(Debug, Module)]
struct Block {
    narrow: Conv2d,
    look: Masked,
    widen: Conv2d,
}

impl Block {
    fn new(channels: usize, rng: &mut Rng) -> Self {
        let half = channels / 2;
        Self {
            narrow: Conv2d::new(channels, half, 1, rng).relu(),
            look: Masked::new([half, half], 3, true, rng),
            widen: Conv2d::new(half, channels, 1, rng),
        }
    }

    /// `(B, C, H, W)`
    fn forward(&self, x: &Tensor) -> Tensor {
        let h = self.look.forward(&self.narrow.forward(&x.relu())).relu();
        x + self.widen.forward(&h)
    }
}

impl PixelCnn {
    /// For grids of so many `codes`, with `channels` in each of `blocks` residual blocks.
    ///
    /// # Panics
    /// If there are no codes, or `channels` is odd or 0.
    #[must_use]
    #[track_caller]
    pub fn new(codes: usize, channels: usize, blocks: usize, rng: &mut Rng) -> Self {
        assert!(
            codes > 0 && channels > 0 && channels.is_multiple_of(2),
            "PixelCnn: found {codes} codes and {channels} channels, wanted at least 1 and an even number"
        );
        /// Of the first convolution: the paper's 7, for grids that are not much larger than that.
        const KERNEL: usize = 5;
        Self {
            embedding: Embedding::new(codes, channels, rng),
            first: Masked::new([channels, channels], KERNEL, false, rng),
            blocks: (0..blocks).map(|_| Block::new(channels, rng)).collect(),
            last: Conv2d::new(channels, channels, 1, rng).relu(),
            output: Conv2d::new(channels, codes, 1, rng),
        }
    }

    /// The log-odds of the code at each place, given those before it: `codes (B, H, W)` in `i64` to `(B, K, H, W)`.
    ///
    /// # Panics
    /// If one is no code, or these are no grids.
    #[must_use]
    #[track_caller]
    pub fn forward(&self, codes: &Tensor) -> Tensor {
        let x = self.embedding.forward(codes).permute([0, 3, 1, 2]); // (B, C, H, W)
        let mut h = self.first.forward(&x);
        for block in &self.blocks {
            h = block.forward(&h);
        }
        self.output.forward(&self.last.forward(&h.relu()))
    }

    /// `−ln p` of each grid of `codes (B, H, W)`, in nats: `(B)`.
    ///
    /// # Panics
    /// As [`forward`](Self::forward).
    #[must_use]
    #[track_caller]
    pub fn unlikeliness(&self, codes: &Tensor) -> Tensor {
        let log_p = self.forward(codes).log_softmax(1);
        -log_p.gather(1, &codes.unsqueeze(1)).squeeze(1).sum([1, 2])
    }

    /// `n` grids of height and width `size`, drawn place by place: `(n, H, W)` in `i64`. Off the tape.
    #[must_use]
    pub fn sample(&self, n: usize, size: [usize; 2], rng: &mut Rng) -> Tensor {
        let [height, width] = size;
        let mut codes = Tensor::zeros([n, height, width]).to_dtype(Dtype::I64);
        no_grad(|| {
            for place in 0..height * width {
                let (row, column) = (place / width, place % width);
                // Rows below see nothing yet, and what is still to come in this one is 0, which nobody sees.
                let logits = self.forward(&codes.narrow(1, 0, row + 1));
                let drawn = draw(&logits.select(3, column).select(2, row), rng); // from (n, K)
                let places = codes.as_mut_slice::<i64>().iter_mut();
                for (code, drawn) in places.skip(place).step_by(height * width).zip(drawn) {
                    *code = drawn;
                }
            }
        });
        codes
    }
}

/// A class from each row of `logits (n, K)`: the largest, after a Gumbel number is added to each.
fn draw(logits: &Tensor, rng: &mut Rng) -> Vec<i64> {
    let noise = -(-Tensor::uniform_f64(logits.shape(), f64::MIN_POSITIVE, 1.0, rng).ln()).ln();
    let logits = logits.to_dtype(Dtype::F64) + noise;
    logits.argmax(-1).to_vec()
}

/// `codes (B, H, W)` to logits `(B, K, H, W)`.
impl Layer for PixelCnn {
    #[track_caller]
    fn apply(&self, x: &Tensor, _: &Mode) -> Tensor {
        self.forward(x)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use eras_nn::{Adam, Optimizer};

    #[test]
    fn what_comes_later_is_not_seen_and_what_came_before_is() {
        let rng = &mut Rng::new(0);
        let model = PixelCnn::new(4, 16, 2, rng);
        let (height, width) = (5, 6);
        let codes: Vec<i64> = (0..30).map(|i| i * i % 4).collect();
        let logits = |codes: &[i64]| {
            let codes = Tensor::from_slice(codes, [1, height, width]);
            model.forward(&codes).reshape([4, 30]).t().to_vec::<f32>()
        };
        let before = logits(&codes);
        let mut seen = 0;
        for changed in 0..30 {
            let mut codes = codes.clone();
            codes[changed] = (codes[changed] + 1) % 4;
            let after = logits(&codes);
            let differs = |place: usize| before[place * 4..][..4] != after[place * 4..][..4];
            assert!(
                (0..=changed).all(|place| !differs(place)),
                "{changed} was seen too early"
            );
            seen += usize::from(changed < 29 && differs(changed + 1));
        }
        // The next place sees it, but where a row ends and the next begins far away.
        assert!(seen >= 24, "{seen}");
    }

    #[test]
    fn the_probabilities_of_all_grids_sum_to_one() {
        let model = PixelCnn::new(3, 8, 1, &mut Rng::new(1));
        let all: Vec<i64> = (0..81 * 4)
            .map(|i| i / 4 / 3i64.pow((i % 4) as u32) % 3)
            .collect();
        let nats = model.unlikeliness(&Tensor::from_slice(&all, [81, 2, 2]));
        let sum = (-nats).exp().sum(..).item();
        assert!((sum - 1.0).abs() < 1e-5, "{sum}");
    }

    #[test]
    fn samples_are_as_frequent_as_they_are_likely() {
        let rng = &mut Rng::new(2);
        let model = PixelCnn::new(2, 8, 1, rng);
        let all: Vec<i64> = (0..16 * 4).map(|i| ((i / 4) >> (i % 4)) & 1).collect();
        let p = (-model.unlikeliness(&Tensor::from_slice(&all, [16, 2, 2])))
            .exp()
            .to_vec::<f32>();
        const DRAWN: usize = 4000;
        let mut counts = [0.0f32; 16];
        for grid in model
            .sample(DRAWN, [2, 2], rng)
            .to_vec::<i64>()
            .chunks_exact(4)
        {
            let number = grid.iter().rev().fold(0, |number, bit| 2 * number + bit);
            counts[number as usize] += 1.0;
        }
        for (p, count) in p.iter().zip(counts) {
            // Five standard errors.
            let within = 5.0 * (p * (1.0 - p) / DRAWN as f32).sqrt();
            assert!((count / DRAWN as f32 - p).abs() < within, "{count} and {p}");
        }
    }

    #[test]
    fn it_learns_that_rows_repeat() {
        let rng = &mut Rng::new(3);
        let mut model = PixelCnn::new(4, 16, 2, rng);
        let mut adam = Adam::new(0.01);
        let stripes = |rng: &mut Rng| {
            let rows: Vec<i64> = (0..16 * 4).map(|_| rng.below(4) as i64).collect();
            Tensor::from_slice(&rows, [16, 4, 1])
                .expand([16, 4, 4])
                .contiguous()
        };
        for _ in 0..150 {
            let nats = model.unlikeliness(&stripes(rng)).mean(..);
            adam.step(&mut model, &nats.backward());
        }
        // Four rows of one free code each: 4 ln 4 = 5.5 nats, and not 16 ln 4 = 22.2.
        let nats = model.unlikeliness(&stripes(rng)).mean(..).item();
        assert!(nats < 6.5, "{nats}");
    }
}
