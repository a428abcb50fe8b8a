"""Whether what `treg convert` writes opens in transformers and computes the same: every architecture, from folders and GGUF.

    python Tests/Oracles/check_exports.py --treg .build/release/treg

Sources are the golden models of Tests/TransformerTests/Golden: `architectures` (folders) and `gguf` (files). Each is
converted to float32 and to bfloat16, opened by transformers with nothing said about it, and its log-probs computed in
double precision are held against the golden ones, which were made before any conversion; the weights are exact in bfloat16.
Prints a line per conversion; exit code 1 when one fails.
"""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import torch
from tokenizers import Tokenizer, models
from transformers import AutoModelForCausalLM
from transformers.utils.logging import set_verbosity_error

from architectures_golden import VOCABULARY, exact, log_softmax

ROOT = Path(__file__).resolve().parent.parent.parent
GOLDEN = ROOT / "Tests" / "TransformerTests" / "Golden"
KEYS = ("missing_keys", "unexpected_keys", "mismatched_keys")


def sources(scratch):
    """Name, what `--model` gets, and the golden sequences."""
    for folder in sorted((GOLDEN / "architectures").iterdir()):
        copy = scratch / "sources" / folder.name
        copy.mkdir(parents=True)
        for name in ("config.json", "model.safetensors"):
            shutil.copy(folder / name, copy / name)
        Tokenizer(models.BPE(vocab={f"<{i}>": i for i in range(VOCABULARY)}, merges=[])).save(str(copy / "tokenizer.json"))
        yield folder.name, copy, json.loads((folder / "golden.json").read_text())["sequences"]
    for path in sorted((GOLDEN / "gguf").glob("*.gguf")):
        yield path.name, path, json.loads(path.with_suffix(".json").read_text())["sequences"]


def difference(folder, sequences):
    model, info = AutoModelForCausalLM.from_pretrained(
        folder, dtype=torch.float32, attn_implementation="eager", output_loading_info=True)
    for key in KEYS:
        if info[key]:
            raise ValueError(f"{key}: {sorted(map(str, info[key]))[:3]}")
    model = model.double().eval()
    largest = 0.0
    with exact(), torch.no_grad():
        for case in sequences:
            first, end = case["scored"]
            rows = log_softmax(model, case["tokens"])[first - 1 : end - 1]
            found = rows.gather(1, torch.tensor(case["tokens"][first:end])[:, None])[:, 0]
            largest = max(largest, (found - torch.tensor(case["log_probs"], dtype=torch.float64)).abs().max().item())
    return largest


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--treg", default=str(ROOT / ".build" / "release" / "treg"))
    options = parser.parse_args()
    set_verbosity_error()
    torch.set_num_threads(1)
    failures = count = 0
    with tempfile.TemporaryDirectory(prefix="treg-exports-") as scratch:
        scratch = Path(scratch)
        for name, model, sequences in sources(scratch):
            for dtype in ("float32", "bfloat16"):
                out = scratch / "out" / f"{name}-{dtype}"
                count += 1
                result = subprocess.run(
                    [options.treg, "convert", "--model", str(model), "--out", str(out), "--dtype", dtype],
                    stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
                if result.returncode:
                    failures += 1
                    print(f"FAIL {name} {dtype}: {result.stdout.strip()}")
                    continue
                try:
                    largest = difference(out, sequences)
                    good = largest < 1e-9
                    message = f"{largest:.1e}"
                except Exception as error:
                    good, message = False, str(error).splitlines()[0]
                failures += not good
                print(f"{'ok  ' if good else 'FAIL'} {name} {dtype}: {message}", flush=True)
    print(f"{count - failures} of {count} conversions compute what their sources do")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
