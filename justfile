# `just` lists what there is.
_default:
    @just --list

# Everything that CI asks for
check: fmt-check clippy doc deny test openapi-check

# Every test, on SQLite and on PostgreSQL
test *arguments:
    cargo test --workspace {{arguments}}

# What the tests with a real browser need: Chromium itself comes from the system
browser:
    npm ci --prefix tests/browser --ignore-scripts

# Look for a crash in a reader for a minute; `cargo fuzz list` names them
fuzz target seconds="60":
    cargo +nightly fuzz run {{target}} -- -max_total_time={{seconds}}

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
