"""The real Apache Kafka, one node, for tests: jars by Maven, started with plain `java`.

The jars are fetched once, into `.cache/kafka` or what `CLEARING_CACHE` names.
"""

import os
import shutil
import subprocess
import tempfile
import time
import uuid
from contextlib import suppress
from pathlib import Path
from socket import create_connection

from consumers.embedded import free_port

ROOT = Path(__file__).resolve().parents[3]
POM = ROOT / "tests" / "kafka" / "pom.xml"
START_S = 60.0


class NotAvailableError(Exception):
    """Kafka cannot be run here; the message says why."""


def _jars() -> Path:
    cache = Path(os.environ.get("CLEARING_CACHE", ROOT / ".cache")) / "kafka"
    if not list(cache.glob("kafka_2.13-*.jar")):
        for program in ("java", "mvn"):
            if shutil.which(program) is None:
                raise NotAvailableError(f"{program} is not installed")
        fetch = ["mvn", "-q", "-B", "-f", str(POM), "dependency:copy-dependencies"]
        done = subprocess.run(
            [*fetch, f"-DoutputDirectory={cache}"], capture_output=True, check=False, text=True
        )
        if done.returncode:
            raise NotAvailableError(f"Maven could not fetch Kafka: {done.stdout[-500:]}")
    return cache


class ApacheKafka:
    """A running broker and controller in one; `stop` ends it and removes its files."""

    def __init__(self) -> None:
        """Start it and wait until it listens, some seconds."""
        self.bootstrap_servers = f"127.0.0.1:{free_port()}"
        self._home = Path(tempfile.mkdtemp(prefix="clearing-kafka-"))
        self._java = ["java", "-Xmx512m", "-Xms256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]
        self._java += ["-cp", f"{_jars()}/*"]
        settings = self._home / "server.properties"
        settings.write_text(self._settings())
        self._log = (self._home / "out.log").open("wb")
        storage = ["kafka.tools.StorageTool", "format", "--standalone", "-c", str(settings)]
        subprocess.run(
            [*self._java, *storage, "-t", str(uuid.uuid4())],
            check=True,
            stdout=self._log,
            stderr=self._log,
        )
        self._start()

    def _start(self) -> None:
        program = [*self._java, "kafka.Kafka", str(self._home / "server.properties")]
        self._running = subprocess.Popen(program, stdout=self._log, stderr=self._log)
        self._wait()

    def stop(self) -> None:
        self._running.kill()
        self._running.wait()
        self._log.close()
        shutil.rmtree(self._home, ignore_errors=True)

    def _settings(self) -> str:
        controller = f"127.0.0.1:{free_port()}"
        return "\n".join(
            [
                "process.roles=broker,controller",
                "node.id=1",
                f"controller.quorum.bootstrap.servers={controller}",
                "controller.listener.names=CONTROLLER",
                f"listeners=PLAINTEXT://{self.bootstrap_servers},CONTROLLER://{controller}",
                f"advertised.listeners=PLAINTEXT://{self.bootstrap_servers}",
                "listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
                f"log.dirs={self._home / 'logs'}",
                "auto.create.topics.enable=false",
                "offsets.topic.replication.factor=1",
                "offsets.topic.num.partitions=1",
                "transaction.state.log.replication.factor=1",
                "transaction.state.log.min.isr=1",
                "transaction.state.log.num.partitions=1",
                "group.initial.rebalance.delay.ms=0",
                "message.max.bytes=8388608",
            ]
        )

    def _wait(self) -> None:
        host, port = self.bootstrap_servers.split(":")
        until = time.monotonic() + START_S
        while time.monotonic() < until and self._running.poll() is None:
            with suppress(OSError), create_connection((host, int(port)), 1):
                return
            time.sleep(0.1)
        log = (self._home / "out.log").read_text()[-2000:]
        self.stop()
        raise NotAvailableError(f"Kafka did not start: {log}")
