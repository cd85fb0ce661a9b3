# Figures, each by the module of its name.


rule figure3:
    input:
        tokens=[
            result(paths.STATISTICS, model=m, decode=DECODE, benchmark=b, statistic="tokens")
            for m in MODELS
            for b in CALIBRATION
        ],
        code=code("figures.figure3"),
    output:
        figure_files("figure3", ["pdf", "png", "csv"]),
    log:
        log_file("figure3"),
    conda:
        "../../envs/analysis.yaml"
    params:
        models=columns(),
    shell:
        "python -m goodpart.figures.figure3 --tokens {input.tokens:q} --models {params.models:q}"
        " --output {output:q} --log {log:q}"
