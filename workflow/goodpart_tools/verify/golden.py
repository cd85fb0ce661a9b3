"""Golden outputs of the official code: the calls and tensors of one folder, and comparisons with them.

`golden.json` has the arguments of every call (`cases`) and the shape and dtype of every tensor (`tensors`).
`golden.safetensors` has the tensors.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from goodpart.errors import GoodpartError
from goodpart.jobs.files import read_json

if TYPE_CHECKING:
    import torch


class Mismatch(Exception):
    """A result differs from the golden one."""


class Golden:
    """The golden calls and tensors of one folder, and which tensors have been compared."""

    def __init__(self, folder: Path) -> None:
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        files = [folder / "golden.json", folder / "golden.safetensors"]
        missing = [file.name for file in files if not file.exists()]
        if missing:
            raise GoodpartError(f"{folder}: {', '.join(missing)} is missing; give a folder of golden outputs")
        content = read_json(files[0])
        calls = content.get("cases") if isinstance(content, dict) else None
        if not isinstance(calls, list):
            raise GoodpartError(f"{files[0]}: has no list of cases")
        self.calls: list[dict[str, Any]] = calls
        self._listed: Any = content.get("tensors")
        try:
            self._tensors: dict[str, torch.Tensor] = load_file(files[1])
        except SafetensorError as error:
            raise GoodpartError(f"{files[1]}: incomplete or damaged ({error})") from error
        self.unused = set(self._tensors)

    def __call__(self, name: str) -> torch.Tensor:
        """One tensor; GoodpartError if it does not exist."""
        found = self.find(name)
        if found is None:
            raise GoodpartError(f"golden.safetensors has no {name}")
        return found

    def find(self, name: str) -> torch.Tensor | None:
        """One tensor, or None."""
        self.unused.discard(name)
        return self._tensors.get(name)

    def mask(self, name: str) -> torch.Tensor | None:
        """One attention mask as booleans, or None. Raises Mismatch if it has values other than 0 and 1."""
        found = self.find(name)
        if found is not None and not bool(((found == 0) | (found == 1)).all()):
            fail(f"{name} has values other than 0 and 1")
        return None if found is None else found.bool()

    def names(self, start: str, end: str) -> list[str]:
        """The parts between `start` and `end` in the tensors' names."""
        pairs = [n for n in self._tensors if n.startswith(start) and n.endswith(end)]
        return sorted(n[len(start) : -len(end)] for n in pairs)

    def excuse(self, case: str) -> None:
        """Mark the tensors of a failed case as compared, because one error message is enough."""
        self.unused -= {name for name in self.unused if name.startswith(f"{case}.")}

    def gaps(self) -> list[str]:
        """Errors of the folder as a whole: tensors that were not compared, or do not match the list."""
        found = set(self._tensors)
        gaps = {"not looked at": self.unused}
        if isinstance(self._listed, dict):
            listed = set(self._listed)
            gaps["in golden.json's list, not in golden.safetensors"] = listed - found
            gaps["in golden.safetensors, not in golden.json's list"] = found - listed
            gaps["with another shape or dtype than in golden.json's list"] = {
                name for name in listed & found if not self._as_listed(name)
            }
        else:
            gaps["golden.json has no list"] = {"tensors"}
        return [f"{what}: {_some(sorted(names))}" for what, names in gaps.items() if names]

    def _as_listed(self, name: str) -> bool:
        """Whether a tensor has the shape and dtype of golden.json's list."""
        tensor, listed = self._tensors[name], self._listed[name]
        dtype = str(tensor.dtype).removeprefix("torch.")
        return isinstance(listed, dict) and (listed.get("shape"), listed.get("dtype")) == (
            list(tensor.shape),
            dtype,
        )


def _some(names: list[str]) -> str:
    more = f" and {len(names) - 4} more" if len(names) > 4 else ""
    return ", ".join(names[:4]) + more


def field(call: Mapping[str, Any], key: str) -> Any:
    """One entry of a call; GoodpartError if it is missing."""
    if key not in call:
        raise GoodpartError(f"golden.json: the case has no {key}")
    return call[key]


def fail(what: str) -> NoReturn:
    """Raise Mismatch."""
    raise Mismatch(what)


def close(found: torch.Tensor, wanted: torch.Tensor, tolerance: float, what: str) -> float:
    """The largest difference. Raises Mismatch above `tolerance`, or if there is nothing to compare."""
    if found.shape != wanted.shape:
        fail(f"{what}: shape {tuple(found.shape)}, golden {tuple(wanted.shape)}")
    if not wanted.numel():
        fail(f"{what}: there is nothing to compare")
    difference = (found.float() - wanted.float().to(found.device)).abs().max()
    if not bool(difference <= tolerance):  # NaN fails
        fail(f"{what}: differs by {float(difference):.2e}")
    return float(difference)


def same(found: torch.Tensor, wanted: torch.Tensor, what: str) -> None:
    """Raise Mismatch if ids differ, or if there is nothing to compare."""
    if found.shape != wanted.shape:
        fail(f"{what}: shape {tuple(found.shape)}, golden {tuple(wanted.shape)}")
    if not wanted.numel():
        fail(f"{what}: there is nothing to compare")
    other = (found.cpu() != wanted).nonzero()
    if len(other):
        fail(f"{what}: ids differ from {other[0].tolist()} on")
