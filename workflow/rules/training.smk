# The tiny checkpoints, from a seed. Nothing else asks for these: `snakemake --cores 2 tiny_models`.


rule tiny_models:
    input:
        [result(paths.TRAINED, tiny_model=name) for name in TINY["recipes"]],


rule tiny_corpus:
    output:
        directory(result(paths.CORPUS)),
    log:
        log_file("tiny_corpus"),
    conda:
        "../../envs/models.yaml"
    params:
        code=code("rules.tiny_corpus"),
        seed=TINY.get("seed"),
        held_out=TINY.get("items"),
        calibration=TINY.get("calibration"),
        largest=TINY.get("largest"),
    message:
        "Corpus of the tiny models"
    shell:
        "python -m goodpart.rules.tiny_corpus --seed {params.seed} --items {params.held_out}"
        " --calibration {params.calibration} --largest {params.largest} --output {output:q} --log {log:q}"


rule train:
    input:
        corpus=result(paths.CORPUS),
        initial=initial_weights,
    output:
        directory(result(paths.TRAINED)),
    log:
        log_file("train", "tiny_model"),
    wildcard_constraints:
        tiny_model="|".join(TINY["recipes"]) or "none",
    conda:
        "../../envs/models.yaml"
    threads: CORES_A_THREAD
    params:
        code=lambda wildcards: code(
            "rules.train",
            *(f"{part}.{tiny_family(wildcards)}" for part in ("families", "samplers")),
            *(f"benchmarks.{kind}" for kind in TINY["checked"]["max_new_tokens"]),
        ),
        threads=compute_threads,
        recipe=recipe,
        initial=lambda wildcards, input: ["--initial", input.initial] if input.initial else [],
        compiled="--compiled" if TINY.get("compiled") else "",
        decoding=checked_decoding,
        checked=TINY.get("checked", {}).get("items"),
        required=TINY.get("checked", {}).get("required"),
    message:
        "Training of {wildcards.tiny_model}"
    shell:
        "python -m goodpart.rules.train --recipe {params.recipe:q} --corpus {input.corpus:q}"
        " {params.initial:q} {params.compiled} --decoding {params.decoding:q} --items {params.checked}"
        " --required {params.required} --threads {params.threads} --output {output:q} --log {log:q}"
