//! Bounds and standard deviations of PyTorch's and Keras' initializers.

use crate::reference::bytes;
use eras::nn::{Fan, Init, Linear, fans};
use eras::prelude::*;
use serde_json::Value;

fn options(entry: &Value) -> (Fan, f64) {
    let o = &entry["options"];
    let fan = if o["mode"] == "fan_out" {
        Fan::Out
    } else {
        Fan::In
    };
    let gain = match o["nonlinearity"].as_str() {
        Some("leaky_relu") => {
            let slope = o["a"].as_f64().unwrap_or(0.0);
            (2.0 / (1.0 + slope * slope)).sqrt()
        }
        _ => 2f64.sqrt(),
    };
    (fan, gain)
}

/// One of ours like theirs; `None` where a layer draws it.
fn ours(entry: &Value) -> Option<Init> {
    let gain = entry["options"]["gain"].as_f64().unwrap_or(1.0);
    let (fan, kaiming) = options(entry);
    Some(match entry["name"].as_str().expect("a name") {
        "xavier_uniform" => Init::xavier_uniform(gain),
        "xavier_normal" => Init::xavier_normal(gain),
        "kaiming_uniform" => Init::kaiming_uniform(kaiming, fan),
        "kaiming_normal" => Init::kaiming_normal(kaiming, fan),
        "glorot_uniform" => Init::glorot_uniform(),
        "glorot_normal" => Init::glorot_normal(),
        "he_uniform" => Init::he_uniform(),
        "he_normal" => Init::he_normal(),
        "lecun_uniform" => Init::lecun_uniform(),
        "lecun_normal" => Init::lecun_normal(),
        _ => return None,
    })
}

/// The largest absolute value and the standard deviation.
fn spread(x: &Tensor) -> (f64, f64) {
    let x = x.to_dtype(Dtype::F64);
    let largest = x
        .to_vec::<f64>()
        .into_iter()
        .fold(0.0, |m: f64, x| m.max(x.abs()));
    (largest, x.sqr().mean(..).item().sqrt())
}

#[track_caller]
fn check(entry: &Value, x: &Tensor) {
    let (largest, std) = spread(x);
    let wanted = entry["std"].as_f64().expect("a deviation");
    // Of N numbers the deviation is known to a part in √(2 N) of itself; five of those.
    let error = 5.0 / (2.0 * x.len() as f64).sqrt();
    assert!((std / wanted - 1.0).abs() < error, "{entry}: std {std}");
    let bound = entry["bound"]
        .as_f64()
        .or_else(|| Some(2.0 * entry["std_before"].as_f64()?));
    if let Some(bound) = bound {
        let near = bound * (1.0 - 20.0 / x.len() as f64);
        let inside = largest <= bound * (1.0 + 1e-6) && largest > near.min(bound * 0.97);
        assert!(inside, "{entry}: largest {largest}");
    }
}

#[test]
fn initializers_draw_from_the_distributions_of_pytorch_and_keras() {
    let all: Value = serde_json::from_slice(&bytes("initializers.json")).expect("json");
    let (mut drawn, rng) = (0, &mut Rng::new(0));
    for entry in all["entries"].as_array().expect("a list") {
        let list = entry["shape"].as_array().expect("a shape");
        let mut shape: Vec<usize> = list
            .iter()
            .map(|n| n.as_u64().expect("a length") as usize)
            .collect();
        if entry["layout"] == "(*space, in, out)" {
            shape.reverse();
        }
        if let Some(init) = ours(entry) {
            let (fan_in, fan_out) = fans(&shape[..]);
            assert_eq!(
                (entry["fan_in"].as_u64(), entry["fan_out"].as_u64()),
                (Some(fan_in as u64), Some(fan_out as u64))
            );
            check(entry, &init.draw(&shape[..], rng));
            drawn += 1;
        }
        if entry["name"] == "Linear.weight" {
            check(entry, &Linear::new(shape[1], shape[0], rng).weight);
            drawn += 1;
        }
        if entry["name"] == "Linear.bias" {
            let d_in = entry["fan_in"].as_u64().expect("inputs") as usize;
            check(
                entry,
                Linear::new(d_in, shape[0], rng)
                    .bias
                    .as_ref()
                    .expect("a bias"),
            );
            drawn += 1;
        }
    }
    assert!(drawn >= 28, "{drawn} were found");
}
