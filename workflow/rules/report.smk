# Pages of `snakemake --report`: it shows pictures and HTML, so tables become pages. Captions of all figures
# and tables are in workflow/report.


report: "../report/workflow.rst"


for table in ["table1", "table2", "table3", "comparison", "quality_latency_table"] + [
    "policy_study_table",
    "controlled_study_table",
]:

    rule:
        name:
            f"page_{table}"
        input:
            table=f"{FIGURES}/{table}.md",
            code=code("rules.page"),
        output:
            in_report(result(paths.PAGE, page=table), table),
        log:
            log_file(f"page_{table}"),
        conda:
            "../../envs/analysis.yaml"
        shell:
            "python -m goodpart.rules.page --table {input.table:q} --output {output:q} --log {log:q}"


rule run_page:
    input:
        cells=result(paths.CELLS),
        code=code("rules.run_page"),
    output:
        in_report(result(paths.PAGE, page="run"), "run"),
    log:
        log_file("run_page"),
    conda:
        "../../envs/analysis.yaml"
    params:
        config=lambda wildcards: json.dumps(config, sort_keys=True),
    shell:
        "python -m goodpart.rules.run_page --cells {input.cells:q} --config {params.config:q}"
        " --output {output:q} --log {log:q}"
