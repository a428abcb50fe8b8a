"""A complete model small enough to train in a blink, and preference pairs for it.

Run: python Tests/Oracles/tiny_model.py Tests/EndToEndTests/Golden

model/       a Llama of random weights (2 layers, width 32) with a byte-level BPE, a chat template and an end-of-turn token
pairs.jsonl  24 pairs as message lists
held.jsonl   6 more
"""

import json
import sys
from pathlib import Path

import torch
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

target = Path(sys.argv[1])

SPECIAL = ["<|end|>", "<|turn|>", "<|done|>"]
TEMPLATE = (
    "{% for message in messages %}{{ '<|turn|>' + message['role'] + '\n' + message['content'] + '<|done|>' + '\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|turn|>assistant\n' }}{% endif %}"
)

# Instruction, a good answer, a poor one.
PAIRS = [
    ("Name a fruit.", "An apple is a fruit.", "A hammer, or maybe a Tuesday."),
    ("What is 2 + 3?", "2 + 3 is 5.", "It is 7, I think, or 6."),
    ("Say hello politely.", "Good morning, it is nice to meet you!", "what"),
    ("Which animal barks?", "A dog barks.", "A stone barks at the moon, as stones do every night of the year."),
    ("Give one word for very cold.", "Freezing.", "Well, cold things are things that are cold, which is to say cold."),
    ("How many legs has a spider?", "A spider has eight legs.", "Three."),
    ("Name the colour of fresh snow.", "White.", "Snow has a smell of paper."),
    ("Count from 1 to 4.", "1, 2, 3, 4", "4, 9, 1, 1"),
    ("What do bees make?", "Bees make honey.", "Bees make tables out of wood and sell them in the market."),
    ("Write the plural of 'leaf'.", "leaves", "leafs leafes leaf"),
    ("Is ice heavier than water?", "No: ice is lighter than water, so it floats.", "Yes."),
    ("Name a day of the weekend.", "Saturday", "Wednesday is the best of all days."),
    ("What does a baker bake?", "A baker bakes bread and cakes.", "Bricks."),
    ("Give the opposite of 'up'.", "Down.", "Up is a direction, and there are many directions, for instance up."),
    ("Which season follows spring?", "Summer follows spring.", "Spring follows the postman."),
    ("Name a musical instrument.", "The violin.", "A bucket full of soup."),
    ("What is half of 10?", "Half of 10 is 5.", "10 is half of 20, so it is 20."),
    ("Where do fish live?", "Fish live in water.", "In the second drawer on the left."),
    ("Write 'cat' backwards.", "tac", "cat cat cat"),
    ("What is the first letter of 'tree'?", "The first letter is t.", "z"),
    ("Name a tool for cutting paper.", "Scissors.", "You should not cut paper, because paper is made of trees, and so on."),
    ("How do you spell 7?", "seven", "7even"),
    ("What shines at night?", "The moon and the stars shine at night.", "Nothing."),
    ("Name a drink.", "Tea is a drink.", "Sand, served warm, with a slice of chalk."),
    ("Which is larger, 12 or 8?", "12 is larger than 8.", "8."),
    ("What do cows eat?", "Cows eat grass.", "Cows eat mostly newspapers and sometimes a bell."),
    ("Name a month with 30 days.", "June has 30 days.", "Friday has 30 days."),
    ("What is wet: rain or dust?", "Rain is wet.", "Dust"),
    ("Give a rhyme for 'light'.", "Night rhymes with light.", "Lamp."),
    ("How many wheels has a bicycle?", "A bicycle has two wheels.", "It has eleven wheels and a roof."),
]
HELD = 6


def tokenizer():
    result = Tokenizer(models.BPE())
    result.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    result.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=384, special_tokens=SPECIAL, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False
    )
    result.train_from_iterator([text for pair in PAIRS for text in pair] + ["user\nassistant\nsystem\n"], trainer)
    result.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in SPECIAL])
    return result


def write_model():
    torch.manual_seed(11)
    config = LlamaConfig(
        vocab_size=384,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=512,
        rms_norm_eps=1e-5,
        rope_parameters={"rope_type": "default", "rope_theta": 10000.0},
        tie_word_embeddings=True,
        # Wide enough that tokens differ in probability, as they do in a trained model.
        initializer_range=0.2,
        bos_token_id=0,
        eos_token_id=2,
        pad_token_id=0,
    )
    LlamaForCausalLM(config).save_pretrained(target / "model")
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer(), bos_token=SPECIAL[0], eos_token=SPECIAL[2], pad_token=SPECIAL[0], chat_template=TEMPLATE
    ).save_pretrained(target / "model")


def write_pairs(name, pairs):
    def message(role, content):
        return [{"role": role, "content": content}]

    with open(target / name, "w") as file:
        for prompt, chosen, rejected in pairs:
            row = {
                "prompt": message("user", prompt),
                "chosen": message("assistant", chosen),
                "rejected": message("assistant", rejected),
            }
            file.write(json.dumps(row) + "\n")


write_model()
write_pairs("pairs.jsonl", PAIRS[:-HELD])
write_pairs("held.jsonl", PAIRS[-HELD:])
