# Hidden states of calibration prompts, and their similarities and norms. The states of the first prompts are
# cached in files; those of the others go into statistics as they are made.
from goodpart.states.captured_steps import MOST_GB

CAPTURE = CONFIGURATION.capture
os.environ[MOST_GB] = str(CAPTURE.max_gb)  # and no parameter: another bound makes nothing anew
STORED = min(CAPTURE.stored, CAPTURE.prompts)


rule hidden_states:
    input:
        item_files=[result(paths.ITEMS, benchmark=b, split="calibration") for b in CALIBRATION],
        checkpoint=checkpoint,
    output:
        [directory(result(paths.HIDDEN_STATES, benchmark=b)) for b in CALIBRATION],
    log:
        log_file("hidden_states", "model", "decode"),
    conda:
        "../../envs/models.yaml"
    threads: CORES_A_THREAD
    resources:
        **MODEL_RESOURCES,
    params:
        **script(
            "hidden_states",
            family_modules,
            model=model_entry,
            settings=captured_settings,
            first=0,
            last=STORED,
            steps=CAPTURE.steps,
            seed=CONFIGURATION.seed,
            batch_size=batch_size,
        ),
    message:
        "{wildcards.model}: hidden states of calibration prompts, decoding preset {wildcards.decode}"
    shell:
        SCRIPT


rule streamed_statistics:
    input:
        item_files=[result(paths.ITEMS, benchmark=b, split="calibration") for b in CALIBRATION],
        checkpoint=checkpoint,
    output:
        [directory(result(paths.STREAMED, benchmark=b)) for b in CALIBRATION],
    log:
        log_file("streamed_statistics", "model", "decode"),
    conda:
        "../../envs/models.yaml"
    threads: CORES_A_THREAD
    resources:
        **MODEL_RESOURCES,
    params:
        **script(
            "streamed_statistics",
            family_modules,
            model=model_entry,
            settings=captured_settings,
            first=STORED,
            last=CAPTURE.prompts,
            steps=CAPTURE.steps,
            seed=CONFIGURATION.seed,
            batch_size=batch_size,
        ),
    message:
        "{wildcards.model}: statistics of hidden states that are not stored, decoding preset {wildcards.decode}"
    shell:
        SCRIPT


rule statistics:
    input:
        hidden_states=result(paths.HIDDEN_STATES),
        streamed=result(paths.STREAMED) if CAPTURE.prompts > STORED else [],
    output:
        [result(paths.STATISTICS, statistic=s) for s in ("layers", "tokens", "norms", "pairs")],
    log:
        log_file("statistics", "model", "decode", "benchmark"),
    conda:
        "../../envs/analysis.yaml"
    params:
        **script("statistics"),
    message:
        "{wildcards.model}, {wildcards.benchmark}: similarities and norms, decoding preset {wildcards.decode}"
    shell:
        SCRIPT


rule profiles:
    input:
        statistics=[
            result(paths.STATISTICS, benchmark=b, statistic=s)
            for b in CALIBRATION
            for s in ("layers", "tokens", "norms")
        ],
    output:
        result(paths.PROFILES),
    log:
        log_file("profiles", "model", "decode"),
    conda:
        "../../envs/analysis.yaml"
    params:
        **script("profiles"),
    message:
        "{wildcards.model}: similarities and norms by prompt, step and layer, decoding preset {wildcards.decode}"
    shell:
        SCRIPT


rule delete_hidden_states:
    # Statistics and figures stay; a job that needs the states again makes them again.
    log:
        log_file("delete_hidden_states"),
    conda:
        "../../envs/analysis.yaml"
    params:
        folder=f"{ARTIFACTS.results}/hidden_states",
    message:
        "Stored hidden states are deleted"
    shell:
        "rm -rf {params.folder:q} > {log:q} 2>&1"
