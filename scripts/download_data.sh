#!/usr/bin/env bash
# Downloads the image datasets that Soret reads, and verifies them against their published MD5 sums.
set -euo pipefail

usage() {
  cat <<'USAGE'
Usage: scripts/download_data.sh [DATASET] DIR

Downloads datasets from their public sites into DIR/mnist, DIR/fashion-mnist and so on and verifies their MD5
sums. Files that are there and valid are kept; an interrupted download is resumed.

  mnist           11 MB   handwritten digits (LeCun, Cortes, Burges 1998)
  fashion_mnist   30 MB   clothing (Xiao, Rasul, Vollgraf 2017)
  cifar10        170 MB   colour photographs (Krizhevsky 2009), 184 MB when unpacked
  cifar100       169 MB   the same in 100 classes, 184 MB when unpacked; also named cifar100_coarse
  svhn           246 MB   house numbers (Netzer et al. 2011)
  tiny_imagenet  248 MB   photographs of 200 classes (Stanford CS231N); also named tiny_imagenet_32
  all            everything above (the default)

Then tell Soret where they are: data.path = DIR in a config, or SORET_DATA=DIR in the environment.

Environment:
  SORET_DATA_MIRROR=URL   download URL/mnist/FILE, URL/fashion-mnist/FILE, ... instead: the folders of DIR

Needs curl or wget, md5sum, tar and gzip. Exit codes: 0 done, 1 a download or a checksum failed, 2 usage.
USAGE
}

die() {
  echo "download_data.sh: $1" >&2
  exit "${2:-1}"
}

md5_of() { md5sum -- "$1" | cut -d ' ' -f 1; }

is_valid() { [[ -f $1 && $(md5_of "$1") == "$2" ]]; }

# fetch URL FILE: appends what FILE still lacks.
fetch() {
  if command -v curl >/dev/null; then
    curl --fail --location --progress-bar --retry 3 --connect-timeout 20 --continue-at - --output "$2" -- "$1"
  else
    wget --continue --tries=3 --connect-timeout=20 --output-document="$2" -- "$1"
  fi
}

# download FOLDER FILE MD5 BASE_URL...: FOLDER/FILE, from the first base URL that delivers it intact.
download() {
  local folder=$1 file=$2 md5=$3
  shift 3
  local target="$folder/$file" partial="$folder/$file.partial" base
  if is_valid "$target" "$md5"; then
    echo "$target: already there and valid"
    return
  fi
  if [[ -n ${SORET_DATA_MIRROR:-} ]]; then
    set -- "$SORET_DATA_MIRROR/$(basename "$folder")"
  fi
  for base in "$@"; do
    echo "$target: downloading $base/$file"
    if ! is_valid "$partial" "$md5" && ! fetch "$base/$file" "$partial"; then
      echo "$target: $base does not deliver it" >&2
      continue
    fi
    if is_valid "$partial" "$md5"; then
      mv -- "$partial" "$target"
      return
    fi
    echo "$target: what $base delivers has MD5 $(md5_of "$partial"), expected $md5; thrown away" >&2
    rm -f -- "$partial"
  done
  [[ ! -f $partial ]] || echo "$partial is kept and resumed next time; delete it to start afresh" >&2
  die "cannot download $file; check the network, or fetch it by hand into $folder"
}

get_mnist() {
  local sites=(
    https://ossci-datasets.s3.amazonaws.com/mnist
    https://storage.googleapis.com/cvdf-datasets/mnist
  )
  mkdir -p -- "$1/mnist"
  download "$1/mnist" train-images-idx3-ubyte.gz f68b3c2dcbeaaa9fbdd348bbdeb94873 "${sites[@]}"
  download "$1/mnist" train-labels-idx1-ubyte.gz d53e105ee54ea40749a09fcbcd1e9432 "${sites[@]}"
  download "$1/mnist" t10k-images-idx3-ubyte.gz 9fb629c4189551a2d022fa330f9573f3 "${sites[@]}"
  download "$1/mnist" t10k-labels-idx1-ubyte.gz ec29112dd5afa0611ce80d1b7f02629c "${sites[@]}"
}

get_fashion_mnist() {
  local sites=(http://fashion-mnist.s3-website.eu-central-1.amazonaws.com)
  mkdir -p -- "$1/fashion-mnist"
  download "$1/fashion-mnist" train-images-idx3-ubyte.gz 8d4fb7e6c68d591d4c3dfef9ec88bf0d "${sites[@]}"
  download "$1/fashion-mnist" train-labels-idx1-ubyte.gz 25c81989df183df01b3e8a0aad5dffbe "${sites[@]}"
  download "$1/fashion-mnist" t10k-images-idx3-ubyte.gz bef4ecab320f06d8554ea6380940ec79 "${sites[@]}"
  download "$1/fashion-mnist" t10k-labels-idx1-ubyte.gz bb300cfdad3c16e7a12a480ee83cd310 "${sites[@]}"
}

# Batch files and their MD5 sums, as md5sum --check reads them.
cifar10_batches() {
  cat <<'SUMS'
5dd7e06a14cb22eb9f671a540d1b7c25  data_batch_1.bin
5ea93a67294ea407fff1d09f752e9692  data_batch_2.bin
942cd6a4bcdd0dd3c604fbe906cb4421  data_batch_3.bin
ae636b3ba5c66a11e91e8cb52e771fcb  data_batch_4.bin
53f37980c15c3d472c316c40844f3f0d  data_batch_5.bin
803d5f7f4d78ea53de84dbe85f74fb6d  test_batch.bin
SUMS
}

cifar10_is_valid() (cd -- "$1" && cifar10_batches | md5sum --check --status 2>/dev/null)

get_cifar10() {
  local folder="$1/cifar10" archive=cifar-10-binary.tar.gz
  mkdir -p -- "$folder"
  if cifar10_is_valid "$folder"; then
    echo "$folder: already there and valid"
    return
  fi
  download "$folder" "$archive" c32a1d4ab5d03f1284b67883e8d87530 https://www.cs.toronto.edu/~kriz
  tar --extract --gzip --file "$folder/$archive" --directory "$folder" --strip-components=1
  cifar10_is_valid "$folder" || die "$folder: the unpacked batches are not valid; is the disk full?"
  rm -- "$folder/$archive"
}

# Sizes of the two files that are read: nobody publishes their MD5 sums, and the archive was verified.
cifar100_is_valid() {
  [[ $(stat --format=%s "$1/train.bin" "$1/test.bin" 2>/dev/null | paste --serial --delimiters=' ') == '153700000 30740000' ]]
}

get_cifar100() {
  local folder="$1/cifar100" archive=cifar-100-binary.tar.gz
  mkdir -p -- "$folder"
  if cifar100_is_valid "$folder"; then
    echo "$folder: already there and complete"
    return
  fi
  download "$folder" "$archive" 03b5dce01913d631647c71ecec9e9cb8 https://www.cs.toronto.edu/~kriz
  tar --extract --gzip --file "$folder/$archive" --directory "$folder" --strip-components=1
  cifar100_is_valid "$folder" || die "$folder: the unpacked files are not complete; is the disk full?"
  rm -- "$folder/$archive"
}

get_svhn() {
  local site=http://ufldl.stanford.edu/housenumbers
  mkdir -p -- "$1/svhn"
  download "$1/svhn" train_32x32.mat e26dedcc434d2e4c54c9b2d4a06d8373 "$site"
  download "$1/svhn" test_32x32.mat eb5a983be6a315427106f1b164d9cef3 "$site"
}

# Stays packed: Soret reads the archive.
get_tiny_imagenet() {
  mkdir -p -- "$1/tiny-imagenet"
  download "$1/tiny-imagenet" tiny-imagenet-200.zip 90528d7ca1a48142e341f4ef8d21d0de http://cs231n.stanford.edu
}

readonly datasets='mnist fashion_mnist cifar10 cifar100 svhn tiny_imagenet'

# The dataset behind a kind that Soret knows; nothing for others.
dataset_of() {
  case $1 in
    cifar100_coarse) echo cifar100 ;;
    tiny_imagenet_32) echo tiny_imagenet ;;
    *) [[ " $datasets all " != *" $1 "* ]] || echo "$1" ;;
  esac
}

main() {
  local kind=all dataset directory
  case ${1:-} in
    -h | --help)
      usage
      return
      ;;
  esac
  case $# in
    1)
      directory=$1
      [[ -z $(dataset_of "$directory") ]] || die "no DIR given for $directory" 2
      ;;
    2) kind=$1 directory=$2 ;;
    *)
      usage >&2
      exit 2
      ;;
  esac
  dataset=$(dataset_of "$kind")
  [[ -n $dataset ]] || die "unknown dataset \"$kind\"; allowed: ${datasets// /, }, all" 2
  [[ -n $directory ]] || die "DIR is empty" 2
  command -v curl >/dev/null || command -v wget >/dev/null ||
    die "needs curl or wget: sudo apt-get install curl"
  if [[ $dataset == all ]]; then
    for dataset in $datasets; do "get_$dataset" "$directory"; done
  else
    "get_$dataset" "$directory"
  fi
  echo "Done. Use it with data.path = $directory in a config, or SORET_DATA=$directory in the environment."
}

main "$@"
