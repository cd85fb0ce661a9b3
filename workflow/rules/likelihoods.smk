# Likelihood of the benchmarks' reference solutions with layers skipped: forward passes only. Rows that a former run
# made are reused, so a new k costs its own passes alone.


rule likelihoods:
    input:
        item_file=result(paths.ITEMS, split="evaluation"),
        skip_sets=skip_sets_of_model,
        checkpoint=checkpoint,
        healed=healed_of_model,
    output:
        result(paths.LIKELIHOODS),
    log:
        log_file("likelihoods", "table", "model", "benchmark"),
    wildcard_constraints:
        table="|".join(map(re.escape, STUDIES)),
    conda:
        "../../envs/models.yaml"
    threads: CORES_A_THREAD
    resources:
        **MODEL_RESOURCES,
    params:
        **script(
            "likelihoods",
            family_module_of,
            model=model_entry,
            cells=cells_of_model,
            items=CONFIGURATION.generation.likelihood_items,
            draws=CONFIGURATION.generation.likelihood_draws,
            seed=CONFIGURATION.seed,
            batch_size=batch_size,
        ),
    message:
        "{wildcards.model}, {wildcards.benchmark}: likelihood of the reference solutions"
    shell:
        SCRIPT
