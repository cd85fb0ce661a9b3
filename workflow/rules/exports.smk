# A skipped model as an ordinary checkpoint: `snakemake results/exports/{model}/{policy}/k{k}`.


rule export:
    input:
        skip_set=result(paths.SKIP_SET),
        checkpoint=lambda wildcards: checkpoint(wildcards.model),
    output:
        directory(result(paths.EXPORT)),
    log:
        log_file("export", "model", "policy", "k"),
    conda:
        "../../envs/models.yaml"
    params:
        code=lambda wildcards: code(
            "export", f"families.{config['models'][wildcards.model]['family']}"
        ),
        content=lambda wildcards: checkpoint_state(wildcards.model),
        name=lambda wildcards: config["models"][wildcards.model].get("path")
        or config["models"][wildcards.model]["hub"],
        revision=lambda wildcards: (
            ["--revision", config["models"][wildcards.model]["revision"]]
            if config["models"][wildcards.model].get("revision")
            else []
        ),
    message:
        "{wildcards.model} without {wildcards.k} layers ({wildcards.policy}) as a checkpoint"
    shell:
        "python -m goodpart.export {params.name:q} {params.revision} --skip-set {input.skip_set:q}"
        " --output {output:q} --log {log:q}"
