//! Moving digits: short videos, made on the fly.

use std::sync::Arc;

use eras_tensor::{Result, Rng, Tensor};

use crate::dataset::check_indices;
use crate::fingerprint;
use crate::images::to_unit;
use crate::{Batch, Dataset, Images};

/// The random stream of a seed that videos are drawn from.
const STREAM: u64 = 3;

/// Videos of digits that move in a square and bounce off its sides (Srivastava, Mansimov & Salakhutdinov 2015,
/// arXiv:1502.04681): each digit begins anywhere and moves in any direction, straight on, at a speed of its own. Where
/// digits overlap the brighter pixel is seen.
///
/// Batches have `x (B, 1, T, H, W)` with values in [0, 1] and `y (B, N)`, the classes of the digits. Video `i` is a
/// function of the seed and `i`; the loader's threads make it. Speeds are drawn between a twentieth and three
/// twentieths of the way from side to side in a frame: the paper gives no numbers.
///
/// ```
/// use eras_data::{Dataset, Mnist, MovingDigits};
///
/// let mnist = Mnist::load()?;
/// let videos = MovingDigits::new(&mnist.train, 10_000, 0).frames(8).size(48).digits(1);
/// let batch = videos.batch(&[0, 1, 2])?;
/// assert_eq!(batch.x.shape(), [3, 1, 8, 48, 48]);
/// assert_eq!(batch.y.shape(), [3, 1]);
/// # Ok::<(), eras_tensor::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct MovingDigits {
    images: Images,
    len: usize,
    seed: u64,
    frames: usize,
    size: usize,
    digits: usize,
}

impl MovingDigits {
    /// `len` videos of 20 frames, 64 x 64 pixels, of two digits out of `images`.
    ///
    /// # Panics
    /// If the images have more than one channel, or a side above 64.
    #[must_use]
    #[track_caller]
    pub fn new(images: &Images, len: usize, seed: u64) -> Self {
        let shape = images.shape();
        assert!(
            shape[0] == 1,
            "MovingDigits: found images of shape {shape:?}, wanted one channel"
        );
        let all = Self {
            images: images.clone(),
            len,
            seed,
            frames: 20,
            size: 0,
            digits: 2,
        };
        all.size(64)
    }

    /// Frames of a video.
    ///
    /// # Panics
    /// If it is 0.
    #[must_use]
    #[track_caller]
    pub fn frames(mut self, frames: usize) -> Self {
        assert!(
            frames > 0,
            "MovingDigits: found 0 frames, wanted one or more"
        );
        self.frames = frames;
        self
    }

    /// Height and width of a frame.
    ///
    /// # Panics
    /// If a digit does not fit.
    #[must_use]
    #[track_caller]
    pub fn size(mut self, size: usize) -> Self {
        let [_, height, width] = self.images.shape();
        assert!(
            size >= height.max(width),
            "MovingDigits: found frames of {size} x {size}, wanted room for digits of {width} x {height}"
        );
        self.size = size;
        self
    }

    /// Digits of a video.
    ///
    /// # Panics
    /// If it is 0.
    #[must_use]
    #[track_caller]
    pub fn digits(mut self, digits: usize) -> Self {
        assert!(
            digits > 0,
            "MovingDigits: found 0 digits, wanted one or more"
        );
        self.digits = digits;
        self
    }

    /// Draws video `index` into `video (T, H, W)`, and gives the class of each digit.
    fn draw(&self, index: usize, video: &mut [u8]) -> Vec<i64> {
        let [_, height, width] = self.images.shape();
        let rng = &mut Rng::at(self.seed, STREAM, (index as u64) << 32);
        let mut classes = Vec::with_capacity(self.digits);
        for _ in 0..self.digits {
            let image = rng.below(self.images.labels().len());
            classes.push(self.images.labels()[image]);
            let mut place = [rng.uniform(), rng.uniform()];
            let angle = std::f64::consts::TAU * rng.uniform();
            let speed = 0.05 + 0.1 * rng.uniform();
            let mut way = [speed * angle.sin(), speed * angle.cos()];
            for frame in video.chunks_exact_mut(self.size * self.size) {
                let at =
                    |part: f64, side: usize| (part * (self.size - side) as f64).round() as usize;
                let (top, left) = (at(place[0], height), at(place[1], width));
                self.put(image, frame, top, left);
                for (place, way) in place.iter_mut().zip(&mut way) {
                    (*place, *way) = bounce(*place + *way, *way);
                }
            }
        }
        classes
    }

    fn put(&self, image: usize, frame: &mut [u8], top: usize, left: usize) {
        let width = self.images.shape()[2];
        let rows = self.images.pixels(image).chunks_exact(width);
        for (row, target) in rows.zip(frame.chunks_exact_mut(self.size).skip(top)) {
            for (target, pixel) in target[left..].iter_mut().zip(row) {
                *target = (*target).max(*pixel);
            }
        }
    }
}

/// A place that went less than 1 beyond [0, 1], thrown back; and where it goes on to.
fn bounce(place: f64, way: f64) -> (f64, f64) {
    if place < 0.0 {
        (-place, -way)
    } else if place > 1.0 {
        (2.0 - place, -way)
    } else {
        (place, way)
    }
}

impl Dataset for MovingDigits {
    fn len(&self) -> usize {
        self.len
    }

    #[track_caller]
    fn batch(&self, indices: &[usize]) -> Result<Batch> {
        check_indices("MovingDigits", indices, self.len);
        let (count, frames, size) = (indices.len(), self.frames, self.size);
        let pixels = frames * size * size;
        let mut videos = vec![0; count * pixels];
        let mut classes = Vec::with_capacity(count * self.digits);
        for (video, &index) in videos.chunks_exact_mut(pixels).zip(indices) {
            classes.extend(self.draw(index, video));
        }
        let mut x: Vec<f32> = videos.into_iter().map(f32::from).collect();
        to_unit(&mut x);
        Ok(Batch {
            x: Tensor::from_slice(&x, [count, 1, frames, size, size]),
            y: Tensor::from_slice(&classes, [count, self.digits]),
        })
    }

    fn fingerprint(&self) -> Option<String> {
        let Self {
            len,
            seed,
            frames,
            size,
            digits,
            ..
        } = self;
        let how = format!("moving {len} {seed} {frames} {size} {digits}");
        Some(fingerprint::of([how, self.images.fingerprint()?]))
    }

    fn background(&self) -> Option<Arc<dyn Dataset>> {
        Some(Arc::new(self.clone()))
    }
}
