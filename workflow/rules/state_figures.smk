# Figures of hidden states, each by the script of its name.
DIFFUSION = ("llada", "dream")
# Their one family, where they show one; a run without a model of it has no such figure.
FAMILY_FIGURES = {"figure13": "llada", "figure14": "dream"}
STATE_FIGURES = [
    *(f"figure{n}" for n in (3, 4, 5, 6, 7, 9, 10, 11, 12, 13, 14)),
    *("block_similarity", "mask_ratio"),
]
STATE_SUFFIXES = ["pdf", "png", "csv", "md"]


rule figure3:
    input:
        statistics=statistics_of("figure3", "tokens", "full"),
    output:
        figure_outputs("figure3", STATE_SUFFIXES),
    log:
        log_file("figure3"),
    conda:
        "../../envs/analysis.yaml"
    params:
        **state_script("figure3", "full"),
    message:
        "Figure 3: token-wise similarity by layer"
    shell:
        SCRIPT


use rule figure3 as figure4 with:
    input:
        statistics=statistics_of("figure4", "layers", "limited"),
    output:
        figure_outputs("figure4", STATE_SUFFIXES),
    log:
        log_file("figure4"),
    params:
        **state_script("figure4", "limited"),
    message:
        "Figure 4: layer-wise similarity, first tokens decoded"


use rule figure3 as figure5 with:
    input:
        statistics=statistics_of("figure5", "layers", "full"),
    output:
        figure_outputs("figure5", STATE_SUFFIXES),
    log:
        log_file("figure5"),
    params:
        **state_script("figure5", "full"),
    message:
        "Figure 5: layer-wise similarity, all tokens decoded"


use rule figure3 as figure6 with:
    input:
        statistics=statistics_of("figure6", "tokens", "limited", "full"),
    output:
        figure_outputs("figure6", STATE_SUFFIXES),
    log:
        log_file("figure6"),
    params:
        **state_script("figure6", "limited", "full"),
    message:
        "Figure 6: token-wise similarity in four layers"


use rule figure3 as figure7 with:
    input:
        statistics=statistics_of("figure7", "norms", "full"),
    output:
        figure_outputs("figure7", STATE_SUFFIXES),
    log:
        log_file("figure7"),
    params:
        **state_script("figure7", "full"),
    message:
        "Figure 7: norms"
