# Light fine-tuning of the layers that stay: a healed checkpoint for each model, policy with `heal`, and k. Its
# training keeps a hidden file of its state, from which a killed one goes on.


rule healed:
    input:
        require_healing,
        item_files=[result(paths.ITEMS, benchmark=b, split=paths.HEALING) for b in CALIBRATION],
        # Their prompts are left out.
        evaluated=lambda wildcards: [
            result(paths.ITEMS, benchmark=b, split="evaluation")
            for b in settings.policy_benchmarks(CONFIGURATION, wildcards.policy)
        ],
        skip_set=result(paths.SKIP_SET),
        checkpoint=checkpoint,
    output:
        directory(result(paths.HEALED)),
    log:
        log_file("healed", "model", "policy", "k"),
    wildcard_constraints:
        policy=policies_where(lambda entry: entry.heal),
    conda:
        "../../envs/healing.yaml"
    threads: CORES_A_THREAD
    resources:
        **MODEL_RESOURCES,
    params:
        **script(
            "healed",
            family_modules,
            model=model_entry,
            settings=lambda wildcards: descriptions.settings_of(
                CONFIGURATION, RUN.decode, wildcards.model, CALIBRATION
            ),
            heal=lambda wildcards: CONFIGURATION.policies[wildcards.policy].heal.model_dump(),
            seed=CONFIGURATION.seed,
            batch_size=batch_size,
        ),
    message:
        "{wildcards.model}: healing without {wildcards.k} layers ({wildcards.policy})"
    shell:
        SCRIPT
