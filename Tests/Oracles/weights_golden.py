"""Small weight files and what PyTorch and the gguf package read from them.

Run: python Tests/Oracles/weights_golden.py Tests/ModelFilesTests/Golden

quantised.gguf       random blocks of every type that is read, and metadata of every kind
quantised.safetensors  the same tensors as `gguf.quants.dequantize` expands them
rounding.safetensors   numbers in fp32 and as PyTorch rounds them to bfloat16 and float16
tiny.gguf            a Llama of random weights with a byte-level BPE, as llama.cpp's converter would write it
tiny/                the same model as a Hugging Face folder
"""

import json
import sys
from pathlib import Path

import gguf
import numpy as np
import torch
from gguf.constants import GGML_QUANT_SIZES, GGMLQuantizationType as Type
from safetensors.numpy import save_file
from safetensors.torch import save_file as save_torch_file
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

target = Path(sys.argv[1])
random = np.random.default_rng(7)


def blocks(kind, rows, columns):
    """Random bytes whose scales are finite halves of both signs, one of them subnormal."""
    if kind == Type.F32:
        return random.standard_normal((rows, columns)).astype(np.float32)
    if kind == Type.F16:
        return random.standard_normal((rows, columns)).astype(np.float16)
    size, width = GGML_QUANT_SIZES[kind]
    data = random.integers(0, 256, (rows, columns // size, width), dtype=np.uint8)
    if kind == Type.BF16:
        data = (random.standard_normal((rows, columns)).astype(np.float32).view(np.uint32) >> 16).astype(np.uint16)
        return data.view(np.uint8).reshape(rows, columns * 2)
    for field in range(2 if kind in (Type.Q4_1, Type.Q5_1) else 1):
        scales = random.standard_normal((rows, columns // size, 1)).astype(np.float16)
        scales[0, 0] = np.float16(3e-7)
        data[:, :, 2 * field : 2 * field + 2] = scales.view(np.uint8)
    return data.reshape(rows, columns // size * width)


def write_quantised():
    writer = gguf.GGUFWriter(target / "quantised.gguf", "test")
    writer.add_uint8("test.uint8", 200)
    writer.add_int8("test.int8", -100)
    writer.add_uint16("test.uint16", 60000)
    writer.add_int16("test.int16", -30000)
    writer.add_uint32("test.uint32", 4000000000)
    writer.add_int32("test.int32", -2000000000)
    writer.add_uint64("test.uint64", 2**64 - 1)
    writer.add_int64("test.int64", -(2**62))
    writer.add_float32("test.float32", 1e-5)
    writer.add_float64("test.float64", 0.1)
    writer.add_bool("test.bool", True)
    writer.add_string("test.string", "blank é")
    writer.add_array("test.strings", ["a", "", "ü"])
    writer.add_array("test.integers", [1, -2, 3])
    writer.add_array("test.numbers", [0.5, 1e-5])
    writer.add_array("test.bools", [True, False])
    writer.add_array("test.nested", [[1, 2], [3]])
    expected = {}
    for kind in (Type.F32, Type.F16, Type.BF16, Type.Q8_0, Type.Q4_0, Type.Q4_1, Type.Q5_0, Type.Q5_1):
        data = blocks(kind, 3, 64)
        name = f"{kind.name.lower()}.weight"
        writer.add_tensor(name, data, raw_dtype=kind)
        expected[name] = gguf.quants.dequantize(data, kind).astype(np.float32)
    writer.add_tensor("q6_k.weight", random.integers(0, 256, (1, 210), dtype=np.uint8), raw_dtype=Type.Q6_K)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    save_file(expected, target / "quantised.safetensors")


def write_rounding():
    values = np.concatenate(
        [
            random.standard_normal(256),
            random.standard_normal(128) * 1e-6,
            random.standard_normal(128) * 1e4,
            [0.0, -0.0, 65504.0, 65519.996, 2**-24, 2**-25, 2**-25 * 1.0001, 3 * 2**-25, 2**-14, 2**-14 - 2**-25],
            [1 + 2**-11, 1 + 3 * 2**-11, 1 + 2**-8, 1 + 3 * 2**-8, 2048.5, 2049.0, -2051.0, 6.1e-5],
        ]
    ).astype(np.float32)
    exact = torch.from_numpy(values)
    save_torch_file(
        {"exact": exact, "bfloat16": exact.bfloat16(), "float16": exact.half()}, target / "rounding.safetensors"
    )


SENTENCES = [
    "The cat sat on the mat, and the dog lay by the door.",
    "Count 1 2 3, then 10 and 100; write them as words.",
    "Größe, façade, naïve: words with accents.",
    "    indented lines\n\nand blank ones\t.",
] * 5
SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
TEMPLATE = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)


def tiny_tokenizer():
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=320, special_tokens=SPECIAL, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False
    )
    tokenizer.train_from_iterator(SENTENCES, trainer)
    tokenizer.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in SPECIAL])
    return tokenizer


def write_tiny():
    torch.manual_seed(3)
    tokenizer = tiny_tokenizer()
    config = LlamaConfig(
        vocab_size=328,
        hidden_size=24,
        intermediate_size=40,
        num_hidden_layers=2,
        num_attention_heads=3,
        num_key_value_heads=1,
        max_position_embeddings=128,
        rms_norm_eps=1e-5,
        rope_parameters={"rope_type": "default", "rope_theta": 10000.0},
        tie_word_embeddings=True,
        bos_token_id=1,
        eos_token_id=2,
        pad_token_id=2,
    )
    model = LlamaForCausalLM(config)
    model.save_pretrained(target / "tiny")
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token="<|im_start|>",
        eos_token="<|im_end|>",
        pad_token="<|im_end|>",
        unk_token="<|endoftext|>",
        chat_template=TEMPLATE,
    ).save_pretrained(target / "tiny")

    writer = gguf.GGUFWriter(target / "tiny.gguf", "llama")
    writer.add_context_length(128)
    writer.add_embedding_length(24)
    writer.add_block_count(2)
    writer.add_feed_forward_length(40)
    writer.add_head_count(3)
    writer.add_head_count_kv(1)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_freq_base(10000.0)
    writer.add_rope_dimension_count(8)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("smollm")
    saved = json.loads(tokenizer.to_str())["model"]
    tokens = [token for token, _ in sorted(saved["vocab"].items(), key=lambda item: item[1])]
    padding = [f"[PAD{index}]" for index in range(len(tokens), 328)]
    writer.add_token_list(tokens + padding)
    writer.add_token_types([3] * len(SPECIAL) + [1] * (len(tokens) - len(SPECIAL)) + [5] * len(padding))
    writer.add_token_merges([pair if isinstance(pair, str) else " ".join(pair) for pair in saved["merges"]])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_unk_token_id(0)
    writer.add_pad_token_id(2)
    writer.add_add_bos_token(False)
    writer.add_chat_template(TEMPLATE)
    names = {
        "model.embed_tokens": "token_embd",
        "model.norm": "output_norm",
        "input_layernorm": "attn_norm",
        "post_attention_layernorm": "ffn_norm",
        "self_attn.q_proj": "attn_q",
        "self_attn.k_proj": "attn_k",
        "self_attn.v_proj": "attn_v",
        "self_attn.o_proj": "attn_output",
        "mlp.gate_proj": "ffn_gate",
        "mlp.up_proj": "ffn_up",
        "mlp.down_proj": "ffn_down",
    }
    for name, tensor in model.state_dict().items():
        if name == "lm_head.weight":
            continue
        values = tensor.numpy()
        if "q_proj" in name or "k_proj" in name:
            # Rotated pairs become neighbours: [head, half, pair] → [head, pair, half].
            values = values.reshape(-1, 2, 4, values.shape[1]).swapaxes(1, 2).reshape(values.shape)
        base = name.removesuffix(".weight")
        parts = base.split(".", 3)
        short = names[base] if base in names else f"blk.{parts[2]}.{names[parts[3]]}"
        writer.add_tensor(short + ".weight", np.ascontiguousarray(values))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


target.mkdir(parents=True, exist_ok=True)
write_quantised()
write_rounding()
write_tiny()
