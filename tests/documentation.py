"""The pages of the documentation, and what they show: code blocks and commands."""

import json
import re
import shlex
import shutil
import textwrap
from dataclasses import dataclass
from pathlib import Path

from conftest import ROOT

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
FENCE = re.compile(r"^( *)```(\w*)\n(.*?)^\1```$", re.M | re.S)
SPAN = re.compile(r"(?<!`)`([^`]+)`(?!`)")
# A block that its reader saves: after a sentence that ends with the file's name and a colon.
SAVED = re.compile(r"`([\w./-]+\.\w+)`:\n\n( *)```(?!yaml)\w+\n(.*?)^\2```$", re.M | re.S)
SHELL, OTHER = ("", "bash"), ("python", "yaml", "text", "snakemake", "mermaid")
LEFT_OUT = ("…", "...")  # where a command leaves words to the reader


@dataclass(frozen=True)
class Command:
    """One simple command of a page. `mention`: within a sentence, where it may lack arguments."""

    page: str
    words: tuple[str, ...]
    mention: bool = False

    @property
    def whole(self) -> bool:
        """Whether it leaves no words to the reader."""
        return not any(word.endswith(LEFT_OUT) for word in self.words)

    def __str__(self) -> str:
        return f"{self.page}: {' '.join(self.words)}"


def blocks(page: Path) -> list[tuple[str, str]]:
    """(language, text) of each fenced block."""
    return [(language, textwrap.dedent(text)) for _, language, text in FENCE.findall(page.read_text())]


def blocks_in(page: Path, language: str) -> list[str]:
    """Texts of the blocks in one language."""
    return [text for name, text in blocks(page) if name == language]


def configurations(page: Path) -> dict[str, str]:
    """File name -> text, of each YAML block that begins with its name (`# mine.yaml`)."""
    texts = blocks_in(page, "yaml")
    return {named[1]: text for text in texts if (named := re.match(r"# ([\w-]+\.yaml)\b", text))}


def saved_files(page: Path) -> dict[str, str]:
    """File name -> text, of each block that the page tells its reader to save."""
    return {name: textwrap.dedent(text) for name, _, text in SAVED.findall(page.read_text())}


def save(page: Path, folder: Path) -> None:
    """Save these files, and named configurations, in a folder; a rule goes to the end of its file."""
    for name, text in {**saved_files(page), **configurations(page)}.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        before = f"{file.read_text()}\n\n" if file.suffix == ".smk" else ""
        file.write_text(before + text)


def checkpoint_of_own(folder: Path) -> Path:
    """A small checkpoint for the family of docs/extend.md: Llama's layers with random weights."""
    import torch
    from safetensors.torch import save_file
    from transformers import LlamaConfig, LlamaForCausalLM

    made, base = folder / "models" / "my-leftmost", ROOT / "tests" / "data" / "parity" / "a2d-llama"
    made.mkdir(parents=True, exist_ok=True)
    for name in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
        shutil.copy(base / name, made / name)
    config = json.loads((base / "config.json").read_text()) | {"num_hidden_layers": 28}
    config |= {"model_type": "leftmost-llama", "architectures": ["LeftmostModel"]}
    (made / "config.json").write_text(json.dumps(config))
    plain = {key: value for key, value in config.items() if key not in ("model_type", "architectures")}
    torch.manual_seed(0)
    weights = LlamaForCausalLM(LlamaConfig(**plain)).state_dict()
    save_file({name: tensor.contiguous() for name, tensor in weights.items()}, made / "model.safetensors")
    return made


def commands(page: Path, known: set[str]) -> list[Command]:
    """Commands in shell blocks, in the first line of YAML blocks, and in sentences.

    A code span is a command if it has arguments and its first word is `known`, whatever this machine has.
    """
    lines = []
    for language, text in blocks(page):
        if language in SHELL:
            lines += text.replace("\\\n", " ").splitlines()
        elif language == "yaml":
            lines += re.findall(r"\A# [\w-]+\.yaml: (.*)", text)
    shown = [Command(page.name, tuple(words)) for line in lines for words in simple_commands(line)]
    for span in SPAN.findall(FENCE.sub("", page.read_text())):
        words = span.split()
        if len(words) > 1 and words[0] in known:
            shown += [Command(page.name, tuple(c), mention=True) for c in simple_commands(" ".join(words))]
    return list(dict.fromkeys(shown))


def simple_commands(line: str) -> list[list[str]]:
    """The words of each command of a shell line, split at `&&`, `|` and `;`."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    found: list[list[str]] = [[]]
    for word in lexer:
        if word in ("&&", "||", "|", ";"):
            found.append([])
        else:
            found[-1].append(word)
    return [words for words in found if words]
