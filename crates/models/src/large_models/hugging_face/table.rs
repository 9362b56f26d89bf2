//! Which tensors of a file are which of a model.

use super::config::Family;
use crate::large_models::{GptConfig, NormKind, Positions};
use eras_tensor::{Dtype, Tensor};
use std::collections::BTreeMap;

/// A tensor of a [`Gpt`], and what it is made of.
pub(super) struct Entry {
    pub(super) name: String,
    /// Of the whole.
    shape: Vec<usize>,
    /// Names in the file, and the rows that each gives.
    parts: Vec<(String, usize)>,
    /// Whether the file has rows and columns the other way round.
    turned: bool,
}

/// Every tensor of a model, each once.
pub(super) fn table(config: &GptConfig, family: Family) -> Vec<Entry> {
    let mut all = Vec::new();
    let mut put = |name: String, shape: &[usize], parts: &[(String, usize)], turned: bool| {
        all.push(Entry {
            name,
            shape: shape.to_vec(),
            parts: parts.to_vec(),
            turned,
        });
    };
    let &GptConfig {
        vocab_size,
        context,
        d_model,
        d_ff,
        n_head,
        n_kv_head,
        head_width,
        ..
    } = config;
    let (q, kv) = (n_head * head_width, n_kv_head * head_width);
    let is_gpt2 = family == Family::Gpt2;
    let whole = |name: &str, rows: usize| vec![(name.to_owned(), rows)];
    let (tokens, norm) = if is_gpt2 {
        ("wte.weight", "ln_f")
    } else {
        ("model.embed_tokens.weight", "model.norm")
    };
    put(
        "tokens.weight".into(),
        &[vocab_size, d_model],
        &whole(tokens, vocab_size),
        false,
    );
    if config.positions == Positions::Learned {
        let shape = [context, d_model];
        put(
            "positions.weight".into(),
            &shape,
            &whole("wpe.weight", context),
            false,
        );
    }
    let norm_bias = config.norm == NormKind::Layer(true);
    for i in 0..config.n_layer {
        let (ours, theirs) = if is_gpt2 {
            (format!("blocks.{i}"), format!("h.{i}"))
        } else {
            (format!("blocks.{i}"), format!("model.layers.{i}"))
        };
        let mut linear = |name: &str, from: &[(&str, usize)], d_in: usize, bias: bool| {
            let rows: usize = from.iter().map(|(_, rows)| rows).sum();
            let named = |end: &str| -> Vec<(String, usize)> {
                let part = |(name, rows): &(&str, usize)| (format!("{theirs}.{name}.{end}"), *rows);
                from.iter().map(part).collect()
            };
            put(
                format!("{ours}.{name}.weight"),
                &[rows, d_in],
                &named("weight"),
                is_gpt2,
            );
            if bias {
                put(
                    format!("{ours}.{name}.bias"),
                    &[rows],
                    &named("bias"),
                    false,
                );
            }
        };
        let (bias_qkv, bias_out, bias) = (config.bias_qkv, config.bias_out, config.bias_units);
        if is_gpt2 {
            linear(
                "attention.qkv",
                &[("attn.c_attn", q + 2 * kv)],
                d_model,
                bias_qkv,
            );
            linear("attention.out", &[("attn.c_proj", d_model)], q, bias_out);
            linear("units.up", &[("mlp.c_fc", d_ff)], d_model, bias);
            linear("units.down", &[("mlp.c_proj", d_model)], d_ff, bias);
        } else {
            let qkv = [
                ("self_attn.q_proj", q),
                ("self_attn.k_proj", kv),
                ("self_attn.v_proj", kv),
            ];
            linear("attention.qkv", &qkv, d_model, bias_qkv);
            linear(
                "attention.out",
                &[("self_attn.o_proj", d_model)],
                q,
                bias_out,
            );
            linear("units.up", &[("mlp.up_proj", d_ff)], d_model, bias);
            linear("units.gate", &[("mlp.gate_proj", d_ff)], d_model, bias);
            linear("units.down", &[("mlp.down_proj", d_model)], d_ff, bias);
        }
        let norms = if is_gpt2 {
            [("norm1", "ln_1"), ("norm2", "ln_2")]
        } else {
            [
                ("norm1", "input_layernorm"),
                ("norm2", "post_attention_layernorm"),
            ]
        };
        for (name, from) in norms {
            for end in ["weight", "bias"]
                .into_iter()
                .take(1 + usize::from(norm_bias))
            {
                let from = whole(&format!("{theirs}.{from}.{end}"), d_model);
                put(format!("{ours}.{name}.{end}"), &[d_model], &from, false);
            }
        }
    }
    for end in ["weight", "bias"]
        .into_iter()
        .take(1 + usize::from(norm_bias))
    {
        let from = whole(&format!("{norm}.{end}"), d_model);
        put(format!("norm.{end}"), &[d_model], &from, false);
    }
    if !config.tied {
        let shape = [vocab_size, d_model];
        put(
            "head.weight".into(),
            &shape,
            &whole("lm_head.weight", vocab_size),
            false,
        );
    }
    all
}

impl Entry {
    /// The tensor, of zeros.
    pub(super) fn zeros(&self) -> Tensor {
        Tensor::zeros(&self.shape[..])
    }

    /// The shape of a part in the file.
    fn shape_of(&self, rows: usize) -> Vec<usize> {
        let mut shape = self.shape.clone();
        shape[0] = rows;
        if self.turned {
            shape.reverse();
        }
        shape
    }

    /// The tensor from its parts; what is wrong with them goes to `problems`.
    pub(super) fn put_together(
        &self,
        from: &mut BTreeMap<String, Tensor>,
        problems: &mut Vec<String>,
    ) -> Option<Tensor> {
        let before = problems.len();
        let mut parts = Vec::new();
        for (name, rows) in &self.parts {
            let wanted = self.shape_of(*rows);
            match from.remove(name) {
                None => problems.push(format!("`{name}` {wanted:?} is missing")),
                Some(part) if part.shape() != wanted => {
                    problems.push(format!("`{name}` is {:?}, wanted {wanted:?}", part.shape()))
                }
                Some(part) if !part.dtype().is_float() => {
                    problems.push(format!("`{name}` holds {}, wanted floats", part.dtype()));
                }
                Some(part) => {
                    let part = part.to_dtype(Dtype::F32);
                    parts.push(if self.turned {
                        part.transpose(0, 1)
                    } else {
                        part
                    });
                }
            }
        }
        (problems.len() == before).then(|| Tensor::concat(&parts, 0))
    }

    /// The parts of the tensor, as they are in a file.
    pub(super) fn take_apart(&self, tensor: &Tensor, to: &mut Vec<(String, Tensor)>) {
        let mut first = 0;
        for (name, rows) in &self.parts {
            let part = tensor.narrow(0, first, *rows);
            let part = if self.turned {
                part.transpose(0, 1)
            } else {
                part
            };
            to.push((name.clone(), part.contiguous()));
            first += rows;
        }
    }
}
