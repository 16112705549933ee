#!/usr/bin/env bash
# Installs what is missing, builds everything with warnings as errors and runs the whole test suite.
# Arguments go to ctest, for example: scripts/test.sh -L unit
# With SORET_REQUIRE_GPU=1 a missing GPU is a failure instead of a skip.
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/build.sh release
ctest --preset release -j "$(nproc)" "$@"
