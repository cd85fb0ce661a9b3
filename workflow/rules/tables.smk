# One table of all cells, and the paper's tables from it.
TABLE_POLICY = config["table"].get("policy", POLICIES[0])


rule cells:
    input:
        **cell_inputs(CELLS),
        code=code("rules.cells"),
    output:
        result(paths.CELLS),
    log:
        log_file("cells"),
    conda:
        "../../envs/analysis.yaml"
    params:
        selection=cells_selection(CELLS),
        level=config["table"]["level"],
        resamples=config["table"]["resamples"],
    shell:
        "python -m goodpart.rules.cells --selection {params.selection:q}"
        " --level {params.level} --resamples {params.resamples} --output {output:q} --log {log:q}"


rule table1:
    input:
        cells=result(paths.CELLS),
        code=code("rules.table1"),
    output:
        figure_files("table1", ["csv", "md", "tex"]),
    log:
        log_file("table1"),
    conda:
        "../../envs/analysis.yaml"
    params:
        settings=json.dumps(
            {
                "policy": TABLE_POLICY,
                "models": {m: config["models"][m].get("paper_column") for m in MODELS},
                "labels": {b: config["benchmarks"][b].get("label", b) for b in BENCHMARKS},
                "below_threshold": config["table"]["below_threshold"],
                "level": config["table"]["level"],
            }
        ),
    shell:
        "python -m goodpart.rules.table1 --cells {input.cells:q} --settings {params.settings:q}"
        " --output {output:q} --log {log:q}"
