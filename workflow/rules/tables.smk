# The paper's tables.


rule table1:
    input:
        cells=result(paths.CELLS),
    output:
        figure_files("table1", ["csv", "md", "tex"]),
        page("table1"),
    log:
        log_file("table1"),
    conda:
        "../../envs/analysis.yaml"
    params:
        code=code("rules.table1"),
        settings=json.dumps(
            {
                "policy": TABLE_POLICY,
                "models": {m: config["models"][m].get("paper_column") for m in MODELS},
                "labels": {b: config["benchmarks"][b].get("label", b) for b in BENCHMARKS},
                "below_threshold": config["table"]["below_threshold"],
                "level": config["table"]["level"],
            }
        ),
    message:
        "Table 1: retention by benchmark, layers skipped and model"
    shell:
        "python -m goodpart.rules.table1 --cells {input.cells:q} --settings {params.settings:q}"
        " --output {output:q} --log {log:q}"


rule table2:
    input:
        cells=result(paths.CELLS),
    output:
        figure_files("table2", ["csv", "md", "tex"]),
        page("table2"),
    log:
        log_file("table2"),
    conda:
        "../../envs/analysis.yaml"
    params:
        code=code("rules.table2"),
        settings=adjacency_settings("LLaDA-Instruct"),
    message:
        "Table 2: adjacent layers skipped or not, LLaDA"
    shell:
        "python -m goodpart.rules.table2 --cells {input.cells:q} --settings {params.settings:q}"
        " --output {output:q} --log {log:q}"


rule table3:
    input:
        cells=result(paths.CELLS),
    output:
        figure_files("table3", ["csv", "md", "tex"]),
        page("table3"),
    log:
        log_file("table3"),
    conda:
        "../../envs/analysis.yaml"
    params:
        code=code("rules.table3"),
        settings=adjacency_settings("Dream-Base"),
    message:
        "Table 3: adjacent layers skipped or not, Dream"
    shell:
        "python -m goodpart.rules.table3 --cells {input.cells:q} --settings {params.settings:q}"
        " --output {output:q} --log {log:q}"
