# The ledger with exactly the packages that its tests ran with, its core compiled.

FROM python:3.11.14-slim AS build

ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1

RUN apt-get update && apt-get install --yes --no-install-recommends gcc libc6-dev \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /opt/clearing

# The pins change less often than the source: they make a layer of their own.
COPY requirements.lock ./
RUN pip install --require-hashes --requirement requirements.lock

COPY pyproject.toml README.md LICENSE ./
COPY ledger ledger
COPY consumers consumers
COPY migrations migrations
RUN HATCH_BUILD_HOOK_ENABLE_MYPYC=1 hatchling build -t wheel -d dist


FROM python:3.11.14-slim

ENV PYTHONUNBUFFERED=1 PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1

WORKDIR /opt/clearing
COPY requirements.lock ./
RUN pip install --require-hashes --requirement requirements.lock
COPY --from=build /opt/clearing/dist dist
RUN pip install --no-deps dist/*.whl && rm -rf dist \
    && useradd --system --uid 10001 --create-home clearing \
    && install --directory --owner=clearing --group=clearing --mode=0700 /var/lib/clearing

# Of the signing key: mount a volume here, or name a key by CLEARING_SIGNING_KEY_FILE.
ENV CLEARING_HOME=/var/lib/clearing
USER clearing
WORKDIR /var/tmp
ENTRYPOINT ["clearing"]
CMD ["--help"]
