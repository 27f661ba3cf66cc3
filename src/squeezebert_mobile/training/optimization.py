"""The optimizer, and the learning rate schedule: linear warm-up, then linear decay to 0."""

from typing import Any

import torch
from torch import nn

from squeezebert_mobile.training.config import TrainingConfig

__all__ = ["learning_rate_factor", "make_optimizer"]


def learning_rate_factor(step: int, steps: int, warm_up: float) -> float:
    """The learning rate of a step (from 0) as a share of the peak."""
    warm_up_steps = max(1, round(warm_up * steps))
    if step < warm_up_steps:
        return (step + 1) / warm_up_steps
    return (steps - step) / max(1, steps - warm_up_steps)


def make_optimizer(model: nn.Module, config: TrainingConfig) -> torch.optim.AdamW:
    """AdamW; weight decay applies to matrices, not to biases and norms, which have 1 dimension."""
    weights = [p for p in model.parameters() if p.requires_grad]
    groups: list[dict[str, Any]] = [
        {"params": [p for p in weights if p.dim() > 1]},
        {"params": [p for p in weights if p.dim() <= 1], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=config.learning_rate, weight_decay=config.weight_decay)
