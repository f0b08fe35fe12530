"""The metrics of a run, as Prometheus reads them."""

from prometheus_client import CollectorRegistry, generate_latest

__all__ = ["CollectorRegistry", "generate_latest"]
