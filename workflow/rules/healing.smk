# Retention before and after light fine-tuning: `snakemake --cores 2 healing_study`.


rule healing_study:
    input:
        figure_files("healing", ["pdf", "png", "csv"]),
        figure_files("healing_table", ["csv", "md"]),


rule healing_measures:
    input:
        unpack(study_cells),
        cells=result(paths.HEALING_CELLS),
        healed=lambda wildcards: healed_models(),
    output:
        result(paths.HEALING_STUDY),
    log:
        log_file("healing_measures"),
    conda:
        "../../envs/analysis.yaml"
    params:
        **script(
            "healing_measures",
            lambda wildcards: [
                f"models.families.{family_of(model)}" for model in HEALING_STUDY.models
            ],
            selection=HEALING_STUDY
            and {
                **HEALING_STUDY.model_dump(),
                "decode": RUN.decode,
                "shards": {b: CONFIGURATION.shards(b) for b in HEALING_STUDY.benchmarks},
                "likelihoods": CONFIGURATION.generation.likelihood_items > 0,
            },
            heal=HEALING_STUDY
            and CONFIGURATION.policies[HEALING_STUDY.healed].settings().get("heal"),
            **INTERVALS,
        ),
    message:
        "Retention and likelihood before and after healing"
    shell:
        SCRIPT


rule healing_figure:
    input:
        study=result(paths.HEALING_STUDY),
    output:
        figure_outputs("healing", ["pdf", "png", "csv"]),
    log:
        log_file("healing_figure"),
    conda:
        "../../envs/analysis.yaml"
    params:
        **script(
            "healing_figure",
            models=descriptions.paper_columns(
                CONFIGURATION, HEALING_STUDY.models if HEALING_STUDY else []
            ),
        ),
    message:
        "Figure of healing"
    shell:
        SCRIPT


rule healing_table:
    input:
        study=result(paths.HEALING_STUDY),
    output:
        figure_files("healing_table", ["csv", "md"]),
        page("healing_table"),
    log:
        log_file("healing_table"),
    conda:
        "../../envs/analysis.yaml"
    params:
        **script("healing_table"),
    message:
        "Table of healing"
    shell:
        SCRIPT
