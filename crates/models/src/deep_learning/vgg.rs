//! VGG: nothing but small filters, in great depth.
//!
//! Simonyan & Zisserman 2014, "Very deep convolutional networks for large-scale image recognition" (arXiv:1409.1556), in a
//! form for small pictures: the convolutions of table 1, configurations A (11 layers), B (13), D (16) and E (19), all 3x3.
//!
//! Differs from the paper: batch norm behind each convolution, without which the deeper ones hardly begin to learn (the paper
//! began them with the weights of a shallower one); one linear layer over the mean of each channel where it had three dense
//! layers with 4096 units; filters begin as in He et al. 2015.
//!
//! The convolutions have the names of torchvision's `vgg11_bn` to `vgg19_bn`, whose checkpoints can be read up to the head.
//!
//! Axes: `B` batch, `C` channels, `H` and `W` height and width.

use crate::FeatureMaps;
use eras_nn::{BatchNorm, Conv2d, Init, Layer, Linear, Mode, Module, Path, Visitor, VisitorMut};
use eras_tensor::{Rng, Tensor};

/// Channels of the convolutions between poolings.
type Configuration = [&'static [usize]; 5];

const A: Configuration = [&[64], &[128], &[256, 256], &[512, 512], &[512, 512]];
const B: Configuration = [
    &[64, 64],
    &[128, 128],
    &[256, 256],
    &[512, 512],
    &[512, 512],
];
const D: Configuration = [&[64, 64], &[128, 128], &[256; 3], &[512; 3], &[512; 3]];
const E: Configuration = [&[64, 64], &[128, 128], &[256; 4], &[512; 4], &[512; 4]];

/// `(B, C, H, W)` to logits `(B, classes)`, for pictures of 32x32 or more.
///
/// ```
/// use eras::models::deep_learning::Vgg;
/// use eras::prelude::*;
///
/// let model = Vgg::new(11, 3, 10, &mut Rng::new(0));
/// assert_eq!(model.apply(&Tensor::zeros([1, 3, 32, 32]), &Mode::eval()).shape(), [1, 10]);
/// assert_eq!(model.count_params(), 9_231_114);
/// ```
#[derive(Debug, Module)]
pub struct Vgg {
    features: Vec<Part>,
    classifier: Linear,
}

/// The parts of the network in their order, which gives them their names.
#[derive(Debug)]
enum Part {
    Conv(Box<Conv2d>),
    Norm(BatchNorm),
    /// A batch norm that was folded into the convolution before it.
    Folded,
    Relu,
    Pool,
}

impl Vgg {
    /// The network of 11, 13, 16 or 19 layers (the three dense ones of the paper counted).
    ///
    /// # Panics
    /// If there is no configuration of this depth.
    #[must_use]
    #[track_caller]
    pub fn new(depth: usize, c_in: usize, classes: usize, rng: &mut Rng) -> Self {
        let stages = match depth {
            11 => A,
            13 => B,
            16 => D,
            19 => E,
            _ => panic!("Vgg: a depth is 11, 13, 16 or 19, not {depth}"),
        };
        let (mut features, mut width) = (Vec::new(), c_in);
        for stage in stages {
            for &channels in stage {
                let conv = Conv2d::new(width, channels, 3, rng).padding(1);
                features.push(Part::Conv(Box::new(conv.with_init(Init::he_normal(), rng))));
                features.push(Part::Norm(BatchNorm::new(channels)));
                features.push(Part::Relu);
                width = channels;
            }
            features.push(Part::Pool);
        }
        Self {
            features,
            classifier: Linear::new(width, classes, rng),
        }
    }
}

impl Part {
    #[track_caller]
    fn forward(&self, x: &Tensor, mode: &Mode) -> Tensor {
        match self {
            Self::Conv(conv) => conv.forward(x),
            Self::Norm(norm) => norm.forward(x, mode),
            Self::Folded => x.clone(),
            Self::Relu => x.relu(),
            Self::Pool => x.max_pool([2, 2]),
        }
    }
}

impl Module for Part {
    fn visit(&self, path: &mut Path, visitor: &mut dyn Visitor) {
        match self {
            Self::Conv(conv) => conv.visit(path, visitor),
            Self::Norm(norm) => norm.visit(path, visitor),
            Self::Folded | Self::Relu | Self::Pool => {}
        }
    }
    fn visit_mut(&mut self, path: &mut Path, visitor: &mut dyn VisitorMut) {
        match self {
            Self::Conv(conv) => conv.visit_mut(path, visitor),
            Self::Norm(norm) => norm.visit_mut(path, visitor),
            Self::Folded | Self::Relu | Self::Pool => {}
        }
    }
}

impl FeatureMaps for Vgg {
    #[track_caller]
    fn feature_maps(&self, x: &Tensor, mode: &Mode) -> Tensor {
        // All but the last pooling, which belongs to the head: maps are finer before it.
        let parts = &self.features[..self.features.len() - 1];
        parts
            .iter()
            .fold(x.clone(), |x, part| part.forward(&x, mode))
    }

    #[track_caller]
    fn head(&self, maps: &Tensor, mode: &Mode) -> Tensor {
        let pooled = Part::Pool.forward(maps, mode);
        self.classifier.forward(&pooled.mean([2, 3]))
    }
}

impl Layer for Vgg {
    #[track_caller]
    fn apply(&self, x: &Tensor, mode: &Mode) -> Tensor {
        self.head(&self.feature_maps(x, mode), mode)
    }

    fn fold_norms(&mut self) {
        for i in 1..self.features.len() {
            let (before, after) = self.features.split_at_mut(i);
            if let (Some(Part::Conv(conv)), Part::Norm(norm)) = (before.last_mut(), &after[0]) {
                conv.fold_norm(norm);
                after[0] = Part::Folded;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_named_and_counted_as_torchvisions() {
        let count = |depth| {
            let mut model = Vgg::new(depth, 3, 10, &mut Rng::new(0));
            assert!(model.freeze("classifier.*") == 2);
            model
                .named_params()
                .iter()
                .filter(|(name, _)| name.starts_with("features"))
                .map(|(_, x)| x.len())
                .sum::<usize>()
        };
        // torchvision's `vgg11_bn().features`, .., without its head.
        assert_eq!(
            [11, 13, 16, 19].map(count),
            [9_225_984, 9_410_880, 14_723_136, 20_035_392]
        );
        let names = Vgg::new(11, 3, 10, &mut Rng::new(0)).named_params();
        let names: Vec<&str> = names.iter().map(|(name, _)| &**name).step_by(4).collect();
        let wanted =
            ["0", "4", "8", "11", "15", "18", "22", "25"].map(|i| format!("features.{i}.weight"));
        assert_eq!(names[..8], wanted);
        assert_eq!(names[8], "classifier.weight");
    }

    #[test]
    #[should_panic(expected = "Vgg: a depth is 11, 13, 16 or 19, not 12")]
    fn a_depth_that_the_paper_does_not_have_is_refused() {
        let _model = Vgg::new(12, 3, 10, &mut Rng::new(0));
    }
}
