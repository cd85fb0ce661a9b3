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
        models=columns(MODELS),
    shell:
        "python -m goodpart.figures.figure3 --tokens {input.tokens:q} --models {params.models:q}"
        " --output {output:q} --log {log:q}"


rule training_curves:
    input:
        checkpoints=trained_folders(STUDY["models"]),
        code=code("figures.training_curves"),
    output:
        figure_files("training_curves", ["pdf", "png", "csv"]),
    log:
        log_file("training_curves"),
    conda:
        "../../envs/analysis.yaml"
    params:
        models=lambda wildcards, input: json.dumps(
            {
                Path(folder).name: config["models"][model].get("paper_column")
                for model in STUDY["models"]
                if (folder := config["models"][model].get("path")) in input.checkpoints
            }
        ),
    shell:
        "python -m goodpart.figures.training_curves --checkpoints {input.checkpoints:q}"
        " --models {params.models:q} --output {output:q} --log {log:q}"
