# All policies for one model and one benchmark at equal k: `snakemake --cores 2 policy_study`.
STUDY_CELLS = policy_config.study_cells(config)


rule policy_study:
    input:
        figure_files("policies", ["pdf", "png", "csv"]),
        figure_files("overlap", ["pdf", "png", "csv"]),
        figure_files("policy_study_table", ["csv", "md"]),


rule policy_study_cells:
    input:
        **cell_inputs(STUDY_CELLS),
        code=cells_code(STUDY_CELLS),
    output:
        result(paths.POLICY_STUDY),
    log:
        log_file("policy_study_cells"),
    conda:
        "../../envs/analysis.yaml"
    params:
        selection=cells_selection(STUDY_CELLS),
        level=config["table"]["level"],
        resamples=config["table"]["resamples"],
    shell:
        "python -m goodpart.rules.cells --selection {params.selection:q}"
        " --level {params.level} --resamples {params.resamples} --output {output:q} --log {log:q}"


rule overlap_measures:
    input:
        similarities=[
            result(paths.PROMPT_SIMILARITIES, model=m, decode=DECODE, benchmark=b)
            for m in MODELS
            for b in BENCHMARKS
        ],
        code=lambda wildcards: code(
            "rules.overlap_measures",
            "policies.random_layers",
            f"policies.{config['policies'][OVERLAP]['kind']}",
        ),
    output:
        result(paths.OVERLAP),
    log:
        log_file("overlap_measures"),
    conda:
        "../../envs/analysis.yaml"
    params:
        models=json.dumps({m: config["models"][m]["layers"] for m in MODELS}),
        benchmarks=BENCHMARKS,
        settings=json.dumps(config["policies"].get(OVERLAP), sort_keys=True),
        ks=[k for k in POLICY_STUDY.get("layers_skipped", []) if k],
        level=config["table"]["level"],
        resamples=config["table"]["resamples"],
    shell:
        "python -m goodpart.rules.overlap_measures --models {params.models:q}"
        " --benchmarks {params.benchmarks:q} --settings {params.settings:q} --k {params.ks}"
        " --level {params.level} --resamples {params.resamples} --similarities {input.similarities:q}"
        " --output {output:q} --log {log:q}"


rule policies_figure:
    input:
        cells=result(paths.POLICY_STUDY),
        code=code("figures.policies"),
    output:
        figure_files("policies", ["pdf", "png", "csv"]),
    log:
        log_file("policies_figure"),
    conda:
        "../../envs/analysis.yaml"
    shell:
        "python -m goodpart.figures.policies --cells {input.cells:q} --output {output:q} --log {log:q}"


rule overlap_figure:
    input:
        overlap=result(paths.OVERLAP),
        code=code("figures.overlap"),
    output:
        figure_files("overlap", ["pdf", "png", "csv"]),
    log:
        log_file("overlap_figure"),
    conda:
        "../../envs/analysis.yaml"
    params:
        models=columns(MODELS),
    shell:
        "python -m goodpart.figures.overlap --overlap {input.overlap:q} --models {params.models:q}"
        " --output {output:q} --log {log:q}"


rule policy_study_table:
    input:
        cells=result(paths.POLICY_STUDY),
        overlap=result(paths.OVERLAP),
        code=code("rules.policy_study_table"),
    output:
        figure_files("policy_study_table", ["csv", "md"]),
    log:
        log_file("policy_study_table"),
    conda:
        "../../envs/analysis.yaml"
    params:
        level=config["table"]["level"],
    shell:
        "python -m goodpart.rules.policy_study_table --cells {input.cells:q} --overlap {input.overlap:q}"
        " --level {params.level} --output {output:q} --log {log:q}"
