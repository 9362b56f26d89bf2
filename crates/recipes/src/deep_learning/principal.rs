//! Principal components of pictures: the best that a linear code can do, beside which an autoencoder is measured.

use eras_data::{Dataset, Images};
use eras_models::first_light::symmetric_eigen;
use eras_tensor::{Dtype, Result, Tensor, no_grad};

/// The directions in which pictures vary most.
pub(crate) struct Principal {
    /// `(V)`
    mean: Tensor,
    /// `(K, V)`, each of length 1.
    components: Tensor,
}

impl Principal {
    /// The first `count` of all pictures of `set`, exactly.
    pub(crate) fn of(set: &Images, count: usize) -> Result<Self> {
        const CHUNK: usize = 1000;
        let pixels: usize = set.shape().iter().product();
        let wide = |shape: &[usize]| Tensor::zeros(shape).to_dtype(Dtype::F64);
        let (mut sum, mut products) = (wide(&[pixels]), wide(&[pixels, pixels]));
        let (set, all) = (set.flat(), set.len() as f64);
        for start in (0..set.len()).step_by(CHUNK) {
            let chunk: Vec<usize> = (start..set.len().min(start + CHUNK)).collect();
            let x = set.batch(&chunk)?.x;
            sum = sum + x.sum(0).to_dtype(Dtype::F64);
            products = products + x.t().matmul(&x).to_dtype(Dtype::F64);
        }
        let mean = sum / all;
        let covariance = products / all - mean.unsqueeze(1) * mean.unsqueeze(0);
        let (_, vectors) = symmetric_eigen(covariance.to_vec(), pixels);
        let components = Tensor::from_slice(&vectors, [pixels, pixels]).narrow(0, 0, count);
        Ok(Self {
            mean: mean.to_dtype(Dtype::F32),
            components: components.to_dtype(Dtype::F32),
        })
    }

    /// `x (B, V)` to `(B, K)`.
    pub(crate) fn encode(&self, x: &Tensor) -> Tensor {
        no_grad(|| (x - &self.mean).matmul(&self.components.t()))
    }

    /// `z (B, k)`, of the first components alone if there are fewer, to `(B, V)`.
    pub(crate) fn decode(&self, z: &Tensor) -> Tensor {
        let components = self.components.narrow(0, 0, z.shape()[1]);
        no_grad(|| z.matmul(&components) + &self.mean)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_that_differ_in_two_ways_come_back_from_two_numbers() {
        // A bright upper and a bright lower half, each of its own strength: 4 x 2 pixels.
        let pixels: Vec<u8> = (0..25)
            .flat_map(|i| {
                let (up, down) = (20 + i % 5 * 40, 10 + i / 5 * 30);
                [up, up, up, up, down, down, down, down]
            })
            .collect();
        let set = Images::new(pixels, [1, 4, 2], vec![0; 25], &["halves"]).unwrap();
        let x = set.flat().batch(&(0..25).collect::<Vec<_>>()).unwrap().x;
        let principal = Principal::of(&set, 2).unwrap();
        let off = |k: usize| {
            let back = principal.decode(&principal.encode(&x).narrow(1, 0, k));
            (back - &x).abs().amax(..).item()
        };
        assert!(off(2) < 1e-5 && off(1) > 0.1, "{} and {}", off(2), off(1));
    }
}
