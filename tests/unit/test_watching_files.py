"""Reference page, dashboard, alert rules and scrape settings speak of metrics that exist."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from consumers.telemetry_metrics import Metrics

ROOT = Path(__file__).resolve().parent.parent.parent
OPS = ROOT / "ops"
SUFFIXES = ("_bucket", "_sum", "_count")
WORD = re.compile(r"\b(?:clearing|process|python)_[a-z_]+\b")


@pytest.fixture(scope="module")
def metrics() -> Metrics:
    return Metrics()


@pytest.fixture(scope="module")
def known(metrics: Metrics) -> set[str]:
    """Names as they are scraped; of histograms with their suffixes."""
    found = set(re.findall(r"^# TYPE (\S+) ", metrics.exposition().decode(), re.MULTILINE))
    for name, kind, _ in metrics.names():
        found |= {name + suffix for suffix in SUFFIXES} if kind == "histogram" else set()
    return found


def loaded(path: str) -> Any:  # noqa: ANN401 - whatever the file holds
    text = (OPS / path).read_text(encoding="utf-8")
    return json.loads(text) if path.endswith(".json") else yaml.safe_load(text)


def rules() -> list[dict[str, Any]]:
    return [rule for group in loaded("prometheus/alerts.yml")["groups"] for rule in group["rules"]]


def panels() -> list[dict[str, Any]]:
    content = loaded("grafana/dashboards/clearing.json")["panels"]
    return [panel for panel in content if panel["type"] != "row"]


def expressions() -> Iterator[tuple[str, str]]:
    for rule in rules():
        yield rule["alert"], rule["expr"]
    for panel in panels():
        for target in panel["targets"]:
            yield panel["title"], target["expr"]
    (pools,) = loaded("grafana/dashboards/clearing.json")["templating"]["list"]
    yield "pool", pools["query"]["query"]


def test_every_metric_asked_for_is_one_that_a_run_serves(known: set[str]) -> None:
    for where, expression in expressions():
        asked = set(WORD.findall(expression))
        assert asked or "up{" in expression, f"{where} asks for nothing"
        assert asked <= known, where


def test_labels_asked_for_are_those_that_the_metric_has(metrics: Metrics) -> None:
    labels = {name: set(given) | {"job", "instance"} for name, _, given in metrics.names()}
    selected = [
        (name, label)
        for _, expression in expressions()
        for name, chosen in re.findall(r"(clearing_[a-z_]+)\{([^}]*)\}", expression)
        for label in re.findall(r"([a-z_]+)\s*[=!]", chosen)
    ]
    assert selected
    assert not [(name, label) for name, label in selected if label not in labels[name]]


def test_every_metric_is_described_with_kind_and_labels(metrics: Metrics) -> None:
    page = (ROOT / "docs" / "reference" / "metrics.md").read_text(encoding="utf-8")
    described = {
        name: (kind, set(re.findall(r"`([a-z]+)`", labels)))
        for name, kind, labels in re.findall(
            r"^\| `(clearing_[a-z_]+)` \| (\w+) \|([^|]*)\|", page, re.MULTILINE
        )
    }
    assert described == {name: (kind, set(labels)) for name, kind, labels in metrics.names()}


def test_names_follow_the_conventions(metrics: Metrics) -> None:
    for name, kind, _ in metrics.names():
        assert name.startswith("clearing_")
        assert name.endswith("_total") is (kind == "counter"), name
        assert not re.search(r"_(ms|us|minutes|kb)\b", name), "base units only"


def test_every_metric_is_on_the_dashboard_or_in_a_rule(metrics: Metrics) -> None:
    asked = " ".join(expression for _, expression in expressions())
    unseen = [name for name, _, _ in metrics.names() if not re.search(rf"\b{name}", asked)]
    assert not unseen


def test_every_rule_says_how_urgent_it_is_and_what_was_found() -> None:
    names = [rule["alert"] for rule in rules()]
    assert len(names) == len(set(names)) > 10
    for rule in rules():
        assert rule["labels"]["severity"] in {"page", "ticket"}, rule["alert"]
        assert rule["annotations"]["summary"], rule["alert"]


def test_every_rule_is_described_with_what_to_do() -> None:
    page = (ROOT / "docs" / "operating" / "watch.md").read_text(encoding="utf-8")
    described = re.findall(r"^\| `([A-Z][A-Za-z]+)` \|", page, re.MULTILINE)
    assert sorted(described) == sorted(rule["alert"] for rule in rules())


def test_the_dashboard_is_whole() -> None:
    dashboard = loaded("grafana/dashboards/clearing.json")
    ids = [panel["id"] for panel in dashboard["panels"]]
    assert len(ids) == len(set(ids))
    (source,) = loaded("grafana/provisioning/datasources/prometheus.yml")["datasources"]
    assert {panel["datasource"]["uid"] for panel in panels()} == {source["uid"]}
    for panel in panels():
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24, panel["title"]


def test_compose_serves_what_prometheus_scrapes_and_mounts_what_grafana_reads() -> None:
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text("utf-8"))["services"]
    scraped = loaded("prometheus/prometheus.yml")
    (job,) = scraped["scrape_configs"]
    (target,) = job["static_configs"][0]["targets"]
    name, _, port = target.partition(":")
    command = services[name]["command"]
    assert command[command.index("--metrics-port") + 1] == port
    assert [(OPS / "prometheus" / file).is_file() for file in scraped["rule_files"]] == [True]
    (provider,) = loaded("grafana/provisioning/dashboards/clearing.yml")["providers"]
    assert (
        f"./ops/grafana/dashboards:{provider['options']['path']}:ro"
        in (services["grafana"]["volumes"])
    )
    (source,) = loaded("grafana/provisioning/datasources/prometheus.yml")["datasources"]
    assert source["url"] == "http://prometheus:9090"
