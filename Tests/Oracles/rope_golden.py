"""Inverse frequencies of rotary positions as transformers computes them.

Run: python Tests/Oracles/rope_golden.py > Tests/ModelDescriptionTests/Golden/rope.json
"""

import json

from transformers import LlamaConfig
from transformers.models.llama.modeling_llama import LlamaRotaryEmbedding

LLAMA3 = {
    "rope_type": "llama3",
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 8192,
}

cases = []
for theta, dimension, scaling in [
    (10000.0, 64, None),
    (100000.0, 64, None),
    (10000.0, 48, None),
    (1000000.0, 128, None),
    (500000.0, 128, LLAMA3),
    (500000.0, 64, LLAMA3 | {"factor": 32.0}),
    (10000.0, 16, LLAMA3 | {"original_max_position_embeddings": 64, "factor": 3.0}),
]:
    rope = {"rope_theta": theta, **(scaling or {"rope_type": "default"})}
    config = LlamaConfig(
        hidden_size=2 * dimension,
        num_attention_heads=2,
        head_dim=dimension,
        max_position_embeddings=131072,
        rope_parameters=rope,
    )
    values = LlamaRotaryEmbedding(config).inv_freq
    cases.append({"head_dim": dimension, "rope_parameters": rope, "inverse_frequencies": values.tolist()})
print(json.dumps(cases))
