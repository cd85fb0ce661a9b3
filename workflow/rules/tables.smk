# The paper's tables, and the page of the report about this run.


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
        **script(
            "table1",
            settings={
                "policy": CONFIGURATION.table_policy,
                "models": descriptions.paper_columns(CONFIGURATION, RUN.models),
                "labels": descriptions.labels(CONFIGURATION, RUN.benchmarks),
                "below_threshold": TABLE.below_threshold,
                "level": TABLE.level,
            },
        ),
    message:
        "Table 1: retention by benchmark, layers skipped and model"
    shell:
        SCRIPT


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
        **script("table2", settings=descriptions.adjacency(CONFIGURATION, "LLaDA-Instruct")),
    message:
        "Table 2: adjacent layers skipped or not, LLaDA"
    shell:
        SCRIPT


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
        **script("table3", settings=descriptions.adjacency(CONFIGURATION, "Dream-Base")),
    message:
        "Table 3: adjacent layers skipped or not, Dream"
    shell:
        SCRIPT


rule run_page:
    input:
        cells=result(paths.CELLS),
    output:
        page("run"),
    log:
        log_file("run_page"),
    conda:
        "../../envs/analysis.yaml"
    params:
        **script("run_page", config=config),
    message:
        "Page of the report about this run"
    shell:
        SCRIPT
