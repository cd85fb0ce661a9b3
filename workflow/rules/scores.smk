# Verdicts on completions. Verdicts of the same completions, scorer and settings are kept.


rule scores:
    input:
        item_file=result(paths.ITEMS, split="evaluation"),
        generations=lambda wildcards: ARTIFACTS.generations(**wildcards),
    output:
        result(paths.SCORES),
    log:
        log_file("scores", "model", "decode", "benchmark", "policy", "k"),
    conda:
        "../../envs/analysis.yaml"
    threads: SCORING.threads
    params:
        **script(
            "scores",
            lambda wildcards: [scorer_name(kind_of(wildcards.benchmark))],
            kind=lambda wildcards: kind_of(wildcards.benchmark),
            style=lambda wildcards: CONFIGURATION.benchmarks[wildcards.benchmark].style,
            sandbox=SCORING.sandbox,
            cpu_seconds=SCORING.cpu_seconds,
            wall_seconds=SCORING.wall_seconds,
            numpy=SCORING.numpy,
        ),
        attempt=attempt,
    message:
        "{wildcards.model}, {wildcards.benchmark}:"
        " scores with {wildcards.k} layers skipped ({wildcards.policy})"
    shell:
        SCRIPT
