"""Compares tokenizers with `tokenizers`: writes the folder that ParityTests reads, and measures speed.

    python3 Tests/Oracles/check_tokenizer.py --kinds all --out FOLDER [--texts rows.jsonl …] [--count 100000]
    TREG_TOKENIZER_CASES=FOLDER swift test -c release --filter TokenizationTests.ParityTests

Writes FOLDER/<kind>/tokenizer.json, cases.jsonl (texts, ids, decoded texts) and speed.json. Kinds are those of
tokenizer_kinds.py (`all`, or names), trained on the rows of --texts or on a few sentences. `--tokenizer NAME=FILE` adds a
tokenizer.json at hand, `--gguf NAME=FILE` one made from a GGUF file of SmolLM2 or Gemma. Every string of the rows is
compared, and --count random ones made of characters that tokenizers stumble over; speed is measured on the rows.
"""

import argparse
import json
import os
import pathlib
import random
import time
import zlib

os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ["RAYON_NUM_THREADS"] = "1"

from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers  # noqa: E402

import tokenizer_golden  # noqa: E402
import tokenizer_kinds  # noqa: E402


def from_gguf(path):
    """tokenizer.json out of the metadata of a GGUF file: SmolLM2's, or Gemma's by its scores."""
    from gguf import GGUFReader

    reader = GGUFReader(path)

    def strings(key):
        field = reader.fields[key]
        return [bytes(field.parts[i]).decode("utf-8") for i in field.data]

    tokens = strings("tokenizer.ggml.tokens")
    kinds = [int(reader.fields["tokenizer.ggml.token_type"].parts[i][0]) for i in
             reader.fields["tokenizer.ggml.token_type"].data]
    control = [t for t, kind in zip(tokens, kinds) if kind == 3]
    defined = [t for t, kind in zip(tokens, kinds) if kind == 4]
    vocabulary = {t: i for i, t in enumerate(tokens)}
    if "tokenizer.ggml.merges" in reader.fields:
        merges = [tuple(m.split(" ")) for m in strings("tokenizer.ggml.merges")]
        made = Tokenizer(models.BPE(vocabulary, merges))
        made.pre_tokenizer = tokenizer_kinds.digits_then_bytes()
        made.decoder = decoders.ByteLevel()
    else:
        scores = [float(reader.fields["tokenizer.ggml.scores"].parts[i][0]) for i in
                  reader.fields["tokenizer.ggml.scores"].data]
        merges = []
        for token, kind in zip(tokens, kinds):
            if kind != 1:
                continue
            pairs = [(token[:i], token[i:]) for i in range(1, len(token))
                     if token[:i] in vocabulary and token[i:] in vocabulary]
            merges += [(scores[vocabulary[token]], vocabulary[l], vocabulary[r], l, r) for l, r in pairs]
        merges.sort(key=lambda m: (-m[0], m[1], m[2]))
        made = Tokenizer(models.BPE(
            vocabulary, [(l, r) for *_, l, r in merges], unk_token="<unk>", fuse_unk=True, byte_fallback=True))
        made.normalizer = normalizers.Replace(" ", tokenizer_kinds.MARK)
        made.pre_tokenizer = pre_tokenizers.Split(" ", "merged_with_previous")
        made.decoder = decoders.Sequence([
            decoders.Replace(tokenizer_kinds.MARK, " "), decoders.ByteFallback(), decoders.Fuse()])
    made.add_tokens([AddedToken(t, special=True, normalized=False) for t in control])
    made.add_tokens([AddedToken(t, special=False, normalized=False) for t in defined])
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


MARKS = "\u0300\u0301\u0308\u0323\u0327\u0345\u0327\u05b0\u064b\u093c\u3099\u1161\u11a8\u20d0\u1ab0\u1dce\u1e08f"


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
        lambda: chr(rng.randrange(0x10000, 0x40000)) + rng.choice(["", "\u0301", "\ufe0f"]),
        lambda: rng.choice("aeiouAEIOUñçq가ᄀ") + "".join(rng.choice(MARKS) for _ in range(rng.randrange(1, 4))),
        lambda: rng.choice("שלוםمرحباසිංහලไทย\u202e\u202c\u200f\u200e"),
        lambda: rng.choice("🇫🇷🇯🇵🏴") + rng.choice(["🇩", "\ufe0f", "\U000e0067\U000e007f", "\u20e3"]),
        lambda: rng.choice("▁ĠĊ�<>0x") * rng.randrange(1, 3),
        lambda: f"<0x{rng.randrange(256):02X}>",
        lambda: chr(rng.choice([rng.randrange(0x1E00, 0x2000), rng.randrange(0x2100, 0x2200), rng.randrange(0xF900, 0xFE00),
                                rng.randrange(0xFE00, 0x10000), rng.randrange(0x1D400, 0x1D800), rng.randrange(0x3200, 0x3400)])),
        lambda: rng.choice(special) if special else "x",
        lambda: rng.choice(["the", "The", "return", "token", "ing", "don't", "http://", "});", "    "]),
    ]
    for _ in range(count):
        chosen = rng.sample(pools, rng.randrange(1, 5))
        yield "".join(rng.choice(chosen)() for _ in range(rng.randrange(0, 30)))


def write_cases(tokenizer, real, texts, path):
    with open(path, "w", encoding="utf-8") as cases:
        for timed, group in ((True, real), (False, texts)):
            for text in group:
                ids = tokenizer.encode(text, add_special_tokens=False).ids
                whole = tokenizer.encode(text, add_special_tokens=True).ids
                record = {"text": text, "ids": ids, "decoded": tokenizer.decode(ids, skip_special_tokens=False)}
                if whole != ids:
                    record["ids_with_special"] = whole
                skipped = tokenizer.decode(whole, skip_special_tokens=True)
                if skipped != record["decoded"]:
                    record["decoded_without_special"] = skipped
                if timed:
                    record["timed"] = True
                cases.write(json.dumps(record) + "\n")


def speed(path, real):
    """Seconds to load, and the shortest of three runs over the rows, each with fresh caches, on one thread."""
    start = time.perf_counter()
    Tokenizer.from_file(path)
    record = {"load_seconds": time.perf_counter() - start}
    for _ in range(3 if real else 0):
        tokenizer = Tokenizer.from_file(path)
        start = time.perf_counter()
        count = 0
        for text in real:
            count += len(tokenizer.encode(text, add_special_tokens=False).ids)
        seconds = time.perf_counter() - start
        record["seconds"] = min(record.get("seconds", seconds), seconds)
        record["tokens"] = count
    return record


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kinds", nargs="*", default=[])
    parser.add_argument("--tokenizer", nargs="*", default=[], metavar="NAME=FILE")
    parser.add_argument("--gguf", nargs="*", default=[], metavar="NAME=FILE")
    parser.add_argument("--texts", nargs="*", default=[])
    parser.add_argument("--size", type=int, default=8000, help="tokens of trained vocabularies")
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--out", required=True)
    options = parser.parse_args()
    real = []
    for path in options.texts:
        with open(path, encoding="utf-8") as rows:
            for row in rows:
                real += strings_of(json.loads(row))
    corpus = real + tokenizer_golden.SENTENCES * 20
    kinds = options.kinds if options.kinds != ["all"] else list(tokenizer_kinds.KINDS)
    made = [(name, lambda name=name: tokenizer_kinds.KINDS[name](corpus, options.size)) for name in kinds]
    for argument in options.tokenizer:
        name, path = argument.split("=", 1)
        made.append((name, lambda path=path: Tokenizer.from_file(path)))
    for argument in options.gguf:
        name, path = argument.split("=", 1)
        made.append((name, lambda path=path: from_gguf(path)))
    for name, make in made:
        folder = pathlib.Path(options.out) / name
        folder.mkdir(parents=True, exist_ok=True)
        path = str(folder / "tokenizer.json")
        make().save(path)
        tokenizer = Tokenizer.from_file(path)
        added = [token.content for token in tokenizer.get_added_tokens_decoder().values()]
        texts = random_strings(options.count, added, seed=zlib.crc32(name.encode()))
        write_cases(tokenizer, real, texts, folder / "cases.jsonl")
        record = speed(path, real)
        (folder / "speed.json").write_text(json.dumps(record) + "\n")
        print(name, json.dumps(record), flush=True)


if __name__ == "__main__":
    main()
