//! A picture of a digit, of any size, dark on light or light on dark, as MNIST would have drawn it: light on dark,
//! the figure scaled to fit 20 x 20, its centre of mass in the middle of 28 x 28 (LeCun et al. 1998).

use eras_data::{Color, Picture};
use eras_tensor::{Error, Result};
use std::path::Path;

const SIDE: usize = 28;
const FIGURE: usize = 20;

/// Reads the picture at `path` as 784 numbers from 0 (background) to 1.
pub(crate) fn read(path: &Path) -> Result<Vec<f32>> {
    let picture = Picture::read(path, None, Color::Gray)?;
    let [_, height, width] = picture.shape;
    normalize(&picture.pixels, height, width).ok_or_else(|| {
        Error::file(
            path,
            "shows nothing: every pixel is alike, wanted a figure on a background",
        )
    })
}

/// `None` if nothing stands out from the background.
fn normalize(pixels: &[u8], height: usize, width: usize) -> Option<Vec<f32>> {
    let image = lighten(pixels, height, width)?;
    if (height, width) == (SIDE, SIDE) && is_drawn_like_mnist(&image) {
        return Some(image);
    }
    let (top, left, h, w) = bounding_box(&image, height, width)?;
    let scale = FIGURE as f64 / h.max(w) as f64;
    let scaled = |n: usize| ((n as f64 * scale).round() as usize).clamp(1, FIGURE);
    let (rows, columns) = (scaled(h), scaled(w));
    let figure = shrink(
        |y, x| image[(top + y) * width + left + x],
        (h, w),
        (rows, columns),
    );
    Some(center(&figure, rows, columns))
}

/// The figure as 1 on a background of 0: the background is what the border shows.
fn lighten(pixels: &[u8], height: usize, width: usize) -> Option<Vec<f32>> {
    let (low, high) = (*pixels.iter().min()?, *pixels.iter().max()?);
    if low == high {
        return None;
    }
    let on_border = |i: usize| {
        i < width || i >= (height - 1) * width || i.is_multiple_of(width) || i % width == width - 1
    };
    let mut border: Vec<u8> = (0..pixels.len())
        .filter(|&i| on_border(i))
        .map(|i| pixels[i])
        .collect();
    border.sort_unstable();
    let dark_on_light = u16::from(border[border.len() / 2]) * 2 > u16::from(low) + u16::from(high);
    let range = f32::from(high - low);
    let light = |&p: &u8| f32::from(if dark_on_light { high - p } else { p - low }) / range;
    Some(pixels.iter().map(light).collect())
}

/// Whether the figure already fits where MNIST puts it: nothing on the outermost two pixels.
fn is_drawn_like_mnist(image: &[f32]) -> bool {
    let inside = 2..SIDE - 2;
    (0..SIDE * SIDE)
        .all(|i| image[i] < 0.1 || (inside.contains(&(i / SIDE)) && inside.contains(&(i % SIDE))))
}

/// Top, left, height and width of what is not background.
fn bounding_box(
    image: &[f32],
    height: usize,
    width: usize,
) -> Option<(usize, usize, usize, usize)> {
    const INK: f32 = 0.2;
    let row = |y: &usize| image[y * width..(y + 1) * width].iter().any(|&p| p > INK);
    let column = |x: &usize| (0..height).any(|y| image[y * width + x] > INK);
    let (top, bottom) = ((0..height).find(row)?, (0..height).rev().find(row)?);
    let (left, right) = ((0..width).find(column)?, (0..width).rev().find(column)?);
    Some((top, left, bottom - top + 1, right - left + 1))
}

/// Scales by area: each new pixel is the mean of what it covers.
pub(crate) fn shrink(
    at: impl Fn(usize, usize) -> f32,
    (h, w): (usize, usize),
    (rows, columns): (usize, usize),
) -> Vec<f32> {
    let cover = |i: usize, n: usize, len: usize| {
        let (from, to) = (
            i as f64 * len as f64 / n as f64,
            (i + 1) as f64 * len as f64 / n as f64,
        );
        let last = (to.ceil() as usize).min(len);
        (from as usize..last)
            .map(move |k| (k, (to.min(k as f64 + 1.0) - from.max(k as f64)) as f32))
    };
    let mut out = Vec::with_capacity(rows * columns);
    for r in 0..rows {
        for c in 0..columns {
            let (mut sum, mut area) = (0.0, 0.0);
            for (y, dy) in cover(r, rows, h) {
                for (x, dx) in cover(c, columns, w) {
                    sum += at(y, x) * dy * dx;
                    area += dy * dx;
                }
            }
            out.push(sum / area);
        }
    }
    out
}

/// Puts a figure into 28 x 28 with its centre of mass in the middle, as far as it fits.
fn center(figure: &[f32], rows: usize, columns: usize) -> Vec<f32> {
    let mass: f32 = figure.iter().sum();
    let moment = |f: fn(usize, usize) -> usize| {
        figure
            .iter()
            .enumerate()
            .map(|(i, &p)| p * (f(i, columns) as f32 + 0.5))
            .sum::<f32>()
            / mass
    };
    let place = |middle: f32, len: usize| {
        let start = (SIDE as f32 / 2.0 - middle).round();
        (start.max(0.0) as usize).min(SIDE - len)
    };
    let top = place(moment(|i, columns| i / columns), rows);
    let left = place(moment(|i, columns| i % columns), columns);
    let mut image = vec![0.0; SIDE * SIDE];
    for r in 0..rows {
        let row = &figure[r * columns..(r + 1) * columns];
        image[(top + r) * SIDE + left..][..columns].copy_from_slice(row);
    }
    image
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A bar of ink, upright, in a picture of 100 x 60.
    fn bar(ink: u8, paper: u8) -> Vec<u8> {
        let inside = |i: usize| (20..80).contains(&(i / 60)) && (10..20).contains(&(i % 60));
        (0..100 * 60)
            .map(|i| if inside(i) { ink } else { paper })
            .collect()
    }

    #[test]
    fn dark_on_light_and_light_on_dark_come_out_alike() {
        let dark = normalize(&bar(0, 255), 100, 60).unwrap();
        let light = normalize(&bar(255, 0), 100, 60).unwrap();
        assert_eq!(dark, light);
        // 60 x 10 becomes 20 x 3 in the middle.
        let inked: Vec<usize> = (0..784).filter(|&i| dark[i] > 0.5).collect();
        assert_eq!(inked.len(), 60);
        assert!(
            inked
                .iter()
                .all(|i| (4..24).contains(&(i / 28)) && (12..16).contains(&(i % 28)))
        );
    }

    #[test]
    fn a_picture_of_one_colour_shows_nothing() {
        assert_eq!(normalize(&[7; 100], 10, 10), None);
    }

    #[test]
    fn what_is_drawn_like_mnist_stays_as_it_is() {
        let mut pixels = vec![0u8; 784];
        pixels[14 * 28 + 14] = 255;
        pixels[10 * 28 + 9] = 51;
        let image = normalize(&pixels, 28, 28).unwrap();
        assert_eq!((image[14 * 28 + 14], image[10 * 28 + 9]), (1.0, 0.2));
    }
}
