# Completions with layers skipped: each job makes one shard, a range of a benchmark's items. Snakemake deletes the
# shard before the job runs again, so the job also keeps a hidden copy of it, and reuses completions of the same
# settings.


rule generations:
    input:
        item_file=result(paths.ITEMS, split="evaluation"),
        skip_set=lambda wildcards: (
            []
            if wildcards.policy == paths.FULL_DEPTH
            else ARTIFACTS.skip_set(wildcards.model, wildcards.policy, wildcards.k)
        ),
        full=lambda wildcards: ARTIFACTS.full_depth(dict(wildcards.items())),
        checkpoint=checkpoint,
        healed=lambda wildcards: ARTIFACTS.healed(wildcards.model, wildcards.policy, wildcards.k),
    output:
        result(paths.GENERATIONS),
    log:
        log_file("generations", "model", "decode", "benchmark", "policy", "k", "first", "last"),
    conda:
        "../../envs/models.yaml"
    threads: CORES_A_THREAD
    resources:
        **MODEL_RESOURCES,
    params:
        **script(
            "generations",
            family_modules,
            model=model_entry,
            settings=lambda wildcards: descriptions.settings_of(
                CONFIGURATION, wildcards.decode, wildcards.model, [wildcards.benchmark]
            )[0],
            samples=lambda wildcards: CONFIGURATION.benchmarks[wildcards.benchmark].samples,
            kl_items=CONFIGURATION.generation.kl_items,
            kl_states=CONFIGURATION.generation.kl_states,
            seed=CONFIGURATION.seed,
            batch_size=batch_size,
            context=CONFIGURATION.generation.context,
        ),
    message:
        "{wildcards.model}, {wildcards.benchmark}, items {wildcards.first} to {wildcards.last}:"
        " completions with {wildcards.k} layers skipped ({wildcards.policy})"
    shell:
        SCRIPT
