# Figures of skipping. Their model and benchmark are config.yaml's, or the run's first.
FIGURE1_BENCHMARK = shown(config["skip_figures"].get("benchmark"), "benchmarks")
MECHANISM = config["skip_figures"].get("mechanism")
SELECTION = config["skip_figures"].get("selection")


rule figure1:
    input:
        cells=result(paths.CELLS),
    output:
        drawn("figure1", ["pdf", "png", "csv", "md"]),
    log:
        log_file("figure1"),
    conda:
        "../../envs/analysis.yaml"
    params:
        code=code("figures.figure1"),
        models=columns(MODELS),
        policy=TABLE_POLICY,
        benchmark=FIGURE1_BENCHMARK,
        label=config["benchmarks"][FIGURE1_BENCHMARK].get("label", FIGURE1_BENCHMARK),
    message:
        "Figure 1: retention against FLOPs"
    shell:
        "python -m goodpart.figures.figure1 --cells {input.cells:q} --models {params.models:q}"
        " --policy {params.policy} --benchmark {params.benchmark} --label {params.label:q}"
        " --output {output:q} --log {log:q}"


if MECHANISM:
    DRAWN = shown(MECHANISM["model"], "models")

    rule figure2:
        input:
            skip_set=skip_set_file(DRAWN, MECHANISM["policy"], MECHANISM["k"]),
        output:
            drawn("figure2", ["pdf", "png", "csv"]),
        log:
            log_file("figure2"),
        conda:
            "../../envs/analysis.yaml"
        params:
            code=code("figures.figure2", f"families.{config['models'][DRAWN]['family']}"),
            name=f"{DRAWN}, {MECHANISM['policy']}, k = {MECHANISM['k']}",
            layers=config["models"][DRAWN]["layers"],
            family=config["models"][DRAWN]["family"],
            settings=decoding(DECODE, DRAWN, BENCHMARKS[:1]),
        message:
            "Figure 2: the mechanism"
        shell:
            "python -m goodpart.figures.figure2 --name {params.name:q} --skip-set {input.skip_set:q}"
            " --layers {params.layers} --family {params.family} --settings {params.settings:q} --output {output:q} --log {log:q}"


if SELECTION:
    CHOSEN = shown(SELECTION["model"], "models")
    COUNTED = shown(SELECTION["benchmark"], "benchmarks")

    rule figure8:
        input:
            similarities=result(
                paths.PROMPT_SIMILARITIES,
                model=CHOSEN,
                decode=DECODE,
                benchmark=COUNTED,
            ),
        output:
            drawn("figure8", ["pdf", "png", "csv"]),
        log:
            log_file("figure8"),
        conda:
            "../../envs/analysis.yaml"
        params:
            code=code(
                "figures.figure8", f"policies.{config['policies'][SELECTION['policy']]['kind']}"
            ),
            model=CHOSEN,
            models=columns(MODELS),
            label=config["benchmarks"][COUNTED].get("label", COUNTED),
            layers=config["models"][CHOSEN]["layers"],
            settings=json.dumps(config["policies"][SELECTION["policy"]], sort_keys=True),
            k=SELECTION["k"],
            level=config["table"]["level"],
        message:
            "Figure 8: how often each layer is chosen"
        shell:
            "python -m goodpart.figures.figure8 --similarities {input.similarities:q}"
            " --model {params.model} --models {params.models:q} --label {params.label:q}"
            " --layers {params.layers} --settings {params.settings:q} --k {params.k}"
            " --level {params.level} --output {output:q} --log {log:q}"
