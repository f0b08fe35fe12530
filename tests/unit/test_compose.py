"""The compose file starts what it says, in order, with pinned images and no secret in the clear."""

import ast
import inspect
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.main import get_command

from ledger.cli import app, kafka, publishing

ROOT = Path(__file__).resolve().parent.parent.parent
PINNED = re.compile(r"[a-z0-9-]+(/[a-z0-9-]+)?:v?[0-9]+(\.[0-9]+)+(-[a-z0-9]+)?")

Service = dict[str, Any]


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    return parsed((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))


def parsed(text: str) -> dict[str, Any]:
    content = yaml.safe_load(text)
    assert isinstance(content, dict)
    return content


@pytest.fixture(scope="module")
def services(compose: dict[str, Any]) -> dict[str, Service]:
    found = compose["services"]
    assert isinstance(found, dict)
    return found


def is_one_shot(service: Service) -> bool:
    return service.get("restart") == "no"


def test_it_has_the_database_the_broker_and_the_ledger(services: dict[str, Service]) -> None:
    assert set(services) == {
        *("postgres", "kafka", "topics", "migrate", "run", "publish", "console"),
        *("prometheus", "grafana"),
    }


def test_only_those_who_ask_for_them_start_console_prometheus_and_grafana(
    services: dict[str, Service],
) -> None:
    profiles = {
        name: service["profiles"] for name, service in services.items() if "profiles" in service
    }
    assert profiles == {"console": ["console"], "prometheus": ["watch"], "grafana": ["watch"]}


def test_what_is_mounted_from_the_tree_is_there_and_read_only(services: dict[str, Service]) -> None:
    volumes = [volume for service in services.values() for volume in service.get("volumes", [])]
    mounted = [volume.split(":") for volume in volumes if volume.startswith(".")]
    assert len(mounted) == 3
    assert all((ROOT / path).is_dir() and mode == "ro" for path, _, mode in mounted)


def test_every_service_is_watched_or_ends_by_itself(services: dict[str, Service]) -> None:
    assert {name for name, service in services.items() if is_one_shot(service)} == {
        "topics",
        "migrate",
    }
    for name, service in services.items():
        assert is_one_shot(service) or service["healthcheck"]["test"][0] == "CMD", name


def test_every_image_is_pinned_by_version_and_has_a_plain_name(
    services: dict[str, Service],
) -> None:
    for name, service in services.items():
        assert PINNED.fullmatch(service["image"]), f"{name}: {service['image']}"


@pytest.mark.parametrize("image", ["postgres", "postgres:latest", "mirror.example/postgres:18.6"])
def test_a_floating_or_foreign_image_would_be_found(image: str) -> None:
    assert not PINNED.fullmatch(image)


def test_the_base_image_of_the_ledger_is_pinned() -> None:
    bases = re.findall(r"^FROM (\S+)(?: AS build)?$", dockerfile(), re.MULTILINE)
    assert len(bases) == 2
    assert all(PINNED.fullmatch(base) for base in bases)


def test_the_ledger_is_installed_with_hashes_and_does_not_run_as_root() -> None:
    lines = dockerfile().splitlines()
    assert any("pip install --require-hashes" in line for line in lines)
    assert lines.index("USER clearing") < lines.index('ENTRYPOINT ["clearing"]')


def dockerfile() -> str:
    return (ROOT / "Dockerfile").read_text(encoding="utf-8")


def test_the_signing_key_outlives_the_container_that_made_it(
    compose: dict[str, Any], services: dict[str, Service]
) -> None:
    (home,) = re.findall(r"^ENV CLEARING_HOME=(\S+)$", dockerfile(), re.MULTILINE)
    made = f"install --directory --owner=clearing --group=clearing --mode=0700 {home}"
    assert made in dockerfile(), "a new volume takes owner and mode of the folder it is put on"
    assert dockerfile().index(made) < dockerfile().index("USER clearing")
    (volume,) = services["run"]["volumes"]
    assert volume == f"keys:{home}"
    assert "keys" in compose["volumes"]


def test_ports_are_published_on_the_loopback_address_only(services: dict[str, Service]) -> None:
    published = [port for service in services.values() for port in service.get("ports", [])]
    assert published
    assert all(port.startswith("127.0.0.1:") for port in published)


def test_the_commands_are_those_of_the_console_script(services: dict[str, Service]) -> None:
    commands = getattr(get_command(app), "commands", {})
    called = [(service["command"][0], service["command"][1:]) for service in own(services)]
    for name, arguments in called:
        assert name in commands
        options = {option for parameter in commands[name].params for option in parameter.opts}
        assert {word for word in arguments if word.startswith("--")} <= options


def own(services: dict[str, Service]) -> list[Service]:
    """Those that run the ledger itself."""
    return [service for service in services.values() if "build" in service]


@pytest.mark.parametrize(("name", "command"), [("run", kafka.run), ("publish", publishing.publish)])
def test_writer_and_publisher_are_known_by_the_name_that_they_connect_with(
    services: dict[str, Service], name: str, command: Callable[..., None]
) -> None:
    program = services[name]["healthcheck"]["test"][-1]
    ast.parse(program)
    assert f"'clearing {name}'" in program
    assert f'"clearing {name}"' in inspect.getsource(command)


@pytest.mark.parametrize("name", ["run", "publish"])
def test_writer_and_publisher_wait_for_the_schema_and_the_topics(
    services: dict[str, Service], name: str
) -> None:
    waits = {name: wait["condition"] for name, wait in services[name]["depends_on"].items()}
    assert waits == {
        "migrate": "service_completed_successfully",
        "topics": "service_completed_successfully",
        "postgres": "service_healthy",
        "kafka": "service_healthy",
    }


def test_no_password_stands_in_the_file(services: dict[str, Service]) -> None:
    secrets = [
        value
        for service in services.values()
        for name, value in service.get("environment", {}).items()
        if "PASSWORD" in name
    ]
    assert secrets
    assert all(re.fullmatch(r"\$\{[A-Z_]+:\?[^}]+\}", secret) for secret in secrets)
    urls = [service["environment"]["CLEARING_DATABASE_URL"] for service in own(services)]
    assert all(":" not in url.removeprefix("postgresql://").split("@")[0] for url in urls)


def test_the_books_and_the_topics_outlive_their_containers(compose: dict[str, Any]) -> None:
    for name, folder in [("postgres", "/var/lib/postgresql"), ("kafka", "/var/lib/kafka/data")]:
        assert f"{name}:{folder}" in compose["services"][name]["volumes"]
        assert name in compose["volumes"]
