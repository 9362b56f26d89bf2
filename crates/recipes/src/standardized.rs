//! A model that sees pictures with mean 0 and standard deviation 1.

use eras_models::FeatureMaps;
use eras_nn::{Layer, Mode, Module, Path, Visitor, VisitorMut};
use eras_tensor::Tensor;

/// Mean and standard deviation of each channel, of pictures whose values go from 0 to 1.
pub(crate) type Standard = [[f64; 3]; 2];

/// Those of ImageNet, which stand for photographs at large.
pub(crate) const PHOTOGRAPHS: Standard = [[0.485, 0.456, 0.406], [0.229, 0.224, 0.225]];

/// `model` behind `(x - mean) / std` of each channel. Parameters go by the model's own names.
#[derive(Debug)]
pub(crate) struct Standardized<M> {
    model: M,
    /// `x · scale + shift`, each `(C, 1, 1)`.
    change: Option<[Tensor; 2]>,
}

impl<M> Standardized<M> {
    /// For pictures with these means and deviations.
    pub(crate) fn new(model: M, [mean, std]: Standard) -> Self {
        let each = |f: &dyn Fn(usize) -> f64| {
            let numbers: Vec<f32> = (0..3).map(|c| f(c) as f32).collect();
            Tensor::from(numbers).reshape([3, 1, 1])
        };
        let change = [each(&|c| 1.0 / std[c]), each(&|c| -mean[c] / std[c])];
        Self {
            model,
            change: Some(change),
        }
    }

    /// The model as it is.
    pub(crate) fn plain(model: M) -> Self {
        Self {
            model,
            change: None,
        }
    }

    /// The model behind it.
    pub(crate) fn inner(&self) -> &M {
        &self.model
    }

    /// What the model behind it is given.
    pub(crate) fn see(&self, x: &Tensor) -> Tensor {
        match &self.change {
            Some([scale, shift]) => x * scale + shift,
            None => x.clone(),
        }
    }
}

impl<M: Module> Module for Standardized<M> {
    fn visit(&self, path: &mut Path, visitor: &mut dyn Visitor) {
        self.model.visit(path, visitor);
    }
    fn visit_mut(&mut self, path: &mut Path, visitor: &mut dyn VisitorMut) {
        self.model.visit_mut(path, visitor);
    }
}

impl<M: Layer> Layer for Standardized<M> {
    fn apply(&self, x: &Tensor, mode: &Mode) -> Tensor {
        self.model.apply(&self.see(x), mode)
    }
    fn fold_norms(&mut self) {
        self.model.fold_norms();
    }
}

impl<M: FeatureMaps> FeatureMaps for Standardized<M> {
    fn feature_maps(&self, x: &Tensor, mode: &Mode) -> Tensor {
        self.model.feature_maps(&self.see(x), mode)
    }
    fn head(&self, maps: &Tensor, mode: &Mode) -> Tensor {
        self.model.head(maps, mode)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use eras_nn::Identity;

    #[test]
    fn the_mean_becomes_zero_and_a_deviation_one() {
        let model = Standardized::new(Identity, PHOTOGRAPHS);
        let [mean, std] = PHOTOGRAPHS;
        let pixels: Vec<f32> = (0..3)
            .flat_map(|c| [mean[c], mean[c] + std[c]])
            .map(|x| x as f32)
            .collect();
        let x = Tensor::from(pixels).reshape([1, 3, 1, 2]);
        let y = model.apply(&x, &Mode::eval()).to_vec::<f32>();
        for (found, wanted) in y.iter().zip([0.0, 1.0].repeat(3)) {
            // Numbers up to 5, rounded to parts of 2⁻²⁴ three times.
            assert!((f64::from(*found) - wanted).abs() < 15.0 * 6e-8, "{y:?}");
        }
    }
}
