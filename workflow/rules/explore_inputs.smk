# Inputs and parameters of the page to look at hidden states.
from goodpart.evaluation.explore import page as explore_page
from goodpart.jobs.files import digest as explore_digest
from goodpart.jobs.files import sha256 as explore_sha256
from goodpart.models.checkpoints.files import READ as EXPLORE_READ

EXPLORE_POLICY = CONFIGURATION.policies[CONFIGURATION.table_policy]
# Numbers of layers skipped under the policy of Table 1, by model; sets that differ by prompt cannot be drawn.
EXPLORE_KS = {
    model: sorted(
        {
            k
            for m, _, policy, k in STUDIES["cells"].cells
            if k
            and m == model
            and policy == CONFIGURATION.table_policy
            and not EXPLORE_POLICY.varies
        }
    )
    for model in RUN.models
}
# The page's own files: it is made again when one of them changes.
EXPLORE_FILES = explore_digest(
    [explore_sha256(explore_page.HERE / name) for name in explore_page.FILES]
)


def explore_checkpoint(model):
    """Where a model's tokenizer is looked for."""
    entry = CONFIGURATION.models[model]
    return {"name": str(entry.path or entry.hub), "revision": entry.revision}


def explore_tokenizers(wildcards):
    """Files that tell the texts of tokens. Where results are only drawn, those that are there are read."""
    if CONFIGURATION.redraw:
        return []
    files = {file for model in RUN.models for file in ARTIFACTS.checkpoint(model)}
    texts = {*EXPLORE_READ, downloads.MANIFEST}
    return [ancient(file) for file in sorted(files) if Path(file).name in texts]


def explore_library(wildcards):
    """Stop before any work where the page's library is not installed. As an input it names no files."""
    require_library(
        "vl_convert",
        f"explore needs the library Vega (vl-convert-python): {explore_page.INSTALL}",
    )
    return []
