"""What transformers makes of the config.json files that the makers of models publish.

Run: python Tests/Oracles/configurations_golden.py > Tests/ModelDescriptionTests/Golden/configurations.json

The files are written here from what is known of the published ones: old and new names, null, missing and surplus keys.
Every one is loaded by AutoConfig from a file and built on the meta device; the truth is read off the model's modules, and
off its rotary embedding after texts of three lengths. One file of each architecture is there once more as
transformers 5 saves it.
"""

import json
import logging
import tempfile
from pathlib import Path

import torch
from transformers import AutoConfig, AutoModelForCausalLM

LENGTHS = (100, 5000, 150_000)


def llama(**more):
    return {
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "bos_token_id": 1, "eos_token_id": 2, "hidden_act": "silu",
        "hidden_size": 4096, "intermediate_size": 11008, "initializer_range": 0.02, "max_position_embeddings": 4096,
        "num_attention_heads": 32, "num_hidden_layers": 32, "num_key_value_heads": 32, "pretraining_tp": 1,
        "rms_norm_eps": 1e-05, "rope_scaling": None, "tie_word_embeddings": False, "torch_dtype": "float16",
        "transformers_version": "4.31.0", "use_cache": True, "vocab_size": 32000, **more,
    }


def llama3(**more):
    return llama(
        attention_bias=False, attention_dropout=0.0, bos_token_id=128000, eos_token_id=128001, intermediate_size=14336,
        max_position_embeddings=8192, num_key_value_heads=8, rope_theta=500000.0, vocab_size=128256, torch_dtype="bfloat16",
    ) | more


def stretched(factor):
    return {
        "factor": factor, "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 8192,
        "rope_type": "llama3",
    }


def mistral(**more):
    return {
        "architectures": ["MistralForCausalLM"], "model_type": "mistral", "bos_token_id": 1, "eos_token_id": 2,
        "hidden_act": "silu", "hidden_size": 4096, "intermediate_size": 14336, "max_position_embeddings": 32768,
        "num_attention_heads": 32, "num_hidden_layers": 32, "num_key_value_heads": 8, "rms_norm_eps": 1e-05,
        "rope_theta": 10000.0, "sliding_window": 4096, "tie_word_embeddings": False, "torch_dtype": "bfloat16",
        "vocab_size": 32000, **more,
    }


def qwen2(**more):
    return {
        "architectures": ["Qwen2ForCausalLM"], "model_type": "qwen2", "attention_dropout": 0.0, "bos_token_id": 151643,
        "eos_token_id": 151645, "hidden_act": "silu", "hidden_size": 896, "intermediate_size": 4864,
        "max_position_embeddings": 32768, "max_window_layers": 21, "num_attention_heads": 14, "num_hidden_layers": 24,
        "num_key_value_heads": 2, "rms_norm_eps": 1e-06, "rope_theta": 1000000.0, "sliding_window": 32768,
        "tie_word_embeddings": True, "torch_dtype": "bfloat16", "use_sliding_window": False, "vocab_size": 151936, **more,
    }


def qwen3(**more):
    return {
        "architectures": ["Qwen3ForCausalLM"], "model_type": "qwen3", "attention_bias": False, "attention_dropout": 0.0,
        "bos_token_id": 151643, "eos_token_id": 151645, "head_dim": 128, "hidden_act": "silu", "hidden_size": 1024,
        "intermediate_size": 3072, "max_position_embeddings": 40960, "max_window_layers": 28, "num_attention_heads": 16,
        "num_hidden_layers": 28, "num_key_value_heads": 8, "rms_norm_eps": 1e-06, "rope_scaling": None,
        "rope_theta": 1000000, "sliding_window": None, "tie_word_embeddings": True, "torch_dtype": "bfloat16",
        "use_sliding_window": False, "vocab_size": 151936, **more,
    }


def gemma(**more):
    return {
        "architectures": ["GemmaForCausalLM"], "model_type": "gemma", "attention_bias": False, "bos_token_id": 2,
        "eos_token_id": 1, "head_dim": 256, "hidden_act": "gelu", "hidden_size": 2048, "intermediate_size": 16384,
        "max_position_embeddings": 8192, "num_attention_heads": 8, "num_hidden_layers": 18, "num_key_value_heads": 1,
        "pad_token_id": 0, "rms_norm_eps": 1e-06, "rope_scaling": None, "rope_theta": 10000.0, "torch_dtype": "bfloat16",
        "vocab_size": 256000, **more,
    }


def gemma2(**more):
    return {
        "architectures": ["Gemma2ForCausalLM"], "model_type": "gemma2", "attention_bias": False,
        "attn_logit_softcapping": 50.0, "bos_token_id": 2, "cache_implementation": "hybrid", "eos_token_id": 1,
        "final_logit_softcapping": 30.0, "head_dim": 256, "hidden_act": "gelu_pytorch_tanh",
        "hidden_activation": "gelu_pytorch_tanh", "hidden_size": 3584, "intermediate_size": 14336,
        "max_position_embeddings": 8192, "num_attention_heads": 16, "num_hidden_layers": 42, "num_key_value_heads": 8,
        "pad_token_id": 0, "query_pre_attn_scalar": 256, "rms_norm_eps": 1e-06, "rope_theta": 10000.0,
        "sliding_window": 4096, "sliding_window_size": 4096, "torch_dtype": "bfloat16", "vocab_size": 256000, **more,
    }


def gemma3(**more):
    return {
        "architectures": ["Gemma3ForCausalLM"], "model_type": "gemma3_text", "attention_bias": False,
        "attn_logit_softcapping": None, "bos_token_id": 2, "cache_implementation": "hybrid", "eos_token_id": [1, 106],
        "final_logit_softcapping": None, "head_dim": 256, "hidden_activation": "gelu_pytorch_tanh", "hidden_size": 1152,
        "intermediate_size": 6912, "max_position_embeddings": 32768, "num_attention_heads": 4, "num_hidden_layers": 26,
        "num_key_value_heads": 1, "pad_token_id": 0, "query_pre_attn_scalar": 256, "rms_norm_eps": 1e-06,
        "rope_local_base_freq": 10000, "rope_scaling": None, "rope_theta": 1000000, "sliding_window": 512,
        "sliding_window_pattern": 6, "torch_dtype": "bfloat16", "vocab_size": 262144, **more,
    }


def phi3(**more):
    return {
        "architectures": ["Phi3ForCausalLM"], "model_type": "phi3", "attention_bias": False, "attention_dropout": 0.0,
        "auto_map": {"AutoConfig": "configuration_phi3.Phi3Config", "AutoModelForCausalLM": "modeling_phi3.Phi3ForCausalLM"},
        "bos_token_id": 1, "embd_pdrop": 0.0, "eos_token_id": 32000, "hidden_act": "silu", "hidden_size": 3072,
        "intermediate_size": 8192, "max_position_embeddings": 4096, "num_attention_heads": 32, "num_hidden_layers": 32,
        "num_key_value_heads": 32, "original_max_position_embeddings": 4096, "pad_token_id": 32000, "resid_pdrop": 0.0,
        "rms_norm_eps": 1e-05, "rope_scaling": None, "rope_theta": 10000.0, "sliding_window": 2047,
        "tie_word_embeddings": False, "torch_dtype": "bfloat16", "vocab_size": 32064, **more,
    }


def long_factors(count, kind="longrope"):
    return {
        "short_factor": [round(1 + 0.02 * index, 2) for index in range(count)],
        "long_factor": [round(1 + 0.5 * index, 2) for index in range(count)], "type": kind,
    }


def phi3_long(count=48, kind="longrope", **more):
    return phi3(max_position_embeddings=131072, sliding_window=262144, rope_scaling=long_factors(count, kind)) | more


def olmo2(**more):
    return {
        "architectures": ["Olmo2ForCausalLM"], "model_type": "olmo2", "attention_bias": False, "eos_token_id": 100257,
        "hidden_act": "silu", "hidden_size": 4096, "intermediate_size": 11008, "max_position_embeddings": 4096,
        "num_attention_heads": 32, "num_hidden_layers": 32, "num_key_value_heads": 32, "pad_token_id": 100277,
        "rms_norm_eps": 1e-06, "rope_scaling": None, "rope_theta": 500000, "tie_word_embeddings": False,
        "torch_dtype": "bfloat16", "vocab_size": 100352, **more,
    }


def granite(**more):
    return {
        "architectures": ["GraniteForCausalLM"], "model_type": "granite", "attention_bias": False,
        "attention_multiplier": 0.015625, "bos_token_id": 0, "embedding_multiplier": 12.0, "eos_token_id": 0,
        "hidden_act": "silu", "hidden_size": 2048, "intermediate_size": 8192, "logits_scaling": 8.0,
        "max_position_embeddings": 4096, "mlp_bias": False, "num_attention_heads": 32, "num_hidden_layers": 40,
        "num_key_value_heads": 8, "pad_token_id": 0, "residual_multiplier": 0.22, "rms_norm_eps": 1e-05,
        "rope_scaling": None, "rope_theta": 10000.0, "tie_word_embeddings": True, "torch_dtype": "bfloat16",
        "vocab_size": 49155, **more,
    }


def gpt2(**more):
    return {
        "activation_function": "gelu_new", "architectures": ["GPT2LMHeadModel"], "attn_pdrop": 0.1, "bos_token_id": 50256,
        "embd_pdrop": 0.1, "eos_token_id": 50256, "layer_norm_epsilon": 1e-05, "model_type": "gpt2", "n_ctx": 1024,
        "n_embd": 768, "n_head": 12, "n_layer": 12, "n_positions": 1024, "resid_pdrop": 0.1, "summary_use_proj": True,
        "vocab_size": 50257, **more,
    }


def without(config, *keys):
    return {key: value for key, value in config.items() if key not in keys}


SMOLLM3 = {
    "architectures": ["SmolLM3ForCausalLM"], "model_type": "smollm3", "attention_bias": False, "bos_token_id": None,
    "eos_token_id": 128012, "hidden_act": "silu", "hidden_size": 2048, "intermediate_size": 11008,
    "layer_types": ["full_attention"] * 36, "max_position_embeddings": 65536, "max_window_layers": 28, "mlp_bias": False,
    "no_rope_layer_interval": 4, "no_rope_layers": [1, 1, 1, 0] * 9, "num_attention_heads": 16, "num_hidden_layers": 36,
    "num_key_value_heads": 4, "pad_token_id": 128004, "rms_norm_eps": 1e-06, "rope_scaling": None,
    "rope_theta": 5000000.0, "sliding_window": None, "torch_dtype": "bfloat16", "use_sliding_window": False,
    "vocab_size": 128256,
}

FILES = {
    "Llama 1": without(llama(pad_token_id=-1, max_position_embeddings=2048, rms_norm_eps=1e-06),
                       "num_key_value_heads", "rope_scaling", "pretraining_tp"),
    "Llama 2 7B": llama(pad_token_id=0),
    "Llama 2 70B": llama(hidden_size=8192, intermediate_size=28672, num_attention_heads=64, num_hidden_layers=80,
                         num_key_value_heads=8),
    "Code Llama 7B": llama(rope_theta=1000000, vocab_size=32016, max_position_embeddings=16384),
    "Vicuna 16K": llama(rope_scaling={"factor": 4.0, "type": "linear"}),
    "dynamic NTK": llama(rope_scaling={"factor": 2.0, "type": "dynamic"}),
    "Yarn-Llama-2 64K": llama(
        max_position_embeddings=65536,
        rope_scaling={"factor": 16.0, "finetuned": True, "original_max_position_embeddings": 4096, "type": "yarn"}),
    "YaRN without original length": llama(rope_scaling={"factor": 4.0, "rope_type": "yarn", "attention_factor": 1.1}),
    "Llama 3 8B": llama3(),
    "Llama 3.1 8B": llama3(
        eos_token_id=[128001, 128008, 128009], max_position_embeddings=131072, mlp_bias=False, rope_scaling=stretched(8.0)),
    "Llama 3.2 1B": llama3(
        head_dim=64, hidden_size=2048, intermediate_size=8192, max_position_embeddings=131072, num_hidden_layers=16,
        rope_scaling=stretched(32.0), tie_word_embeddings=True),
    "SmolLM2 135M": llama(
        bos_token_id=1, eos_token_id=2, pad_token_id=2, hidden_size=576, intermediate_size=1536,
        max_position_embeddings=8192, num_attention_heads=9, num_hidden_layers=30, num_key_value_heads=3,
        rope_interleaved=False, rope_theta=100000, tie_word_embeddings=True, vocab_size=49152, is_llama_config=True,
        **{"transformers.js_config": {"kv_cache_dtype": {"q4f16": "float16"}}}),
    "a Llama with a window that its class ignores": llama(sliding_window=4096),
    "a Llama without architectures": without(llama(), "architectures"),
    "SmolLM3 3B": SMOLLM3,
    "SmolLM3, few keys": without(SMOLLM3, "layer_types", "no_rope_layers", "pad_token_id", "rope_theta", "num_key_value_heads"),
    "Mistral 7B 0.1": mistral(),
    "Mistral 7B 0.3": mistral(vocab_size=32768, rope_theta=1000000.0, sliding_window=None),
    "Mistral Nemo": mistral(
        head_dim=128, hidden_size=5120, max_position_embeddings=1024000, num_hidden_layers=40, rope_theta=1000000.0,
        sliding_window=None, vocab_size=131072),
    "Mistral, few keys": without(mistral(), "sliding_window", "rope_theta", "num_key_value_heads", "max_position_embeddings"),
    "Qwen 2.5 0.5B": qwen2(),
    "Qwen 2 7B": qwen2(
        hidden_size=3584, intermediate_size=18944, max_window_layers=28, num_attention_heads=28, num_hidden_layers=28,
        num_key_value_heads=4, sliding_window=131072, tie_word_embeddings=False, vocab_size=152064),
    "Qwen 2.5 with YaRN": qwen2(
        rope_scaling={"factor": 4.0, "original_max_position_embeddings": 32768, "type": "yarn"}),
    "Qwen 2 with a window": qwen2(use_sliding_window=True, sliding_window=1024),
    "Qwen 2, few keys": without(qwen2(), "sliding_window", "use_sliding_window", "max_window_layers", "tie_word_embeddings"),
    "Qwen 3 0.6B": qwen3(),
    "Qwen 3 with YaRN": qwen3(
        rope_scaling={"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32768}),
    "Qwen 3, few keys": without(qwen3(), "head_dim", "tie_word_embeddings", "attention_bias", "sliding_window"),
    "Gemma 2B": gemma(),
    "Gemma 2B, null": gemma(hidden_activation=None),
    "Gemma 1.1 7B": gemma(
        hidden_act="gelu_pytorch_tanh", hidden_activation="gelu_pytorch_tanh", hidden_size=3072, intermediate_size=24576,
        num_attention_heads=16, num_hidden_layers=28, num_key_value_heads=16),
    "Gemma 2 9B": gemma2(),
    "Gemma 2 27B": gemma2(
        head_dim=128, hidden_size=4608, intermediate_size=36864, num_attention_heads=32, num_hidden_layers=46,
        num_key_value_heads=16, query_pre_attn_scalar=144),
    "Gemma 3 1B": gemma3(),
    "Gemma 3 270M": without(gemma3(
        _sliding_window_pattern=6, eos_token_id=1, hidden_size=640, intermediate_size=2048, num_hidden_layers=18,
        layer_types=(["sliding_attention"] * 5 + ["full_attention"]) * 3, use_bidirectional_attention=False),
        "sliding_window_pattern", "cache_implementation"),
    "Gemma 3 4B, text alone": gemma3(
        hidden_size=2560, intermediate_size=10240, num_attention_heads=8, num_hidden_layers=34, num_key_value_heads=4,
        max_position_embeddings=131072, rope_scaling={"factor": 8.0, "rope_type": "linear"}, sliding_window=1024,
        vocab_size=262208),
    "Gemma 3, few keys": without(gemma3(), "rope_local_base_freq", "rope_theta", "sliding_window", "sliding_window_pattern",
                                 "hidden_activation", "head_dim", "query_pre_attn_scalar", "num_key_value_heads"),
    "Phi 3 mini 4K": phi3(),
    "Phi 3 mini 128K": phi3_long(),
    # Early files; without the length inside the object transformers 5 refuses them.
    "Phi 3 mini 128K, early": phi3_long(
        rope_scaling=long_factors(48, "su") | {"original_max_position_embeddings": 4096}),
    "Phi 3.5 mini, original length inside": without(
        phi3_long(rope_scaling=long_factors(48) | {"original_max_position_embeddings": 2048}),
        "original_max_position_embeddings"),
    "Phi 4": phi3(
        bos_token_id=100257, eos_token_id=100265, hidden_size=5120, intermediate_size=17920, max_position_embeddings=16384,
        num_attention_heads=40, num_hidden_layers=40, num_key_value_heads=10, original_max_position_embeddings=16384,
        pad_token_id=100349, rope_theta=250000, sliding_window=None, vocab_size=100352),
    "Phi 4 mini": phi3_long(
        bos_token_id=199999, eos_token_id=199999, full_attn_mod=1, interpolate_factor=1, lm_head_bias=False, mlp_bias=False,
        num_attention_heads=24, num_key_value_heads=8, pad_token_id=199999, partial_rotary_factor=0.75,
        tie_word_embeddings=True, vocab_size=200064),
    "OLMo 2 7B": olmo2(),
    "OLMo 2 32B": olmo2(hidden_size=5120, intermediate_size=27648, num_attention_heads=40, num_hidden_layers=64,
                        num_key_value_heads=8),
    "OLMo 2, few keys": without(olmo2(), "num_key_value_heads", "rms_norm_eps", "pad_token_id", "rope_theta"),
    "Granite 3.0 2B": granite(),
    "Granite 3.1 8B": granite(
        attention_multiplier=0.0078125, hidden_size=4096, intermediate_size=12800, logits_scaling=16.0,
        max_position_embeddings=131072, rope_theta=10000000.0),
    "Granite, few keys": without(granite(), "attention_multiplier", "embedding_multiplier", "logits_scaling",
                                 "residual_multiplier", "tie_word_embeddings"),
    "GPT-2": gpt2(),
    "GPT-2 XL": gpt2(n_embd=1600, n_head=25, n_layer=48),
    "Cerebras-GPT 111M": gpt2(
        activation_function="gelu", n_embd=768, n_inner=3072, n_layer=10, n_positions=2048, resid_pdrop=0.0,
        reorder_and_upcast_attn=False, scale_attn_by_inverse_layer_idx=False, scale_attn_weights=True),
    "GPT-2, layer by layer": gpt2(scale_attn_by_inverse_layer_idx=True, tie_word_embeddings=False),
}


def saved_by_transformers_5(config):
    with tempfile.TemporaryDirectory() as folder:
        config.save_pretrained(folder)
        return json.loads((Path(folder) / "config.json").read_text())


def load(file):
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "config.json").write_text(json.dumps(file))
        return AutoConfig.from_pretrained(folder)


def sampled(values):
    count = len(values)
    return [values[index].item() for index in sorted({0, 1, count // 4, count // 2, 3 * count // 4, count - 1})]


def frequencies(config, model):
    """For every rope of the model and every length: samples of the inverse frequencies, and cosine's factor."""
    kind = type(getattr(model.model, "rotary_emb", None)) if hasattr(model, "model") else None
    if kind is None or kind is type(None):
        return {}
    result = {}
    for layer_type in ("full_attention", "sliding_attention") if config.model_type == "gemma3_text" else (None,):
        found = []
        for length in LENGTHS:
            rotary = kind(config)
            positions = torch.arange(length)[None]
            arguments = (torch.zeros(1), positions) + ((layer_type,) if layer_type else ())
            rotary(*arguments)
            prefix = f"{layer_type}_" if layer_type else ""
            found.append(sampled(getattr(rotary, f"{prefix}inv_freq")))
            factor = getattr(rotary, f"{prefix}attention_scaling")
        result[layer_type or "all"] = {"count": len(getattr(rotary, f"{prefix}inv_freq")), "samples": found, "factor": factor}
    return result


def truth(config):
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config, attn_implementation="eager")
    text = model.get_decoder()
    layers = text.h if config.model_type == "gpt2" else text.layers
    attentions = [layer.attn if config.model_type == "gpt2" else layer.self_attn for layer in layers]
    slides = config.model_type in ("mistral", "phi3")
    windows = [
        config.sliding_window
        if slides or (getattr(config, "layer_types", None) or ["full_attention"] * len(layers))[index] == "sliding_attention"
        else None
        for index in range(len(layers))
    ]
    if config.model_type == "gpt2":
        dimension = config.n_embd // config.n_head
        scales = [dimension**-0.5 / (index + 1 if config.scale_attn_by_inverse_layer_idx else 1) for index in range(len(layers))]
    else:
        scales = [attention.scaling for attention in attentions]
    mlp = layers[0].mlp
    activation = getattr(mlp, "act", None) or getattr(mlp, "act_fn", None) or mlp.activation_fn
    # Not what it is called but what it does.
    values = activation(torch.tensor([-1.5, 0.5, 2.0]))
    first = {name: list(value.shape) for name, value in model.named_parameters() if ".0." in name}
    others = {name: list(value.shape) for name, value in model.named_parameters() if not any(f".{i}." in name for i in range(200))}
    embedding = model.get_input_embeddings()
    norm = next(module for name, module in model.named_modules() if "norm" in name or "ln_" in name)
    return {
        "architecture": type(model).__name__, "parameters": sum(value.numel() for value in model.parameters()),
        "tensors": first | others, "windows": windows, "scales": [float(scale) for scale in scales],
        "has_rope": [getattr(attention, "use_rope", 1) != 0 for attention in attentions],
        "activation": values.tolist(), "padding": embedding.padding_idx,
        "epsilon": getattr(norm, "variance_epsilon", None) or norm.eps,
        "embedding_scale": float(getattr(embedding, "scalar_embed_scale", None) or getattr(text, "embedding_multiplier", 1.0)),
        "score_cap": getattr(config, "attn_logit_softcapping", None),
        "logit_cap": getattr(config, "final_logit_softcapping", None),
        "logit_divisor": float(getattr(config, "logits_scaling", 1.0)),
        "residual_scale": float(getattr(config, "residual_multiplier", 1.0)),
        "ropes": frequencies(config, model),
    }


def compact(value):
    """Runs of equal elements as [element, count]."""
    runs = []
    for element in value:
        if runs and runs[-1][0] == element:
            runs[-1][1] += 1
        else:
            runs.append([element, 1])
    return runs


def main():
    logging.disable(logging.WARNING)
    torch.set_num_threads(1)
    cases, saved = [], set()
    for name, file in FILES.items():
        config = load(file)
        result = truth(config)
        for key in ("windows", "scales", "has_rope"):
            result[key] = compact(result[key])
        is_first = config.model_type not in saved
        if not is_first:
            # Names are those of the first; the count of all elements tells the shapes.
            del result["tensors"]
        cases.append({"name": name, "file": file, "truth": result})
        if is_first or "rope_type" in str(file.get("rope_scaling")):
            saved.add(config.model_type)
            cases.append({"name": f"{name}, saved by transformers 5", "file": saved_by_transformers_5(config), "same": name})
    print("[\n" + ",\n".join(json.dumps(case) for case in cases) + "\n]")


if __name__ == "__main__":
    main()
