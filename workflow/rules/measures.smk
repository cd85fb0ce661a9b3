# Tables in results/ that all figures and tables are drawn from, and everything else is folded into.
STUDY_CELLS = settings_of.study_cells(CONFIGURATION)
QUALITY_CELLS = [] if LATENCY_MISTAKES else settings_of.quality_cells(CONFIGURATION)


rule cells:
    input:
        **cell_inputs(CELLS),
    output:
        result(paths.CELLS),
    log:
        log_file("cells"),
    conda:
        "../../envs/analysis.yaml"
    params:
        code=cells_code(CELLS),
        selection=lambda wildcards: cells_selection(CELLS),
        level=config["table"]["level"],
        resamples=config["table"]["resamples"],
    message:
        "Accuracy and retention of every cell of the run"
    shell:
        "python -m goodpart.rules.cells --selection {params.selection:q}"
        " --level {params.level} --resamples {params.resamples} --output {output:q} --log {log:q}"


rule policy_study_cells:
    input:
        **cell_inputs(STUDY_CELLS),
    output:
        result(paths.POLICY_STUDY),
    log:
        log_file("policy_study_cells"),
    conda:
        "../../envs/analysis.yaml"
    params:
        code=cells_code(STUDY_CELLS),
        selection=lambda wildcards: cells_selection(STUDY_CELLS),
        level=config["table"]["level"],
        resamples=config["table"]["resamples"],
    message:
        "Accuracy and retention of every cell of the policy study"
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
    output:
        result(paths.OVERLAP),
    log:
        log_file("overlap_measures"),
    conda:
        "../../envs/analysis.yaml"
    params:
        code=lambda wildcards: code(
            "rules.overlap_measures",
            "policies.random_layers",
            f"policies.{config['policies'][OVERLAP]['kind']}",
        ),
        models=json.dumps({m: config["models"][m]["layers"] for m in MODELS}),
        benchmarks=BENCHMARKS,
        settings=json.dumps(config["policies"].get(OVERLAP), sort_keys=True),
        ks=[k for k in POLICY_STUDY.get("layers_skipped", []) if k],
        level=config["table"]["level"],
        resamples=config["table"]["resamples"],
    message:
        "Overlap of skip sets between prompts and benchmarks"
    shell:
        "python -m goodpart.rules.overlap_measures --models {params.models:q}"
        " --benchmarks {params.benchmarks:q} --settings {params.settings:q} --k {params.ks}"
        " --level {params.level} --resamples {params.resamples} --similarities {input.similarities:q}"
        " --output {output:q} --log {log:q}"


rule controlled_study_measures:
    input:
        statistics=[
            result(paths.STATISTICS, model=m, decode=DECODE, benchmark=b, statistic=s)
            for m in STUDY["models"]
            for b in CALIBRATION
            for s in ("layers", "tokens")
        ],
        skip_sets=[
            skip_set_file(m, STUDY["policy"], k)
            for m in STUDY["models"]
            for k in STUDY["layers_skipped"]
            if k
        ],
        scores=[
            result(
                paths.SCORES,
                model=m,
                decode=DECODE,
                benchmark=b,
                policy=STUDY["policy"] if k else FULL,
                k=k,
            )
            for m in STUDY["models"]
            for b in STUDY["benchmarks"]
            for k in STUDY["layers_skipped"]
        ],
    output:
        result(paths.CONTROLLED_STUDY),
    log:
        log_file("controlled_study_measures"),
    conda:
        "../../envs/analysis.yaml"
    params:
        code=code("rules.controlled_study"),
        selection=json.dumps({**STUDY, "calibration": CALIBRATION, "decode": DECODE}),
        level=config["table"]["level"],
        resamples=config["table"]["resamples"],
    message:
        "Similarities and retentions of the controlled study"
    shell:
        "python -m goodpart.rules.controlled_study --selection {params.selection:q}"
        " --level {params.level} --resamples {params.resamples} --output {output:q} --log {log:q}"


rule profiles:
    input:
        statistics=[
            result(paths.STATISTICS, benchmark=b, statistic=s)
            for b in CALIBRATION
            for s in ("layers", "tokens", "norms")
        ],
    output:
        result(paths.PROFILES),
    log:
        log_file("profiles", "model", "decode"),
    conda:
        "../../envs/analysis.yaml"
    params:
        code=code("rules.profiles"),
    message:
        "{wildcards.model}: similarities and norms by prompt, step and layer, decoding preset {wildcards.decode}"
    shell:
        "python -m goodpart.rules.profiles --statistics {input.statistics:q}"
        " --output {output:q} --log {log:q}"


for decode in LATENCY.get("decodes", []):

    rule:
        name:
            f"quality_{decode}"
        input:
            require_latency,
            **cell_inputs(QUALITY_CELLS, decode),
        output:
            result(paths.QUALITY, decode=decode),
        log:
            log_file(f"quality_{decode}"),
        conda:
            "../../envs/analysis.yaml"
        params:
            code=cells_code(QUALITY_CELLS),
            selection=lambda wildcards, decode=decode: cells_selection(QUALITY_CELLS, decode),
            level=config["table"]["level"],
            resamples=config["table"]["resamples"],
        message:
            f"Accuracy of the quality-latency study, decoding preset {decode}"
        shell:
            "python -m goodpart.rules.cells --selection {params.selection:q}"
            " --level {params.level} --resamples {params.resamples} --output {output:q} --log {log:q}"
