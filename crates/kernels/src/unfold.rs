//! Windows as columns, and columns as the sum of windows (im2col and col2im).
//!
//! ```text
//! unfold    y[t, o] = element t of window o of x, 0 where that lies beside the axis
//! fold      y[i] = Σ x[t, o] over all t, o of which i is the place
//! ```
//!
//! One of them leads back the gradients of the other. A volume is `(D, H, W)`, its columns are
//! `(KD, KH, KW, OD, OH, OW)`, with the windows of a grid along each axis.

use crate::Float;
use crate::elementwise::CHUNK;
use crate::simd::vectorize;
use crate::team;
use crate::windows::Windows;
use std::ops::Range;

/// Elements of a volume, and of its columns.
fn sizes(axes: &[Windows; 3]) -> (usize, usize) {
    let columns = axes.iter().map(|axis| axis.most() * axis.count());
    (axes.iter().map(Windows::axis).product(), columns.product())
}

/// Calls `visit(row, place)` for each row of windows and element `[td, th, tw]` of them: where in the columns those of the
/// row lie that have the element, and at which place of the volume the first has it.
#[inline(always)]
fn for_rows(
    axes: &[Windows; 3],
    [td, th, tw]: [usize; 3],
    mut visit: impl FnMut(Range<usize>, usize),
) {
    let [depth, height, width] = axes;
    let windows = width.holding(tw);
    if windows.is_empty() {
        return;
    }
    let first = width.place(windows.start, tw);
    let tap = (td * height.most() + th) * width.most() + tw;
    for od in depth.holding(td) {
        for oh in height.holding(th) {
            let at = ((tap * depth.count() + od) * height.count() + oh) * width.count();
            let row = depth.place(od, td) * height.axis() + height.place(oh, th);
            visit(
                at + windows.start..at + windows.end,
                row * width.axis() + first,
            );
        }
    }
}

fn stride(windows: &Windows) -> usize {
    match *windows {
        Windows::Grid { stride, .. } => stride,
        Windows::Bins { .. } => unreachable!("only windows of a grid are alike"),
    }
}

/// The windows of `x (outer, D, H, W)` as columns `y (outer, KD, KH, KW, OD, OH, OW)`.
///
/// # Panics
/// If the lengths do not fit, or the windows are those of no grid.
pub fn unfold<T: Float>(y: &mut [T], x: &[T], outer: usize, axes: &[Windows; 3]) {
    let (inputs, outputs) = sizes(axes);
    assert!(x.len() == outer * inputs && y.len() == outer * outputs);
    if y.is_empty() {
        return;
    }
    let [kd, kh, kw] = axes.each_ref().map(|axis| axis.most());
    let taps = kd * kh * kw;
    let (size, step) = (outputs / taps, stride(&axes[2]));
    let per_task = (CHUNK / size).max(1);
    team::chunks_mut(y, per_task * size, |i, y| {
        vectorize(
            #[inline(always)]
            || {
                for (j, y) in y.chunks_exact_mut(size).enumerate() {
                    let (o, tap) = ((i * per_task + j) / taps, (i * per_task + j) % taps);
                    let x = &x[o * inputs..][..inputs];
                    y.fill(T::ZERO);
                    let t = [tap / (kh * kw), tap / kw % kh, tap % kw];
                    for_rows(axes, t, |row, place| {
                        let y = &mut y[row.start - tap * size..row.end - tap * size];
                        match step {
                            1 => y.copy_from_slice(&x[place..place + y.len()]),
                            _ => {
                                let x = x[place..].iter().step_by(step);
                                y.iter_mut().zip(x).for_each(|(y, x)| *y = *x);
                            }
                        }
                    });
                }
            },
        );
    });
}

/// The sum of the windows whose elements are the columns `x (outer, KD, KH, KW, OD, OH, OW)`, each at its place in
/// `y (outer, D, H, W)`.
///
/// # Panics
/// If the lengths do not fit, or the windows are those of no grid.
pub fn fold<T: Float>(y: &mut [T], x: &[T], outer: usize, axes: &[Windows; 3]) {
    let (outputs, inputs) = sizes(axes);
    assert!(x.len() == outer * inputs && y.len() == outer * outputs);
    if y.is_empty() {
        return;
    }
    let [kd, kh, kw] = axes.each_ref().map(|axis| axis.most());
    let step = stride(&axes[2]);
    // Elements of several windows get their sum in the order of the taps: a volume is one task's.
    let per_task = (CHUNK / inputs.max(1)).max(1);
    team::chunks_mut(y, per_task * outputs, |i, y| {
        vectorize(
            #[inline(always)]
            || {
                for (j, y) in y.chunks_exact_mut(outputs).enumerate() {
                    let x = &x[(i * per_task + j) * inputs..][..inputs];
                    y.fill(T::ZERO);
                    for tap in 0..kd * kh * kw {
                        let t = [tap / (kh * kw), tap / kw % kh, tap % kw];
                        for_rows(axes, t, |row, place| {
                            let x = &x[row];
                            match step {
                                1 => {
                                    let y = &mut y[place..place + x.len()];
                                    y.iter_mut().zip(x).for_each(|(y, x)| *y += *x);
                                }
                                _ => {
                                    let y = y[place..].iter_mut().step_by(step);
                                    y.zip(x).for_each(|(y, x)| *y += *x);
                                }
                            }
                        });
                    }
                }
            },
        );
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grid(len: usize, kernel: usize, stride: usize, padding: usize, dilation: usize) -> Windows {
        Windows::Grid {
            len,
            out: (len + 2 * padding - (kernel - 1) * dilation - 1) / stride + 1,
            kernel,
            stride,
            padding,
            dilation,
        }
    }

    #[test]
    fn columns_are_the_elements_of_windows_and_add_up_at_their_places() {
        let volumes = [
            [Windows::each(1), grid(5, 3, 1, 1, 1), grid(6, 3, 1, 1, 1)],
            [Windows::each(1), grid(7, 2, 2, 0, 1), grid(8, 3, 2, 1, 2)],
            [
                grid(3, 2, 1, 0, 1),
                grid(4, 2, 3, 1, 2),
                grid(5, 1, 2, 0, 1),
            ],
            [Windows::each(1), grid(40, 5, 1, 2, 1), grid(40, 5, 1, 2, 1)],
        ];
        for axes in volumes {
            let (outer, (inputs, outputs)) = (3, sizes(&axes));
            let x: Vec<f64> = (0..outer * inputs).map(|i| i as f64 + 1.0).collect();
            let mut y = vec![7.0; outer * outputs];
            unfold(&mut y, &x, outer, &axes);
            let mut back = vec![7.0; x.len()];
            fold(&mut back, &y, outer, &axes);
            let mut wanted = vec![0.0; x.len()];
            let [depth, height, width] = &axes;
            let mut columns = y.iter();
            for o in 0..outer {
                for tap in 0..depth.most() * height.most() * width.most() {
                    let td = tap / (height.most() * width.most());
                    let (th, tw) = (tap / width.most() % height.most(), tap % width.most());
                    for (od, oh, ow) in (0..depth.count()).flat_map(|od| {
                        (0..height.count())
                            .flat_map(move |oh| (0..width.count()).map(move |ow| (od, oh, ow)))
                    }) {
                        let on_it = depth.taps(od).contains(&td)
                            && height.taps(oh).contains(&th)
                            && width.taps(ow).contains(&tw);
                        let found = *columns.next().expect("a column for each");
                        if on_it {
                            let row = depth.place(od, td) * height.axis() + height.place(oh, th);
                            let at = o * inputs + row * width.axis() + width.place(ow, tw);
                            assert_eq!(found, x[at]);
                            wanted[at] += found;
                        } else {
                            assert_eq!(found, 0.0);
                        }
                    }
                }
            }
            assert_eq!(back, wanted);
        }
    }
}
