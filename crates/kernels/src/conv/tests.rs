use super::lanes::Eight;
use super::*;
use crate::matmul::portable;
use crate::team::{self, tests::alone};

/// Shapes around every edge: strides with and without rest, padding of all kinds, dilation, groups, one to three axes,
/// boxes of several images and of parts of one, sums in several stretches, planes for each tap.
fn shapes() -> Vec<Shape> {
    let base = Shape {
        batch: 2,
        groups: 1,
        c_in: 3,
        c_out: 4,
        input: [1, 6, 5],
        kernel: [1, 3, 2],
        output: [1, 4, 4],
        stride: [1; 3],
        dilation: [1; 3],
        before: [0; 3],
    };
    let mut shapes = vec![
        base,
        Shape {
            before: [0, 1, 1],
            output: [1, 6, 6],
            ..base
        },
        Shape {
            stride: [1, 2, 3],
            before: [0, 2, 1],
            output: [1, 4, 2],
            ..base
        },
        Shape {
            dilation: [1, 2, 3],
            before: [0, 3, 2],
            output: [1, 5, 5],
            ..base
        },
        Shape {
            dilation: [1, 3, 2],
            stride: [1, 2, 3],
            before: [0, 3, 2],
            output: [1, 3, 3],
            ..base
        },
        Shape {
            groups: 3,
            c_in: 2,
            c_out: 5,
            before: [0, 1, 0],
            output: [1, 6, 4],
            ..base
        },
        Shape {
            groups: 7,
            c_in: 1,
            c_out: 1,
            before: [0, 1, 1],
            output: [1, 6, 6],
            ..base
        },
        Shape {
            groups: 5,
            c_in: 1,
            c_out: 2,
            stride: [1, 2, 2],
            before: [0, 1, 1],
            output: [1, 3, 3],
            ..base
        },
        // A stride larger than the kernel, and one larger than everything.
        Shape {
            stride: [1, 4, 4],
            output: [1, 1, 1],
            ..base
        },
        Shape {
            stride: [1, 5, 3],
            before: [0, 9, 9],
            output: [1, 5, 6],
            ..base
        },
        Shape {
            stride: [1, 1 << 40, 1],
            before: [0, 1 << 40, 0],
            output: [1, 2, 4],
            ..base
        },
        Shape {
            dilation: [1, 50, 70],
            before: [0, 60, 75],
            output: [1, 9, 8],
            ..base
        },
        // Nothing to sum, no images, no places of the input.
        Shape { c_in: 0, ..base },
        Shape { c_out: 0, ..base },
        Shape { batch: 0, ..base },
        Shape {
            input: [1, 0, 5],
            before: [0, 2, 0],
            output: [1, 2, 4],
            ..base
        },
        // One and three axes.
        Shape {
            input: [1, 1, 700],
            kernel: [1, 1, 5],
            output: [1, 1, 700],
            before: [0, 0, 2],
            ..base
        },
        Shape {
            input: [4, 5, 6],
            kernel: [2, 3, 2],
            output: [4, 3, 3],
            stride: [1, 2, 2],
            before: [1, 1, 0],
            ..base
        },
        Shape {
            input: [9, 8, 7],
            kernel: [3, 3, 3],
            output: [9, 8, 7],
            before: [1; 3],
            batch: 1,
            ..base
        },
    ];
    // Larger ones.
    let same = |batch, c_in, c_out, n: usize, k: usize| Shape {
        batch,
        c_in,
        c_out,
        input: [1, n, n],
        kernel: [1, k, k],
        output: [1, n, n],
        before: [0, k / 2, k / 2],
        ..base
    };
    // Few channels in a group: some images at once, parts of one, more channels than a copy holds, three axes.
    let few = |groups, c_in, c_out| Shape {
        groups,
        c_in,
        c_out,
        ..base
    };
    shapes.extend([
        Shape {
            groups: 9,
            ..same(5, 1, 1, 8, 3)
        },
        Shape {
            groups: 11,
            ..same(1, 2, 3, 40, 5)
        },
        // Lines of more than two vectors, with every step, with taps far from each other, with many of them.
        Shape {
            groups: 8,
            ..same(2, 1, 1, 37, 5)
        },
        Shape {
            groups: 9,
            stride: [1, 2, 2],
            output: [1, 19, 19],
            ..same(2, 1, 1, 38, 3)
        },
        Shape {
            groups: 8,
            dilation: [1, 2, 3],
            before: [0, 2, 3],
            ..same(2, 1, 1, 17, 3)
        },
        Shape {
            stride: [1, 1, 2],
            output: [1, 9, 5],
            ..few(8, 1, 1)
        },
        Shape {
            input: [1, 3, 60],
            kernel: [1, 1, 12],
            output: [1, 3, 49],
            ..few(8, 1, 1)
        },
        Shape {
            input: [1, 1, 300],
            kernel: [1, 1, 12],
            output: [1, 1, 289],
            ..few(8, 1, 1)
        },
        Shape {
            groups: 40,
            stride: [1, 2, 2],
            output: [1, 7, 7],
            ..same(2, 1, 2, 14, 3)
        },
        Shape {
            groups: 8,
            ..same(2, 4, 4, 9, 3)
        },
        Shape {
            c_in: 50,
            c_out: 2,
            ..same(1, 50, 2, 36, 3)
        },
        Shape {
            input: [3, 8, 7],
            kernel: [3, 3, 3],
            output: [3, 8, 7],
            before: [1; 3],
            ..few(8, 1, 1)
        },
        Shape {
            input: [1, 1, 3000],
            kernel: [1, 1, 12],
            output: [1, 1, 2989],
            batch: 1,
            ..few(8, 1, 2)
        },
    ]);
    shapes.extend([
        same(3, 40, 33, 13, 3),
        same(20, 17, 30, 4, 3),
        same(9, 33, 5, 3, 5),
        same(2, 3, 64, 30, 3),
        same(2, 65, 3, 18, 3),
        same(4, 130, 15, 7, 1),
        same(1, 50, 20, 40, 3),
        same(3, 32, 140, 5, 3),
        same(1, 33, 34, 30, 3),
        same(2, 150, 35, 4, 3),
        Shape {
            groups: 2,
            ..same(2, 33, 34, 6, 3)
        },
        Shape {
            before: [0, 0, 2],
            output: [1, 7, 10],
            ..same(2, 35, 33, 9, 3)
        },
        Shape {
            stride: [1, 2, 2],
            output: [1, 9, 9],
            ..same(3, 20, 36, 18, 3)
        },
        Shape {
            stride: [1, 2, 2],
            output: [1, 9, 9],
            ..same(3, 20, 36, 18, 1)
        },
        Shape {
            stride: [1, 2, 2],
            output: [1, 20, 20],
            ..same(1, 6, 7, 40, 3)
        },
        Shape {
            groups: 3,
            ..same(2, 15, 17, 12, 3)
        },
    ]);
    shapes
}

/// Numbers in [-1, 1) that repeat after no short while.
fn numbers<T: Float>(len: usize, seed: u64) -> Vec<T> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f64 / f64::from(1 << 23) - 1.0
    };
    (0..len).map(|_| T::of(next())).collect()
}

/// Calls `visit(x, w, y)` for each product of the form: where the three factors are.
fn for_products(s: &Shape, mut visit: impl FnMut(usize, usize, usize)) {
    let at = |lengths: [usize; 3], p: [usize; 3]| (p[0] * lengths[1] + p[1]) * lengths[2] + p[2];
    let all =
        |n: [usize; 3]| (0..volume(n)).map(move |i| [i / n[2] / n[1], i / n[2] % n[1], i % n[2]]);
    let (xs, ws, ys) = (volume(s.input), volume(s.kernel), volume(s.output));
    for t in all(s.kernel) {
        for p in all(s.output) {
            let source = |d: usize| {
                let at = p[d] * s.stride[d] + t[d] * s.dilation[d];
                at.checked_sub(s.before[d]).filter(|at| *at < s.input[d])
            };
            let (Some(a), Some(b), Some(c)) = (source(0), source(1), source(2)) else {
                continue;
            };
            for image in 0..s.batch {
                for group in 0..s.groups {
                    for i in 0..s.c_in {
                        for o in 0..s.c_out {
                            let x = ((image * s.groups + group) * s.c_in + i) * xs
                                + at(s.input, [a, b, c]);
                            let w = ((group * s.c_out + o) * s.c_in + i) * ws + at(s.kernel, t);
                            let y =
                                ((image * s.groups + group) * s.c_out + o) * ys + at(s.output, p);
                            visit(x, w, y);
                        }
                    }
                }
            }
        }
    }
}

/// `found` against sums in f64: each of `n` products and as many sums round once, and no partial sum is larger than the
/// sum of magnitudes (Higham 2002, section 3.1).
fn check_sums<T: Float>(what: &str, s: &Shape, found: &[T], sums: &[(f64, f64, usize)], unit: f64) {
    for (i, (found, (sum, size, n))) in found.iter().zip(sums).enumerate() {
        let off = (found.to_f64() - sum).abs();
        assert!(
            off <= 1.01 * (n + 3) as f64 * unit * size,
            "{what} of {s:?} at {i}: {found:?} is not {sum}"
        );
    }
}

fn relu(sums: &[(f64, f64, usize)]) -> Vec<(f64, f64, usize)> {
    sums.iter()
        .map(|&(sum, size, n)| (sum.max(0.0), size, n))
        .collect()
}

/// How often the product of an element of 4 by 4 and a tap may be counted in a place of 2 by 2 on the way, by magnitude:
/// `[place][element][tap]`.
fn winograd_magnitudes() -> Vec<f64> {
    const A: [[f64; 4]; 2] = [[1.0, 1.0, 1.0, 0.0], [0.0, 1.0, 1.0, 1.0]];
    const B: [[f64; 4]; 4] = [
        [1.0, 0.0, 1.0, 0.0],
        [0.0, 1.0, 1.0, 0.0],
        [0.0, 1.0, 1.0, 0.0],
        [0.0, 1.0, 0.0, 1.0],
    ];
    const G: [[f64; 3]; 4] = [[1.0, 0.0, 0.0], [0.5; 3], [0.5; 3], [0.0, 0.0, 1.0]];
    // How often the product of element `i` and tap `t` may be counted in place `o`, along one axis and along both.
    let along =
        |o: usize, i: usize, t: usize| (0..4).map(|p| A[o][p] * G[p][t] * B[p][i]).sum::<f64>();
    (0..4 * 144)
        .map(|n| {
            let [o, i, j, s, t] = [n / 144, n / 36 % 4, n / 9 % 4, n / 3 % 3, n % 3];
            along(o / 2, i, s) * along(o % 2, j, t)
        })
        .collect()
}

/// What the partial sums of Winograd's way may come to, for each element of the result: its matrices and the numbers
/// with their magnitudes. As many more roundings as the transforms have steps are added to the count.
fn winograd_sizes<T: Float>(job: &Correlation<'_, T>, sums: &mut [(f64, f64, usize)]) {
    let often = winograd_magnitudes();
    let [_, rows, columns] = &job.axes;
    let (low1, order1) = winograd::neighbours(rows).expect("it suits");
    let (low2, order2) = winograd::neighbours(columns).expect("it suits");
    let inside = |axis: &Axis, at: isize| usize::try_from(at).ok().filter(|at| *at < axis.from);
    let (from, to) = (rows.from * columns.from, rows.to * columns.to);
    for image in 0..job.batch {
        for group in 0..job.groups {
            for m in 0..job.m {
                for p in 0..rows.places {
                    for q in 0..columns.places {
                        let result = ((image * job.groups + group) * job.m + m) * to
                            + (rows.to_first + p) * columns.to
                            + columns.to_first
                            + q;
                        let mut size = job
                            .bias
                            .map_or(0.0, |bias| bias[group * job.m + m].to_f64().abs());
                        let often = &often[(p % 2 * 2 + q % 2) * 144..][..144];
                        for c in 0..job.depth {
                            let source = ((image * job.groups + group) * job.depth + c) * from;
                            let weight = group * job.weights.group
                                + m * job.weights.row
                                + c * job.weights.channel;
                            let g: [f64; 9] = std::array::from_fn(|t| {
                                let tap = job.weights.taps[3 * order1[t / 3] + order2[t % 3]];
                                job.weights.data[weight + tap].to_f64().abs()
                            });
                            for (i, often) in often.chunks(9).enumerate() {
                                let y = inside(rows, (p / 2 * 2 + i / 4) as isize + low1);
                                let x = inside(columns, (q / 2 * 2 + i % 4) as isize + low2);
                                if let Some((y, x)) = y.zip(x) {
                                    let d =
                                        job.source[source + y * columns.from + x].to_f64().abs();
                                    size +=
                                        d * often.iter().zip(&g).map(|(n, g)| n * g).sum::<f64>();
                                }
                            }
                        }
                        // One of a difference in each axis of d, two sums each for g and for the result, and the bias.
                        sums[result].1 = size;
                        sums[result].2 = job.depth + 2 + 4 + 4 + 1;
                    }
                }
            }
        }
    }
}

/// The same for the gradient of the filter.
fn winograd_weight_sizes<T: Float>(s: &Shape, x: &[T], dy: &[T], sums: &mut [(f64, f64, usize)]) {
    let often = winograd_magnitudes();
    let [_, height, breadth] = s.output;
    let [_, in_height, in_breadth] = s.input;
    sums.iter_mut().for_each(|sum| sum.1 = 0.0);
    for image in 0..s.batch {
        for group in 0..s.groups {
            for o in 0..s.c_out {
                let dy = &dy[((image * s.groups + group) * s.c_out + o) * height * breadth..];
                for c in 0..s.c_in {
                    let x =
                        &x[((image * s.groups + group) * s.c_in + c) * in_height * in_breadth..];
                    let w = ((group * s.c_out + o) * s.c_in + c) * 9;
                    for p in 0..height * breadth {
                        let (i, j) = (p / breadth, p % breadth);
                        let often = &often[(i % 2 * 2 + j % 2) * 144..][..144];
                        for (e, often) in often.chunks(9).enumerate() {
                            let at = |p: usize, e: usize, before: usize, n: usize| {
                                (p / 2 * 2 + e).checked_sub(before).filter(|at| *at < n)
                            };
                            let y = at(i, e / 4, s.before[1], in_height);
                            let Some((y, x_at)) = y.zip(at(j, e % 4, s.before[2], in_breadth))
                            else {
                                continue;
                            };
                            let size = (dy[p].to_f64() * x[y * in_breadth + x_at].to_f64()).abs();
                            for (t, n) in often.iter().enumerate() {
                                sums[w + t].1 += n * size;
                            }
                        }
                    }
                }
            }
        }
    }
    // A difference in each axis of d and of dY, two sums in each of g, and those of the stretches.
    let tiles = s.batch * height.div_ceil(2) * breadth.div_ceil(2);
    sums.iter_mut()
        .for_each(|sum| sum.2 = tiles + 2 + 2 + 4 + 16);
}

type Correlate<T> = fn(&mut [T], &Correlation<'_, T>);
type ByWeight<T> = fn(&mut [T], &[T], &[T], &Shape);

fn check_all<T: Float>(correlate: Correlate<T>, by_weight: ByWeight<T>, unit: f64) {
    for s in shapes() {
        let (x, w, dy): (Vec<T>, Vec<T>, Vec<T>) =
            (numbers(s.x(), 1), numbers(s.w(), 2), numbers(s.y(), 3));
        let bias: Vec<T> = numbers(s.groups * s.c_out, 4);
        let back: Vec<T> = numbers(s.groups * s.c_in, 5);
        let start = |len: usize, bias: &[T], n: usize| -> Vec<(f64, f64, usize)> {
            let of = |i: usize| bias[i / n % bias.len()].to_f64();
            (0..len).map(|i| (of(i), of(i).abs(), 1)).collect()
        };
        let mut ys = start(s.y(), &bias, volume(s.output).max(1));
        let mut xs = start(s.x(), &back, volume(s.input).max(1));
        let mut wants = vec![(0.0, 0.0, 1); s.w()];
        let add = |sum: &mut (f64, f64, usize), a: T, b: T| {
            let product = a.to_f64() * b.to_f64();
            *sum = (sum.0 + product, sum.1 + product.abs(), sum.2 + 1);
        };
        for_products(&s, |i, j, k| {
            add(&mut ys[k], x[i], w[j]);
            add(&mut xs[i], dy[k], w[j]);
            add(&mut wants[j], x[i], dy[k]);
        });
        let mut y = vec![T::NAN; s.y()];
        if !y.is_empty() {
            let job = s.forward(&x, &w, Some(&bias), Activation::Relu);
            correlate(&mut y, &job);
            if winograd::suits(&job) {
                winograd_sizes(&job, &mut ys);
            }
            let back = s.by_input([0; 3], &dy, &w, Some(&back), Activation::Relu);
            if winograd::suits(&back) {
                winograd_sizes(&back, &mut xs);
            }
        }
        check_sums("y", &s, &y, &relu(&ys), unit);
        let mut dx = vec![T::NAN; s.x()];
        transposed(
            &mut dx,
            &dy,
            &w,
            Some(&back),
            Activation::Relu,
            &s,
            correlate,
        );
        check_sums("dx", &s, &dx, &relu(&xs), unit);
        let mut dw = vec![T::NAN; s.w()];
        by_weight(&mut dw, &x, &dy, &s);
        if winograd_weight::suits::<T>(&s) {
            winograd_weight_sizes(&s, &x, &dy, &mut wants);
        }
        check_sums("dw", &s, &dw, &wants, unit);
    }
}

const UNIT_32: f64 = f32::EPSILON as f64 / 2.0;
const UNIT_64: f64 = f64::EPSILON; // the oracle itself rounds in f64, hence twice the unit

#[test]
fn all_three_equal_their_definitions() {
    check_all::<f32>(super::correlate, weight::by_weight, UNIT_32);
    check_all::<f64>(super::correlate, weight::by_weight, UNIT_64);
}

/// By kernels that this processor would not choose.
macro_rules! check_by {
    ($kernels:ty, $lanes:ty, $t:ty, $unit:expr) => {
        check_all::<$t>(
            |result, job| {
                if !result.is_empty() && job.axes.iter().all(|axis| axis.places > 0) {
                    // SAFETY: the processor has been asked, and the lengths fit.
                    unsafe {
                        if direct::suits(job) {
                            direct::run_by::<$lanes>(job, result);
                        } else if winograd::suits(job) {
                            winograd::run::<$t, $kernels>(job, result);
                        } else {
                            correlate::run::<$t, $kernels>(job, result);
                        }
                    }
                }
            },
            |dw, x, dy, shape| {
                if dw.is_empty() || dy.is_empty() {
                    dw.fill(0.0);
                } else {
                    // SAFETY: as above.
                    unsafe {
                        if direct::suits_weight(shape) {
                            direct::by_weight(dw, x, dy, shape, false);
                        } else if winograd_weight::suits::<$t>(shape) {
                            winograd_weight::run::<$t, $kernels>(dw, x, dy, shape);
                        } else {
                            weight::run::<$t, $kernels>(dw, x, dy, shape);
                        }
                    }
                }
            },
            $unit,
        )
    };
}

#[test]
fn kernels_of_other_processors_equal_the_definitions() {
    check_by!(portable::Plain<f32>, Eight<f32, false>, f32, UNIT_32);
    check_by!(portable::Plain<f64>, Eight<f64, false>, f64, UNIT_64);
    #[cfg(target_arch = "x86_64")]
    if portable::avx2_available() {
        check_by!(portable::Avx2<f32>, Eight<f32, true>, f32, UNIT_32);
        check_by!(portable::Avx2<f64>, Eight<f64, true>, f64, UNIT_64);
    }
}

#[test]
fn processors_with_fused_multiply_adds_give_the_same_bits() {
    if !direct::is_fused() {
        return;
    }
    /// The result of the kernels of this processor must be that of these.
    fn check<T: Float>(result: &mut [T], job: &Correlation<'_, T>, seen: &mut usize) {
        super::correlate(result, job);
        if result.is_empty() || !direct::suits(job) || job.axes.iter().any(|axis| axis.places == 0)
        {
            return;
        }
        let mut other = result.to_vec();
        // SAFETY: the processor has fused multiply-adds.
        unsafe { direct::run_by::<Eight<T, true>>(job, &mut other) };
        let bits = |x: &[T]| x.iter().map(|x| x.to_f64().to_bits()).collect::<Vec<_>>();
        assert!(bits(result) == bits(&other), "{job:?}");
        *seen += 1;
    }
    fn check_both<T: Float>(s: &Shape, seen: &mut usize) {
        let (x, w, dy): (Vec<T>, Vec<T>, Vec<T>) =
            (numbers(s.x(), 1), numbers(s.w(), 2), numbers(s.y(), 3));
        let bias: Vec<T> = numbers(s.groups * s.c_out, 4);
        let mut y = vec![T::ZERO; s.y()];
        check(
            &mut y,
            &s.forward(&x, &w, Some(&bias), Activation::Relu),
            seen,
        );
        let mut dx = vec![T::ZERO; s.x()];
        let seen = std::cell::RefCell::new(seen);
        transposed(
            &mut dx,
            &dy,
            &w,
            None,
            Activation::Identity,
            s,
            |dx, job| {
                check(dx, job, &mut seen.borrow_mut());
            },
        );
    }
    let mut seen = 0;
    for s in shapes().iter().filter(|s| s.w() > 0) {
        check_both::<f32>(s, &mut seen);
        check_both::<f64>(s, &mut seen);
    }
    assert!(seen > 20, "only {seen} had few channels");
}

#[test]
fn any_number_of_threads_gives_the_same_bits() {
    let _alone = alone();
    let before = team::threads();
    for s in shapes() {
        let (x, w, dy): (Vec<f32>, Vec<f32>, Vec<f32>) =
            (numbers(s.x(), 1), numbers(s.w(), 2), numbers(s.y(), 3));
        let run = |threads| {
            team::set_threads(threads);
            let (mut y, mut dx, mut dw) = (vec![0.0; s.y()], vec![0.0; s.x()], vec![0.0; s.w()]);
            forward(&mut y, &x, &w, None, Activation::Identity, &s);
            by_input(&mut dx, &dy, &w, None, Activation::Identity, &s);
            by_weight(&mut dw, &x, &dy, &s);
            [y, dx, dw].map(|x| x.iter().map(|x| x.to_bits()).collect::<Vec<_>>())
        };
        let one = run(1);
        for threads in [2, 3, 7] {
            assert!(
                run(threads) == one,
                "{threads} threads give other bits for {s:?}"
            );
        }
    }
    team::set_threads(before);
}

#[test]
fn only_what_passed_the_relu_passes_back() {
    let dy = [1.0f32, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]; // (2, 2, 2)
    let y = [0.0, 1.0, 1.0, 0.5, 0.0, f32::NAN, 1.0, -0.0];
    let (mut g, mut db) = ([9.0; 8], [9.0; 2]);
    relu_bias_backward(&mut g, &mut db, &dy, &y, 2);
    assert_eq!(g, [0.0, 2.0, 3.0, 4.0, 0.0, 0.0, 7.0, 0.0]);
    assert_eq!(db, [2.0, 14.0]);
    relu_bias_backward::<f32>(&mut [], &mut db, &[], &[], 0);
    assert_eq!(db, [0.0; 2]);
}

#[test]
#[should_panic(expected = "conv: x, w and y have 3, 2 and 1 elements, wanted those of")]
fn lengths_that_do_not_fit_are_refused() {
    let shape = Shape {
        batch: 1,
        groups: 1,
        c_in: 1,
        c_out: 1,
        input: [1, 1, 3],
        kernel: [1, 1, 2],
        output: [1, 1, 2],
        stride: [1; 3],
        dilation: [1; 3],
        before: [0; 3],
    };
    forward(
        &mut [0.0f32],
        &[1.0; 3],
        &[1.0; 2],
        None,
        Activation::Identity,
        &shape,
    );
}
