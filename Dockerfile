# PostgreSQL with pg_cumulate preloaded. docker/compose.yaml runs it with the sales pipeline filled.
#   docker build -t pg_cumulate .                              PostgreSQL 16
#   docker build --build-arg PG_MAJOR=18 -t pg_cumulate:18 .   another version: 15, 16, 17 or 18
#   docker build --target symbols --output symbols .           the debug symbols of the library, for gdb and perf
#   docker build --build-arg PG_MAJOR=18 --target cloudnative-pg -t pg_cumulate-extension:18 .
#                                                              an extension image for CloudNativePG

ARG PG_MAJOR=16
ARG DEBIAN=bookworm
ARG RUST=1.95

FROM rust:${RUST}-slim-${DEBIAN} AS rust


# What the extension is built with. The crates are fetched by TLS, and postgres has no certificates.
FROM postgres:${PG_MAJOR}-${DEBIAN} AS tools
RUN apt-get update \
 && apt-get install -y --no-install-recommends \
        build-essential ca-certificates libclang-dev python3-minimal postgresql-server-dev-${PG_MAJOR} \
 && rm -rf /var/lib/apt/lists/*
COPY --from=rust /usr/local/rustup /usr/local/rustup
COPY --from=rust /usr/local/cargo /usr/local/cargo
ENV RUSTUP_HOME=/usr/local/rustup CARGO_HOME=/usr/local/cargo PATH=/usr/local/cargo/bin:$PATH
# The same version as pgrx in Cargo.toml. Its default features ask for OpenSSL's headers, to fetch servers;
# no-run: no cluster is needed to build.
ARG PGRX=0.18.1
RUN cargo install cargo-pgrx --version ${PGRX} --locked --no-default-features --debug \
 && cargo pgrx init --no-run --pg${PG_MAJOR}=/usr/lib/postgresql/${PG_MAJOR}/bin/pg_config


# The crates of others, which a change of ours does not compile again: they are built below an empty extension.
FROM tools AS crates
WORKDIR /build
COPY Cargo.toml Cargo.lock build.rs pg_cumulate.control ./
COPY pg_test/Cargo.toml pg_test/
RUN mkdir src \
 && echo 'pgrx::pg_module_magic!(name, version);' > src/lib.rs \
 && cargo pgrx package --pg-config /usr/lib/postgresql/${PG_MAJOR}/bin/pg_config --out-dir /empty \
 && rm -rf src /empty


FROM crates AS build
COPY src src
COPY sql sql
# Newer than the empty extension, whatever time the checkout says.
RUN touch src/lib.rs \
 && cargo pgrx package --pg-config /usr/lib/postgresql/${PG_MAJOR}/bin/pg_config --out-dir /package
RUN apt-get update \
 && apt-get install -y --no-install-recommends python3 \
 && rm -rf /var/lib/apt/lists/*
COPY LICENSE ./
COPY scripts/crate_licences.py scripts/
RUN set -eux; \
    library=/package/usr/lib/postgresql/${PG_MAJOR}/lib/pg_cumulate.so; \
    symbols=/symbols/usr/lib/debug/usr/lib/postgresql/${PG_MAJOR}/lib/pg_cumulate.so.debug; \
    mkdir -p "$(dirname "$symbols")"; \
    objcopy --only-keep-debug "$library" "$symbols"; \
    strip --strip-debug --strip-unneeded "$library"; \
    objcopy --add-gnu-debuglink="$symbols" "$library"; \
    documents=/package/usr/share/doc/postgresql-${PG_MAJOR}-cumulate; \
    mkdir -p "$documents"; \
    cp LICENSE "$documents/"; \
    cargo metadata --format-version 1 --locked | python3 scripts/crate_licences.py pg_cumulate > "$documents/CRATES"


FROM scratch AS symbols
COPY --from=build /symbols/ /


# Found by extension_control_path and dynamic_library_path of PostgreSQL 18, which CloudNativePG sets.
FROM scratch AS cloudnative-pg
ARG PG_MAJOR
COPY --from=build /package/usr/lib/postgresql/${PG_MAJOR}/lib/ /lib/
COPY --from=build /package/usr/share/postgresql/${PG_MAJOR}/extension/ /share/extension/
COPY --from=build /package/usr/share/doc/postgresql-${PG_MAJOR}-cumulate/ /licenses/


FROM postgres:${PG_MAJOR}-${DEBIAN}
ARG VERSION=0.1.0
LABEL org.opencontainers.image.title="pg_cumulate" \
      org.opencontainers.image.description="PostgreSQL with pg_cumulate: cumulative tables, advanced inside the database" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.licenses="MIT"
COPY --from=build /package/usr/ /usr/
COPY docker/healthcheck.sh /usr/local/bin/pg_cumulate_healthcheck
# In the sample, which initdb copies, so that options of the command line leave it alone.
RUN echo "shared_preload_libraries = 'pg_cumulate'" >> /usr/share/postgresql/postgresql.conf.sample
COPY docker/smoke.sh /tmp/
RUN su postgres -s /bin/sh -c /tmp/smoke.sh && rm /tmp/smoke.sh
HEALTHCHECK --interval=10s --timeout=5s --start-period=2m --retries=6 CMD ["pg_cumulate_healthcheck"]
