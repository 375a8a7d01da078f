# syntax=docker/dockerfile:1

# The pages: architecture-independent, so they are built once on the builder's own platform.
FROM --platform=$BUILDPLATFORM node:20-bookworm-slim AS pages
WORKDIR /src/web
COPY web/package.json web/package-lock.json web/.npmrc ./
RUN npm ci --no-audit --no-fund
COPY web/ ./
RUN npm run build

# The binary, on the Debian whose libraries it will be linked to.
FROM rust:1.95-slim-bookworm AS build
RUN apt-get update && apt-get install -y --no-install-recommends \
      build-essential pkg-config libsrt-gnutls-dev \
      libgstreamer1.0-dev libgstreamer-plugins-base1.0-dev \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY . .
COPY --from=pages /src/web/dist web/dist
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    cargo build --release --locked --package millrace \
    && cp target/release/millrace /usr/local/bin/millrace

FROM debian:12-slim
RUN apt-get update && apt-get install -y --no-install-recommends \
      ca-certificates curl libsrt1.5-gnutls \
      gstreamer1.0-plugins-base gstreamer1.0-plugins-good gstreamer1.0-plugins-bad \
      gstreamer1.0-plugins-ugly gstreamer1.0-libav \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --no-create-home --shell /usr/sbin/nologin millrace \
    && install -d -o millrace -g millrace -m 0700 /data
COPY --from=build /usr/local/bin/millrace /usr/local/bin/millrace
COPY LICENSE-MIT LICENSE-APACHE /usr/share/doc/millrace/
USER millrace
# GStreamer keeps its list of plug-ins in a file; there is no home folder to put it into.
ENV MILLRACE_DATA=/data \
    GST_REGISTRY=/tmp/gstreamer-registry.bin
VOLUME /data
EXPOSE 8080/tcp 8443/tcp 1935/tcp 1936/tcp 8890/udp
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s \
  CMD ["curl", "-fsS", "-o", "/dev/null", "http://127.0.0.1:8080/health"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["millrace"]
CMD ["serve"]
