use super::*;
use crate::team::{self, tests::alone};
use ::half::{bf16, f16};

type Size = (usize, usize, usize);

/// Sizes `(m, k, n)` around every edge: no elements, one, tiles and panels with and without rest, sums in pieces.
const SIZES: [Size; 24] = [
    (0, 3, 4),
    (3, 0, 4),
    (3, 4, 0),
    (1, 1, 1),
    (1, 2, 2),
    (2, 1, 3),
    (5, 7, 3),
    (13, 17, 33),
    (14, 256, 32),
    (15, 257, 31),
    (28, 300, 64),
    (1, 784, 512),
    (512, 9, 1),
    (128, 784, 70),
    (128, 512, 10),
    (10, 128, 512),
    (128, 10, 512),
    (300, 65, 17),
    (129, 513, 130),
    (77, 1030, 290),
    (300, 128, 500),
    (2000, 33, 64),
    (3, 9000, 5),
    (40, 9001, 40),
];

/// Numbers in [-1, 1) that repeat after no short while.
fn numbers(len: usize, seed: u64) -> Vec<f64> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f64 / f64::from(1 << 23) - 1.0
    };
    (0..len).map(|_| next()).collect()
}

/// The four ways that an operand can lie in memory: by rows, by columns, with gaps, one row repeated.
fn layouts(rows: usize, cols: usize) -> [(usize, usize); 4] {
    [(cols, 1), (1, rows), (3 * cols + 1, 3), (0, 1)]
}

fn reach(rows: usize, cols: usize, (rs, cs): (usize, usize)) -> usize {
    if rows * cols == 0 {
        0
    } else {
        (rows - 1) * rs + (cols - 1) * cs + 1
    }
}

fn mat<T>(data: &[T], (row_stride, col_stride): (usize, usize)) -> Mat<'_, T> {
    Mat {
        data,
        row_stride,
        col_stride,
    }
}

/// What a product may be off by: each of the `k` products and at most `k + 2` sums rounds once, and no partial sum
/// is larger than the sum of magnitudes (Higham 2002, section 3.1, to first order with a factor 1.01 for the rest).
fn check_against_definition<T: Copy>(
    c: &[f64],
    c0: &[f64],
    (m, k, n): Size,
    (a, b): (Mat<'_, T>, Mat<'_, T>),
    wide: impl Fn(T) -> f64,
    epilogue: &Epilogue<'_, f64>,
    unit: f64,
) {
    let bound = 1.01 * (k + 3) as f64 * unit;
    for i in 0..m {
        for j in 0..n {
            let start = if epilogue.accumulate {
                c0[i * n + j]
            } else {
                0.0
            };
            let bias = epilogue.bias.map_or(0.0, |bias| bias[j]);
            let (mut sum, mut size) = (start + bias, start.abs() + bias.abs());
            for p in 0..k {
                let x = wide(a.data[i * a.row_stride + p * a.col_stride]);
                let y = wide(b.data[p * b.row_stride + j * b.col_stride]);
                sum += x * y;
                size += (x * y).abs();
            }
            if epilogue.activation == Activation::Relu {
                sum = sum.max(0.0);
            }
            let off = (c[i * n + j] - sum).abs();
            assert!(
                off <= bound * size,
                "[{m} {k} {n}] at ({i}, {j}): {} is not {sum}",
                c[i * n + j]
            );
        }
    }
}

type Product<T> = fn(&mut [T], Size, Mat<'_, T>, Mat<'_, T>, &Epilogue<'_, T>);

fn check_product<T: Float>(product: Product<T>, unit: f64) {
    let of = |x: &[f64]| x.iter().map(|&x| T::of(x)).collect::<Vec<_>>();
    let wide = |x: &[T]| x.iter().map(|x| x.to_f64()).collect::<Vec<_>>();
    for (m, k, n) in SIZES {
        for (which, (la, lb)) in layouts(m, k)
            .into_iter()
            .zip(layouts(k, n).into_iter().rev())
            .enumerate()
        {
            for la in [la, (k, 1)] {
                let a = of(&numbers(reach(m, k, la), 1));
                let b = of(&numbers(reach(k, n, lb), 2));
                let bias = of(&numbers(n, 3));
                let c0 = of(&numbers(m * n, 4));
                let epilogue = Epilogue {
                    bias: (which % 2 == 1).then_some(&bias[..]),
                    activation: if which < 2 {
                        Activation::Identity
                    } else {
                        Activation::Relu
                    },
                    accumulate: which % 3 == 1,
                };
                let mut c = c0.clone();
                let (a, b) = (mat(&a, la), mat(&b, lb));
                product(&mut c, (m, k, n), a, b, &epilogue);
                let bias = wide(&bias);
                let exact = Epilogue {
                    bias: epilogue.bias.map(|_| &bias[..]),
                    activation: epilogue.activation,
                    accumulate: epilogue.accumulate,
                };
                check_against_definition(
                    &wide(&c),
                    &wide(&c0),
                    (m, k, n),
                    (a, b),
                    T::to_f64,
                    &exact,
                    unit,
                );
            }
        }
    }
}

const UNIT_32: f64 = f32::EPSILON as f64 / 2.0;
const UNIT_64: f64 = f64::EPSILON; // the oracle itself rounds in f64, hence twice the unit

#[test]
fn products_equal_their_definition_in_f32() {
    check_product::<f32>(matmul, UNIT_32);
}

#[test]
fn products_equal_their_definition_in_f64() {
    check_product::<f64>(matmul, UNIT_64);
}

/// A product by kernels that this processor would not choose.
macro_rules! by {
    ($kernels:ty, $t:ty) => {
        |c: &mut [$t], size: Size, a: Mat<'_, $t>, b: Mat<'_, $t>, epilogue: &Epilogue<'_, $t>| {
            if !c.is_empty() {
                // SAFETY: the tests' operands fit, and the processor has been asked.
                assert!(unsafe {
                    tile::on_slices::<$kernels, $t, $t, $t>(c, size, a, b, epilogue)
                });
            }
        }
    };
}

#[test]
fn products_by_the_kernels_of_other_processors_equal_their_definition() {
    check_product::<f32>(by!(portable::Plain<f32>, f32), UNIT_32);
    check_product::<f64>(by!(portable::Plain<f64>, f64), UNIT_64);
    #[cfg(target_arch = "x86_64")]
    if portable::avx2_available() {
        check_product::<f32>(by!(portable::Avx2<f32>, f32), UNIT_32);
        check_product::<f64>(by!(portable::Avx2<f64>, f64), UNIT_64);
    }
}

#[test]
fn fused_kernels_of_all_processors_give_the_same_bits() {
    let (m, k, n) = (45, 333, 71);
    let of = |seed, len| {
        numbers(len, seed)
            .iter()
            .map(|&x| x as f32)
            .collect::<Vec<_>>()
    };
    let (a, b, bias) = (of(1, m * k), of(2, k * n), of(3, n));
    let epilogue = Epilogue {
        bias: Some(&bias[..]),
        ..Epilogue::default()
    };
    let by = |product: Product<f32>| {
        let mut c = vec![0.0; m * n];
        product(
            &mut c,
            (m, k, n),
            Mat::rows(&a, k),
            Mat::rows(&b, n),
            &epilogue,
        );
        c
    };
    let fused = by(by!(portable::Fused<f32>, f32));
    #[cfg(target_arch = "x86_64")]
    if portable::avx2_available() {
        assert_eq!(by(by!(portable::Avx2<f32>, f32)), fused);
        assert_eq!(by(matmul), fused);
    }
}

fn check_half<H: HalfFloat>(
    product: impl Fn(&mut [f32], Size, Mat<'_, H>, Mat<'_, H>, &Epilogue<'_, f32>),
) {
    let of = |x: &[f64]| x.iter().map(|&x| H::narrow(x as f32)).collect::<Vec<_>>();
    let wide = |x: &[f32]| x.iter().map(|&x| f64::from(x)).collect::<Vec<_>>();
    for (m, k, n) in SIZES {
        for (la, lb) in layouts(m, k)
            .into_iter()
            .zip([(n, 1), (1, k), (1, k), (n, 1)])
        {
            let a = of(&numbers(reach(m, k, la), 1));
            let b = of(&numbers(reach(k, n, lb), 2));
            let c0: Vec<f32> = numbers(m * n, 3).iter().map(|&x| x as f32).collect();
            let mut c = c0.clone();
            let (a, b) = (mat(&a, la), mat(&b, lb));
            product(
                &mut c,
                (m, k, n),
                a,
                b,
                &Epilogue {
                    accumulate: true,
                    ..Epilogue::default()
                },
            );
            let exact = Epilogue {
                accumulate: true,
                ..Epilogue::default()
            };
            check_against_definition(
                &wide(&c),
                &wide(&c0),
                (m, k, n),
                (a, b),
                |x: H| f64::from(x.widen()),
                &exact,
                UNIT_32,
            );
        }
    }
}

#[test]
fn half_products_equal_their_definition() {
    check_half::<bf16>(matmul_half);
    check_half::<f16>(matmul_half);
    check_half::<bf16>(|c, size, a, b, epilogue| {
        if !c.is_empty() {
            half::widened(c, size, a, b, epilogue);
        }
    });
}

/// Operands of every size and layout, their sizes, and what the result holds before.
fn for_operands(check: impl Fn(Size, Mat<'_, f32>, Mat<'_, f32>, &[f32])) {
    for (m, k, n) in SIZES {
        for la in [(k, 1), (1, m), (2 * k + 1, 2)] {
            for lb in [(n, 1), (1, k), (2 * n + 1, 2)] {
                let make = |len, seed| -> Vec<f32> {
                    numbers(len, seed).iter().map(|&x| x as f32).collect()
                };
                let (a, b) = (make(reach(m, k, la), 1), make(reach(k, n, lb), 2));
                check((m, k, n), mat(&a, la), mat(&b, lb), &make(m * n, 3));
            }
        }
    }
}

#[test]
fn rounding_on_the_way_gives_the_bits_of_operands_rounded_before() {
    let narrow =
        |x: &Mat<'_, f32>| -> Vec<bf16> { x.data.iter().map(|&x| bf16::from_f32(x)).collect() };
    let accumulate = Epilogue {
        accumulate: true,
        ..Epilogue::default()
    };
    for_operands(|size, a, b, c0| {
        let (narrow_a, narrow_b) = (narrow(&a), narrow(&b));
        let a16 = mat(&narrow_a, (a.row_stride, a.col_stride));
        let b16 = mat(&narrow_b, (b.row_stride, b.col_stride));
        let result = |f: &dyn Fn(&mut [f32])| {
            let mut c = c0.to_vec();
            f(&mut c);
            c.into_iter().map(f32::to_bits).collect::<Vec<_>>()
        };
        assert_eq!(
            result(&|c| matmul_rounded(c, size, a, b, &accumulate)),
            result(&|c| matmul_half(c, size, a16, b16, &accumulate)),
            "{size:?}"
        );
        if !c0.is_empty() {
            assert_eq!(
                result(&|c| half::rounded_copies(c, size, a, b, &accumulate)),
                result(&|c| half::widened(c, size, a16, b16, &accumulate)),
                "{size:?}, elsewhere"
            );
        }
    });
}

#[test]
fn what_is_no_number_survives_rounding() {
    let x = [f32::NAN, f32::INFINITY, f32::MAX, 1.0];
    let mut y = [0.0; 4];
    matmul_rounded(
        &mut y,
        (4, 1, 1),
        Mat::rows(&x, 1),
        Mat::rows(&x[3..], 1),
        &Epilogue::default(),
    );
    assert!(y[0].is_nan());
    assert_eq!(
        y[1..],
        [f32::INFINITY, f32::INFINITY, 1.0],
        "the largest f32 rounds up"
    );
}

#[test]
#[should_panic(expected = "matmul: f64 is not rounded to bf16, only f32")]
fn other_numbers_than_f32_are_not_rounded() {
    let x = [1.0f64];
    let mut y = [0.0];
    matmul_rounded(
        &mut y,
        (1, 1, 1),
        Mat::rows(&x, 1),
        Mat::rows(&x, 1),
        &Epilogue::default(),
    );
}

#[test]
fn narrow_results_are_the_wide_ones_rounded() {
    let (m, k, n) = (37, 130, 75);
    let of = |seed, len| {
        numbers(len, seed)
            .iter()
            .map(|&x| bf16::from_f64(x))
            .collect::<Vec<_>>()
    };
    let (a, b) = (of(1, m * k), of(2, k * n));
    let (mut wide, mut narrow) = (vec![0.0; m * n], vec![bf16::ZERO; m * n]);
    let bias = vec![0.25; n];
    let epilogue = Epilogue {
        bias: Some(&bias[..]),
        activation: Activation::Relu,
        accumulate: false,
    };
    matmul_half(
        &mut wide,
        (m, k, n),
        Mat::rows(&a, k),
        Mat::rows(&b, n),
        &epilogue,
    );
    matmul_half_narrow(
        &mut narrow,
        (m, k, n),
        Mat::rows(&a, k),
        Mat::rows(&b, n),
        &epilogue,
    );
    assert!(
        wide.iter()
            .zip(&narrow)
            .all(|(&w, &x)| bf16::from_f32(w) == x)
    );
}

/// Runs `product` for every size, layout and number of threads, and for blocks of rows alone.
fn check_same_bits<T: Copy + PartialEq + std::fmt::Debug>(
    of: impl Fn(f64) -> T,
    product: impl Fn(&mut [f32], Size, Mat<'_, T>, Mat<'_, T>),
) {
    let _alone = alone();
    let before = team::threads();
    for (m, k, n) in SIZES {
        for (la, lb) in [((k, 1), (n, 1)), ((1, m), (n, 1)), ((k, 1), (1, k))] {
            let make = |len, seed| numbers(len, seed).into_iter().map(&of).collect::<Vec<T>>();
            let (a, b) = (make(reach(m, k, la), 1), make(reach(k, n, lb), 2));
            let run = |threads, rows: std::ops::Range<usize>| {
                team::set_threads(threads);
                let mut c = vec![0.0; rows.len() * n];
                let rest = a.get(rows.start * la.0..).unwrap_or(&[]);
                product(&mut c, (rows.len(), k, n), mat(rest, la), mat(&b, lb));
                c.into_iter().map(f32::to_bits).collect::<Vec<_>>()
            };
            let whole = run(1, 0..m);
            for threads in [2, 3, 4, 7] {
                assert_eq!(
                    run(threads, 0..m),
                    whole,
                    "[{m} {k} {n}] by {threads} threads"
                );
            }
            for rows in [
                0..m / 2,
                m / 2..m,
                m / 3..(m / 3 + 1).min(m),
                0..(m / 5).max(1).min(m),
            ] {
                let part = &whole[rows.start * n..rows.end * n];
                assert_eq!(run(2, rows.clone()), part, "rows {rows:?} of [{m} {k} {n}]");
            }
        }
    }
    team::set_threads(before);
}

#[test]
fn threads_and_blocks_of_rows_change_no_bit_in_f32() {
    check_same_bits(
        |x| x as f32,
        |c, size, a, b| matmul(c, size, a, b, &Epilogue::default()),
    );
}

#[test]
fn threads_and_blocks_of_rows_change_no_bit_in_bf16() {
    check_same_bits(bf16::from_f64, |c, size, a, b| {
        matmul_half(c, size, a, b, &Epilogue::default())
    });
}

#[test]
fn threads_and_blocks_of_rows_change_no_bit_where_f32_is_rounded() {
    check_same_bits(
        |x| x as f32,
        |c, size, a, b| matmul_rounded(c, size, a, b, &Epilogue::default()),
    );
}

#[test]
fn threads_and_blocks_of_rows_change_no_bit_on_other_processors() {
    let product = by!(portable::Plain<f32>, f32);
    check_same_bits(
        |x| x as f32,
        |c, size, a, b| product(c, size, a, b, &Epilogue::default()),
    );
}

#[test]
fn a_batch_is_its_products_one_by_one() {
    for (batch, m, k, n) in [
        (0, 2, 3, 4),
        (1, 5, 6, 7),
        (7, 3, 4, 5),
        (100, 8, 16, 8),
        (3, 300, 300, 200),
    ] {
        let of = |seed, len| {
            numbers(len, seed)
                .iter()
                .map(|&x| x as f32)
                .collect::<Vec<_>>()
        };
        let (a, b) = (of(1, batch * m * k), of(2, k * n));
        // B is the same for all.
        let offsets: Vec<_> = (0..batch).map(|i| (i * m * k, 0)).collect();
        let (mut c, mut single) = (vec![0.0; batch * m * n], vec![0.0; batch * m * n]);
        let (a, b) = (Mat::rows(&a, k), Mat::rows(&b, n));
        matmul_batched(&mut c, (m, k, n), a, b, &offsets, &Epilogue::default());
        for (c, &(i, _)) in single.chunks_mut(m * n).zip(&offsets) {
            matmul(
                c,
                (m, k, n),
                Mat {
                    data: &a.data[i..],
                    ..a
                },
                b,
                &Epilogue::default(),
            );
        }
        assert_eq!(c, single);
    }
}

#[test]
fn a_nan_stays_one_and_infinity_is_not_lost() {
    let a = [f32::NAN, 1.0, f32::INFINITY, 1.0];
    let mut c = [0.0; 2];
    let epilogue = Epilogue {
        activation: Activation::Relu,
        ..Epilogue::default()
    };
    matmul(
        &mut c,
        (2, 2, 1),
        Mat::rows(&a, 2),
        Mat::rows(&[1.0, 0.0], 1),
        &epilogue,
    );
    assert!(c[0].is_nan() && c[1] == f32::INFINITY);
}

#[test]
#[should_panic(expected = "a [2, 3] with strides [3, 1] reaches past its 5 elements")]
fn an_operand_that_is_too_short_is_a_mistake() {
    matmul(
        &mut [0.0; 2],
        (2, 3, 1),
        Mat::rows(&[0.0; 5], 3),
        Mat::rows(&[0.0; 3], 1),
        &Epilogue::default(),
    );
}

#[test]
#[should_panic(
    expected = "b [3, 1] with strides [9223372036854775807, 1] reaches past its 3 elements"
)]
fn a_stride_that_overflows_is_a_mistake() {
    let b = Mat {
        data: &[0.0; 3],
        row_stride: usize::MAX / 2,
        col_stride: 1,
    };
    matmul(
        &mut [0.0; 2],
        (2, 3, 1),
        Mat::rows(&[0.0; 6], 3),
        b,
        &Epilogue::default(),
    );
}

#[test]
#[should_panic(expected = "c has 3 elements, wanted [2, 1]")]
fn a_result_of_another_size_is_a_mistake() {
    matmul(
        &mut [0.0; 3],
        (2, 3, 1),
        Mat::rows(&[0.0; 6], 3),
        Mat::rows(&[0.0; 3], 1),
        &Epilogue::default(),
    );
}

#[test]
#[should_panic(expected = "the bias has 2 elements, wanted [1]")]
fn a_bias_of_another_size_is_a_mistake() {
    let epilogue = Epilogue {
        bias: Some(&[0.0, 0.0][..]),
        ..Epilogue::default()
    };
    matmul(
        &mut [0.0; 2],
        (2, 3, 1),
        Mat::rows(&[0.0; 6], 3),
        Mat::rows(&[0.0; 3], 1),
        &epilogue,
    );
}

#[test]
#[should_panic(expected = "batch entry at (4, 0) of operands of 3 and 3 elements")]
fn an_offset_past_the_end_is_a_mistake() {
    let (a, b) = ([0.0; 3], [0.0; 3]);
    let offsets = [(0, 0), (4, 0)];
    matmul_batched(
        &mut [0.0; 2],
        (1, 3, 1),
        Mat::rows(&a, 3),
        Mat::rows(&b, 1),
        &offsets,
        &Epilogue::default(),
    );
}
