"""Adapters and divided weights between `treg` and PEFT, both ways.

Run: HF_HUB_OFFLINE=1 python Tests/Oracles/check_adapters.py .build/release/treg

For a Llama, a Phi-3 (fused projections) and a GPT-2 (transposed weights), small and random:
- an adapter that `treg train` made opens in PeftModel.from_pretrained and gives the log-probs of `treg evaluate`, in fp32 and
  around bf16 weights; merged by `treg convert` it opens in transformers and gives them too;
- an adapter that PEFT made, with patterns of ranks and alphas, gives PEFT's log-probs in `treg evaluate`; training goes on
  from it, and what comes out opens in PEFT with its ranks and alphas;
- weights in several files, in each type, open in transformers and are the numbers that were written.
Prints one line per check and ends with code 1 when one fails.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

treg = sys.argv[1]
golden = Path(__file__).resolve().parent.parent / "EndToEndTests/Golden"
failures = 0
SHAPES = dict(
    vocab_size=384, hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4,
    num_key_value_heads=2, max_position_embeddings=512, initializer_range=0.2, bos_token_id=0, eos_token_id=2,
    pad_token_id=0,
)
BASES = {
    "llama": ("llama", SHAPES, ["q_proj", "mlp.down_proj"]),
    "phi3": ("phi3", SHAPES, ["qkv_proj", "gate_up_proj"]),
    "gpt2": (
        "gpt2",
        dict(vocab_size=384, n_embd=32, n_layer=2, n_head=4, n_positions=512, initializer_range=0.2, bos_token_id=0,
             eos_token_id=2),
        ["c_attn", "c_proj"],
    ),
}


def report(passed, text):
    global failures
    failures += not passed
    print("ok  " if passed else "FAIL", text, flush=True)


def run(*arguments):
    words = [treg, *map(str, arguments)]
    result = subprocess.run(words, capture_output=True, text=True)
    if result.returncode != 0:
        raise SystemExit(f"{' '.join(words)}\n{result.stderr}")
    return result.stdout


def train(out, model, *more):
    return run(
        "train", "--model", model, "--data", golden / "pairs.jsonl", "--out", out, "--max-length", 256, "--threads", 1,
        "--max-steps", 3, "--global-batch-size", 8, "--treg-alpha", 0, "--learning-rate", "2e-2", "--warmup-ratio", 0, *more)


def evaluate(model, *more):
    text = run(
        "evaluate", "--model", model, "--data", golden / "held.jsonl", "--jsonl", "--max-length", 256, "--threads", 1, *more)
    return [json.loads(line) for line in text.splitlines()]


def difference(model, tokenizer, records):
    """The largest difference of a token's log-prob."""
    model = model.float().eval()
    worst = 0.0
    rows = [json.loads(line) for line in (golden / "held.jsonl").read_text().splitlines()]
    for row, record in zip(rows, records):
        prompt = tokenizer.apply_chat_template(row["prompt"], add_generation_prompt=True, return_dict=False)
        for side in ("chosen", "rejected"):
            tokens = prompt + record[f"{side}_tokens"]
            with torch.no_grad():
                rows_of_logits = torch.log_softmax(model(torch.tensor([tokens])).logits[0].double(), dim=-1)
            for place, expected in enumerate(record[f"{side}_logprobs"]):
                own = rows_of_logits[len(prompt) + place - 1, tokens[len(prompt) + place]].item()
                worst = max(worst, abs(own - expected))
    return worst


def load(path, dtype=torch.float32):
    return AutoModelForCausalLM.from_pretrained(path, dtype=dtype, attn_implementation="eager")


def check_family(name, scratch):
    kind, settings, targets = BASES[name]
    base = scratch / name
    torch.manual_seed(7)
    AutoModelForCausalLM.from_config(AutoConfig.for_model(kind, **settings)).save_pretrained(base)
    tokenizer = AutoTokenizer.from_pretrained(golden / "model")
    tokenizer.save_pretrained(base)

    def both(label, model, adapter, *more):
        error = difference(model, tokenizer, evaluate(adapter, *more))
        report(error < 2e-4, f"{name}: {label}: log-probs differ by {error:.1e} at most")

    out = scratch / f"{name}-treg"
    train(out, base, "--use-peft", "true", "--lora-r", 4, "--lora-alpha", 8, "--lora-target-modules", *targets)
    both("an adapter of treg in PEFT", PeftModel.from_pretrained(load(base), out), out)
    rounded = load(base, torch.bfloat16).float()
    both("the same around bf16 weights", PeftModel.from_pretrained(rounded, out), out, "--weights", "bf16")
    merged = scratch / f"{name}-merged"
    run("convert", "--model", out, "--out", merged)
    both("the same merged", load(merged), merged)
    own = PeftModel.from_pretrained(load(base), out).merge_and_unload().state_dict()
    worst = max((value - own[key]).abs().max().item() for key, value in load(merged).state_dict().items())
    report(worst < 1e-6, f"{name}: merged weights differ by {worst:.1e} at most from merge_and_unload")

    folder = scratch / f"{name}-peft"
    model = get_peft_model(load(base), LoraConfig(
        task_type="CAUSAL_LM", r=3, lora_alpha=5, target_modules="all-linear", fan_in_fan_out=kind == "gpt2",
        rank_pattern={targets[0]: 5}, alpha_pattern={r".*\.1\..*": 9}, lora_dropout=0.1))
    with torch.no_grad():
        for key, parameter in model.named_parameters():
            if "lora_" in key:
                parameter.copy_(0.1 * torch.randn_like(parameter))
    model.save_pretrained(folder)
    both("an adapter of PEFT in treg", model, folder)
    on = scratch / f"{name}-on"
    train(on, folder, "--use-peft", "true")
    both("trained on", PeftModel.from_pretrained(load(base), on), on)
    scaling = {key: module.scaling for key, module in model.named_modules() if hasattr(module, "scaling")}
    after = PeftModel.from_pretrained(load(base), on)
    report(
        scaling == {key: module.scaling for key, module in after.named_modules() if hasattr(module, "scaling")},
        f"{name}: {len(scaling)} modules keep their ranks and alphas")

    saved = PeftModel.from_pretrained(load(base), folder)
    saved.save_pretrained(scratch / f"{name}-extra")
    path = scratch / f"{name}-extra/adapter_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "modules_to_save": ["lm_head"]}))
    refused = subprocess.run([treg, "convert", "--model", path.parent, "--out", scratch / "no"], capture_output=True, text=True)
    report(refused.returncode == 65 and "modules_to_save" in refused.stderr, f"{name}: {refused.stderr.strip()[-80:]}")


def check_shards(scratch):
    for kind, dtype in (("float32", torch.float32), ("bfloat16", torch.bfloat16), ("float16", torch.float16)):
        out = scratch / f"shards-{kind}"
        run("convert", "--model", golden / "model", "--out", out, "--dtype", kind, "--max-shard-size", "40KB")
        files = sorted(path.name for path in out.glob("*.safetensors"))
        count = len(files)
        names = [f"model-{index + 1:05}-of-{count:05}.safetensors" for index in range(count)]
        report(count > 1 and files == names and (out / "model.safetensors.index.json").exists(), f"{kind}: {count} files")
        model = AutoModelForCausalLM.from_pretrained(out, dtype="auto")
        expected = load(golden / "model").to(dtype).state_dict()
        same = all(torch.equal(value, expected[key]) for key, value in model.state_dict().items())
        report(same and model.dtype == dtype, f"{kind}: transformers reads the same numbers")
        trained = scratch / f"trained-{kind}"
        train(trained, out, "--weights", "auto", "--max-shard-size", "50KB", "--save-dtype", kind)
        model = AutoModelForCausalLM.from_pretrained(trained, dtype="auto")
        report(model.dtype == dtype and len(list(trained.glob("model-*.safetensors"))) > 1,
               f"{kind}: a model trained from it opens")


def main():
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        for name in BASES:
            check_family(name, scratch)
        check_shards(scratch)
    sys.exit(failures > 0)


if __name__ == "__main__":
    main()
