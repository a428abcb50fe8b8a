"""Small random models of every architecture as GGUF files, with log-probs of transformers in double precision.

Run: python Tests/Oracles/gguf_golden.py Tests/TransformerTests/Golden/gguf [--transformers]

The models are those of architectures_golden.py, changed where a GGUF file cannot say what they are: layers without positions
at other places than every fourth, a query scale of its own, windows on some of Qwen's layers. NAME.gguf is the file, NAME.json
has token sequences and log-probs, made from the model that was written, never from the file. With --transformers, the weights
are also read from the files by transformers, where it knows the architecture, and its log-probs compared; the configuration
is the model's, since transformers leaves out windows and scalings when it reads one from a file.
"""

import json
import sys
from pathlib import Path

import torch
from transformers import AutoConfig, AutoModelForCausalLM

from architectures_golden import COMMON, VARIANTS, VOCABULARY, exact, log_softmax, rope, sequences
from gguf_writing import ARCHITECTURES, GEMMA, write

CHANGES = {
    "llama3": rope("llama3", theta=1e9, factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0,
                   original_max_position_embeddings=8192),
    "qwen2": {"use_sliding_window": False},
    "smollm3": {"num_hidden_layers": 4, "no_rope_layers": [1, 1, 1, 0]},
    "gemma": rope(theta=10000.0),
    "gemma2": {"query_pre_attn_scalar": 8, **rope(theta=10000.0)},
    "gpt2": {"scale_attn_by_inverse_layer_idx": False},
}
# A sequence length inside the scaling, and a vocabulary that no file can hold.
LEFT_OUT = {"llama-dynamic"}


def add_tokenizer(writer, sentencepiece):
    """A vocabulary of single characters; four special tokens first."""
    special = ["<unk>", "<s>", "</s>", "<pad>"]
    letters = [chr(ord("A") + index) for index in range(VOCABULARY - len(special))]
    if sentencepiece:
        letters[0] = "▁"
        writer.add_tokenizer_model("llama")
        writer.add_token_scores([0.0] * 4 + [-float(index) for index in range(len(letters))])
        writer.add_add_space_prefix(False)
    else:
        writer.add_tokenizer_model("gpt2")
        writer.add_tokenizer_pre("smollm")
        letters[-1] = "AB"
        writer.add_token_merges(["A B"])
    writer.add_token_list(special + letters)
    writer.add_token_types([2, 3, 3, 3] + [1] * len(letters))
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_pad_token_id(2)


def make(index, name):
    kind, settings = VARIANTS[name]
    torch.manual_seed(100 + index)
    shapes = {} if kind == "gpt2" else COMMON
    config = AutoConfig.for_model(kind, **{
        **shapes, "vocab_size": VOCABULARY, "initializer_range": 0.25, "bos_token_id": 1, "eos_token_id": 2, **settings,
        **CHANGES.get(name, {})})
    model = AutoModelForCausalLM.from_config(config, dtype=torch.float32, attn_implementation="eager")
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() == 1:
                parameter.add_(0.2 * torch.randn_like(parameter))
            # Exact in the file's bfloat16; norms exact with 1 added.
            parameter.copy_(parameter.bfloat16().float())
            if parameter.dim() == 1:
                parameter.copy_((parameter + 1).half().float() - 1)
    model.config.architectures = [type(model).__name__]
    return model.eval()


def log_probs(model, cases):
    result = []
    with exact(), torch.no_grad():
        for case in cases:
            first, end = case["scored"]
            rows = log_softmax(model, case["tokens"])[first - 1 : end - 1]
            result.append(rows.gather(1, torch.tensor(case["tokens"][first:end])[:, None])[:, 0])
    return result


def main():
    target = Path(sys.argv[1])
    target.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    for index, name in enumerate(VARIANTS):
        if name in LEFT_OUT:
            continue
        model = make(index, name)
        cases = sequences(2000 + index)
        for case in cases:
            del case["coefficients"]
        path = target / f"{name}.gguf"
        write(path, model, lambda writer: add_tokenizer(writer, ARCHITECTURES[type(model).__name__] in GEMMA))
        truth = log_probs(model.double(), cases)
        for case, values in zip(cases, truth):
            case["log_probs"] = values.tolist()
        (target / f"{name}.json").write_text(json.dumps({"architecture": type(model).__name__, "sequences": cases}) + "\n")
        message = f"{name}: {path.stat().st_size // 1024} KB"
        if "--transformers" in sys.argv:
            try:
                other = AutoModelForCausalLM.from_pretrained(
                    target, gguf_file=path.name, config=model.config, dtype=torch.float32, attn_implementation="eager")
                differences = [
                    (one - two).abs().max().item() for one, two in zip(truth, log_probs(other.double().eval(), cases))]
                message += f", transformers' own reading differs by {max(differences):.1e}"
            except Exception as error:
                message += f", transformers does not read it: {str(error).splitlines()[0][:100]}"
        print(message, flush=True)


if __name__ == "__main__":
    main()
