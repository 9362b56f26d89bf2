//! Micro-kernels and packing for processors with AVX-512.
//!
//! A tile is up to 14 rows by two vectors of C, in 28 of the 32 registers. Every element is one chain of fused
//! multiply-adds in the order of `k`, however the product is cut; that is why all ways to cut it give the same bits.

use super::tile::{Micro, Places, Run, Source, Tile, View, pack_each};
use half::bf16;
use std::arch::x86_64::*;

/// Whether this processor runs [`F32`] and [`F64`].
pub(super) fn available() -> bool {
    is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("fma")
}

/// Whether this processor runs [`Bf16`].
pub(super) fn bf16_available() -> bool {
    available()
        && is_x86_feature_detected!("avx512bf16")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512vl")
}

/// f32 by f32.
pub(super) struct F32;
/// f64 by f64.
pub(super) struct F64;
/// bf16 by bf16, summed in f32: two steps of `k` in one instruction.
pub(super) struct Bf16;

/// Calls `$f::<rows, vectors, packed>` for rows and columns known only now.
macro_rules! by_size {
    ($f:ident, $t:expr, $lanes:literal, $packed:literal, $($rows:literal)+) => {
        match ($t.rows, $t.cols > $lanes) {
            $(($rows, false) => $f::<$rows, 1, $packed>($t),
            ($rows, true) => $f::<$rows, 2, $packed>($t),)+
            _ => unreachable!("a tile has 1 to 14 rows"),
        }
    };
    ($f:ident, $t:expr, $lanes:literal, $packed:literal) => {
        by_size!($f, $t, $lanes, $packed, 1 2 3 4 5 6 7 8 9 10 11 12 13 14)
    };
}

macro_rules! tile {
    ($name:ident, $features:literal, $in:ty, $out:ty, $mask:ty, $pair:literal, $lanes:literal,
     $zero:ident, $set1:ident, $load:ident, $store:ident, $add:ident, $max:ident,
     |$av:ident| $broadcast:expr, |$bm:ident, $bv:ident| $load_b:expr, |$x:ident, $y:ident, $z:ident| $fma:expr) => {
        #[target_feature(enable = $features)]
        unsafe fn $name<const R: usize, const V: usize, const PACKED: bool>(
            t: &Tile<'_, $in, $out>,
        ) {
            // Of the last vector only the columns that exist are touched.
            let last = <$mask>::MAX >> (V * $lanes - t.cols);
            let mask = |v: usize| if v + 1 == V { last } else { <$mask>::MAX };
            // SAFETY: the caller of `Micro::tile` vouches for the pointers: `rows` by `cols` elements of C, as many
            // units of A and B as `units`; masks keep loads and stores within the columns.
            unsafe {
                let mut acc = [[$zero(); V]; R];
                for i in 0..R {
                    for v in 0..V {
                        let c = t.c.add(i * t.c_row + v * $lanes);
                        _mm_prefetch::<_MM_HINT_T0>(c.cast());
                        if t.load {
                            acc[i][v] = $load(mask(v), c);
                        }
                    }
                }
                let (mut a, mut b) = (t.a, t.b);
                for _ in 0..t.units {
                    let mut bs = [$zero(); V];
                    for v in 0..V {
                        let $bv = b.add(v * $lanes * $pair);
                        let $bm = if PACKED { <$mask>::MAX } else { mask(v) };
                        bs[v] = $load_b;
                    }
                    for i in 0..R {
                        let $av = a.add(if PACKED { i * $pair } else { i * t.a_row });
                        let $x = $broadcast;
                        for v in 0..V {
                            let ($y, $z) = (bs[v], acc[i][v]);
                            acc[i][v] = $fma;
                        }
                    }
                    a = a.add(if PACKED { R * $pair } else { t.a_step });
                    b = b.add(t.b_step);
                }
                if let Some(finish) = t.finish {
                    if let Some(bias) = finish.bias {
                        for v in 0..V {
                            let bias = $load(mask(v), bias.add(v * $lanes));
                            for i in 0..R {
                                acc[i][v] = $add(acc[i][v], bias);
                            }
                        }
                    }
                    if let Some(bias) = finish.row_bias {
                        for i in 0..R {
                            let bias = $set1(*bias.add(i));
                            for v in 0..V {
                                acc[i][v] = $add(acc[i][v], bias);
                            }
                        }
                    }
                    if finish.relu {
                        for i in 0..R {
                            for v in 0..V {
                                // In this order a NaN stays one.
                                acc[i][v] = $max($zero(), acc[i][v]);
                            }
                        }
                    }
                }
                for i in 0..R {
                    for v in 0..V {
                        $store(t.c.add(i * t.c_row + v * $lanes), mask(v), acc[i][v]);
                    }
                }
            }
        }
    };
}

tile!(
    tile_f32,
    "avx512f",
    f32,
    f32,
    u16,
    1,
    16,
    _mm512_setzero_ps,
    _mm512_set1_ps,
    _mm512_maskz_loadu_ps,
    _mm512_mask_storeu_ps,
    _mm512_add_ps,
    _mm512_max_ps,
    |a| _mm512_set1_ps(*a),
    |m, b| _mm512_maskz_loadu_ps(m, b),
    |x, y, z| _mm512_fmadd_ps(x, y, z)
);
tile!(
    tile_f64,
    "avx512f",
    f64,
    f64,
    u8,
    1,
    8,
    _mm512_setzero_pd,
    _mm512_set1_pd,
    _mm512_maskz_loadu_pd,
    _mm512_mask_storeu_pd,
    _mm512_add_pd,
    _mm512_max_pd,
    |a| _mm512_set1_pd(*a),
    |m, b| _mm512_maskz_loadu_pd(m, b),
    |x, y, z| _mm512_fmadd_pd(x, y, z)
);
tile!(
    tile_bf16,
    "avx512f,avx512bw,avx512bf16",
    bf16,
    f32,
    u16,
    2,
    16,
    _mm512_setzero_ps,
    _mm512_set1_ps,
    _mm512_maskz_loadu_ps,
    _mm512_mask_storeu_ps,
    _mm512_add_ps,
    _mm512_max_ps,
    |a| bits(_mm512_set1_epi32(a.cast::<i32>().read_unaligned())),
    |m, b| _mm512_maskz_loadu_ps(m, b.cast()),
    |x, y, z| _mm512_dpbf16_ps(z, x, bits(_mm512_castps_si512(y)))
);

/// The same bits as another vector.
#[inline(always)]
fn bits(x: __m512i) -> __m512bh {
    // SAFETY: both are 512 bits without invalid values.
    unsafe { std::mem::transmute(x) }
}

/// The same bits as another vector.
#[inline(always)]
fn units(x: __m512bh) -> __m512i {
    // SAFETY: both are 512 bits without invalid values.
    unsafe { std::mem::transmute(x) }
}

impl Micro for F32 {
    type In = f32;
    type Out = f32;
    const ROWS: usize = 14;
    const COLS: usize = 32;
    const PAIR: usize = 1;
    const STRIDED: bool = true;
    const TURNED_ROWS: usize = 8;

    unsafe fn turned(t: &Tile<'_, f32, f32>) {
        // SAFETY: the kernel is only chosen where `available`; the rest is this function's contract.
        unsafe {
            match t.rows {
                1 => turned_f32::<1>(t),
                2 => turned_f32::<2>(t),
                3 => turned_f32::<3>(t),
                4 => turned_f32::<4>(t),
                5 => turned_f32::<5>(t),
                6 => turned_f32::<6>(t),
                7 => turned_f32::<7>(t),
                8 => turned_f32::<8>(t),
                _ => unreachable!("such a tile has 1 to 8 rows"),
            }
            // Bias and activation.
            if t.finish.is_some() {
                let rest = Tile {
                    units: 0,
                    load: true,
                    ..*t
                };
                Self::tile(&rest, false);
            }
        }
    }

    unsafe fn tile(t: &Tile<'_, f32, f32>, packed: bool) {
        // SAFETY: the kernel is only chosen where `available`; the rest is this function's contract.
        unsafe {
            if packed {
                by_size!(tile_f32, t, 16, true)
            } else {
                by_size!(tile_f32, t, 16, false)
            }
        }
    }

    unsafe fn pack(to: *mut f32, width: usize, from: View<f32>, lanes: usize, depth: usize) {
        // SAFETY: as above.
        unsafe {
            if from.lane == 1 {
                copy_f32(to, width, from.at, from.step, lanes, depth);
            } else if from.step == 1 {
                transpose_32(to, width, from.at.cast(), from.lane * 4, lanes, depth);
            } else {
                super::tile::pack_plain(to, width, from, lanes, depth, 1);
            }
        }
    }

    unsafe fn gather(to: *mut f32, from: *const f32, lanes: &Places<'_>, steps: &Places<'_>) {
        // SAFETY: as above.
        unsafe {
            if lanes.starts.is_empty() {
                return gather_steps(to, from, lanes.at, steps);
            }
            let most = lanes.starts.windows(2).map(|w| w[1] - w[0]).max();
            match most.unwrap_or(0) {
                0 | 1 => gather_lanes::<1>(to, from, lanes, steps.at),
                2 => gather_lanes::<2>(to, from, lanes, steps.at),
                3 => gather_lanes::<3>(to, from, lanes, steps.at),
                4 => gather_lanes::<4>(to, from, lanes, steps.at),
                _ => gather_lanes::<16>(to, from, lanes, steps.at),
            }
        }
    }
}

impl Micro for F64 {
    type In = f64;
    type Out = f64;
    const ROWS: usize = 14;
    const COLS: usize = 16;
    const PAIR: usize = 1;
    const STRIDED: bool = true;

    unsafe fn tile(t: &Tile<'_, f64, f64>, packed: bool) {
        // SAFETY: the kernel is only chosen where `available`; the rest is this function's contract.
        unsafe {
            if packed {
                by_size!(tile_f64, t, 8, true)
            } else {
                by_size!(tile_f64, t, 8, false)
            }
        }
    }

    unsafe fn pack(to: *mut f64, width: usize, from: View<f64>, lanes: usize, depth: usize) {
        // SAFETY: this function's contract.
        unsafe { super::tile::pack_plain(to, width, from, lanes, depth, 1) }
    }
}

impl Micro for Bf16 {
    type In = bf16;
    type Out = f32;
    const ROWS: usize = 14;
    const COLS: usize = 32;
    const PAIR: usize = 2;
    const STRIDED: bool = false;

    unsafe fn tile(t: &Tile<'_, bf16, f32>, packed: bool) {
        debug_assert!(packed);
        // SAFETY: the kernel is only chosen where `bf16_available`; the rest is this function's contract.
        unsafe { by_size!(tile_bf16, t, 16, true) }
    }

    unsafe fn pack(to: *mut bf16, width: usize, from: View<bf16>, lanes: usize, depth: usize) {
        // SAFETY: as above; whole pairs go by vectors, and the last half pair alone.
        unsafe {
            let even = depth / 2 * 2;
            if from.lane == 1 {
                interleave_16(to, width, from.at, from.step, lanes, even);
            } else if from.step == 1 {
                transpose_32(
                    to.cast(),
                    width,
                    from.at.cast(),
                    from.lane * 2,
                    lanes,
                    even / 2,
                );
            } else {
                return super::tile::pack_plain(to, width, from, lanes, depth, 2);
            }
            if even < depth {
                let rest = View {
                    at: from.at.add(even * from.step),
                    ..from
                };
                super::tile::pack_plain(to.add(even * width), width, rest, lanes, 1, 2);
            }
        }
    }
}

impl Source<Bf16> for f32 {
    unsafe fn pack(to: *mut bf16, width: usize, from: View<Self>, lanes: usize, depth: usize) {
        // SAFETY: as of `Bf16::pack`.
        unsafe {
            let even = depth / 2 * 2;
            if from.lane == 1 {
                round_16(to, width, from.at, from.step, lanes, even);
            } else if from.step == 1 {
                transpose_rounded(
                    to.cast(),
                    width,
                    from.at.cast(),
                    from.lane * 4,
                    lanes,
                    even / 2,
                );
            } else {
                return pack_each(to, width, from, lanes, depth, 2, bf16::from_f32);
            }
            if even < depth {
                let rest = View {
                    at: from.at.add(even * from.step),
                    ..from
                };
                pack_each(
                    to.add(even * width),
                    width,
                    rest,
                    lanes,
                    1,
                    2,
                    bf16::from_f32,
                );
            }
        }
    }
}

/// [`Micro::turned`] of `R` rows, without what follows the products.
#[target_feature(enable = "avx512f")]
unsafe fn turned_f32<const R: usize>(t: &Tile<'_, f32, f32>) {
    for lane in (0..t.cols).step_by(16) {
        let lanes = (t.cols - lane).min(16);
        // SAFETY: masks keep loads and stores within the columns that the caller vouches for, and within the rows.
        unsafe {
            let c = |i: usize| t.c.add(i * t.c_row + lane);
            let b = t.b.wrapping_add(lane * t.b_step);
            let mut acc = [_mm512_setzero_ps(); R];
            if t.load {
                for i in 0..R {
                    acc[i] = _mm512_maskz_loadu_ps(first(lanes), c(i));
                }
            }
            // Meanwhile the next lanes are fetched in the order in which they lie: memory is slower at any other.
            let mut next = (b.wrapping_add(16 * t.b_step), 0);
            for unit in (0..t.units).step_by(16) {
                let depth = (t.units - unit).min(16);
                for _ in 0..16 {
                    _mm_prefetch::<_MM_HINT_T0>(next.0.wrapping_add(next.1).cast());
                    next.1 += 16;
                    if next.1 >= t.units {
                        next = (next.0.wrapping_add(t.b_step), 0);
                    }
                }
                let b = b.wrapping_add(unit);
                let a = t.a.wrapping_add(unit * t.a_step);
                if (lanes, depth) == (16, 16) {
                    turned_block::<R, true>(&mut acc, t, a, b, 16, 16);
                } else {
                    turned_block::<R, false>(&mut acc, t, a, b, lanes, depth);
                }
            }
            for i in 0..R {
                _mm512_mask_storeu_ps(c(i), first(lanes), acc[i]);
            }
        }
    }
}

/// `depth` steps of up to 16 lanes of B, turned in registers.
#[inline]
#[target_feature(enable = "avx512f")]
unsafe fn turned_block<const R: usize, const FULL: bool>(
    acc: &mut [__m512; R],
    t: &Tile<'_, f32, f32>,
    a: *const f32,
    b: *const f32,
    lanes: usize,
    depth: usize,
) {
    let mut r = [_mm512_setzero_ps(); 16];
    // SAFETY: masks keep loads within `depth`; only lanes and rows that there are get read.
    unsafe {
        for i in 0..16 {
            if FULL {
                r[i] = _mm512_loadu_ps(b.add(i * t.b_step));
            } else if i < lanes {
                r[i] = _mm512_maskz_loadu_ps(first(depth), b.add(i * t.b_step));
            }
        }
        let r = transpose(r);
        for p in 0..16 {
            if !FULL && p >= depth {
                break;
            }
            for i in 0..R {
                let a = _mm512_set1_ps(*a.add(i * t.a_row + p * t.a_step));
                acc[i] = _mm512_fmadd_ps(a, r[p], acc[i]);
            }
        }
    }
}

/// The first `n` of 16 lanes.
#[inline(always)]
fn first(n: usize) -> u16 {
    if n >= 16 { u16::MAX } else { (1 << n) - 1 }
}

/// Packs rows that lie along the lanes: `depth` copies of `lanes` elements, filled up with zeros to `width`.
#[target_feature(enable = "avx512f")]
unsafe fn copy_f32(
    to: *mut f32,
    width: usize,
    from: *const f32,
    step: usize,
    lanes: usize,
    depth: usize,
) {
    let (in0, in1) = (first(lanes), first(lanes.saturating_sub(16)));
    let (out0, out1) = (first(width), first(width.saturating_sub(16)));
    for p in 0..depth {
        // SAFETY: masks keep loads within the `lanes` and stores within the `width` that the caller vouches for.
        unsafe {
            let (from, to) = (from.add(p * step), to.add(p * width));
            _mm512_mask_storeu_ps(to, out0, _mm512_maskz_loadu_ps(in0, from));
            if width > 16 {
                _mm512_mask_storeu_ps(
                    to.add(16),
                    out1,
                    _mm512_maskz_loadu_ps(in1, from.wrapping_add(16)),
                );
            }
        }
    }
}

/// A packing of lanes that lie `stride` bytes apart, each a run of units: a transpose in blocks of 16 by 16.
macro_rules! transposed {
    ($name:ident, $block:ident, $features:literal, $bytes:literal,
     |$row:ident, $full:ident, $depth:ident| $load:expr) => {
        #[target_feature(enable = $features)]
        unsafe fn $name(
            to: *mut f32,
            width: usize,
            from: *const u8,
            stride: usize,
            lanes: usize,
            units: usize,
        ) {
            for lane in (0..width).step_by(16) {
                let (have, out) = (lanes.saturating_sub(lane).min(16), (width - lane).min(16));
                for unit in (0..units).step_by(16) {
                    let depth = (units - unit).min(16);
                    let from = from.wrapping_add(lane * stride + unit * $bytes);
                    // SAFETY: the block lies within what the caller vouches for.
                    unsafe {
                        let to = to.add(unit * width + lane);
                        if (have, out, depth) == (16, 16, 16) {
                            $block::<true>(to, width, from, stride, 16, 16, 16);
                        } else {
                            $block::<false>(to, width, from, stride, have, out, depth);
                        }
                    }
                }
            }
        }

        /// A block with `have` lanes to read, `out` lanes to write and `depth` units of each.
        #[inline]
        #[target_feature(enable = $features)]
        unsafe fn $block<const FULL: bool>(
            to: *mut f32,
            width: usize,
            from: *const u8,
            stride: usize,
            have: usize,
            out: usize,
            depth: usize,
        ) {
            // SAFETY: masks keep loads within `depth` and stores within `out`; only rows that there are get read.
            unsafe {
                let mut r = [_mm512_setzero_ps(); 16];
                for i in 0..16 {
                    if FULL || i < have {
                        let $row = from.add(i * stride);
                        // The same lanes come again some blocks later.
                        for line in (0..16 * $bytes).step_by(64) {
                            _mm_prefetch::<_MM_HINT_T0>($row.wrapping_add(AHEAD + line).cast());
                        }
                        let ($full, $depth) = (FULL, depth);
                        r[i] = $load;
                    }
                }
                let r = transpose(r);
                for p in 0..16 {
                    if FULL {
                        _mm512_storeu_ps(to.add(p * width), r[p]);
                    } else if p < depth {
                        _mm512_mask_storeu_ps(to.add(p * width), first(out), r[p]);
                    }
                }
            }
        }
    };
}
// Units of 32 bits as they are.
transposed!(
    transpose_32,
    transpose_block,
    "avx512f",
    4,
    |row, full, depth| if full {
        _mm512_loadu_ps(row.cast())
    } else {
        _mm512_maskz_loadu_ps(first(depth), row.cast())
    }
);
// Units of two f32, each of which becomes two bf16.
transposed!(
    transpose_rounded,
    transpose_rounded_block,
    "avx512f,avx512bf16",
    8,
    |row, full, depth| {
        let (low, high) = if full {
            (u16::MAX, u16::MAX)
        } else {
            (first(2 * depth), first((2 * depth).saturating_sub(16)))
        };
        let row = row.cast::<f32>();
        let low = _mm512_maskz_loadu_ps(low, row);
        let high = _mm512_maskz_loadu_ps(high, row.wrapping_add(16));
        _mm512_castsi512_ps(units(_mm512_cvtne2ps_pbh(high, low)))
    }
);

/// [`Micro::gather`] of lanes that lie in at most `R` runs to each vector.
#[target_feature(enable = "avx512f")]
unsafe fn gather_lanes<const R: usize>(
    to: *mut f32,
    from: *const f32,
    lanes: &Places<'_>,
    steps: &[usize],
) {
    let mut runs = [[Run::default(); R]; 2];
    for (v, runs) in runs.iter_mut().enumerate().take(lanes.starts.len() - 1) {
        let known = lanes.runs_of(v);
        runs[..known.len()].copy_from_slice(known);
    }
    let two = lanes.at.len() > 16;
    for (p, step) in steps.iter().enumerate() {
        // SAFETY: masks keep loads within what the caller vouches for; a step has 32 places in `to`.
        unsafe {
            let (from, to) = (from.wrapping_add(*step), to.add(32 * p));
            _mm512_store_ps(to, load_runs(from, &runs[0]));
            if two {
                _mm512_store_ps(to.add(16), load_runs(from, &runs[1]));
            }
        }
    }
}

/// The 16 places of these runs.
#[inline]
#[target_feature(enable = "avx512f")]
unsafe fn load_runs<const R: usize>(from: *const f32, runs: &[Run; R]) -> __m512 {
    // SAFETY: masks keep loads within what the caller vouches for.
    unsafe {
        let mut x = _mm512_maskz_loadu_ps(runs[0].mask, from.wrapping_offset(runs[0].at));
        for run in &runs[1..] {
            x = _mm512_mask_loadu_ps(x, run.mask, from.wrapping_offset(run.at));
        }
        x
    }
}

/// [`Micro::gather`] of steps that lie in runs: a transpose in blocks of 16 by 16.
#[target_feature(enable = "avx512f")]
unsafe fn gather_steps(to: *mut f32, from: *const f32, lanes: &[usize], steps: &Places<'_>) {
    for (g, at) in steps.at.chunks(16).enumerate() {
        let runs = steps.runs_of(g);
        // SAFETY: lanes and steps are the caller's; a step has 32 places in `to`.
        unsafe {
            let to = to.add(32 * 16 * g);
            for (v, lanes) in lanes.chunks(16).enumerate() {
                let to = to.add(16 * v);
                match runs {
                    [a] if at.len() == 16 && lanes.len() == 16 => {
                        transpose_runs::<1, true>(to, from, lanes, &[*a], 16)
                    }
                    [a] => transpose_runs::<1, false>(to, from, lanes, &[*a], at.len()),
                    [a, b] => transpose_runs::<2, false>(to, from, lanes, &[*a, *b], at.len()),
                    [a, b, c] => {
                        transpose_runs::<3, false>(to, from, lanes, &[*a, *b, *c], at.len())
                    }
                    [a, b, c, d] => {
                        transpose_runs::<4, false>(to, from, lanes, &[*a, *b, *c, *d], at.len())
                    }
                    _ => {
                        let mut all = [Run::default(); 16];
                        all[..runs.len()].copy_from_slice(runs);
                        transpose_runs::<16, false>(to, from, lanes, &all, at.len());
                    }
                }
            }
        }
    }
}

/// Up to 16 lanes of `depth` steps.
#[inline]
#[target_feature(enable = "avx512f")]
unsafe fn transpose_runs<const R: usize, const FULL: bool>(
    to: *mut f32,
    from: *const f32,
    lanes: &[usize],
    runs: &[Run; R],
    depth: usize,
) {
    let mut r = [_mm512_setzero_ps(); 16];
    // SAFETY: lanes and runs are the caller's; a step has 32 places in `to`.
    unsafe {
        for i in 0..16 {
            if FULL {
                r[i] = _mm512_loadu_ps(from.wrapping_add(lanes[i]).wrapping_offset(runs[0].at));
            } else if i < lanes.len() {
                r[i] = load_runs(from.wrapping_add(lanes[i]), runs);
            }
        }
        let r = transpose(r);
        for p in 0..16 {
            if FULL || p < depth {
                _mm512_store_ps(to.add(32 * p), r[p]);
            }
        }
    }
}

/// How many bytes before its use a lane is fetched.
const AHEAD: usize = 256;

/// A 16 by 16 transpose in registers: pairs, fours, then quarters of vectors.
#[inline]
#[target_feature(enable = "avx512f")]
fn transpose(r: [__m512; 16]) -> [__m512; 16] {
    let mut s = r;
    for i in 0..8 {
        s[2 * i] = _mm512_unpacklo_ps(r[2 * i], r[2 * i + 1]);
        s[2 * i + 1] = _mm512_unpackhi_ps(r[2 * i], r[2 * i + 1]);
    }
    // t[4 i + j]: columns j, j + 4, j + 8, j + 12 of rows 4 i to 4 i + 3.
    let mut t = s;
    for i in 0..4 {
        for j in 0..2 {
            let (x, y) = (
                _mm512_castps_pd(s[4 * i + j]),
                _mm512_castps_pd(s[4 * i + j + 2]),
            );
            t[4 * i + 2 * j] = _mm512_castpd_ps(_mm512_unpacklo_pd(x, y));
            t[4 * i + 2 * j + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(x, y));
        }
    }
    let mut u = t;
    for j in 0..4 {
        let a = _mm512_shuffle_f32x4::<0x88>(t[j], t[4 + j]);
        let b = _mm512_shuffle_f32x4::<0xdd>(t[j], t[4 + j]);
        let c = _mm512_shuffle_f32x4::<0x88>(t[8 + j], t[12 + j]);
        let d = _mm512_shuffle_f32x4::<0xdd>(t[8 + j], t[12 + j]);
        u[j] = _mm512_shuffle_f32x4::<0x88>(a, c);
        u[8 + j] = _mm512_shuffle_f32x4::<0xdd>(a, c);
        u[4 + j] = _mm512_shuffle_f32x4::<0x88>(b, d);
        u[12 + j] = _mm512_shuffle_f32x4::<0xdd>(b, d);
    }
    u
}

/// Packs bf16 rows that lie along the lanes, two steps of `k` side by side; `depth` is even.
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
unsafe fn interleave_16(
    to: *mut bf16,
    width: usize,
    from: *const bf16,
    step: usize,
    lanes: usize,
    depth: usize,
) {
    let (low, high) = (in_turn(0), in_turn(16));
    let mask = u32::MAX.checked_shr(32 - lanes.min(32) as u32).unwrap_or(0);
    let (out0, out1) = (first(width), first(width.saturating_sub(16)));
    for p in (0..depth).step_by(2) {
        // SAFETY: masks keep loads within the `lanes` and stores within the `width` that the caller vouches for, both at
        // most 32.
        unsafe {
            let row = |p: usize| _mm512_maskz_loadu_epi16(mask, from.wrapping_add(p * step).cast());
            let (even, odd) = (row(p), row(p + 1));
            let to = to.add(p * width).cast::<i32>();
            _mm512_mask_storeu_epi32(to, out0, _mm512_permutex2var_epi16(even, low, odd));
            if width > 16 {
                let both = _mm512_permutex2var_epi16(even, high, odd);
                _mm512_mask_storeu_epi32(to.add(16), out1, both);
            }
        }
    }
}

/// Packs f32 rows that lie along the lanes as bf16, two steps of `k` side by side; `depth` is even.
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
unsafe fn round_16(
    to: *mut bf16,
    width: usize,
    from: *const f32,
    step: usize,
    lanes: usize,
    depth: usize,
) {
    let places: [u16; 32] = std::array::from_fn(|i| i as u16 / 2 + 16 * (i as u16 % 2));
    // SAFETY: both are 512 bits without invalid values.
    let places: __m512i = unsafe { std::mem::transmute(places) };
    for p in (0..depth).step_by(2) {
        for lane in (0..width).step_by(16) {
            let (have, out) = (lanes.saturating_sub(lane), first(width - lane));
            // SAFETY: masks keep loads within the `lanes` and stores within the `width` that the caller vouches for.
            unsafe {
                let from = from.wrapping_add(p * step + lane);
                // The lanes behind these come next.
                _mm_prefetch::<_MM_HINT_T1>(from.wrapping_add(width).cast());
                _mm_prefetch::<_MM_HINT_T1>(from.wrapping_add(step + width).cast());
                let even = _mm512_maskz_loadu_ps(first(have), from);
                let odd = _mm512_maskz_loadu_ps(first(have), from.wrapping_add(step));
                let both = units(_mm512_cvtne2ps_pbh(odd, even));
                let both = _mm512_permutexvar_epi16(places, both);
                _mm512_mask_storeu_epi32(to.add(p * width).cast::<i32>().add(lane), out, both);
            }
        }
    }
}

/// Places of 16 neighbours of each of two vectors, taken in turn.
#[target_feature(enable = "avx512f")]
fn in_turn(start: u16) -> __m512i {
    let places: [u16; 32] = std::array::from_fn(|i| start + i as u16 / 2 + 32 * (i as u16 % 2));
    // SAFETY: both are 512 bits without invalid values.
    unsafe { std::mem::transmute(places) }
}
