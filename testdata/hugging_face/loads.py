"""Whether `transformers` 5.24 loads what Eras writes, and says the same.

    pip install torch==2.15.0 transformers==5.24.0
    eras export RUN --out FOLDER
    python testdata/hugging_face/loads.py target/release/eras FOLDER "Once upon a time"

Lets both go on from the prompt, 60 tokens, each time with the likeliest one; ends with an error where the texts differ.
"""

import json
import subprocess
import sys

import torch
from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast

COUNT = 60


def main():
    eras, folder, prompt = sys.argv[1:]
    model, report = AutoModelForCausalLM.from_pretrained(folder, output_loading_info=True)
    odd = {kind: names for kind, names in report.items() if names}
    if odd:
        sys.exit(f"{folder}: {odd}")
    tokenizer = PreTrainedTokenizerFast.from_pretrained(folder)
    tokens = tokenizer(prompt, return_tensors="pt").input_ids
    with torch.no_grad():
        told = model.generate(tokens, max_new_tokens=COUNT, do_sample=False, pad_token_id=0)[0, tokens.shape[1] :]
    command = [eras, "generate", folder, "-p", prompt, "-n", str(COUNT), "--temperature", "0", "--format", "json"]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    ours = json.loads(said.splitlines()[-1])["text"].strip()
    theirs = tokenizer.decode(told, skip_special_tokens=True).strip()
    if ours != theirs:
        sys.exit(f"transformers: {theirs!r}\neras: {ours!r}")
    print(f"the same {len(told)} tokens: {ours!r}")


if __name__ == "__main__":
    main()
