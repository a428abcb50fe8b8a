"""Llama in exact fp64: transformers' model with the places replaced where it rounds to fp32 on its own.

`model.double()` alone is no truth: transformers' RMSNorm, rotary embedding and eager attention cast to fp32 inside.
`load_truth` and `make_exact` give a model whose every operation runs in the parameters' type. The one value kept
as transformers makes it is the table of RoPE frequencies, which is fp32 by definition and then widened.

Legend: T tokens of one sequence, V vocabulary. Every function runs one sequence per call, without padding.
"""

import torch
import torch.nn.functional as functional
from transformers import AutoModelForCausalLM
from transformers.models.llama.modeling_llama import LlamaRMSNorm, LlamaRotaryEmbedding


def exact_norm(norm, hidden):
    """x / sqrt(mean(x²) + ε) · weight in the type of x. Shapes [..., D] → [..., D]."""
    variance = hidden.pow(2).mean(-1, keepdim=True)
    return norm.weight * (hidden * torch.rsqrt(variance + norm.variance_epsilon))


def exact_rotary(rotary, hidden, position_ids, **_):
    """cos and sin of position · frequency, [1, T, head dimension], in the type of the hidden states."""
    frequencies = rotary.inv_freq.float().to(hidden.dtype)
    angles = position_ids.to(hidden.dtype)[..., None] * frequencies
    angles = torch.cat([angles, angles], dim=-1)
    return angles.cos() * rotary.attention_scaling, angles.sin() * rotary.attention_scaling


def make_exact(model):
    """Replaces the operations that round; the model is changed in place and returned."""
    for module in model.modules():
        if isinstance(module, LlamaRMSNorm):
            module.forward = exact_norm.__get__(module)
        elif isinstance(module, LlamaRotaryEmbedding):
            module.forward = exact_rotary.__get__(module)
    return model


def load_truth(folder, dtype=torch.float64):
    """The model of a Hugging Face folder in `dtype`, exact in it when that is fp64."""
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="sdpa")
    model = model.to(dtype).eval()
    return make_exact(model) if dtype == torch.float64 else model


def log_probabilities(model, prefix, response):
    """log π(y_t | prefix, y_<t) for every token of the response: a tensor [len(response)]."""
    tokens = torch.tensor([list(prefix) + list(response)])
    logits = model(tokens, use_cache=False).logits[0, len(prefix) - 1 : -1]
    targets = tokens[0, len(prefix) :]
    return functional.log_softmax(logits, dim=-1).gather(1, targets[:, None])[:, 0]


def parameter_gradients(model):
    """Copies of all gradients by parameter name; zero where autograd left none."""
    return {
        name: (torch.zeros_like(parameter) if parameter.grad is None else parameter.grad.detach().clone())
        for name, parameter in model.named_parameters()
    }


def decays(name):
    """Whether weight decay applies: everything but norms and biases."""
    return not (name.endswith("bias") or "norm" in name)


def regularized_dpo(chosen, rejected, reference_chosen, reference_rejected, rewards_chosen, rewards_rejected, beta, alpha):
    """DPO-REG of one pair from per-token log-probs: the loss and its parts (see the method's formulas).

        r_w = β Σ (log π − log π_ref) over chosen, r_l likewise;  w = sg(σ(r_l − r_w))
        L = −log σ(r_w − r_l) + α · w · Σ_{both} −β r̂ · log π
    """
    reward_chosen = beta * (chosen - reference_chosen).sum()
    reward_rejected = beta * (rejected - reference_rejected).sum()
    plain = functional.softplus(reward_rejected - reward_chosen)
    weight = torch.sigmoid(reward_rejected - reward_chosen).detach()
    regularizer = -beta * ((rewards_chosen * chosen).sum() + (rewards_rejected * rejected).sum())
    return {
        "loss": plain + alpha * weight * regularizer,
        "dpo": plain,
        "weight": weight,
        "regularizer": regularizer,
        "reward_chosen": reward_chosen,
        "reward_rejected": reward_rejected,
    }
