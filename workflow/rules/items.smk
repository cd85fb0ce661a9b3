# Benchmark items, with their prompts and what scoring needs.


rule items:
    input:
        source=source_files,
    output:
        result(paths.ITEMS),
    log:
        log_file("items", "benchmark", "split"),
    conda:
        "../../envs/models.yaml"
    params:
        code=lambda wildcards: kind_code(
            "rules.items", "benchmarks", config["benchmarks"][wildcards.benchmark]["kind"]
        ),
        kind=lambda wildcards: config["benchmarks"][wildcards.benchmark]["kind"],
        style=lambda wildcards: config["benchmarks"][wildcards.benchmark]["style"],
        source=lambda wildcards: json.dumps(
            config["benchmarks"][wildcards.benchmark][wildcards.split], sort_keys=True
        ),
        subset=items_subset,
        examples=worked_examples,
    message:
        "{wildcards.benchmark}: {wildcards.split} items"
    shell:
        "python -m goodpart.rules.items --benchmark {wildcards.benchmark} --kind {params.kind}"
        " --split {wildcards.split} --source {params.source:q} --style {params.style} {params.subset}"
        " {params.examples:q}"
        " --output {output:q} --log {log:q}"
