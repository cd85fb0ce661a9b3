# All policies for one model and one benchmark at equal k: `snakemake --cores 2 policy_study`.


rule policy_study:
    input:
        figure_files("policies", ["pdf", "png", "csv"]),
        figure_files("overlap", ["pdf", "png", "csv"]),
        figure_files("policy_study_table", ["csv", "md"]),


rule policies_figure:
    input:
        cells=result(paths.POLICY_STUDY),
    output:
        drawn("policies", ["pdf", "png", "csv"]),
    log:
        log_file("policies_figure"),
    conda:
        "../../envs/analysis.yaml"
    params:
        code=code("figures.policies"),
    message:
        "Figure of the policy study"
    shell:
        "python -m goodpart.figures.policies --cells {input.cells:q} --output {output:q} --log {log:q}"


rule overlap_figure:
    input:
        overlap=result(paths.OVERLAP),
    output:
        drawn("overlap", ["pdf", "png", "csv"]),
    log:
        log_file("overlap_figure"),
    conda:
        "../../envs/analysis.yaml"
    params:
        code=code("figures.overlap"),
        models=columns(MODELS),
    message:
        "Figure of the overlap of skip sets"
    shell:
        "python -m goodpart.figures.overlap --overlap {input.overlap:q} --models {params.models:q}"
        " --output {output:q} --log {log:q}"


rule policy_study_table:
    input:
        cells=result(paths.POLICY_STUDY),
        overlap=result(paths.OVERLAP),
    output:
        figure_files("policy_study_table", ["csv", "md"]),
        page("policy_study_table"),
    log:
        log_file("policy_study_table"),
    conda:
        "../../envs/analysis.yaml"
    params:
        code=code("rules.policy_study_table"),
        level=config["table"]["level"],
    message:
        "Table of the policy study"
    shell:
        "python -m goodpart.rules.policy_study_table --cells {input.cells:q} --overlap {input.overlap:q}"
        " --level {params.level} --output {output:q} --log {log:q}"
