//! Pictures that several experiments draw.

use eras_report::Picture;
use eras_tensor::{Dtype, Tensor};

/// Points in the plane (x and y in turn) of two classes, and the side that `score` gives to each place: its sign.
pub(crate) fn plane(points: &[f32], labels: &[bool], score: impl Fn([f32; 2]) -> f32) -> Picture {
    const SIDE: usize = 112;
    /// Of a point, in pixels.
    const RADIUS: f64 = 2.6;
    let axis = |k: usize| points.iter().skip(k).step_by(2).map(|p| f64::from(*p));
    let span = |k: usize| {
        let low = axis(k).fold(f64::INFINITY, f64::min);
        let high = axis(k).fold(f64::NEG_INFINITY, f64::max);
        ((low + high) / 2.0, high - low)
    };
    let ((cx, width), (cy, height)) = (span(0), span(1));
    let scale = 1.25 * width.max(height).max(1e-6) / SIDE as f64;
    let half = SIDE as f64 / 2.0;
    let mut pixels = Vec::with_capacity(3 * SIDE * SIDE);
    for row in 0..SIDE {
        for column in 0..SIDE {
            // y points up.
            let (x, y) = (column as f64 + 0.5 - half, half - row as f64 - 0.5);
            let (x, y) = (cx + x * scale, cy + y * scale);
            let distance = |p: &[f32]| (f64::from(p[0]) - x).hypot(f64::from(p[1]) - y) / scale;
            let near = points.chunks_exact(2).zip(labels);
            let near = near
                .map(|(p, label)| (distance(p), *label))
                .min_by(|a, b| a.0.total_cmp(&b.0))
                .filter(|(distance, _)| *distance < RADIUS);
            let side = score([x as f32, y as f32]);
            pixels.extend(match near {
                Some((_, true)) => [10, 85, 194],
                Some((_, false)) => [209, 89, 11],
                None if side > 0.0 => [214, 228, 250],
                None if side < 0.0 => [252, 228, 208],
                None => [235, 235, 235],
            });
        }
    }
    Picture::rgb(SIDE, SIDE, pixels)
}

/// Gray pictures `(N, 1, H, W)` of values from 0, black, to 1, white.
pub(crate) fn pictures(x: &Tensor) -> Vec<Picture> {
    let &[_, 1, height, width] = x.shape() else {
        panic!("pictures: {:?} must be (N, 1, H, W)", x.shape());
    };
    let gray = |x: &f32| (255.0 * x.clamp(0.0, 1.0)).round() as u8;
    let x = x.to_dtype(Dtype::F32).to_vec::<f32>();
    x.chunks_exact(height * width)
        .map(|pixels| Picture::grey(width, height, pixels.iter().map(gray).collect()))
        .collect()
}

/// The first numbers as gray: 0 in the middle, the largest in size at an end.
pub(crate) fn signed(numbers: &[f32], [height, width]: [usize; 2]) -> Picture {
    let numbers = &numbers[..height * width];
    let most = numbers
        .iter()
        .fold(f32::MIN_POSITIVE, |most, x| most.max(x.abs()));
    let gray = |x: &f32| (127.5 + 127.5 * x / most).round() as u8;
    Picture::grey(width, height, numbers.iter().map(gray).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_plane_shows_both_sides_and_the_points() {
        let picture = plane(&[0.0, 0.0, 1.0, 1.0], &[false, true], |[x, _]| x - 0.5);
        let pixel = |column: usize, row: usize| {
            let at = 3 * (row * picture.width() + column);
            picture.pixels()[at..at + 3].to_vec()
        };
        assert_eq!(pixel(2, 2), [252, 228, 208]);
        assert_eq!(pixel(109, 109), [214, 228, 250]);
        // The first point lies at the lower left, in its own colour.
        let mut points = picture.pixels().chunks_exact(3);
        let first = points.position(|p| p == [209, 89, 11]).unwrap();
        assert!(first % 112 < 20 && first / 112 > 90, "{first}");
    }

    #[test]
    fn signed_numbers_are_gray_around_the_middle() {
        let picture = signed(&[0.0, -2.0, 1.0, 2.0], [2, 2]);
        assert_eq!(picture.pixels(), [128, 0, 191, 255]);
    }
}
