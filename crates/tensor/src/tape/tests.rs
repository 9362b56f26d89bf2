//! Gradients through the tape, and what it holds and frees.

use super::*;

fn leaf(x: f64) -> Tensor {
    Tensor::from(x).requires_grad()
}

#[test]
fn a_tensor_used_twice_gets_the_sum() {
    let x = leaf(3.0);
    let grads = (&x * &x + &x).backward();
    assert_eq!(grads[&x].item(), 7.0);
}

#[test]
fn gradients_of_gradients_of_gradients() {
    let x = leaf(2.0);
    let y = &x * &x * &x * &x;
    let d1 = grad(&y, &[&x], None).remove(0);
    let d2 = grad(&d1, &[&x], None).remove(0);
    let d3 = grad(&d2, &[&x], None).remove(0);
    assert_eq!((d1.item(), d2.item(), d3.item()), (32.0, 48.0, 48.0));
    // What keeps its output: the slope of tanh is written in tanh itself.
    let t = x.tanh();
    let d1 = grad(&t, &[&x], None).remove(0);
    let d2 = grad(&d1, &[&x], None).remove(0).item();
    let t = 2.0f64.tanh();
    assert!((d2 - -2.0 * t * (1.0 - t * t)).abs() < 1e-12);
}

#[test]
fn a_gradient_in_the_middle_passes_through() {
    let x = leaf(3.0);
    let h = &x * 2.0;
    let y = &h * &h;
    let both = grad(&y, &[&x, &h], None);
    assert_eq!((both[0].item(), both[1].item()), (24.0, 12.0));
    let unrelated = leaf(1.0);
    assert_eq!(grad(&y, &[&unrelated], None)[0].item(), 0.0);
}

#[test]
fn a_gradient_by_the_input_computes_none_by_the_weights() {
    let rng = &mut crate::Rng::new(0);
    let [w, v] = [[5, 4], [1, 5]].map(|shape| Tensor::randn(shape, rng).requires_grad());
    let x = Tensor::randn([7, 4], rng).requires_grad();
    // Fused operations, whose definitions know of the weights too, and one used twice.
    let h = x.linear(&w, None).tanh();
    let y = (h.linear_relu(&v, None) + h.sum_keepdim(1)).sum(..);
    let products = |xs: &[&Tensor]| {
        let before = crate::count::flops();
        let gradients = grad(&y, xs, None);
        (gradients, (crate::count::flops() - before) / (2 * 7 * 5))
    };
    let (of_x, few) = products(&[&x]);
    let (of_all, many) = products(&[&x, &w, &v]);
    assert_eq!(of_x[0].to_vec::<f32>(), of_all[0].to_vec::<f32>());
    // Both definitions are computed again (4 + 1); the gradients by inputs are as much, those by weights too.
    assert_eq!((few, many), (2 * (4 + 1), 3 * (4 + 1)));
    // What was not computed at first is found when the gradient is differentiated.
    let second = of_x[0].sqr().sum(..).backward();
    assert!(second.get(&w).is_some() && second.get(&v).is_some());
}

#[test]
fn a_history_of_many_steps_is_dropped_and_walked_without_recursion() {
    let x = leaf(1.0);
    let mut y = &x * 1.0;
    for _ in 0..200_000 {
        y = y.add_scalar(0.0);
    }
    assert_eq!(y.backward()[&x].item(), 1.0);
    let mut z = &x * 1.0;
    for _ in 0..200_000 {
        z = z.tanh();
    }
    drop(z);
}

#[test]
fn what_the_tape_saved_is_freed_by_the_walk() {
    let w = Tensor::randn([4], &mut crate::Rng::new(0)).requires_grad();
    let mut h = &w * 2.0;
    let loss = (&h * &h).sum(..);
    assert!(!h.is_sole_owner());
    let _grads = loss.backward();
    assert!(
        h.is_sole_owner(),
        "the loss still lives, but what it saved does not"
    );
}

#[test]
#[should_panic(
    expected = "backward: `mul` was walked already and its saved tensors freed; compute the loss again"
)]
fn a_second_walk_is_refused() {
    let y = leaf(1.0) * 2.0;
    let _first = y.backward();
    let _second = y.backward();
}

#[test]
#[should_panic(expected = "was not computed from any leaf")]
fn a_loss_without_leaves_is_refused() {
    let _grads = Tensor::from(1.0).backward();
}

#[test]
fn an_update_in_place_is_seen_by_nobody_else() {
    let mut w = Tensor::from([1.0f32, 2.0]).requires_grad();
    let (before, view) = (w.clone(), w.narrow(0, 1, 1));
    w.as_mut_slice::<f32>()[1] = 9.0;
    assert_eq!(w.to_vec::<f32>(), [1.0, 9.0]);
    assert_eq!(
        (before.to_vec::<f32>(), view.to_vec::<f32>()),
        (vec![1.0, 2.0], vec![2.0])
    );
    assert!(w.is_tracked(), "a leaf stays a leaf");
    drop((before, view));
    let at = w.as_slice::<f32>().as_ptr();
    assert_eq!(
        w.as_mut_slice::<f32>().as_ptr(),
        at,
        "alone with its storage, nothing is copied"
    );
}
