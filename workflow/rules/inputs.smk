# Inputs and parameters of rules that are functions of the wildcards.


from goodpart.models.architectures import usual_module


def item_choice(key):
    """One of the things that choose a split's items."""
    return lambda wildcards: descriptions.item_choice(
        CONFIGURATION, wildcards.benchmark, wildcards.split
    )[key]


def kind_of(benchmark):
    """The module of a benchmark."""
    return CONFIGURATION.benchmarks[benchmark].kind


def captured_settings(wildcards):
    """Decoding settings of each calibration benchmark."""
    return descriptions.settings_of(CONFIGURATION, wildcards.decode, wildcards.model, CALIBRATION)


def policies_where(condition):
    """A regular expression of the names of the policies whose entry meets a condition."""
    return (
        "|".join(re.escape(p) for p, entry in CONFIGURATION.policies.items() if condition(entry))
        or "none"
    )


def basis(wildcards):
    """The files that a policy chooses a skip set from."""
    try:
        return ARTIFACTS.basis(wildcards.model, wildcards.policy, wildcards.k)
    except GoodpartError as error:
        raise WorkflowError(str(error)) from None


def policy_module_of(wildcards):
    """The module of a policy."""
    return [f"policies.{CONFIGURATION.policies[wildcards.policy].kind}"]


def policy_entry(wildcards):
    """The entry of a policy."""
    return descriptions.policy_entry(CONFIGURATION, wildcards.policy)


def timed_settings(wildcards):
    """Decoding settings of each preset that is timed."""
    settings = descriptions.settings_of
    model, benchmarks = wildcards.model, [LATENCY.benchmark]
    return [settings(CONFIGURATION, d, model, benchmarks)[0] for d in LATENCY.decodes]


def of_study(wildcards):
    """Scores, completions and skip sets of a study's cells."""
    if wildcards.table not in CONFIGURATION.studies and wildcards.table.startswith("quality_"):
        require_latency()
    return ARTIFACTS.of_study(STUDIES[wildcards.table])


def cells_of_model(wildcards):
    """Policy and k of a study's cells of one model and benchmark."""
    place = (wildcards.model, wildcards.benchmark)
    return [[p, k] for *where, p, k in STUDIES[wildcards.table].cells if tuple(where) == place]


def skip_sets_of_model(wildcards):
    """Skip sets of a study's cells of one model and benchmark."""
    return [ARTIFACTS.skip_set(wildcards.model, p, k) for p, k in cells_of_model(wildcards) if k]


def healed_of_model(wildcards):
    """Healed checkpoints of a study's cells of one model and benchmark."""
    found = (ARTIFACTS.healed(wildcards.model, p, k) for p, k in cells_of_model(wildcards))
    return [folder for folder in found if folder]


def families_of_study(wildcards):
    """Modules of the families of a study's models."""
    models = {model for model, *_ in STUDIES[wildcards.table].cells}
    families = {CONFIGURATION.models[model].family for model in models}
    return [f"models.families.{family}" for family in sorted(families)]


def initial_weights(wildcards):
    """The checkpoint that a tiny model starts from, if any."""
    start = RECIPES[wildcards.tiny_model].initial
    return result(paths.TRAINED, tiny_model=start) if start else []


def recipe(wildcards):
    """How a tiny model is trained, sorted: the order of keys means nothing."""
    return dict(sorted(RECIPES[wildcards.tiny_model].model_dump(exclude_none=True).items()))


def trained_modules(wildcards):
    """Modules that training picks by name: of the family, and of the benchmarks that it is checked on."""
    family = RECIPES[wildcards.tiny_model].family
    kinds = list(TINY.checked.max_new_tokens)
    checked = {*(f"benchmarks.{kind}" for kind in kinds), *map(scorer_name, kinds)}
    built = f"models.architectures.{usual_module(family)}"
    return [f"models.families.{family}", f"decoding.samplers.{family}", built, *sorted(checked)]
