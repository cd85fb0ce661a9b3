"""Training losses of the tiny checkpoints against the number of tokens seen."""

from __future__ import annotations

from goodpart.evaluation.drawing import style
from goodpart.jobs.job import Job


def main(job: Job) -> None:
    """Draw one panel per objective, whose losses are not comparable, with one line per model."""
    import pandas as pd

    from goodpart.jobs.files import read_json

    style.use()
    import matplotlib.pyplot as plt

    columns: dict[str, str | None] = job.params.models
    palette = style.colours(columns)
    figure, axes = plt.subplots(1, 2, figsize=(style.WIDE, 2.5))
    panels = {"next_token": (axes[0], "Next-token loss"), "diffusion": (axes[1], "Diffusion loss")}
    rows = []
    for folder in job.input.checkpoints:
        axis, label = panels[read_json(folder / "recipe.json")["objective"]]
        curve = pd.read_csv(folder / "curve.csv")
        seen = curve["tokens"].cumsum() / 1e6
        smooth = curve["loss"].rolling(5, min_periods=1).mean()
        axis.plot(seen, curve["loss"], color=palette[folder.name], alpha=0.25, lw=0.6)
        axis.plot(seen, smooth, color=palette[folder.name], label=folder.name)
        axis.set_yscale("log")
        axis.set_xlabel("Tokens seen (millions)")
        axis.set_ylabel(f"{label} (nats)")
        axis.legend()
        rows += [
            [folder.name, step, f"{tokens:.6f}", f"{loss:.6f}"]
            for step, tokens, loss in zip(curve["step"], seen, curve["loss"], strict=True)
        ]
    figure.tight_layout()
    style.save(figure, job.outputs, ["model", "step", "million_tokens", "loss"], rows)
    plt.close(figure)
