# Inputs of healing, and what stops it.
from goodpart.config.healing_mistakes import healing_mistakes, study_mistakes
from goodpart.policies.healing import MISSING

HEALING_STUDY = CONFIGURATION.healing_study


def require_healing(wildcards):
    """Stop what asks for a healed model that cannot be had. As an input it names no files."""
    refuse(healing_mistakes(CONFIGURATION, wildcards.policy))
    require_library("peft", MISSING)
    return []


def study_cells(wildcards):
    """Scores, completions, skip sets and likelihoods of the study's cells; an error where it cannot be had."""
    refuse(study_mistakes(CONFIGURATION, Path()))
    return ARTIFACTS.of_study(STUDIES["healing_study_cells"])


def healed_models():
    """Healed checkpoints of the study, by model and k."""
    return [
        ARTIFACTS.healed(model, HEALING_STUDY.healed, k)
        for model in (HEALING_STUDY.models if HEALING_STUDY else [])
        for k in HEALING_STUDY.layers_skipped
        if k
    ]
