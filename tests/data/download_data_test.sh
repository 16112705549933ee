#!/usr/bin/env bash
# Runs scripts/download_data.sh against a local mirror of tiny files, in a copy that expects their MD5 sums
# instead of the published ones. Usage: download_data_test.sh SOURCE_DIR. Exit code 77: no curl, skipped.
set -euo pipefail

command -v curl >/dev/null || exit 77
work=$(mktemp -d)
trap 'rm -rf -- "$work"' EXIT
mirror="$work/mirror"
data="$work/data with blank"
export SORET_DATA_MIRROR="file://$mirror"

fail() {
  echo "FAILED: $1" >&2
  cat "$work/log" >&2
  exit 1
}
# run CODE ARGUMENT...: the script must exit with CODE; its output goes to $work/log.
run() {
  local expected=$1 code=0
  shift
  bash "$work/download_data.sh" "$@" >"$work/log" 2>&1 || code=$?
  [[ $code == "$expected" ]] || fail "download_data.sh $*: exit code $code, expected $expected"
}
says() { grep --quiet --fixed-strings -- "$1" "$work/log" || fail "the output lacks: $1"; }

# The mirror, and the copy of the script.
cp "$1/scripts/download_data.sh" "$work/download_data.sh"
expect() { sed -i "s/$1/$(md5sum "$2" | cut -d ' ' -f 1)/" "$work/download_data.sh"; }
mkdir -p "$mirror/mnist" "$mirror/cifar10/cifar-10-batches-bin"
while read -r md5 file; do
  echo "content of $file" >"$mirror/mnist/$file"
  expect "$md5" "$mirror/mnist/$file"
done <<'FILES'
f68b3c2dcbeaaa9fbdd348bbdeb94873 train-images-idx3-ubyte.gz
d53e105ee54ea40749a09fcbcd1e9432 train-labels-idx1-ubyte.gz
9fb629c4189551a2d022fa330f9573f3 t10k-images-idx3-ubyte.gz
ec29112dd5afa0611ce80d1b7f02629c t10k-labels-idx1-ubyte.gz
FILES
batches="$mirror/cifar10/cifar-10-batches-bin"
while read -r md5 file; do
  echo "content of $file" >"$batches/$file"
  expect "$md5" "$batches/$file"
done <<'FILES'
5dd7e06a14cb22eb9f671a540d1b7c25 data_batch_1.bin
5ea93a67294ea407fff1d09f752e9692 data_batch_2.bin
942cd6a4bcdd0dd3c604fbe906cb4421 data_batch_3.bin
ae636b3ba5c66a11e91e8cb52e771fcb data_batch_4.bin
53f37980c15c3d472c316c40844f3f0d data_batch_5.bin
803d5f7f4d78ea53de84dbe85f74fb6d test_batch.bin
FILES
archive="$mirror/cifar10/cifar-10-binary.tar.gz"
tar --create --gzip --file "$archive" --directory "$mirror/cifar10" cifar-10-batches-bin
expect c32a1d4ab5d03f1284b67883e8d87530 "$archive"
mkdir -p "$mirror/cifar100/cifar-100-binary" "$mirror/svhn" "$mirror/tiny-imagenet"
echo 'content of train' >"$mirror/cifar100/cifar-100-binary/train.bin"
echo 'content of test' >"$mirror/cifar100/cifar-100-binary/test.bin"
sed -i 's/153700000 30740000/17 16/' "$work/download_data.sh"
tar --create --gzip --file "$mirror/cifar100/cifar-100-binary.tar.gz" --directory "$mirror/cifar100" cifar-100-binary
expect 03b5dce01913d631647c71ecec9e9cb8 "$mirror/cifar100/cifar-100-binary.tar.gz"
while read -r md5 file; do
  echo "content of $file" >"$mirror/$file"
  expect "$md5" "$mirror/$file"
done <<'FILES'
e26dedcc434d2e4c54c9b2d4a06d8373 svhn/train_32x32.mat
eb5a983be6a315427106f1b164d9cef3 svhn/test_32x32.mat
90528d7ca1a48142e341f4ef8d21d0de tiny-imagenet/tiny-imagenet-200.zip
FILES

run 0 --help
says "SORET_DATA_MIRROR"
run 2
run 2 imagenet "$data"
says 'unknown dataset "imagenet"; allowed: mnist, fashion_mnist, cifar10, cifar100, svhn, tiny_imagenet, all'
for name in mnist tiny_imagenet_32 all; do
  run 2 "$name"
  says "no DIR given for $name"
done

run 0 mnist "$data"
diff -r "$mirror/mnist" "$data/mnist" || fail "mnist differs from the mirror"
says "SORET_DATA=$data"

# What is there and valid is not downloaded again; what is damaged is.
labels="$data/mnist/t10k-labels-idx1-ubyte.gz"
echo damaged >"$labels"
mv "$mirror/mnist/train-images-idx3-ubyte.gz" "$work/"
run 0 mnist "$data"
says "train-images-idx3-ubyte.gz: already there and valid"
diff "$mirror/mnist/t10k-labels-idx1-ubyte.gz" "$labels" || fail "the damaged file was not replaced"
mv "$work/train-images-idx3-ubyte.gz" "$mirror/mnist/"

# An interrupted download is resumed: the mirror's first bytes have changed, so only its tail can have come.
rm "$labels"
head --bytes=5 "$mirror/mnist/t10k-labels-idx1-ubyte.gz" >"$labels.partial"
cp "$mirror/mnist/t10k-labels-idx1-ubyte.gz" "$work/original"
sed -i 's/^...../XXXXX/' "$mirror/mnist/t10k-labels-idx1-ubyte.gz"
run 0 mnist "$data"
diff "$work/original" "$labels" || fail "the download was not resumed"

# A mirror that delivers something else leaves nothing behind.
rm "$labels"
run 1 mnist "$data"
says "thrown away"
says "cannot download t10k-labels-idx1-ubyte.gz"
[[ ! -e $labels && ! -e $labels.partial ]] || fail "an invalid download was left behind"

run 0 cifar10 "$data"
diff -r "$batches" "$data/cifar10" || fail "cifar10 differs from the mirror"
rm "$archive"
run 0 cifar10 "$data"
says "already there and valid"
rm "$data/cifar10/test_batch.bin"
run 1 cifar10 "$data"
says "cannot download cifar-10-binary.tar.gz"

run 0 cifar100_coarse "$data"
diff -r "$mirror/cifar100/cifar-100-binary" "$data/cifar100" || fail "cifar100 differs from the mirror"
echo cut >"$data/cifar100/test.bin"
run 0 cifar100 "$data"
diff -r "$mirror/cifar100/cifar-100-binary" "$data/cifar100" || fail "the incomplete file was not replaced"
run 0 cifar100 "$data"
says "already there and complete"

run 0 svhn "$data"
diff -r "$mirror/svhn" "$data/svhn" || fail "svhn differs from the mirror"
run 0 tiny_imagenet_32 "$data"
diff -r "$mirror/tiny-imagenet" "$data/tiny-imagenet" || fail "tiny-imagenet differs from the mirror"
run 2 mnist_32 "$data"
