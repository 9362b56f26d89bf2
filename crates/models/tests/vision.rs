//! Networks for pictures have PyTorch's values and gradients (`testdata/models/vision.py`).

mod reference;

use eras::formats;
use eras::models::deep_learning::{AlexNet, Cnn, LeNet, ResNet, Shortcut, Stem, Vgg};
use eras::nn::Layer;
use eras::prelude::*;
use reference::{close, numbers};
use std::path::Path;

/// Gives `model` the weights that the script gives PyTorch's, and makes it f64.
fn fill(model: &mut dyn Layer) {
    model.to_dtype(Dtype::F64);
    let state = model.state().into_iter().map(|(name, x)| {
        let filled = match x.shape() {
            [] => x,
            shape @ [_] if name.ends_with(".weight") || name.ends_with(".running_var") => {
                numbers(&name, shape) / 2.0 + 1.0
            }
            shape @ [_] => numbers(&name, shape) / 10.0,
            shape => {
                numbers(&name, shape) * (6.0 / shape[1..].iter().product::<usize>() as f64).sqrt()
            }
        };
        (name, filled)
    });
    let state: Vec<_> = state.collect();
    model.load_state(&state).expect("its own names and shapes");
}

fn check(net: &str, model: &mut dyn Layer, mode: &Mode) {
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/models/vision.safetensors");
    let stored = formats::read(&path).expect("reference values").tensors;
    let find = |name: &str| {
        let name = format!("{net}.{name}");
        let found = stored.iter().find(|(stored, _)| *stored == name);
        found
            .unwrap_or_else(|| panic!("no {name}"))
            .1
            .to_dtype(Dtype::F64)
            .to_vec::<f64>()
    };
    let shape: Vec<usize> = find("shape").into_iter().map(|n| n as usize).collect();
    fill(model);

    let x = numbers("x", &shape).requires_grad();
    let y = model.apply(&x, mode);
    close(&y.to_vec::<f64>(), &find("y"), &format!("{net}.y"));
    let grads = (&y * numbers("dy", y.shape())).sum(..).backward();
    let compare = |name: &str, key: &str, grad: &Tensor| {
        let probe = numbers(&format!("{name}/probe"), grad.shape());
        let found = [
            grad.sqr().sum(..).item().sqrt(),
            (grad * probe).sum(..).item(),
        ];
        close(&found, &find(key), &format!("{net}.{key}"));
    };
    compare("dx", "dx", &grads[&x]);
    let mut count = 0;
    model.for_each_param(&mut |name, w| {
        compare(name, &format!("grad.{name}"), &grads[w]);
        count += 1;
    });
    let prefix = format!("{net}.grad.");
    assert_eq!(
        count,
        stored
            .iter()
            .filter(|(name, _)| name.starts_with(&prefix))
            .count()
    );
    let evaluated = model.apply(&x, &Mode::eval()).to_vec::<f64>();
    close(&evaluated, &find("evaluated"), &format!("{net}.evaluated"));
}

#[test]
fn the_networks_without_batch_norm_are_pytorchs() {
    let rng = &mut Rng::new(0);
    // In evaluation: nothing is dropped.
    check("lenet", &mut LeNet::new(10, rng), &Mode::eval());
    check("cnn", &mut Cnn::new([1, 28, 28], 10, rng), &Mode::eval());
    check(
        "alexnet",
        &mut AlexNet::new([3, 32, 32], 10, rng),
        &Mode::eval(),
    );
}

#[test]
fn vgg_is_pytorchs() {
    check(
        "vgg11",
        &mut Vgg::new(11, 3, 10, &mut Rng::new(0)),
        &Mode::train(0, 0),
    );
}

#[test]
fn residual_networks_are_pytorchs() {
    let (rng, mode) = (&mut Rng::new(0), Mode::train(0, 0));
    let padded = &mut ResNet::cifar(20, 3, 10, Shortcut::Padded, rng);
    check("resnet20", padded, &mode);
    let padded = &mut ResNet::cifar(20, 3, 10, Shortcut::Padded, rng);
    check("resnet20_odd", padded, &mode);
    for (net, stem) in [
        ("resnet18_small", Stem::Small),
        ("resnet18_large", Stem::Large),
    ] {
        check(net, &mut ResNet::resnet18(3, 10, stem, rng), &mode);
    }
}
