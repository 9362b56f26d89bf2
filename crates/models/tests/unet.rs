//! The U-Net has PyTorch's values and gradients (`testdata/models/unet.py`).

use eras::formats;
use eras::models::deep_learning::UNet;
use eras::nn::Module;
use eras::prelude::*;
use std::path::Path;

#[test]
fn values_and_gradients_are_pytorchs() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/models/unet.safetensors");
    let stored = formats::read(&path).expect("reference values").tensors;
    let find = |name: String| {
        let found = stored.iter().find(|(stored, _)| *stored == name);
        found.unwrap_or_else(|| panic!("no {name}")).1.clone()
    };
    let rng = &mut Rng::new(0);
    for (name, mut net) in [
        ("timed", UNet::timed(2, 3, 8, 2, rng)),
        ("plain", UNet::new(2, 3, 8, 1, rng)),
    ] {
        let prefix = format!("{name}.model.");
        let weights: Vec<(String, Tensor)> = stored
            .iter()
            .filter_map(|(stored, w)| Some((stored.strip_prefix(&prefix)?.to_owned(), w.clone())))
            .collect();
        net.load_state(&weights).expect("the same names and shapes");

        let x = find(format!("{name}.x")).requires_grad();
        let y = match name {
            "timed" => net.forward_at(&x, &find("timed.t".into())),
            _ => net.forward(&x),
        };
        // Some thirty layers, sums of up to 288 products each: errors of 1e-7 add up to a few 1e-6.
        close(&y, &find(format!("{name}.y")), 2e-5);
        let grads = (&y * find(format!("{name}.dy"))).sum(..).backward();
        close(
            grads.get(&x).expect("a gradient"),
            &find(format!("{name}.dx")),
            1e-4,
        );
        net.for_each_param(&mut |param, w| {
            let grad = grads.get(w).expect("each has a gradient");
            let weights = Tensor::arange(w.len()).to_dtype(Dtype::F64).cos();
            let sum = (grad.to_dtype(Dtype::F64).reshape([w.len()]) * weights).sum(..);
            let wanted = find(format!("{name}.grad.{param}")).item();
            // Up to 9,216 elements of both signs, each with an error of some 1e-6 of the largest.
            let size = grad.to_dtype(Dtype::F64).sqr().sum(..).item().sqrt();
            let off = (sum.item() - wanted).abs();
            assert!(off <= 1e-4 * (1.0 + size), "{name} {param}: {off}");
        });
    }
}

#[track_caller]
fn close(x: &Tensor, wanted: &Tensor, within: f64) {
    assert_eq!(x.shape(), wanted.shape());
    let off = (x - wanted).abs().amax(..).item();
    let size = wanted.abs().amax(..).item();
    assert!(off <= within * size, "off by {off} of {size}");
}
