# The quality-latency study: accuracy against time, at full depth and with layers skipped.
TIMED = CONFIGURATION.latency_models
TIMED_TABLES = [result(paths.LATENCY, model=m) for m in TIMED]
QUALITY_TABLES = [result(paths.QUALITY, decode=d) for d in (LATENCY.decodes if LATENCY else [])]


rule quality_latency:
    input:
        require_latency,
        latency=TIMED_TABLES,
        quality=QUALITY_TABLES,
    output:
        figure_outputs("quality_latency", ["pdf", "png", "csv"]),
    log:
        log_file("quality_latency"),
    conda:
        "../../envs/analysis.yaml"
    params:
        **script(
            "quality_latency",
            models=descriptions.paper_columns(CONFIGURATION, TIMED),
            level=TABLE.level,
        ),
    message:
        "Figure of quality and latency"
    shell:
        SCRIPT


rule quality_latency_table:
    input:
        require_latency,
        latency=TIMED_TABLES,
        quality=QUALITY_TABLES,
    output:
        figure_files("quality_latency_table", ["md"]),
        page("quality_latency_table"),
    log:
        log_file("quality_latency_table"),
    conda:
        "../../envs/analysis.yaml"
    params:
        **script("quality_latency_table", level=TABLE.level),
    message:
        "Table of quality and latency"
    shell:
        SCRIPT
