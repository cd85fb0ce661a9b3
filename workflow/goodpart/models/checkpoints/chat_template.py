"""Chat template of a checkpoint, read and tried without transformers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from goodpart.errors import GoodpartError
from goodpart.models.checkpoints.files import read_object, read_text

if TYPE_CHECKING:
    from goodpart.models.checkpoints.tokenizer import TokenizerFiles

TRIED = "How many apples are there?"


def read_template(folder: Path, config: Mapping[str, Any]) -> tuple[str | None, str | None]:
    """The chat template and the file that holds it; `config`: tokenizer_config.json.

    Raises GoodpartError for one that is not valid Jinja.
    """
    template, file = _found(folder, config)
    if template is not None:
        check_template(template, f"{folder}/{file}")
    return template, file


def _found(folder: Path, config: Mapping[str, Any]) -> tuple[str | None, str | None]:
    if (folder / "chat_template.jinja").exists():
        return read_text(folder / "chat_template.jinja"), "chat_template.jinja"
    values: list[tuple[str, Any]] = [("tokenizer_config.json", config.get("chat_template"))]
    if (folder / "chat_template.json").exists():
        older = read_object(folder / "chat_template.json")
        values.append(("chat_template.json", older.get("chat_template")))
    for file, given in values:
        if isinstance(given, list):  # several, by name
            by_name = {one.get("name"): one.get("template") for one in given if isinstance(one, dict)}
            given = by_name.get("default")
        elif isinstance(given, dict):
            given = given.get("default")
        if given is not None and not isinstance(given, str):
            raise GoodpartError(f"{folder}/{file}: chat_template is no text; correct it")
        if given is not None:
            return given, file
    return None, None


def _environment() -> Any:
    """Jinja as transformers sets it up for chat templates, with its tag that marks the assistant's text."""
    from jinja2 import nodes
    from jinja2.ext import Extension, loopcontrols
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    class Generation(Extension):
        tags = frozenset({"generation"})

        def parse(self, parser: Any) -> Any:
            line = next(parser.stream).lineno
            body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
            return nodes.Scope(body, lineno=line)

    made = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[Generation, loopcontrols]
    )

    def as_json(value: Any, ensure_ascii: bool = False, **options: Any) -> str:
        return json.dumps(value, ensure_ascii=ensure_ascii, **options)

    made.filters["tojson"] = as_json

    def refuse(message: str) -> None:
        raise GoodpartError(message)

    made.globals["raise_exception"] = refuse
    made.globals["strftime_now"] = lambda form: datetime.now().strftime(form)
    return made


def check_template(template: str, where: str) -> None:
    """GoodpartError for a template that is not valid Jinja."""
    from jinja2 import TemplateError

    try:
        _environment().from_string(template)
    except (TemplateError, RecursionError) as error:
        raise GoodpartError(f"{where}: is no valid chat template ({error}); fetch it again") from error


def template_mistake(tokenizer: TokenizerFiles) -> str | None:
    """Why the template cannot be used for one user's turn, or None where it can."""
    if tokenizer.template is None:
        return "there is no chat template (chat_template.jinja, or chat_template in tokenizer_config.json)"
    turn = [{"role": "user", "content": TRIED}]
    try:
        made = (
            _environment()
            .from_string(tokenizer.template)
            .render(
                messages=turn, add_generation_prompt=True, tools=None, documents=None, **tokenizer.special
            )
        )
    except Exception as error:  # a template's own code may raise anything
        return f"{tokenizer.template_file} refuses a user's turn ({error})"
    if TRIED not in made:
        return f"{tokenizer.template_file} leaves out the user's text"
    return None
