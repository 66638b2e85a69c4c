"""Under which URL charge points reach the server, and where files are kept."""

from typing import Any

import pytest

from app.files.links import base_url_of
from app.settings import Settings, SettingsError, load_settings


@pytest.mark.parametrize(
    ("changes", "url"),
    [
        ({}, "http://127.0.0.1:8080"),
        ({"host": "localhost", "port": 9000}, "http://localhost:9000"),
        ({"host": "::1"}, "http://[::1]:8080"),
        # Charge points are elsewhere: only the operator knows the way.
        ({"host": "0.0.0.0"}, None),  # noqa: S104
        ({"host": "192.0.2.1"}, None),
        ({"port": 0}, None),
        ({"public_url": "https://charge.example.com/"}, "https://charge.example.com"),
        ({"public_url": "https://example.com/charge/", "port": 0}, "https://example.com/charge"),
        ({"public_url": ""}, "http://127.0.0.1:8080"),
    ],
)
def test_the_url_is_set_or_that_of_the_loopback(changes: dict[str, Any], url: str | None) -> None:
    assert base_url_of(Settings(credential_pepper="x" * 16, **changes)) == url


_KEYS = {"file_s3_access_key_id": "a", "file_s3_secret_access_key": "very-secret"}


@pytest.mark.parametrize(
    ("changes", "variable"),
    [
        ({"public_url": "charge.example.com"}, "STATIONMASTER_PUBLIC_URL"),
        ({"public_url": "ftp://charge.example.com"}, "STATIONMASTER_PUBLIC_URL"),
        ({"public_url": "https://"}, "STATIONMASTER_PUBLIC_URL"),
        ({"public_url": "https://u:p@charge.example.com"}, "STATIONMASTER_PUBLIC_URL"),
        ({"public_url": "https://charge.example.com/?a=b"}, "STATIONMASTER_PUBLIC_URL"),
        ({"file_s3_bucket": "b"}, "STATIONMASTER_FILE_S3_SECRET_ACCESS_KEY"),
        (
            {"file_s3_bucket": "b", **_KEYS, "file_s3_endpoint": "minio:9000"},
            "STATIONMASTER_FILE_S3_ENDPOINT",
        ),
    ],
)
def test_a_wrong_setting_names_its_variable(changes: dict[str, Any], variable: str) -> None:
    with pytest.raises(SettingsError, match=variable) as raised:
        load_settings(credential_pepper="x" * 16, **changes)
    assert "very-secret" not in str(raised.value)


def test_the_secret_of_a_bucket_is_not_shown() -> None:
    settings = Settings(credential_pepper="x" * 16, file_s3_bucket="b", **_KEYS)  # type: ignore[arg-type]
    assert "very-secret" not in repr(settings)
    # Workers get it all the same.
    assert settings.environment()["STATIONMASTER_FILE_S3_SECRET_ACCESS_KEY"] == "very-secret"
