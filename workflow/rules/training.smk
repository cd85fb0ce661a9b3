# The tiny checkpoints, from a seed. Nothing else asks for these: `snakemake --cores 2 tiny_models`.


rule tiny_models:
    input:
        [result(paths.TRAINED, tiny_model=name) for name in TINY["recipes"]],


rule tiny_corpus:
    input:
        code=code("rules.tiny_corpus"),
    output:
        directory(result(paths.CORPUS)),
    log:
        log_file("tiny_corpus"),
    conda:
        "../../envs/models.yaml"
    params:
        seed=TINY.get("seed"),
        held_out=TINY.get("items"),
        calibration=TINY.get("calibration"),
    shell:
        "python -m goodpart.rules.tiny_corpus --seed {params.seed} --items {params.held_out}"
        " --calibration {params.calibration} --output {output:q} --log {log:q}"


rule train:
    input:
        corpus=result(paths.CORPUS),
        initial=initial_weights,
        code=lambda wildcards: code(
            "rules.train", f"families.{TINY['recipes'][wildcards.tiny_model]['family']}"
        ),
    output:
        directory(result(paths.TRAINED)),
    log:
        log_file("train", "tiny_model"),
    wildcard_constraints:
        tiny_model="|".join(TINY["recipes"]) or "none",
    conda:
        "../../envs/models.yaml"
    threads: 1
    params:
        recipe=lambda wildcards: json.dumps(TINY["recipes"][wildcards.tiny_model], sort_keys=True),
        initial=lambda wildcards, input: ["--initial", input.initial] if input.initial else [],
    shell:
        "python -m goodpart.rules.train --recipe {params.recipe:q} --corpus {input.corpus:q}"
        " {params.initial} --threads {threads} --output {output:q} --log {log:q}"
