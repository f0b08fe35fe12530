"""The pages of the console, put together under one router."""

from asyncio import Semaphore

from fastapi import APIRouter
from starlette.datastructures import State

from ledger.store.web.connections import Readers
from ledger.web.console.pages import (
    auditing,
    explaining,
    fund,
    instruments,
    journal,
    liquidations,
    overview,
    participants,
    queue,
    signing_in,
    workbench,
)
from ledger.web.console.rendering import failed
from ledger.web.console.worked.lag import KafkaLag
from ledger.web.console.worked.patience import Patience
from ledger.web.console.worked.verifying import Verifier
from ledger.web.makers import MAKERS, Makers
from ledger.web.settings import WebSettings

ACTS_MAX = 2
"""People who write to breaks at one moment, each over a connection of its own."""

__all__ = ["failed", "router", "share"]

router = APIRouter()
for group in (
    overview,
    participants,
    journal,
    liquidations,
    fund,
    queue,
    instruments,
    explaining,
    auditing,
    signing_in,
    workbench,
):
    router.include_router(group.router)


def share(state: State) -> Makers:
    """Put what all pages share on the state of the application; what is closed at its end."""
    settings: WebSettings = state.settings
    makers = Makers(
        Readers(
            settings.database_url,
            "clearing_auditor",
            size=MAKERS,
            wait_s=settings.connection_wait_s,
            statement_s=settings.sum_statement_s,
        )
    )
    state.patience = Patience(makers)
    state.verifier = Verifier()
    ends = settings.end_offsets
    state.lag = None if ends is None else KafkaLag(ends, state.auditors)
    state.acts = Semaphore(ACTS_MAX)
    return makers
