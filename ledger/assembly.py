"""The one place where the parts are put together: a database, a log, a writer."""

from collections.abc import Iterator
from contextlib import contextmanager

from ledger import settings
from ledger.audit.proofs.sealing import Sealer
from ledger.audit.proofs.signing import signer
from ledger.store import embedded
from ledger.store.log.overlapping import OverlappingLog
from ledger.store.log.ownership import Tenure
from ledger.store.log.postgres import PostgresLog
from ledger.store.migrate import migrate
from ledger.writer import Writer


@contextmanager
def database(given: str | None) -> Iterator[str]:
    """URL of the database that a command works on.

    The one given or set in the environment is used as it is. Without either, the embedded server
    under `CLEARING_HOME` is started for as long as the block runs, and migrated.

    Raises:
        ConfigurationError: The URL is wrong, or there is none and the extra `embedded` is missing.
    """
    url = settings.database_url(given)
    if url is not None:
        yield url
        return
    server = embedded.start(settings.home() / "postgres")
    try:
        migrate(server.url)
        yield server.url
    finally:
        server.stop()


def overlapping(url: str, application: str, tenure: Tenure | None = None) -> OverlappingLog:
    """The books for a run: batches are written while the next ones are decided.

    Raises:
        SchemaMismatch: The database is not migrated to this version.
        StoreUnavailable: It cannot be reached.
    """
    writing = PostgresLog.connect(url, application, tenure=tenure)
    try:
        return OverlappingLog(writing, PostgresLog.connect(url, f"{application}, look-ups"))
    except BaseException:
        writing.close()
        raise


def sealer_of(url: str) -> Sealer:
    """Who signs for a run; no key is made for books that another one signs.

    Raises:
        ConfigurationError: What is named is no key, or the books' own key is not there.
        SchemaMismatch: The database is not migrated to this version.
        StoreUnavailable: It cannot be reached.
    """
    log = PostgresLog.connect(url, "clearing run")
    try:
        return Sealer(signer(may_make=not log.signing_keys()))
    finally:
        log.close()


@contextmanager
def writing(
    url: str, application: str, *, take_over: bool = False
) -> Iterator[tuple[PostgresLog, Writer]]:
    """A log and its writer, for files and repairs; at the end states are kept, shards given back.

    Raises:
        ConfigurationError: These books do not know the signing key of the surroundings.
        SchemaMismatch: The database is not migrated to this version.
        ShardBusy: When it first needs a shard that a live writer holds (unless `take_over`).
    """
    log = PostgresLog.connect(url, application)
    try:
        sealer = Sealer(signer(may_make=not log.signing_keys()))
        writer = Writer(log, take_over=take_over, seal=sealer)
        yield log, writer
        writer.keep_states()
    finally:
        log.close()
