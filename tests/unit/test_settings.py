"""Settings say what is wrong with them, and never show a secret."""

from pathlib import Path

import pytest

from ledger import settings
from ledger.errors import ConfigurationError

PASSWORD = "s3cr3t-horse"
SASL = {
    "CLEARING_KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
    "CLEARING_KAFKA_SASL_MECHANISM": "SCRAM-SHA-512",
    "CLEARING_KAFKA_SASL_USERNAME": "clearing",
    "CLEARING_KAFKA_SASL_PASSWORD": PASSWORD,
}


@pytest.fixture(autouse=True)
def _bare(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CLEARING_DATABASE_URL", raising=False)


def _set(monkeypatch: pytest.MonkeyPatch, **variables: str) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://clearing@db.example:5432/books?sslmode=verify-full",
        "postgres://db.example",
        "postgresql://clearing:@/books?host=/run/postgresql",
        "postgresql://clearing@one:5432,two:5433/books?target_session_attrs=read-write",
        "postgresql://clearing@[::1]:5432/books",
        "postgresql:///books?user=clearing@office",
    ],
)
def test_a_database_url_is_used_as_it_is(url: str) -> None:
    assert settings.database_url(url) == url


def test_a_password_may_stand_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    url = f"postgresql://clearing:{PASSWORD}@db.example/books?sslpassword={PASSWORD}"
    monkeypatch.setenv("CLEARING_DATABASE_URL", url)
    assert settings.database_url(None) == url


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql://clearing:{PASSWORD}@db.example/books",
        f"postgresql://db.example/books?password={PASSWORD}",
        f"postgresql://db.example/books?user=clearing&sslpassword={PASSWORD}",
    ],
)
def test_a_password_on_the_command_line_is_warned_of_and_not_shown(
    url: str, caplog: pytest.LogCaptureFixture
) -> None:
    assert settings.database_url(url) == url
    assert "PGPASSFILE" in caplog.text
    assert PASSWORD not in caplog.text


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://clearing:s3cr3t@horse@db.example/books",
        "postgresql://clearing:s3cr3t/horse@db.example/books",
        "postgresql://clearing:s3cr3t?horse@db.example/books",
        "postgresql://clearing:12/s3cr3t@db.example/books",
        "postgresql://clearing:s3cr3t%horse@db.example/books",
        "postgresql://clearing:s3cr3t horse@db.example/books",
        "mysql://clearing:s3cr3t@db.example/books",
        "clearing:s3cr3t@db.example",
    ],
)
def test_a_url_that_would_be_misread_is_refused_without_being_shown(
    monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    monkeypatch.setenv("CLEARING_DATABASE_URL", url)
    with pytest.raises(ConfigurationError) as refused:
        settings.database_url(None)
    assert "s3cr3t" not in str(refused.value)
    assert "horse" not in str(refused.value)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://u:p@h:1/d", "postgresql://u@h:1/d"),
        ("postgresql://u:@/d?host=/s", "postgresql://u@/d?host=/s"),
        (
            "postgresql://h/d?password=p&user=u&sslpassword=q",
            "postgresql://h/d?password=***&user=u&sslpassword=***",
        ),
        ("postgresql://u@h/d?passfile=/f", "postgresql://u@h/d?passfile=/f"),
    ],
)
def test_a_url_is_shown_without_its_passwords(url: str, shown: str) -> None:
    assert settings.masked(url) == shown


def test_kafka_is_spoken_to_in_the_open_where_nothing_is_set() -> None:
    assert settings.kafka_security() == {}


def test_kafka_settings_are_handed_over_in_the_words_of_the_client(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    authority = tmp_path / "ca.pem"
    authority.write_text("a certificate")
    _set(monkeypatch, **SASL, CLEARING_KAFKA_SSL_CAFILE=str(authority))
    found = settings.kafka_security()
    assert found == {
        "security_protocol": "SASL_SSL",
        "sasl_mechanism": "SCRAM-SHA-512",
        "sasl_plain_username": "clearing",
        "sasl_plain_password": PASSWORD,
        "ssl_cafile": str(authority),
    }
    assert PASSWORD not in repr(found)


def test_a_password_is_the_first_line_of_its_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "password"
    file.write_text(f"{PASSWORD}\nand a remark\n")
    file.chmod(0o600)
    _set(monkeypatch, **SASL, CLEARING_KAFKA_SASL_PASSWORD_FILE=str(file))
    with pytest.raises(ConfigurationError, match="both set"):
        settings.kafka_security()
    monkeypatch.delenv("CLEARING_KAFKA_SASL_PASSWORD")
    assert settings.kafka_security()["sasl_plain_password"] == PASSWORD
    file.chmod(0o640)
    assert settings.kafka_security()["sasl_plain_password"] == PASSWORD
    file.chmod(0o644)
    with pytest.raises(ConfigurationError, match=f"0644, everybody can read it: chmod 600 {file}"):
        settings.kafka_security()
    file.chmod(0o600)
    file.write_text("\n")
    with pytest.raises(ConfigurationError, match="is empty"):
        settings.kafka_security()
    file.unlink()
    with pytest.raises(ConfigurationError, match="No such file"):
        settings.kafka_security()


def test_a_key_that_everybody_can_read_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    key = tmp_path / "client.key"
    key.write_text("a key")
    key.chmod(0o604)
    _set(monkeypatch, CLEARING_KAFKA_SECURITY_PROTOCOL="SSL", CLEARING_KAFKA_SSL_KEYFILE=str(key))
    with pytest.raises(ConfigurationError, match="everybody can read it"):
        settings.kafka_security()


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"CLEARING_KAFKA_SECURTY_PROTOCOL": "SSL"}, "SECURTY_PROTOCOL is no setting"),
        ({"CLEARING_KAFKA_SECURITY_PROTOCOL": "TLS"}, "is TLS: expected PLAINTEXT, SSL"),
        ({"CLEARING_KAFKA_SECURITY_PROTOCOL": "SSL"}, "SASL_MECHANISM is set, but .* is SSL"),
        ({"CLEARING_KAFKA_SECURITY_PROTOCOL": ""}, "SASL_MECHANISM is set, but .* is PLAINTEXT"),
        (
            {
                "CLEARING_KAFKA_SECURITY_PROTOCOL": "SASL_PLAINTEXT",
                "CLEARING_KAFKA_SSL_CAFILE": "ca.pem",
            },
            "SSL_CAFILE is set, but .* is SASL_PLAINTEXT",
        ),
        (
            {
                "CLEARING_KAFKA_SECURITY_PROTOCOL": "SASL_PLAINTEXT",
                "CLEARING_KAFKA_SASL_MECHANISM": "PLAIN",
            },
            "would send the password readable",
        ),
        ({"CLEARING_KAFKA_SASL_MECHANISM": "GSSAPI"}, "is GSSAPI: expected PLAIN, SCRAM"),
        ({"CLEARING_KAFKA_SASL_MECHANISM": ""}, "set CLEARING_KAFKA_SASL_MECHANISM too"),
        ({"CLEARING_KAFKA_SASL_USERNAME": ""}, "set CLEARING_KAFKA_SASL_USERNAME too"),
        ({"CLEARING_KAFKA_SASL_PASSWORD": ""}, "or CLEARING_KAFKA_SASL_PASSWORD_FILE too"),
        ({"CLEARING_KAFKA_SSL_CAFILE": "/nowhere/ca.pem"}, "/nowhere/ca.pem: No such file"),
    ],
)
def test_kafka_settings_that_would_not_protect_are_refused(
    monkeypatch: pytest.MonkeyPatch, changes: dict[str, str], reason: str
) -> None:
    _set(monkeypatch, **SASL | changes)
    with pytest.raises(ConfigurationError, match=reason) as refused:
        settings.kafka_security()
    assert PASSWORD not in str(refused.value)
