"""Small random Llama models with golden log-probs, gradients and training runs, for Tests/TransformerTests/Golden.

Run (torch, transformers and safetensors in the Python of your choice), from the project's root:

    python Tests/Oracles/transformer_golden.py

It rewrites Tests/TransformerTests/Golden/<variant>/ for every variant below; the same versions give the same bytes.

    tied       tied embeddings, default RoPE, config.json in the form of transformers 4 (`rope_theta` at the top)
    biased     untied, biases on attention and MLP, none of them zero
    scaled     llama3 RoPE scaling whose three bands and original length the rows pass; four heads share one key head;
               head dimension ≠ width / heads
    sharded    two safetensors files and an index, bf16; tied

Norm weights differ from 1 everywhere. All golden numbers are fp64, one sequence per call, no padding (llama_truth.py).

golden.json
    inverse_frequencies   [head dimension / 2]
    cases                 list of
        name, gradients   the gradients' file name
        trees             list of trees; a tree is a list of segments, parents before children:
            parent        index of the parent segment in the tree, −1 for the root
            tokens        token ids; positions go on from the parent's end
            scored        whether every token of the segment is a target. The first is predicted by the last position
                          of the parent, in the context of all ancestors
            log_probs     of the tokens, scored segments only
            coefficients  fixed numbers of both signs, one per scored token
gradients-<case>.safetensors
    ∂ Σ coefficients · log_probs / ∂ parameter over all trees of the case, F32 roundings of fp64, by Hugging Face name
    (tied models: `model.embed_tokens.weight` holds the sum of both uses).

training.json and training-weights.safetensors: DPO-REG (β, α, token rewards as given, reference = starting weights) with
AdamW; `steps` lists what each step saw and gave: rows of the global batch, loss, dpo, regularizer and weight (means over
the batch's pairs), grad_norm before clipping (some steps are clipped, some not), learning_rate. Weights after the last
step are F32 roundings of fp64.
"""

import json
import math
import random
import shutil
from pathlib import Path

import torch
from safetensors.torch import save_file
from transformers import LlamaConfig, LlamaForCausalLM, get_scheduler
from transformers.utils.logging import disable_progress_bar

from llama_truth import decays, load_truth, log_probabilities, parameter_gradients, regularized_dpo

GOLDEN = Path(__file__).resolve().parent.parent / "TransformerTests" / "Golden"

COMMON = dict(num_hidden_layers=2, max_position_embeddings=128, rms_norm_eps=1e-5, bos_token_id=1, eos_token_id=2)
VARIANTS = {
    "tied": dict(
        vocab_size=97, hidden_size=32, intermediate_size=48, num_attention_heads=4, num_key_value_heads=2,
        tie_word_embeddings=True, rope_parameters={"rope_type": "default", "rope_theta": 10000.0},
    ),
    "biased": dict(
        vocab_size=101, hidden_size=32, intermediate_size=40, num_attention_heads=4, num_key_value_heads=2,
        tie_word_embeddings=False, attention_bias=True, mlp_bias=True,
        rope_parameters={"rope_type": "default", "rope_theta": 500.0},
    ),
    "scaled": dict(
        vocab_size=97, hidden_size=24, intermediate_size=48, num_attention_heads=4, num_key_value_heads=1, head_dim=16,
        tie_word_embeddings=False,
        rope_parameters={
            "rope_type": "llama3", "rope_theta": 1000.0, "factor": 4.0, "low_freq_factor": 1.0,
            "high_freq_factor": 4.0, "original_max_position_embeddings": 32,
        },
    ),
    "sharded": dict(
        vocab_size=112, hidden_size=32, intermediate_size=48, num_attention_heads=4, num_key_value_heads=4,
        tie_word_embeddings=True, rope_parameters={"rope_type": "default", "rope_theta": 10000.0},
    ),
}


def random_weights(model, seed):
    """Weights large enough that logits, attention and norms are far from uniform."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            if "norm" in name:
                parameter.copy_(1 + 0.2 * noise)
            elif name.endswith("bias"):
                parameter.copy_(0.3 * noise)
            elif "embed_tokens" in name or "lm_head" in name:
                parameter.copy_(0.4 * noise)
            else:
                parameter.copy_(1.2 * noise / math.sqrt(parameter.shape[1]))


def write_model(folder, name, seed):
    model = LlamaForCausalLM(LlamaConfig(**COMMON, **VARIANTS[name]))
    random_weights(model, seed)
    if name == "sharded":
        model = model.to(torch.bfloat16)
        model.save_pretrained(folder, max_shard_size="30KB")
        assert len(list(folder.glob("model-*.safetensors"))) == 2, "the model must split in two files"
    else:
        model.save_pretrained(folder)
    (folder / "generation_config.json").unlink()
    path = folder / "config.json"
    config = json.loads(path.read_text())
    if name == "tied":
        config["rope_theta"] = config.pop("rope_parameters")["rope_theta"]
        config["rope_scaling"] = None
        config["torch_dtype"] = config.pop("dtype")
    config.pop("transformers_version")
    path.write_text(json.dumps(config, indent=2) + "\n")


class Rows:
    """Token rows and coefficients from one seed."""

    def __init__(self, vocabulary, seed):
        self.random = random.Random(seed)
        self.vocabulary = vocabulary

    def tokens(self, count):
        return [self.random.randrange(3, self.vocabulary) for _ in range(count)]

    def unit(self, low, high):
        return round(self.random.uniform(low, high), 4)

    def segment(self, parent, tokens, scored=True):
        segment = {"parent": parent, "tokens": tokens, "scored": scored}
        if scored:
            segment["coefficients"] = [self.unit(-1, 1) for _ in tokens]
        return segment

    def pair(self, prompt, chosen, rejected):
        return [self.segment(-1, prompt, False), self.segment(0, chosen), self.segment(0, rejected)]

    def turn(self, prompt, chosen, rejected, requests):
        """x → y → better and worse request → y again, for both responses of one prompt."""
        tree = [self.segment(-1, prompt, False)]
        for response in (chosen, rejected):
            tree.append(self.segment(0, response))
            first = len(tree) - 1
            for request in requests:
                tree.append(self.segment(first, request, False))
                tree.append(self.segment(len(tree) - 1, response))
        return tree


def make_cases(vocabulary, seed):
    rows = Rows(vocabulary, seed)
    pairs = [rows.pair(rows.tokens(a), rows.tokens(b), rows.tokens(c)) for a, b, c in [(9, 12, 7), (3, 5, 17), (31, 20, 24)]]
    same = rows.tokens(3)
    repeated = [rows.tokens(1)[0]] * 4
    edges = [
        rows.pair([1], rows.tokens(4), rows.tokens(6)),
        rows.pair(rows.tokens(5), rows.tokens(1), rows.tokens(1)),
        rows.pair([1], [7], [8]),
        rows.pair(rows.tokens(6), same + rows.tokens(4), same + rows.tokens(2)),
        rows.pair(rows.tokens(4), same, same + rows.tokens(1)),
        rows.pair(repeated, repeated, repeated[:2] + rows.tokens(2)),
        [rows.segment(-1, rows.tokens(4), False)] + [rows.segment(0, rows.tokens(n)) for n in (3, 1, 5)],
        [rows.segment(-1, rows.tokens(8), False), rows.segment(0, rows.tokens(9))],
    ]
    shared_start = rows.tokens(2)
    turns = [
        rows.turn(rows.tokens(6), rows.tokens(5), rows.tokens(8), [shared_start + rows.tokens(3), shared_start + rows.tokens(4)]),
        rows.turn([1], rows.tokens(1), rows.tokens(7), [rows.tokens(1), rows.tokens(5)]),
        rows.turn(rows.tokens(11), same, same + rows.tokens(2), [rows.tokens(6), rows.tokens(6)]),
    ]
    return [("pairs", pairs), ("edges", edges), ("turn", turns)]


def score_case(model, trees):
    """Fills in log_probs and returns the gradients of Σ coefficients · log_probs."""
    model.zero_grad(set_to_none=True)
    for tree in trees:
        for segment in tree:
            if not segment["scored"]:
                continue
            prefix, parent = [], segment["parent"]
            while parent >= 0:
                prefix = tree[parent]["tokens"] + prefix
                parent = tree[parent]["parent"]
            log_probs = log_probabilities(model, prefix, segment["tokens"])
            (log_probs * torch.tensor(segment["coefficients"], dtype=log_probs.dtype)).sum().backward()
            segment["log_probs"] = log_probs.tolist()
    return parameter_gradients(model)


def save_rounded(path, tensors):
    save_file({name: tensor.float().contiguous() for name, tensor in tensors.items()}, path)


def train(model, vocabulary, seed):
    rows = Rows(vocabulary, seed)
    settings = {
        "beta": 0.1, "alpha": 0.25, "learning_rate": 1e-3, "adam_beta1": 0.9, "adam_beta2": 0.999,
        "adam_epsilon": 1e-8, "weight_decay": 0.01, "max_grad_norm": 5.0, "lr_scheduler_type": "cosine",
        "warmup_ratio": 0.1, "max_steps": 5, "global_batch_size": 2,
    }
    lengths = [(6, 9, 5), (12, 4, 11), (1, 6, 6), (8, 1, 3), (20, 15, 18), (5, 7, 7)]
    pairs = []
    for prompt, chosen, rejected in lengths:
        pairs.append({
            "prompt": rows.tokens(prompt), "chosen": rows.tokens(chosen), "rejected": rows.tokens(rejected),
            "rewards_chosen": [rows.unit(-0.5, 0.5) for _ in range(chosen)],
            "rewards_rejected": [rows.unit(-0.5, 0.5) for _ in range(rejected)],
        })
    batches = [[0, 1], [2, 3], [4, 5], [1, 4], [3, 0]]

    def double(values):
        return torch.tensor(values, dtype=torch.float64)

    with torch.no_grad():
        for pair in pairs:
            for side in ("chosen", "rejected"):
                pair[f"reference_{side}"] = log_probabilities(model, pair["prompt"], pair[side]).tolist()
    named = dict(model.named_parameters())
    groups = [
        {"params": [p for n, p in named.items() if decays(n)], "weight_decay": settings["weight_decay"]},
        {"params": [p for n, p in named.items() if not decays(n)], "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(
        groups, lr=settings["learning_rate"], betas=(settings["adam_beta1"], settings["adam_beta2"]),
        eps=settings["adam_epsilon"],
    )
    warmup = math.ceil(settings["warmup_ratio"] * settings["max_steps"])
    schedule = get_scheduler(
        settings["lr_scheduler_type"], optimizer, num_warmup_steps=warmup, num_training_steps=settings["max_steps"]
    )
    steps = []
    for batch in batches:
        optimizer.zero_grad(set_to_none=True)
        means = {}
        for index in batch:
            pair = pairs[index]
            chosen = log_probabilities(model, pair["prompt"], pair["chosen"])
            rejected = log_probabilities(model, pair["prompt"], pair["rejected"])
            parts = regularized_dpo(
                chosen, rejected, double(pair["reference_chosen"]), double(pair["reference_rejected"]),
                double(pair["rewards_chosen"]), double(pair["rewards_rejected"]), settings["beta"], settings["alpha"],
            )
            (parts["loss"] / len(batch)).backward()
            for name, value in parts.items():
                means[name] = means.get(name, 0.0) + value.item() / len(batch)
        norm = torch.nn.utils.clip_grad_norm_(model.parameters(), settings["max_grad_norm"]).item()
        steps.append({"rows": batch, "learning_rate": schedule.get_last_lr()[0], "grad_norm": norm, **means})
        optimizer.step()
        schedule.step()
    return {**settings, "warmup_steps": warmup, "pairs": pairs, "steps": steps}


def write_json(path, value):
    """One line per innermost list, so that the files stay readable and small."""
    def text(value, indent):
        pad = "  " * indent
        if isinstance(value, dict) and value:
            inner = ",\n".join(f'{pad}  "{key}": {text(item, indent + 1)}' for key, item in value.items())
            return "{\n" + inner + f"\n{pad}}}"
        if isinstance(value, list) and value and isinstance(value[0], (dict, list)):
            return "[\n" + ",\n".join(f"{pad}  {text(item, indent + 1)}" for item in value) + f"\n{pad}]"
        return json.dumps(value)
    path.write_text(text(value, 0) + "\n")


def main():
    torch.set_num_threads(1)
    disable_progress_bar()
    for index, (name, settings) in enumerate(VARIANTS.items()):
        folder = GOLDEN / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        write_model(folder, name, seed=100 + index)
        model = load_truth(folder)
        golden = {"inverse_frequencies": model.model.rotary_emb.inv_freq.float().tolist(), "cases": []}
        for case, trees in make_cases(settings["vocab_size"], seed=200 + index):
            gradients = score_case(model, trees)
            save_rounded(folder / f"gradients-{case}.safetensors", gradients)
            golden["cases"].append({"name": case, "gradients": f"gradients-{case}.safetensors", "trees": trees})
        write_json(folder / "golden.json", golden)
        run = train(model, settings["vocab_size"], seed=300 + index)
        write_json(folder / "training.json", run)
        save_rounded(folder / "training-weights.safetensors", dict(model.named_parameters()))
        size = sum(path.stat().st_size for path in folder.iterdir())
        norms = " ".join(f"{step['grad_norm']:.3f}" for step in run["steps"])
        print(f"{name}: {sum(p.numel() for p in model.parameters())} parameters, {size // 1024} KB, grad norms {norms}")


if __name__ == "__main__":
    main()
