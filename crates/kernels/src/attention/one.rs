//! The way there of one query to each head, as where a text goes on: keys and values are read once, as they lie, and the
//! heads that share them side by side. The bits are those of `forward`.

use super::Job;
use super::forward::{KEYS, SERIAL, both, for_each};
use super::tiles::Place;
use crate::Float;
use crate::buffer::Buffer;
use crate::lines::larger;
use crate::matmul::tile::{C, Micro, Tile};
use crate::simd::vectorize;
use crate::team::Shared;

/// Scores whose largest is looked for side by side.
const LANES: usize = 16;

/// Whether [`run`] does what is asked for.
pub(super) fn can<T: Float, K: Micro<In = T, Out = T>>(job: &Job<'_, T>) -> bool {
    let (shape, scores) = (&job.shape, job.scores);
    shape.queries == 1
        && shape.shared_by() <= K::TURNED_ROWS
        && job.k.columns_in_line()
        && job.v.columns_in_line()
        && !scores.adds()
        && scores.slopes.is_none()
        && scores.dropout.is_none()
}

/// # Safety
/// The processor has the instructions of `K`; [`can`] said so; `y` and `kept` have room for all results.
pub(super) unsafe fn run<T: Float, K: Micro<In = T, Out = T>>(
    job: &Job<'_, T>,
    y: Place<T>,
    kept: &Shared<'_, T>,
) {
    let shape = &job.shape;
    let width = shape.width + shape.value_width;
    let work = (shape.rows() * width).saturating_mul(shape.keys);
    for_each(shape.batch * shape.groups, work <= SERIAL, |i| {
        // SAFETY: this function's contract; each head is in one task.
        unsafe { heads::<T, K>(job, i / shape.groups, i % shape.groups, y, kept) };
    });
}

/// The heads that share keys and values.
///
/// # Safety
/// As of [`run`], and nobody else has these heads.
unsafe fn heads<T: Float, K: Micro<In = T, Out = T>>(
    job: &Job<'_, T>,
    batch: usize,
    group: usize,
    y: Place<T>,
    kept: &Shared<'_, T>,
) {
    let (shape, scores) = (&job.shape, job.scores);
    let (count, width, value_width) = (shape.shared_by(), shape.width, shape.value_width);
    let first = group * count;
    let mut memory = Buffer::new(count * (width + value_width + KEYS) * size_of::<T>());
    let (queries, rest) = memory.slice_mut::<T>().split_at_mut(count * width);
    let (sums, rest) = rest.split_at_mut(count * value_width);
    let shares = &mut rest[..count * KEYS];
    let scale = T::of(scores.scale);
    for (i, query) in queries.chunks_exact_mut(width.max(1)).enumerate() {
        let from = job.q.rows(batch, first + i, 0);
        for (j, x) in query.iter_mut().enumerate() {
            // SAFETY: the query is there.
            *x = scale * unsafe { *from.at.add(j * from.step) };
        }
    }
    let seen = scores.range(shape, batch, 0, 1);
    let mut softmax = vec![(T::NEG_INFINITY, T::ZERO); count];
    for start in (0..shape.keys).step_by(KEYS) {
        let Some(keys) = both(&seen, &(start..shape.keys.min(start + KEYS))) else {
            continue;
        };
        let k = job.k.rows(batch, group, keys.start);
        let products = Tile {
            rows: count,
            cols: keys.len(),
            units: width,
            a: queries.as_ptr(),
            a_row: width,
            a_step: 1,
            b: k.at,
            b_step: k.lane,
            c: shares.as_mut_ptr(),
            c_row: KEYS,
            load: false,
            finish: None,
        };
        // SAFETY: the keys are there, and a row of `KEYS` for each query.
        unsafe { K::turned(&products) };
        let goes_on = keys.start > seen.start;
        for (i, (max, sum)) in softmax.iter_mut().enumerate() {
            let shrink = go_on(max, sum, &mut shares[i * KEYS..][..keys.len()]);
            if goes_on {
                let sums = &mut sums[i * value_width..][..value_width];
                sums.iter_mut().for_each(|x| *x *= shrink);
            }
        }
        let v = job.v.rows(batch, group, keys.start);
        for j in (0..value_width).step_by(K::COLS) {
            let products = Tile {
                rows: count,
                cols: K::COLS.min(value_width - j),
                units: keys.len(),
                a: shares.as_ptr(),
                a_row: KEYS,
                a_step: 1,
                b: v.at.wrapping_add(j),
                b_step: v.lane,
                c: sums.as_mut_ptr().wrapping_add(j),
                c_row: value_width,
                load: goes_on,
                finish: None,
            };
            // SAFETY: the values are there, and a row of sums for each query.
            unsafe { K::tile(&products, false) };
        }
    }
    for (i, (max, sum)) in softmax.into_iter().enumerate() {
        let none = sum == T::ZERO;
        let (over, log) = if none {
            (T::ZERO, T::INFINITY)
        } else {
            (T::ONE / sum, max + sum.ln())
        };
        let sums = &mut sums[i * value_width..][..value_width];
        if seen.is_empty() {
            sums.fill(T::ZERO);
        }
        sums.iter_mut().for_each(|x| *x *= over);
        let C { at, .. } = y.rows(batch, first + i, 0);
        let row = batch * shape.heads + first + i;
        // SAFETY: the result of this query alone.
        unsafe {
            at.copy_from_nonoverlapping(sums.as_ptr(), value_width);
            kept.part(row..row + 1)[0] = log;
        }
    }
}

/// As `Running::go_on` for one query, whose scores lie side by side.
fn go_on<T: Float>(max: &mut T, sum: &mut T, scores: &mut [T]) -> T {
    vectorize(
        #[inline(always)]
        || {
            let mut largest = [*max; LANES];
            let (groups, rest) = scores.as_chunks::<LANES>();
            for group in groups {
                for l in 0..LANES {
                    largest[l] = larger(group[l], largest[l]);
                }
            }
            for (l, score) in rest.iter().enumerate() {
                largest[l] = larger(*score, largest[l]);
            }
            let new = largest.into_iter().fold(*max, |a, b| larger(b, a));
            let from = if new == T::NEG_INFINITY { T::ZERO } else { new };
            for score in &mut *scores {
                *score = (*score - from).exp_nonpositive();
            }
            let shrink = (*max - from).exp_nonpositive();
            let mut added = T::ZERO;
            scores.iter().for_each(|e| added += *e);
            *sum = sum.mul_add(shrink, added);
            *max = new;
            shrink
        },
    )
}
