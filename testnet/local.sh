#!/usr/bin/env bash
# Builds what is missing and shows the main job with real processes on this machine.
#
# Usage: testnet/local.sh [--json] [--keep] [--nodes N] [--fault two-validators] [--dir DIR]
# Ends with 0 only when everything held. `decube testnet demo --help` describes the flags.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
target=${CARGO_TARGET_DIR:-$root/target}

if ! command -v cargo >/dev/null; then
    echo "error: cargo is not there; install Rust from https://rustup.rs" >&2
    exit 1
fi
echo "building decube (the first time takes some minutes)" >&2
# Standard output is for the result alone.
cargo build --manifest-path "$root/Cargo.toml" --target-dir "$target" -p decube-cli >&2

# The program takes the place of this shell, so that it gets every signal itself.
exec "$target/debug/decube" testnet demo "$@"
