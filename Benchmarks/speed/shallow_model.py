"""The first layers of a model as a model of its own: for rows so long that the whole model would not fit or would take too long."""

import json
import re
import shutil
import struct
from pathlib import Path

from .failure import Failure

WEIGHTS = "model.safetensors"
LAYER = re.compile(r"(?:model\.layers|h|transformer\.h)\.(\d+)\.")


def read_header(path):
    """Entries of a safetensors file by name, and where their bytes begin."""
    with open(path, "rb") as file:
        (size,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(size))
    header.pop("__metadata__", None)
    return header, 8 + size


def layer_of(name):
    found = LAYER.match(name)
    return int(found[1]) if found else None


def first_layers(source, target, count):
    """Writes the folder `target`: the model of the folder `source` without its layers from `count` on."""
    source, target = Path(source), Path(target)
    configuration = json.loads((source / "config.json").read_text())
    key = "num_hidden_layers" if "num_hidden_layers" in configuration else "n_layer"
    if not (source / WEIGHTS).exists():
        raise Failure(66, f"{source}: no {WEIGHTS}; a model in several files is not cut")
    count = min(count, configuration[key])
    configuration[key] = count
    if "layer_types" in configuration:
        configuration["layer_types"] = configuration["layer_types"][:count]
    target.mkdir()
    for path in source.iterdir():
        if path.is_file() and path.suffix in (".json", ".jinja", ".txt", ".model"):
            shutil.copy(path, target)
    (target / "config.json").write_text(json.dumps(configuration, indent=2) + "\n")

    entries, begin = read_header(source / WEIGHTS)
    kept = {name: entry for name, entry in entries.items() if (layer_of(name) or 0) < count}
    header, offset = {}, 0
    for name, entry in kept.items():
        size = entry["data_offsets"][1] - entry["data_offsets"][0]
        header[name] = dict(entry, data_offsets=[offset, offset + size])
        offset += size
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(source / WEIGHTS, "rb") as read, open(target / WEIGHTS, "wb") as written:
        written.write(struct.pack("<Q", len(text)) + text)
        for entry in kept.values():
            read.seek(begin + entry["data_offsets"][0])
            written.write(read.read(entry["data_offsets"][1] - entry["data_offsets"][0]))


class OperationCount:
    """Multiplications and additions of a pair's forward pass; training and reference pass together are four times that.

    Of T packed tokens with S scored ones and P causal pairs of a query and a key:
    2 · body · T + 2 · head · S + 4 · query width · layers · P.
    """

    def __init__(self, folder):
        folder = Path(folder)
        configuration = json.loads((folder / "config.json").read_text())
        entries, _ = read_header(folder / WEIGHTS)
        matrices = {name: entry["shape"] for name, entry in entries.items() if len(entry["shape"]) == 2}
        self.body = sum(rows * columns for name, (rows, columns) in matrices.items() if layer_of(name) is not None)
        width = configuration.get("hidden_size") or configuration["n_embd"]
        heads = configuration.get("num_attention_heads") or configuration["n_head"]
        self.head = configuration["vocab_size"] * width
        self.layers = 1 + max(layer_of(name) or 0 for name in entries)
        self.query_width = heads * (configuration.get("head_dim") or width // heads)

    def forward(self, tokens, shared_tokens):
        """Of one pair with responses of about the same length.

        - tokens: of both conversations, the prompt counted in each; shared_tokens: the prompt counted once.
        """
        prompt = tokens - shared_tokens
        response = (shared_tokens - prompt) / 2
        pairs = prompt**2 / 2 + 2 * (response * prompt + response**2 / 2)
        return 2 * self.body * shared_tokens + 2 * self.head * 2 * response + 4 * self.query_width * self.layers * pairs
