# In which order models commit their tokens: `snakemake --cores 2 generation_order`.


rule generation_order:
    input:
        figure_files("generation_order", ["pdf", "png", "csv", "md"]),


rule generation_order_measures:
    input:
        generations=ARTIFACTS.of_study(STUDIES["cells"])["generations"],
    output:
        result(paths.GENERATION_ORDER),
    log:
        log_file("generation_order_measures"),
    conda:
        "../../envs/analysis.yaml"
    params:
        **script(
            "generation_order_measures",
            selection=descriptions.cells_selection(CONFIGURATION, STUDIES["cells"]),
            **INTERVALS,
        ),
    message:
        "Order of generation in every cell of the run"
    shell:
        SCRIPT


rule generation_order_figure:
    input:
        order=result(paths.GENERATION_ORDER),
        statistics=statistics_of("generation_order", "tokens", "full"),
    output:
        figure_outputs("generation_order", ["pdf", "png", "csv", "md"]),
    log:
        log_file("generation_order_figure"),
    conda:
        "../../envs/analysis.yaml"
    params:
        **script(
            "generation_order_figure",
            similarities=state_selection("generation_order", "full"),
            results=ARTIFACTS.results,
            models=descriptions.paper_columns(CONFIGURATION, RUN.models),
            policy=CONFIGURATION.table_policy,
        ),
    message:
        "Figure of the order of generation"
    shell:
        SCRIPT
