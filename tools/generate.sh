#!/usr/bin/env bash
# Generates the Go code of the message contract below api/. The plugins are built at the versions
# of the product's own go.mod, so that generated code and runtime agree.
set -euo pipefail
cd "$(dirname "$0")/.."
bin=$(mktemp -d)
trap 'rm -rf "$bin"' EXIT
go build -o "$bin/protoc-gen-go" google.golang.org/protobuf/cmd/protoc-gen-go
go build -o "$bin/protoc-gen-connect-go" connectrpc.com/connect/cmd/protoc-gen-connect-go
go build -C tools -o "$bin/protogen" ./protogen
find api -name '*.pb.go' -delete -o -name '*.connect.go' -delete
"$bin/protogen" api api "$bin/protoc-gen-go:paths=source_relative" "$bin/protoc-gen-connect-go:paths=source_relative,simple"
go run ./api/internal/fingerprint >api/orchestrator/v1/fingerprint.txt
