# A page to look at hidden states in a browser: `snakemake --cores 2 explore`.


include: "explore_inputs.smk"


rule explore:
    input:
        explore_library,
        statistics=lambda wildcards: [
            file
            for statistic in ("layers", "tokens", "norms")
            for file in statistics_of("explore", statistic, "full")(wildcards)
        ],
        skip_sets=[
            ARTIFACTS.skip_set(model, CONFIGURATION.table_policy, k)
            for model, ks in EXPLORE_KS.items()
            for k in ks
        ],
        tokenizers=explore_tokenizers,
    output:
        figure_files("explore", ["html"]),
    log:
        log_file("explore"),
    conda:
        "../../envs/explore.yaml"
    params:
        **script(
            "explore",
            selection=state_selection("explore", "full"),
            results=ARTIFACTS.results,
            labels=descriptions.labels(CONFIGURATION, CALIBRATION),
            policy=CONFIGURATION.table_policy,
            static=not EXPLORE_POLICY.varies,
            ks=EXPLORE_KS,
            checkpoints={model: explore_checkpoint(model) for model in RUN.models},
            page=EXPLORE_FILES,
        ),
    message:
        "A page to explore hidden states"
    shell:
        SCRIPT
