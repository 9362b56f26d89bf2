//! The Transformer's stacks have the values and gradients of PyTorch's `nn.Transformer` (`testdata/models/transformer.py`).

mod reference;

use eras::formats;
use eras::models::large_models::{EncoderDecoder, StackConfig};
use eras::nn::Module;
use eras::prelude::*;
use reference::{close, numbers};
use std::path::Path;

/// Gives `model` the weights that the script gives PyTorch's, and makes it f64.
fn fill(model: &mut EncoderDecoder) {
    model.to_dtype(Dtype::F64);
    model.for_each_param_mut(&mut |name, w| {
        let u = numbers(name, w.shape());
        let filled = match w.shape() {
            &[_, d_in] => u * (3.0 / d_in as f64).sqrt(),
            _ if name.contains("norm") && name.ends_with("weight") => u / 2.0 + 1.0,
            _ => u / 10.0,
        };
        w.set(&filled);
    });
}

fn check(
    net: &str,
    config: StackConfig,
    [source, target]: [[usize; 3]; 2],
    lengths: Option<&[usize]>,
) {
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/models/transformer.safetensors");
    let stored = formats::read(&path).expect("reference values").tensors;
    let compare = |name: &str, key: &str, x: &Tensor| {
        let probe = numbers(&format!("{key}/probe"), x.shape());
        let found = [
            x.sqr().sum(..).item().sqrt(),
            (x * probe).sum(..).item(),
            x.to_vec::<f64>()[0],
        ];
        let wanted = stored.iter().find(|(stored, _)| stored == name);
        let wanted = wanted.unwrap_or_else(|| panic!("no {name}"));
        close(&found, &wanted.1.to_vec::<f64>(), name);
    };
    let mut model = EncoderDecoder::new(config, &mut Rng::new(0));
    fill(&mut model);
    let x = numbers(&format!("{net}/source"), &source).requires_grad();
    let y = numbers(&format!("{net}/target"), &target).requires_grad();
    let out = model.forward(&x, &y, lengths, &Mode::train(0, 0));
    compare(&format!("{net}.y"), "y", &out);
    let weights = numbers(&format!("{net}/dy"), out.shape());
    let grads = (&out * weights).sum(..).backward();
    compare(&format!("{net}.dsource"), "dsource", &grads[&x]);
    compare(&format!("{net}.dtarget"), "dtarget", &grads[&y]);
    let mut count = 0;
    model.for_each_param(&mut |name, w| {
        let key = format!("grad.{name}");
        compare(&format!("{net}.{key}"), &key, &grads[w]);
        count += 1;
    });
    let prefix = format!("{net}.grad.");
    let all = stored.iter().filter(|(name, _)| name.starts_with(&prefix));
    assert_eq!(count, all.count());
}

#[test]
fn the_base_model_of_the_paper_is_pytorchs() {
    let config = StackConfig {
        dropout: 0.0,
        ..StackConfig::base()
    };
    check("base", config, [[10, 32, 512]; 2], None);
}

#[test]
fn norms_before_what_is_added_and_padding_are_pytorchs() {
    let config = StackConfig {
        d_model: 48,
        n_head: 4,
        n_encoder: 2,
        n_decoder: 3,
        d_ff: 80,
        norm_first: true,
        dropout: 0.0,
    };
    check("first", config, [[3, 7, 48], [3, 5, 48]], Some(&[7, 4, 1]));
}
