# Latency at full depth and with layers skipped, with and without a cache.


rule latency:
    input:
        require_latency,
        item_file=lambda wildcards: result(
            paths.ITEMS, benchmark=LATENCY.benchmark, split="evaluation"
        ),
        skip_set=lambda wildcards: ARTIFACTS.skip_set(
            wildcards.model, LATENCY.policy, LATENCY.layers_skipped[wildcards.model]
        ),
        checkpoint=checkpoint,
    output:
        result(paths.LATENCY),
    log:
        log_file("latency", "model"),
    conda:
        "../../envs/models.yaml"
    # It takes all cores, so that nothing runs beside it, and computes on the study's `threads` of them.
    threads: all_cores()
    resources:
        **MODEL_RESOURCES,
    params:
        **script(
            "latency",
            family_modules,
            model=model_entry,
            decodes=LATENCY and LATENCY.decodes,
            settings=timed_settings,
            policy=LATENCY and LATENCY.policy,
            batch_sizes=LATENCY and LATENCY.batch_sizes,
            repeats=LATENCY and LATENCY.repeats,
            threads=LATENCY and LATENCY.threads,
        ),
    message:
        "{wildcards.model}: seconds per batch, with no other job running"
    shell:
        SCRIPT
