//! Segments that are computed again in the backward pass instead of being remembered (gradient checkpointing,
//! Chen et al. 2016, arXiv:1604.06174).

use super::walk::{Keep, Pending, walk};
use super::{Back, Backward, Inputs, Node, Record, Recording, attach, tracked};
use crate::Tensor;
use crate::precision::Precision;
use std::cell::RefCell;
use std::sync::Arc;

thread_local! {
    /// The leaves that the segment which is being watched has used without being given them.
    static CAPTURED: RefCell<Vec<Arc<Node>>> = const { RefCell::new(Vec::new()) };
}

/// Computes `f(inputs)` and forgets all but the result; the backward pass computes it again. Memory for time.
///
/// `f` may use parameters (leaves of the tape) that it holds: they get their gradients as well. It must give the same
/// result each time: what is random in it must come from the caller (a fork of the mode's random stream, say).
///
/// ```
/// use eras::prelude::*;
///
/// let w = Tensor::from([3.0f32]).requires_grad();
/// let x = Tensor::from([2.0f32]).requires_grad();
/// let held = w.clone();
/// let y = checkpoint(&[&x], move |x| (&x[0] * &held).tanh().exp());
/// let grads = y.backward();
/// assert!(grads.get(&x).is_some() && grads.get(&w).is_some());
/// ```
///
/// # Panics
/// If `f` uses a tracked tensor that is neither an input nor a leaf: it must be an input.
#[must_use]
#[track_caller]
pub fn checkpoint(
    inputs: &[&Tensor],
    f: impl Fn(&[Tensor]) -> Tensor + Send + Sync + 'static,
) -> Tensor {
    let detached: Vec<Tensor> = inputs.iter().map(|x| x.detach()).collect();
    if super::RECORDING.get() == Record::Off {
        return f(&detached).detach();
    }
    let (y, captured) = watch(|| f(&detached));
    if super::RECORDING.get() == Record::Watch {
        captured.iter().for_each(note_leaf);
    }
    if !tracked(inputs) && (captured.is_empty() || super::RECORDING.get() != Record::On) {
        return y;
    }
    let nodes = inputs.iter().map(|x| x.node().cloned());
    let nodes = nodes.chain(captured.into_iter().map(Some)).collect();
    let rule = Recompute {
        inputs: inputs.iter().map(|&x| x.clone()).collect(),
        precision: Precision::current(),
        f,
    };
    attach("checkpoint", y, Inputs::Many(nodes), Box::new(rule))
}

/// Runs `f` unrecorded; the result without history, and the leaves that it used.
fn watch(f: impl FnOnce() -> Tensor) -> (Tensor, Vec<Arc<Node>>) {
    let outer = CAPTURED.take();
    let watching = Recording::set(Record::Watch);
    let y = f();
    let _a_leaf_itself = tracked(&[&y]);
    drop(watching);
    (y.detach(), CAPTURED.replace(outer))
}

/// Takes note of tracked tensors that a watched segment uses: only what it was not given is tracked.
#[track_caller]
pub(super) fn note(inputs: &[&Tensor]) {
    for x in inputs {
        let Some(node) = x.node() else { continue };
        assert!(
            node.is_leaf,
            "checkpoint: the segment uses a tracked tensor of shape {:?}, made by `{}`, that is not among its inputs",
            x.shape(),
            node.name
        );
        note_leaf(node);
    }
}

fn note_leaf(leaf: &Arc<Node>) {
    CAPTURED.with_borrow_mut(|captured| {
        if captured.iter().all(|known| known.id != leaf.id) {
            captured.push(leaf.clone());
        }
    });
}

struct Recompute<F> {
    inputs: Vec<Tensor>,
    precision: Precision,
    f: F,
}

impl<F> Backward for Recompute<F>
where
    F: Fn(&[Tensor]) -> Tensor + Send + Sync,
{
    /// A tape of its own from new leaves in the place of the inputs.
    fn run(&self, b: &Back<'_>, pending: &mut Pending) {
        let leaves: Vec<Tensor> = (self.inputs.iter().enumerate())
            .map(|(i, x)| {
                if b.wants(i) {
                    x.requires_grad()
                } else {
                    x.detach()
                }
            })
            .collect();
        let recording = Recording::set(Record::On);
        let y = self.precision.run(|| (self.f)(&leaves));
        drop(recording);
        assert!(
            y.shape() == b.dy.shape() && y.dtype() == b.dy.dtype(),
            "checkpoint: the segment gave {:?}, and {:?} when it was computed again",
            b.dy.shape(),
            y.shape()
        );
        let Some(root) = y.node() else { return };
        walk(root, b.dy, 0, Keep::Nothing, None, &mut |node, gradient| {
            let is_it = |x: &Tensor| x.node().is_some_and(|x| x.id == node.id);
            match leaves.iter().position(is_it) {
                Some(i) => pending.add_input(b.node, i, gradient),
                None => pending.add(node, gradient),
            }
        });
    }

    fn by_definition(&self) -> Option<Tensor> {
        Some(self.precision.run(|| (self.f)(&self.inputs)))
    }
}

#[cfg(test)]
pub(crate) fn checks() -> Vec<crate::checks::Check> {
    use crate::checks::{Check, normal};
    fn segment(x: &[Tensor]) -> Tensor {
        (&x[0] * &x[1]).tanh().exp() + &x[0]
    }
    vec![
        Check::new("checkpoint")
            .case([normal([2, 3], 1), normal([3], 2)], |x| {
                checkpoint(&[&x[0], &x[1]], segment)
            })
            .defined_by(segment)
            .case([normal([2], 1), normal([2], 2)], |x| {
                checkpoint(&[&x[0], &x[1]], |x| {
                    checkpoint(&[&x[0], &x[1]], segment).sin()
                })
            })
            .case([normal([2], 1)], |x| {
                let held = x[0].clone();
                checkpoint(&[], move |_| held.sqr().exp())
            })
            .bad("made by `mul`, that is not among its inputs", || {
                let h = Tensor::zeros([2]).requires_grad() * 2.0;
                checkpoint(&[], move |_| &h + 1.0)
            }),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{grad, no_grad};
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[test]
    fn parameters_that_the_segment_holds_get_their_gradients_also_through_two_segments() {
        let (w, v) = (
            Tensor::from(3.0f64).requires_grad(),
            Tensor::from(5.0f64).requires_grad(),
        );
        let x = Tensor::from(2.0f64).requires_grad();
        let (w2, v2) = (w.clone(), v.clone());
        let y = checkpoint(&[&x], move |x| {
            let v = v2.clone();
            checkpoint(&[&(&x[0] * &w2)], move |h| &h[0] * &v) * &w2
        });
        // y = x w² v
        let grads = (&y * &w).backward(); // x w³ v
        assert_eq!(grads[&x].item(), 135.0);
        assert_eq!(grads[&w].item(), 270.0);
        assert_eq!(grads[&v].item(), 54.0);
    }

    #[test]
    fn second_gradients_go_through_the_segment() {
        let (w, x) = (
            Tensor::from(3.0f64).requires_grad(),
            Tensor::from(2.0f64).requires_grad(),
        );
        let held = w.clone();
        let y = checkpoint(&[&x], move |x| x[0].powi(3) * &held);
        let dx = grad(&y, &[&x], None).remove(0); // 3 x² w
        let grads = dx.backward();
        assert_eq!((grads[&x].item(), grads[&w].item()), (36.0, 12.0));
    }

    #[test]
    fn the_segment_remembers_nothing_and_runs_again_once() {
        static RUNS: AtomicUsize = AtomicUsize::new(0);
        let x = Tensor::randn([4], &mut crate::Rng::new(0)).requires_grad();
        let y = checkpoint(&[&x], |x| {
            RUNS.fetch_add(1, Ordering::Relaxed);
            assert_eq!(x.len(), 1);
            x[0].exp().tanh()
        });
        assert_eq!(RUNS.load(Ordering::Relaxed), 1);
        let same = x.detach().requires_grad();
        let plain = same.exp().tanh().sum(..).backward()[&same].to_vec::<f32>();
        assert_eq!(y.sum(..).backward()[&x].to_vec::<f32>(), plain);
        assert_eq!(RUNS.load(Ordering::Relaxed), 2);
        let untracked = no_grad(|| checkpoint(&[&x], |x| x[0].exp()));
        assert!(!untracked.is_tracked());
    }
}
