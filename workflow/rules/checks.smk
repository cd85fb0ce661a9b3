# What a run is refused or told before its first job, because of results that exist already.
from goodpart.evaluation import earlier
from goodpart.policies.skip_sets import read_skip_set


def keep_narrowed_tables(planned):
    """Keep tables of cells that lose cells, and Table 1; refuse to draw cells that do not exist."""
    for job in planned:
        if job.rule.name == "cells":
            table = job.wildcards_dict["table"]
            drawn_from = figure_files("table1", ["csv", "md", "tex"]) if table == "cells" else []
            file = Path(job.output[0])
            said = earlier.keep_earlier(file, STUDIES[table].cells, list(map(Path, drawn_from)))
            if said:
                logger.warning(f"warning: {said}")
    if CONFIGURATION.redraw and any(result(paths.CELLS) in job.input for job in planned):
        earlier.refuse_missing(Path(result(paths.CELLS)), STUDIES["cells"].cells)


def check_skip_sets(planned):
    """Refuse an edited skip set before any job, and not in the job that reads it."""
    made = {str(file) for job in planned for file in job.output}
    for job in planned:
        file, model = job.input.get("skip_set"), job.wildcards_dict.get("model")
        if file and model and str(file) not in made:
            read_skip_set(Path(file), CONFIGURATION.models[model].layers)
