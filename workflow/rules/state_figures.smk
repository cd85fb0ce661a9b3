# Figures of hidden states, each by the script of its name.
DIFFUSION = ("llada", "dream")
# Their one family, where they show one; a run without a model of it has no such figure.
FAMILY_FIGURES = {"figure13": "llada", "figure14": "dream"}
STATE_FIGURES = [
    *(f"figure{n}" for n in (3, 4, 5, 6, 7, 9, 10, 11, 12, 13, 14)),
    *("block_similarity", "mask_ratio"),
]
STATE_SUFFIXES = ["pdf", "png", "csv", "md"]


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


def state_script(figure, *windows):
    """Parameters of a figure: its models, windows and benchmarks, and the results folder."""
    models = {
        model: {
            "paper_column": CONFIGURATION.models[model].paper_column,
            "family": family_of(model),
            "layers": CONFIGURATION.models[model].layers,
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
    selection = {"models": models, "windows": shown, "benchmarks": CALIBRATION}
    return script(figure, selection=selection, results=ARTIFACTS.results)


rule figure3:
    input:
        statistics=statistics_of("figure3", "tokens", "full"),
    output:
        figure_outputs("figure3", STATE_SUFFIXES),
    log:
        log_file("figure3"),
    conda:
        "../../envs/analysis.yaml"
    params:
        **state_script("figure3", "full"),
    message:
        "Figure 3: tokens of hidden states"
    shell:
        SCRIPT


use rule figure3 as figure4 with:
    input:
        statistics=statistics_of("figure4", "layers", "limited"),
    output:
        figure_outputs("figure4", STATE_SUFFIXES),
    log:
        log_file("figure4"),
    params:
        **state_script("figure4", "limited"),
    message:
        "Figure 4: layers of hidden states"


use rule figure3 as figure5 with:
    input:
        statistics=statistics_of("figure5", "layers", "full"),
    output:
        figure_outputs("figure5", STATE_SUFFIXES),
    log:
        log_file("figure5"),
    params:
        **state_script("figure5", "full"),
    message:
        "Figure 5: layers of hidden states"


use rule figure3 as figure6 with:
    input:
        statistics=statistics_of("figure6", "tokens", "limited", "full"),
    output:
        figure_outputs("figure6", STATE_SUFFIXES),
    log:
        log_file("figure6"),
    params:
        **state_script("figure6", "limited", "full"),
    message:
        "Figure 6: tokens of hidden states"


use rule figure3 as figure7 with:
    input:
        statistics=statistics_of("figure7", "norms", "full"),
    output:
        figure_outputs("figure7", STATE_SUFFIXES),
    log:
        log_file("figure7"),
    params:
        **state_script("figure7", "full"),
    message:
        "Figure 7: norms of hidden states"
