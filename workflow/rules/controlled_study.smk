# Models that differ in one thing at a time, side by side: `snakemake --cores 2 controlled_study`.
CONTROLLED = CONFIGURATION.controlled_study
CONTROLLED_MODELS = CONTROLLED.models if CONTROLLED else []


rule controlled_study:
    input:
        figure_files("controlled_study", ["pdf", "png", "csv"]),
        figure_files("controlled_study_table", ["csv", "md"]),
        # Checkpoints of the hub come without the curve of their training.
        figure_files("training_curves", ["pdf", "png", "csv"]) if trained_folders() else [],


rule controlled_study_measures:
    input:
        statistics=[
            result(paths.STATISTICS, model=m, decode=RUN.decode, benchmark=b, statistic=s)
            for m in CONTROLLED_MODELS
            for b in CALIBRATION
            for s in ("layers", "tokens")
        ],
        cells=result(paths.CONTROLLED_CELLS),
        scores=ARTIFACTS.of_study(STUDIES["controlled_study_cells"])["scores"],
        likelihoods=ARTIFACTS.of_study(STUDIES["controlled_study_cells"])["likelihoods"],
    output:
        result(paths.CONTROLLED_STUDY),
    log:
        log_file("controlled_study_measures"),
    conda:
        "../../envs/analysis.yaml"
    params:
        **script(
            "controlled_study_measures",
            selection=CONTROLLED
            and {
                **CONTROLLED.model_dump(),
                "seeds": CONTROLLED.other_seeds,
                "calibration": CALIBRATION,
                "decode": RUN.decode,
                "likelihoods": CONFIGURATION.generation.likelihood_items > 0,
            },
            **INTERVALS,
        ),
    message:
        "Similarities and retentions of the controlled study"
    shell:
        SCRIPT


rule controlled_study_figure:
    input:
        study=result(paths.CONTROLLED_STUDY),
    output:
        figure_outputs("controlled_study", ["pdf", "png", "csv"]),
    log:
        log_file("controlled_study_figure"),
    conda:
        "../../envs/analysis.yaml"
    params:
        **script(
            "controlled_study_figure",
            models=descriptions.paper_columns(CONFIGURATION, CONTROLLED_MODELS),
            threshold=CONTROLLED
            and CONFIGURATION.policies[CONTROLLED.policy].settings().get("threshold"),
        ),
    message:
        "Figure of the controlled study"
    shell:
        SCRIPT


rule controlled_study_table:
    input:
        study=result(paths.CONTROLLED_STUDY),
    output:
        figure_files("controlled_study_table", ["csv", "md"]),
        page("controlled_study_table"),
    log:
        log_file("controlled_study_table"),
    conda:
        "../../envs/analysis.yaml"
    params:
        **script("controlled_study_table"),
    message:
        "Table of the controlled study"
    shell:
        SCRIPT


rule training_curves:
    input:
        checkpoints=list(trained_folders().values()),
    output:
        figure_outputs("training_curves", ["pdf", "png", "csv"]),
    log:
        log_file("training_curves"),
    conda:
        "../../envs/analysis.yaml"
    params:
        **script(
            "training_curves",
            models={
                Path(folder).name: CONFIGURATION.models[model].paper_column
                for model, folder in trained_folders().items()
            },
        ),
    message:
        "Figure of the training curves"
    shell:
        SCRIPT
