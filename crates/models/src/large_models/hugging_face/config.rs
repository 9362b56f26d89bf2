//! `config.json`, read and written.

use crate::large_models::{GptConfig, NormKind, Positions, Rope, Scaling, Units};
use eras_tensor::{Error, Result};
use serde_json::{Map, Value, json};

/// The longest context.
const LONGEST: usize = 1 << 24;

/// Kinds of configurations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Family {
    Gpt2,
    Llama,
    Mistral,
    Qwen2,
}

/// Settings, kind, and the tokens that begin and end a text.
pub(super) type Parsed = (GptConfig, Family, Marks);

/// What a `config.json` says.
pub(super) fn parse(bytes: &[u8]) -> Result<Parsed> {
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
    if !(1..=LONGEST).contains(&config.context) {
        return Err(Error::new(format!(
            "found a context of {} tokens, wanted 1 to {LONGEST}",
            config.context
        )));
    }
    Ok((config, family, marks(&all)?))
}

/// The tokens that begin and end a text.
pub(super) struct Marks {
    pub(super) bos: Option<u32>,
    pub(super) eos: Vec<u32>,
}

fn marks(all: &Fields<'_>) -> Result<Marks> {
    let token =
        |key: &str, value: &Value| match value.as_u64().and_then(|id| u32::try_from(id).ok()) {
            Some(id) => Ok(id),
            None => Fields::wrong(key, value, "the number of a token"),
        };
    let tokens = |key: &str| match all.get(key) {
        None => Ok(Vec::new()),
        Some(Value::Array(many)) => many.iter().map(|one| token(key, one)).collect(),
        Some(one) => token(key, one).map(|id| vec![id]),
    };
    Ok(Marks {
        bos: tokens("bos_token_id")?.first().copied(),
        eos: tokens("eos_token_id")?,
    })
}

/// What a `generation_config.json` says of the tokens that begin and end a text, where it says anything: it is heard before
/// the configuration.
pub(super) fn parse_generation(bytes: &[u8], from_config: Marks) -> Result<Marks> {
    let all: Map<String, Value> = serde_json::from_slice(bytes)
        .map_err(|e| Error::new(format!("is no configuration: {e}")))?;
    let Marks { bos, eos } = marks(&Fields(&all))?;
    Ok(Marks {
        bos: bos.or(from_config.bos),
        eos: if eos.is_empty() { from_config.eos } else { eos },
    })
}

/// What is in a `generation_config.json`.
pub(super) fn generation(bos: Option<u32>, eos: &[u32]) -> Value {
    json!({ "bos_token_id": bos, "eos_token_id": several(eos) })
}

/// `null`, a token, or a list of them.
fn several(tokens: &[u32]) -> Value {
    match tokens {
        [] => Value::Null,
        [one] => (*one).into(),
        many => many.into(),
    }
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
        Family::Mistral => window(all)?,
        Family::Qwen2 => {
            all.must_be("use_sliding_window", &false.into())?; // it would be in some of the blocks alone
            None
        }
        _ => None,
    };
    // Newer configurations say of each block what it looks at.
    let kind = match window {
        Some(_) => "sliding_attention",
        None => "full_attention",
    };
    for each in all.list("layer_types")? {
        if each != kind {
            return Err(Error::new(format!(
                "`layer_types` has {each}, wanted \"{kind}\" of all: nothing else is known here"
            )));
        }
    }
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

/// Of Mistral: 4096 tokens where it is not said, and no window where it is said to be none.
fn window(all: &Fields<'_>) -> Result<Option<usize>> {
    let all_see_all = {
        let kinds = all.list("layer_types")?;
        !kinds.is_empty() && kinds.iter().all(|kind| *kind == "full_attention")
    };
    match all.0.get("sliding_window") {
        _ if all_see_all => Ok(None),
        None => Ok(Some(4096)),
        Some(_) => all.count_or_none("sliding_window"),
    }
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
    let newer = all.object("rope_parameters")?;
    let older = all.object("rope_scaling")?;
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

    fn object(&self, key: &str) -> Result<Option<&'a Map<String, Value>>> {
        match self.get(key) {
            None => Ok(None),
            Some(Value::Object(all)) => Ok(Some(all)),
            Some(value) => Self::wrong(key, value, "an object"),
        }
    }

    fn list(&self, key: &str) -> Result<&'a [Value]> {
        match self.get(key) {
            None => Ok(&[]),
            Some(Value::Array(all)) => Ok(all),
            Some(value) => Self::wrong(key, value, "a list"),
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

impl Family {
    /// The kind of configuration that can say all settings.
    pub(super) fn of(config: &GptConfig) -> Result<Self> {
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
        // A bias that is not there is written as zeros.
        let gpt2 = GptConfig {
            d_ff: config.d_ff,
            eps: config.eps,
            units: config.units,
            tied: config.tied,
            dropout: config.dropout,
            norm: match config.norm {
                NormKind::Layer(_) => config.norm,
                _ => NormKind::Layer(true),
            },
            bias_qkv: config.bias_qkv,
            bias_out: config.bias_out,
            bias_units: config.bias_units,
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

    /// The settings that a model has once it is read again from a folder of this kind.
    pub(super) fn completed(self, config: &GptConfig) -> GptConfig {
        match self {
            Self::Gpt2 => GptConfig {
                norm: NormKind::Layer(true),
                bias_qkv: true,
                bias_out: true,
                bias_units: true,
                ..config.clone()
            },
            _ => config.clone(),
        }
    }

    fn cannot_say() -> Error {
        Error::usage(
            "this model is of no kind that a configuration of `transformers` can say: wanted the settings of GPT-2, Llama, Mistral or Qwen2",
        )
    }

    /// What is in a `config.json`.
    pub(super) fn to_json(self, config: &GptConfig, bos: Option<u32>, eos: &[u32]) -> Value {
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
        all["eos_token_id"] = several(eos);
        all
    }
}
