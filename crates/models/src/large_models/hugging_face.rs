//! Models in folders as the library `transformers` of Hugging Face writes them: `config.json` beside `model.safetensors`, or
//! beside several such files with an index.
//!
//! Known are GPT-2 and the Llama family: Llama, Mistral, Qwen2, and whatever says that it is one of them (SmolLM). What a
//! configuration asks for and is not known here is refused by its name.

use super::{Gpt, GptConfig, NormKind, Positions, Rope, Scaling, Units};
use eras_formats::{Weights, files, safetensors};
use eras_nn::Module;
use eras_tensor::{Dtype, Error, Result, Tensor};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::Path;

const CONFIG: &str = "config.json";
const WEIGHTS: &str = "model.safetensors";
const INDEX: &str = "model.safetensors.index.json";
/// The longest context: a table of angles is made for it.
const LONGEST: usize = 1 << 24;
/// The most problems that an error lists.
const LISTED: usize = 20;

/// A model that others trained, or that others are to load.
///
/// ```no_run
/// use eras::models::large_models::Pretrained;
/// use eras::prelude::*;
///
/// let pretrained = Pretrained::read("SmolLM-135M".as_ref())?;
/// let logits = pretrained.gpt.forward(&Tensor::from([[1i64, 5, 9]]), &Mode::eval());
/// pretrained.write("copy".as_ref())?;
/// # Ok::<(), eras::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Pretrained {
    /// The model.
    pub gpt: Gpt,
    /// The token that begins a text.
    pub bos: Option<u32>,
    /// The tokens that end one.
    pub eos: Vec<u32>,
}

impl Pretrained {
    /// Reads the model in a folder; weights of 16 bits become ones of 32.
    ///
    /// # Errors
    /// If a file cannot be read, the configuration asks for what is not known here, or the weights are not those that it
    /// describes: all that are missing, unexpected or of another shape are named.
    pub fn read(folder: &Path) -> Result<Self> {
        let path = folder.join(CONFIG);
        let bytes = files::read(&path)?;
        let (config, family, bos, eos) = parse_config(&bytes).map_err(|e| e.at(&path))?;
        let weights = read_weights(folder)?;
        let state = arrange(&config, family, weights).map_err(|e| e.at(folder))?;
        let mut gpt = Gpt::blank(config);
        gpt.load_state(&state)?;
        Ok(Self { gpt, bos, eos })
    }

    /// Writes `config.json` and `model.safetensors` to a folder, which is made if it is not there.
    ///
    /// # Errors
    /// If the model has settings that no known kind of configuration can say, or the system refuses.
    pub fn write(&self, folder: &Path) -> Result<()> {
        let config = self.gpt.config();
        let family = Family::of(config)?;
        let text = format!("{:#}\n", family.to_json(config, self.bos, &self.eos));
        let state: BTreeMap<String, Tensor> = self.gpt.state().into_iter().collect();
        let mut tensors = Vec::new();
        for entry in table(config, family) {
            entry.take_apart(&state[&entry.name], &mut tensors);
        }
        let mut weights = Weights::new(tensors);
        weights.notes.push(("format".into(), "pt".into()));
        std::fs::create_dir_all(folder).map_err(|e| Error::io(folder, &e))?;
        safetensors::write(&folder.join(WEIGHTS), &weights)?;
        files::replace(&folder.join(CONFIG), |file| file.write_all(text.as_bytes()))
    }
}

/// Kinds of configurations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Family {
    Gpt2,
    Llama,
    Mistral,
    Qwen2,
}

type Parsed = (GptConfig, Family, Option<u32>, Vec<u32>);

fn parse_config(bytes: &[u8]) -> Result<Parsed> {
    let all: Map<String, Value> = serde_json::from_slice(bytes)
        .map_err(|e| Error::new(format!("is no configuration: {e}")))?;
    let all = Fields(&all);
    let family = match all.text("model_type", "")? {
        "gpt2" => Family::Gpt2,
        "llama" => Family::Llama,
        "mistral" => Family::Mistral,
        "qwen2" => Family::Qwen2,
        other => {
            return Err(Error::new(format!(
                "`model_type` is {other:?}, which is not known here; wanted gpt2, llama, mistral or qwen2"
            )));
        }
    };
    all.must_be("quantization_config", &Value::Null)?;
    let config = match family {
        Family::Gpt2 => gpt2(&all)?,
        _ => llama(&all, family)?,
    };
    if config.context > LONGEST {
        return Err(Error::new(format!(
            "found a context of {} tokens, wanted at most {LONGEST}",
            config.context
        )));
    }
    let eos = match all.0.get("eos_token_id") {
        Some(Value::Array(all)) => all.iter().filter_map(Value::as_u64).collect(),
        Some(one) => one.as_u64().into_iter().collect(),
        None => Vec::new(),
    };
    let token = |id: u64| u32::try_from(id).ok();
    let bos = all
        .0
        .get("bos_token_id")
        .and_then(Value::as_u64)
        .and_then(token);
    let eos = eos.into_iter().filter_map(token).collect();
    Ok((config, family, bos, eos))
}

fn gpt2(all: &Fields<'_>) -> Result<GptConfig> {
    all.must_be("scale_attn_weights", &true.into())?;
    all.must_be("scale_attn_by_inverse_layer_idx", &false.into())?;
    all.must_be("add_cross_attention", &false.into())?;
    let units = match all.text("activation_function", "gelu_new")? {
        "gelu_new" | "gelu_pytorch_tanh" => Units::GeluTanh,
        "gelu" => Units::Gelu,
        "relu" => Units::Relu,
        other => return Err(not_known("activation_function", other)),
    };
    let d_model = all.count("n_embd")?;
    let config = GptConfig {
        d_ff: all.count_or("n_inner", d_model.saturating_mul(4))?,
        units,
        eps: all.number_or("layer_norm_epsilon", 1e-5)?,
        tied: all.flag_or("tie_word_embeddings", true)?,
        ..GptConfig::gpt2(
            all.count("vocab_size")?,
            all.count("n_positions")?,
            d_model,
            all.count("n_layer")?,
            all.count("n_head")?,
        )
    };
    heads_fit(&config)?;
    Ok(config)
}

fn llama(all: &Fields<'_>, family: Family) -> Result<GptConfig> {
    all.must_be("hidden_act", &"silu".into())?;
    all.must_be("partial_rotary_factor", &json!(1.0))?;
    let (d_model, n_head) = (all.count("hidden_size")?, all.count("num_attention_heads")?);
    let context = all.count("max_position_embeddings")?;
    let bias = match family {
        Family::Llama => all.flag_or("attention_bias", false)?,
        _ => false,
    };
    let window = match family {
        Family::Mistral => all.count_or_none("sliding_window")?,
        Family::Qwen2 => {
            all.must_be("use_sliding_window", &false.into())?; // it would be in some of the blocks alone
            None
        }
        _ => None,
    };
    let config = GptConfig {
        n_kv_head: all.count_or("num_key_value_heads", n_head)?,
        head_width: all.count_or("head_dim", d_model.checked_div(n_head).unwrap_or(0))?,
        positions: Positions::Rotary(rope(all)?),
        eps: all.number_or("rms_norm_eps", 1e-6)?,
        bias_qkv: bias || family == Family::Qwen2,
        bias_out: bias,
        bias_units: all.flag_or("mlp_bias", false)?,
        tied: all.flag_or("tie_word_embeddings", false)?,
        window: window.filter(|window| *window < context),
        ..GptConfig::llama(
            all.count("vocab_size")?,
            context,
            d_model,
            all.count("num_hidden_layers")?,
            n_head,
            all.count("intermediate_size")?,
        )
    };
    heads_fit(&config)?;
    Ok(config)
}

fn heads_fit(config: &GptConfig) -> Result<()> {
    let GptConfig {
        n_head,
        n_kv_head,
        head_width,
        d_model,
        ..
    } = *config;
    let divides = n_kv_head > 0 && n_head > 0 && n_head.is_multiple_of(n_kv_head);
    let rotary = matches!(config.positions, Positions::Rotary(_));
    if divides && head_width > 0 && !(rotary && head_width % 2 == 1) {
        return Ok(());
    }
    Err(Error::new(format!(
        "found {d_model} channels, {n_head} heads of {head_width} columns and {n_kv_head} heads of keys, which do not divide"
    )))
}

/// Of an older configuration (`rope_theta`, `rope_scaling`) or a newer one (`rope_parameters`).
fn rope(all: &Fields<'_>) -> Result<Rope> {
    let newer = all.0.get("rope_parameters").and_then(Value::as_object);
    let older = all.0.get("rope_scaling").and_then(Value::as_object);
    let base = match newer {
        Some(newer) => Fields(newer).number_or("rope_theta", 10_000.0)?,
        None => all.number_or("rope_theta", 10_000.0)?,
    };
    let Some(scaling) = newer.or(older).map(Fields) else {
        return Ok(Rope::new(base));
    };
    let kind = scaling.text("rope_type", scaling.text("type", "default")?)?;
    let scaling = match kind {
        "default" => Scaling::None,
        "linear" => Scaling::Linear(scaling.number("factor")?),
        "llama3" => Scaling::Llama3 {
            factor: scaling.number("factor")?,
            low: scaling.number("low_freq_factor")?,
            high: scaling.number("high_freq_factor")?,
            original: scaling.number("original_max_position_embeddings")?,
        },
        other => return Err(not_known("rope_type", other)),
    };
    Ok(Rope { base, scaling })
}

fn not_known(key: &str, value: &str) -> Error {
    Error::new(format!("`{key}` is {value:?}, which is not known here"))
}

/// The settings of a configuration.
struct Fields<'a>(&'a Map<String, Value>);

impl<'a> Fields<'a> {
    /// `null` is as if it were not there.
    fn get(&self, key: &str) -> Option<&'a Value> {
        self.0.get(key).filter(|value| !value.is_null())
    }

    fn wrong<T>(key: &str, found: &Value, wanted: &str) -> Result<T> {
        Err(Error::new(format!("`{key}` is {found}, wanted {wanted}")))
    }

    fn missing(key: &str) -> Error {
        Error::new(format!("has no `{key}`"))
    }

    fn count_or_none(&self, key: &str) -> Result<Option<usize>> {
        let Some(value) = self.get(key) else {
            return Ok(None);
        };
        match value.as_u64().and_then(|n| u32::try_from(n).ok()) {
            Some(n) => Ok(Some(n as usize)),
            None => Self::wrong(key, value, "a whole number below 2^32"),
        }
    }

    fn count_or(&self, key: &str, default: usize) -> Result<usize> {
        Ok(self.count_or_none(key)?.unwrap_or(default))
    }

    fn count(&self, key: &str) -> Result<usize> {
        self.count_or_none(key)?.ok_or_else(|| Self::missing(key))
    }

    fn number_or(&self, key: &str, default: f64) -> Result<f64> {
        match self.get(key) {
            None => Ok(default),
            Some(value) => match value.as_f64().filter(|x| x.is_finite() && *x > 0.0) {
                Some(x) => Ok(x),
                None => Self::wrong(key, value, "a number above 0"),
            },
        }
    }

    fn number(&self, key: &str) -> Result<f64> {
        self.get(key).ok_or_else(|| Self::missing(key))?;
        self.number_or(key, 0.0)
    }

    fn flag_or(&self, key: &str, default: bool) -> Result<bool> {
        match self.get(key) {
            None => Ok(default),
            Some(Value::Bool(flag)) => Ok(*flag),
            Some(value) => Self::wrong(key, value, "true or false"),
        }
    }

    fn text(&self, key: &str, default: &'a str) -> Result<&'a str> {
        match self.get(key) {
            None => Ok(default),
            Some(Value::String(text)) => Ok(text),
            Some(value) => Self::wrong(key, value, "a text"),
        }
    }

    /// Refuses a setting that asks for what is not known here.
    fn must_be(&self, key: &str, wanted: &Value) -> Result<()> {
        let Some(value) = self.get(key) else {
            return Ok(());
        };
        let number = value.as_f64().filter(|x| Some(*x) == wanted.as_f64()); // 1 is 1.0
        if value == wanted || number.is_some() {
            return Ok(());
        }
        Self::wrong(key, value, &format!("{wanted}: nothing else is known here"))
    }
}

/// A tensor of a [`Gpt`], and what it is made of.
struct Entry {
    name: String,
    /// Of the whole.
    shape: Vec<usize>,
    /// Names in the file, and the rows that each gives.
    parts: Vec<(String, usize)>,
    /// Whether the file has rows and columns the other way round.
    turned: bool,
}

/// Every tensor of a model, each once.
fn table(config: &GptConfig, family: Family) -> Vec<Entry> {
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
    fn put_together(
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
    fn take_apart(&self, tensor: &Tensor, to: &mut Vec<(String, Tensor)>) {
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

/// The state of a model from what the files hold.
fn arrange(
    config: &GptConfig,
    family: Family,
    weights: Vec<(String, Tensor)>,
) -> Result<Vec<(String, Tensor)>> {
    // More blocks than there are tensors cannot be: a table of them is not even begun.
    if config.n_layer > weights.len() {
        return Err(Error::model_mismatch(format!(
            "found {} tensors for {} blocks",
            weights.len(),
            config.n_layer
        )));
    }
    let mut from: BTreeMap<String, Tensor> = weights
        .into_iter()
        .map(|(name, tensor)| {
            // The model alone is saved without, one with a head of its own with this.
            let plain = name.strip_prefix("transformer.").map(str::to_owned);
            (plain.unwrap_or(name), tensor)
        })
        .collect();
    let mut problems = Vec::new();
    let mut state = Vec::new();
    for entry in table(config, family) {
        if let Some(tensor) = entry.put_together(&mut from, &mut problems) {
            state.push((entry.name, tensor));
        }
    }
    // What is computed anew each time, and the table of tokens once more.
    let constant = |name: &str| {
        name.ends_with(".attn.bias")
            || name.ends_with(".attn.masked_bias")
            || name.ends_with(".rotary_emb.inv_freq")
            || (config.tied && name == "lm_head.weight")
    };
    let rest = from.keys().filter(|name| !constant(name));
    problems.extend(rest.map(|name| format!("`{name}` is not in the model")));
    if problems.is_empty() {
        return Ok(state);
    }
    let more = problems.len().saturating_sub(LISTED);
    problems.truncate(LISTED);
    let mut text = problems.join("; ");
    if more > 0 {
        text += &format!("; and {more} more");
    }
    Err(Error::model_mismatch(text))
}

/// The tensors of a folder, of one file or of those that an index names.
fn read_weights(folder: &Path) -> Result<Vec<(String, Tensor)>> {
    let (single, index) = (folder.join(WEIGHTS), folder.join(INDEX));
    if single.exists() || !index.exists() {
        return Ok(safetensors::read(&single)?.tensors);
    }
    let bytes = files::read(&index)?;
    let damaged = |what: &str| Error::file(&index, format!("is no index of weights: {what}"));
    let all: Value = serde_json::from_slice(&bytes).map_err(|e| damaged(&e.to_string()))?;
    let map = all["weight_map"].as_object();
    let map = map.ok_or_else(|| damaged("it has no `weight_map`"))?;
    let mut names = BTreeSet::new();
    for name in map.values() {
        // A name and no path: an index must not read what lies elsewhere.
        let plain = name
            .as_str()
            .filter(|name| Path::new(name).components().count() == 1 && *name != "..");
        names.insert(plain.ok_or_else(|| damaged(&format!("{name} is no name of a file")))?);
    }
    let mut tensors = Vec::new();
    for name in names {
        tensors.extend(safetensors::read(&folder.join(name))?.tensors);
    }
    Ok(tensors)
}

impl Family {
    /// The kind of configuration that can say all settings.
    fn of(config: &GptConfig) -> Result<Self> {
        let llama = |family| GptConfig {
            vocab_size: config.vocab_size,
            n_kv_head: config.n_kv_head,
            head_width: config.head_width,
            positions: config.positions,
            eps: config.eps,
            tied: config.tied,
            dropout: config.dropout,
            bias_units: config.bias_units,
            bias_qkv: config.bias_qkv && family != Self::Mistral,
            bias_out: config.bias_out && family == Self::Llama,
            window: config.window.filter(|_| family == Self::Mistral),
            ..GptConfig::llama(
                config.vocab_size,
                config.context,
                config.d_model,
                config.n_layer,
                config.n_head,
                config.d_ff,
            )
        };
        let gpt2 = GptConfig {
            d_ff: config.d_ff,
            eps: config.eps,
            units: config.units,
            tied: config.tied,
            dropout: config.dropout,
            ..GptConfig::gpt2(
                config.vocab_size,
                config.context,
                config.d_model,
                config.n_layer,
                config.n_head,
            )
        };
        let rotary = matches!(config.positions, Positions::Rotary(_));
        let family = match config {
            _ if !rotary && *config == gpt2 && config.units != Units::SwiGlu => Self::Gpt2,
            _ if rotary && config.window.is_some() && !config.bias_units => Self::Mistral,
            _ if rotary && config.bias_qkv && !config.bias_out && !config.bias_units => Self::Qwen2,
            _ if rotary => Self::Llama,
            _ => return Err(Self::cannot_say()),
        };
        let fits = match family {
            Self::Gpt2 => true,
            Self::Llama => *config == llama(family) && config.bias_qkv == config.bias_out,
            Self::Qwen2 => {
                *config == llama(family) && config.head_width * config.n_head == config.d_model
            }
            Self::Mistral => *config == llama(family),
        };
        if fits {
            Ok(family)
        } else {
            Err(Self::cannot_say())
        }
    }

    fn cannot_say() -> Error {
        Error::usage(
            "this model is of no kind that a configuration of `transformers` can say: wanted the settings of GPT-2, Llama, Mistral or Qwen2",
        )
    }

    fn to_json(self, config: &GptConfig, bos: Option<u32>, eos: &[u32]) -> Value {
        let mut all = match config.positions {
            Positions::Learned => json!({
                "model_type": "gpt2",
                "architectures": ["GPT2LMHeadModel"],
                "n_embd": config.d_model,
                "n_layer": config.n_layer,
                "n_head": config.n_head,
                "n_positions": config.context,
                "n_inner": config.d_ff,
                "layer_norm_epsilon": config.eps,
                "activation_function": match config.units {
                    Units::Gelu => "gelu",
                    Units::Relu => "relu",
                    Units::GeluTanh | Units::SwiGlu => "gelu_new",
                },
                "resid_pdrop": config.dropout,
                "embd_pdrop": config.dropout,
                "attn_pdrop": config.dropout,
            }),
            Positions::Rotary(rope) => json!({
                "model_type": match self {
                    Self::Mistral => "mistral",
                    Self::Qwen2 => "qwen2",
                    Self::Llama | Self::Gpt2 => "llama",
                },
                "architectures": [match self {
                    Self::Mistral => "MistralForCausalLM",
                    Self::Qwen2 => "Qwen2ForCausalLM",
                    Self::Llama | Self::Gpt2 => "LlamaForCausalLM",
                }],
                "hidden_size": config.d_model,
                "intermediate_size": config.d_ff,
                "num_hidden_layers": config.n_layer,
                "num_attention_heads": config.n_head,
                "num_key_value_heads": config.n_kv_head,
                "head_dim": config.head_width,
                "hidden_act": "silu",
                "max_position_embeddings": config.context,
                "rms_norm_eps": config.eps,
                "attention_bias": config.bias_out,
                "mlp_bias": config.bias_units,
                "rope_theta": rope.base,
                "rope_scaling": match rope.scaling {
                    Scaling::None => Value::Null,
                    Scaling::Linear(factor) => json!({ "rope_type": "linear", "factor": factor }),
                    Scaling::Llama3 { factor, low, high, original } => json!({
                        "rope_type": "llama3",
                        "factor": factor,
                        "low_freq_factor": low,
                        "high_freq_factor": high,
                        "original_max_position_embeddings": original as u64,
                    }),
                },
                "sliding_window": config.window,
            }),
        };
        all["vocab_size"] = config.vocab_size.into();
        all["tie_word_embeddings"] = config.tied.into();
        all["torch_dtype"] = "float32".into();
        all["bos_token_id"] = bos.into();
        all["eos_token_id"] = match eos {
            [] => Value::Null,
            [one] => (*one).into(),
            many => many.into(),
        };
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::large_models::{Cache, End, Generation, Sampler, generate};
    use eras_nn::Mode;
    use eras_tensor::no_grad;
    use std::path::PathBuf;

    /// Written by `testdata/hugging_face/make.py`.
    fn folder(name: &str) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../../testdata/hugging_face")
            .join(name)
    }

    fn scratch(name: &str) -> PathBuf {
        std::env::temp_dir().join(format!("eras-hugging-face-{name}-{}", std::process::id()))
    }

    const ALL: [&str; 4] = ["gpt2", "llama", "mistral", "qwen2"];

    #[test]
    fn what_transformers_computes_is_computed() {
        for name in ALL {
            let gpt = Pretrained::read(&folder(name)).unwrap().gpt;
            let expected = safetensors::read(&folder(name).join("expected.safetensors")).unwrap();
            let [(_, logits), (_, tokens)] = &expected.tensors[..] else {
                panic!("wanted logits and tokens");
            };
            let found = gpt.forward(tokens, &Mode::eval());
            let difference = (&found - logits).abs().amax(..).item();
            assert!(difference < 2e-5, "{name}: {difference}");
            // And one after the other.
            let mut cache = Cache::new(12);
            for i in 0..12 {
                let next = no_grad(|| gpt.next(&tokens.narrow(1, i, 1), &mut cache));
                let difference = (next - logits.select(1, i)).abs().amax(..).item();
                assert!(difference < 2e-5, "{name}, token {i}: {difference}");
            }
        }
    }

    #[test]
    fn what_is_written_is_read_again_to_the_bit() {
        for name in ALL {
            let first = Pretrained::read(&folder(name)).unwrap();
            let copy = scratch(name);
            first.write(&copy).unwrap();
            let again = Pretrained::read(&copy).unwrap();
            assert_eq!(again.gpt.config(), first.gpt.config(), "{name}");
            assert_eq!((again.bos, &again.eos), (first.bos, &first.eos));
            for ((name, a), (_, b)) in first.gpt.state().iter().zip(again.gpt.state()) {
                assert_eq!(a.to_vec::<f32>(), b.to_vec::<f32>(), "{name}");
            }
            std::fs::remove_dir_all(copy).unwrap();
        }
    }

    #[test]
    fn a_real_model_says_what_it_says_elsewhere() {
        let Some(data) = std::env::var_os("ERAS_DATA") else {
            return eprintln!("skipped: ERAS_DATA names no folder with stories260k-hf");
        };
        let text = std::fs::read(folder("stories260k.json")).unwrap();
        let known: Value = serde_json::from_slice(&text).unwrap();
        let numbers = |key: &str| known[key].as_array().unwrap().iter();
        let tokens =
            |key| -> Vec<u32> { numbers(key).map(|t| t.as_u64().unwrap() as u32).collect() };
        let gpt = Pretrained::read(&Path::new(&data).join("stories260k-hf"))
            .unwrap()
            .gpt;
        let prompt = tokens("tokens");
        let ids: Vec<i64> = prompt.iter().map(|t| i64::from(*t)).collect();
        let x = Tensor::from_slice(&ids, [1, ids.len()]);
        let logits = no_grad(|| gpt.next(&x, &mut Cache::new(512))).to_vec::<f32>();
        for (found, wanted) in logits.iter().zip(numbers("logits")) {
            assert!((f64::from(*found) - wanted.as_f64().unwrap()).abs() < 1e-4);
        }
        let how = Generation {
            sampler: Sampler::greedy(),
            max_tokens: 60,
            stop: vec![],
        };
        let mut told = Vec::new();
        let end = generate(&gpt, &prompt, &how, |token| {
            told.push(token);
            true
        });
        assert_eq!((told, end.unwrap()), (tokens("greedy"), End::Enough));
    }

    /// The error of a copy of a folder with another text in a file.
    fn error_with(name: &str, test: &str, from: &str, to: &str) -> String {
        let copy = scratch(test);
        std::fs::create_dir_all(&copy).unwrap();
        for entry in std::fs::read_dir(folder(name)).unwrap() {
            let path = entry.unwrap().path();
            std::fs::copy(&path, copy.join(path.file_name().unwrap())).unwrap();
        }
        let path = copy.join(CONFIG);
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{from}");
        std::fs::write(&path, text.replace(from, to)).unwrap();
        let error = Pretrained::read(&copy).unwrap_err().to_string();
        std::fs::remove_dir_all(&copy).unwrap();
        error
    }

    #[test]
    fn what_is_not_known_is_refused_by_name() {
        for (i, (name, from, to, wanted)) in [
            (
                "llama",
                "\"llama\"",
                "\"mamba\"",
                "`model_type` is \"mamba\", which is not known here",
            ),
            (
                "llama",
                "\"llama3\"",
                "\"yarn\"",
                "`rope_type` is \"yarn\", which is not known here",
            ),
            (
                "llama",
                "\"silu\"",
                "\"gelu\"",
                "`hidden_act` is \"gelu\", wanted \"silu\"",
            ),
            (
                "llama",
                "\"hidden_size\": 16",
                "\"hidden_size\": -1",
                "`hidden_size` is -1, wanted a whole number",
            ),
            (
                "llama",
                "\"hidden_size\"",
                "\"hidden\"",
                "has no `hidden_size`",
            ),
            (
                "llama",
                "\"num_key_value_heads\": 2",
                "\"num_key_value_heads\": 3",
                "which do not divide",
            ),
            (
                "llama",
                "\"max_position_embeddings\": 64",
                "\"max_position_embeddings\": 4000000000",
                "found a context of",
            ),
            (
                "qwen2",
                "\"use_sliding_window\": false",
                "\"use_sliding_window\": true",
                "`use_sliding_window` is true",
            ),
            (
                "gpt2",
                "\"gelu_new\"",
                "\"mish\"",
                "`activation_function` is \"mish\"",
            ),
        ]
        .into_iter()
        .enumerate()
        {
            let error = error_with(name, &format!("refused-{i}"), from, to);
            assert!(
                error.contains(wanted) && error.contains("config.json"),
                "{error}"
            );
        }
    }

    #[test]
    fn all_tensors_that_do_not_fit_are_named_at_once() {
        let error = error_with("gpt2", "misfit", "\"n_inner\": null", "\"n_inner\": 60");
        for part in [
            "`h.0.mlp.c_fc.weight` is [16, 64], wanted [16, 60]",
            "`h.1.mlp.c_proj.weight` is [64, 16], wanted [60, 16]",
        ] {
            assert!(error.contains(part), "{error}");
        }
        let error = error_with(
            "llama",
            "more",
            "\"num_hidden_layers\": 2",
            "\"num_hidden_layers\": 3",
        );
        assert!(
            error.contains("`model.layers.2.self_attn.q_proj.weight` [16, 16] is missing"),
            "{error}"
        );
        let error = error_with(
            "llama",
            "less",
            "\"num_hidden_layers\": 2",
            "\"num_hidden_layers\": 1",
        );
        assert!(
            error.contains("`model.layers.1.mlp.up_proj.weight` is not in the model"),
            "{error}"
        );
        let error = error_with(
            "llama",
            "many",
            "\"num_hidden_layers\": 2",
            "\"num_hidden_layers\": 4000000000",
        );
        assert!(error.contains("tensors for 4000000000 blocks"), "{error}");
    }

    #[test]
    fn a_model_that_no_configuration_can_say_is_not_written() {
        let odd = GptConfig {
            units: Units::Relu,
            ..GptConfig::llama(7, 8, 8, 1, 2, 8)
        };
        let odd = Pretrained {
            gpt: Gpt::blank(odd),
            bos: None,
            eos: vec![],
        };
        let error = odd.write(&scratch("odd")).unwrap_err();
        assert!(error.is_usage() && !scratch("odd").exists(), "{error}");
    }
}
