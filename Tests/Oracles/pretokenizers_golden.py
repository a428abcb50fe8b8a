"""Parts of a tokenizer.json as the tokenizers library writes them, for each name of `tokenizer.ggml.pre` that is known.

Run: python Tests/Oracles/pretokenizers_golden.py > Tests/ModelFilesTests/Golden/pretokenizers.json
"""

import json

from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, processors

PATTERN = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|DIGITS| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)


def split(digits):
    return pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(PATTERN.replace("DIGITS", digits)), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )


digits = pre_tokenizers.Sequence(
    [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
)
cases = {
    "smollm": (digits, None, False),
    "starcoder": (digits, None, False),
    "gpt-2": (pre_tokenizers.ByteLevel(add_prefix_space=False), None, False),
    "llama-bpe": (split(r"\p{N}{1,3}"), None, True),
    "qwen2": (split(r"\p{N}"), normalizers.NFC(), False),
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
