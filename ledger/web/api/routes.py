"""All routes of the API in one router."""

from fastapi import APIRouter

router = APIRouter()


@router.get("/health")
def health() -> dict[str, str]:
    """Whether the server answers; it asks nothing of the database."""
    return {"status": "ok"}
