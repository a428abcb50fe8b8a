"""What the gguf package expands random blocks of every type to, as hashes and samples.

Run: python Tests/Oracles/dequantisation_golden.py > Tests/ModelFilesTests/Golden/dequantisation.json

The blocks are the output of SplitMix64, byte for byte, seeded with the type's code, so that Swift can make them too and the
golden file stays small. All bytes are random: of the scales of fp16 one in 32 is an infinity or NaN, others are subnormal or
extreme. NaNs are written as 0x7FC00000, since their payload says nothing. The hash is XXH3-128 over the fp32 values.
"""

import json
import warnings

import gguf
import numpy as np
import xxhash
from gguf.constants import GGML_QUANT_SIZES, GGMLQuantizationType as Type

TYPES = [
    Type.Q4_0, Type.Q4_1, Type.Q5_0, Type.Q5_1, Type.Q8_0, Type.Q2_K, Type.Q3_K, Type.Q4_K, Type.Q5_K, Type.Q6_K,
    Type.IQ4_NL, Type.IQ4_XS, Type.TQ1_0, Type.TQ2_0, Type.MXFP4, Type.NVFP4, Type.BF16, Type.F16, Type.F32, Type.F64,
]
NUMBERS = 1 << 16


def random_bytes(seed, count):
    with np.errstate(over="ignore"):
        state = np.uint64(seed) + np.arange(1, (count + 7) // 8 + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return (state ^ (state >> np.uint64(31))).view(np.uint8)[:count]


def main():
    warnings.simplefilter("ignore")
    result = {}
    for kind in TYPES:
        length, size = GGML_QUANT_SIZES[kind]
        data = random_bytes(int(kind), NUMBERS // length * size).reshape(1, -1)
        if kind == Type.F64:
            # The package leaves these alone; what is meant is rounding to fp32.
            values = data.view(np.float64).astype(np.float32)
        else:
            values = gguf.quants.dequantize(data, kind).astype(np.float32)
        values = np.ascontiguousarray(values).reshape(-1)
        bits = np.where(np.isnan(values), np.uint32(0x7FC00000), values.view(np.uint32))
        assert len(bits) == NUMBERS
        result[kind.name] = {
            "code": int(kind), "bytes": data.size, "hash": xxhash.xxh3_128_hexdigest(bits.tobytes()),
            "nans": int(np.isnan(values).sum()), "first": bits[:8].tolist(),
        }
    print(json.dumps({"numbers": NUMBERS, "types": result}, indent=1))


if __name__ == "__main__":
    main()
