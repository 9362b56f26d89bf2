//! Copies that change the layout.

use super::{CHUNK, Loops, View};
use crate::buffer::Plain;
use crate::simd::vectorize;
use crate::team::{self, Shared};

/// Copies a view of shape `dims` into contiguous `y`.
///
/// # Panics
/// If `y` has another length than the shape, or the view leaves its storage.
pub fn copy_strided<T: Plain>(y: &mut [T], dims: &[usize], x: View<'_, T>) {
    paste(y, dims, &[0; 8][..dims.len()], dims, x);
}

/// Copies a view of shape `dims` into the box of that shape which begins at `start` in contiguous `y` of shape
/// `whole`. The rest of `y` stays as it is.
///
/// # Panics
/// If the box or the view leaves its storage.
pub fn paste<T: Plain>(
    y: &mut [T],
    whole: &[usize],
    start: &[usize],
    dims: &[usize],
    x: View<'_, T>,
) {
    let rank = dims.len();
    assert_eq!(y.len(), whole.iter().product::<usize>());
    assert!(whole.len() == rank && start.len() == rank);
    assert!((0..rank).all(|d| start[d] + dims[d] <= whole[d]));
    if dims.contains(&0) {
        return;
    }
    let mut strides = [0; 8];
    let (mut step, mut first) = (1, 0);
    for d in (0..rank).rev() {
        strides[d] = step;
        first += start[d] * step;
        step *= whole[d];
    }
    let loops = Loops::new(dims, [&strides[..rank], x.strides]);
    let y = Shared::new(y);
    if let Some(across) = loops.transposed() {
        transpose(&y, first, x.data, x.offset, &loops, across);
    } else {
        rows(&y, first, x.data, x.offset, &loops);
    }
}

/// Row by row.
fn rows<T: Plain>(y: &Shared<'_, T>, first: usize, x: &[T], offset: usize, loops: &Loops<2>) {
    let n = loops.inner;
    let [sy, sx] = loops.inner_strides;
    let count: usize = loops.outer.iter().map(|(len, _)| len).product();
    team::for_chunks(count, (CHUNK / n).max(1), |range| {
        let mut at = loops.start(range.start, [first, offset]);
        for _ in range {
            let [y0, x0] = at.offsets;
            if sy == 1 {
                // SAFETY: each row of the box comes once, and rows do not overlap.
                let y = unsafe { y.part(y0..y0 + n) };
                match sx {
                    1 => y.copy_from_slice(&x[x0..x0 + n]),
                    0 => y.fill(x[x0]),
                    _ => {
                        let x = x[x0..=x0 + (n - 1) * sx].iter().step_by(sx);
                        y.iter_mut().zip(x).for_each(|(y, x)| *y = *x);
                    }
                }
            } else {
                for i in 0..n {
                    let place = y0 + i * sy;
                    // SAFETY: each element of the box comes once.
                    unsafe { y.part(place..place + 1)[0] = x[x0 + i * sx] };
                }
            }
            loops.advance(&mut at);
        }
    });
}

/// A tile's side: rows of a tile fill one or more cache lines.
const TILE: usize = 16;
/// Columns of the source that a task takes side by side: what it reads of a line, and of a page, pays for getting it.
const BAND: usize = 64;

impl Loops<2> {
    /// The outer dimension along which the source lies in line, if the inner loop would jump from line to line there
    /// and run in line in the target.
    fn transposed(&self) -> Option<usize> {
        if self.inner_strides[0] != 1 || self.inner_strides[1] <= 1 || self.inner < 4 {
            return None;
        }
        self.outer
            .iter()
            .position(|(len, strides)| strides[1] == 1 && *len >= 4)
    }
}

/// Tile by tile: within a tile, both source and target stay in the first cache.
fn transpose<T: Plain>(
    y: &Shared<'_, T>,
    first: usize,
    x: &[T],
    offset: usize,
    loops: &Loops<2>,
    across: usize,
) {
    let (height, [y_row, _]) = loops.outer[across];
    let (width, x_row) = (loops.inner, loops.inner_strides[1]);
    let mut others = Loops {
        outer: loops.outer.clone(),
        inner: 1,
        inner_strides: [1, 1],
    };
    others.outer.remove(across);
    let count: usize = others.outer.iter().map(|(len, _)| len).product();
    let bands = height.div_ceil(BAND);
    let chunk = (CHUNK / (BAND * width)).max(1);
    team::for_chunks(count * bands, chunk, |range| {
        for task in range {
            let [y0, x0] = others.start(task / bands, [first, offset]).offsets;
            let band = task % bands * BAND;
            let band = band..height.min(band + BAND);
            for i0 in (0..width).step_by(TILE) {
                let wide = TILE.min(width - i0);
                for j0 in band.clone().step_by(TILE) {
                    let high = TILE.min(band.end - j0);
                    let source = x0 + i0 * x_row + j0;
                    let lines = &x[source..source + (wide - 1) * x_row + high];
                    let target = |j: usize| {
                        let at = y0 + (j0 + j) * y_row + i0;
                        // SAFETY: each row of each tile comes once.
                        unsafe { y.part(at..at + wide) }
                    };
                    vectorize(
                        #[inline(always)]
                        || tile(lines, x_row, (high, wide), target),
                    );
                }
            }
        }
    });
}

/// Writes row `j < high` of the target, `wide` elements, from lines of `x` that lie `x_row` apart.
#[inline(always)]
fn tile<'a, T: Plain>(
    x: &[T],
    x_row: usize,
    (high, wide): (usize, usize),
    target: impl Fn(usize) -> &'a mut [T],
) {
    if (high, wide) == (TILE, TILE) {
        let mut block = [[x[0]; TILE]; TILE];
        for (i, line) in block.iter_mut().enumerate() {
            line.copy_from_slice(&x[i * x_row..][..TILE]);
        }
        for j in 0..TILE {
            let column: [T; TILE] = std::array::from_fn(|i| block[i][j]);
            target(j).copy_from_slice(&column);
        }
    } else {
        for j in 0..high {
            for (i, y) in target(j).iter_mut().enumerate().take(wide) {
                *y = x[i * x_row + j];
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By definition.
    fn slow<T: Plain>(dims: &[usize], x: View<'_, T>) -> Vec<T> {
        let n: usize = dims.iter().product();
        let at = |mut p: usize| {
            let mut at = x.offset;
            for d in (0..dims.len()).rev() {
                at += p % dims[d] * x.strides[d];
                p /= dims[d];
            }
            x.data[at]
        };
        (0..n).map(at).collect()
    }

    #[test]
    fn every_order_of_dimensions_is_copied_right() {
        let data: Vec<f32> = (0..70 * 33 * 5).map(|i| i as f32).collect();
        let (dims, strides) = ([70, 33, 5], [165, 5, 1]);
        for order in [
            [0, 1, 2],
            [0, 2, 1],
            [1, 0, 2],
            [1, 2, 0],
            [2, 0, 1],
            [2, 1, 0],
        ] {
            let view = View {
                data: &data,
                offset: 0,
                strides: &order.map(|d| strides[d]),
            };
            let dims = order.map(|d| dims[d]);
            let mut y = vec![0.0; data.len()];
            copy_strided(&mut y, &dims, view);
            assert_eq!(y, slow(&dims, view), "{order:?}");
        }
    }

    #[test]
    fn every_width_of_element_is_transposed() {
        fn check<T: Plain + PartialEq + std::fmt::Debug>(of: impl Fn(usize) -> T) {
            let data: Vec<T> = (0..48 * 35).map(of).collect();
            let view = View {
                data: &data,
                offset: 0,
                strides: &[1, 35],
            };
            let mut y = vec![data[0]; data.len()];
            copy_strided(&mut y, &[35, 48], view);
            assert_eq!(y, slow(&[35, 48], view));
        }
        check(|i| i as u8);
        check(|i| half::bf16::from_f32(i as f32));
        check(|i| i as f64);
    }

    #[test]
    fn a_box_is_pasted_and_the_rest_stays() {
        let mut y = [0; 12].map(|_: i32| 7i64); // (3, 4)
        let x = View {
            data: &[1i64, 2, 3, 4],
            offset: 0,
            strides: &[1, 2],
        };
        paste(&mut y, &[3, 4], &[1, 1], &[2, 2], x);
        assert_eq!(y, [7, 7, 7, 7, 7, 1, 3, 7, 7, 2, 4, 7]);
        // A column.
        paste(
            &mut y,
            &[3, 4],
            &[0, 3],
            &[3, 1],
            View {
                data: &[5; 1],
                offset: 0,
                strides: &[0, 0],
            },
        );
        assert_eq!(y, [7, 7, 7, 5, 7, 1, 3, 5, 7, 2, 4, 5]);
    }
}
