#!/usr/bin/env bash
# Installs every Debian package that building, testing and plotting need (Debian 12 or later, Ubuntu 24.04).
# Does nothing when all are there; asks for root (sudo) only when something is missing.
set -euo pipefail

packages=(
  # build
  g++ cmake ninja-build pkg-config git ca-certificates
  # libraries
  libeigen3-dev                   # linear algebra
  libboost-program-options-dev    # command line and config files
  libhdf5-dev                     # result files
  librandom123-dev                # counter-based random numbers
  libdnnl-dev                     # oneDNN: convolutions and matrix products in single precision
  libspectra-dev                  # Lanczos
  libgsl-dev                      # special functions, quadrature, minimisers
  libmuparser-dev                 # formulas in configs
  libfmt-dev                      # text
  nlohmann-json3-dev              # --json
  zlib1g-dev liblzma-dev          # packed datasets
  libmatio-dev libturbojpeg0-dev libzip-dev   # SVHN, Tiny-ImageNet
  # figures
  gnuplot-nox fonts-dejavu-core
  # tests
  libgtest-dev libgmock-dev
)

missing=()
for package in "${packages[@]}"; do
  dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q '^install ok installed$' || missing+=("$package")
done
[ ${#missing[@]} -eq 0 ] && exit 0

echo "Installing: ${missing[*]}" >&2
as_root=()
if [ "$(id -u)" -ne 0 ]; then
  if ! command -v sudo >/dev/null; then
    echo "Not root and no sudo. As root, run: apt-get install ${missing[*]}" >&2
    exit 1
  fi
  as_root=(sudo)
fi
export DEBIAN_FRONTEND=noninteractive
"${as_root[@]}" apt-get update -qq
"${as_root[@]}" apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
