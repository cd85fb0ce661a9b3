# `snakemake --report` shows pictures and HTML: rules of tables write a page as well, and this run has one.
# Captions of all figures and tables are in workflow/report.


report: "../report/workflow.rst"


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
        code=code("rules.run_page"),
        config=lambda wildcards: json.dumps(config, sort_keys=True),
    message:
        "Page of the report about this run"
    shell:
        "python -m goodpart.rules.run_page --cells {input.cells:q} --config {params.config:q}"
        " --output {output:q} --log {log:q}"
