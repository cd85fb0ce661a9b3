# Figures of hidden states, continued: those by token, of all depths, and by mask ratio. The first of them are in
# state_figures.smk.


use rule figure3 as figure9 with:
    input:
        statistics=statistics_of("figure9", "tokens", "full"),
    output:
        figure_outputs("figure9", STATE_SUFFIXES),
    log:
        log_file("figure9"),
    params:
        **state_script("figure9", "full"),
    message:
        "Figure 9: layers 0 to 7"


use rule figure3 as figure10 with:
    input:
        statistics=statistics_of("figure10", "tokens", "full"),
    output:
        figure_outputs("figure10", STATE_SUFFIXES),
    log:
        log_file("figure10"),
    params:
        **state_script("figure10", "full"),
    message:
        "Figure 10: layers 8 to 15"


use rule figure3 as figure11 with:
    input:
        statistics=statistics_of("figure11", "tokens", "full"),
    output:
        figure_outputs("figure11", STATE_SUFFIXES),
    log:
        log_file("figure11"),
    params:
        **state_script("figure11", "full"),
    message:
        "Figure 11: layers 16 to 23"


use rule figure3 as figure12 with:
    input:
        statistics=statistics_of("figure12", "tokens", "full"),
    output:
        figure_outputs("figure12", STATE_SUFFIXES),
    log:
        log_file("figure12"),
    params:
        **state_script("figure12", "full"),
    message:
        "Figure 12: layers 24 to 31"


use rule figure3 as figure13 with:
    input:
        statistics=statistics_of("figure13", "tokens", "full"),
    output:
        figure_outputs("figure13", STATE_SUFFIXES),
    log:
        log_file("figure13"),
    params:
        **state_script("figure13", "full"),
    message:
        "Figure 13: all layers of LLaDA"


use rule figure3 as figure14 with:
    input:
        statistics=statistics_of("figure14", "tokens", "full"),
    output:
        figure_outputs("figure14", STATE_SUFFIXES),
    log:
        log_file("figure14"),
    params:
        **state_script("figure14", "full"),
    message:
        "Figure 14: all layers of Dream"


use rule figure3 as block_similarity with:
    input:
        statistics=statistics_of("block_similarity", "pairs", "full"),
    output:
        figure_outputs("block_similarity", STATE_SUFFIXES),
    log:
        log_file("block_similarity"),
    params:
        **state_script("block_similarity", "full"),
    message:
        "Block similarity: all pairs of depths"


use rule figure3 as mask_ratio with:
    input:
        statistics=statistics_of("mask_ratio", "layers", "full"),
    output:
        figure_outputs("mask_ratio", STATE_SUFFIXES),
    log:
        log_file("mask_ratio"),
    params:
        **state_script("mask_ratio", "full"),
    message:
        "Mask ratio: layer similarity against the share of masks"
