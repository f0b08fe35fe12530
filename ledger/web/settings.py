"""What the web server is told: its books, where it listens, and its bounds."""

from dataclasses import dataclass

from ledger.recon.controls import EndOffsets


@dataclass(frozen=True, slots=True)
class WebSettings:
    """Settings of one server.

    Attributes:
        database_url: Of the books.
        is_open: Answer everybody on this machine, without tokens; only ever on a loopback address.
        behind_proxy: Network of the proxies whose word is taken for where a request comes from;
            empty: of none.
        with_console: Serve the console beside the API, where it is installed.
        connections_max: Held to the database by each of the two roles that read pages and listings.
        stream_connections_max: Held besides by all streams together.
        connection_wait_s: A request waits so long for one of them, then is told to come again.
        statement_s: A statement of one request is given up after so long.
        sum_statement_s: As `statement_s`, of a sum over a whole pool.
        sum_wait_s: A request waits so long for such a sum, and is then told to come again.
        page_budget_ms: A page of rows ends after about so long, short, with a link to the rest.
        tokens_kept_s: Live tokens are believed so long; one that was taken back opens no longer.
        requests_per_minute: Of one token; of everybody together where it is open.
        requests_burst: Requests that may come at once before that rate holds.
        streams_max: Streams of records open at once.
        caller_streams_max: Of one token.
        poll_s: A stream looks for new records so often.
        heartbeat_s: And sends a comment when nothing came for so long.
        send_s: A stream is ended when its client takes nothing for so long.
        stream_s: A stream is ended after so long; clients come again by themselves.
        end_offsets: Asks the broker where topics end; None: the console shows no lag.
    """

    database_url: str
    is_open: bool = False
    behind_proxy: str = ""
    with_console: bool = True
    connections_max: int = 8
    stream_connections_max: int = 4
    connection_wait_s: float = 2.0
    statement_s: int = 10
    sum_statement_s: int = 300
    sum_wait_s: float = 20.0
    page_budget_ms: int = 120
    tokens_kept_s: float = 3.0
    requests_per_minute: int = 1_200
    requests_burst: int = 200
    streams_max: int = 50
    caller_streams_max: int = 5
    poll_s: float = 0.5
    heartbeat_s: float = 15.0
    send_s: float = 30.0
    stream_s: float = 3_600.0
    end_offsets: EndOffsets | None = None
