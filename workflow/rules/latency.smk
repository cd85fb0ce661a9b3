# Latency at full depth and with layers skipped, with and without a cache.


rule latency:
    input:
        require_latency,
        item_file=lambda wildcards: result(
            paths.ITEMS, benchmark=LATENCY["benchmark"], split="evaluation"
        ),
        skip_set=lambda wildcards: skip_set_file(
            wildcards.model, LATENCY["policy"], LATENCY["layers_skipped"][wildcards.model]
        ),
        checkpoint=lambda wildcards: checkpoint(wildcards.model),
    output:
        result(paths.LATENCY),
    log:
        log_file("latency", "model"),
    conda:
        "../../envs/models.yaml"
    threads: all_cores()
    resources:
        mem_mb=lambda wildcards: config["models"][wildcards.model]["mem_mb"],
        runtime=lambda wildcards: config["models"][wildcards.model]["runtime"],
        gpu=lambda wildcards: config["models"][wildcards.model]["gpu"],
    params:
        code=lambda wildcards: family_code("rules.latency", wildcards.model),
        model=lambda wildcards: model_entry(wildcards.model),
        decodes=LATENCY.get("decodes"),
        settings=lambda wildcards: [
            decoding(decode, wildcards.model, [LATENCY["benchmark"]])[0]
            for decode in LATENCY["decodes"]
        ],
        policy=LATENCY.get("policy"),
        batch_sizes=LATENCY.get("batch_sizes"),
        repeats=LATENCY.get("repeats"),
        threads=LATENCY.get("threads"),
    # It takes all cores, so that nothing runs beside it, and computes on the study's `threads` of them.
    message:
        "{wildcards.model}: seconds a completion, with nothing beside it"
    shell:
        "python -m goodpart.rules.latency --name {wildcards.model} --model {params.model:q}"
        " --items {input.item_file:q} --decodes {params.decodes} --settings {params.settings:q}"
        " --policy {params.policy} --skip-set {input.skip_set:q} --batch-sizes {params.batch_sizes}"
        " --repeats {params.repeats} --threads {params.threads} --output {output:q} --log {log:q}"
