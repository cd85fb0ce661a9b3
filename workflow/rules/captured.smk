# What is captured of a decoding, and which figures show it.
from goodpart.config.capture import gigabytes

CAPTURE = config["capture"]
STORED = min(CAPTURE["stored"], CAPTURE["prompts"])
STREAMED = CAPTURE["prompts"] > STORED
WINDOWS = CONFIGURATION.windows
# Figures of hidden states: their statistic, their windows, and the one family that they show, if it is one.
SIMILARITY_FIGURES = {
    "figure3": ("tokens", ["full"], None),
    "figure4": ("layers", ["limited"], None),
    "figure5": ("layers", ["full"], None),
    "figure6": ("tokens", ["limited", "full"], None),
    "figure7": ("norms", ["full"], None),
    "figure9": ("tokens", ["full"], None),
    "figure10": ("tokens", ["full"], None),
    "figure11": ("tokens", ["full"], None),
    "figure12": ("tokens", ["full"], None),
    "figure13": ("tokens", ["full"], "llada"),
    "figure14": ("tokens", ["full"], "dream"),
    "block_similarity": ("pairs", ["full"], None),
    "mask_ratio": ("layers", ["full"], None),
}
FIGURE_SUFFIXES = ["pdf", "png", "csv", "md"]


def capturing_input():
    """Input of a capturing job: prompts and checkpoint."""
    return {
        "item_files": [result(paths.ITEMS, benchmark=b, split="calibration") for b in CALIBRATION],
        "checkpoint": lambda wildcards: checkpoint(wildcards.model),
    }


def figure_models(family):
    """Models that a figure reads: all of the run's, or LLaDA's and Dream's, which share the scale of both."""
    if family is None:
        return MODELS
    return [model for model in MODELS if config["models"][model]["family"] in ("llada", "dream")]


def has_family(family):
    """Whether the run has a model of a family, or None: any."""
    return family is None or any(config["models"][m]["family"] == family for m in MODELS)


def figure_selection(windows, names):
    """What a figure of hidden states shows, as JSON."""
    models = {
        model: {
            "paper_column": config["models"][model].get("paper_column"),
            "family": config["models"][model]["family"],
            "layers": config["models"][model]["layers"],
        }
        for model in names
    }
    chosen = {}
    for window in windows:
        lengths = [
            settings_of.decode_settings(CONFIGURATION, WINDOWS[window], m["family"], CALIBRATION[0])
            for m in models.values()
        ]
        tokens = max(settings["max_new_tokens"] for settings in lengths)
        chosen[window] = {"decode": WINDOWS[window], "tokens": tokens}
    return json.dumps({"models": models, "windows": chosen, "benchmarks": CALIBRATION})


def similarity_figures():
    """Files of the figures of hidden states that the run's models allow."""
    return [
        file
        for name, (_, _, family) in SIMILARITY_FIGURES.items()
        if has_family(family)
        for file in figure_files(name, FIGURE_SUFFIXES)
    ]
