//! Models in folders as the library `transformers` of Hugging Face writes them: `config.json` beside `model.safetensors`, or
//! beside several such files with an index.
//!
//! Known are GPT-2 and the Llama family: Llama, Mistral, Qwen2, and whatever says that it is one of them (SmolLM). What a
//! configuration asks for and is not known here is refused by its name.

use super::{Gpt, GptConfig};
use config::Family;
use eras_formats::{Weights, files, safetensors};
use eras_nn::Module;
use eras_tensor::{Dtype, Error, Result, Tensor};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::Path;
use table::table;

mod config;
mod table;

const CONFIG: &str = "config.json";
const GENERATION: &str = "generation_config.json";
const WEIGHTS: &str = "model.safetensors";
const INDEX: &str = "model.safetensors.index.json";
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
        let (config, family, mut marks) = config::parse(&bytes).map_err(|e| e.at(&path))?;
        let path = folder.join(GENERATION);
        if path.exists() {
            let bytes = files::read(&path)?;
            marks = config::parse_generation(&bytes, marks).map_err(|e| e.at(&path))?;
        }
        let weights = read_weights(folder)?;
        let state = arrange(&config, family, weights).map_err(|e| e.at(folder))?;
        let mut gpt = Gpt::blank(config);
        gpt.load_state(&state)?;
        Ok(Self {
            gpt,
            bos: marks.bos,
            eos: marks.eos,
        })
    }

    /// Writes `config.json`, `generation_config.json` and `model.safetensors` to a folder, which is made if it is not there. A
    /// GPT-2 without biases gets biases of zero.
    ///
    /// # Errors
    /// If the model has settings that no known kind of configuration can say, or the system refuses.
    pub fn write(&self, folder: &Path) -> Result<()> {
        let config = self.gpt.config();
        let family = Family::of(config)?;
        let config = family.completed(config);
        let state: BTreeMap<String, Tensor> = self.gpt.state().into_iter().collect();
        let mut tensors = Vec::new();
        for entry in table(&config, family) {
            match state.get(&entry.name) {
                Some(tensor) => entry.take_apart(tensor, &mut tensors),
                None => entry.take_apart(&entry.zeros(), &mut tensors),
            }
        }
        let mut weights = Weights::new(tensors);
        weights.notes.push(("format".into(), "pt".into()));
        std::fs::create_dir_all(folder).map_err(|e| Error::io(folder, &e))?;
        safetensors::write(&folder.join(WEIGHTS), &weights)?;
        for (name, all) in [
            (GENERATION, config::generation(self.bos, &self.eos)),
            (CONFIG, family.to_json(&config, self.bos, &self.eos)),
        ] {
            let text = format!("{all:#}\n");
            files::replace(&folder.join(name), |file| file.write_all(text.as_bytes()))?;
        }
        Ok(())
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
    if let Some(head) = from.get("lm_head.weight").filter(|_| config.tied)
        && let Some((_, tokens)) = state.iter().find(|(name, _)| name == "tokens.weight")
        && (head.shape() != tokens.shape()
            || head.to_dtype(Dtype::F32).to_vec::<f32>() != tokens.to_vec::<f32>())
    {
        problems.push(
            "`lm_head.weight` is not the table of tokens, though `tie_word_embeddings` says so"
                .into(),
        );
    }
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
    if single.exists() {
        return Ok(safetensors::read(&single)?.tensors);
    }
    if !index.exists() {
        let others = ["pytorch_model.bin", "pytorch_model.bin.index.json"];
        let other = others.into_iter().find(|name| folder.join(name).exists());
        let found = other.map_or("neither".into(), |name| format!("`{name}` alone"));
        return Err(Error::file(
            folder,
            format!("found {found}, wanted `{WEIGHTS}` or `{INDEX}`"),
        ));
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::large_models::{Cache, End, Generation, NormKind, Sampler, Units, generate};
    use eras_nn::Mode;
    use eras_tensor::{Rng, no_grad};
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
        let Pretrained { gpt, eos, .. } =
            Pretrained::read(&Path::new(&data).join("stories260k-hf")).unwrap();
        assert_eq!(eos, [2, 1]);
        let prompt = tokens("tokens");
        let ids: Vec<i64> = prompt.iter().map(|t| i64::from(*t)).collect();
        let x = Tensor::from_slice(&ids, [1, ids.len()]);
        let logits = no_grad(|| gpt.next(&x, &mut Cache::new(512))).to_vec::<f32>();
        for (found, wanted) in logits.iter().zip(numbers("logits")) {
            assert!((f64::from(*found) - wanted.as_f64().unwrap()).abs() < 1e-4);
        }
        let how = Generation::new(Sampler::greedy(), 60);
        let mut told = Vec::new();
        let end = generate(&gpt, &prompt, &how, |token| {
            told.push(token);
            true
        });
        assert_eq!((told, end.unwrap()), (tokens("greedy"), End::Enough));
    }

    #[test]
    fn a_model_without_biases_is_written_with_biases_of_zero() {
        let config = GptConfig {
            norm: NormKind::Layer(false),
            units: Units::Gelu,
            bias_qkv: false,
            bias_out: false,
            bias_units: false,
            ..GptConfig::gpt2(11, 8, 8, 2, 2)
        };
        let gpt = Gpt::new(config, &mut Rng::new(0));
        let tokens = Tensor::from([[3i64, 1, 4, 1, 5]]);
        let wanted = gpt.forward(&tokens, &Mode::eval()).to_vec::<f32>();
        let (bos, eos) = (None, vec![]);
        let copy = scratch("bare");
        Pretrained { gpt, bos, eos }.write(&copy).unwrap();
        let again = Pretrained::read(&copy).unwrap().gpt;
        std::fs::remove_dir_all(copy).unwrap();
        assert!(again.config().bias_qkv && again.config().norm == NormKind::Layer(true));
        let found = again.forward(&tokens, &Mode::eval()).to_vec::<f32>();
        assert_eq!(found, wanted);
    }

    #[test]
    fn what_a_generation_says_is_heard_before_the_configuration() {
        let gpt = Gpt::blank(GptConfig::llama(7, 8, 8, 1, 2, 8));
        let (bos, eos) = (Some(1), vec![2]);
        let copy = scratch("generation");
        Pretrained { gpt, bos, eos }.write(&copy).unwrap();
        let marks = |text: &str| {
            std::fs::write(copy.join(GENERATION), text).unwrap();
            Pretrained::read(&copy).map(|read| (read.bos, read.eos))
        };
        assert_eq!(
            marks(r#"{"eos_token_id": [5, 6]}"#).unwrap(),
            (Some(1), vec![5, 6])
        );
        assert_eq!(marks(r#"{"bos_token_id": 3}"#).unwrap(), (Some(3), vec![2]));
        let error = marks(r#"{"eos_token_id": "end"}"#).unwrap_err().to_string();
        std::fs::remove_dir_all(&copy).unwrap();
        assert!(
            error.contains("generation_config.json")
                && error.contains("`eos_token_id` is \"end\", wanted the number of a token"),
            "{error}"
        );
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
            (
                "llama",
                "\"hidden_size\"",
                "\"layer_types\": [\"sliding_attention\"], \"hidden_size\"",
                "`layer_types` has \"sliding_attention\", wanted \"full_attention\" of all",
            ),
            (
                "mistral",
                "\"hidden_size\"",
                "\"layer_types\": [\"full_attention\", \"sliding_attention\"], \"hidden_size\"",
                "`layer_types` has \"full_attention\", wanted \"sliding_attention\" of all",
            ),
            (
                "qwen2",
                "\"hidden_size\"",
                "\"rope_scaling\": \"yarn\", \"hidden_size\"",
                "`rope_scaling` is \"yarn\", wanted an object",
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
