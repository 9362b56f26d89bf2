//! The U-Net (Ronneberger, Fischer & Brox 2015, arXiv:1505.04597): down to see what there is, up again to say where, with
//! bridges from each level of the way down to that of the way up.
//!
//! Differs from the paper: its pairs of convolutions are residual blocks with group norm and SiLU, as in diffusion models
//! (Ho, Jain & Abbeel 2020, arXiv:2006.11239), which can be told a time; convolutions are padded, so that the output is as
//! large as the input; levels shrink by convolutions of stride 2, not by pooling.
//!
//! Axes: `B` batch, `C` channels, `H` and `W` height and width.

use eras_nn::{Conv2d, ConvTranspose2d, GroupNorm, Layer, Linear, Mode, Module};
use eras_tensor::{Rng, Tensor};

/// Groups of every group norm.
const GROUPS: usize = 8;

/// `x + F(x)`, where F is two 3x3 convolutions, each after group norm and SiLU; what a time says is added between them.
///
/// Shapes: `x (B, in, H, W)`, time `(B, T)`, to `(B, out, H, W)`.
#[derive(Debug, Clone, Module)]
pub struct ResidualBlock {
    norm1: GroupNorm,
    conv1: Conv2d,
    time: Option<Linear>,
    norm2: GroupNorm,
    conv2: Conv2d,
    /// Where the channels change.
    shortcut: Option<Conv2d>,
}

impl ResidualBlock {
    /// With a time of `time` numbers, where there is one.
    ///
    /// # Panics
    /// If the channels are no multiples of 8.
    #[must_use]
    #[track_caller]
    pub fn new(c_in: usize, c_out: usize, time: Option<usize>, rng: &mut Rng) -> Self {
        Self {
            norm1: GroupNorm::new(GROUPS, c_in),
            conv1: Conv2d::new(c_in, c_out, 3, rng).padding(1),
            time: time.map(|time| Linear::new(time, c_out, rng)),
            norm2: GroupNorm::new(GROUPS, c_out),
            conv2: Conv2d::new(c_out, c_out, 3, rng).padding(1),
            shortcut: (c_in != c_out).then(|| Conv2d::new(c_in, c_out, 1, rng)),
        }
    }

    /// `x (B, in, H, W)` and, if the block was made for one, the embedded time `(B, T)`, to `(B, out, H, W)`.
    ///
    /// # Panics
    /// If a time is there and was not expected, or the other way round.
    #[must_use]
    #[track_caller]
    pub fn forward(&self, x: &Tensor, time: Option<&Tensor>) -> Tensor {
        let h = self.conv1.forward(&self.norm1.forward(x).silu());
        let h = match (&self.time, time) {
            (Some(layer), Some(time)) => {
                let shift = layer.forward(time); // (B, out)
                h + shift.reshape([shift.shape()[0], shift.shape()[1], 1, 1])
            }
            (None, None) => h,
            (layer, _) => panic!(
                "ResidualBlock: found {} time, wanted {}",
                if time.is_some() { "a" } else { "no" },
                if layer.is_some() { "one" } else { "none" }
            ),
        };
        let h = self.conv2.forward(&self.norm2.forward(&h).silu());
        match &self.shortcut {
            Some(shortcut) => h + shortcut.forward(x),
            None => h + x,
        }
    }
}

/// A number for each sample as sines and cosines of falling frequencies (Vaswani et al. 2017, arXiv:1706.03762), seen
/// through two layers with SiLU: `(B)` to `(B, 4 base)`.
#[derive(Debug, Clone, Module)]
pub struct TimeEmbedding {
    fc1: Linear,
    fc2: Linear,
    base: usize,
}

impl TimeEmbedding {
    /// From `base` sines and cosines, half of each.
    ///
    /// # Panics
    /// If `base` is odd.
    #[must_use]
    #[track_caller]
    pub fn new(base: usize, rng: &mut Rng) -> Self {
        assert!(
            base.is_multiple_of(2),
            "TimeEmbedding: {base} is no even number of sines and cosines"
        );
        Self {
            fc1: Linear::new(base, 4 * base, rng),
            fc2: Linear::new(4 * base, 4 * base, rng),
            base,
        }
    }

    /// `t (B)` to `(B, 4 base)`.
    #[must_use]
    #[track_caller]
    pub fn forward(&self, t: &Tensor) -> Tensor {
        /// The longest wave is 2π times as long.
        const SLOWEST: f64 = 10_000.0;
        let half = self.base / 2;
        let frequencies: Vec<f64> = (0..half)
            .map(|i| SLOWEST.powf(-(i as f64) / half as f64))
            .collect();
        let frequencies = Tensor::from(frequencies).to_dtype(self.fc1.weight.dtype());
        let t = t.to_dtype(frequencies.dtype());
        let angles = t.reshape([t.len(), 1]) * frequencies; // (B, base / 2)
        let waves = Tensor::concat(&[angles.sin(), angles.cos()], 1);
        self.fc2.forward(&self.fc1.forward(&waves).silu()).silu()
    }
}

/// A level of the way down.
#[derive(Debug, Clone, Module)]
struct Down {
    block: ResidualBlock,
    shrink: Conv2d,
}

/// A level of the way up.
#[derive(Debug, Clone, Module)]
struct Up {
    grow: ConvTranspose2d,
    block: ResidualBlock,
}

/// `x (B, in, H, W)` to `(B, out, H, W)`, through levels of half the size and twice the channels each.
///
/// ```
/// use eras::models::deep_learning::UNet;
/// use eras::prelude::*;
///
/// let rng = &mut Rng::new(0);
/// let segments = UNet::new(1, 4, 16, 2, rng); // the logits of four classes for each pixel
/// assert_eq!(segments.forward(&Tensor::zeros([2, 1, 32, 24])).shape(), [2, 4, 32, 24]);
/// let denoiser = UNet::timed(1, 1, 16, 2, rng);
/// let y = denoiser.forward_at(&Tensor::zeros([2, 1, 28, 28]), &Tensor::from([0.0f32, 999.0]));
/// assert_eq!(y.shape(), [2, 1, 28, 28]);
/// ```
#[derive(Debug, Clone, Module)]
pub struct UNet {
    time: Option<TimeEmbedding>,
    stem: Conv2d,
    down: Vec<Down>,
    middle: ResidualBlock,
    up: Vec<Up>,
    norm: GroupNorm,
    head: Conv2d,
}

impl UNet {
    /// `base` channels at full size, and `levels` times down and up again.
    ///
    /// # Panics
    /// If `base` is no multiple of 8, or there are no levels.
    #[must_use]
    #[track_caller]
    pub fn new(c_in: usize, c_out: usize, base: usize, levels: usize, rng: &mut Rng) -> Self {
        Self::of(c_in, c_out, base, levels, None, rng)
    }

    /// One that is told a time: what a diffusion model learns to take noise off with.
    ///
    /// # Panics
    /// As [`new`](Self::new).
    #[must_use]
    #[track_caller]
    pub fn timed(c_in: usize, c_out: usize, base: usize, levels: usize, rng: &mut Rng) -> Self {
        let time = TimeEmbedding::new(base, rng);
        Self::of(c_in, c_out, base, levels, Some(time), rng)
    }

    #[track_caller]
    fn of(
        c_in: usize,
        c_out: usize,
        base: usize,
        levels: usize,
        time: Option<TimeEmbedding>,
        rng: &mut Rng,
    ) -> Self {
        assert!(
            base > 0 && base.is_multiple_of(GROUPS),
            "UNet: found {base} channels, wanted a multiple of {GROUPS}"
        );
        assert!(levels > 0, "UNet: wanted at least one level");
        let told = time.as_ref().map(|_| 4 * base);
        let width = |level: usize| base << level;
        let down = (0..levels)
            .map(|level| Down {
                block: ResidualBlock::new(width(level.saturating_sub(1)), width(level), told, rng),
                shrink: Conv2d::new(width(level), width(level), 3, rng)
                    .stride(2)
                    .padding(1),
            })
            .collect();
        let middle = ResidualBlock::new(width(levels - 1), width(levels), told, rng);
        let up = (0..levels)
            .rev()
            .map(|level| Up {
                grow: ConvTranspose2d::new(width(level + 1), width(level), 2, rng).stride(2),
                block: ResidualBlock::new(2 * width(level), width(level), told, rng),
            })
            .collect();
        Self {
            time,
            stem: Conv2d::new(c_in, base, 3, rng).padding(1),
            down,
            middle,
            up,
            norm: GroupNorm::new(GROUPS, base),
            head: Conv2d::new(base, c_out, 3, rng).padding(1),
        }
    }

    /// `x (B, in, H, W)` to `(B, out, H, W)`.
    ///
    /// # Panics
    /// If it wants a time, or height or width do not divide by 2 as often as there are levels.
    #[must_use]
    #[track_caller]
    pub fn forward(&self, x: &Tensor) -> Tensor {
        assert!(self.time.is_none(), "UNet: wanted a time (`forward_at`)");
        self.run(x, None)
    }

    /// `x (B, in, H, W)` at the times `t (B)` to `(B, out, H, W)`.
    ///
    /// # Panics
    /// If it was not made for a time, or height or width do not divide by 2 as often as there are levels.
    #[must_use]
    #[track_caller]
    pub fn forward_at(&self, x: &Tensor, t: &Tensor) -> Tensor {
        let Some(time) = &self.time else {
            panic!("UNet: found a time, wanted none (`UNet::timed` makes one that has)")
        };
        self.run(x, Some(&time.forward(t)))
    }

    #[track_caller]
    fn run(&self, x: &Tensor, time: Option<&Tensor>) -> Tensor {
        let parts = 1 << self.down.len();
        let fits = x.rank() == 4 && x.shape()[2..].iter().all(|n| n % parts == 0);
        assert!(
            fits,
            "UNet: x {:?} must be (B, C, H, W) with height and width multiples of {parts}",
            x.shape()
        );
        let mut h = self.stem.forward(x);
        let mut bridges = Vec::with_capacity(self.down.len());
        for level in &self.down {
            let seen = level.block.forward(&h, time);
            h = level.shrink.forward(&seen);
            bridges.push(seen);
        }
        h = self.middle.forward(&h, time);
        for level in &self.up {
            let seen = bridges.pop().expect("as many up as down");
            let both = Tensor::concat(&[level.grow.forward(&h), seen], 1);
            h = level.block.forward(&both, time);
        }
        self.head.forward(&self.norm.forward(&h).silu())
    }
}

/// For models that are told no time: the logits of each pixel, classes last, as losses and metrics want them.
///
/// Shapes: `x (B, in, H, W)` to `(B, H, W, out)`.
impl Layer for UNet {
    #[track_caller]
    fn apply(&self, x: &Tensor, _mode: &Mode) -> Tensor {
        self.forward(x).permute([0, 2, 3, 1])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use eras_nn::{Adam, Optimizer, cross_entropy};
    use eras_tensor::Dtype;

    #[test]
    fn it_learns_which_pixels_a_square_covers() {
        let rng = &mut Rng::new(0);
        // A square of another place and size in each of four noisy pictures.
        let mask: Vec<i64> = (0..4 * 256)
            .map(|p| {
                let (i, y, x) = (p / 256, p / 16 % 16, p % 16);
                let within = 2 * i..3 * i + 6;
                i64::from(within.contains(&x) && within.contains(&y))
            })
            .collect();
        let y = Tensor::from(mask).reshape([4, 16, 16]);
        let noise = Tensor::randn([4, 1, 16, 16], rng) * 0.3;
        let x = y.to_dtype(Dtype::F32).unsqueeze(1) + noise;
        let mut net = UNet::new(1, 2, 8, 2, rng);
        let mut adam = Adam::new(0.01);
        let loss = |net: &UNet| {
            let logits = net.apply(&x, &Mode::eval()); // (B, H, W, 2)
            cross_entropy(&logits.reshape([4 * 256, 2]), &y.reshape([4 * 256]))
        };
        for _ in 0..30 {
            let grads = loss(&net).backward();
            adam.step(&mut net, &grads);
        }
        assert!(loss(&net).item() < 0.1, "{}", loss(&net).item());
    }

    #[test]
    fn the_time_makes_a_difference() {
        let net = UNet::timed(1, 1, 8, 1, &mut Rng::new(0));
        let x = Tensor::randn([2, 1, 4, 4], &mut Rng::new(1));
        let at = |t: f32| net.forward_at(&x, &Tensor::from([t, t])).to_vec::<f32>();
        assert_ne!(at(0.0), at(500.0));
    }

    #[test]
    #[should_panic(
        expected = "UNet: x [1, 1, 30, 32] must be (B, C, H, W) with height and width multiples of 4"
    )]
    fn a_size_that_does_not_halve_is_refused() {
        let _y = UNet::new(1, 1, 8, 2, &mut Rng::new(0)).forward(&Tensor::zeros([1, 1, 30, 32]));
    }
}
