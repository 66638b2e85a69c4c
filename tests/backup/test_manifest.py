"""Whether a backup can be restored here."""

from dataclasses import replace

import pytest

from app.backup.manifest import (
    FORMAT,
    BackupError,
    Manifest,
    read_manifest,
    require_restorable,
)
from app.health.pepper import pepper_mark

_PEPPER = "pepper of the operator"
_MANIFEST = Manifest(FORMAT, "0.1.0", "0039", "2026-05-04T08:15:30+00:00", pepper_mark(_PEPPER), 3, False)


def test_a_manifest_is_read_as_it_was_written() -> None:
    assert read_manifest(_MANIFEST.encoded()) == _MANIFEST


@pytest.mark.parametrize("text", ["", "[]", "{}", "null", '{"format": 1}'])
def test_a_damaged_manifest_is_refused(text: str) -> None:
    with pytest.raises(BackupError, match=r"manifest\.json is damaged"):
        read_manifest(text)


def test_a_manifest_of_a_newer_version_is_refused() -> None:
    with pytest.raises(BackupError, match="newer version"):
        read_manifest(replace(_MANIFEST, format=FORMAT + 1).encoded())


def test_the_same_pepper_restores() -> None:
    assert require_restorable(_MANIFEST, _PEPPER, {"0039"}) == _PEPPER


@pytest.mark.parametrize(
    ("pepper", "schemas", "problem"),
    [
        pytest.param(None, {"0039"}, "set STATIONMASTER_CREDENTIAL_PEPPER", id="no pepper"),
        pytest.param("another pepper", {"0039"}, "is not the pepper of the server", id="another pepper"),
        pytest.param(_PEPPER, {"0038"}, "schema of another version", id="unknown schema"),
    ],
)
def test_it_is_refused_before_anything_is_changed(
    pepper: str | None, schemas: set[str], problem: str
) -> None:
    with pytest.raises(BackupError, match=problem):
        require_restorable(_MANIFEST, pepper, schemas)


def test_the_mark_does_not_contain_the_pepper() -> None:
    assert _PEPPER not in _MANIFEST.encoded()
