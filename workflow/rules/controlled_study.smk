# Models that differ in one thing at a time, side by side: `snakemake --cores 2 controlled_study`.


rule controlled_study:
    input:
        figure_files("controlled_study", ["pdf", "png", "csv"]),
        figure_files("controlled_study_table", ["csv", "md"]),
        # Checkpoints of the hub come without the curve of their training.
        (
            figure_files("training_curves", ["pdf", "png", "csv"])
            if trained_folders(STUDY["models"])
            else []
        ),


rule controlled_study_figure:
    input:
        study=result(paths.CONTROLLED_STUDY),
    output:
        drawn("controlled_study", ["pdf", "png", "csv"]),
    log:
        log_file("controlled_study_figure"),
    conda:
        "../../envs/analysis.yaml"
    params:
        code=code("figures.controlled_study"),
        models=columns(STUDY["models"]),
        threshold=policy_threshold(STUDY.get("policy")),
    message:
        "Figure of the controlled study"
    shell:
        "python -m goodpart.figures.controlled_study --study {input.study:q} --models {params.models:q}"
        " {params.threshold} --output {output:q} --log {log:q}"


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
        code=code("rules.controlled_study_table"),
    message:
        "Table of the controlled study"
    shell:
        "python -m goodpart.rules.controlled_study_table --study {input.study:q}"
        " --output {output:q} --log {log:q}"
