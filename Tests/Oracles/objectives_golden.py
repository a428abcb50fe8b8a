"""Golden values of the objectives: each formula written out in PyTorch, float64, gradients by autograd.

Run from the project's root:  python Tests/Oracles/objectives_golden.py
Needs torch. When trl is installed, SimPO's loss is also compared with its trainer's own function.
"""

import itertools
import json
import pathlib
import types

import torch
import torch.nn.functional as F

torch.manual_seed(11)
torch.set_default_dtype(torch.float64)


def values(count, low, high):
    """Multiples of 1/1024: exact in float32 and short in decimal."""
    return torch.round((low + (high - low) * torch.rand(count)) * 1024) / 1024


def smoothed(logit, epsilon):
    return -(1 - epsilon) * F.logsigmoid(logit) - epsilon * F.logsigmoid(-logit)


def evaluate(kind, options, chosen, rejected):
    beta, epsilon, gamma_ratio, alpha = options
    sides = []
    for log_probs, reference, rewards in (chosen, rejected):
        log_probs = log_probs.clone().requires_grad_(True)
        scale = beta if kind == "dpo" else beta / len(log_probs)
        total = (log_probs - reference).sum() if kind == "dpo" else log_probs.sum()
        sides.append((log_probs, scale * total, -(scale * rewards * log_probs).sum()))
    (leaf_w, r_w, reg_w), (leaf_l, r_l, reg_l) = sides
    logit = r_w - r_l - (0 if kind == "dpo" else gamma_ratio * beta)
    weight = torch.sigmoid(-logit).detach()
    regularizer = alpha * weight * (reg_w + reg_l)
    plain = smoothed(logit, epsilon)
    loss = plain + regularizer
    loss.backward()
    if kind == "simpo":
        check_with_trl(beta, epsilon, gamma_ratio, leaf_w, leaf_l, plain)
    return {
        "loss": loss.item(), "weight": weight.item(), "regularizer": regularizer.item(),
        "chosen_reward": r_w.item(), "rejected_reward": r_l.item(),
        "chosen_coefficients": leaf_w.grad.tolist(), "rejected_coefficients": leaf_l.grad.tolist(),
    }


def check_with_trl(beta, epsilon, gamma_ratio, chosen, rejected, expected):
    try:
        from trl.experimental.cpo import CPOTrainer
    except ImportError:
        return
    trainer = types.SimpleNamespace(
        alpha=0.0, beta=beta, loss_type="simpo", simpo_gamma=gamma_ratio * beta, label_smoothing=epsilon,
        accelerator=types.SimpleNamespace(device="cpu"))
    losses, _, _ = CPOTrainer.cpo_loss(trainer, chosen.mean().reshape(1), rejected.mean().reshape(1))
    assert torch.allclose(losses[0], expected, rtol=1e-12), (losses, expected)


def response(count):
    log_probs = values(count, -9, 0)
    reference = torch.clamp(log_probs + values(count, -1, 1), max=0)
    return log_probs, reference, values(count, -0.5, 0.5)


def rounded(numbers):
    return [float(f"{number:.12g}") for number in numbers]


cases = []
lengths = [(1, 1), (1, 7), (12, 1), (5, 5), (31, 18)]
settings = [(0.1, 0.0, 0.5, 0.0), (0.1, 0.0, 0.5, 0.25), (0.01, 0.1, 0.3, 0.5), (10.0, 0.3, 0.3, 0.1), (2.0, 0.0, 0.0, 1.0)]
for kind, options, (chosen_count, rejected_count) in itertools.product(("dpo", "simpo"), settings, lengths):
    chosen, rejected = response(chosen_count), response(rejected_count)
    result = evaluate(kind, options, chosen, rejected)
    for key in ("chosen_coefficients", "rejected_coefficients"):
        result[key] = rounded(result[key])
    cases.append({
        "loss_type": kind, "beta": options[0], "label_smoothing": options[1], "gamma_beta_ratio": options[2],
        "treg_alpha": options[3],
        "chosen": {"log_probs": chosen[0].tolist(), "reference": chosen[1].tolist(), "rewards": chosen[2].tolist()},
        "rejected": {"log_probs": rejected[0].tolist(), "reference": rejected[1].tolist(), "rewards": rejected[2].tolist()},
        **result,
    })

path = pathlib.Path(__file__).parent.parent / "ObjectivesTests" / "Golden" / "objectives.json"
path.parent.mkdir(parents=True, exist_ok=True)
path.write_text("[\n" + ",\n".join(json.dumps(case) for case in cases) + "\n]\n")
print(len(cases), "cases,", path.stat().st_size, "bytes")
