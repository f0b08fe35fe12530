# The ledger with exactly the packages that its tests ran with.

FROM python:3.11.14-slim

ENV PYTHONUNBUFFERED=1 PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1

WORKDIR /opt/clearing

# The pins change less often than the source: they make a layer of their own.
COPY requirements.lock ./
RUN pip install --require-hashes --requirement requirements.lock

COPY pyproject.toml README.md LICENSE ./
COPY ledger ledger
COPY consumers consumers
COPY migrations migrations
RUN pip install --no-deps --no-build-isolation . \
    && useradd --system --uid 10001 --create-home clearing

USER clearing
WORKDIR /var/tmp
ENTRYPOINT ["clearing"]
CMD ["--help"]
