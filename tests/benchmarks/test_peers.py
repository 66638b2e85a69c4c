"""The servers to compare with."""

from pathlib import Path

import pytest

from tests.system.clients.rpc_peer import PACKAGE_FILES
from tools.node_packages import NodeMissingError, install_packages


@pytest.mark.parametrize("missing", ["node", "npm"])
def test_a_missing_program_is_named(missing: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "node").touch(mode=0o755)
    (tmp_path / "npm").touch(mode=0o755)
    (tmp_path / missing).unlink()
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(NodeMissingError, match=rf"^{missing} is missing$"):
        install_packages(PACKAGE_FILES, tmp_path / "cache")


def test_what_npm_complains_about_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "node").touch(mode=0o755)
    (tmp_path / "npm").write_text("#!/bin/sh\nprintf 'no network\\nfor today\\n' >&2\nexit 1\n")
    (tmp_path / "npm").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(NodeMissingError, match=r"^npm ci failed: no network for today$"):
        install_packages(PACKAGE_FILES, tmp_path / "cache")
