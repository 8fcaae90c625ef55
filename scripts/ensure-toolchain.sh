#!/usr/bin/env bash
# Installs what building with the race detector needs beyond Go and git: a C compiler and make, from Debian's packages.
set -euo pipefail
missing=()
command -v make >/dev/null || missing+=(make)
command -v gcc >/dev/null || missing+=(gcc libc6-dev)
[ ${#missing[@]} -eq 0 ] && exit 0
if [ "$(id -u)" -ne 0 ]; then
  echo "error: ${missing[*]} not found" >&2
  echo "hint: run 'apt-get install ${missing[*]}' as root, then repeat the command" >&2
  exit 1
fi
apt-get update -qq
DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "${missing[@]}"
