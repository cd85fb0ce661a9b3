# The paper side by side: its cells and its claims, and what this run says of them.
from goodpart.config.comparison import comparison_settings

PAPER = os.path.relpath(WORKFLOW / "resources" / "paper")
COMPARED = [model for model in RUN.models if CONFIGURATION.models[model].paper_column]
# Whose prompts Figure 8 chooses layers for, if it is a model of the paper's columns, and how.
SELECTED = CHOSEN if SELECTION and CHOSEN in COMPARED else None
COMPARISON = comparison_settings(CONFIGURATION, COMPARED, CONFIGURATION.table_policy, SELECTED)


rule comparison:
    input:
        paper_cells=f"{PAPER}/cells.csv",
        paper_claims=f"{PAPER}/claims.csv",
        cells=result(paths.CELLS),
        scores=scores_of_both_rules(),
        profiles=[
            result(paths.PROFILES, model=m, decode=CONFIGURATION.windows["full"]) for m in COMPARED
        ],
        similarities=[
            result(paths.PROMPT_SIMILARITIES, model=SELECTED, decode=RUN.decode, benchmark=b)
            for b in COMPARISON["kinds"]
            if COMPARISON["selection"]
        ],
        latency=TIMED_TABLES,
    output:
        figure_files("comparison", ["csv", "md"]),
        page("comparison"),
    log:
        log_file("comparison"),
    conda:
        "../../envs/analysis.yaml"
    params:
        **script(
            "comparison",
            (
                [f"policies.{COMPARISON['selection']['policy']['kind']}"]
                if COMPARISON["selection"]
                else []
            ),
            settings=COMPARISON,
        ),
    message:
        "The paper's cells and claims beside those of this run"
    shell:
        SCRIPT
