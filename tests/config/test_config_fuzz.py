"""Any deletion or wrong type in the default configuration is valid, or refused by key with a fix."""

import copy
import random

import pytest
import yaml

from conftest import ROOT
from goodpart.config import check
from goodpart.errors import GoodpartError

CONFIG = yaml.safe_load((ROOT / "config.yaml").read_text())
DELETED = object()
WRONG = [
    DELETED, None, "", "text", -1, 0, 1.5, 10**30, float("nan"), True, [], {}, [None], [[1]], ["x", "x"],
    {"a": 1}, {1: 2}, b"x", "~nobody/x", "${NOT_SET}", 2024,
]  # fmt: skip


def places(value, at=()):
    """Every place in nested mappings and lists."""
    if at:
        yield at
    if isinstance(value, (dict, list)):
        for key, item in value.items() if isinstance(value, dict) else enumerate(value):
            yield from places(item, (*at, key))


def changed(place, value):
    config = copy.deepcopy(CONFIG)
    at = config
    for key in place[:-1]:
        at = at[key]
    if value is DELETED:
        del at[place[-1]]
    else:
        at[place[-1]] = value
    return config


def cases(seed, number):
    rng = random.Random(seed)
    everywhere = list(places(CONFIG))
    return [(rng.choice(everywhere), rng.choice(WRONG)) for _ in range(number)]


@pytest.mark.parametrize("seed", range(3))
def test_a_damaged_configuration_is_refused_by_key_or_valid(seed, monkeypatch):
    monkeypatch.chdir(ROOT)
    refused = 0
    for place, value in cases(seed, 300):
        said = message_of(changed(place, value))
        refused += bool(said)
        for line in said.splitlines()[1:]:
            key, _, words = line.strip().partition(": ")
            assert key.split(".")[0] in {*CONFIG, "(top level)"}, line
            assert ";" in words, line  # what is wrong; what to do
        names = [key for key in place if isinstance(key, str)]
        assert not said or names[-1] in said, (place, value, said)
    assert refused > 100


def message_of(config):
    """What a configuration is refused with; empty for a valid one."""
    try:
        check(config)
    except GoodpartError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("family", ["llada", "dream", "qwen2"])
def test_a_wrong_type_of_any_decoding_argument_is_refused_by_name(family):
    from goodpart.models.families import family_module

    for name in family_module(family).Settings.__dataclass_fields__:
        for value in ([], {}, [1], b"x"):
            config = copy.deepcopy(CONFIG)
            config["decodes"]["default"][family][name] = value
            with pytest.raises(GoodpartError) as error:
                check(config, ROOT)
            assert f"decodes.default.{family}" in str(error.value)
            assert name in str(error.value)


def test_an_argument_without_a_value_is_refused():
    config = copy.deepcopy(CONFIG)
    config["decodes"]["default"]["llada"]["block_length"] = None
    with pytest.raises(GoodpartError, match=r"decodes\.default\.llada .*block_length null is no value; give"):
        check(config, ROOT)


def test_an_unknown_key_is_named_in_every_mapping(monkeypatch):
    """But in catalogues, where it is a new entry, and in entries that nothing asks for."""
    monkeypatch.chdir(ROOT)
    refused = 0
    for place in [(), *places(CONFIG)]:
        config = copy.deepcopy(CONFIG)
        at = config
        for key in place:
            at = at[key]
        if isinstance(at, dict):
            at["kinnd"] = "text"
            said = message_of(config)
            assert not said or "kinnd" in said, (place, said)
            assert not said or ";" in said.splitlines()[1]
            refused += bool(said)
            assert said or place[0] in ("decodes", "policies"), place
    assert refused > 60
