#!/usr/bin/env bash
# Installs what is missing, configures and builds a preset (release unless named): build/<preset>/soret.
# Further arguments go to `cmake --build`.
set -euo pipefail
cd "$(dirname "$0")/.."

preset=${1:-release}
shift || true
scripts/install_dependencies.sh
cmake --preset "$preset" >"/dev/null" || { cmake --preset "$preset"; exit 1; }
cmake --build --preset "$preset" "$@"
