# The tiny checkpoints, from a seed. Nothing else asks for these: `snakemake --cores 2 tiny_models`.
from goodpart.benchmarks import scorer_name

TINY = CONFIGURATION.tiny_models
RECIPES = TINY.recipes if TINY else {}


rule tiny_models:
    input:
        [result(paths.TRAINED, tiny_model=name) for name in RECIPES],


rule tiny_corpus:
    output:
        directory(result(paths.CORPUS)),
    log:
        log_file("tiny_corpus"),
    conda:
        "../../envs/models.yaml"
    params:
        **script(
            "tiny_corpus",
            seed=TINY and TINY.seed,
            items=TINY and TINY.items,
            calibration=TINY and TINY.calibration,
            largest=TINY and TINY.largest,
        ),
    message:
        "Corpus of the tiny models"
    shell:
        SCRIPT


rule train:
    input:
        corpus=result(paths.CORPUS),
        initial=initial_weights,
    output:
        directory(result(paths.TRAINED)),
    log:
        log_file("train", "tiny_model"),
    wildcard_constraints:
        tiny_model="|".join(RECIPES) or "none",
    conda:
        "../../envs/models.yaml"
    threads: CORES_A_THREAD
    params:
        **script(
            "train",
            trained_modules,
            recipe=recipe,
            compiled=bool(TINY and TINY.compiled),
            decoding=lambda wildcards: descriptions.checked_decoding(
                CONFIGURATION, RECIPES[wildcards.tiny_model].family
            ),
            items=TINY and TINY.checked.items,
            bounds=lambda wildcards: (
                [TINY.checked.required, TINY.checked.most]
                if wildcards.tiny_model in (TINY.checked.matched or [])
                else [0, 1]
            ),
        ),
    message:
        "Training of {wildcards.tiny_model}"
    shell:
        SCRIPT
