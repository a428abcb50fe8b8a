"""Makes a large file of preference pairs, as UltraFeedback has them, and measures how fast pyarrow reads it on one thread.

    python Tests/Oracles/bench_parquet.py --out FILE.parquet [--rows 200000] [--compression snappy] [--group 100000]
    TREG_PARQUET_FILE=FILE.parquet swift test -c release --filter ParquetTests.SpeedTests
"""

import argparse
import os
import pathlib
import random
import time

import pyarrow as pa
import pyarrow.parquet as pq

WORDS = ["the", "a", "model", "answer", "question", "because", "river", "would", "be", "of", "größer", "and", "not"]


def sentence(rng, low, high):
    return " ".join(rng.choices(WORDS, k=rng.randint(low, high)))


def rows(count, seed):
    rng = random.Random(seed)
    # Putting words together is slow; a pool of texts in random order is as good to a reader.
    questions = [sentence(rng, 5, 60) for _ in range(2000)]
    answers = [sentence(rng, 20, 250) for _ in range(5000)]
    for index in range(count):
        question = f"{index} {rng.choice(questions)}"
        pair = [[{"content": question, "role": "user"}, {"content": f"{rng.random()} {rng.choice(answers)}", "role": "assistant"}]
                for _ in range(2)]
        yield {"prompt": question, "prompt_id": f"{rng.getrandbits(256):064x}", "chosen": pair[0], "rejected": pair[1],
               "score_chosen": rng.randint(0, 20) / 2, "score_rejected": rng.randint(0, 20) / 2}


def write(path, count, compression, group):
    writer, batch, seed = None, 20_000, 0
    pending = []
    while count > 0:
        pending.append(pa.Table.from_pylist(list(rows(min(batch, count), seed))))
        count, seed = count - batch, seed + 1
        if sum(part.num_rows for part in pending) >= group or count <= 0:
            table = pa.concat_tables(pending)
            writer = writer or pq.ParquetWriter(path, table.schema, compression=compression)
            writer.write_table(table, row_group_size=group)
            pending = []
    writer.close()


def measure(path):
    pa.set_cpu_count(1)
    size = os.path.getsize(path)
    start = time.perf_counter()
    table = pq.read_table(path, use_threads=False)
    read = time.perf_counter() - start
    count, memory = table.num_rows, table.nbytes
    del table
    start = time.perf_counter()
    for batch in pq.ParquetFile(path).iter_batches(batch_size=1000, use_threads=False):
        batch.to_pylist()
    listed = time.perf_counter() - start
    print(f"{count} rows, {size / 1e6:.0f} MB, {memory / 1e6:.0f} MB as Arrow")
    for name, seconds in (("read_table", read), ("iter_batches and to_pylist", listed)):
        print(f"pyarrow {name}: {seconds:.2f} s, {count / seconds:.0f} rows/s, {memory / seconds / 1e6:.0f} MB/s")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--compression", default="snappy")
    parser.add_argument("--group", type=int, default=100_000)
    parser.add_argument("--write-only", action="store_true")
    arguments = parser.parse_args()
    write(arguments.out, arguments.rows, arguments.compression, arguments.group)
    if not arguments.write_only:
        measure(arguments.out)
