# Layer skipping and representation structure in diffusion and autoregressive language models.
#
# Paths, under the folders that config.yaml names (results/ and paper_figs/ by default):
#
#   results/items/{benchmark}/{split}.parquet                      split: evaluation | calibration | healing
#   results/hidden_states/{model}/{decode}/{benchmark}/            one Parquet file a prompt
#   results/streamed_statistics/{model}/{decode}/{benchmark}/      the same tables of prompts whose states are not kept
#   results/statistics/{model}/{decode}/{benchmark}/{layers,tokens,norms,pairs}.parquet
#   results/skip_sets/{model}/{policy}/k{k}.json                   layers numbered from 0; .parquet where a
#                                                                  policy has one set a prompt or a phase
#   results/calibration/{model}/{decode}/{benchmark}.parquet       of each calibration prompt's first pass
#   results/angles/{model}/{decode}/{benchmark}.parquet            the same between all depths
#   results/prompt_similarities/{model}/{decode}/{benchmark}.parquet    of each evaluated prompt's first pass
#   results/generations/{model}/{decode}/{benchmark}/{policy}/k{k}/{first}-{last}.parquet
#   results/scores/{model}/{decode}/{benchmark}/{policy}/k{k}.parquet
#   results/likelihoods/{study}/{model}/{benchmark}.parquet        of reference solutions, in the cells of a study
#   results/cells.parquet                                          one row a (model, decode, benchmark, policy, k)
#   results/policy_study.parquet                                   the same for all policies, one model and benchmark
#   results/{study}.parquet                                        the same for an entry of config.yaml's `studies`
#   results/overlap.parquet                                        how much skip sets agree
#   results/generation_order.parquet                               local and global AR-ness, one row a cell and measure
#   results/skip_sets/{model}/{policy}/search.json                 how a search for layers went
#   results/logs/{rule}/...                                        a log of each job
#   results/profiles/{model}/{decode}.parquet                      hidden states by prompt, step and layer
#   results/latency/{model}.parquet                                seconds, one row a repeat
#   results/quality_{decode}.parquet                               cells of the quality-latency study
#   results/controlled_study_cells.parquet                         cells of the controlled study
#   results/controlled_study.parquet                               similarities and retentions of models that differ in one thing
#   results/healed/{model}/{policy}/k{k}/                          a checkpoint fine-tuned without k layers
#   results/healing_study{,_cells}.parquet                         retention before and after healing, and its cells
#   results/exports/{model}/{policy}/k{k}/                         a skipped model as a checkpoint, when asked for
#   downloads/{model,dataset}/{owner}--{name}/{revision}/          of the hub, verified
#   results/provenance.jsonl                                       how each artifact was made
#   results/training/{tiny model}/                                 only by `snakemake tiny_models`
#   paper_figs/table{1,2,3}.{csv,md,tex}   paper_figs/figure{2,8}.{pdf,png,csv}
#   paper_figs/{figure1,likelihood,figure3,...,figure14,block_similarity,mask_ratio}.{pdf,png,csv,md}
#   paper_figs/comparison.{csv,md}   paper_figs/quality_latency.{pdf,png,csv}   paper_figs/quality_latency_table.md
#   paper_figs/{policies,overlap}.{pdf,png,csv}   paper_figs/policy_study_table.{csv,md}
#   paper_figs/controlled_study.{pdf,png,csv}   paper_figs/controlled_study_table.{csv,md}
#   paper_figs/explore.html                                       a page to look at hidden states
#   paper_figs/healing.{pdf,png,csv}   paper_figs/healing_table.{csv,md}
#   paper_figs/generation_order.{pdf,png,csv,md}
#   paper_figs/training_curves.{pdf,png,csv}   paper_figs/report/{page}.html: tables as the report shows them
#
# {policy} names an entry of config.yaml; full depth is full/k0, shared by all policies. {decode} names a
# decoding preset.
from pathlib import Path

from snakemake.common.configfile import load_configfile
from snakemake.utils import min_version, update_config

min_version("9.27")


CLONE = Path(str(workflow.current_basedir))  # this folder, wherever the workflow runs


if CLONE.resolve() != Path().resolve():

    configfile: str(CLONE / "config.yaml")


# Elsewhere, a config.yaml of the working directory changes that of this folder.
if Path("config.yaml").exists() or CLONE.resolve() == Path().resolve():

    configfile: "config.yaml"


# The `config` of a Snakemake module does the same.
if workflow.modifier.skip_configfile:
    defaults = load_configfile(CLONE / "config.yaml")
    update_config(defaults, config)
    config = defaults


include: "workflow/rules/common.smk"
include: "workflow/rules/report.smk"
include: "workflow/rules/inputs.smk"
include: "workflow/rules/sandbox.smk"
include: "workflow/rules/figure_inputs.smk"
include: "workflow/rules/study_inputs.smk"
include: "workflow/rules/healing_inputs.smk"


rule all:
    default_target: True
    input:
        lambda wildcards: everything(wildcards),


# Rules that make results/. With `redraw`, existing results are used without checks.
if not CONFIGURATION.redraw:

    include: "workflow/rules/items.smk"
    include: "workflow/rules/models.smk"
    include: "workflow/rules/downloads.smk"
    include: "workflow/rules/representations.smk"
    include: "workflow/rules/calibration.smk"
    include: "workflow/rules/skip_sets.smk"
    include: "workflow/rules/healed.smk"
    include: "workflow/rules/generations.smk"
    include: "workflow/rules/scores.smk"
    include: "workflow/rules/likelihoods.smk"
    include: "workflow/rules/latency.smk"
    include: "workflow/rules/cells.smk"
    include: "workflow/rules/exports.smk"
    include: "workflow/rules/training.smk"


# What is drawn from it.
include: "workflow/rules/tables.smk"
include: "workflow/rules/state_figures.smk"
include: "workflow/rules/token_figures.smk"
include: "workflow/rules/skip_figures.smk"
include: "workflow/rules/policies.smk"
include: "workflow/rules/controlled_study.smk"
include: "workflow/rules/generation_order.smk"
include: "workflow/rules/explore.smk"
include: "workflow/rules/healing.smk"
include: "workflow/rules/quality_latency.smk"
include: "workflow/rules/comparison.smk"
include: "workflow/rules/checks.smk"
include: "workflow/rules/run.smk"


onstart:
    before_first_job()


onsuccess:
    after_last_job()
    report_success()


onerror:
    after_last_job()
    report_failure()
