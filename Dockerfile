# One image with the DNS server, the control plane and its command line:
#
#   docker build -t containerdns:0.1 .
#
# What cargo downloads and builds is kept in BuildKit's caches between builds, so that a change of the
# source builds what depends on it and no more. The programs are copied out of the cache.

FROM rust:1-bookworm AS build
RUN apt-get update \
 && apt-get install -y --no-install-recommends protobuf-compiler libprotobuf-dev git \
 && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    cargo build --release --locked \
      -p containerdns -p containerdns-kubeapi -p containerdns-apicmd \
 && install -D -t /out \
      target/release/containerdns \
      target/release/containerdns-kubeapi \
      target/release/containerdns-apicmd

FROM debian:bookworm-slim
RUN groupadd --system --gid 10001 containerdns \
 && useradd --system --uid 10001 --gid 10001 --no-create-home --home-dir /nonexistent \
      --shell /usr/sbin/nologin containerdns \
 && install -d -o 10001 -g 10001 /var/lib/containerdns
COPY --from=build /out/ /usr/local/bin/
COPY configs/ /usr/share/containerdns/
# The control plane needs no more; neither does the DNS server on ports above 1023.
USER 10001:10001
CMD ["containerdns", "--help"]
