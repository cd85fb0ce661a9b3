# All policies for one model and one benchmark at equal k: `snakemake --cores 2 policy_study`.
POLICY_STUDY = CONFIGURATION.policy_study
OVERLAP = POLICY_STUDY and CONFIGURATION.policies[POLICY_STUDY.overlap]


rule policy_study:
    input:
        figure_files("policies", ["pdf", "png", "csv"]),
        figure_files("overlap", ["pdf", "png", "csv"]),
        figure_files("policy_study_table", ["csv", "md"]),


rule policies_figure:
    input:
        cells=result(paths.POLICY_STUDY),
    output:
        figure_outputs("policies", ["pdf", "png", "csv"]),
    log:
        log_file("policies_figure"),
    conda:
        "../../envs/analysis.yaml"
    params:
        **script("policies_figure"),
    message:
        "Figure of the policy study"
    shell:
        SCRIPT


rule overlap_measures:
    input:
        similarities=[
            result(paths.PROMPT_SIMILARITIES, model=m, decode=RUN.decode, benchmark=b)
            for m in RUN.models
            for b in RUN.benchmarks
        ],
    output:
        result(paths.OVERLAP),
    log:
        log_file("overlap_measures"),
    conda:
        "../../envs/analysis.yaml"
    params:
        **script(
            "overlap_measures",
            lambda wildcards: ["policies.random_layers", f"policies.{OVERLAP.kind}"],
            models={m: CONFIGURATION.models[m].layers for m in RUN.models},
            benchmarks=RUN.benchmarks,
            settings=OVERLAP and OVERLAP.settings(),
            ks=[k for k in POLICY_STUDY.layers_skipped if k] if POLICY_STUDY else [],
            **INTERVALS,
        ),
    message:
        "Overlap of skip sets between prompts and benchmarks"
    shell:
        SCRIPT


rule overlap_figure:
    input:
        overlap=result(paths.OVERLAP),
    output:
        figure_outputs("overlap", ["pdf", "png", "csv"]),
    log:
        log_file("overlap_figure"),
    conda:
        "../../envs/analysis.yaml"
    params:
        **script("overlap_figure", models=descriptions.paper_columns(CONFIGURATION, RUN.models)),
    message:
        "Figure of the overlap of skip sets"
    shell:
        SCRIPT


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
        **script("policy_study_table", level=TABLE.level),
    message:
        "Table of the policy study"
    shell:
        SCRIPT
