# One image for every process: `latchkey serve fapi|bapi|worker|all`, `migrate`, `bootstrap` ...
FROM rust:1.95-bookworm AS build
WORKDIR /src
COPY . .
# The caches outlive a build, so the binary is copied out of them.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    cargo build --locked --profile dist --package latchkey \
    && cp target/dist/latchkey /usr/local/bin/latchkey

FROM debian:bookworm-slim
# Certificates of the public web, for an S3 bucket; everything else brings its own.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates \
    && rm -rf /var/lib/apt/lists/*
RUN useradd --system --uid 10001 --home-dir /var/lib/latchkey --create-home latchkey \
    && chmod 700 /var/lib/latchkey
COPY --from=build /usr/local/bin/latchkey /usr/local/bin/latchkey
USER latchkey
# The master key, and the database where it is SQLite.
VOLUME /var/lib/latchkey
ENV LATCHKEY_DATA_DIR=/var/lib/latchkey \
    LATCHKEY_FAPI__HOST=0.0.0.0 \
    LATCHKEY_BAPI__HOST=0.0.0.0 \
    LATCHKEY_WORKER__HOST=0.0.0.0 \
    LATCHKEY_LOGGING__FORMAT=json
EXPOSE 4000 4001 4002
ENTRYPOINT ["latchkey"]
CMD ["serve", "all"]
