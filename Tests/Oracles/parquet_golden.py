"""Small Parquet files and the rows in them: Tests/ParquetTests/Golden.

Run from the project's root:
    python Tests/Oracles/parquet_golden.py
Needs pyarrow and datasets. DATA.VARIANT.parquet has its rows as JSON lines in DATA.jsonl. All texts are written here.
"""

import datetime
import decimal
import json
import pathlib
import random
import uuid

import pyarrow as pa
import pyarrow.parquet as pq
from datasets import Dataset, Features, List, Value

import parquet_writer as writer
from check_parquet import ENCODINGS

OUT = pathlib.Path("Tests/ParquetTests/Golden")


def turn(role, content):
    return {"role": role, "content": content}


def put(name, rows):
    (OUT / f"{name}.jsonl").write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))


def arrow(name, variant, table, **options):
    options = {"store_schema": False, "write_statistics": False, **options}
    pq.write_table(table, OUT / f"{name}.{variant}.parquet", **options)


# As the hub has them, written by `datasets`.
QUESTIONS = ["Name a river.", "What is 7 times 8?", "Übersetze \"Haus\".", "Write a haiku about rain. " * 4]
ultrafeedback = [
    {"prompt": q, "prompt_id": f"{i:064x}", "chosen": [turn("user", q), turn("assistant", f"A good answer to {q}")],
     "rejected": [turn("user", q), turn("assistant", "No.")], "messages": [turn("user", q), turn("assistant", "Yes 😀")],
     "score_chosen": 8.5 - i / 2, "score_rejected": 1.0 * i}
    for i, q in enumerate(QUESTIONS)
]
ultrafeedback[1]["messages"] = []
ultrafeedback[2]["score_rejected"] = None
ultrafeedback[3]["rejected"] = None
ultrafeedback[3]["messages"] = [turn("user", None), turn(None, "")]
messages = List({"content": Value("string"), "role": Value("string")})
hh = [{"chosen": f"\n\nHuman: {q}\n\nAssistant: Certainly.", "rejected": f"\n\nHuman: {q}\n\nAssistant: No."}
      for q in QUESTIONS]
openai = [{"messages": [turn("system", "Be brief."), turn("user", q), turn("assistant", "Fine.")][i % 2:]}
          for i, q in enumerate(QUESTIONS)]
sharegpt = [{"id": f"x{i}", "conversations": [{"from": "human", "value": q}, {"from": "gpt", "value": "Fine."}] * i}
            for i, q in enumerate(QUESTIONS)]
hub = {
    "ultrafeedback": (ultrafeedback, Features({
        "prompt": Value("string"), "prompt_id": Value("string"), "chosen": messages, "rejected": messages,
        "messages": messages, "score_chosen": Value("float64"), "score_rejected": Value("float64")})),
    "hh": (hh, None),
    "openai": (openai, Features({"messages": List({"role": Value("string"), "content": Value("string")})})),
    "sharegpt": (sharegpt, Features({
        "id": Value("string"), "conversations": List({"from": Value("string"), "value": Value("string")})})),
}


def write_hub():
    for name, (rows, features) in hub.items():
        data = Dataset.from_list(rows, features=features)
        if features is not None:
            # `datasets` orders the fields of a struct as the features do.
            rows = [{key: order(row[key], feature) for key, feature in features.items()} for row in rows]
        put(name, rows)
        data.to_parquet(OUT / f"{name}.hub.parquet")
        data.to_parquet(OUT / f"{name}.groups.parquet", batch_size=3)


def order(value, feature):
    if value is None or isinstance(feature, Value):
        return value
    return [{key: turn[key] for key in feature.feature} for turn in value]


def write_codecs():
    rows = [{"n": i, "chosen": [turn("user", f"Question {i % 5}"), turn("assistant", "word " * (i % 9))] if i % 7 else None,
             "tags": [[], None, ["a", None], ["b"]][i % 4]} for i in range(120)]
    put("codec", rows)
    table = pa.Table.from_pylist(rows)
    for codec in ["none", "snappy", "gzip", "zstd"]:
        for version in ["1.0", "2.0"]:
            arrow("codec", f"{codec}-v{version[0]}", table, compression=codec, data_page_version=version,
                  data_page_size=400, write_batch_size=32, write_page_checksum=codec == "zstd", row_group_size=70)
    for codec in ["brotli", "lz4"]:
        pq.write_table(table.slice(0, 2).select(["n"]), OUT / f"refused.{codec}.parquet", compression=codec)


def write_encodings():
    rng = random.Random(1)
    rows, count = [], 70
    for i in range(count):
        row = {"BOOLEAN": rng.random() < 0.3, "INT32": rng.randint(-1000, 1000), "INT64": rng.randint(-2**62, 2**62),
               "FLOAT": rng.randint(-64, 64) / 8, "DOUBLE": rng.gauss(0, 1), "BYTE_ARRAY": f"common start {i // 9} end {i}",
               "FIXED_LEN_BYTE_ARRAY": f"{i // 8:03}x{i % 8}"}
        rows.append({key: None if rng.random() < 0.1 else value for key, value in row.items()})
    put("encoding", rows)
    types = [pa.bool_(), pa.int32(), pa.int64(), pa.float32(), pa.float64(), pa.string(), pa.binary(5)]
    table = pa.Table.from_pylist(rows, schema=pa.schema(list(zip(rows[0], types))))
    for choice in range(3):
        for version in ["1.0", "2.0"]:
            chosen = {key: ENCODINGS[key][choice % len(ENCODINGS[key])] for key in rows[0]}
            arrow("encoding", f"{choice}-v{version[0]}", table, use_dictionary=False, column_encoding=chosen,
                  data_page_version=version, compression="none" if version == "1.0" else "zstd", data_page_size=200, write_batch_size=16)
    arrow("encoding", "dictionary", table, data_page_size=100, write_batch_size=8, dictionary_pagesize_limit=150)


def write_types():
    day = datetime.date(2024, 2, 29)
    columns = {
        "int8": (pa.int8(), [-128, 127], None), "uint8": (pa.uint8(), [0, 255], None),
        "int16": (pa.int16(), [-32768, 32767], None), "uint32": (pa.uint32(), [0, 2**32 - 1], None),
        "uint64": (pa.uint64(), [2**63 - 1, 2**64 - 1], [2**63 - 1, float(2**64 - 1)]),
        "float16": (pa.float16(), [0.5, -2.0], None), "float32": (pa.float32(), [float("nan"), float("inf")], None),
        "decimal9": (pa.decimal128(9, 2), [decimal.Decimal("-1234567.89"), decimal.Decimal("0.01")], [-1234567.89, 0.01]),
        "decimal38": (pa.decimal128(38, 0), [decimal.Decimal(10**30), decimal.Decimal(-12)], [1e30, -12]),
        "decimal76": (pa.decimal256(76, 10), [decimal.Decimal("-1.5"), decimal.Decimal(10**40)], [-1.5, 1e40]),
        "date": (pa.date32(), [day, datetime.date(1969, 12, 31)], ["2024-02-29", "1969-12-31"]),
        "time": (pa.time64("us"), [1, 86_399_999_999], ["00:00:00.000001", "23:59:59.999999"]),
        "millis": (pa.timestamp("ms", "UTC"), [-1, 0], ["1969-12-31T23:59:59.999Z", "1970-01-01T00:00:00.000Z"]),
        "nanos": (pa.timestamp("ns"), [1_709_208_300_250_000_001, 0],
                  ["2024-02-29T12:05:00.250000001", "1970-01-01T00:00:00.000000000"]),
        "uuid": (pa.uuid(), [bytes(range(16)), bytes(16)], [str(uuid.UUID(bytes=bytes(range(16)))), str(uuid.UUID(int=0))]),
        "binary": (pa.binary(), [b"text", "ä".encode()], ["text", "ä"]),
        "enum": (pa.dictionary(pa.int8(), pa.string()), ["a", "b"], None),
        "null": (pa.null(), [None, None], None),
        "map": (pa.map_(pa.string(), pa.int64()), [[("b", 1), ("a", None)], []], [{"b": 1, "a": None}, {}]),
        "numbers": (pa.map_(pa.int32(), pa.string()), [[(1, "x")], []], [[{"key": 1, "value": "x"}], []]),
        "fixed list": (pa.list_(pa.int32(), 2), [[1, 2], [3, None]], None),
    }
    table = pa.table({name: pa.array(column[1], column[0]) for name, column in columns.items()})
    put("types", [{name: (column[2] or column[1])[row] for name, column in columns.items()} for row in range(2)])
    arrow("types", "plain", table, use_dictionary=False)
    arrow("types", "dictionary", table, store_decimal_as_integer=True)
    stamp = pa.table({"at": pa.array([0, -1, None], pa.timestamp("ns"))})
    put("int96", [{"at": "1970-01-01T00:00:00.000000000"}, {"at": "1969-12-31T23:59:59.999999999"}, {"at": None}])
    arrow("int96", "plain", stamp, use_deprecated_int96_timestamps=True)


def node(name, repetition, *rest, **more):
    return writer.Node(name, repetition, *rest, **more)


def stored(field, value):
    """A value as it lies in the groups of a file."""
    if field.repetition == writer.REPEATED:
        return [content(field, item) for item in value]
    return None if value is None else content(field, value)


def content(field, value):
    if field.type is not None:
        return value.encode() if field.type == writer.BYTE_ARRAY else value
    if field.converted == writer.MAP_KEY_VALUE:
        value = [{"key": key, "value": item} for key, item in value.items()]
    if field.converted is not None:
        return {field.children[0].name: stored(field.children[0], value)}
    return {child.name: stored(child, value[child.name]) for child in field.children}


def write_old_forms():
    text = {"type": writer.BYTE_ARRAY, "converted": writer.UTF8}
    tags = node("tags", 1, converted=writer.LIST, children=[node("array", 2, **text)])
    turns = node("turns", 1, converted=writer.LIST, children=[
        node("array", 2, children=[node("role", 0, **text), node("content", 1, **text)])])
    single = node("single", 0, converted=writer.LIST, children=[node("single_tuple", 2, children=[node("value", 1, **text)])])
    lists = node("lists", 0, converted=writer.LIST, children=[
        node("array", 2, converted=writer.LIST, children=[node("array", 2, writer.INT32)])])
    bare = node("bare", 2, children=[node("x", 0, writer.INT64), node("y", 2, writer.INT32)])
    entries = node("map", 1, converted=writer.MAP_KEY_VALUE, children=[
        node("map", 2, children=[node("key", 0, **text), node("value", 1, writer.INT32)])])
    rows = [
        {"tags": ["a", "b"], "turns": [turn("user", None)], "single": [{"value": "v"}, {"value": None}],
         "lists": [[1, 2], [], [3]], "bare": [{"x": 1, "y": [5, 6]}, {"x": 2, "y": []}], "map": {"k": 4, "l": None}},
        {"tags": None, "turns": [], "single": [], "lists": [], "bare": [], "map": None},
        {"tags": [], "turns": None, "single": [{"value": "w"}], "lists": [[]], "bare": [{"x": 3, "y": [7]}], "map": {}},
    ] * 5
    put("old", rows)
    nodes = [tags, turns, single, lists, bare, entries]
    for variant, codec, form in [("packed", 0, {"packed": True, "second": False}), ("runs", 2, {"second": False}),
                                 ("v2", 2, {"second": True})]:
        records = [{field.name: stored(field, row[field.name]) for field in nodes} for row in rows]
        writer.write(OUT / f"old.{variant}.parquet", nodes, records, random.Random(7), codec=codec, **form)


def write_refused():
    """Files that lie, each in its own way."""
    rng = random.Random(1)
    text = {"type": writer.BYTE_ARRAY, "converted": writer.UTF8}
    number = [node("n", 0, writer.INT32)]
    tags = [node("tags", 0, converted=writer.LIST, children=[node("list", 2, children=[node("element", 1, **text)])])]
    turns = [node("turns", 2, children=[node("role", 0, writer.INT32), node("content", 0, writer.INT32)])]

    def put_pages(name, nodes, rows, *parts, **more):
        writer.write_pages(OUT / f"refused.{name}.parquet", nodes, rows, list(parts), **more)

    def data_page(body, count, size=None, encoding=0, crc=None):
        header = {1: 0, 2: len(body) if size is None else size, 3: len(body), 4: crc,
                  5: writer.Wrapped({1: count, 2: encoding, 3: 3, 4: 3})}
        return writer.Wrapped.encode(writer.Wrapped(header)) + body

    def runs(*pairs):
        body = b"".join(writer.varint(length << 1) + bytes([level]) for length, level in pairs)
        return len(body).to_bytes(4, "little") + body

    def entries(*pairs):
        return [(repetition, 1, value) for repetition, value in pairs]

    plain = {"second": False, "checksum": False}
    writer.write(OUT / "refused.text.parquet", [node("a\nb", 0, **text)], [{"a\nb": b"x"}, {"a\nb": b"\xff"}], rng, **plain)
    # A few bytes that stand for 67 million nulls in one list.
    count = 1 << 26
    put_pages("row", tags, 1, (count, data_page(runs((1, 0), (count - 1, 1)) + runs((count, 1)), count)))
    put_pages("bomb", number, 1, (1, data_page(b"\x28\xb5\x2f\xfd" * 4, 1, size=500_000_000)), codec=6)
    put_pages("large", number, 1, (1, data_page(bytes(8), 1, size=2**30)))
    put_pages("count", number, 2**30, (2**30, data_page(bytes(8), 2**30)))
    put_pages("checksum", number, 1, (1, data_page(bytes(4), 1, crc=7)))
    put_pages("short", number, 3, (3, data_page(bytes(8), 3)))
    put_pages("missing", number, 3, (3, data_page(bytes(8), 2)))
    put_pages("index", number, 1, (1, writer.Wrapped.encode(writer.Wrapped(
        {1: 2, 2: 4, 3: 4, 7: writer.Wrapped({1: 1, 2: 0})})) + bytes(4) + data_page(bytes([2, 2, 3]), 1, encoding=8)))
    put_pages("dictionary", number, 1, (1, data_page(bytes([2, 2, 3]), 1, encoding=8)))
    put_pages("codec", number, 1, (1, data_page(bytes(4), 1)), codec=3)
    put_pages("encrypted", number, 1, (1, data_page(bytes(4), 1)), magic=b"PARE")
    # Sixteen MiB of zeros in half a kilobyte, once for each of many columns.
    zeros = data_page(pa.compress(bytes(16 << 20), "zstd", asbytes=True), 1, size=16 << 20)
    many = [node(f"n{index}", 0, writer.INT32) for index in range(18)]
    put_pages("many", many, 1, *[(1, zeros)] * 18, codec=6)
    long, short = entries((0, 1), (1, 2)), entries((0, 1))
    put_pages("levels", turns, 1, (2, writer.page(long, writer.INT32, 1, 1, 0, rng, **plain)),
              (1, writer.page(short, writer.INT32, 1, 1, 0, rng, **plain)))


if __name__ == "__main__":
    OUT.mkdir(parents=True, exist_ok=True)
    for old in OUT.iterdir():
        old.unlink()
    write_hub()
    write_codecs()
    write_encodings()
    write_types()
    write_old_forms()
    write_refused()
    print(sum(path.stat().st_size for path in OUT.iterdir()), "bytes")
