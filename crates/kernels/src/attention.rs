//! Attention, forward and backward, without ever holding the matrix of queries by keys (Dao et al. 2022,
//! "FlashAttention", arXiv:2205.14135; the running softmax: Milakov & Gimelshein 2018, arXiv:1805.02867).
//!
//! ```text
//! forward    s = c q·k + bias      l = Σ eˢ      p = eˢ / l      y = Σ z p v          Σ over the keys that the query sees
//! backward   p = e^(s − ln l)      dv = Σ z p dy      dp = z dy·v      ds = p (dp − dy·y)
//!            dq = c Σ ds k         dk = c Σ ds q                                       Σ over keys, over queries
//! ```
//!
//! `q` is `(B, H, T, D)`, `k` is `(B, G, S, D)`, `v` is `(B, G, S, E)`, `y` is `(B, H, T, E)`; `H / G` heads share keys
//! and values. `z` is dropout's factor, 0 or 1 / (1 - p). Of each query `ln l` is kept; it is +∞ where a query sees
//! nothing, and then its result and its gradient are 0.
//!
//! The queries of a head are cut into *panels*, as many as a micro-kernel has columns, and the keys into *tiles* (see
//! `tiles`). The scores of a panel and a tile are laid down key by key, with the queries side by side: the softmax then
//! runs along whole vectors, and the scores are already packed for the next product. Every sum is one chain in the order
//! of keys (or of queries, and before them of heads), however panels and tiles are shared among the threads.

use crate::Float;
use crate::elementwise::View;
use crate::matmul::tile::Micro;
use crate::matmul::{Work, on_best_f32, on_best_f64};
use crate::team::Shared;
use std::any::TypeId;
use tiles::{Heads, Place};

mod backward;
mod forward;
mod one;
mod scores;
mod tiles;

pub use scores::{Drawer, Dropout, Scores, draws};

/// The lengths of all axes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// Examples, `B`.
    pub batch: usize,
    /// Heads of the queries, `H`.
    pub heads: usize,
    /// Heads of keys and values, `G`: a divisor of `H`.
    pub groups: usize,
    /// Queries, `T`.
    pub queries: usize,
    /// Keys, `S`.
    pub keys: usize,
    /// Of a query and a key, `D`.
    pub width: usize,
    /// Of a value, `E`.
    pub value_width: usize,
}

impl Shape {
    /// Heads of the queries that share keys and values.
    fn shared_by(&self) -> usize {
        self.heads / self.groups
    }

    /// Elements of the result.
    fn results(&self) -> usize {
        self.batch * self.heads * self.queries * self.value_width
    }

    /// Queries of all heads.
    fn rows(&self) -> usize {
        self.batch * self.heads * self.queries
    }

    fn check(&self) {
        assert!(
            self.heads == 0 || self.groups > 0 && self.heads.is_multiple_of(self.groups),
            "attention: {} heads cannot share those of {} keys",
            self.heads,
            self.groups
        );
    }
}

/// Queries, keys and values, through strides of four axes each.
#[derive(Debug, Clone, Copy)]
pub struct Inputs<'a, T> {
    /// `(B, H, T, D)`
    pub q: View<'a, T>,
    /// `(B, G, S, D)`
    pub k: View<'a, T>,
    /// `(B, G, S, E)`
    pub v: View<'a, T>,
}

/// What a call works on, checked.
struct Job<'a, T> {
    shape: Shape,
    q: Heads<T>,
    k: Heads<T>,
    v: Heads<T>,
    scores: &'a Scores<'a, T>,
}

impl<'a, T: Float> Job<'a, T> {
    fn new(shape: Shape, inputs: &Inputs<'a, T>, scores: &'a Scores<'a, T>) -> Self {
        shape.check();
        scores.check(&shape);
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
            q: Heads::new("q", inputs.q, [batch, heads, queries, width]),
            k: Heads::new("k", inputs.k, [batch, groups, keys, width]),
            v: Heads::new("v", inputs.v, [batch, groups, keys, value_width]),
            scores,
        }
    }
}

/// `y (B, T, H, E)`, in line, and the logarithm of the sum of each query, `kept (B, H, T)`.
///
/// # Panics
/// If a length does not fit, an input or a mask reaches past its slice, or `T` is not `f32` or `f64`.
pub fn forward<T: Float>(
    y: &mut [T],
    kept: &mut [T],
    shape: Shape,
    inputs: &Inputs<'_, T>,
    scores: &Scores<'_, T>,
) {
    let job = Job::new(shape, inputs, scores);
    assert_eq!(y.len(), shape.results());
    assert_eq!(kept.len(), shape.rows());
    let y = Place::in_line(y, shape.queries, shape.heads, shape.value_width);
    let kept = Shared::new(kept);
    on_best(&Call {
        job: &job,
        way: Way::There { y, kept },
    });
}

/// What the way back needs of the way there.
#[derive(Debug, Clone, Copy)]
pub struct Results<'a, T> {
    /// `(B, T, H, E)`, in line.
    pub y: &'a [T],
    /// `(B, H, T)`
    pub kept: &'a [T],
    /// The gradient of the result, `(B, H, T, E)`.
    pub dy: View<'a, T>,
}

/// The gradients that are wanted: `dq (B, T, H, D)`, `dk (B, S, G, D)` and `dv (B, S, G, E)`, in line.
///
/// # Panics
/// As [`forward`].
pub fn backward<T: Float>(
    dq: Option<&mut [T]>,
    dk: Option<&mut [T]>,
    dv: Option<&mut [T]>,
    shape: Shape,
    inputs: &Inputs<'_, T>,
    results: &Results<'_, T>,
    scores: &Scores<'_, T>,
) {
    let place = |to: Option<&mut [T]>, rows: usize, heads: usize, width: usize| {
        to.map(|to| {
            assert_eq!(to.len(), shape.batch * rows * heads * width);
            if shape.rows() == 0 {
                to.fill(T::ZERO); // nobody asks
            }
            Place::in_line(to, rows, heads, width)
        })
    };
    let places = [
        place(dq, shape.queries, shape.heads, shape.width),
        place(dk, shape.keys, shape.groups, shape.width),
        place(dv, shape.keys, shape.groups, shape.value_width),
    ];
    back(places, shape, inputs, results, scores);
}

/// All three gradients beside each other, `dx (B, T, H + 2 G, D)` in line: where there are as many keys as queries, and
/// values as wide as keys.
///
/// # Panics
/// As [`forward`], and if queries, keys and values are not of the same lengths.
pub fn backward_packed<T: Float>(
    dx: &mut [T],
    shape: Shape,
    inputs: &Inputs<'_, T>,
    results: &Results<'_, T>,
    scores: &Scores<'_, T>,
) {
    assert!(
        (shape.queries, shape.width) == (shape.keys, shape.value_width),
        "attention: {shape:?} cannot be packed"
    );
    let all = shape.heads + 2 * shape.groups;
    assert_eq!(dx.len(), shape.batch * shape.queries * all * shape.width);
    if shape.rows() == 0 {
        dx.fill(T::ZERO); // nobody asks
    }
    let place = Place::in_line(dx, shape.queries, all, shape.width);
    let places = [0, shape.heads, shape.heads + shape.groups];
    let places = places.map(|head| Some(place.at_head(head)));
    back(places, shape, inputs, results, scores);
}

/// The gradients of queries, keys and values, at places that do not overlap.
fn back<T: Float>(
    places: [Option<Place<T>>; 3],
    shape: Shape,
    inputs: &Inputs<'_, T>,
    results: &Results<'_, T>,
    scores: &Scores<'_, T>,
) {
    let job = Job::new(shape, inputs, scores);
    let Shape {
        batch,
        heads,
        queries,
        value_width,
        ..
    } = shape;
    assert_eq!(results.y.len(), shape.results());
    assert_eq!(results.kept.len(), shape.rows());
    let strides = [
        queries * heads * value_width,
        value_width,
        heads * value_width,
        1,
    ];
    let y = View {
        data: results.y,
        offset: 0,
        strides: &strides,
    };
    let dims = [batch, heads, queries, value_width];
    let given = backward::Given {
        places,
        y: Heads::new("y", y, dims),
        dy: Heads::new("dy", results.dy, dims),
        kept: results.kept,
    };
    on_best(&Call {
        job: &job,
        way: Way::Back(given),
    });
}

/// A job, and what becomes of it.
struct Call<'a, T> {
    job: &'a Job<'a, T>,
    way: Way<'a, T>,
}

enum Way<'a, T> {
    There { y: Place<T>, kept: Shared<'a, T> },
    Back(backward::Given<'a, T>),
}

impl<T: Float> Call<'_, T> {
    /// # Safety
    /// The processor has the instructions of `K`, which has `W` columns.
    unsafe fn on<K: Micro<In = T, Out = T>, const W: usize>(&self) {
        // SAFETY: this function's contract; the job has been checked.
        unsafe {
            match &self.way {
                Way::There { y, kept } => forward::run::<T, K, W>(self.job, *y, kept),
                Way::Back(given) => backward::run::<T, K, W>(self.job, given),
            }
        }
    }
}

impl<T: Float> Work<T> for &Call<'_, T> {
    unsafe fn run<K: Micro<In = T, Out = T>>(self) {
        // SAFETY: this function's contract.
        unsafe {
            match K::COLS {
                32 => self.on::<K, 32>(),
                16 => self.on::<K, 16>(),
                8 => self.on::<K, 8>(),
                n => unreachable!("no kernel has {n} columns"),
            }
        }
    }
}

/// Runs on the best kernels for `T`.
fn on_best<T: Float>(call: &Call<'_, T>) {
    let at = std::ptr::from_ref(call);
    if TypeId::of::<T>() == TypeId::of::<f32>() {
        // SAFETY: the types are the same.
        on_best_f32(unsafe { &*at.cast::<Call<'_, f32>>() });
    } else {
        assert_eq!(TypeId::of::<T>(), TypeId::of::<f64>());
        // SAFETY: the types are the same.
        on_best_f64(unsafe { &*at.cast::<Call<'_, f64>>() });
    }
}

#[cfg(test)]
mod tests;
