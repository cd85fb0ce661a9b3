# Inputs of the studies' figures and tables.


def trained_folders():
    """Local checkpoints of the study that come with the curve of their training, by model."""
    folders = {model: CONFIGURATION.models[model].path for model in CONTROLLED_MODELS}
    return {m: str(f) for m, f in folders.items() if f and Path(f, "curve.csv").exists()}


def quality_latency_files():
    """All of the study, if a model of the run is in it."""
    require_latency()
    if not TIMED:
        return []
    return [
        *figure_files("quality_latency", ["pdf", "png", "csv"]),
        *figure_files("quality_latency_table", ["md"]),
    ]


def scores_of_both_rules():
    """Scores of cells under both rules on neighbours, which are compared item by item."""
    policies = COMPARISON["policies"]
    cells = [
        cell
        for cell in STUDIES["cells"].cells
        if policies["allowed"] in RUN.policies
        and cell[0] in COMPARED
        and cell[1] in COMPARISON["kinds"]
        and cell[2] in (paths.FULL_DEPTH, *policies.values())
    ]
    return ARTIFACTS.of_study(settings.Study("comparison", RUN.decode, tuple(cells)))["scores"]
