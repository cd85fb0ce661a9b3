# What the jobs of one model share: its checkpoint, resources, and modules.
from functools import cache


@cache
def memory_mb(model):
    """Memory in MB that a model's jobs request; its config.json is read once."""
    return descriptions.memory_mb(CONFIGURATION, model)


@cache
def architecture(model):
    """The module that builds a model."""
    return descriptions.architecture_of(CONFIGURATION, model)


def of_model(key):
    """A resource of a model's jobs: what ran out at one attempt is more at the next."""
    return lambda wildcards, attempt: attempt * getattr(CONFIGURATION.models[wildcards.model], key)


MODEL_RESOURCES = {
    "mem_mb": lambda wildcards, attempt: attempt * memory_mb(wildcards.model),
    "runtime": of_model("runtime"),
    "gpu": lambda wildcards: CONFIGURATION.models[wildcards.model].gpu,
}


def checkpoint(wildcards):
    """The files of a model's checkpoint. Their content counts, as a parameter, and not their times."""
    files = ARTIFACTS.checkpoint(wildcards.model)
    return (
        files if CONFIGURATION.models[wildcards.model].path is None else list(map(ancient, files))
    )


def model_entry(wildcards):
    """What a job must know to load its model."""
    return descriptions.model_entry(CONFIGURATION, wildcards.model)


def family_module_of(wildcards):
    """The modules of a model's family and of its architecture."""
    family = CONFIGURATION.models[wildcards.model].family
    return [f"models.families.{family}", f"models.architectures.{architecture(wildcards.model)}"]


def family_modules(wildcards):
    """Modules that decoding with a model picks by its family."""
    family = CONFIGURATION.models[wildcards.model].family
    return [*family_module_of(wildcards), f"decoding.samplers.{family}"]


def batch_size(wildcards):
    """Completions or prompts that a model takes at a time."""
    return CONFIGURATION.models[wildcards.model].batch_size
