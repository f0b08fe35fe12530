"""Files of WAL to write over, as a server has that has been running for a while.

A new file is 16 MB of zeros and a flush, and a commit that comes to its end waits for that: about
100 ms here. A server keeps old files, up to `min_wal_size`, and makes new ones only while it is new
or where that is too small.
"""

import psycopg

_MEGABYTES = 1_024
_FILES = 40
_FILLING = 8_000_000


def run_in(url: str) -> None:
    """Write WAL as superuser, and have its files kept for use.

    Args:
        url: Of any database of the server.
    """
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"ALTER SYSTEM SET min_wal_size = '{_MEGABYTES}MB'".encode())
        connection.execute(b"SELECT pg_reload_conf()")
        for _ in range(_FILES):
            connection.execute(
                "SELECT pg_logical_emit_message(false, 'run in', repeat('x', %s)), pg_switch_wal()",
                (_FILLING,),
            )
        for _ in range(2):  # files of before the last checkpoint are kept by the next
            connection.execute(b"CHECKPOINT")
