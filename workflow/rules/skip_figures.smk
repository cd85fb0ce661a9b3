# Figures of skipping. Their model and benchmark are config.yaml's, or the run's first.
FIGURE1_BENCHMARK = settings.in_run(CONFIGURATION.skip_figures.benchmark, RUN.benchmarks)
MECHANISM = CONFIGURATION.skip_figures.mechanism
SELECTION = CONFIGURATION.skip_figures.selection
# The run's cells at full depth and under the policy of Table 1.
TABLE_CELLS = settings.Study(
    "cells",
    RUN.decode,
    tuple(
        cell
        for cell in STUDIES["cells"].cells
        if cell[2] in (paths.FULL_DEPTH, CONFIGURATION.table_policy)
    ),
)
LIKELIHOOD_FILES = ARTIFACTS.of_study(TABLE_CELLS)


rule figure1:
    input:
        cells=result(paths.CELLS),
    output:
        figure_outputs("figure1", ["pdf", "png", "csv", "md"]),
    log:
        log_file("figure1"),
    conda:
        "../../envs/analysis.yaml"
    params:
        **script(
            "figure1",
            models=descriptions.paper_columns(CONFIGURATION, RUN.models),
            policy=CONFIGURATION.table_policy,
            benchmark=FIGURE1_BENCHMARK,
            label=CONFIGURATION.benchmarks[FIGURE1_BENCHMARK].label or FIGURE1_BENCHMARK,
        ),
    message:
        "Figure 1: retention against FLOPs"
    shell:
        SCRIPT


rule likelihood_figure:
    # Likelihoods and skip sets alone: where only this figure is wanted, nothing is decoded.
    input:
        likelihoods=LIKELIHOOD_FILES["likelihoods"],
        skip_sets=LIKELIHOOD_FILES["skip_sets"],
    output:
        figure_outputs("likelihood", ["pdf", "png", "csv", "md"]),
    log:
        log_file("likelihood_figure"),
    conda:
        "../../envs/analysis.yaml"
    params:
        **script(
            "likelihood_figure",
            models=descriptions.paper_columns(CONFIGURATION, RUN.models),
            layers={model: CONFIGURATION.models[model].layers for model in RUN.models},
            cells=TABLE_CELLS.cells,
            labels=descriptions.labels(CONFIGURATION, RUN.benchmarks),
            **INTERVALS,
        ),
    message:
        "Figure: likelihood of the reference solutions against FLOPs"
    shell:
        SCRIPT


if MECHANISM:
    DRAWN = settings.in_run(MECHANISM.model, RUN.models)

    rule figure2:
        input:
            skip_set=ARTIFACTS.skip_set(DRAWN, MECHANISM.policy, MECHANISM.k),
        output:
            figure_outputs("figure2", ["pdf", "png", "csv"]),
        log:
            log_file("figure2"),
        conda:
            "../../envs/analysis.yaml"
        params:
            **script(
                "figure2",
                [f"models.families.{CONFIGURATION.models[DRAWN].family}"],
                name=f"{DRAWN}, {MECHANISM.policy}, k = {MECHANISM.k}",
                layers=CONFIGURATION.models[DRAWN].layers,
                family=CONFIGURATION.models[DRAWN].family,
                settings=descriptions.settings_of(
                    CONFIGURATION, RUN.decode, DRAWN, RUN.benchmarks[:1]
                )[0],
            ),
        message:
            "Figure 2: the mechanism"
        shell:
            SCRIPT


if SELECTION:
    CHOSEN = settings.in_run(SELECTION.model, RUN.models)
    COUNTED = settings.in_run(SELECTION.benchmark, RUN.benchmarks)

    rule figure8:
        input:
            similarities=result(
                paths.PROMPT_SIMILARITIES,
                model=CHOSEN,
                decode=RUN.decode,
                benchmark=COUNTED,
            ),
        output:
            figure_outputs("figure8", ["pdf", "png", "csv"]),
        log:
            log_file("figure8"),
        conda:
            "../../envs/analysis.yaml"
        params:
            **script(
                "figure8",
                [f"policies.{CONFIGURATION.policies[SELECTION.policy].kind}"],
                model=CHOSEN,
                models=descriptions.paper_columns(CONFIGURATION, RUN.models),
                label=CONFIGURATION.benchmarks[COUNTED].label or COUNTED,
                layers=CONFIGURATION.models[CHOSEN].layers,
                settings=CONFIGURATION.policies[SELECTION.policy].settings(),
                k=SELECTION.k,
                level=TABLE.level,
            ),
        message:
            "Figure 8: how often each layer is chosen"
        shell:
            SCRIPT
