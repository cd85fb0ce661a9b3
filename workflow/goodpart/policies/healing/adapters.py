"""LoRA adapters by `peft` on the linear layers of the blocks that stay."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch

from goodpart.errors import GoodpartError
from goodpart.models.loading import Model
from goodpart.models.skipping import check_layers
from goodpart.policies.healing import MISSING


def require_peft() -> Any:
    """The module `peft`; GoodpartError with the command that installs it."""
    try:
        import peft
    except ImportError:
        raise GoodpartError(MISSING) from None
    return peft


def linear_names(model: Model, layers: Sequence[int]) -> list[str]:
    """Names of the linear layers in the blocks that stay without `layers` (numbered from 0)."""
    skipped = set(check_layers(layers, model.layers))
    return [
        f"model.layers.{number}.{name}"
        for number, block in enumerate(model.module.model.layers)
        if number not in skipped
        for name, part in block.named_modules()
        if isinstance(part, torch.nn.Linear)
    ]


class Adapters:
    """LoRA in the blocks of a model that stay. It starts at zero: nothing changes before it is trained."""

    def __init__(self, model: Model, layers: Sequence[int], rank: int, seed: int) -> None:
        peft = require_peft()
        self.targets = linear_names(model, layers)
        config = peft.LoraConfig(
            r=rank, lora_alpha=2 * rank, lora_dropout=0.0, bias="none", target_modules=self.targets
        )
        with torch.random.fork_rng(), warnings.catch_warnings():
            # peft reads a name that transformers has renamed.
            warnings.filterwarnings("ignore", "`is_gradient_checkpointing`", FutureWarning)
            torch.manual_seed(seed)
            self.model = peft.get_peft_model(model.module, config)
        self.model.eval()

    @property
    def weights(self) -> dict[str, torch.nn.Parameter]:
        """What is trained, by name."""
        return {name: value for name, value in self.model.named_parameters() if "lora_" in name}

    @contextmanager
    def off(self) -> Iterator[None]:
        """The model as it was, inside the context."""
        with self.model.disable_adapter():
            yield

    def merged(self) -> dict[str, torch.Tensor]:
        """Merge into the model, take the adapters out, and return the weights that changed, by name.

        Names are those of transformers' class. Raises GoodpartError where one is not finite.
        """
        module = self.model.merge_and_unload()
        own = dict(module.named_parameters())
        found = {f"{name}.weight": own[f"{name}.weight"].detach() for name in self.targets}
        if damaged := [name for name, value in found.items() if not bool(torch.isfinite(value).all())]:
            raise GoodpartError(
                f"{damaged[0]} is not finite after healing; lower policies.<name>.heal.learning_rate"
            )
        return found
