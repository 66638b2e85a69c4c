"""The container image: the wheel builds from exactly the files that .dockerignore and Dockerfile admit."""

import os
import re
import shlex
import shutil
import subprocess
import sys
import zipfile
from functools import partial
from pathlib import Path

import pytest

_ROOT = Path(__file__).parents[1]
# A part of an ignore pattern: `**` with its slash, `*`, `?`, or any other character.
_TOKEN = re.compile(r"\*\*/?|\*|\?|[^*?]+")
_TRANSLATED = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}


def is_admitted(rules: list[tuple[re.Pattern[str], bool]], path: str) -> bool:
    """Say whether a file is part of the build context. The last rule that matches it or a parent decides."""
    admitted = True
    for pattern, admits in rules:
        if pattern.fullmatch(path):
            admitted = admits
    return admitted


def rules_of(text: str) -> list[tuple[re.Pattern[str], bool]]:
    """Read an ignore file as Docker does: https://docs.docker.com/build/concepts/context/#dockerignore-files"""
    lines = [line.strip() for line in text.splitlines()]
    return [
        (_pattern(line.removeprefix("!").strip("/")), line.startswith("!"))
        for line in lines
        if line and not line.startswith("#")
    ]


def _pattern(text: str) -> re.Pattern[str]:
    assert "[" not in text, "character classes are not used so far"
    assert "\\" not in text
    translated = (_TRANSLATED.get(token, re.escape(token)) for token in _TOKEN.findall(text))
    return re.compile("".join(translated) + "(?:/.*)?")


def repository_files() -> list[str]:
    """Return what a clone of the working tree would hold, without what builds and tests leave behind."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=_ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return [path for path in listed.stdout.splitlines() if (_ROOT / path).is_file()]


def copied_sources() -> list[str]:
    """Return what the builder stage copies from the build context."""
    stage = (_ROOT / "Dockerfile").read_text().split("\nFROM ")[1]
    copies = [shlex.split(line)[1:] for line in stage.splitlines() if line.startswith("COPY ")]
    return [source for words in copies for source in words[:-1] if not source.startswith("--")]


def builder_files() -> list[str]:
    rules = rules_of((_ROOT / ".dockerignore").read_text())
    admitted = [path for path in repository_files() if is_admitted(rules, path)]
    sources = [_pattern("**" if source == "." else source.strip("/")) for source in copied_sources()]
    return [path for path in admitted if any(source.fullmatch(path) for source in sources)]


@pytest.mark.parametrize(
    ("pattern", "path", "matches"),
    [
        ("*", "app", True),
        ("*", "app/main.py", True),
        ("app", "app/api/__init__.py", True),
        ("app", "apps/main.py", False),
        ("app/*.so", "app/_core.so", True),
        ("app/*.so", "app/api/x.so", False),
        ("**/*.so", "app/api/x.so", True),
        ("**/*.so", "x.so", True),
        ("**/target", "core_rs/fuzz/target/debug/x", True),
        ("**/target", "core_rs/ocpp/src/target.rs", False),
        ("core_rs/**", "core_rs/ocpp/Cargo.toml", True),
    ],
)
def test_ignore_patterns_match_as_docker_matches_them(pattern: str, path: str, matches: bool) -> None:
    assert is_admitted(rules_of(pattern), path) is not matches


def test_the_last_matching_rule_decides() -> None:
    rules = rules_of("# all but app\n*\n!app\n**/*.so\n")
    admitted = partial(is_admitted, rules)
    assert [admitted(path) for path in ("README.md", "app/main.py", "app/_core.so")] == [False, True, False]


def test_the_builder_gets_sources_and_nothing_that_a_build_or_a_secret_file_leaves() -> None:
    files = builder_files()
    assert {path.partition("/")[0] for path in files} == {
        *("app", "core_rs", "benchmarks", "Cargo.toml", "Cargo.lock", "pyproject.toml"),
        *("README.md", "LICENSE"),
    }
    rules = rules_of((_ROOT / ".dockerignore").read_text())
    left_behind = [".env", "data/engines.lock", ".venv/bin/python", "target/release/x", "app/_core.abi3.so"]
    assert [path for path in left_behind if is_admitted(rules, path)] == []


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_wheel_builds_from_what_the_builder_gets_and_works(tmp_path: Path) -> None:
    files = builder_files()
    with zipfile.ZipFile(_wheel_of(files, tmp_path / "wheels")) as archive:
        archive.extractall(tmp_path / "unpacked")
        names = set(archive.namelist())
    modules = {path for path in files if path.startswith("app/")}
    assert modules <= names
    extras = {name for name in names - modules if not name.startswith("stationmaster-")}
    assert [name for name in extras if not name.endswith(".so")] == []
    ran = subprocess.run(
        [sys.executable, "-P", "-c", "import app.cli, app.ocpp; print(app.__file__)"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(tmp_path / "unpacked")},
        capture_output=True,
        text=True,
    )
    assert (ran.stdout.strip(), ran.stderr) == (str(tmp_path / "unpacked" / "app" / "__init__.py"), "")


def _wheel_of(files: list[str], wheels: Path) -> Path:
    """Build as the Dockerfile does, but without optimization and on top of the checkout's compiled crates."""
    # One place for all runs, so that cargo compiles again only what has changed.
    context = _ROOT / "target" / "image-context"
    shutil.rmtree(context, ignore_errors=True)
    for path in files:
        (context / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(_ROOT / path, context / path)
    maturin = str(Path(sys.executable).parent / "maturin")
    options = ["--profile", "dev", "--locked", "--offline", "--interpreter", sys.executable]
    built = subprocess.run(
        [maturin, "build", *options, "--out", str(wheels)],
        cwd=context,
        env=os.environ | {"CARGO_TARGET_DIR": str(_ROOT / "target")},
        capture_output=True,
        text=True,
    )
    assert built.returncode == 0, built.stderr
    [wheel] = wheels.iterdir()
    return wheel
