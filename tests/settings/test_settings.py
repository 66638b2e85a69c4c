"""Settings: read once, frozen, and a bad one refuses to start in one line that names its variable."""

from pathlib import Path

import pytest

from app.settings import Settings, SettingsError, load_settings, unknown_variables, variable_of


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for field in Settings.model_fields:
        monkeypatch.delenv(variable_of(field), raising=False)


def test_defaults_make_a_private_server(tmp_path: Path) -> None:
    settings = load_settings(data_directory=tmp_path)
    assert settings.database_url is None
    assert settings.redis_url is None
    assert (settings.host, settings.port, settings.workers) == ("127.0.0.1", 8080, 1)


def test_the_environment_sets_each_field(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://db/x")
    monkeypatch.setenv("REDIS_URL", "redis://cache/1")
    monkeypatch.setenv("STATIONMASTER_PORT", "9000")
    monkeypatch.setenv("STATIONMASTER_CREDENTIAL_PEPPER", "secret of sixteen")
    monkeypatch.setenv("STATIONMASTER_TRUSTED_PROXIES", "10.0.0.0/8, ::1, 10.1.2.3")
    settings = load_settings(data_directory=tmp_path)
    assert (settings.database_url, settings.redis_url) == ("postgresql://db/x", "redis://cache/1")
    assert settings.port == 9000
    assert settings.trusted_proxies == ["10.0.0.0/8", "::1", "10.1.2.3"]
    assert "secret" not in repr(settings)


def test_options_win_over_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("STATIONMASTER_PORT", "9000")
    assert load_settings(port=9001, data_directory=tmp_path).port == 9001


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("DATABASE_URL", "mysql://db/x"),
        ("DATABASE_URL", "postgresql"),
        ("DATABASE_URL", "postgresql://db/x?sslmode=maybe"),
        ("DATABASE_URL", "postgresql://db/x?sslrootcert=/nothing/root.pem"),
        ("REDIS_URL", "http://cache"),
        ("REDIS_URL", "redis://cache/abc"),
        ("REDIS_URL", "rediss://cache?ssl_ca_certs=/nothing/ca.pem"),
        ("REDIS_URL", "redis://cache\n"),
        ("REDIS_URL", "'redis://cache'"),
        ("DATABASE_URL", "postgresql://db/x\n"),
        ("DATABASE_URL", ' "postgresql://db/x"'),
        ("STATIONMASTER_PUBLIC_URL", "https://host "),
        ("STATIONMASTER_PUBLIC_URL", "https://host:99999"),
        ("STATIONMASTER_PUBLIC_URL", "https://host:port"),
        ("STATIONMASTER_PUBLIC_URL", "https://[::1"),
        ("STATIONMASTER_PUBLIC_URL", "https://ho st"),
        ("STATIONMASTER_DATABASE_WORK_CONNECTIONS", "1"),
        ("STATIONMASTER_PORT", "99999"),
        ("STATIONMASTER_PORT", "many"),
        ("STATIONMASTER_WORKERS", "0"),
        ("STATIONMASTER_LOG_LEVEL", "loud"),
        ("STATIONMASTER_CALL_TIMEOUT_S", "-1"),
        ("STATIONMASTER_COMMAND_EXPIRY_S", "0"),
        ("STATIONMASTER_DURABLE_WAIT_S", "inf"),
        ("STATIONMASTER_DURABLE_WAIT_S", "0.0001"),
        ("STATIONMASTER_RATE_PER_S", "inf"),
        ("STATIONMASTER_RATE_PER_S", "nan"),
        ("STATIONMASTER_WORKER_LEASE_S", "1e300"),
        ("STATIONMASTER_WORKER_SILENCE_S", "1"),
        ("STATIONMASTER_FRAME_LIMIT_BYTES", "1"),
        ("STATIONMASTER_TRUSTED_PROXIES", "10.0.0.0/99"),
        ("STATIONMASTER_TRUSTED_PROXIES", "10.0.0.0/8, 192.168.1.1/24"),
        ("STATIONMASTER_TRUSTED_PROXIES", "2001:db8::1/32"),
        ("STATIONMASTER_OUTGOING_ALLOWED_NETWORKS", "10.1.0.1/16"),
        ("STATIONMASTER_OUTGOING_ALLOWED_NETWORKS", "internal"),
        ("STATIONMASTER_OUTGOING_REQUESTS_LIMIT", "0"),
        ("STATIONMASTER_CREDENTIAL_PEPPER", "fifteen letters"),
        ("STATIONMASTER_REVEAL_UNKNOWN_IDENTITY", "perhaps"),
        ("STATIONMASTER_WORKER_RENEWAL_S", "60"),
    ],
)
def test_a_bad_value_is_refused_in_one_line_that_names_the_variable(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, variable: str, value: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(SettingsError) as refused:
        load_settings(data_directory=tmp_path)
    assert variable in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("field", Settings.model_fields)
def test_an_empty_variable_is_as_if_it_were_not_set(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, field: str
) -> None:
    """Compose writes one for `${NAME:-}`. Empty data directories were the working directory."""
    monkeypatch.setenv("STATIONMASTER_CREDENTIAL_PEPPER", "p" * 32)
    monkeypatch.chdir(tmp_path)
    expected = load_settings()
    monkeypatch.setenv(variable_of(field), "")
    if field == "credential_pepper":
        assert len(load_settings().credential_pepper) == 64
    else:
        assert load_settings() == expected


def test_a_database_of_ones_own_needs_a_pepper(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://db/x")
    with pytest.raises(SettingsError, match="STATIONMASTER_CREDENTIAL_PEPPER"):
        load_settings(data_directory=tmp_path)


def test_the_generated_pepper_is_private_and_stays(tmp_path: Path) -> None:
    first = load_settings(data_directory=tmp_path).credential_pepper
    assert len(first) == 64
    assert load_settings(data_directory=tmp_path).credential_pepper == first
    assert (tmp_path / "pepper").stat().st_mode & 0o777 == 0o600


def test_unknown_variables_are_found_with_the_nearest_setting() -> None:
    environment = {
        "STATIONMASTER_PORT": "1",
        "stationmaster_workers": "1",
        "STATIONMASTER_API_KEY": "x",
        "STATIONMASTER_PROT": "1",
        "STATIONMASTER_DATABASE_URL": "x",
        "STATIONMASTER_XYZZY": "x",
        "PATH": "/bin",
    }
    assert unknown_variables(environment) == {
        "STATIONMASTER_PROT": "STATIONMASTER_PORT",
        "STATIONMASTER_DATABASE_URL": "DATABASE_URL",
        "STATIONMASTER_XYZZY": None,
    }


@pytest.mark.parametrize("fault", ["file in the way", "empty pepper"])
def test_an_unusable_data_directory_is_named(tmp_path: Path, fault: str) -> None:
    directory = tmp_path / "data"
    if fault == "empty pepper":
        directory.mkdir()
        (directory / "pepper").write_text("")
    else:
        directory.write_text("")
    with pytest.raises(SettingsError, match="STATIONMASTER_DATA_DIRECTORY"):
        load_settings(data_directory=directory)


def test_settings_do_not_change(tmp_path: Path) -> None:
    settings = load_settings(data_directory=tmp_path)
    with pytest.raises(ValueError, match="frozen"):
        settings.port = 1


def test_workers_get_the_same_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    settings = load_settings(
        data_directory=tmp_path, port=9001, trusted_proxies=["10.0.0.0/8"], reveal_unknown_identity=True
    )
    for variable, value in settings.environment().items():
        monkeypatch.setenv(variable, value)
    assert load_settings() == settings


def test_certificates_are_named_once(tmp_path: Path) -> None:
    files = {"tls_port": 8443, "tls_certificates": ["one.pem"], "server_certificate_files": ["two.pem"]}
    with pytest.raises(SettingsError, match="STATIONMASTER_SERVER_CERTIFICATE_FILES is for a TLS proxy"):
        load_settings(data_directory=tmp_path, **files)
