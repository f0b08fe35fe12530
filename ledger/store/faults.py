"""What the driver raises, as faults of the ledger: the one place that translates."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import sqlalchemy.exc
from psycopg import errors

from ledger.errors import ConfigurationError, SchemaMismatch, StoreError, StoreUnavailable

_LATER = (
    psycopg.OperationalError,
    psycopg.InterfaceError,
    errors.LockNotAvailable,
    errors.QueryCanceled,
    errors.SerializationFailure,
    errors.DeadlockDetected,
    errors.IdleInTransactionSessionTimeout,
)
_DISTRUST = re.compile(
    "password authentication failed|no password supplied|certificate verify failed"
    "|does not match host name|root certificate file|no pg_hba.conf entry"
    "|pg_hba.conf rejects|does not support SSL|valid client certificate"
    "|certificate authentication failed|private key file|is not permitted to log in"
    '|FATAL: +role ".*" does not exist'
)
"""Of a connection that is refused for good, one side distrusting the other."""
_QUOTED = re.compile(r'"[^"]*"')
"""What the driver quotes of a URL that it cannot read may be a part of the password."""
_NO_ROLE = re.compile(r'role "clearing_\w+" does not exist')


@contextmanager
def translated() -> Iterator[None]:
    """Raise `StoreUnavailable` where the same call may work later, else `StoreError`."""
    try:
        yield
    except psycopg.Error as fault:
        raise _fault(fault) from fault
    except sqlalchemy.exc.DBAPIError as fault:
        original = fault.orig
        if not isinstance(original, psycopg.Error):
            raise StoreError(str(fault)) from fault
        raise _fault(original) from fault


def _fault(fault: psycopg.Error) -> StoreError | ConfigurationError:
    words = str(fault).strip() or type(fault).__name__
    if isinstance(fault, psycopg.ProgrammingError) and fault.sqlstate is None:
        return ConfigurationError(f"not a database URL: {_QUOTED.sub('...', words)}")
    if isinstance(fault, psycopg.OperationalError) and _DISTRUST.search(words):
        return StoreError(
            f"{words}: check the login and host of the database URL, PGPASSFILE or PGPASSWORD, and"
            " sslrootcert, which names the authority of the server's certificate; sslcert and"
            " sslkey, where it asks for one of ours"
        )
    if isinstance(fault, _LATER) or (fault.sqlstate or "").startswith(("08", "57P")):
        return StoreUnavailable(words)
    if isinstance(fault, errors.InvalidParameterValue) and _NO_ROLE.search(words):
        return SchemaMismatch(f"{words}: this cluster was never migrated, run `clearing migrate`")
    if isinstance(fault, errors.InsufficientPrivilege):
        return StoreError(
            f"{words}: connect as a superuser, or as a role that was granted"
            " clearing_writer (to write), clearing_auditor (to verify) or clearing_reader"
        )
    if isinstance(fault, errors.NoDataFound):  # raised by the ledger's functions, for people
        said = (fault.diag.message_primary, fault.diag.message_hint)
        return StoreError(". ".join(word for word in said if word))
    return StoreError(words)
