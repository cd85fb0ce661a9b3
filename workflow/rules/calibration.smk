# What policies choose from: one pass over each prompt, without decoding.


rule calibration:
    input:
        item_files=[result(paths.ITEMS, benchmark=b, split="calibration") for b in CALIBRATION],
        checkpoint=checkpoint,
    output:
        [result(paths.CALIBRATION, benchmark=b) for b in CALIBRATION],
    log:
        log_file("calibration", "model", "decode"),
    conda:
        "../../envs/models.yaml"
    threads: CORES_A_THREAD
    resources:
        **MODEL_RESOURCES,
    params:
        **script(
            "prompt_similarities",
            family_module_of,
            model=model_entry,
            settings=captured_settings,
            batch_size=batch_size,
        ),
    message:
        "{wildcards.model}: similarities of each calibration prompt"
    shell:
        SCRIPT


use rule calibration as angles with:
    output:
        [result(paths.ANGLES, benchmark=b) for b in CALIBRATION],
    log:
        log_file("angles", "model", "decode"),
    params:
        **script(
            "angles",
            family_module_of,
            model=model_entry,
            settings=captured_settings,
            batch_size=batch_size,
        ),
    message:
        "{wildcards.model}: angles between the depths of each calibration prompt"


use rule calibration as prompt_similarities with:
    input:
        item_files=[result(paths.ITEMS, split="evaluation")],
        checkpoint=checkpoint,
    output:
        result(paths.PROMPT_SIMILARITIES),
    log:
        log_file("prompt_similarities", "model", "decode", "benchmark"),
    params:
        **script(
            "prompt_similarities",
            family_module_of,
            model=model_entry,
            settings=lambda wildcards: descriptions.settings_of(
                CONFIGURATION, wildcards.decode, wildcards.model, [wildcards.benchmark]
            ),
            batch_size=batch_size,
        ),
    message:
        "{wildcards.model}, {wildcards.benchmark}: similarities of each prompt"
