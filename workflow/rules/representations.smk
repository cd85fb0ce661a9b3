# Hidden states of a few calibration prompts, and their similarities and norms.


rule hidden_states:
    input:
        item_files=[result(paths.ITEMS, benchmark=b, split="calibration") for b in CALIBRATION],
        checkpoint=lambda wildcards: checkpoint(wildcards.model),
        code=lambda wildcards: family_code("rules.hidden_states", wildcards.model),
    output:
        [directory(result(paths.HIDDEN_STATES, benchmark=b)) for b in CALIBRATION],
    log:
        log_file("hidden_states", "model", "decode"),
    conda:
        "../../envs/models.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards: config["models"][wildcards.model]["mem_mb"],
        runtime=lambda wildcards: config["models"][wildcards.model]["runtime"],
        gpu=lambda wildcards: config["models"][wildcards.model]["gpu"],
    params:
        model=lambda wildcards: model_entry(wildcards.model),
        settings=lambda wildcards: decoding(wildcards.decode, wildcards.model, CALIBRATION),
        prompts=config["capture"]["prompts"],
        steps=json.dumps(config["capture"]["steps"]),
        seed=config["seed"],
    shell:
        "python -m goodpart.rules.hidden_states --model {params.model:q} --items {input.item_files:q}"
        " --settings {params.settings:q} --prompts {params.prompts} --steps {params.steps:q}"
        " --seed {params.seed} --threads {threads} --output {output:q} --log {log:q}"


rule statistics:
    input:
        hidden_states=result(paths.HIDDEN_STATES),
        code=code("rules.statistics"),
    output:
        [result(paths.STATISTICS, statistic=s) for s in ("layers", "tokens", "norms")],
    log:
        log_file("statistics", "model", "decode", "benchmark"),
    conda:
        "../../envs/analysis.yaml"
    shell:
        "python -m goodpart.rules.statistics --hidden-states {input.hidden_states:q}"
        " --output {output:q} --log {log:q}"
