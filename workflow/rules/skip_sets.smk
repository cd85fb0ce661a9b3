# Skip sets, one file for each number of layers: static ones (JSON), and those that differ by prompt or by phase
# of denoising (Parquet).


rule skip_set:
    input:
        basis=basis,
    output:
        result(paths.SKIP_SET),
    log:
        log_file("skip_set", "model", "policy", "k"),
    wildcard_constraints:
        policy=policies_where(lambda entry: not entry.varies),
    conda:
        "../../envs/analysis.yaml"
    params:
        **script(
            "skip_set",
            policy_module_of,
            settings=policy_entry,
            layers=lambda wildcards: CONFIGURATION.models[wildcards.model].layers,
        ),
    message:
        "{wildcards.model}: the {wildcards.k} layers to skip by {wildcards.policy}"
    shell:
        SCRIPT


use rule skip_set as skip_sets with:
    output:
        result(paths.SKIP_SETS),
    log:
        log_file("skip_sets", "model", "policy", "k"),
    wildcard_constraints:
        policy=policies_where(lambda entry: entry.varies),


rule skip_search:
    input:
        hidden_states=[
            result(paths.HIDDEN_STATES, decode=RUN.decode, benchmark=b) for b in CALIBRATION
        ],
        checkpoint=checkpoint,
    output:
        result(paths.SEARCH),
    log:
        log_file("skip_search", "model", "policy"),
    conda:
        "../../envs/models.yaml"
    threads: CORES_A_THREAD
    resources:
        **MODEL_RESOURCES,
    params:
        **script(
            "skip_search",
            lambda wildcards: policy_module_of(wildcards) + family_module_of(wildcards),
            model=model_entry,
            settings=policy_entry,
            ks=lambda wildcards: settings.searched_ks(
                CONFIGURATION, wildcards.policy, wildcards.model
            ),
            batch_size=batch_size,
        ),
    message:
        "{wildcards.model}: search for the layers to skip by {wildcards.policy}"
    shell:
        SCRIPT
