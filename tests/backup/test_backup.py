"""A backup of a server that runs, restored into an empty place: the same records, opened by the same key."""

import json
import shutil
import signal
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest

from tests.support.processes import PEPPER, TIMEOUT_S, command, environment, serving

pytestmark = [pytest.mark.long, pytest.mark.timeout(300)]


def _call(url: str, path: str, key: str, body: Any = None) -> Any:
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    data = None if body is None else json.dumps(body).encode()
    with urlopen(Request(url + path, data=data, headers=headers)) as answer:  # noqa: S310
        return json.load(answer)


def _records(url: str, key: str) -> Any:
    return [
        _call(url, path, key)["items"]
        for path in ("/v1/charge-points", "/v1/id-tags", "/v1/transactions", "/v1/files")
    ]


def _environment(directory: Path) -> dict[str, str]:
    return environment(directory, STATIONMASTER_PORT="0", STATIONMASTER_LOG_LEVEL="error")


def _upload(url: str, key: str) -> None:
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/octet-stream"}
    request = Request(f"{url}/v1/files?name=notes.txt", b"firmware", headers, method="POST")  # noqa: S310
    with urlopen(request) as answer:  # noqa: S310
        assert answer.status == 201


@pytest.fixture
def saved(data_directory: Path) -> tuple[Path, str, Any]:
    """A folder with the backup of a server, a key of its tenant, and the records that it had."""
    place, folder = data_directory / "first", data_directory / "backup"
    env = _environment(place)
    with serving(env) as (process, url):
        assert command("tenant", "create", "north", env=env).returncode == 0
        key = command("key", "create", "--tenant", "north", env=env).stdout.strip()
        arguments = ("--count", "2", "--tenant", "north", "--url", url.replace("http", "ws", 1))
        fast = ("--duration", "4s", "--speed", "300", "--pace", "brisk", "--steady", "--api-key", key)
        simulated = command("simulate", *arguments, *fast, env=env)
        assert simulated.returncode == 0, simulated.stderr
        _call(url, "/v1/id-tags", key, {"id_tag": "B4A63CDF"})
        _upload(url, key)
        made = command("backup", str(folder), env=env)
        assert made.returncode == 0, made.stderr
        assert "The pepper is not part of it." in made.stderr
        records = _records(url, key)
        process.send_signal(signal.SIGINT)
        assert process.wait(TIMEOUT_S) == 0
    return folder, key, records


def test_a_backup_restores_the_same_records_in_an_empty_place(
    data_directory: Path, saved: tuple[Path, str, Any]
) -> None:
    folder, key, records = saved
    assert all(records)
    assert folder.stat().st_mode & 0o777 == 0o700
    assert not (folder / "pepper").exists()
    pepper = (data_directory / "first" / "pepper").read_text()
    shutil.rmtree(data_directory / "first")
    env = _environment(data_directory / "second")
    refused = command("restore", str(folder), env=env)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "set STATIONMASTER_CREDENTIAL_PEPPER" in refused.stderr
    wrong = command("restore", str(folder), env={**env, "STATIONMASTER_CREDENTIAL_PEPPER": PEPPER})
    assert "is not the pepper of the server that was backed up" in wrong.stderr
    assert not (data_directory / "second").exists()
    restored = command("restore", str(folder), env={**env, "STATIONMASTER_CREDENTIAL_PEPPER": pepper})
    assert restored.returncode == 0, restored.stderr
    again = command("restore", str(folder), env=env)
    assert (again.returncode, again.stdout) == (1, "")
    assert "is not empty" in again.stderr
    # Without the variable: the restored place knows its pepper.
    with serving(env) as (process, url):
        assert _records(url, key) == records
        (file,) = records[-1]
        request = Request(f"{url}/v1/files/{file['id']}/content", headers={"Authorization": f"Bearer {key}"})  # noqa: S310
        assert urlopen(request).read() == b"firmware"  # noqa: S310
        process.send_signal(signal.SIGINT)
        assert process.wait(TIMEOUT_S) == 0


def test_a_backup_with_its_pepper_needs_nothing_else(
    data_directory: Path, server_environment: dict[str, str]
) -> None:
    assert command("tenant", "create", "south", env=server_environment).returncode == 0
    folder = data_directory / "backup"
    made = command("backup", "--with-pepper", str(folder), env=server_environment)
    assert made.returncode == 0, made.stderr
    assert (folder / "pepper").stat().st_mode & 0o777 == 0o600
    existing = command("backup", str(folder), env=server_environment)
    assert (existing.returncode, existing.stderr) == (
        1,
        f"stationmaster: {folder} exists: name a new folder\n",
    )
    full = command("restore", str(folder), env=server_environment)
    assert "the database is not empty" in full.stderr
    env = _environment(data_directory / "second")
    restored = command("restore", str(folder), env=env)
    assert restored.returncode == 0, restored.stderr
    assert command("tenant", "list", env=env).stdout == "south\tsouth\n"
    assert (data_directory / "second" / "pepper").read_text() == PEPPER


def test_a_folder_that_is_not_a_backup_is_named(tmp_path: Path) -> None:
    result = command("restore", str(tmp_path), env=environment(tmp_path / "data"))
    assert (result.returncode, result.stderr) == (
        1,
        f"stationmaster: {tmp_path} is not a backup: it has no manifest.json\n",
    )
    assert not (tmp_path / "data").exists()
