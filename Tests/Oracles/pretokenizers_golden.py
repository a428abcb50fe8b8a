"""Parts of a tokenizer.json as the tokenizers library writes them, for each name of `tokenizer.ggml.pre` that is known.

Run: python Tests/Oracles/pretokenizers_golden.py > Tests/ModelFilesTests/Golden/pretokenizers.json
"""

import json

from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

from tokenizer_kinds import CL100K, O200K, QWEN2, TEKKEN, cut_then_bytes, digits_then_bytes

digits = digits_then_bytes()
cases = {
    "smollm": (digits, None, False),
    "starcoder": (digits, None, False),
    "refact": (digits, None, False),
    "gpt-2": (pre_tokenizers.ByteLevel(add_prefix_space=False), None, False),
    "llama-bpe": (cut_then_bytes(CL100K), None, True),
    "smaug-bpe": (cut_then_bytes(CL100K), None, False),
    "dbrx": (cut_then_bytes(CL100K), None, False),
    "qwen2": (cut_then_bytes(QWEN2), normalizers.NFC(), False),
    "gpt-4o": (cut_then_bytes(O200K), None, False),
    "tekken": (cut_then_bytes(TEKKEN), None, True),
}
result = {}
for name, (pre, normalizer, adds_begin) in cases.items():
    tokenizer = Tokenizer(models.BPE(vocab={"<b>": 0, "<e>": 1, "a": 2, "b": 3, "ab": 4}, merges=[("a", "b")]))
    tokenizer.pre_tokenizer = pre
    if normalizer:
        tokenizer.normalizer = normalizer
    if adds_begin:
        tokenizer.post_processor = processors.TemplateProcessing(
            single="<b> $A", pair="<b> $A <b>:1 $B:1", special_tokens=[("<b>", 0)]
        )
    written = json.loads(tokenizer.to_str())
    result[name] = {key: written[key] for key in ("normalizer", "pre_tokenizer", "post_processor")}
print(json.dumps(result, indent=1))
