# Benchmark items, with their prompts and what scoring needs.


rule items:
    input:
        source=lambda wildcards: ARTIFACTS.sources(wildcards.benchmark, wildcards.split),
    output:
        result(paths.ITEMS),
    log:
        log_file("items", "benchmark", "split"),
    conda:
        "../../envs/models.yaml"
    params:
        **script(
            "items",
            lambda wildcards: [f"benchmarks.{kind_of(wildcards.benchmark)}"],
            **{
                key: item_choice(key)
                for key in ("kind", "style", "source", "n", "subset", "examples")
            },
        ),
    message:
        "{wildcards.benchmark}: {wildcards.split} items"
    shell:
        SCRIPT
