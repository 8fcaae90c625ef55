#!/usr/bin/env bash
# Runs the tests of the cipher for arm64: on this machine if it is one, else under qemu-user (Debian: apt-get install qemu-user).
set -euo pipefail
cd "$(dirname "$0")/../mtproto/ige"
runner=()
if [ "$(uname -m)" != aarch64 ]; then
  runner=("$(command -v qemu-aarch64 || command -v qemu-aarch64-static)") || { echo "install qemu-user" >&2; exit 1; }
fi
binary=$(mktemp)
trap 'rm -f "$binary"' EXIT
GOARCH=arm64 CGO_ENABLED=0 go test -c -o "$binary" .
"${runner[@]}" "$binary" -test.v
