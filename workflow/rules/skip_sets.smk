# Skip sets, one file for each number of layers: static ones (JSON), and those that differ by prompt or by phase
# of denoising (Parquet).


rule skip_set:
    input:
        measured=measured,
    output:
        result(paths.SKIP_SET),
    log:
        log_file("skip_set", "model", "policy", "k"),
    wildcard_constraints:
        policy=policies_where(lambda entry: not varies(entry)),
    conda:
        "../../envs/analysis.yaml"
    params:
        code=lambda wildcards: kind_code(
            "rules.skip_set", "policies", config["policies"][wildcards.policy]["kind"]
        ),
        settings=policy_entry,
        layers=lambda wildcards: config["models"][wildcards.model]["layers"],
    message:
        "{wildcards.model}: the {wildcards.k} layers to skip by {wildcards.policy}"
    shell:
        "python -m goodpart.rules.skip_set --model {wildcards.model} --policy {wildcards.policy}"
        " --settings {params.settings:q} --layers {params.layers} --k {wildcards.k}"
        " --measured {input.measured:q} --output {output:q} --log {log:q}"


use rule skip_set as skip_sets with:
    output:
        result(paths.SKIP_SETS),
    log:
        log_file("skip_sets", "model", "policy", "k"),
    wildcard_constraints:
        policy=policies_where(varies),


# What policies choose from: one pass over each prompt, without decoding.


rule calibration:
    input:
        item_files=[result(paths.ITEMS, benchmark=b, split="calibration") for b in CALIBRATION],
        checkpoint=lambda wildcards: checkpoint(wildcards.model),
    output:
        [result(paths.CALIBRATION, benchmark=b) for b in CALIBRATION],
    log:
        log_file("calibration", "model", "decode"),
    conda:
        "../../envs/models.yaml"
    threads: CORES_A_THREAD
    resources:
        mem_mb=rising("mem_mb"),
        runtime=rising("runtime"),
        gpu=lambda wildcards: config["models"][wildcards.model]["gpu"],
    params:
        code=lambda wildcards: code(
            "rules.prompt_similarities",
            f"families.{config['models'][wildcards.model]['family']}",
        ),
        module="prompt_similarities",
        threads=compute_threads,
        model=lambda wildcards: model_entry(wildcards.model),
        settings=lambda wildcards: decoding(wildcards.decode, wildcards.model, CALIBRATION),
        batch_size=lambda wildcards: config["models"][wildcards.model]["batch_size"],
    message:
        "{wildcards.model}: similarities of each calibration prompt"
    shell:
        "python -m goodpart.rules.{params.module} --model {params.model:q}"
        " --items {input.item_files:q} --settings {params.settings:q}"
        " --batch-size {params.batch_size} --threads {params.threads} --output {output:q} --log {log:q}"


use rule calibration as angles with:
    output:
        [result(paths.ANGLES, benchmark=b) for b in CALIBRATION],
    log:
        log_file("angles", "model", "decode"),
    params:
        code=lambda wildcards: code(
            "rules.angles",
            f"families.{config['models'][wildcards.model]['family']}",
        ),
        module="angles",
        threads=compute_threads,
        model=lambda wildcards: model_entry(wildcards.model),
        settings=lambda wildcards: decoding(wildcards.decode, wildcards.model, CALIBRATION),
        batch_size=lambda wildcards: config["models"][wildcards.model]["batch_size"],
    message:
        "{wildcards.model}: angles between the depths of each calibration prompt"


rule skip_search:
    input:
        hidden_states=[result(paths.HIDDEN_STATES, decode=DECODE, benchmark=b) for b in CALIBRATION],
        checkpoint=lambda wildcards: checkpoint(wildcards.model),
    output:
        result(paths.SEARCH),
    log:
        log_file("skip_search", "model", "policy"),
    conda:
        "../../envs/models.yaml"
    threads: CORES_A_THREAD
    resources:
        mem_mb=rising("mem_mb"),
        runtime=rising("runtime"),
        gpu=lambda wildcards: config["models"][wildcards.model]["gpu"],
    params:
        code=lambda wildcards: code(
            "rules.skip_search",
            f"policies.{config['policies'][wildcards.policy]['kind']}",
            f"families.{config['models'][wildcards.model]['family']}",
        ),
        threads=compute_threads,
        model=lambda wildcards: model_entry(wildcards.model),
        settings=policy_entry,
        ks=lambda wildcards: settings_of.searched_ks(
            CONFIGURATION, wildcards.policy, wildcards.model
        ),
        batch_size=lambda wildcards: config["models"][wildcards.model]["batch_size"],
    message:
        "{wildcards.model}: search for the layers to skip by {wildcards.policy}"
    shell:
        "python -m goodpart.rules.skip_search --model {params.model:q} --settings {params.settings:q}"
        " --k {params.ks} --hidden-states {input.hidden_states:q} --batch-size {params.batch_size}"
        " --threads {params.threads} --output {output:q} --log {log:q}"


for study, members in benchmark_groups().items():

    rule:
        name:
            f"prompt_similarities{suffix_of(study)}"
        input:
            item_files=[result(paths.ITEMS, benchmark=b, split="evaluation") for b in members],
            checkpoint=lambda wildcards: checkpoint(wildcards.model),
        output:
            [result(paths.PROMPT_SIMILARITIES, benchmark=b) for b in members],
        log:
            log_file(f"prompt_similarities{suffix_of(study)}", "model", "decode"),
        conda:
            "../../envs/models.yaml"
        threads: CORES_A_THREAD
        resources:
            mem_mb=rising("mem_mb"),
            runtime=rising("runtime"),
            gpu=lambda wildcards: config["models"][wildcards.model]["gpu"],
        params:
            code=lambda wildcards: code(
                "rules.prompt_similarities",
                f"families.{config['models'][wildcards.model]['family']}",
            ),
            threads=compute_threads,
            model=lambda wildcards: model_entry(wildcards.model),
            settings=lambda wildcards, members=members: decoding(
                wildcards.decode, wildcards.model, members
            ),
            batch_size=lambda wildcards: config["models"][wildcards.model]["batch_size"],
        message:
            f"{{wildcards.model}}, {benchmark_names(members)}: similarities of each prompt"
        shell:
            "python -m goodpart.rules.prompt_similarities --model {params.model:q}"
            " --items {input.item_files:q} --settings {params.settings:q}"
            " --batch-size {params.batch_size} --threads {params.threads} --output {output:q} --log {log:q}"
