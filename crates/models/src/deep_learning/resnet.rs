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

use crate::FeatureMaps;
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
        Self::new(
            c_in,
            classes,
            &[16, 32, 64],
            &blocks,
            Stem::Small,
            shortcut,
            rng,
        )
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
        [&self.layer1, &self.layer2, &self.layer3, &self.layer4]
            .into_iter()
            .flatten()
    }

    fn blocks_mut(&mut self) -> impl Iterator<Item = &mut Block> {
        let stages = [
            &mut self.layer1,
            &mut self.layer2,
            &mut self.layer3,
            &mut self.layer4,
        ];
        stages.into_iter().flatten()
    }
}

impl FeatureMaps for ResNet {
    #[track_caller]
    fn feature_maps(&self, x: &Tensor, mode: &Mode) -> Tensor {
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
    fn head(&self, maps: &Tensor, _mode: &Mode) -> Tensor {
        self.fc.forward(&maps.mean([2, 3]))
    }
}

impl Layer for ResNet {
    #[track_caller]
    fn apply(&self, x: &Tensor, mode: &Mode) -> Tensor {
        self.head(&self.feature_maps(x, mode), mode)
    }

    fn fold_norms(&mut self) {
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
    fn new(c_in: usize, c_out: usize, stride: usize, shortcut: Shortcut, rng: &mut Rng) -> Self {
        let is_wider = c_in != c_out;
        Self {
            conv1: conv(c_in, c_out, 3, stride, rng),
            bn1: Some(BatchNorm::new(c_out)),
            conv2: conv(c_out, c_out, 3, 1, rng),
            bn2: Some(BatchNorm::new(c_out)),
            is_residual: true,
            downsample: (is_wider && shortcut == Shortcut::Projected).then(|| {
                (
                    conv(c_in, c_out, 1, stride, rng),
                    Some(BatchNorm::new(c_out)),
                )
            }),
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
    match norm {
        Some(norm) => norm.forward(&y, mode),
        None => y,
    }
}

fn fold(conv: &mut Conv2d, norm: &mut Option<BatchNorm>) {
    if let Some(norm) = norm.take() {
        conv.fold_norm(&norm);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use eras_nn::{Optimizer, Sgd, cross_entropy};
    use std::collections::BTreeSet;

    fn cifar(depth: usize) -> ResNet {
        ResNet::cifar(depth, 3, 10, Shortcut::Padded, &mut Rng::new(0))
    }

    #[test]
    fn names_are_torchvisions() {
        let model = ResNet::resnet18(3, 1000, Stem::Large, &mut Rng::new(0));
        let state = model.state();
        // 20 convolutions, 20 batch norms of five tensors, and the linear layer.
        assert_eq!(state.len(), 20 + 5 * 20 + 2);
        let names: BTreeSet<&str> = state.iter().map(|(name, _)| &**name).collect();
        for name in [
            "conv1.weight",
            "bn1.running_mean",
            "layer1.0.conv1.weight",
            "layer1.1.bn2.num_batches_tracked",
            "layer2.0.downsample.0.weight",
            "layer4.0.downsample.1.bias",
            "fc.bias",
        ] {
            assert!(names.contains(name), "{name} in {names:?}");
        }
        assert!(
            !names
                .iter()
                .any(|name| name.starts_with("layer1.0.downsample"))
        );
    }

    #[test]
    fn parameters_are_counted_as_in_the_paper() {
        // Table 6: 0.27, 0.46, 0.66, 0.85 and 1.7 million.
        let counts = [20, 32, 44, 56, 110].map(|depth| cifar(depth).count_params());
        assert_eq!(counts, [269_722, 464_154, 658_586, 853_018, 1_727_962]);
        assert_eq!(cifar(20).without_shortcuts().count_params(), 269_722);
        let projected = ResNet::cifar(20, 3, 10, Shortcut::Projected, &mut Rng::new(0));
        assert_eq!(
            projected.count_params(),
            269_722 + (16 * 32 + 64) + (32 * 64 + 128)
        );
    }

    #[test]
    fn a_block_that_has_learned_nothing_hands_on_what_it_was_given() {
        let mut block = Block::new(4, 4, 1, Shortcut::Padded, &mut Rng::new(0));
        block.bn2 = block.bn2.map(|mut norm| {
            norm.weight.set(&Tensor::zeros([4]));
            norm
        });
        let x = Tensor::uniform([2, 4, 5, 5], 0.0, 1.0, &mut Rng::new(1));
        let y = block.forward(&x, &Mode::train(0, 0));
        assert_eq!(y.to_vec::<f32>(), x.to_vec::<f32>());
        block.is_residual = false;
        let y = block.forward(&x, &Mode::train(0, 0));
        assert_eq!(y.to_vec::<f32>(), [0.0; 200]);
    }

    #[test]
    fn shortcuts_keep_the_gradient_from_growing_with_the_depth() {
        // Its size in the first block over that in the last.
        let ratio = |model: &ResNet| {
            let x = Tensor::randn([4, 3, 16, 16], &mut Rng::new(1));
            let y = Tensor::from([0i64, 1, 2, 3]);
            let loss = cross_entropy(&model.apply(&x, &Mode::train(0, 0)), &y);
            let grads = loss.backward();
            let norm = |block: &Block| grads[&block.conv1.weight].sqr().mean(..).item().sqrt();
            norm(&model.layer1[0]) / norm(&model.layer3[8])
        };
        let (residual, plain) = (ratio(&cifar(56)), ratio(&cifar(56).without_shortcuts()));
        assert!(
            residual < 100.0 && plain > 100.0 * residual,
            "residual {residual}, plain {plain}"
        );
    }

    #[test]
    fn a_folded_model_says_what_it_said() {
        let rng = &mut Rng::new(0);
        let x = Tensor::randn([4, 3, 12, 12], rng);
        let y = Tensor::from([0i64, 1, 2, 3]);
        for mut model in [
            ResNet::cifar(8, 3, 4, Shortcut::Padded, rng),
            ResNet::cifar(8, 3, 4, Shortcut::Projected, rng),
            ResNet::cifar(8, 3, 4, Shortcut::Padded, rng).without_shortcuts(),
        ] {
            let mut sgd = Sgd::new(0.05);
            for step in 0..40 {
                let loss = cross_entropy(&model.apply(&x, &Mode::train(0, step)), &y);
                sgd.step(&mut model, &loss.backward());
            }
            let before = model.apply(&x, &Mode::eval());
            assert_eq!(before.argmax(1).to_vec::<i64>(), [0, 1, 2, 3]);
            model.fold_norms();
            assert!(
                model
                    .named_params()
                    .iter()
                    .all(|(name, _)| !name.contains("bn"))
            );
            let off = (model.apply(&x, &Mode::eval()) - &before)
                .abs()
                .amax(..)
                .item();
            // Eight layers, each a sum of up to 576 products rounded to parts of 2⁻²⁴: √576 · 8 of them, of logits up to 10.
            assert!(off < 24.0 * 8.0 * 6e-8 * 10.0, "off by {off}");
        }
    }

    #[test]
    #[should_panic(expected = "ResNet: a depth is 6n + 2, as 20 or 56, not 18")]
    fn a_depth_between_is_refused() {
        let _model = cifar(18);
    }
}
