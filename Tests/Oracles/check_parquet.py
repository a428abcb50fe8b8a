"""Writes random Parquet files and the rows that a reader shall make of them; ParquetTests compares.

    python Tests/Oracles/check_parquet.py --out FOLDER [--files 3000] [--seed 1]
    TREG_PARQUET_FOLDER=FOLDER swift test -c release --filter ParquetTests.DifferentialTests

Two in three files are written by pyarrow: random types at any depth, every codec, encoding, page version and size that it
has. One in three has the older forms of parquet_writer.py, and pyarrow says what is in it. NAME.parquet has its rows as
JSON lines in NAME.jsonl.
"""

import argparse
import json
import pathlib
import random

import pyarrow as pa
import pyarrow.parquet as pq

import parquet_values as values
import parquet_writer as writer

ENCODINGS = {
    "BOOLEAN": ["PLAIN", "RLE"],
    "INT32": ["PLAIN", "DELTA_BINARY_PACKED", "BYTE_STREAM_SPLIT"],
    "INT64": ["PLAIN", "DELTA_BINARY_PACKED", "BYTE_STREAM_SPLIT"],
    "INT96": ["PLAIN"],
    "FLOAT": ["PLAIN", "BYTE_STREAM_SPLIT"],
    "DOUBLE": ["PLAIN", "BYTE_STREAM_SPLIT"],
    "BYTE_ARRAY": ["PLAIN", "DELTA_LENGTH_BYTE_ARRAY", "DELTA_BYTE_ARRAY"],
    "FIXED_LEN_BYTE_ARRAY": ["PLAIN", "BYTE_STREAM_SPLIT", "DELTA_BYTE_ARRAY"],
}


def random_options(rng):
    return {
        "compression": rng.choice(["none", "snappy", "gzip", "zstd"]),
        "version": rng.choice(["2.4", "2.6", "2.6"]),
        "data_page_version": rng.choice(["1.0", "2.0"]),
        "data_page_size": rng.choice([16, 300, 1 << 20]),
        "dictionary_pagesize_limit": rng.choice([16, 200, 1 << 20]),
        "write_batch_size": rng.choice([1, 3, 10, 1024]),
        "write_statistics": rng.random() < 0.5,
        "write_page_checksum": rng.random() < 0.5,
        "write_page_index": rng.random() < 0.3,
        "use_compliant_nested_type": rng.random() < 0.7,
        "store_decimal_as_integer": rng.random() < 0.3,
        "use_deprecated_int96_timestamps": rng.random() < 0.1,
        "store_schema": rng.random() < 0.7,
    }


def arrow_file(path, rng):
    options = random_options(rng)
    fields = []
    for index in range(rng.randint(1, 5)):
        kind = values.random_kind(rng, options)
        fields.append((f"column {index}", kind, rng.random() < 0.7 or pa.types.is_null(kind.arrow)))
    row = values.Struct(fields)
    rows = [row.make(rng) for _ in range(rng.choice([0, 1, 5, 40, 40, 300]))]
    schema = pa.schema(list(row.arrow))
    table = pa.table([pa.array([r[name] for r in rows], kind.arrow) for name, kind, _ in fields], schema=schema)
    group = rng.choice([7, 50, 1000])
    pq.write_table(table, path, row_group_size=group, **options)
    if rng.random() < 0.5:
        leaves = pq.ParquetFile(path).schema
        chosen = {}
        for index in range(len(leaves)):
            leaf = leaves.column(index)
            chosen[leaf.path] = rng.choice(ENCODINGS[leaf.physical_type])
        pq.write_table(table, path, row_group_size=group, use_dictionary=False, column_encoding=chosen, **options)
    return [row.render(r) for r in rows]


LEAVES = [(writer.INT32, None, lambda rng: rng.randint(-9, 9)), (writer.INT64, None, lambda rng: rng.randint(-9, 9)),
          (writer.BOOLEAN, None, lambda rng: rng.random() < 0.5), (writer.DOUBLE, None, lambda rng: rng.randint(-9, 9) / 4),
          (writer.BYTE_ARRAY, writer.UTF8, lambda rng: values.text(rng).encode())]


def old_node(rng, name, repetition, depth=0):
    """A node and a function that makes what lies in it once it is present."""
    # pyarrow turns away a list or map that is itself a repeated field, but for a list in a list.
    choice = rng.random() * (0.55 if repetition == writer.REPEATED else 1)
    optional = rng.choice([writer.REQUIRED, writer.OPTIONAL])
    if depth > 3 or choice < 0.35:
        type, converted, make = rng.choice(LEAVES)
        return writer.Node(name, repetition, type, converted=converted), make
    if choice < 0.55:
        parts = [old_node(rng, part, rng.choice([0, 1, 2]), depth + 1) for part in rng.sample("abcd", rng.randint(1, 3))]
        return group(name, repetition, parts)
    if choice < 0.7:
        item = old_node(rng, rng.choice(["element", "item", "array_element"]), optional, depth + 1)
        wrapper = group(rng.choice(["list", "bag"]), writer.REPEATED, [item])
        return group(name, repetition, [wrapper], writer.LIST)
    if choice < 0.9:
        item = old_node(rng, rng.choice(["array", f"{name}_tuple"]), writer.REPEATED, depth + 1)
        # The format leaves open what a list is whose element is a list of one field.
        return group(name, repetition, [item], writer.LIST)
    key = writer.Node("key", writer.REQUIRED, writer.BYTE_ARRAY, converted=writer.UTF8), LEAVES[4][2]
    value = old_node(rng, "value", optional, depth + 1)
    entries = group("map", writer.REPEATED, [key, value], rng.choice([None, writer.MAP_KEY_VALUE]))
    return group(name, repetition, [entries], rng.choice([writer.MAP, writer.MAP_KEY_VALUE]))


def group(name, repetition, parts, converted=None):
    return (writer.Node(name, repetition, children=[node for node, _ in parts], converted=converted),
            lambda rng: {node.name: fill(node, make, rng) for node, make in parts})


def fill(node, make, rng):
    if node.repetition == writer.REPEATED:
        return [make(rng) for _ in range(rng.choice([0, 0, 1, 2, 5]))]
    return None if node.repetition == writer.OPTIONAL and rng.random() < 0.2 else make(rng)


def plain_json(value, type):
    """A value of pyarrow as JSON; maps of texts are objects."""
    if value is None:
        return None
    if pa.types.is_map(type):
        return {key: plain_json(item, type.item_type) for key, item in value}
    if pa.types.is_list(type):
        return [plain_json(item, type.value_type) for item in value]
    if pa.types.is_struct(type):
        return {field.name: plain_json(value[field.name], field.type) for field in type}
    return value


def old_file(path, rng):
    parts = [old_node(rng, f"c{index}", rng.choice([0, 1, 2])) for index in range(rng.randint(1, 4))]
    records = [{node.name: fill(node, make, rng) for node, make in parts} for _ in range(rng.choice([1, 8, 60]))]
    nodes = [node for node, _ in parts]
    codec = rng.choice([0, 2])
    writer.write(path, nodes, records, rng, codec=codec, packed=False)
    table = pq.read_table(path, page_checksum_verification=True)
    if rng.random() < 0.4:
        # pyarrow takes the lowest bit of BIT_PACKED levels first; the format and its Java library say the highest.
        writer.write(path, nodes, records, rng, codec=codec, packed=True, second=False)
    return [plain_json(row, pa.struct(list(table.schema))) for row in table.to_pylist(maps_as_pydicts=None)]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--files", type=int, default=3000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--first", type=int, default=0)
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    unread = 0
    for index in range(arguments.first, arguments.files):
        rng = random.Random(arguments.seed * 1_000_003 + index)
        path = arguments.out / f"{index:05}.parquet"
        make = old_file if index % 3 == 2 else arrow_file
        try:
            rows = make(path, rng)
        except (pa.ArrowNotImplementedError, pa.ArrowInvalid) as error:
            # pyarrow cannot write or read every combination; count them.
            unread += 1
            if unread < 10:
                print(f"{path.name}: left out, pyarrow: {str(error)[:150]}")
            path.unlink(missing_ok=True)
            continue
        path.with_suffix(".jsonl").write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
    print(f"{arguments.files - arguments.first - unread} files, {unread} left out")


if __name__ == "__main__":
    main()
