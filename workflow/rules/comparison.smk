# The paper side by side: its cells and its claims, and what this run says of them.
from goodpart.config.comparison import comparison_settings

PAPER = os.path.relpath(WORKFLOW / "resources" / "paper")
COMPARED = [model for model in MODELS if config["models"][model].get("paper_column")]
# Whose prompts Figure 8 chooses layers for, if it is a model of the paper's columns, and how.
SELECTED = CHOSEN if SELECTION and CHOSEN in COMPARED else None
COMPARISON = comparison_settings(CONFIGURATION, COMPARED, TABLE_POLICY, SELECTED)
SELECTING = COMPARISON["selection"]
# Cells under both rules on neighbours: their scores are compared item by item.
TWICE = [
    (model, benchmark, policy, k)
    for model, benchmark, policy, k in CELLS
    if COMPARISON["policies"]["allowed"] in POLICIES
    and model in COMPARED
    and benchmark in COMPARISON["kinds"]
    and policy in (FULL, *COMPARISON["policies"].values())
]


rule comparison:
    input:
        paper_cells=f"{PAPER}/cells.csv",
        paper_claims=f"{PAPER}/claims.csv",
        cells=result(paths.CELLS),
        scores=cell_inputs(TWICE)["scores"],
        profiles=[result(paths.PROFILES, model=m, decode=WINDOWS["full"]) for m in COMPARED],
        similarities=[
            result(paths.PROMPT_SIMILARITIES, model=SELECTED, decode=DECODE, benchmark=b)
            for b in COMPARISON["kinds"]
            if SELECTING
        ],
        latency=[result(paths.LATENCY, model=m) for m in LATENCY_MODELS],
    output:
        figure_files("comparison", ["csv", "md"]),
        page("comparison"),
    log:
        log_file("comparison"),
    conda:
        "../../envs/analysis.yaml"
    params:
        code=code(
            "rules.comparison",
            *([f"policies.{SELECTING['policy']['kind']}"] if SELECTING else []),
        ),
        similarities=lambda wildcards, input: (
            ["--similarities", *input.similarities] if input.similarities else []
        ),
        latency=lambda wildcards, input: ["--latency", *input.latency] if input.latency else [],
        settings=json.dumps(COMPARISON),
    message:
        "The paper's cells and claims beside those of this run"
    shell:
        "python -m goodpart.rules.comparison --paper-cells {input.paper_cells:q}"
        " --paper-claims {input.paper_claims:q} --cells {input.cells:q} --profiles {input.profiles:q}"
        " {params.similarities:q} {params.latency:q} --settings {params.settings:q}"
        " --output {output:q} --log {log:q}"
