"""The digest of a job's source files: what counts, and what a fork server may read ahead."""

import pytest

from goodpart.jobs import sources


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project of two modules, one of which imports the other; nothing of it is known yet."""
    package = tmp_path / "workflow" / "goodpart"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "first.py").write_text("def f():\n    from goodpart import second\n    return second.X\n")
    (package / "second.py").write_text("X = 1\n")
    (package / "third.py").write_text("X = 1\n")
    monkeypatch.setattr(sources, "ROOT", tmp_path / "workflow")
    forget()
    yield package
    forget()


def forget() -> None:
    """What a forked process does not know of the files' names, whatever was read ahead."""
    for known in (sources._file, sources._imports, sources.modules, sources._files):
        known.cache_clear()


def digest() -> str:
    """The digest as a process that starts now computes it."""
    forget()
    return sources.digest(["goodpart.first"])


def test_digest_is_that_of_the_code_of_all_imports(project):
    """A late import counts; comments, docstrings and other modules do not."""
    before = digest()
    (project / "second.py").write_text('"""A module."""\n\nX = 1  # a comment\n')
    (project / "third.py").write_text("X = 2\n")
    assert digest() == before
    (project / "second.py").write_text("X = 2\n")
    assert digest() != before


def test_a_file_that_cannot_be_read_ahead_is_left_to_its_job(project):
    """Neither text, nor Python, nor there at all."""
    (project / "second.py").write_bytes(b"\xff\xfe")
    (project / "third.py").write_text("def\n")
    for path in [*sources.all_files(), project / "fourth.py"]:
        sources.read_ahead(path)
    with pytest.raises(UnicodeDecodeError):
        digest()


def test_reading_ahead_changes_no_digest(project):
    """A file that changes after it was read ahead, or gains an import, is taken as it is now."""
    before = digest()
    for path in sources.all_files():
        sources.read_ahead(path)
    assert digest() == before
    (project / "second.py").write_text("X = 2\n")
    changed = digest()
    assert changed != before
    (project / "second.py").write_text("X = 2\nimport goodpart.third\n")
    with_third = digest()
    (project / "third.py").write_text("X = 3\n")
    assert len({before, changed, with_third, digest()}) == 4
