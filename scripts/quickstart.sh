#!/usr/bin/env bash
# From a fresh clone to a figure: installs, builds, runs configs/quickstart.cfg, collapses it and draws it.
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/build.sh release --target soret
soret=build/release/soret
mkdir -p results

"$soret" run configs/quickstart.cfg -o results/quickstart.h5
"$soret" collapse results/quickstart.h5 --observable activation_rate -o results/quickstart-collapse.h5
"$soret" plot results/quickstart.h5 --observable activation_rate -o results/quickstart.png
echo
echo "Figure:  $PWD/results/quickstart.png"
echo "Data:    $PWD/results/quickstart.h5 (curves), $PWD/results/quickstart-collapse.h5 (collapse)"
