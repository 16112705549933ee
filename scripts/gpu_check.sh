#!/bin/sh
# Runs the GPU tests and benches of a portable build on a machine with a CUDA device and nothing else, and
# writes what came out as one JSON file.
#
#   scripts/gpu_check.sh [BUILD_DIR] [OUT.json]
#
# BUILD_DIR: where the build's soret and tests/test_* lie (default: build/portable). OUT.json: default
# results/gpu/<device>-<date>.json. The exit code is 0 only if every test and bench passed.
set -u

build=${1:-build/portable}
soret=$build/soret
[ -x "$soret" ] || { echo "gpu_check: no $soret; build it with: cmake --preset portable && cmake --build build/portable" >&2; exit 2; }

work=$(mktemp -d) || exit 4
trap 'rm -rf "$work"' EXIT

device=$(nvidia-smi --query-gpu=name --format=csv,noheader 2>/dev/null | head -n 1)
driver=$(nvidia-smi --query-gpu=driver_version --format=csv,noheader 2>/dev/null | head -n 1)
date=$(date -u +%Y-%m-%dT%H:%M:%SZ)
slug=$(printf '%s' "${device:-no-device}" | tr '[:upper:]' '[:lower:]' | tr -cs '[:alnum:]' '-' | sed 's/^-//; s/-$//')
out=${2:-results/gpu/$slug-$(date -u +%Y%m%d).json}
mkdir -p "$(dirname "$out")" || exit 4

failed=0
tests=
for test in "$build"/tests/test_*; do
  if [ ! -f "$test" ] || [ ! -x "$test" ]; then continue; fi
  name=$(basename "$test")
  "$test" --gtest_list_tests --gtest_filter='*Cuda*' 2>/dev/null | grep -q '^  ' || continue
  echo "== $name" >&2
  if SORET_REQUIRE_GPU=1 "$test" --gtest_filter='*Cuda*' --gtest_output="json:$work/$name.json" >&2; then
    code=0
  else
    code=$?
    failed=1
  fi
  report=null
  [ -s "$work/$name.json" ] && report=$(cat "$work/$name.json")
  tests="$tests${tests:+,}{\"binary\": \"$name\", \"exit_code\": $code, \"report\": $report}"
done
[ -n "$tests" ] || { echo "gpu_check: no GPU tests in $build/tests" >&2; failed=1; }

bench() {
  echo "== soret bench $1" >&2
  if "$soret" bench "$1" --json >"$work/bench.json" && [ -s "$work/bench.json" ]; then
    cat "$work/bench.json"
  else
    echo null
    return 1
  fi
}
cuda=$(bench two_layer_cuda) || failed=1
langevin=$(bench langevin_cuda) || failed=1
walk=$(bench random_walk_cuda) || failed=1
deep=$(bench deep_ensemble_cuda) || failed=1
cpu=$(bench two_layer) || failed=1

cat >"$out" <<JSON
{
  "device": "$device",
  "driver": "$driver",
  "date": "$date",
  "passed": $([ "$failed" = 0 ] && echo true || echo false),
  "bench_cuda": $cuda,
  "bench_langevin_cuda": $langevin,
  "bench_random_walk_cuda": $walk,
  "bench_deep_ensemble_cuda": $deep,
  "bench_cpu": $cpu,
  "tests": [$tests]
}
JSON
echo "gpu_check: $([ "$failed" = 0 ] && echo passed || echo FAILED), written to $out" >&2
exit "$failed"
