# PostgreSQL 16 with pg_cumulate. docker/compose.yaml runs it preloaded, with the sales pipeline filled.

FROM postgres:16-bookworm AS build

RUN apt-get update \
 && apt-get install -y --no-install-recommends build-essential libclang-dev postgresql-server-dev-16 \
 && rm -rf /var/lib/apt/lists/*

COPY --from=rust:1.95-slim-bookworm /usr/local/rustup /usr/local/rustup
COPY --from=rust:1.95-slim-bookworm /usr/local/cargo /usr/local/cargo
ENV RUSTUP_HOME=/usr/local/rustup CARGO_HOME=/usr/local/cargo PATH=/usr/local/cargo/bin:$PATH

# The same version as pgrx in Cargo.toml. Its default features ask for OpenSSL's headers, to fetch servers;
# no-run: no cluster is needed to build.
RUN cargo install cargo-pgrx --version 0.18.1 --locked --no-default-features --debug \
 && cargo pgrx init --no-run --pg16=/usr/lib/postgresql/16/bin/pg_config

WORKDIR /build
COPY . .
RUN cargo pgrx package --pg-config /usr/lib/postgresql/16/bin/pg_config --out-dir /package


FROM postgres:16-bookworm

COPY --from=build /package/usr/ /usr/

# The library works when it is loaded at server start.
CMD ["postgres", "-c", "shared_preload_libraries=pg_cumulate"]
