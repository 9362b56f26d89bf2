"""Small models as `transformers` 5.24 writes them, and what it computes with them.

    pip install torch==2.15.0 transformers==5.24.0
    python testdata/hugging_face/make.py [FOLDER_OF_STORIES260K]

Writes beside this file a folder for each of GPT-2, Llama (scaled rotary positions, shared heads), Mistral (a sliding
window), Qwen2 (in two files with an index) with `config.json`, weights drawn at random, and `expected.safetensors`: `tokens
(2, 12)` and `logits (2, 12, V)`. With the folder of the model stories260k also `stories260k.json`: the tokens of a prompt,
the logits after its last one, and the 60 tokens that are each the likeliest.
"""

import json
import shutil
import sys
from pathlib import Path

import torch
from safetensors.torch import save_file
from transformers import (
    AutoModelForCausalLM, AutoTokenizer, GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM, MistralConfig, MistralForCausalLM,
    Qwen2Config, Qwen2ForCausalLM,
)  # fmt: skip

HERE = Path(__file__).resolve().parent

COMMON = dict(
    vocab_size=37, hidden_size=16, intermediate_size=24, num_hidden_layers=2, num_attention_heads=4, max_position_embeddings=64,
    bos_token_id=1, eos_token_id=2,
)  # fmt: skip

LLAMA3 = {
    "rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 16,
    "rope_theta": 1000.0,
}  # fmt: skip

MODELS = {
    "gpt2": lambda: GPT2LMHeadModel(GPT2Config(vocab_size=37, n_embd=16, n_layer=2, n_head=4, n_positions=64, bos_token_id=1, eos_token_id=2)),
    "llama": lambda: LlamaForCausalLM(LlamaConfig(**COMMON, num_key_value_heads=2, rope_parameters=LLAMA3, attention_bias=True)),
    "mistral": lambda: MistralForCausalLM(MistralConfig(**COMMON, num_key_value_heads=2, sliding_window=5, head_dim=6)),
    "qwen2": lambda: Qwen2ForCausalLM(Qwen2Config(**COMMON, num_key_value_heads=1, tie_word_embeddings=True)),
}  # fmt: skip


def write(name, make):
    torch.manual_seed(len(name))
    model = make().eval()
    with torch.no_grad():
        for parameter in model.parameters():
            # Large enough that each part makes a difference, biases and norms among them.
            parameter.add_(0.2 * torch.randn_like(parameter))
    folder = HERE / name
    shutil.rmtree(folder, ignore_errors=True)
    model.save_pretrained(folder, max_shard_size="12KB" if name == "qwen2" else "1GB")
    tokens = torch.randint(37, (2, 12))
    with torch.no_grad():
        logits = model(tokens).logits
    save_file({"tokens": tokens, "logits": logits}, folder / "expected.safetensors")


def stories(folder):
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    prompt = "Once upon a time, there was a little girl named Lily."
    tokens = tokenizer(prompt, return_tensors="pt").input_ids
    with torch.no_grad():
        logits = model(tokens).logits[0, -1]
        text = model.generate(tokens, max_new_tokens=60, do_sample=False)[0, tokens.shape[1] :]
    known = {
        "prompt": prompt,
        "tokens": tokens[0].tolist(),
        "logits": logits.tolist(),
        "greedy": text.tolist(),
        "text": tokenizer.decode(text, skip_special_tokens=True),
    }
    (HERE / "stories260k.json").write_text(json.dumps(known) + "\n")


if __name__ == "__main__":
    for name, make in MODELS.items():
        write(name, make)
    if len(sys.argv) > 1:
        stories(sys.argv[1])
