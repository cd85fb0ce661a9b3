# Inputs and parameters of the figures of hidden states.
from goodpart.models.families import autoregressive


def family_of(model):
    """The family of a model."""
    return CONFIGURATION.models[model].family


def has_models(figure):
    """Whether the run has a model of the family that a figure shows."""
    family = FAMILY_FIGURES.get(figure)
    return family is None or family in map(family_of, RUN.models)


def figure_models(figure):
    """Models that a figure reads: the run's, or its LLaDAs and Dreams, which share the scale of both."""
    if figure not in FAMILY_FIGURES:
        return RUN.models
    return [model for model in RUN.models if family_of(model) in DIFFUSION]


def statistics_of(figure, statistic, *windows):
    """The files of a statistic that a figure shows; an error where the run has no model for it."""
    files = [
        result(
            paths.STATISTICS,
            model=m,
            decode=CONFIGURATION.windows[w],
            benchmark=b,
            statistic=statistic,
        )
        for m in figure_models(figure)
        for w in windows
        for b in CALIBRATION
    ]

    def named(wildcards):
        if not has_models(figure):
            family = FAMILY_FIGURES[figure]
            raise WorkflowError(
                f"{figure}: the run has no model of the family {family}; add one to run.models"
            )
        return files

    return named


def state_selection(figure, *windows):
    """The models, windows and benchmarks of a figure."""
    models = {
        model: {
            "paper_column": CONFIGURATION.models[model].paper_column,
            "family": family_of(model),
            "layers": CONFIGURATION.models[model].layers,
            "one_pass": autoregressive(family_of(model)),
        }
        for model in figure_models(figure)
    }
    shown = {}
    for window in windows:
        decode = CONFIGURATION.windows[window]
        lengths = [
            settings.decode_settings(CONFIGURATION, decode, m["family"], CALIBRATION[0])
            for m in models.values()
        ]
        tokens = max((chosen["max_new_tokens"] for chosen in lengths), default=0)
        shown[window] = {"decode": decode, "tokens": tokens}
    return {"models": models, "windows": shown, "benchmarks": CALIBRATION}


def state_script(figure, *windows):
    """Parameters of a figure of hidden states: what it shows, and the results folder."""
    return script(figure, selection=state_selection(figure, *windows), results=ARTIFACTS.results)
