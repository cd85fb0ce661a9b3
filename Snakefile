# Layer skipping and representation structure in diffusion and autoregressive language models.
#
# Paths, under the folders that config.yaml names (results/ and paper_figs/ by default):
#
#   results/items/{benchmark}/{split}.parquet                      split: evaluation | calibration
#   results/hidden_states/{model}/{decode}/{benchmark}/            one Parquet file a prompt
#   results/statistics/{model}/{decode}/{benchmark}/{layers,tokens,norms}.parquet
#   results/skip_sets/{model}/{policy}/k{k}.json                   layers numbered from 0
#   results/generations/{model}/{decode}/{benchmark}/{policy}/k{k}/{first}-{last}.parquet
#   results/scores/{model}/{decode}/{benchmark}/{policy}/k{k}.parquet
#   results/cells.parquet                                          one row a (model, decode, benchmark, policy, k)
#   results/controlled_study.parquet                               similarities and retentions of models that differ in one thing
#   results/exports/{model}/{policy}/k{k}/                         a skipped model as a checkpoint, when asked for
#   results/training/{tiny model}/                                 only by `snakemake tiny_models`
#   paper_figs/table1.{csv,md,tex}   paper_figs/figure3.{pdf,png,csv}
#   paper_figs/controlled_study.{pdf,png,csv}   paper_figs/controlled_study_table.{csv,md}
#   paper_figs/training_curves.{pdf,png,csv}
#
# {policy} names an entry of config.yaml; full depth is full/k0, shared by all policies. {decode} names a
# decoding preset.
from snakemake.utils import min_version

min_version("9.27")


configfile: "config.yaml"


include: "workflow/rules/common.smk"


rule all:
    default_target: True
    input:
        figure_files("table1", ["csv", "md", "tex"]),
        figure_files("figure3", ["pdf", "png", "csv"]),


include: "workflow/rules/items.smk"
include: "workflow/rules/representations.smk"
include: "workflow/rules/skip_sets.smk"
include: "workflow/rules/generations.smk"
include: "workflow/rules/scores.smk"
include: "workflow/rules/tables.smk"
include: "workflow/rules/figures.smk"
include: "workflow/rules/controlled_study.smk"
include: "workflow/rules/exports.smk"
include: "workflow/rules/training.smk"


onstart:
    say_if_code_cannot_run()
