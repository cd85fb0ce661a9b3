# A skipped model as an ordinary checkpoint: `snakemake results/exports/{model}/{policy}/k{k}`.


rule export:
    input:
        skip_set=result(paths.SKIP_SET),
        checkpoint=checkpoint,
        healed=lambda wildcards: ARTIFACTS.healed(wildcards.model, wildcards.policy, wildcards.k),
    output:
        directory(result(paths.EXPORT)),
    log:
        log_file("export", "model", "policy", "k"),
    conda:
        "../../envs/models.yaml"
    params:
        **script("export", family_module_of, model=model_entry),
    message:
        "{wildcards.model} without {wildcards.k} layers ({wildcards.policy}) as a checkpoint"
    shell:
        SCRIPT
