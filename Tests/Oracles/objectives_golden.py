"""Golden values of the objectives: each formula written out in PyTorch, float64, gradients by autograd.

Run from the project's root:  python Tests/Oracles/objectives_golden.py
Needs torch. When trl is installed, every loss that it has is also compared with its own trainers' code: DPOTrainer's
_compute_loss on given log-probs (all names of its loss_type but those that sort a batch, with use_weighting and ld_alpha),
CPOTrainer.cpo_loss (simpo, cpo) and ORPOTrainer.odds_ratio_loss.
"""

import collections
import itertools
import json
import math
import pathlib
import types

import torch
import torch.nn.functional as F

torch.manual_seed(11)
torch.set_default_dtype(torch.float64)


def values(count, low, high):
    """Multiples of 1/1024: exact in float32 and short in decimal."""
    return torch.round((low + (high - low) * torch.rand(count)) * 1024) / 1024


DEFAULTS = {
    "beta": 0.1, "label_smoothing": 0.0, "gamma_beta_ratio": 0.5, "treg_alpha": 0.0, "treg_weight": "dynamic",
    "rpo_alpha": None, "use_weighting": False, "ld_alpha": None, "ipo_reduction": "mean", "discopop_tau": 0.05,
    "cpo_alpha": 1.0, "tdpo_alpha": 0.5, "sepo_ratio": 0.3, "sepo_scale": 1.0, "tis_weights": "exponential",
    "tis_scale": 1.0, "tis_mu": 1.0, "tis_lower": -0.5, "tis_upper": 1.5, "tis_kl": 0.0, "tgdpo_alpha": 0.5,
    "d2po_gamma": 0.98,
}


def smoothed(logit, epsilon):
    return -(1 - epsilon) * F.logsigmoid(logit) - epsilon * F.logsigmoid(-logit)


def log_ratio_sum(side, other, o):
    """Σ ρ, with LD-DPO's weighting of what is longer than the other response."""
    weights = torch.ones_like(side["log_probs"])
    if o.ld_alpha is not None:
        weights[len(other["log_probs"]):] = o.ld_alpha
    return (weights * (side["log_probs"] - side["reference"])).sum()


def regularizers(w, l, scale_w, scale_l):
    return [-(scale * side["rewards"] * side["log_probs"]).sum() for side, scale in ((w, scale_w), (l, scale_l))]


def token_scales(side, other, scale, o):
    weights = torch.full_like(side["log_probs"].detach(), scale)
    if o.ld_alpha is not None:
        weights[len(other["log_probs"]):] *= o.ld_alpha
    return weights


def tis_weights(side, sign, o):
    weights = o.tis_scale * torch.exp(sign * o.tis_mu * side["log_ratios"].clamp(o.tis_lower, o.tis_upper))
    if o.tis_weights == "rank":
        if len(weights) == 1:
            return torch.ones(1)
        order = sorted(range(len(weights)), key=lambda t: (weights[t].item(), t))
        weights = torch.zeros(len(order))
        for rank, token in enumerate(order):
            weights[token] = 0.7 + 0.6 * rank / (len(order) - 1)
        weights[-1] = 0
    return weights


def selected(side, sign, o):
    count = max(1, math.ceil(o.sepo_ratio * len(side["rewards"]) - 1e-9))
    order = sorted(range(len(side["rewards"])), key=lambda t: (-sign * side["rewards"][t].item(), t))
    return side["log_probs"][order[:count]].mean()


def nll(w):
    return -w["log_probs"].mean()


def plain(kind, o, w, l):
    """Loss, rewards of both, weight w (None: no T-REG), token scales for T-REG."""
    beta, eps = o.beta, o.label_smoothing
    sum_w, sum_l = log_ratio_sum(w, l, o), log_ratio_sum(l, w, o)
    n_w, n_l = len(w["log_probs"]), len(l["log_probs"])
    r_w, r_l = beta * sum_w, beta * sum_l
    scales = token_scales(w, l, beta, o), token_scales(l, w, beta, o)
    z = r_w - r_l
    soft = torch.sigmoid(-z)
    if kind in ("dpo", "wpo"):
        return smoothed(z, eps), r_w, r_l, soft, scales
    if kind == "robust":
        loss = (-(1 - eps) * F.logsigmoid(z) + eps * F.logsigmoid(-z)) / (1 - 2 * eps)
        return loss, r_w, r_l, soft, scales
    if kind == "hinge":
        return torch.relu(1 - z), r_w, r_l, (z < 1).double(), scales
    if kind == "ipo":
        d_w, d_l = (1, 1) if o.ipo_reduction == "sum" else (n_w, n_l)
        gap = sum_w / d_w - sum_l / d_l - 1 / (2 * beta)
        scales = token_scales(w, l, 1 / d_w, o), token_scales(l, w, 1 / d_l, o)
        return gap ** 2, r_w, r_l, torch.relu(-2 * gap), scales
    if kind == "sigmoid_norm":
        z = r_w / n_w - r_l / n_l
        return smoothed(z, eps), r_w, r_l, torch.sigmoid(-z), (scales[0] / n_w, scales[1] / n_l)
    if kind == "exo_pair":
        q_w, q_l = torch.sigmoid(z), torch.sigmoid(-z)
        loss = q_w * (F.logsigmoid(z) - math.log1p(-eps)) + q_l * (F.logsigmoid(-z) - math.log(eps))
        return loss, r_w, r_l, soft, scales
    if kind == "discopop":
        mix = torch.sigmoid(z / o.discopop_tau)
        return -F.logsigmoid(z) * (1 - mix) + torch.exp(-z) * mix, r_w, r_l, soft, scales
    if kind == "apo_zero":
        return 1 - torch.sigmoid(r_w) + torch.sigmoid(r_l), r_w, r_l, soft, None
    if kind == "apo_down":
        return torch.sigmoid(r_w) + 1 - torch.sigmoid(z), r_w, r_l, soft, None
    if kind == "bco_pair":
        return -F.logsigmoid(r_w) - F.logsigmoid(-r_l), r_w, r_l, soft, None
    if kind == "nca_pair":
        return -F.logsigmoid(r_w) - 0.5 * F.logsigmoid(-r_w) - 0.5 * F.logsigmoid(-r_l), r_w, r_l, soft, None
    if kind == "sppo_hard":
        return (sum_w - 0.5 / beta) ** 2 + (sum_l + 0.5 / beta) ** 2, r_w, r_l, soft, None
    if kind == "simpo":
        r_w, r_l = beta * w["log_probs"].mean(), beta * l["log_probs"].mean()
        z = r_w - r_l - o.gamma_beta_ratio * beta
        ones = torch.ones(n_w) * beta / n_w, torch.ones(n_l) * beta / n_l
        return smoothed(z, eps), r_w, r_l, torch.sigmoid(-z), ones
    if kind == "cpo":
        r_w, r_l = beta * w["log_probs"].sum(), beta * l["log_probs"].sum()
        z = r_w - r_l
        return smoothed(z, eps), r_w, r_l, torch.sigmoid(-z), (torch.ones(n_w) * beta, torch.ones(n_l) * beta)
    if kind == "sft":
        return nll(w), torch.zeros(()), torch.zeros(()), torch.zeros(()), None
    if kind == "orpo":
        p_w, p_l = w["log_probs"].mean(), l["log_probs"].mean()
        z = (p_w - torch.log1p(-torch.exp(p_w))) - (p_l - torch.log1p(-torch.exp(p_l)))
        return -p_w - beta * F.logsigmoid(z), beta * p_w, beta * p_l, torch.sigmoid(-z), None
    plain_w, plain_l = (w["log_probs"] - w["reference"]), (l["log_probs"] - l["reference"])
    if kind in ("tdpo1", "tdpo2"):
        d_w, d_l = w["reference_divergence"].sum(), l["reference_divergence"].sum()
        margin = plain_w.sum() - plain_l.sum()
        if kind == "tdpo1":
            z = beta * (margin - (d_l - d_w))
        else:
            z = beta * (margin - o.tdpo_alpha * (d_l - d_w.detach()))
        alpha = 1 if kind == "tdpo1" else o.tdpo_alpha
        r_w, r_l = beta * (plain_w.sum() + alpha * d_w), beta * (plain_l.sum() + alpha * d_l)
        return -F.logsigmoid(z), r_w, r_l, torch.sigmoid(-z), (torch.ones(n_w) * beta, torch.ones(n_l) * beta)
    if kind == "sepo":
        r_w, r_l = o.sepo_scale * selected(w, 1, o), o.sepo_scale * selected(l, -1, o)
    elif kind == "tis_dpo":
        k_w, k_l = tis_weights(w, 1, o), tis_weights(l, -1, o)
        r_w = beta * (k_w * plain_w).sum() - beta * o.tis_kl * (k_w * w["policy_divergence"]).sum()
        r_l = beta * (k_l * plain_l).sum() - beta * o.tis_kl * (k_l * l["policy_divergence"]).sum()
    elif kind == "tgdpo":
        r_w = (beta * (1 + o.tgdpo_alpha * w["rewards"]) * plain_w).sum()
        r_l = (beta * (1 - o.tgdpo_alpha * l["rewards"]) * plain_l).sum()
    elif kind == "d2po":
        g_w, g_l = o.d2po_gamma ** torch.arange(n_w), o.d2po_gamma ** torch.arange(n_l)
        r_w, r_l = beta * (g_w * plain_w).sum(), beta * (g_l * plain_l).sum()
        scales = beta * g_w, beta * g_l
    z = r_w - r_l
    return -F.logsigmoid(z), r_w, r_l, torch.sigmoid(-z), scales if kind == "d2po" else None


def alignment(side):
    return (side["log_probs"] - side["log_squares"]).mean()


def term(kind, o, w, l):
    loss, r_w, r_l, weight, scales = plain(kind, o, w, l)
    regularizer = torch.zeros(())
    if o.treg_alpha > 0 and scales is not None:
        factor = o.treg_alpha * (weight.detach() if o.treg_weight == "dynamic" else 1)
        regularizer = factor * sum(regularizers(w, l, *scales))
        loss = loss + regularizer
    if kind == "wpo":
        bounded = torch.exp(alignment(w) + alignment(l)).clamp(max=1).detach()
        loss, regularizer = bounded * loss, bounded * regularizer
    elif o.use_weighting:
        own = torch.exp(alignment(w) + alignment(l)).detach()
        loss, regularizer = own * loss, own * regularizer
    if kind == "cpo":
        loss = loss + o.cpo_alpha * nll(w)
    return loss, r_w, r_l, weight, regularizer


def evaluate(kinds, weights, o, w, l):
    leaves = []
    for side in (w, l):
        for key in ("log_probs", "reference_divergence", "policy_divergence"):
            side[key] = side[key].clone().requires_grad_(True)
            leaves.append((side, key))
    terms = [term(kind, o, w, l) for kind in kinds]
    loss = sum(weight * t[0] for weight, t in zip(weights, terms))
    if o.rpo_alpha is not None:
        loss = loss + o.rpo_alpha * nll(w)
    first = next((t for kind, t in zip(kinds, terms) if kind != "sft"), terms[0])
    check_with_trl(kinds, weights, o, w, l, loss, first)
    grads = torch.autograd.grad(loss, [side[key] for side, key in leaves], allow_unused=True)
    result = {
        "loss": loss.item(), "chosen_reward": first[1].item(), "rejected_reward": first[2].item(),
        "weight": first[3].item(), "regularizer": sum(weight * t[4].item() for weight, t in zip(weights, terms)),
    }
    for (side, key), grad in zip(leaves, grads):
        name = ("chosen_" if side is w else "rejected_") + key
        if grad is not None and grad.abs().max() > 0:
            result[name] = rounded(grad.tolist())
    return result


TRL_DPO = {
    "dpo": "sigmoid", "robust": "robust", "hinge": "hinge", "ipo": "ipo", "sigmoid_norm": "sigmoid_norm",
    "exo_pair": "exo_pair", "discopop": "discopop", "apo_zero": "apo_zero", "apo_down": "apo_down",
    "bco_pair": "bco_pair", "nca_pair": "nca_pair", "sppo_hard": "sppo_hard", "sft": "sft",
}
checked = collections.Counter()


def check_with_trl(kinds, weights, o, w, l, expected, first):
    if o.treg_alpha > 0 or o.rpo_alpha is not None:
        return
    try:
        from trl import DPOTrainer
        from trl.experimental.cpo import CPOTrainer
        from trl.experimental.orpo import ORPOTrainer
    except ImportError:
        return
    accelerator = types.SimpleNamespace(
        device="cpu", gather=lambda x: x, gather_for_metrics=lambda x: x, is_main_process=True)
    if kinds in (["simpo"], ["cpo"]):
        trainer = types.SimpleNamespace(
            alpha=0.0, beta=o.beta, loss_type="simpo" if kinds == ["simpo"] else "sigmoid",
            simpo_gamma=o.gamma_beta_ratio * o.beta, label_smoothing=o.label_smoothing, accelerator=accelerator)
        reduce = torch.mean if kinds == ["simpo"] else torch.sum
        losses, _, _ = CPOTrainer.cpo_loss(
            trainer, reduce(w["log_probs"]).reshape(1), reduce(l["log_probs"]).reshape(1))
        if o.use_weighting:
            return
        found = losses[0] + (o.cpo_alpha * nll(w) if kinds == ["cpo"] else 0)
        tolerance = 1e-12
    elif kinds == ["orpo"]:
        trainer = types.SimpleNamespace(beta=o.beta, accelerator=accelerator)
        losses, *_ = ORPOTrainer.odds_ratio_loss(
            trainer, w["log_probs"].mean().reshape(1), l["log_probs"].mean().reshape(1))
        found = nll(w) - losses[0]
        tolerance = 3e-6  # it computes in float32
    elif all(kind in TRL_DPO for kind in kinds) and o.ipo_reduction == "mean":
        if o.label_smoothing > 0 and set(kinds) & {"dpo", "sigmoid_norm"}:
            return  # TRL 1.16 smooths these two no more
        found = trl_dpo_loss(DPOTrainer, kinds, weights, o, w, l, accelerator)
        tolerance = 1e-6 if "exo_pair" in kinds else 1e-12  # ε is a float32 tensor there
    else:
        return
    assert torch.allclose(found, expected, rtol=tolerance, atol=1e-12), (kinds, found, expected)
    checked["+".join(kinds)] += 1


def trl_dpo_loss(DPOTrainer, kinds, weights, o, w, l, accelerator):
    """TRL's own _compute_loss, on a model that returns the given log-probs after one prompt token."""
    length = 1 + max(len(w["log_probs"]), len(l["log_probs"]))
    mask = torch.zeros(2, length, dtype=torch.long)
    for row, side in enumerate((w, l)):
        mask[row, 1:1 + len(side["log_probs"])] = 1

    def padded(key):
        return torch.stack([F.pad(side[key], (0, length - 1 - len(side[key]))) for side in (w, l)])

    class Given(torch.nn.Module):
        def __init__(self, key):
            super().__init__()
            self.key = key

        def forward(self, **_):
            zeros = torch.zeros(2, length - 1)
            return types.SimpleNamespace(
                log_probs=padded(self.key), log_sum_sq_probs=padded("log_squares"), entropy=zeros, mean_logits=zeros,
                is_top1=zeros.bool())

    policy = Given("log_probs")
    trainer = types.SimpleNamespace(
        model=policy, ref_model=Given("reference"), accelerator=accelerator, ld_alpha=o.ld_alpha, beta=o.beta,
        label_smoothing=o.label_smoothing, loss_types=[TRL_DPO[kind] for kind in kinds], loss_weights=weights,
        f_divergence_type="reverse_kl", use_weighting=o.use_weighting, precompute_ref_logps=False,
        aux_loss_enabled=False, _metrics={"train": collections.defaultdict(list)}, _total_train_tokens=0, _tp_size=1,
        args=types.SimpleNamespace(gradient_checkpointing_kwargs=None, discopop_tau=o.discopop_tau))
    inputs = {"input_ids": mask * 0, "attention_mask": mask * 0 + 1, "completion_mask": mask}
    import trl.trainer.dpo_trainer as module
    import contextlib
    original = module.disable_gradient_checkpointing
    module.disable_gradient_checkpointing = lambda *_: contextlib.nullcontext()
    try:
        return DPOTrainer._compute_loss(trainer, policy, inputs, False)
    finally:
        module.disable_gradient_checkpointing = original


def response(count):
    log_probs = values(count, -9, 0)
    reference = torch.clamp(log_probs + values(count, -1, 1), max=0)
    log_ratios = values(count, -3, 3)
    return {
        "log_probs": log_probs, "reference": reference, "rewards": values(count, -0.5, 0.5), "log_ratios": log_ratios,
        "log_squares": values(count, -5, 0), "reference_divergence": values(count, 0, 2),
        "policy_divergence": values(count, 0, 2),
    }


def rounded(numbers):
    return [float(f"{number:.9g}") for number in numbers]


lengths = [(1, 1), (1, 4), (6, 3), (5, 8)]
margins = ["dpo", "robust", "hinge", "ipo", "sigmoid_norm", "exo_pair", "discopop", "simpo", "cpo", "d2po", "wpo", "tdpo1",
           "tdpo2"]
others = ["apo_zero", "apo_down", "bco_pair", "nca_pair", "sppo_hard", "sft", "orpo", "sepo", "tis_dpo", "tgdpo"]
runs = []
for kind in margins + others:
    smoothing = {"label_smoothing": 0.1} if kind == "exo_pair" else {}
    runs.append(([kind], smoothing))
    runs.append(([kind], {"beta": 2.0, "label_smoothing": 0.2}))
    if kind in margins:
        runs.append(([kind], {"beta": 0.5, "treg_alpha": 0.25, **smoothing}))
for kind in ("dpo", "ipo", "sigmoid_norm", "hinge", "apo_down", "sppo_hard"):
    runs.append(([kind], {"ld_alpha": 0.25, "treg_alpha": 0.5 if kind == "dpo" else 0.0}))
for kind in ("dpo", "hinge", "sft", "bco_pair"):
    runs.append(([kind], {"use_weighting": True}))
runs += [
    (["dpo"], {"use_weighting": True, "treg_alpha": 0.5}),
    (["dpo"], {"ld_alpha": 0.0}),
    (["dpo"], {"treg_alpha": 1.0, "treg_weight": "static"}),
    (["simpo"], {"beta": 10.0, "gamma_beta_ratio": 0.3, "treg_alpha": 0.1}),
    (["ipo"], {"ipo_reduction": "sum", "beta": 0.3, "treg_alpha": 0.25}),
    (["dpo"], {"rpo_alpha": 0.7, "treg_alpha": 0.25}),
    (["discopop"], {"beta": 3.0, "discopop_tau": 0.5}),
    (["tdpo2"], {"tdpo_alpha": 1.5, "treg_alpha": 0.25}),
    (["sepo"], {"sepo_ratio": 0.5, "sepo_scale": 3.0}),
    (["tis_dpo"], {"tis_scale": 2.0, "tis_mu": 0.5, "tis_lower": -1.0, "tis_upper": 1.0, "tis_kl": 0.5}),
    (["tis_dpo"], {"tis_weights": "rank"}),
    (["tis_dpo"], {"tis_weights": "rank", "tis_kl": 0.5}),
    (["tgdpo"], {"tgdpo_alpha": 2.0, "beta": 1.0}),
    (["d2po"], {"d2po_gamma": 0.7}),
    (["cpo"], {"cpo_alpha": 0.0}),
    (["dpo", "sft"], {"treg_alpha": 0.0}),
    (["dpo", "sft"], {"treg_alpha": 0.25}),
    (["sft", "bco_pair", "dpo"], {}),
    (["tdpo2", "tis_dpo"], {"tis_kl": 0.5}),
]
sums = {2: [1.0, 0.5], 3: [1.0, 0.2, 0.8], 1: [1.0]}
cases = []
for index, ((kinds, options), (chosen_count, rejected_count)) in enumerate(itertools.product(runs, lengths)):
    # Two of the four lengths for each run keep the file small; every run meets a longer and a shorter rejected response.
    if index % 4 not in ((0, 2), (1, 3))[(index // 4) % 2]:
        continue
    o = types.SimpleNamespace(**{**DEFAULTS, **options})
    chosen, rejected = response(chosen_count), response(rejected_count)
    statistics = [{key: value.tolist() for key, value in side.items()} for side in (chosen, rejected)]
    result = evaluate(kinds, sums[len(kinds)], o, chosen, rejected)
    needed = ["log_probs"]
    if set(kinds) - {"simpo", "cpo", "sft", "orpo", "sepo"}:
        needed.append("reference")
    if o.treg_alpha > 0 or set(kinds) & {"sepo", "tgdpo", "tis_dpo"}:
        needed += ["rewards", "log_ratios"]
    if o.use_weighting or "wpo" in kinds:
        needed.append("log_squares")
    if set(kinds) & {"tdpo1", "tdpo2"}:
        needed.append("reference_divergence")
    if o.tis_kl > 0:
        needed.append("policy_divergence")
    cases.append({
        "loss_type": kinds, "loss_weights": sums[len(kinds)], "options": {"treg_alpha": 0.0, **options},
        "chosen": {key: statistics[0][key] for key in needed}, "rejected": {key: statistics[1][key] for key in needed},
        **result,
    })

path = pathlib.Path(__file__).parent.parent / "ObjectivesTests" / "Golden" / "objectives.json"
path.parent.mkdir(parents=True, exist_ok=True)
path.write_text("[\n" + ",\n".join(json.dumps(case) for case in cases) + "\n]\n")
print(len(cases), "cases,", path.stat().st_size, "bytes")
print("compared with TRL:", dict(checked) or "nothing, it is not installed")
