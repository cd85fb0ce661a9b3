# Accuracy and retention of every cell of a study: cells.parquet of the run, and a table of each other study.


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
