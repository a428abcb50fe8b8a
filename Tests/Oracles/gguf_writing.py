"""Writes a transformers model as a GGUF file, with the keys, names and changes of weights of llama.cpp's converter.

Facts of the format: the gguf package's table of tensor names; which keys the converter writes for which architecture; that it
puts rotated pairs side by side for llama, smollm3 and granite, adds 1 to Gemma's norms, turns GPT-2's matrices.
"""

import math

import gguf
import numpy as np
import torch
from gguf.constants import MODEL_ARCH, GGMLQuantizationType, RopeScalingType

ARCHITECTURES = {
    "LlamaForCausalLM": MODEL_ARCH.LLAMA, "MistralForCausalLM": MODEL_ARCH.LLAMA, "Qwen2ForCausalLM": MODEL_ARCH.QWEN2,
    "Qwen3ForCausalLM": MODEL_ARCH.QWEN3, "SmolLM3ForCausalLM": MODEL_ARCH.SMOLLM3, "GemmaForCausalLM": MODEL_ARCH.GEMMA,
    "Gemma2ForCausalLM": MODEL_ARCH.GEMMA2, "Gemma3ForCausalLM": MODEL_ARCH.GEMMA3, "Phi3ForCausalLM": MODEL_ARCH.PHI3,
    "Olmo2ForCausalLM": MODEL_ARCH.OLMO2, "GraniteForCausalLM": MODEL_ARCH.GRANITE, "GPT2LMHeadModel": MODEL_ARCH.GPT2,
}
NEIGHBOURS = {MODEL_ARCH.LLAMA, MODEL_ARCH.SMOLLM3, MODEL_ARCH.GRANITE}
GEMMA = {MODEL_ARCH.GEMMA, MODEL_ARCH.GEMMA2, MODEL_ARCH.GEMMA3}


def head_dimension(config):
    return getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads


def rope_of(config, kind="full_attention"):
    parameters = config.rope_parameters
    return parameters[kind] if kind in parameters else parameters


def changed(name, values, architecture, config):
    """A tensor as the converter stores it, fp32."""
    values = values.float()
    heads = {"q_proj": config.num_attention_heads, "k_proj": getattr(config, "num_key_value_heads", None)}
    module = name.split(".")[-2]
    if architecture in NEIGHBOURS and module in heads:
        # [head, half, pair, …] → [head, pair, half, …]
        shape = values.shape
        values = values.reshape(heads[module], 2, shape[0] // heads[module] // 2, *shape[1:]).transpose(1, 2).reshape(shape)
    if architecture in GEMMA and name.endswith("norm.weight"):
        values = values + 1
    if architecture == MODEL_ARCH.GPT2 and module in ("c_attn", "c_proj", "c_fc") and name.endswith(".weight"):
        values = values.T
    return values.contiguous().numpy()


def add_keys(writer, config, architecture):
    gpt2 = architecture == MODEL_ARCH.GPT2
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.n_inner if gpt2 else config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    if gpt2:
        writer.add_layer_norm_eps(config.layer_norm_epsilon)
        return
    dimension = head_dimension(config)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    rope = rope_of(config)
    if architecture not in (MODEL_ARCH.GEMMA, MODEL_ARCH.GEMMA2):
        writer.add_rope_freq_base(rope["rope_theta"])
    if architecture in GEMMA or getattr(config, "head_dim", None):
        writer.add_key_length(dimension)
        writer.add_value_length(dimension)
    if architecture in NEIGHBOURS:
        writer.add_rope_dimension_count(dimension)
    if architecture in (MODEL_ARCH.GEMMA2, MODEL_ARCH.GEMMA3):
        if config.final_logit_softcapping:
            writer.add_final_logit_softcapping(config.final_logit_softcapping)
        writer.add_sliding_window(config.sliding_window)
    if architecture == MODEL_ARCH.GEMMA2:
        writer.add_attn_logit_softcapping(config.attn_logit_softcapping)
    if architecture == MODEL_ARCH.GEMMA3:
        writer.add_rope_freq_base_swa(rope_of(config, "sliding_attention")["rope_theta"])
        writer.add_sliding_window_pattern([kind == "sliding_attention" for kind in config.layer_types])
    if config.architectures[0] == "MistralForCausalLM":
        writer.add_sliding_window(config.sliding_window)
    if architecture == MODEL_ARCH.GRANITE:
        writer.add_attention_scale(config.attention_multiplier)
        writer.add_embedding_scale(config.embedding_multiplier)
        writer.add_residual_scale(config.residual_multiplier)
        writer.add_logit_scale(config.logits_scaling)
    if architecture == MODEL_ARCH.PHI3:
        rotated = int(dimension * rope.get("partial_rotary_factor", 1))
        original = rope.get("original_max_position_embeddings", config.max_position_embeddings)
        writer.add_rope_scaling_orig_ctx_len(original)
        writer.add_rope_dimension_count(rotated)
        writer.add_sliding_window(config.sliding_window or 0)
        if rope["rope_type"] == "longrope":
            scale = config.max_position_embeddings / original
            writer.add_rope_scaling_attn_factors(
                math.sqrt(1 + math.log(scale) / math.log(original)) if scale > 1 else 1.0)
            writer.add_tensor("rope_factors_long.weight", np.array(rope["long_factor"], dtype=np.float32))
            writer.add_tensor("rope_factors_short.weight", np.array(rope["short_factor"], dtype=np.float32))
        return
    if rope["rope_type"] == "linear":
        writer.add_rope_scaling_type(RopeScalingType.LINEAR)
        writer.add_rope_scaling_factor(rope["factor"])
    elif rope["rope_type"] == "yarn":
        writer.add_rope_scaling_type(RopeScalingType.YARN)
        writer.add_rope_scaling_factor(rope["factor"])
        writer.add_rope_scaling_orig_ctx_len(rope["original_max_position_embeddings"])
        writer.add_rope_scaling_yarn_beta_fast(rope["beta_fast"])
        writer.add_rope_scaling_yarn_beta_slow(rope["beta_slow"])
        if "attention_factor" in rope:
            writer.add_rope_scaling_yarn_attn_factor(rope["attention_factor"])
    elif rope["rope_type"] == "llama3":
        writer.add_tensor("rope_freqs.weight", llama3_divisors(rope, dimension))


def llama3_divisors(rope, dimension):
    """By what each frequency is divided: 1 for short wavelengths, the factor for long ones, in between a blend."""
    frequencies = 1 / rope["rope_theta"] ** (np.arange(0, dimension, 2, dtype=np.float32) / dimension)
    turns = rope["original_max_position_embeddings"] * frequencies / (2 * np.pi)
    low, high, factor = rope["low_freq_factor"], rope["high_freq_factor"], rope["factor"]
    share = np.clip((turns - low) / (high - low), 0, 1)
    return (1 / ((1 - share) / factor + share)).astype(np.float32)


def write(path, model, add_tokenizer, matrices=GGMLQuantizationType.BF16):
    """`add_tokenizer(writer)` adds the vocabulary. Matrices are stored as `matrices`, everything else as fp32."""
    config = model.config
    architecture = ARCHITECTURES[type(model).__name__]
    writer = gguf.GGUFWriter(path, gguf.MODEL_ARCH_NAMES[architecture])
    add_keys(writer, config, architecture)
    add_tokenizer(writer)
    names = gguf.get_tensor_name_map(architecture, config.num_hidden_layers)
    tied = config.tie_word_embeddings
    for name, tensor in model.state_dict().items():
        if tied and name == "lm_head.weight" or name.endswith((".attn.bias", ".attn.masked_bias")):
            continue
        base, suffix = name.rsplit(".", 1)
        values = changed(name, tensor, architecture, config)
        stored = f"{names.get_name(base)}.{suffix}"
        if values.ndim == 2 and matrices != GGMLQuantizationType.F32:
            writer.add_tensor(stored, gguf.quants.quantize(values, matrices), raw_dtype=matrices)
        else:
            writer.add_tensor(stored, values)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
