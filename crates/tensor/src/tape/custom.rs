//! Operations from outside the crate.

use super::{Back, Backward, Inputs, Pending, attach, no_grad, record_many, tracked};
use crate::Tensor;
use std::sync::Arc;

/// An operation of one's own: a kernel, a call to another library, a rule that the tape does not know.
///
/// ```
/// use eras::prelude::*;
///
/// /// √x, with its slope written in the result.
/// struct Root;
///
/// impl CustomOp for Root {
///     fn name(&self) -> &'static str {
///         "root"
///     }
///     fn forward(&self, inputs: &[&Tensor]) -> Tensor {
///         let y: Vec<f32> = inputs[0].to_vec::<f32>().iter().map(|x| x.sqrt()).collect();
///         Tensor::from(y).reshape(inputs[0].shape())
///     }
///     fn backward(&self, _: &[&Tensor], output: &Tensor, dy: &Tensor) -> Vec<Option<Tensor>> {
///         vec![Some(dy * 0.5 / output)]
///     }
/// }
///
/// let x = Tensor::from([4.0f32]).requires_grad();
/// let y = custom(Root, &[&x]);
/// assert_eq!(y.item(), 2.0);
/// assert_eq!(y.backward()[&x].item(), 0.25);
/// ```
pub trait CustomOp: Send + Sync + 'static {
    /// The name, for messages.
    fn name(&self) -> &'static str;

    /// The result. What is computed here is not recorded.
    fn forward(&self, inputs: &[&Tensor]) -> Tensor;

    /// Whether there is a gradient. Where there is none, to be given a tracked tensor is an error.
    fn has_gradient(&self) -> bool {
        true
    }

    /// The gradients of the inputs, one for each, given the gradient `dy` of `output`; `None` for one that is 0
    /// everywhere. What is computed here is not recorded either: see [`definition`](Self::definition).
    fn backward(&self, inputs: &[&Tensor], output: &Tensor, dy: &Tensor) -> Vec<Option<Tensor>> {
        let _ = (inputs, output, dy);
        panic!(
            "custom: `{}` does not write CustomOp::backward; let has_gradient return false",
            self.name()
        )
    }

    /// What the operation means in operations of [`Tensor`]: the gradient of a gradient is taken through this. Without
    /// it there is none, and to ask for one is an error.
    fn definition(&self, inputs: &[&Tensor]) -> Option<Tensor> {
        let _ = inputs;
        None
    }
}

/// The result of an operation of one's own; see [`CustomOp`].
///
/// # Panics
/// If the operation has no gradient and an input is tracked, and in the backward pass if what
/// [`CustomOp::backward`] returns does not fit the inputs.
#[must_use]
#[track_caller]
pub fn custom(op: impl CustomOp, inputs: &[&Tensor]) -> Tensor {
    let detached: Vec<Tensor> = inputs.iter().map(|x| x.detach()).collect();
    let y = no_grad(|| op.forward(&each_ref(&detached))).detach();
    if !tracked(inputs) {
        return y;
    }
    assert!(
        op.has_gradient() && y.dtype().is_float(),
        "custom: `{}` has no gradient, but an input wants one; detach the inputs",
        op.name()
    );
    let name = op.name();
    let rule = Custom {
        op: Arc::new(op),
        inputs: inputs.iter().map(|&x| x.clone()).collect(),
        output: y.clone(),
    };
    attach(name, y, Inputs::of(inputs), Box::new(rule))
}

fn each_ref(tensors: &[Tensor]) -> Vec<&Tensor> {
    tensors.iter().collect()
}

struct Custom {
    op: Arc<dyn CustomOp>,
    inputs: Vec<Tensor>,
    output: Tensor,
}

impl Backward for Custom {
    fn run(&self, b: &Back<'_>, pending: &mut Pending) {
        let name = self.op.name();
        let detached: Vec<Tensor> = self.inputs.iter().map(Tensor::detach).collect();
        let dy = b.dy.detach();
        let dx = no_grad(|| self.op.backward(&each_ref(&detached), &self.output, &dy));
        assert!(
            dx.len() == self.inputs.len(),
            "custom: `{name}` has {} inputs, but made {} gradients",
            self.inputs.len(),
            dx.len()
        );
        for (i, (dx, x)) in dx.into_iter().zip(&self.inputs).enumerate() {
            let Some(dx) = dx.filter(|_| b.wants(i)) else {
                continue;
            };
            assert!(
                dx.shape() == x.shape() && dx.dtype() == x.dtype(),
                "custom: `{name}` made a gradient {} {:?} for input {i}, which is {} {:?}",
                dx.dtype(),
                dx.shape(),
                x.dtype(),
                x.shape()
            );
            let dx = if b.differentiable {
                self.without_slope(dx.detach(), b.dy)
            } else {
                dx.detach()
            };
            pending.add_input(b.node, i, dx);
        }
    }

    fn by_definition(&self) -> Option<Tensor> {
        self.op.definition(&each_ref(&self.inputs))
    }
}

impl Custom {
    /// The gradient `dx`, on the tape as something that depends on the inputs but cannot be differentiated.
    fn without_slope(&self, dx: Tensor, dy: &Tensor) -> Tensor {
        let mut inputs = each_ref(&self.inputs);
        inputs.push(dy);
        let name = self.op.name();
        record_many("custom", dx, &inputs, move |_| {
            panic!("backward: the gradient of `{name}` has no gradient; write CustomOp::definition")
        })
    }
}

/// x³ by a kernel, with or without a definition, or without a gradient.
#[cfg(test)]
pub(crate) struct Cube {
    defined: bool,
    gradient: bool,
}

#[cfg(test)]
impl CustomOp for Cube {
    fn name(&self) -> &'static str {
        "cube"
    }
    fn forward(&self, inputs: &[&Tensor]) -> Tensor {
        inputs[0].powi(3)
    }
    fn has_gradient(&self) -> bool {
        self.gradient
    }
    fn backward(&self, inputs: &[&Tensor], _: &Tensor, dy: &Tensor) -> Vec<Option<Tensor>> {
        vec![Some(inputs[0].sqr() * 3.0 * dy)]
    }
    fn definition(&self, inputs: &[&Tensor]) -> Option<Tensor> {
        self.defined.then(|| inputs[0] * inputs[0] * inputs[0])
    }
}

#[cfg(test)]
pub(crate) fn checks() -> Vec<crate::checks::Check> {
    use crate::checks::{Check, normal};
    let cube = |defined: bool| Cube {
        defined,
        gradient: true,
    };
    let none = || Cube {
        defined: false,
        gradient: false,
    };
    vec![
        Check::new("custom")
            .case([normal([2, 3], 1)], move |x| custom(cube(true), &[&x[0]]))
            .defined_by(|x| x[0].powi(3))
            .bad(
                "custom: `cube` has no gradient, but an input wants one; detach the inputs",
                move || custom(none(), &[&Tensor::zeros([2]).requires_grad()]),
            ),
        Check::new("custom")
            .orders(1)
            .case([normal([2, 3], 1)], move |x| custom(cube(false), &[&x[0]])),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grad;

    #[test]
    fn a_definition_gives_gradients_of_gradients() {
        let x = Tensor::from(2.0f64).requires_grad();
        let defined = Cube {
            defined: true,
            gradient: true,
        };
        let dx = grad(&custom(defined, &[&x]), &[&x], None).remove(0);
        assert_eq!((dx.item(), dx.backward()[&x].item()), (12.0, 12.0));
    }

    #[test]
    #[should_panic(expected = "the gradient of `cube` has no gradient; write CustomOp::definition")]
    fn without_a_definition_a_second_gradient_is_refused_not_lost() {
        let x = Tensor::from(2.0f64).requires_grad();
        let kernel = Cube {
            defined: false,
            gradient: true,
        };
        let dx = grad(&custom(kernel, &[&x]), &[&x], None).remove(0);
        assert_eq!(dx.item(), 12.0);
        let _grads = dx.backward();
    }

    struct Torn;
    impl CustomOp for Torn {
        fn name(&self) -> &'static str {
            "torn"
        }
        fn forward(&self, inputs: &[&Tensor]) -> Tensor {
            inputs[0].clone()
        }
        fn backward(&self, _: &[&Tensor], _: &Tensor, dy: &Tensor) -> Vec<Option<Tensor>> {
            vec![Some(dy.sum(..))]
        }
    }

    #[test]
    #[should_panic(
        expected = "custom: `torn` made a gradient f32 [] for input 0, which is f32 [2]"
    )]
    fn a_gradient_of_another_shape_is_refused() {
        let x = Tensor::zeros([2]).requires_grad();
        let _grads = custom(Torn, &[&x]).sum(..).backward();
    }
}
