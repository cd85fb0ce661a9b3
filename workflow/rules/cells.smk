# Accuracy and retention of every cell of a study: cells.parquet of the run, and a table of each other study.


def of_study(wildcards):
    """Scores, completions and skip sets of a study's cells."""
    if wildcards.table not in CONFIGURATION.studies and wildcards.table.startswith("quality_"):
        require_latency()
    return ARTIFACTS.of_study(STUDIES[wildcards.table])


def families_of_study(wildcards):
    """Modules of the families of a study's models."""
    models = {model for model, *_ in STUDIES[wildcards.table].cells}
    families = {CONFIGURATION.models[model].family for model in models}
    return [f"models.families.{family}" for family in sorted(families)]


rule cells:
    input:
        unpack(of_study),
    output:
        result("{table}.parquet"),
    log:
        log_file("cells", "table"),
    wildcard_constraints:
        table="|".join(map(re.escape, STUDIES)),
    conda:
        "../../envs/analysis.yaml"
    params:
        **script(
            "cells",
            families_of_study,
            selection=lambda wildcards: descriptions.cells_selection(
                CONFIGURATION, STUDIES[wildcards.table]
            ),
            **INTERVALS,
        ),
    message:
        "Accuracy and retention of every cell: {wildcards.table}"
    shell:
        SCRIPT
