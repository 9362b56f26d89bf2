//! Residual networks: each block adds to what it was given, and need not carry it.
//!
//! He, Zhang, Ren & Sun 2015, "Deep Residual Learning for Image Recognition" (arXiv:1512.03385): the networks of section
//! 4.2 for CIFAR, with 16, 32 and 64 channels, and ResNet-18 of table 1 with 64 to 512. Filters begin as in He et al.
//! 2015 (arXiv:1502.01852), and the same networks without shortcuts are the plain ones of figure 1.
//!
//! Parameters have the names of torchvision's `resnet18`, whose checkpoints can be read.
//!
//! Differs from the paper: the linear layer begins as PyTorch's.
//!
//! Axes: `B` batch, `C` channels, `H` and `W` height and width.

use super::Features;
use eras_nn::{BatchNorm, Conv2d, Init, Layer, Linear, Mode, Module};
use eras_tensor::{PadMode, Rng, Tensor, Window};

/// How a block that halves the picture and doubles the channels hands on what it was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shortcut {
    /// Every second pixel, and zeros in the new channels: the paper's option A, without parameters.
    Padded,
    /// A convolution of 1x1 with stride 2, and batch norm: option B.
    Projected,
}

/// What comes before the blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stem {
    /// A convolution of 3x3 at full resolution, for pictures of about 32x32.
    Small,
    /// A convolution of 7x7 with stride 2 and max pooling of 3x3 with stride 2, for pictures of about 224x224.
    Large,
}

/// A residual network, or a plain one: `(B, C, H, W)` to `(B, classes)`, for pictures of any size.
///
/// ```
/// use eras::models::deep_learning::{ResNet, Shortcut, Stem};
/// use eras::prelude::*;
///
/// let rng = &mut Rng::new(0);
/// let model = ResNet::cifar(20, 3, 10, Shortcut::Padded, rng);
/// assert_eq!(model.apply(&Tensor::zeros([1, 3, 32, 32]), &Mode::eval()).shape(), [1, 10]);
/// assert_eq!(model.count_params(), 269_722);
/// assert_eq!(ResNet::resnet18(3, 1000, Stem::Large, rng).count_params(), 11_689_512);
/// ```
#[derive(Debug, Module)]
pub struct ResNet {
    conv1: Conv2d,
    /// `None` once it is folded into the convolution; likewise below.
    bn1: Option<BatchNorm>,
    /// Whether the stem pools.
    pools: bool,
    layer1: Vec<Block>,
    layer2: Vec<Block>,
    layer3: Vec<Block>,
    layer4: Vec<Block>,
    fc: Linear,
}

impl ResNet {
    /// The network of `depth` layers for pictures like CIFAR's: three stages of blocks with 16, 32 and 64 channels. A depth
    /// is 6n + 2: 20, 32, 44, 56, 110.
    ///
    /// # Panics
    /// If `depth` is not of that form.
    #[must_use]
    #[track_caller]
    pub fn cifar(
        depth: usize,
        c_in: usize,
        classes: usize,
        shortcut: Shortcut,
        rng: &mut Rng,
    ) -> Self {
        assert!(
            depth >= 8 && depth % 6 == 2,
            "ResNet: a depth is 6n + 2, as 20 or 56, not {depth}"
        );
        let blocks = [(depth - 2) / 6; 3];
        Self::new(c_in, classes, &[16, 32, 64], &blocks, Stem::Small, shortcut, rng)
    }

    /// ResNet-18: four stages of two blocks, with 64, 128, 256 and 512 channels and projected shortcuts.
    #[must_use]
    pub fn resnet18(c_in: usize, classes: usize, stem: Stem, rng: &mut Rng) -> Self {
        let (widths, shortcut) = ([64, 128, 256, 512], Shortcut::Projected);
        Self::new(c_in, classes, &widths, &[2; 4], stem, shortcut, rng)
    }

    /// Up to four stages: how many channels each has, and how many blocks.
    fn new(
        c_in: usize,
        classes: usize,
        widths: &[usize],
        blocks: &[usize],
        stem: Stem,
        shortcut: Shortcut,
        rng: &mut Rng,
    ) -> Self {
        let mut width = widths[0];
        let conv1 = match stem {
            Stem::Small => conv(c_in, width, 3, 1, rng),
            Stem::Large => conv(c_in, width, 7, 2, rng),
        };
        let mut stages: [Vec<Block>; 4] = Default::default();
        for (i, stage) in stages.iter_mut().enumerate().take(widths.len()) {
            for j in 0..blocks[i] {
                let stride = if i > 0 && j == 0 { 2 } else { 1 };
                stage.push(Block::new(width, widths[i], stride, shortcut, rng));
                width = widths[i];
            }
        }
        let [layer1, layer2, layer3, layer4] = stages;
        Self {
            conv1,
            bn1: Some(BatchNorm::new(widths[0])),
            pools: stem == Stem::Large,
            layer1,
            layer2,
            layer3,
            layer4,
            fc: Linear::new(width, classes, rng),
        }
    }

    /// The plain network: the same layers with the same weights, and no shortcuts.
    #[must_use]
    pub fn without_shortcuts(mut self) -> Self {
        for block in self.blocks_mut() {
            block.is_residual = false;
            block.downsample = None;
        }
        self
    }

    fn blocks(&self) -> impl Iterator<Item = &Block> {
        [&self.layer1, &self.layer2, &self.layer3, &self.layer4].into_iter().flatten()
    }

    fn blocks_mut(&mut self) -> impl Iterator<Item = &mut Block> {
        let stages = [&mut self.layer1, &mut self.layer2, &mut self.layer3, &mut self.layer4];
        stages.into_iter().flatten()
    }
}

impl Features for ResNet {
    #[track_caller]
    fn features(&self, x: &Tensor, mode: &Mode) -> Tensor {
        let mut h = normed(&self.conv1, self.bn1.as_ref(), x, mode).relu();
        if self.pools {
            h = h.max_pool(Window::new([3, 3]).stride([2, 2]).padding([1, 1]));
        }
        for block in self.blocks() {
            h = block.forward(&h, mode);
        }
        h
    }

    #[track_caller]
    fn head(&self, features: &Tensor, _mode: &Mode) -> Tensor {
        self.fc.forward(&features.mean([2, 3]))
    }
}

impl Layer for ResNet {
    #[track_caller]
    fn apply(&self, x: &Tensor, mode: &Mode) -> Tensor {
        self.head(&self.features(x, mode), mode)
    }

    fn fold(&mut self) {
        fold(&mut self.conv1, &mut self.bn1);
        for block in self.blocks_mut() {
            fold(&mut block.conv1, &mut block.bn1);
            fold(&mut block.conv2, &mut block.bn2);
            if let Some((conv, norm)) = &mut block.downsample {
                fold(conv, norm);
            }
        }
    }
}

/// Two convolutions of 3x3, and what was given added to what they make.
#[derive(Debug, Module)]
struct Block {
    conv1: Conv2d,
    bn1: Option<BatchNorm>,
    conv2: Conv2d,
    bn2: Option<BatchNorm>,
    is_residual: bool,
    /// A projected shortcut.
    downsample: Option<(Conv2d, Option<BatchNorm>)>,
}

impl Block {
    fn new(
        c_in: usize,
        c_out: usize,
        stride: usize,
        shortcut: Shortcut,
        rng: &mut Rng,
    ) -> Self {
        let is_wider = c_in != c_out;
        Self {
            conv1: conv(c_in, c_out, 3, stride, rng),
            bn1: Some(BatchNorm::new(c_out)),
            conv2: conv(c_out, c_out, 3, 1, rng),
            bn2: Some(BatchNorm::new(c_out)),
            is_residual: true,
            downsample: (is_wider && shortcut == Shortcut::Projected)
                .then(|| (conv(c_in, c_out, 1, stride, rng), Some(BatchNorm::new(c_out)))),
        }
    }

    /// `(B, C, H, W)` to `(B, C, H, W)`, or to `(B, 2C, H/2, W/2)`, sides rounded up.
    #[track_caller]
    fn forward(&self, x: &Tensor, mode: &Mode) -> Tensor {
        let h = normed(&self.conv1, self.bn1.as_ref(), x, mode).relu();
        let h = normed(&self.conv2, self.bn2.as_ref(), &h, mode);
        if !self.is_residual {
            return h.relu();
        }
        let shortcut = match &self.downsample {
            Some((conv, norm)) => normed(conv, norm.as_ref(), x, mode),
            None if x.shape() == h.shape() => x.clone(),
            None => {
                let more = (h.shape()[1] - x.shape()[1]) as isize;
                let every_second = x.avg_pool(Window::new([1, 1]).stride([2, 2]));
                every_second.pad(&[(0, more), (0, 0), (0, 0)], PadMode::Constant(0.0))
            }
        };
        (h + shortcut).relu()
    }
}

/// A filter without bias, for batch norm has one, that sees as many pixels on each side.
fn conv(c_in: usize, c_out: usize, kernel: usize, stride: usize, rng: &mut Rng) -> Conv2d {
    Conv2d::new(c_in, c_out, kernel, rng)
        .stride(stride)
        .padding(kernel / 2)
        .no_bias()
        .with_init(Init::he_normal(), rng)
}

/// The convolution and its batch norm, which may be folded into it.
#[track_caller]
fn normed(conv: &Conv2d, norm: Option<&BatchNorm>, x: &Tensor, mode: &Mode) -> Tensor {
    let y = conv.forward(x);
    norm.map_or_else(|| y.clone(), |norm| norm.forward(&y, mode))
}

fn fold(conv: &mut Conv2d, norm: &mut Option<BatchNorm>) {
    if let Some(norm) = norm.take() {
        conv.fold(&norm);
    }
}
