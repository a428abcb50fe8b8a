"""Small random models of every architecture, with log-probs and gradients from PyTorch in double precision.

Run: python Tests/Oracles/architectures_golden.py Tests/TransformerTests/Golden/architectures

For each variant: config.json and model.safetensors (bf16) as transformers saves them, golden.json with sequences, scored
spans, coefficients, log-probs and one row of logits as log-softmax, gradients.safetensors with the gradient of
Σ coefficient · log-prob over all sequences. One sequence per call, without padding.

The sequences share a prompt. One passes every window and every length at which rotary embeddings change, one passes
neither. Transformers rounds to fp32 inside norms, rotary embeddings and softmax: while the truth is computed, casts to
fp32 are casts to fp64.
"""

import json
import shutil
import sys
from contextlib import contextmanager
from pathlib import Path

import torch
from safetensors.torch import save_file
from transformers import AutoConfig, AutoModelForCausalLM

VOCABULARY = 40
COMMON = {
    "vocab_size": VOCABULARY, "hidden_size": 16, "intermediate_size": 20, "num_hidden_layers": 2,
    "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 64, "initializer_range": 0.25,
    "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 2,
}


def rope(kind="default", theta=100.0, **more):
    return {"rope_parameters": {"rope_type": kind, "rope_theta": theta, **more}}


PHI = {"short_factor": [1.0, 1.5], "long_factor": [2.0, 5.0], "original_max_position_embeddings": 16}
VARIANTS = {
    "llama-linear": ("llama", rope("linear", factor=4.0)),
    "llama-dynamic": ("llama", {"max_position_embeddings": 16, **rope("dynamic", factor=3.0)}),
    "llama-yarn": ("llama", rope("yarn", factor=4.0, original_max_position_embeddings=16, beta_fast=2.0, beta_slow=0.25)),
    "llama3": ("llama", rope(
        "llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0, original_max_position_embeddings=32)),
    "mistral": ("mistral", {"sliding_window": 5, "head_dim": 6, **rope()}),
    "qwen2": ("qwen2", {
        "use_sliding_window": True, "sliding_window": 6, "max_window_layers": 1, "tie_word_embeddings": True, **rope()}),
    "qwen3": ("qwen3", {"head_dim": 8, "attention_bias": True, **rope()}),
    "smollm3": ("smollm3", {
        "no_rope_layers": [1, 0], "use_sliding_window": False, "tie_word_embeddings": True, **rope()}),
    "gemma": ("gemma", {"head_dim": 8, "hidden_act": "gelu_pytorch_tanh", "tie_word_embeddings": True, **rope()}),
    "gemma2": ("gemma2", {
        "head_dim": 8, "sliding_window": 7, "query_pre_attn_scalar": 12, "attn_logit_softcapping": 2.0,
        "final_logit_softcapping": 3.0, "hidden_activation": "gelu_pytorch_tanh", **rope()}),
    "gemma3": ("gemma3_text", {
        "head_dim": 8, "sliding_window": 4, "num_hidden_layers": 3, "query_pre_attn_scalar": 8,
        "hidden_activation": "gelu_pytorch_tanh",
        "layer_types": ["sliding_attention", "full_attention", "sliding_attention"],
        "rope_parameters": {
            "sliding_attention": {"rope_type": "default", "rope_theta": 50.0},
            "full_attention": {"rope_type": "linear", "factor": 2.0, "rope_theta": 200.0},
        }}),
    "phi3": ("phi3", {"sliding_window": 9, **rope()}),
    "phi3-longrope": ("phi3", {"original_max_position_embeddings": 16, **rope("longrope", **PHI)}),
    "phi4-mini": ("phi3", {
        "hidden_size": 32, "original_max_position_embeddings": 16, "tie_word_embeddings": True,
        **rope("longrope", partial_rotary_factor=0.5, **PHI)}),
    "olmo2": ("olmo2", {"hidden_act": "silu", **rope()}),
    "granite": ("granite", {
        "embedding_multiplier": 3.0, "logits_scaling": 1.5, "residual_multiplier": 0.4, "attention_multiplier": 0.3,
        "attention_bias": True, "mlp_bias": True, **rope()}),
    "gpt2": ("gpt2", {
        "n_embd": 16, "n_layer": 2, "n_head": 4, "n_positions": 64, "n_inner": 24, "activation_function": "gelu_new",
        "resid_pdrop": 0.0, "embd_pdrop": 0.0, "attn_pdrop": 0.0, "scale_attn_by_inverse_layer_idx": True}),
}


@contextmanager
def exact():
    """Casts to fp32 become casts to fp64."""
    to, as_float, softmax = torch.Tensor.to, torch.Tensor.float, torch.nn.functional.softmax

    def widened(value):
        return torch.float64 if value is torch.float32 else value

    def wide_to(self, *arguments, **options):
        return to(self, *map(widened, arguments), **{name: widened(value) for name, value in options.items()})

    def wide_softmax(values, *arguments, dtype=None, **options):
        return softmax(values, *arguments, dtype=widened(dtype), **options)

    torch.Tensor.to, torch.Tensor.float, torch.nn.functional.softmax = wide_to, torch.Tensor.double, wide_softmax
    try:
        yield
    finally:
        torch.Tensor.to, torch.Tensor.float, torch.nn.functional.softmax = to, as_float, softmax


def sequences(seed):
    generator = torch.Generator().manual_seed(seed)

    def tokens(count):
        return torch.randint(3, VOCABULARY, (count,), generator=generator).tolist()

    prompt = [1] + tokens(8)
    cases = []
    # 9 + 5 tokens stay below every threshold of 16, 9 + 16 and 9 + 21 pass it; the padding token occurs in each.
    for count in (5, 16, 21):
        response = tokens(count - 1) + [2]
        coefficients = torch.randn(count, generator=generator).tolist()
        cases.append({"tokens": prompt + response, "scored": [len(prompt), len(prompt) + count], "coefficients": coefficients})
    return cases


def log_softmax(model, tokens):
    """log π over the vocabulary after every token, [T, V]."""
    return torch.log_softmax(model(torch.tensor([tokens]), use_cache=False).logits[0], dim=-1)


def golden(model, seed):
    cases = sequences(seed)
    with exact():
        for case in cases:
            first, end = case["scored"]
            rows = log_softmax(model, case["tokens"])[first - 1 : end - 1]
            targets = torch.tensor(case["tokens"][first:end])
            log_probs = rows.gather(1, targets[:, None])[:, 0]
            (log_probs * torch.tensor(case["coefficients"], dtype=log_probs.dtype)).sum().backward()
            case["log_probs"] = log_probs.tolist()
        with torch.no_grad():
            last = log_softmax(model, cases[-1]["tokens"])[-1].tolist()
    return {"sequences": cases, "log_softmax_after_last": last}


def main():
    target = Path(sys.argv[1])
    torch.set_num_threads(1)
    for index, (name, (kind, settings)) in enumerate(VARIANTS.items()):
        folder = target / name
        shutil.rmtree(folder, ignore_errors=True)
        torch.manual_seed(index)
        shapes = {} if kind == "gpt2" else COMMON
        config = AutoConfig.for_model(kind, **{**shapes, "vocab_size": VOCABULARY, "initializer_range": 0.25,
                                               "bos_token_id": 1, "eos_token_id": 2, **settings})
        model = AutoModelForCausalLM.from_config(config, dtype=torch.float32, attn_implementation="eager")
        with torch.no_grad():
            for parameter_name, parameter in model.named_parameters():
                # Norms and biases start as constants, which would hide mistakes.
                if parameter.dim() == 1:
                    parameter.add_(0.2 * torch.randn_like(parameter))
        model.to(torch.bfloat16).save_pretrained(folder)
        model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager")
        result = golden(model.double().eval(), seed=1000 + index)
        gradients = {key: value.grad.float().contiguous() for key, value in model.named_parameters()}
        save_file(gradients, folder / "gradients.safetensors")
        (folder / "generation_config.json").unlink(missing_ok=True)
        (folder / "golden.json").write_text(json.dumps(result, indent=1) + "\n")
        size = sum(path.stat().st_size for path in folder.iterdir())
        print(f"{name}: {sum(p.numel() for p in model.parameters())} parameters, {size // 1024} KB")


if __name__ == "__main__":
    main()
