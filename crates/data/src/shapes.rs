//! Overlapping shapes and what each pixel belongs to, made on the fly.

use std::sync::{Arc, LazyLock};

use eras_tensor::{Result, Rng, Tensor};

use crate::dataset::check_indices;
use crate::fingerprint;
use crate::{Batch, Dataset};

/// The random stream of a seed that pictures are drawn from.
const STREAM: u64 = 4;

/// Gray pictures of discs, rectangles and triangles that lie one over the other, in noise, with the class of each pixel:
/// what a model that segments can be trained on, and judged exactly by.
///
/// Batches have `x (B, 1, H, W)` with values in [0, 1] and `y (B, H, W)`, 0 for the background, then as in
/// [`CLASSES`](Self::CLASSES). How bright a shape is does not tell which it is, only that it is not background. Picture
/// `i` is a function of the seed and `i`; the loader's threads make it.
///
/// ```
/// use eras_data::{Dataset, Shapes};
///
/// let shapes = Shapes::new(1000, 0).size(32).noise(0.05);
/// let batch = shapes.batch(&[0, 1])?;
/// assert_eq!(batch.x.shape(), [2, 1, 32, 32]);
/// assert_eq!(batch.y.shape(), [2, 32, 32]);
/// # Ok::<(), eras_tensor::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Shapes {
    len: usize,
    seed: u64,
    size: usize,
    most: usize,
    noise: f64,
}

/// A shape at a place, turned by an angle.
enum Shape {
    Disc {
        radius: f64,
    },
    /// Half of its sides.
    Rectangle {
        half: [f64; 2],
    },
    /// Equilateral, its corners at this distance from its middle.
    Triangle {
        radius: f64,
    },
}

impl Shapes {
    /// The names of the classes.
    pub const CLASSES: [&str; 4] = ["background", "disc", "rectangle", "triangle"];

    /// `len` pictures, 64 x 64 pixels, of one to four shapes each, in noise with standard deviation 0.1.
    #[must_use]
    pub fn new(len: usize, seed: u64) -> Self {
        Self {
            len,
            seed,
            size: 64,
            most: 4,
            noise: 0.1,
        }
    }

    /// Height and width of a picture.
    ///
    /// # Panics
    /// If it is below 8, where shapes can no longer be told apart.
    #[must_use]
    #[track_caller]
    pub fn size(mut self, size: usize) -> Self {
        assert!(
            size >= 8,
            "Shapes: found pictures of {size} x {size}, wanted 8 x 8 or more"
        );
        self.size = size;
        self
    }

    /// The most shapes of a picture; at least one is in each.
    ///
    /// # Panics
    /// If it is 0.
    #[must_use]
    #[track_caller]
    pub fn most(mut self, most: usize) -> Self {
        assert!(
            most > 0,
            "Shapes: found 0 shapes at most, wanted one or more"
        );
        self.most = most;
        self
    }

    /// The standard deviation of the noise, which is normal.
    ///
    /// # Panics
    /// If it is not between 0 and 1.
    #[must_use]
    #[track_caller]
    pub fn noise(mut self, noise: f64) -> Self {
        assert!(
            (0.0..=1.0).contains(&noise),
            "Shapes: found noise of {noise}, wanted 0 to 1"
        );
        self.noise = noise;
        self
    }

    /// Draws picture `index` into `x` and the class of each pixel into `y`, both `(H, W)`.
    fn draw(&self, index: usize, x: &mut [f32], y: &mut [i64]) {
        let rng = &mut Rng::at(self.seed, STREAM, (index as u64) << 32);
        let side = self.size as f64;
        let background = rng.uniform();
        x.fill(background as f32);
        y.fill(0);
        for _ in 0..=rng.below(self.most) {
            let middle = [rng.uniform() * side, rng.uniform() * side];
            let scale = (0.1 + 0.15 * rng.uniform()) * side;
            let angle = std::f64::consts::TAU * rng.uniform();
            let brightness = apart(background, rng.uniform());
            let (class, shape) = match rng.below(3) {
                0 => (1, Shape::Disc { radius: scale }),
                1 => {
                    let half = [scale, scale * (0.5 + 0.5 * rng.uniform())];
                    (2, Shape::Rectangle { half })
                }
                // Somewhat larger, for it has less inside.
                _ => (
                    3,
                    Shape::Triangle {
                        radius: 1.3 * scale,
                    },
                ),
            };
            let (sin, cos) = angle.sin_cos();
            for row in 0..self.size {
                for column in 0..self.size {
                    let (dx, dy) = (
                        column as f64 + 0.5 - middle[0],
                        row as f64 + 0.5 - middle[1],
                    );
                    if shape.has([cos * dx + sin * dy, cos * dy - sin * dx]) {
                        x[row * self.size + column] = brightness as f32;
                        y[row * self.size + column] = class;
                    }
                }
            }
        }
        if self.noise > 0.0 {
            for x in x {
                *x = (f64::from(*x) + self.noise * rng.normal()).clamp(0.0, 1.0) as f32;
            }
        }
    }
}

/// A brightness in [0, 1] at least a quarter away from `background`; `part` is uniform, and so is the result.
fn apart(background: f64, part: f64) -> f64 {
    const GAP: f64 = 0.25;
    let below = (background - GAP).max(0.0);
    let above = (1.0 - background - GAP).max(0.0);
    let way = part * (below + above);
    if way < below {
        way
    } else {
        way - below + background + GAP
    }
}

impl Shape {
    /// Whether it covers the place `p`, counted from its middle along its own axes.
    fn has(&self, p: [f64; 2]) -> bool {
        match self {
            Self::Disc { radius } => p[0] * p[0] + p[1] * p[1] <= radius * radius,
            Self::Rectangle { half } => p[0].abs() <= half[0] && p[1].abs() <= half[1],
            // Each side is half as far from the middle as the corners.
            Self::Triangle { radius } => {
                let h = 3.0f64.sqrt() / 2.0;
                [[0.0, 1.0], [h, -0.5], [-h, -0.5]]
                    .iter()
                    .all(|n| n[0] * p[0] + n[1] * p[1] <= radius / 2.0)
            }
        }
    }
}

impl Dataset for Shapes {
    fn len(&self) -> usize {
        self.len
    }

    #[track_caller]
    fn batch(&self, indices: &[usize]) -> Result<Batch> {
        check_indices("Shapes", indices, self.len);
        let (count, size) = (indices.len(), self.size);
        let pixels = size * size;
        let (mut x, mut y) = (vec![0.0; count * pixels], vec![0; count * pixels]);
        let pictures = x.chunks_exact_mut(pixels).zip(y.chunks_exact_mut(pixels));
        for ((x, y), &index) in pictures.zip(indices) {
            self.draw(index, x, y);
        }
        Ok(Batch {
            x: Tensor::from_slice(&x, [count, 1, size, size]),
            y: Tensor::from_slice(&y, [count, size, size]),
        })
    }

    fn classes(&self) -> &[String] {
        static NAMES: LazyLock<[String; 4]> = LazyLock::new(|| Shapes::CLASSES.map(str::to_owned));
        &*NAMES
    }

    fn fingerprint(&self) -> Option<String> {
        let Self {
            len,
            seed,
            size,
            most,
            noise,
        } = self;
        let how = format!("shapes {len} {seed} {size} {most} {noise}");
        Some(fingerprint::of([how]))
    }

    fn background(&self) -> Option<Arc<dyn Dataset>> {
        Some(Arc::new(self.clone()))
    }
}
