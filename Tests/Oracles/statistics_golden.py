"""Golden values of the language-model head's statistics: log Σπ², KL(π_ref‖π), KL(π‖π_ref), and gradients through a model.

Run from the project's root:  python Tests/Oracles/statistics_golden.py
Needs torch and transformers. The policies are models of Tests/TransformerTests/Golden/architectures (one of them with capped
logits), in double precision; the reference is the same with all weights times 15/16, which is exact in float32. Of every
tensor's gradient the file keeps its norm and its product with a fixed pattern.
"""

import json
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM

FOLDER = Path(__file__).parent.parent / "TransformerTests" / "Golden"
torch.set_num_threads(1)
generator = torch.Generator().manual_seed(5)


def pattern(count):
    return (torch.arange(count) * 7919 % 101).double() / 50 - 1


def log_softmax(model, tokens):
    return torch.log_softmax(model(torch.tensor([tokens]), use_cache=False).logits[0], dim=-1)


def coefficients(count):
    return torch.randn(count, generator=generator).tolist()


result = {}
for name in ("gemma2", "qwen2"):
    def load():
        return AutoModelForCausalLM.from_pretrained(
            FOLDER / "architectures" / name, dtype=torch.float32, attn_implementation="eager").double().eval()

    policy, reference = load(), load()
    with torch.no_grad():
        for parameter in reference.parameters():
            parameter.mul_(15 / 16)
    given = json.loads((FOLDER / "architectures" / name / "golden.json").read_text())["sequences"]
    cases = []
    loss = 0
    for case in given:
        first, end = case["scored"]
        p = log_softmax(policy, case["tokens"])[first - 1 : end - 1]
        with torch.no_grad():
            q = log_softmax(reference, case["tokens"])[first - 1 : end - 1]
        statistics = {
            "log_probs": p.gather(1, torch.tensor(case["tokens"][first:end])[:, None])[:, 0],
            "log_squares": torch.logsumexp(2 * p, dim=1),
            "reference_divergence": (q.exp() * (q - p)).sum(1),
            "policy_divergence": (p.exp() * (p - q)).sum(1),
        }
        entry = {"tokens": case["tokens"], "scored": case["scored"]}
        for key, values in statistics.items():
            factors = coefficients(end - first)
            loss = loss + (torch.tensor(factors).double() * values).sum()
            entry[key] = [float(f"{value:.9g}") for value in values.tolist()]
            entry[key + "_coefficients"] = factors
        cases.append(entry)
    loss.backward()
    gradients = {
        key: [float(f"{value:.9g}") for value in (
            parameter.grad.norm().item(), (parameter.grad.flatten() * pattern(parameter.grad.numel())).sum().item())]
        for key, parameter in policy.named_parameters()
    }
    result[name] = {"sequences": cases, "gradients": gradients}

path = FOLDER / "statistics.json"
path.write_text(json.dumps(result) + "\n")
print(path, path.stat().st_size, "bytes")
