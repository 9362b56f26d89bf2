use super::*;
use crate::matmul::portable;
use crate::team::{self, tests::alone};

/// A call with everything that it needs, in `f64`.
struct Sample {
    shape: Shape,
    q: Vec<f64>,
    k: Vec<f64>,
    v: Vec<f64>,
    dy: Vec<f64>,
    causal: bool,
    window: Option<usize>,
    lengths: Option<Vec<usize>>,
    mask: Option<Vec<u8>>,
    bias: Option<Vec<f64>>,
    slopes: Option<Vec<f64>>,
    p: f64,
}

const SCALE: f64 = 0.3;

/// Numbers that are the same in every run.
fn numbers(n: usize, seed: u64) -> Vec<f64> {
    let mut x = seed;
    let mut next = || {
        x = x
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (x >> 11) as f64 / (1u64 << 53) as f64 * 2.0 - 1.0
    };
    (0..n).map(|_| next() + next()).collect()
}

/// A random block, good enough.
#[inline(always)]
fn block(i: u64) -> [u32; 4] {
    [1, 2, 3, 4].map(|k: u64| {
        let x = (i.wrapping_mul(4) + k).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        ((x ^ x >> 29).wrapping_mul(0xBF58_476D_1CE4_E5B9) >> 32) as u32
    })
}

/// The results and gradients of a call: y, kept, dq, dk, dv.
type Found = [Vec<f64>; 5];

impl Sample {
    fn new(shape: Shape) -> Self {
        let Shape {
            batch,
            heads,
            groups,
            queries,
            keys,
            width,
            value_width,
        } = shape;
        Self {
            shape,
            q: numbers(batch * heads * queries * width, 1),
            k: numbers(batch * groups * keys * width, 2),
            v: numbers(batch * groups * keys * value_width, 3),
            dy: numbers(batch * heads * queries * value_width, 4),
            causal: false,
            window: None,
            lengths: None,
            mask: None,
            bias: None,
            slopes: None,
            p: 0.0,
        }
    }

    fn factor(&self) -> f64 {
        if self.p < 1.0 {
            1.0 / (1.0 - self.p)
        } else {
            1.0
        }
    }

    /// Computes by `W` columns of `K` what the public functions do by the best.
    fn by<T: Float>(&self, on: &dyn Fn(&Call<'_, T>)) -> Found {
        let shape = self.shape;
        let Shape {
            batch,
            heads,
            groups,
            queries,
            keys,
            width,
            value_width,
        } = shape;
        let of = |x: &[f64]| x.iter().map(|x| T::of(*x)).collect::<Vec<T>>();
        let (q, k, v, dy) = (of(&self.q), of(&self.k), of(&self.v), of(&self.dy));
        let bias = self.bias.as_deref().map(of);
        // (B, H, rows, columns) in line.
        let strides = |heads: usize, rows: usize, columns: usize| {
            [heads * rows * columns, rows * columns, columns, 1]
        };
        let (of_q, of_k, of_v, of_y, of_s) = (
            strides(heads, queries, width),
            strides(groups, keys, width),
            strides(groups, keys, value_width),
            strides(heads, queries, value_width),
            strides(heads, queries, keys),
        );
        fn view<'a, N>(data: &'a [N], strides: &'a [usize; 4]) -> View<'a, N> {
            View {
                data,
                offset: 0,
                strides,
            }
        }
        let inputs = Inputs {
            q: view(&q, &of_q),
            k: view(&k, &of_k),
            v: view(&v, &of_v),
        };
        let draw = draws(block);
        let scores = Scores {
            scale: SCALE,
            causal: self.causal,
            window: self.window,
            lengths: self.lengths.as_deref(),
            mask: self.mask.as_deref().map(|mask| view(mask, &of_s)),
            bias: bias.as_deref().map(|bias| view(bias, &of_s)),
            slopes: self.slopes.as_deref(),
            dropout: (self.p > 0.0).then_some(Dropout {
                p: self.p,
                scale: self.factor(),
                draw: &draw,
            }),
        };
        let mut y = vec![T::NAN; dy.len()];
        let mut kept = vec![T::NAN; batch * heads * queries];
        // Where there are no queries the public functions write the zeros.
        let unwritten = if shape.rows() == 0 { T::ZERO } else { T::NAN };
        let mut grads = [&q, &k, &v].map(|x| vec![unwritten; x.len()]);
        let job = Job::new(shape, &inputs, &scores);
        on(&Call {
            job: &job,
            way: Way::There {
                y: Place::in_line(&mut y, queries, heads, value_width),
                kept: Shared::new(&mut kept),
            },
        });
        let place = [
            value_width * heads * queries,
            value_width,
            heads * value_width,
            1,
        ];
        let dims = [batch, heads, queries, value_width];
        let [dq, dk, dv] = &mut grads;
        on(&Call {
            job: &job,
            way: Way::Back(backward::Given {
                places: [
                    Some(Place::in_line(dq, queries, heads, width)),
                    Some(Place::in_line(dk, keys, groups, width)),
                    Some(Place::in_line(dv, keys, groups, value_width)),
                ],
                y: Heads::new("y", view(&y, &place), dims),
                dy: Heads::new("dy", view(&dy, &of_y), dims),
                kept: &kept,
            }),
        });
        // Back to (B, H, rows, columns).
        let turned = |x: &[T], heads: usize, rows: usize, columns: usize| {
            let mut to = vec![0.0; x.len()];
            for (i, to) in to.iter_mut().enumerate() {
                let (c, row, head, b) = (
                    i % columns,
                    i / columns % rows,
                    i / columns / rows % heads,
                    i / columns / rows / heads,
                );
                *to = x[((b * rows + row) * heads + head) * columns + c].to_f64();
            }
            to
        };
        let [dq, dk, dv] = &grads;
        [
            turned(&y, heads, queries, value_width),
            kept.iter().map(|x| x.to_f64()).collect(),
            turned(dq, heads, queries, width),
            turned(dk, groups, keys, width),
            turned(dv, groups, keys, value_width),
        ]
    }

    /// The formulas, one after the other.
    fn slow(&self) -> Found {
        let Shape {
            batch,
            heads,
            groups,
            queries,
            keys,
            width: d,
            value_width: e,
        } = self.shape;
        let mut found = [
            vec![0.0; self.dy.len()],
            vec![f64::INFINITY; batch * heads * queries],
            vec![0.0; self.q.len()],
            vec![0.0; self.k.len()],
            vec![0.0; self.v.len()],
        ];
        let [y, kept, dq, dk, dv] = &mut found;
        for row in 0..batch * heads * queries {
            let (b, h, t) = (row / queries / heads, row / queries % heads, row % queries);
            let shared = b * groups + h * groups / heads;
            let place = t as isize + keys as isize - queries as isize;
            let q = &self.q[row * d..][..d];
            let dy = &self.dy[row * e..][..e];
            let (mut exp, mut seen) = (Vec::new(), Vec::new());
            for s in 0..keys {
                let away = place - s as isize;
                let hidden = self.causal && away < 0
                    || self.window.is_some_and(|n| away.unsigned_abs() >= n)
                    || self.lengths.as_ref().is_some_and(|lengths| s >= lengths[b])
                    || self
                        .mask
                        .as_ref()
                        .is_some_and(|mask| mask[row * keys + s] == 0);
                if hidden {
                    continue;
                }
                let k = &self.k[(shared * keys + s) * d..][..d];
                let mut score = SCALE * q.iter().zip(k).map(|(q, k)| q * k).sum::<f64>();
                score += self.bias.as_ref().map_or(0.0, |bias| bias[row * keys + s]);
                score -= self
                    .slopes
                    .as_ref()
                    .map_or(0.0, |slopes| slopes[h] * away.abs() as f64);
                seen.push(s);
                exp.push(score.exp());
            }
            let sum: f64 = exp.iter().sum();
            if sum == 0.0 {
                continue;
            }
            kept[row] = sum.ln();
            let factor = |s: usize| {
                let word = block((row * keys.div_ceil(4) + s / 4) as u64)[s % 4];
                let stays = f64::from(word) >= self.p * (1u64 << 32) as f64;
                if stays { self.factor() } else { 0.0 }
            };
            for (s, exp) in seen.iter().zip(&exp) {
                let v = &self.v[(shared * keys + s) * e..][..e];
                for i in 0..e {
                    y[row * e + i] += exp / sum * factor(*s) * v[i];
                    dv[(shared * keys + s) * e + i] += exp / sum * factor(*s) * dy[i];
                }
            }
            let whole: f64 = (0..e).map(|i| y[row * e + i] * dy[i]).sum();
            for (s, exp) in seen.iter().zip(&exp) {
                let v = &self.v[(shared * keys + s) * e..][..e];
                let dp = factor(*s) * v.iter().zip(dy).map(|(v, dy)| v * dy).sum::<f64>();
                let ds = exp / sum * (dp - whole) * SCALE;
                for i in 0..d {
                    dq[row * d + i] += ds * self.k[(shared * keys + s) * d + i];
                    dk[(shared * keys + s) * d + i] += ds * q[i];
                }
            }
        }
        found
    }
}

/// Lengths around every edge: of panels, of tiles, of rows of a kernel; heads that share keys; more keys than queries and
/// fewer; nothing of each.
fn samples() -> Vec<Sample> {
    let shape = |batch, heads, groups, queries, keys, width, value_width| {
        Sample::new(Shape {
            batch,
            heads,
            groups,
            queries,
            keys,
            width,
            value_width,
        })
    };
    let mut all = vec![
        shape(1, 1, 1, 1, 1, 1, 1),
        shape(2, 3, 3, 5, 7, 4, 3),
        shape(1, 4, 2, 33, 65, 16, 16),
        shape(2, 2, 1, 67, 300, 8, 37),
        shape(1, 1, 1, 130, 515, 33, 5),
        shape(0, 2, 2, 3, 3, 2, 2),
        shape(2, 2, 2, 0, 3, 2, 2),
        shape(2, 2, 2, 3, 0, 2, 2),
        shape(2, 2, 2, 3, 4, 0, 2),
        shape(2, 2, 2, 3, 4, 2, 0),
        shape(1, 6, 2, 40, 40, 64, 64),
    ];
    // Products of nothing, from some key on.
    for (width, value_width) in [(0, 2), (2, 0)] {
        all.push(Sample {
            window: Some(1),
            ..shape(1, 2, 2, 40, 40, width, value_width)
        });
    }
    for (queries, keys) in [(70, 70), (40, 300), (300, 40), (1, 600)] {
        let causal = || Sample {
            causal: true,
            ..shape(1, 4, 2, queries, keys, 8, 12)
        };
        all.push(causal());
        for window in [0, 1, 7, 280, usize::MAX] {
            all.push(Sample {
                window: Some(window),
                ..causal()
            });
            all.push(Sample {
                window: Some(window),
                causal: false,
                ..causal()
            });
        }
        let rows = 4 * queries;
        all.push(Sample {
            mask: Some(
                (0..rows * keys)
                    .map(|i| u8::from(i * 7 % 11 > 3 && i / keys % 5 != 2))
                    .collect(),
            ),
            ..causal()
        });
        all.push(Sample {
            bias: Some(numbers(rows * keys, 9)),
            lengths: Some(vec![keys / 2]),
            causal: false,
            ..causal()
        });
        all.push(Sample {
            bias: Some(numbers(rows * keys, 9)),
            mask: Some((0..rows * keys).map(|i| u8::from(i % 3 > 0)).collect()),
            slopes: Some(vec![0.5, 0.25, 0.1, 0.01]),
            p: 0.3,
            ..causal()
        });
        all.push(Sample {
            p: 0.7,
            causal: false,
            ..causal()
        });
        all.push(Sample { p: 1.0, ..causal() });
    }
    all
}

fn best<T: Float>(call: &Call<'_, T>) {
    on_best(call);
}

/// The kernels of a kind, whatever the processor would choose.
fn on<K: Micro<In = f64, Out = f64>>(call: &Call<'_, f64>) {
    // SAFETY: the caller has asked the processor.
    unsafe { call.run::<K>() };
}

#[test]
fn every_kernel_computes_the_formulas() {
    type Kernels<'a> = &'a dyn Fn(&Call<'_, f64>);
    let mut kinds: Vec<(&str, Kernels<'_>)> = vec![
        ("best", &best::<f64>),
        ("plain", &on::<portable::Plain<f64>>),
        ("fused", &on::<portable::Fused<f64>>),
    ];
    #[cfg(target_arch = "x86_64")]
    if portable::avx2_available() {
        kinds.push(("avx2", &on::<portable::Avx2<f64>>));
    }
    for sample in samples() {
        let wanted = sample.slow();
        for (kind, on) in &kinds {
            let found = sample.by::<f64>(on);
            for (what, (found, wanted)) in ["y", "kept", "dq", "dk", "dv"]
                .iter()
                .zip(found.iter().zip(&wanted))
            {
                assert_eq!(found.len(), wanted.len());
                for (i, (found, wanted)) in found.iter().zip(wanted).enumerate() {
                    assert!(
                        found == wanted || (found - wanted).abs() < 1e-12 * (1.0 + wanted.abs()),
                        "{kind}: {what}[{i}] is {found}, wanted {wanted}: {:?}, causal {}, window {:?}",
                        sample.shape,
                        sample.causal,
                        sample.window
                    );
                }
            }
        }
    }
}

#[test]
fn f32_is_near_and_any_number_of_threads_gives_the_same_bits() {
    let _alone = alone();
    let before = team::threads();
    let large = Sample {
        causal: true,
        p: 0.1,
        ..Sample::new(Shape {
            batch: 1,
            heads: 3,
            groups: 1,
            queries: 333,
            keys: 700,
            width: 24,
            value_width: 40,
        })
    };
    for sample in samples().into_iter().chain([large]) {
        let wanted = sample.slow();
        team::set_threads(1);
        let one = sample.by::<f32>(&best);
        for (found, wanted) in one.iter().zip(&wanted) {
            let size = wanted
                .iter()
                .filter(|x| x.is_finite())
                .fold(1.0f64, |m, x| m.max(x.abs()));
            for (found, wanted) in found.iter().zip(wanted) {
                // Sums of up to 1,200 products, each rounded by 6e-8.
                assert!(
                    found == wanted || (found - wanted).abs() < 1e-5 * size,
                    "{found} is not {wanted}: {:?}",
                    sample.shape
                );
            }
        }
        for threads in [2, 3, 7] {
            team::set_threads(threads);
            assert_eq!(
                sample.by::<f32>(&best),
                one,
                "{threads} threads: {:?}",
                sample.shape
            );
        }
    }
    team::set_threads(before);
}

#[test]
fn scores_of_any_size_are_safe() {
    let mut sample = Sample::new(Shape {
        batch: 1,
        heads: 1,
        groups: 1,
        queries: 2,
        keys: 300,
        width: 1,
        value_width: 1,
    });
    // Each tile of keys has larger scores than the one before; the last key alone counts.
    sample.k = (0..300).map(|s| f64::from(s) * 1e3).collect();
    sample.q = vec![1.0, -1.0];
    let [y, ..] = sample.by::<f32>(&best);
    let wanted = [sample.v[299], sample.v[0]];
    assert!((y[0] - wanted[0]).abs() < 1e-6 && (y[1] - wanted[1]).abs() < 1e-6);
}

#[test]
fn keys_that_nobody_asks_have_no_gradient() {
    let shape = Shape {
        batch: 1,
        heads: 2,
        groups: 1,
        queries: 0,
        keys: 3,
        width: 1,
        value_width: 1,
    };
    let strides = [3, 3, 1, 1];
    let view = |data: &'static [f32]| View {
        data,
        offset: 0,
        strides: &strides,
    };
    let inputs = Inputs {
        q: view(&[]),
        k: view(&[1.0; 3]),
        v: view(&[1.0; 3]),
    };
    let results = Results {
        y: &[],
        kept: &[],
        dy: view(&[]),
    };
    let scores = Scores {
        scale: 1.0,
        causal: false,
        window: None,
        lengths: None,
        mask: None,
        bias: None,
        slopes: None,
        dropout: None,
    };
    let (mut dk, mut dv) = ([f32::NAN; 3], [f32::NAN; 3]);
    let (k, v) = (Some(&mut dk[..]), Some(&mut dv[..]));
    backward(None, k, v, shape, &inputs, &results, &scores);
    assert_eq!((dk, dv), ([0.0; 3], [0.0; 3]));
}

#[test]
fn a_query_alone_gives_the_bits_that_it_gives_behind_others() {
    for (keys, groups, window) in [(5, 4, None), (300, 2, None), (600, 1, Some(280))] {
        let sample = |queries| Sample {
            causal: true,
            window,
            ..Sample::new(Shape {
                batch: 2,
                heads: 4,
                groups,
                queries,
                keys,
                width: 24,
                value_width: 37,
            })
        };
        let (mut one, several) = (sample(1), sample(3));
        let last = |x: &[f64], width: usize| -> Vec<f64> {
            let heads = x.chunks_exact(3 * width);
            heads.flat_map(|head| &head[2 * width..]).copied().collect()
        };
        one.q = last(&several.q, 24);
        let (one, several) = (one.by::<f32>(&best), several.by::<f32>(&best));
        assert_eq!(one[0], last(&several[0], 37));
        assert_eq!(one[1], last(&several[1], 1));
    }
}
