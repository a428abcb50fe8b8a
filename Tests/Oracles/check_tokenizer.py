"""Compares a real tokenizer with `tokenizers`: writes the folder that ParityTests reads, and measures speed.

    python3 Tests/Oracles/check_tokenizer.py --tokenizer tokenizer.json [--texts rows.jsonl …] --out FOLDER
    TREG_PARITY_TOKENIZER=FOLDER swift test -c release --filter TokenizationTests.ParityTests

`--gguf FILE` in place of `--tokenizer` makes tokenizer.json from a GGUF file of SmolLM2. Every string found in the
rows is compared, and 20,000 random ones made of characters that tokenizers stumble over.
"""

import argparse
import json
import os
import pathlib
import random
import shutil
import time

os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ["RAYON_NUM_THREADS"] = "1"

from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers  # noqa: E402


def from_gguf(path):
    """SmolLM2's tokenizer.json out of the metadata of its GGUF file."""
    from gguf import GGUFReader

    reader = GGUFReader(path)

    def strings(key):
        field = reader.fields[key]
        return [bytes(field.parts[i]).decode("utf-8") for i in field.data]

    tokens = strings("tokenizer.ggml.tokens")
    merges = [tuple(m.split(" ")) for m in strings("tokenizer.ggml.merges")]
    kinds = reader.fields["tokenizer.ggml.token_type"]
    control = [t for t, i in zip(tokens, kinds.data) if int(kinds.parts[i][0]) == 3]
    made = Tokenizer(models.BPE({t: i for i, t in enumerate(tokens)}, merges))
    made.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Digits(individual_digits=True),
        pre_tokenizers.ByteLevel(add_prefix_space=False, trim_offsets=True, use_regex=True),
    ])
    made.decoder = decoders.ByteLevel()
    made.add_tokens([AddedToken(t, special=True, normalized=False) for t in control])
    return made


def strings_of(value):
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for child in value.values():
            yield from strings_of(child)
    elif isinstance(value, list):
        for child in value:
            yield from strings_of(child)


def random_strings(count, special, seed=3):
    rng = random.Random(seed)
    pools = [
        lambda: rng.choice("abcdefghijklmnopqrstuvwxyz"),
        lambda: rng.choice("'’ʼ") + rng.choice(["s", "S", "t", "re", "VE", "m", "ll", "LL", "d", "ſ", "ı", "K", "ß"]),
        lambda: rng.choice("0123456789²½٣५Ⅻ一"),
        lambda: rng.choice(" \t\n\r\x0b\x0c\x85\xa0\u1680\u180e\u2003\u2028\u2029\u200b\u202f\u205f\u3000\ufeff"),
        lambda: rng.choice(" \n") * rng.randrange(1, 9),
        lambda: rng.choice("!?.,;:-_=+*/\\|@#$%^&()[]{}<>\"`~"),
        lambda: chr(rng.choice([rng.randrange(0xA0, 0x250), rng.randrange(0x370, 0x530), rng.randrange(0x590, 0x700)])),
        lambda: chr(rng.choice([rng.randrange(0x900, 0x1200), rng.randrange(0x3040, 0x3100), rng.randrange(0x4E00, 0x9FFF)])),
        lambda: chr(rng.choice([rng.randrange(0xAC00, 0xD7A4), rng.randrange(0x300, 0x370), rng.randrange(0x1F300, 0x1FAFF)])),
        lambda: rng.choice("👩👨🏽") + "\u200d" + rng.choice("👧🚀🌈"),
        lambda: chr(rng.choice([rng.randrange(0, 0xD800), rng.randrange(0xE000, 0x110000)])),
        lambda: rng.choice(special) if special else "x",
        lambda: rng.choice(["the", "The", "return", "token", "ing", "don't", "http://", "});", "    "]),
    ]
    for _ in range(count):
        chosen = rng.sample(pools, rng.randrange(1, 5))
        yield "".join(rng.choice(chosen)() for _ in range(rng.randrange(0, 30)))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--tokenizer")
    source.add_argument("--gguf")
    parser.add_argument("--texts", nargs="*", default=[])
    parser.add_argument("--count", type=int, default=20000)
    parser.add_argument("--out", required=True)
    options = parser.parse_args()
    out = pathlib.Path(options.out)
    out.mkdir(parents=True, exist_ok=True)
    if options.gguf:
        from_gguf(options.gguf).save(str(out / "tokenizer.json"))
    else:
        shutil.copyfile(options.tokenizer, out / "tokenizer.json")
    start = time.perf_counter()
    tokenizer = Tokenizer.from_file(str(out / "tokenizer.json"))
    print(f"tokenizers: loaded in {time.perf_counter() - start:.3f} s")
    real = []
    for path in options.texts:
        with open(path, encoding="utf-8") as rows:
            for row in rows:
                real += strings_of(json.loads(row))
    special = [t.content for t in tokenizer.get_added_tokens_decoder().values()]
    with open(out / "cases.jsonl", "w", encoding="utf-8") as cases:
        for timed, texts in ((True, real), (False, random_strings(options.count, special))):
            for text in texts:
                ids = tokenizer.encode(text, add_special_tokens=False).ids
                cases.write(json.dumps({"text": text, "ids": ids, "timed": timed}) + "\n")
    size = sum(len(text.encode()) for text in real)
    for _ in range(3 if real else 0):
        tokenizer = Tokenizer.from_file(str(out / "tokenizer.json"))
        start = time.perf_counter()
        for text in real:
            tokenizer.encode(text, add_special_tokens=False).ids
        print(f"tokenizers: {len(real)} texts, {size / (time.perf_counter() - start) / 1e6:.2f} MB/s")


if __name__ == "__main__":
    main()
