# Figures, each by the module of its name.


for figure_name, (statistic, windows, family) in SIMILARITY_FIGURES.items():
    if not has_family(family):
        continue

    rule:
        name:
            figure_name
        input:
            statistics=[
                result(
                    paths.STATISTICS,
                    model=m,
                    decode=WINDOWS[w],
                    benchmark=b,
                    statistic=statistic,
                )
                for m in figure_models(family)
                for w in windows
                for b in CALIBRATION
            ],
        output:
            drawn(figure_name, FIGURE_SUFFIXES),
        log:
            log_file(figure_name),
        conda:
            "../../envs/analysis.yaml"
        params:
            code=code(f"figures.{figure_name}"),
            selection=figure_selection(windows, figure_models(family)),
            results=lambda wildcards, input: input.statistics[0].split("/statistics/")[0],
            module=figure_name,
        message:
            f"{title(figure_name)}: {statistic} of hidden states"
        shell:
            "python -m goodpart.figures.{params.module} --results {params.results:q}"
            " --selection {params.selection:q} --output {output:q} --log {log:q}"


rule training_curves:
    input:
        checkpoints=trained_folders(STUDY["models"]),
    output:
        drawn("training_curves", ["pdf", "png", "csv"]),
    log:
        log_file("training_curves"),
    conda:
        "../../envs/analysis.yaml"
    params:
        code=code("figures.training_curves"),
        models=lambda wildcards, input: json.dumps(
            {
                Path(folder).name: config["models"][model].get("paper_column")
                for model in STUDY["models"]
                if (folder := config["models"][model].get("path")) in input.checkpoints
            }
        ),
    message:
        "Figure of the training curves"
    shell:
        "python -m goodpart.figures.training_curves --checkpoints {input.checkpoints:q}"
        " --models {params.models:q} --output {output:q} --log {log:q}"
