# Hidden states of calibration prompts, and their similarities and norms. The states of the first prompts are
# cached in files; those of the others go into statistics as they are made.


rule hidden_states:
    input:
        **capturing_input("hidden_states"),
    output:
        [directory(result(paths.HIDDEN_STATES, benchmark=b)) for b in CALIBRATION],
    log:
        log_file("hidden_states", "model", "decode"),
    conda:
        "../../envs/models.yaml"
    threads: CORES_A_THREAD
    resources:
        mem_mb=rising("mem_mb"),
        runtime=rising("runtime"),
        gpu=lambda wildcards: config["models"][wildcards.model]["gpu"],
    params:
        threads=compute_threads,
        model=lambda wildcards: model_entry(wildcards.model),
        settings=lambda wildcards: decoding(wildcards.decode, wildcards.model, CALIBRATION),
        stored=STORED,
        steps=json.dumps(CAPTURE["steps"]),
        seed=config["seed"],
        max_gb=CAPTURE["max_gb"],
    shell:
        "python -m goodpart.rules.hidden_states --model {params.model:q} --items {input.item_files:q}"
        " --settings {params.settings:q} --first 0 --last {params.stored} --steps {params.steps:q}"
        " --seed {params.seed} --max-gb {params.max_gb} --threads {params.threads} --output {output:q}"
        " --log {log:q}"


rule streamed_statistics:
    input:
        **capturing_input("streamed_statistics"),
    output:
        [directory(result(paths.STREAMED, benchmark=b)) for b in CALIBRATION],
    log:
        log_file("streamed_statistics", "model", "decode"),
    conda:
        "../../envs/models.yaml"
    threads: CORES_A_THREAD
    resources:
        mem_mb=rising("mem_mb"),
        runtime=rising("runtime"),
        gpu=lambda wildcards: config["models"][wildcards.model]["gpu"],
    params:
        threads=compute_threads,
        model=lambda wildcards: model_entry(wildcards.model),
        settings=lambda wildcards: decoding(wildcards.decode, wildcards.model, CALIBRATION),
        first=STORED,
        last=CAPTURE["prompts"],
        steps=json.dumps(CAPTURE["steps"]),
        seed=config["seed"],
    shell:
        "python -m goodpart.rules.streamed_statistics --model {params.model:q}"
        " --items {input.item_files:q} --settings {params.settings:q} --first {params.first}"
        " --last {params.last} --steps {params.steps:q} --seed {params.seed} --threads {params.threads}"
        " --output {output:q} --log {log:q}"


rule statistics:
    input:
        hidden_states=result(paths.HIDDEN_STATES),
        streamed=result(paths.STREAMED) if STREAMED else [],
        code=code("rules.statistics"),
    output:
        [result(paths.STATISTICS, statistic=s) for s in ("layers", "tokens", "norms", "pairs")],
    log:
        log_file("statistics", "model", "decode", "benchmark"),
    conda:
        "../../envs/analysis.yaml"
    params:
        streamed=lambda wildcards, input: (["--streamed", input.streamed] if input.streamed else []),
    shell:
        "python -m goodpart.rules.statistics --hidden-states {input.hidden_states:q}"
        " {params.streamed:q} --output {output:q} --log {log:q}"


rule delete_hidden_states:
    # Statistics and figures stay; what needs the states again makes them again.
    log:
        log_file("delete_hidden_states"),
    conda:
        "../../envs/analysis.yaml"
    params:
        folder=f"{RESULTS}/hidden_states",
    shell:
        "rm -rf {params.folder:q} > {log:q} 2>&1"
