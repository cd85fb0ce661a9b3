# A page to look at hidden states in a browser: `snakemake --cores 2 explore`.
import importlib.util

from snakemake.settings.types import DeploymentMethod

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


def explore_tokenizers(wildcards):
    """Files that tell the texts of tokens. Where results are only drawn, those that are there are read."""
    if CONFIGURATION.redraw:
        return []
    files = {file for model in RUN.models for file in ARTIFACTS.checkpoint(model)}
    texts = {*EXPLORE_READ, downloads.MANIFEST}
    return [ancient(file) for file in sorted(files) if Path(file).name in texts]


def explore_library(wildcards):
    """Stop before any work where the page's library is not installed. As an input it names no files."""
    deployed = workflow.deployment_settings.deployment_method
    missing = importlib.util.find_spec("vl_convert") is None
    if missing and not workflow.dryrun and DeploymentMethod.CONDA not in deployed:
        raise WorkflowError(
            f"explore needs the library Vega (vl-convert-python): {explore_page.INSTALL}"
        )
    return []


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
            checkpoints={
                model: {
                    "name": str(
                        CONFIGURATION.models[model].path or CONFIGURATION.models[model].hub
                    ),
                    "revision": CONFIGURATION.models[model].revision,
                }
                for model in RUN.models
            },
            page=explore_digest(
                [explore_sha256(explore_page.HERE / name) for name in explore_page.FILES]
            ),
        ),
    message:
        "A page to explore hidden states"
    shell:
        SCRIPT
