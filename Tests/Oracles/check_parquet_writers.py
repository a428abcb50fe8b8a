"""Preference rows written by polars, duckdb and fastparquet, for the comparison of check_parquet.py.

    python Tests/Oracles/check_parquet_writers.py --out FOLDER
    TREG_PARQUET_FOLDER=FOLDER swift test -c release --filter ParquetTests.DifferentialTests

Needs polars, duckdb, fastparquet, pandas and pyarrow.
"""

import argparse
import json
import pathlib
import random

import duckdb
import fastparquet
import pandas
import polars

FLAT = ["prompt", "score", "n", "flag"]
TURN = polars.Struct({"content": polars.String, "role": polars.String})
SCHEMA = {"prompt": polars.String, "score": polars.Float64, "n": polars.Int64, "flag": polars.Boolean,
          "chosen": polars.List(TURN), "lists": polars.List(polars.List(polars.Int64))}


def random_row(rng, index):
    def maybe(value):
        return None if rng.random() < 0.1 else value

    turns = [{"content": rng.choice(["a", "b" * rng.randint(0, 200), None]), "role": rng.choice(["user", "assistant"])}
             for _ in range(rng.choice([0, 1, 2, 3]))]
    lists = [maybe([rng.randint(0, 5) for _ in range(rng.choice([0, 1, 3]))]) for _ in range(rng.choice([0, 1, 2]))]
    return {"prompt": maybe(f"p{index % 37} é😀"), "score": maybe(rng.gauss(0, 1)), "n": index * 7,
            "flag": rng.random() < 0.5, "chosen": maybe(turns), "lists": maybe(lists)}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", type=pathlib.Path, required=True)
    out = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    rng = random.Random(3)

    def put(name, rows):
        text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        (out / f"{name}.jsonl").write_text(text)
        return str(out / f"{name}.parquet")

    for count in [1, 50, 3000]:
        for codec in ["uncompressed", "snappy", "gzip", "zstd"]:
            rows = [random_row(rng, index) for index in range(count)]
            frame = polars.DataFrame(rows, schema=SCHEMA, orient="row")
            for size in [None, 500]:
                path = put(f"polars-{count}-{codec}-{size}", rows)
                frame.write_parquet(path, compression=codec, row_group_size=1000, data_page_size=size)
            for version in ["v1", "v2"]:
                path = put(f"duckdb-{count}-{codec}-{version}", rows)
                connection = duckdb.connect()
                connection.register("frame", frame.to_arrow())
                options = f"format parquet, compression {codec}, parquet_version {version}, row_group_size 2048"
                connection.execute(f"copy (select * from frame) to '{path}' ({options})")
            flat = [{name: row[name] for name in FLAT} for row in rows]
            path = put(f"fastparquet-{count}-{codec}", flat)
            fastparquet.write(path, pandas.DataFrame(flat), compression=codec.upper(), row_group_offsets=700)


if __name__ == "__main__":
    main()
