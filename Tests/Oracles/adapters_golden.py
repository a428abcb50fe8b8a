"""Adapters that PEFT wrote, with log-probs and gradients of A and B in double precision by PyTorch.

Run: python Tests/Oracles/adapters_golden.py Tests/TransformerTests/Golden

adapters/NAME/adapter_config.json, adapter_model.safetensors   as PeftModel.save_pretrained writes them
adapters/NAME/golden.json          the model around which it stands, sequences, coefficients, log-probs
adapters/NAME/gradients.safetensors   d Σ coefficient · log-prob / d A and d B, by the stored names
"""

import json
import shutil
import sys
from pathlib import Path

import torch
from architectures_golden import exact, log_softmax, sequences
from peft import LoraConfig, get_peft_model
from peft.utils import get_peft_model_state_dict
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM

VARIANTS = {
    "list": ("llama3", dict(r=3, lora_alpha=5, target_modules=["q_proj", "v_proj", "down_proj"])),
    "all-linear": ("phi3", dict(r=2, lora_alpha=7, use_rslora=True, target_modules="all-linear")),
    "transposed": ("gpt2", dict(r=3, lora_alpha=4, target_modules=["c_attn", "mlp.c_proj"], fan_in_fan_out=True)),
    "patterns": (
        "gemma3",
        dict(
            r=2,
            lora_alpha=3,
            target_modules=r".*\.layers\.\d+\.(self_attn\.(q|k)_proj|mlp\.up_proj)",
            rank_pattern={"q_proj": 4, r"layers\.1\.mlp\.(up|gate)_proj": 3},
            alpha_pattern={r"^model\.layers\.0\..*": 11, "up_proj": 6},
        ),
    ),
    "some-layers": ("qwen3", dict(r=2, lora_alpha=4, target_modules=["o_proj", "gate_proj"], layers_to_transform=[1])),
}


def main():
    target = Path(sys.argv[1])
    torch.set_num_threads(1)
    for index, (name, (base, settings)) in enumerate(VARIANTS.items()):
        torch.manual_seed(50 + index)
        model = AutoModelForCausalLM.from_pretrained(
            target / "architectures" / base, dtype=torch.float32, attn_implementation="eager"
        )
        model = get_peft_model(model, LoraConfig(task_type="CAUSAL_LM", **settings))
        with torch.no_grad():
            for parameter_name, parameter in model.named_parameters():
                if "lora_" in parameter_name:
                    parameter.copy_(0.2 * torch.randn_like(parameter))
        folder = target / "adapters" / name
        shutil.rmtree(folder, ignore_errors=True)
        model.save_pretrained(folder)
        (folder / "README.md").unlink(missing_ok=True)
        # The model's place on the machine that made this is nobody's business.
        path = folder / "adapter_config.json"
        configuration = json.loads(path.read_text())
        configuration["base_model_name_or_path"] = base
        path.write_text(json.dumps(configuration, indent=1, sort_keys=True) + "\n")

        model.double().eval()
        cases = sequences(2000 + index)
        with exact():
            for case in cases:
                first, end = case["scored"]
                rows = log_softmax(model, case["tokens"])[first - 1 : end - 1]
                log_probs = rows.gather(1, torch.tensor(case["tokens"][first:end])[:, None])[:, 0]
                (log_probs * torch.tensor(case["coefficients"], dtype=log_probs.dtype)).sum().backward()
                case["log_probs"] = log_probs.tolist()
        gradients = {key: value.grad for key, value in model.named_parameters() if value.grad is not None}
        named = get_peft_model_state_dict(model, state_dict=gradients)
        save_file({key: value.float().contiguous() for key, value in named.items()}, folder / "gradients.safetensors")
        (folder / "golden.json").write_text(json.dumps({"base": base, "sequences": cases}, indent=1) + "\n")
        print(f"{name}: {len(named)} tensors, {sum(p.stat().st_size for p in folder.iterdir()) // 1024} KB")


if __name__ == "__main__":
    main()
