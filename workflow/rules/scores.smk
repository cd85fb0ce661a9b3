# Verdicts on completions.


rule scores:
    input:
        item_files=result(paths.ITEMS, split="evaluation"),
        generations=shards_of,
        code=lambda wildcards: kind_code(
            "rules.scores", "benchmarks", config["benchmarks"][wildcards.benchmark]["kind"]
        ),
    output:
        result(paths.SCORES),
    log:
        log_file("scores", "model", "decode", "benchmark", "policy", "k"),
    conda:
        "../../envs/analysis.yaml"
    threads: config["scoring"]["threads"]
    params:
        style=lambda wildcards: config["benchmarks"][wildcards.benchmark]["style"],
        kind=lambda wildcards: config["benchmarks"][wildcards.benchmark]["kind"],
        sandbox=config["scoring"]["sandbox"],
        cpu=config["scoring"]["cpu_seconds"],
        wall=config["scoring"]["wall_seconds"],
        numpy="--numpy" if config["scoring"].get("numpy") else "",
    shell:
        "python -m goodpart.rules.scores --kind {params.kind} --style {params.style} --items {input.item_files:q}"
        " --generations {input.generations:q} --sandbox {params.sandbox} --cpu-seconds {params.cpu}"
        " --wall-seconds {params.wall} {params.numpy} --threads {threads} --output {output:q} --log {log:q}"
