# syntax=docker/dockerfile:1

# --- The wheel. It needs Rust and maturin, which are not in the final image. ---
FROM rust:1.95-slim-trixie AS builder
# The base image pins the distribution. Exact versions of packages would disappear from the mirrors.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends libssl-dev pkg-config python3 python3-venv \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY deploy/image/build-requirements.txt deploy/image/
RUN python3 -m venv /opt/maturin \
    && /opt/maturin/bin/pip install --no-cache-dir --require-hashes --requirement deploy/image/build-requirements.txt
# Rust alone, with an empty package: a change of Python compiles nothing again, and takes seconds instead of minutes.
COPY Cargo.toml Cargo.lock pyproject.toml README.md LICENSE ./
COPY core_rs core_rs
COPY benchmarks/load benchmarks/load
RUN mkdir app && touch app/__init__.py \
    && /opt/maturin/bin/maturin build --release --locked --compatibility linux --interpreter python3 --out /tmp/unused
COPY app app
# The wheel is for the images of this file alone: it uses their OpenSSL, which the final image has for Python.
RUN /opt/maturin/bin/maturin build --release --locked --compatibility linux --interpreter python3 --out /wheels

# --- The wheel with its dependencies, in a virtual environment that is copied as a whole and has no pip. ---
FROM python:3.13-slim-trixie AS installer
# Versions and hashes of one day (`make lock`), so that the same commit always makes the same image. The binaries of
# the embedded engines are not among them: the image runs with DATABASE_URL and REDIS_URL.
COPY deploy/image/requirements.txt /
RUN python -m venv --without-pip /opt/stationmaster \
    && pip --python /opt/stationmaster install --no-cache-dir --no-deps --require-hashes --requirement /requirements.txt
COPY --from=builder /wheels /wheels
RUN pip --python /opt/stationmaster install --no-cache-dir --no-deps /wheels/*.whl

FROM python:3.13-slim-trixie
LABEL org.opencontainers.image.title="Stationmaster" \
      org.opencontainers.image.description="A multi-tenant OCPP 1.6J central system" \
      org.opencontainers.image.licenses="Apache-2.0"
# Nothing is installed in a running container, so an attacker gets no tool for that.
RUN pip uninstall --yes --root-user-action=ignore pip \
    && rm -rf /usr/local/lib/python3.13/ensurepip \
    && useradd --system --uid 10001 --home-dir /var/lib/stationmaster --create-home stationmaster
COPY --from=installer /opt/stationmaster /opt/stationmaster
ENV PATH=/opt/stationmaster/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    STATIONMASTER_HOST=0.0.0.0 \
    STATIONMASTER_PORT=8080 \
    STATIONMASTER_DATA_DIRECTORY=/var/lib/stationmaster
# `docker build --build-arg COMMIT=$(git rev-parse HEAD)`: shown by the metrics.
ARG COMMIT=unknown
ENV STATIONMASTER_COMMIT=$COMMIT
USER 10001
WORKDIR /var/lib/stationmaster
# TLS needs certificates, and a port such as 8443: docs/tls.md.
EXPOSE 8080 8443
# Alive, and not ready: a container whose database is away must keep the sockets of its charge points (docs/health.md).
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-S", "-c", "import os, urllib.request; urllib.request.urlopen(f'http://127.0.0.1:{os.environ[\"STATIONMASTER_PORT\"]}/health/live', timeout=4)"]
# At SIGTERM sockets close with 1001, waiting records are committed, then the processes end.
STOPSIGNAL SIGTERM
ENTRYPOINT ["stationmaster"]
CMD ["serve"]
