"""The pages of the console, put together under one router."""

from fastapi import APIRouter

from ledger.web.console import (
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
from ledger.web.console.pages import failed

__all__ = ["failed", "router"]

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
