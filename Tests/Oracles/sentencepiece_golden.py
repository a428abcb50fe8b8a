"""Vocabularies of SentencePiece in GGUF files, and the ids that SentencePiece itself gives texts.

Run: python Tests/Oracles/sentencepiece_golden.py Tests/ModelFilesTests/Golden

sentencepiece-llama.gguf   a blank before every text, unknown characters as bytes, digits one by one: as Llama 2 has it
sentencepiece-gemma.gguf   no such blank; line breaks and runs of blanks are tokens given by hand: as Gemma has it
sentencepiece.json         texts, and for each file the ids, without the begin token

The vocabularies are trained here, on sentences written here, and stored as llama.cpp's converter stores them (▁ of tokens
given by hand becomes a blank). The models around them are as small as can be.
"""

import io
import json
import random
import sys
from pathlib import Path

import sentencepiece
import torch
from transformers import GemmaConfig, GemmaForCausalLM, LlamaConfig, LlamaForCausalLM

from gguf_writing import write

SENTENCES = [
    "The quick brown fox jumps over the lazy dog while the cat is sleeping on the mat.",
    "Training a small model takes a small number of steps, and a large one takes many more.",
    "In the year 1984 there were 365 days, in 2024 there were 366; count them again and again.",
    "Größe und Länge sind verschiedene Dinge, sagte der Müller und ging über die Brücke.",
    "def add(first, second):\n    return first + second\n\n\nprint(add(1, 2))",
    "Le garçon mange une pomme près de la forêt, où les oiseaux chantent.",
    "日本語の文章も少しあります。東京は大きいです。",
] * 4
GIVEN = ["\n", "\n\n", "\n\n\n", "▁▁", "▁▁▁", "▁▁▁▁", "<table>", "</table>"]


def train(given, prefix):
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(line for text in SENTENCES for line in text.split("\n") if line), model_writer=model,
        model_type="bpe", vocab_size=520, byte_fallback=True, split_digits=True, character_coverage=0.985,
        normalization_rule_name="identity", remove_extra_whitespaces=False, add_dummy_prefix=prefix,
        allow_whitespace_only_pieces=True, user_defined_symbols=given, minloglevel=2, num_threads=1)
    return sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())


def add_tokenizer(writer, processor, given, prefix):
    tokens, kinds = [], []
    for index in range(processor.vocab_size()):
        token, kind = processor.id_to_piece(index), 1
        if processor.is_unknown(index):
            kind = 2
        elif processor.is_control(index):
            kind = 3
        elif processor.is_byte(index):
            kind = 6
        elif token in given:
            token, kind = token.replace("▁", " "), 4
        tokens.append(token)
        kinds.append(kind)
    writer.add_tokenizer_model("llama")
    writer.add_tokenizer_pre("default")
    writer.add_token_list(tokens)
    writer.add_token_scores([processor.get_score(index) for index in range(len(tokens))])
    writer.add_token_types(kinds)
    writer.add_bos_token_id(processor.bos_id())
    writer.add_eos_token_id(processor.eos_id())
    writer.add_unk_token_id(processor.unk_id())
    if not prefix:
        writer.add_add_space_prefix(False)


def texts():
    generator = random.Random(5)
    words = [word for text in SENTENCES for word in text.split(" ")]
    result = [
        "", " ", "  ", "a", " a", "a ", "the  cat", "   three", "12345 67", "x\ty", "emoji 🙂🙃 and ☃", "ünïcödé",
        "日本 の東京", "don't", "A\u030angstrom \u212b", "\u200b zero", "print(1)", "<table> x </table>", "tail   ",
    ]
    for _ in range(150):
        parts = [generator.choice(words) for _ in range(generator.randint(1, 8))]
        if generator.random() < 0.3:
            parts.insert(generator.randrange(len(parts) + 1), generator.choice(["é", "ж", "中", "9" * 5, "_", "🙂"]))
        result.append(generator.choice([" ", "  ", "", "    "]).join(parts))
    return result


def main():
    target = Path(sys.argv[1])
    shapes = {
        "hidden_size": 4, "intermediate_size": 4, "num_hidden_layers": 1, "num_attention_heads": 1, "num_key_value_heads": 1,
        "head_dim": 4, "max_position_embeddings": 16,
    }
    result = {"texts": texts()}
    for name, given, prefix, config, kind in [
        ("llama", [], True, LlamaConfig, LlamaForCausalLM), ("gemma", GIVEN, False, GemmaConfig, GemmaForCausalLM)
    ]:
        processor = train(given, prefix)
        torch.manual_seed(1)
        model = kind(config(vocab_size=processor.vocab_size(), tie_word_embeddings=True, **shapes))
        model.config.architectures = [kind.__name__]
        write(target / f"sentencepiece-{name}.gguf", model, lambda writer: add_tokenizer(writer, processor, given, prefix))
        result[name] = [processor.encode(text) for text in result["texts"]]
        decoded = [processor.decode(ids) for ids in result[name]]
        print(name, processor.vocab_size(), sum(a == b for a, b in zip(decoded, result["texts"])), "of", len(decoded))
    (target / "sentencepiece.json").write_text(json.dumps(result, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
