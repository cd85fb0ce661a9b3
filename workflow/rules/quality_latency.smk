# The quality-latency study: accuracy against time, at full depth and with layers skipped.


rule quality_latency:
    input:
        require_latency,
        latency=[result(paths.LATENCY, model=m) for m in LATENCY_MODELS],
        quality=[result(paths.QUALITY, decode=d) for d in LATENCY.get("decodes", [])],
    output:
        drawn("quality_latency", ["pdf", "png", "csv"]),
    log:
        log_file("quality_latency"),
    conda:
        "../../envs/analysis.yaml"
    params:
        code=code("figures.quality_latency"),
        models=columns(LATENCY_MODELS),
        level=config["table"]["level"],
    message:
        "Figure of quality and latency"
    shell:
        "python -m goodpart.figures.quality_latency --latency {input.latency:q}"
        " --quality {input.quality:q} --models {params.models:q} --level {params.level}"
        " --output {output:q} --log {log:q}"


rule quality_latency_table:
    input:
        require_latency,
        latency=[result(paths.LATENCY, model=m) for m in LATENCY_MODELS],
        quality=[result(paths.QUALITY, decode=d) for d in LATENCY.get("decodes", [])],
    output:
        figure_files("quality_latency_table", ["md"]),
        page("quality_latency_table"),
    log:
        log_file("quality_latency_table"),
    conda:
        "../../envs/analysis.yaml"
    params:
        code=code("rules.quality_latency_table"),
        level=config["table"]["level"],
    message:
        "Table of quality and latency"
    shell:
        "python -m goodpart.rules.quality_latency_table --latency {input.latency:q}"
        " --quality {input.quality:q} --level {params.level} --output {output:q} --log {log:q}"
