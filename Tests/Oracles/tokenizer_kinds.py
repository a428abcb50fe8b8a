"""Tokenizers in the layouts that model makers publish, trained on text at hand. Used by check_tokenizer.py.

Every function of KINDS takes a corpus (a list of strings) and a vocabulary size and gives a `tokenizers.Tokenizer`.
"""

import base64
import io
import json

from tokenizers import (
    AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers,
)

CL100K = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"
    r"|\s+(?!\S)|\s+"
)
O200K = (
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
    r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
    r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
QWEN2 = CL100K.replace("{1,3}", "")
TEKKEN = O200K.replace("(?i:'s|'t|'re|'ve|'m|'ll|'d)?", "").replace("{1,3}", "")
MARK = "\u2581"


def special(*texts, **flags):
    return [AddedToken(text, special=True, normalized=False, **flags) for text in texts]


def byte_level(corpus, size, pre, normalizer=None, added=(), post=None, **model):
    made = Tokenizer(models.BPE(**model))
    made.pre_tokenizer = pre
    if normalizer:
        made.normalizer = normalizer
    made.decoder = decoders.ByteLevel()
    made.train_from_iterator(corpus, trainers.BpeTrainer(
        vocab_size=size, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False))
    made.add_tokens(list(added))
    if post:
        made.post_processor = post(made)
    return made


def begin_template(begin):
    def post(made):
        return processors.TemplateProcessing(
            single=f"{begin} $A", pair=f"{begin} $A {begin}:1 $B:1",
            special_tokens=[(begin, made.token_to_id(begin))])
    return post


def cut_then_bytes(pattern, behaviour="isolated", invert=False):
    return pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(pattern), behaviour, invert),
        pre_tokenizers.ByteLevel(add_prefix_space=False, trim_offsets=True, use_regex=False),
    ])


def digits_then_bytes():
    return pre_tokenizers.Sequence([
        pre_tokenizers.Digits(individual_digits=True),
        pre_tokenizers.ByteLevel(add_prefix_space=False, trim_offsets=True, use_regex=True),
    ])


def gpt2(corpus, size):
    return byte_level(
        corpus, size, pre_tokenizers.ByteLevel(add_prefix_space=False, trim_offsets=True),
        added=special("<|endoftext|>"), post=lambda _: processors.ByteLevel(trim_offsets=False))


def roberta(corpus, size):
    made = byte_level(
        corpus, size, pre_tokenizers.ByteLevel(add_prefix_space=True, trim_offsets=True),
        added=special("<s>", "</s>", "<pad>") + [AddedToken("<mask>", lstrip=True, special=True, normalized=False)])
    made.post_processor = processors.RobertaProcessing(
        ("</s>", made.token_to_id("</s>")), ("<s>", made.token_to_id("<s>")))
    return made


def llama3(corpus, size):
    return byte_level(
        corpus, size, cut_then_bytes(CL100K),
        added=special("<|begin_of_text|>", "<|end_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"),
        post=lambda made: processors.Sequence([
            processors.ByteLevel(trim_offsets=False), begin_template("<|begin_of_text|>")(made)]),
        ignore_merges=True)


def qwen2(corpus, size):
    tokens = special("<|endoftext|>", "<|im_start|>", "<|im_end|>")
    tokens += [AddedToken(text, special=False, normalized=False) for text in ("<think>", "</think>", "<tool_call>")]
    return byte_level(corpus, size, cut_then_bytes(QWEN2), normalizers.NFC(), tokens)


def smollm2(corpus, size):
    return byte_level(corpus, size, digits_then_bytes(), added=special("<|im_start|>", "<|im_end|>", "<repo_name>"))


def smollm3(corpus, size):
    tokens = special("<|begin_of_text|>", "<|im_start|>", "<|im_end|>")
    tokens += [AddedToken("<think>", special=False, normalized=False)]
    return byte_level(corpus, size, cut_then_bytes(CL100K), added=tokens, ignore_merges=True)


def phi4(corpus, size):
    return byte_level(
        corpus, size, cut_then_bytes(CL100K, "removed", True),
        added=special("<|im_start|>", "<|im_sep|>", "<|im_end|>", lstrip=True, rstrip=True) + special("<|dummy_0|>"))


def o200k(corpus, size):
    return byte_level(corpus, size, cut_then_bytes(O200K), added=special("<|endoftext|>"))


def tekken(corpus, size):
    return byte_level(
        corpus, size, cut_then_bytes(TEKKEN), added=special("<unk>", "<s>", "</s>", "[INST]", "[/INST]"),
        post=begin_template("<s>"), ignore_merges=True)


def olmo2(corpus, size):
    return byte_level(
        corpus, size, cut_then_bytes(CL100K), added=special("<|endoftext|>", "<|pad|>")
        + [AddedToken("|||IP_ADDRESS|||", normalized=True), AddedToken("<|extra|>", normalized=True)],
        post=lambda made: processors.ByteLevel(trim_offsets=True))


def granite(corpus, size):
    return byte_level(
        corpus, size, digits_then_bytes(), added=special("<|end_of_text|>", "<fim_prefix>", "<|start_of_role|>"))


def sentencepiece_like(corpus, size, known, crossing=False):
    """A BPE vocabulary as SentencePiece makes it: control tokens, bytes, pieces with marks, runs of marks."""
    control = ["<unk>", "<s>", "</s>"] if known == "llama" else ["<pad>", "<eos>", "<bos>", "<unk>"]
    first = control + [f"<0x{byte:02X}>" for byte in range(256)]
    trained = Tokenizer(models.BPE(unk_token="<unk>"))
    if crossing:
        trained.normalizer = normalizers.Replace(" ", MARK)
    else:
        trained.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always")
    # Rare characters stay out of the alphabet, so that the byte fallback has work to do.
    texts = [t[:200] for t in corpus] if crossing else corpus
    trained.train_from_iterator(texts, trainers.BpeTrainer(
        vocab_size=size, special_tokens=first, limit_alphabet=300, initial_alphabet=[MARK], show_progress=False))
    model = json.loads(trained.to_str())["model"]
    vocabulary = model["vocab"]
    merges = [tuple(m) for m in model["merges"]]
    runs = [MARK * 2, MARK * 4, MARK * 8, MARK * 16]
    joined = []
    for run in runs:
        if run not in vocabulary:
            vocabulary[run] = len(vocabulary)
        joined.append((run[:len(run) // 2], run[len(run) // 2:]))
    merges = joined + [m for m in merges if m not in joined]
    return Tokenizer(models.BPE(
        vocab=vocabulary, merges=merges, unk_token="<unk>", fuse_unk=True, byte_fallback=True)), control


def llama_decoder():
    return decoders.Sequence([
        decoders.Replace(MARK, " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)])


def llama2(corpus, size, crossing=False):
    made, control = sentencepiece_like(corpus, size, "llama", crossing)
    made.normalizer = normalizers.Sequence([normalizers.Prepend(MARK), normalizers.Replace(" ", MARK)])
    made.decoder = llama_decoder()
    made.add_tokens(special(*control))
    made.post_processor = begin_template("<s>")(made)
    return made


def llama2_normalized(corpus, size):
    """As llama2, with control tokens that are looked for in normalised text, as early conversions have them."""
    made, control = sentencepiece_like(corpus, size, "llama")
    made.normalizer = normalizers.Sequence([normalizers.Prepend(MARK), normalizers.Replace(" ", MARK)])
    made.decoder = llama_decoder()
    made.add_tokens([AddedToken(text, special=True, normalized=True) for text in control])
    return made


def crossing(corpus, size):
    """Merges that join a mark to the word before it."""
    return llama2(corpus, size, crossing=True)


def mistral1(corpus, size):
    return llama2(corpus, size)


def mistral3(corpus, size):
    made, control = sentencepiece_like(corpus, size, "llama")
    made.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first", split=False)
    made.decoder = llama_decoder()
    made.add_tokens(special(*control, "[INST]", "[/INST]", "[TOOL_CALLS]", "[AVAILABLE_TOOLS]"))
    made.post_processor = begin_template("<s>")(made)
    return made


def phi3(corpus, size):
    made, control = sentencepiece_like(corpus, size, "llama")
    made.normalizer = normalizers.Sequence([normalizers.Prepend(MARK), normalizers.Replace(" ", MARK)])
    made.decoder = llama_decoder()
    made.add_tokens(special("<unk>", "<s>") + [AddedToken("</s>", rstrip=True, special=False, normalized=False)])
    made.add_tokens(special("<|endoftext|>"))
    made.add_tokens(special("<|assistant|>", "<|system|>", "<|end|>", "<|user|>", rstrip=True))
    return made


def gemma(corpus, size, extra=()):
    made, control = sentencepiece_like(corpus, size, "gemma")
    made.normalizer = normalizers.Replace(" ", MARK)
    made.pre_tokenizer = pre_tokenizers.Split(" ", "merged_with_previous")
    made.decoder = decoders.Sequence([decoders.Replace(MARK, " "), decoders.ByteFallback(), decoders.Fuse()])
    made.add_tokens(special(*control, "<start_of_turn>", "<end_of_turn>"))
    made.add_tokens([AddedToken(text, special=False, normalized=False) for text in ("<unused0>", "<h1>", *extra)])
    made.post_processor = begin_template("<bos>")(made)
    return made


def gemma3(corpus, size):
    return gemma(corpus, size, ["\n\n", "\n\n\n", "\t\t", MARK * 2, MARK * 3, "<image_soft_token>"])


def metaspace_split(corpus, size, scheme="always"):
    made, control = sentencepiece_like(corpus, size, "llama")
    made.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme=scheme, split=True)
    made.decoder = decoders.Metaspace(prepend_scheme=scheme)
    made.add_tokens(special(*control))
    return made


def unk_pieces(corpus, size, fuse):
    """No byte fallback: unknown characters, fused or not."""
    made, control = sentencepiece_like(corpus, size, "llama")
    document = json.loads(made.to_str())
    document["model"]["byte_fallback"] = False
    document["model"]["fuse_unk"] = fuse
    made = Tokenizer.from_str(json.dumps(document))
    made.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first", split=True)
    made.decoder = decoders.Metaspace(prepend_scheme="first")
    made.add_tokens(special(*control))
    return made


def character_map(name):
    """The compiled normalisation table of a SentencePiece model trained with the rule `name`."""
    import sentencepiece
    from sentencepiece import sentencepiece_model_pb2

    output = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(["one two three four five"] * 20), model_writer=output, vocab_size=20,
        normalization_rule_name=name, minloglevel=2, hard_vocab_limit=False)
    model = sentencepiece_model_pb2.ModelProto.FromString(output.getvalue())
    return normalizers.Precompiled(model.normalizer_spec.precompiled_charsmap)


def unigram(corpus, size, normalizer, pre, scheme, byte_fallback=False):
    made = Tokenizer(models.Unigram())
    made.normalizer = normalizer
    made.pre_tokenizer = pre
    control = ["<pad>", "</s>", "<unk>"]
    if byte_fallback:
        control += [f"<0x{byte:02X}>" for byte in range(256)]
    made.train_from_iterator(corpus, trainers.UnigramTrainer(
        vocab_size=size, special_tokens=control, unk_token="<unk>", show_progress=False))
    if byte_fallback:
        document = json.loads(made.to_str())
        document["model"]["byte_fallback"] = True
        document["added_tokens"] = []
        made = Tokenizer.from_str(json.dumps(document))
        made.add_tokens(special("<pad>", "</s>", "<unk>"))
    made.decoder = decoders.Metaspace(prepend_scheme=scheme)
    if byte_fallback:
        made.decoder = decoders.Sequence([
            decoders.ByteFallback(), decoders.Metaspace(prepend_scheme=scheme), decoders.Fuse()])
    made.add_tokens(special("<extra_id_0>", "<extra_id_1>"))
    made.post_processor = processors.TemplateProcessing(
        single="$A </s>", special_tokens=[("</s>", made.token_to_id("</s>"))])
    return made


def t5(corpus, size):
    pre = pre_tokenizers.Sequence([
        pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace(prepend_scheme="always")])
    return unigram(corpus, size, character_map("nmt_nfkc"), pre, "always")


def albert(corpus, size):
    normalizer = normalizers.Sequence([
        normalizers.Replace("``", '"'), normalizers.Replace("''", '"'), normalizers.NFKD(),
        normalizers.StripAccents(), normalizers.Lowercase(), character_map("nmt_nfkc_cf"),
        normalizers.Replace(Regex(" {2,}"), " ")])
    made = unigram(corpus, size, normalizer, pre_tokenizers.Metaspace(prepend_scheme="always"), "always")
    made.post_processor = processors.BertProcessing(("</s>", made.token_to_id("</s>")), ("<pad>", made.token_to_id("<pad>")))
    return made


def xlm(corpus, size):
    normalizer = normalizers.Sequence([
        character_map("nmt_nfkc"), normalizers.Strip(left=False, right=True),
        normalizers.Replace(Regex(" {2,}"), MARK)])
    return unigram(corpus, size, normalizer, pre_tokenizers.Metaspace(prepend_scheme="first"), "first")


def unigram_bytes(corpus, size):
    pre = pre_tokenizers.Metaspace(prepend_scheme="first", split=False)
    return unigram([t[:300] for t in corpus], size, normalizers.Nmt(), pre, "first", byte_fallback=True)


def with_parts(normalizer=None, pre=None):
    """A small byte-fallback vocabulary behind any normaliser and pre-tokenizer: shows the parts by themselves."""
    def make(corpus, size):
        made, control = sentencepiece_like(corpus, min(size, 1500), "llama")
        if normalizer:
            made.normalizer = normalizer()
        if pre:
            made.pre_tokenizer = pre()
        made.decoder = decoders.Sequence([decoders.ByteFallback(), decoders.Fuse()])
        made.add_tokens(special("<s>") + [
            AddedToken("Caf\u00e9", normalized=True), AddedToken("<x>", single_word=True, normalized=False),
            AddedToken("<l>", lstrip=True, normalized=True), AddedToken("<r>", rstrip=True, normalized=False)])
        return made
    return make


def sequence(*parts):
    return lambda: pre_tokenizers.Sequence(list(parts))


N, P = normalizers, pre_tokenizers
KINDS = {
    "gpt2": gpt2, "roberta": roberta, "llama3": llama3, "qwen2": qwen2, "smollm2": smollm2, "smollm3": smollm3,
    "phi4": phi4, "o200k": o200k, "tekken": tekken, "olmo2": olmo2, "granite": granite,
    "llama2": llama2, "llama2_normalized": llama2_normalized, "crossing": crossing, "mistral1": mistral1,
    "mistral3": mistral3, "phi3": phi3, "gemma": gemma, "gemma3": gemma3,
    "metaspace_always": metaspace_split,
    "metaspace_never": lambda c, s: metaspace_split(c, s, "never"),
    "metaspace_first": lambda c, s: metaspace_split(c, s, "first"),
    "unknown_fused": lambda c, s: unk_pieces(c, s, True), "unknown_single": lambda c, s: unk_pieces(c, s, False),
    "t5": t5, "albert": albert, "xlm": xlm, "unigram_bytes": unigram_bytes,
    # Single normalisers and pre-tokenizers.
    "nfc": with_parts(N.NFC), "nfd": with_parts(N.NFD), "nfkc": with_parts(N.NFKC), "nfkd": with_parts(N.NFKD),
    "lowercase": with_parts(N.Lowercase), "strip_accents": with_parts(N.StripAccents), "nmt": with_parts(N.Nmt),
    "strip": with_parts(lambda: N.Strip(), sequence(P.Metaspace(prepend_scheme="first"))),
    "strip_left": with_parts(lambda: N.Strip(True, False)), "strip_right": with_parts(lambda: N.Strip(False, True)),
    "replace_regex": with_parts(lambda: N.Replace(Regex(r"\s+|(?<=a)b?"), "~"), P.WhitespaceSplit),
    "precompiled_nfkc": with_parts(lambda: character_map("nfkc")),
    "precompiled_nmt": with_parts(lambda: character_map("nmt_nfkc_cf")),
    "byte_normalizer": with_parts(N.ByteLevel),
    "whitespace": with_parts(pre=P.Whitespace), "whitespace_split": with_parts(pre=P.WhitespaceSplit),
    "punctuation": with_parts(pre=lambda: P.Punctuation("isolated")),
    "punctuation_next": with_parts(pre=lambda: P.Punctuation("merged_with_next")),
    "punctuation_contiguous": with_parts(pre=lambda: P.Punctuation("contiguous")),
    "digits_contiguous": with_parts(pre=lambda: P.Digits(False)), "digits": with_parts(pre=lambda: P.Digits(True)),
    "delimiter": with_parts(pre=lambda: P.CharDelimiterSplit("\u00e9")),
    "scripts": with_parts(pre=P.UnicodeScripts),
    "split_literal": with_parts(pre=lambda: P.Split("a.", "merged_with_previous")),
    "split_inverted": with_parts(pre=lambda: P.Split(Regex(r"\w+"), "merged_with_next", True)),
    "bytes_inside": with_parts(pre=sequence(P.ByteLevel(add_prefix_space=True), P.Digits(True), P.Split("\u0120", "removed"))),
    # Pieces shorter than what the first character became, and the scheme `first` after them.
    "bytes_twice": with_parts(pre=sequence(
        P.ByteLevel(add_prefix_space=True), P.ByteLevel(add_prefix_space=False), P.Metaspace(prepend_scheme="first"),
        P.Metaspace("_", prepend_scheme="first"))),
    "fixed": with_parts(pre=lambda: P.FixedLength(3)),
    "first_after_split": with_parts(N.NFKD, sequence(P.WhitespaceSplit(), P.Metaspace(prepend_scheme="first"))),
    # The first character becomes several, of which parts are replaced, and is then cut up.
    "first_after_replace": with_parts(
        lambda: N.Sequence([N.Replace(Regex(r"[a-j]\s?|[A-Z]+"), " x\u0301y z"), N.Replace("y", "")]),
        sequence(P.Split(" ", "merged_with_next"), P.Metaspace(prepend_scheme="first"),
                 P.Metaspace("_", prepend_scheme="first"))),
    "first_after_strip": with_parts(
        lambda: N.Sequence([N.StripAccents(), N.Strip(True, True), N.Prepend("\u00bf")]),
        sequence(P.Digits(True), P.Metaspace(prepend_scheme="first"))),
}
