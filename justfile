# `just` lists what there is.
_default:
    @just --list

# Everything that CI asks for
check: fmt-check clippy doc deny test openapi-check

# Every test, on SQLite and on PostgreSQL
test *arguments:
    cargo test --workspace {{arguments}}

# The whole platform for a developer
dev *arguments:
    cargo run -- dev {{arguments}}

# Write openapi/fapi.yaml and openapi/bapi.yaml from the code
openapi:
    cargo run --quiet -- openapi --out openapi

# The committed documents are the code's
openapi-check: openapi
    git diff --exit-code -- openapi

# Format the code
fmt:
    cargo fmt --all

# The code is formatted
fmt-check:
    cargo fmt --all --check

# Lints, warnings refused
clippy:
    cargo clippy --workspace --all-targets -- --deny warnings

# The documentation builds without warnings
doc:
    RUSTDOCFLAGS="--deny warnings" cargo doc --workspace --no-deps --document-private-items

# Licences, advisories and who may use whom
deny:
    cargo deny check

# Dependencies that nobody uses
machete:
    cargo machete

# Requests per second, CPU and memory, on loopback
bench *arguments:
    cargo run --release -- bench {{arguments}}

# PostgreSQL, a mail catcher and each part as a process of its own
up:
    docker compose up --build
