# Short names for what CONTRIBUTING.md describes; every recipe is one command that also works alone.

# Everything that is checked before a change is offered.
ci:
    .ci/run

# Format, lints and documentation.
check:
    cargo fmt --all --check
    cargo lint
    RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps

# All tests.
test:
    cargo test --workspace

# The fixed seeds of the simulation.
sim:
    cargo sim -- --seeds 0..200

# The main job, on one machine.
local:
    ./testnet/local.sh

# The figures of docs/benchmarks.md.
bench:
    cargo run --release -p decube-testnet -- bench local

# A million inputs for each target of docs/fuzzing.md.
fuzz:
    DECUBE_FUZZ_INPUTS=1000000 cargo test --release -p decube-crypto -p decube-protocols --test fuzz -- --nocapture
