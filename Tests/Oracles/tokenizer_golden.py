"""Trains small tokenizers on text written below and records what `tokenizers` makes of hard cases.

Byte-level ones are made here, others by tokenizer_kinds.py. Run from the project's root, with `tokenizers` installed:
    python3 Tests/Oracles/tokenizer_golden.py
Writes Tests/TokenizationTests/Golden/<name>.tokenizer.json and <name>.cases.json.
"""

import json
import pathlib
import random

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

import tokenizer_kinds

GOLDEN = pathlib.Path(__file__).parent.parent / "TokenizationTests" / "Golden"

LLAMA3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"
    r"|\s+(?!\S)|\s+"
)
QWEN2 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"
    r"|\s+(?!\S)|\s+"
)

SENTENCES = [
    "The baker weighs the flour twice before she trusts the scale.",
    "Our train leaves at 07:45, and it won't wait for anyone who's late.",
    "They'll say we've counted 1,234 boats; I'd say it's closer to 99.",
    "Der Gärtner gießt abends die Tomaten, weil es tagsüber zu heiß ist.",
    "Le garçon a oublié son cahier près de la fenêtre ouverte.",
    "El niño preguntó cuántas estrellas caben en una taza de café.",
    "Старый мост скрипит, когда по нему едет тяжёлая телега.",
    "Η θάλασσα είναι ήρεμη και το καράβι φεύγει το πρωί.",
    "猫が窓の外の雨を見ている。明日は晴れるでしょう。",
    "图书馆今天下午三点关门，请按时还书。",
    "오늘 아침에는 안개가 짙어서 배가 늦게 떠났다.",
    "القطار يصل إلى المدينة قبل غروب الشمس بساعة.",
    "הספר הישן מונח על השולחן ליד החלון.",
    "बच्चे नदी के किनारे पतंग उड़ा रहे हैं।",
    "for index in range(10):\n    total += values[index] * 2  # twice\n",
    "func area(_ w: Int, _ h: Int) -> Int {\n\treturn w * h\n}\n",
    "SELECT name, count(*) FROM ships WHERE length > 30 GROUP BY name;",
    "A kite 🪁, a cup ☕ and a family 👨‍👩‍👧‍👦 on the hill 🏔️!",
]

CASES = SENTENCES + [
    "",
    " ",
    "a",
    "\n",
    "   leading and trailing   ",
    "tabs\t\tand  double  blanks\n\n\nand lines\r\n\r\nend",
    "mixed \u00a0no-break\u2003em \u3000wide \u2028line\u2029para \u0085next \u180emongol \u200bzero",
    "It's IT'S we'Ll THEY'RE I'M you'd 'S 't ’s '\u017f 'L\u0131 it'\u017fit",
    "1 12 123 1234 12345 3.14159 ½ ² ₃ Ⅻ ٣٤٥ १२३ 一二三 ①②",
    "e\u0301 é n\u0303 ñ A\u030a Å \u212b \u1100\u1161\u11a8 각 \u0958 \u1113\u1169 q\u0323\u0307 q\u0307\u0323",
    "Z\u0351\u036b\u0343a\u0323\u0342lgo\u0489",
    "👍🏽 👩🏾‍🚀 🏳️‍🌈 🇫🇷🇯🇵 ❤️ ☺ 🫠 \U0001fae8 \U0001fac6",
    "שלום, world! مرحبا 123 \u202eright to left\u202c done",
    "def f(x):\n\tif x>0:\n\t\treturn {'a': [x**2, x//3]}\n\n\nprint(f(3))  # ok?!...",
    "https://example.org/a_b?c=d&e=%20f#g  user@example.org  C:\\dir\\file.txt",
    "<|begin|>hello<|end|> and <|begin|><|end|>",
    "<|begin|> <|end|>  <|endless|> <|end <|begin|",
    "left <left> strip,  <left>  twice <left><left>",
    "right <right> strip,  <right>  \n twice <right><right> x",
    "both  <both>  sides <both>\t<both> <left> <right> ",
    "word wordy word, aword word_ word! 词word word词 word\u0301 (word)",
    "Caf\u00e9 cafe\u0301 <caf\u00e9> <cafe\u0301> tok toke token tokens tokenise",
    "\x00\x01\x02 \x07\x08\x0b\x0c\x1b[0m\x7f \ufeff \ufffd \uffff \U0010ffff",
    "supercalifragilistic" * 40,
    "ab" * 600 + "a" * 333,
    "\u4e2d" * 50 + "!" * 77 + "=" * 64 + " " * 200 + "x" + "\n" * 31,
    "new letters \u1c89\U000105c0\U0002ebf0\U00031350 digits \U000116d0 marks a\u0897",
]


def corpus():
    random.seed(7)
    for _ in range(60):
        yield " ".join(random.sample(SENTENCES, 6))


def added():
    return [
        AddedToken("<|begin|>", special=True, normalized=False),
        AddedToken("<|end|>", special=True, normalized=False),
        AddedToken("<|endless|>", special=True, normalized=False),
        AddedToken("<left>", lstrip=True, special=False, normalized=False),
        AddedToken("<right>", rstrip=True, special=True, normalized=True),
        AddedToken("<both>", lstrip=True, rstrip=True, special=False, normalized=True),
        AddedToken("word", single_word=True, special=False, normalized=False),
        AddedToken("<cafe\u0301>", special=False, normalized=True),
        AddedToken("tok", special=False, normalized=True),
        AddedToken("token", special=False, normalized=True),
    ]


def byte_level(**options):
    return pre_tokenizers.ByteLevel(trim_offsets=True, **options)


def split(pattern, behaviour="isolated", invert=False):
    return pre_tokenizers.Split(pattern, behaviour, invert)


def tokenizer(pre, size=600, normalizer=None, post=None, initial=None, **model):
    made = Tokenizer(models.BPE(**model))
    made.pre_tokenizer = pre
    if normalizer:
        made.normalizer = normalizer
    made.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet() if initial is None else initial
    special = ["<unk>"] if "unk_token" in model else []
    trainer = trainers.BpeTrainer(
        vocab_size=size, initial_alphabet=alphabet, special_tokens=special, show_progress=False
    )
    made.train_from_iterator(corpus(), trainer)
    made.add_tokens(added())
    if post:
        made.post_processor = post(made)
    return made


def template(made):
    begin, end = made.token_to_id("<|begin|>"), made.token_to_id("<|end|>")
    return processors.Sequence([
        processors.ByteLevel(trim_offsets=False),
        processors.TemplateProcessing(
            single="<|begin|> $A <|end|>", special_tokens=[("<|begin|>", begin), ("<|end|>", end)]
        ),
    ])


def plain_sequence(*parts):
    return pre_tokenizers.Sequence(list(parts))


def variants():
    off = byte_level(add_prefix_space=False, use_regex=False)
    yield "gpt2", tokenizer(byte_level(add_prefix_space=False))
    yield "prefix", tokenizer(byte_level(add_prefix_space=True), size=400)
    yield "digits", tokenizer(
        plain_sequence(pre_tokenizers.Digits(individual_digits=True), byte_level(add_prefix_space=False)), size=500
    )
    yield "llama3", tokenizer(
        plain_sequence(split(Regex(LLAMA3)), off), size=700, post=template, ignore_merges=True
    )
    yield "qwen2", tokenizer(plain_sequence(split(Regex(QWEN2)), off), size=700, normalizer=normalizers.NFC())
    yield "removed", tokenizer(plain_sequence(split(Regex(r"[\s,;]+"), "removed"), off), size=300)
    yield "previous", tokenizer(plain_sequence(split(" ", "merged_with_previous"), off), size=300)
    yield "next", tokenizer(plain_sequence(split(Regex(r"\s|-"), "merged_with_next"), off), size=300)
    yield "contiguous", tokenizer(
        plain_sequence(
            split(Regex(r"\p{P}|x*"), "contiguous"), pre_tokenizers.Digits(individual_digits=False),
            byte_level(add_prefix_space=True, use_regex=False),
        ),
        size=300,
    )
    yield "inverted", tokenizer(plain_sequence(split(Regex(r"\w{2,3}+|\h{2}"), "removed", invert=True), off), size=300)
    few = [c for c in pre_tokenizers.ByteLevel.alphabet() if c.isascii()]
    yield "unknown", tokenizer(
        byte_level(add_prefix_space=False), size=320, initial=few, unk_token="<unk>", fuse_unk=True
    )


def other_kinds():
    texts = list(corpus())
    for name in (
        "llama2", "mistral3", "gemma3", "unigram_bytes", "unknown_single", "first_after_strip", "scripts", "bytes_twice",
    ):
        yield name, tokenizer_kinds.KINDS[name](texts, 700)


def main():
    GOLDEN.mkdir(exist_ok=True)
    for name, made in [*variants(), *other_kinds()]:
        document = json.loads(made.to_str())
        if name == "unknown":
            # Training saw all bytes of the corpus; without those of three scripts the unknown token has work to do.
            model = document["model"]
            gone = {t for t in model["vocab"] if any(c in t for c in "ÐÑÎÏ")}
            kept = [t for t in model["vocab"] if t not in gone]
            model["vocab"] = {t: i for i, t in enumerate(kept)}
            model["merges"] = [m for m in model["merges"] if not gone & {*m, "".join(m)}]
            for offset, token in enumerate(document["added_tokens"]):
                token["id"] = model["vocab"].get(token["content"], len(kept) + offset - 1)
        if name in ("gpt2", "unknown"):
            document["model"]["merges"] = [" ".join(pair) for pair in document["model"]["merges"]]
        text = json.dumps(document, ensure_ascii=False, separators=(",", ":"))
        made = Tokenizer.from_str(text)
        cases = []
        for case in CASES:
            ids = made.encode(case, add_special_tokens=False).ids
            record = {"text": case, "ids": ids, "decoded": made.decode(ids, skip_special_tokens=False)}
            whole = made.encode(case, add_special_tokens=True).ids
            if whole != ids:
                record["ids_with_special"] = whole
            skipped = made.decode(whole, skip_special_tokens=True)
            if skipped != record["decoded"]:
                record["decoded_without_special"] = skipped
            cases.append(record)
        random.seed(11)
        size = made.get_vocab_size()
        # Random tokens join broken characters; the last id stands for no token.
        broken = [[random.randrange(size + 1) for _ in range(random.randrange(1, 12))] for _ in range(60)]
        decoded = [{"ids": ids, "decoded": made.decode(ids, skip_special_tokens=False)} for ids in broken]
        (GOLDEN / f"{name}.tokenizer.json").write_text(text + "\n", encoding="utf-8")
        golden = json.dumps({"cases": cases, "decoding": decoded}, ensure_ascii=True, separators=(",", ":"))
        (GOLDEN / f"{name}.cases.json").write_text(golden + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
