#!/usr/bin/env bash
# Makes Sources/CBackend from the proto files that protoc-c reads. With --check: proves that the committed C is current.
set -euo pipefail
cd "$(dirname "$0")/.."

# backend.proto is for other people's generators; protoc-c refuses its `optional` fields and nothing of ours needs them.
protos=(backend_messages prompt identity sticky health)
target=Sources/CBackend

case "${1-}" in
    "" | --check) ;;
    *)
        echo "usage: scripts/generate-proto.sh [--check]" >&2
        exit 2
        ;;
esac
command -v protoc-c >/dev/null || {
    echo "protoc-c is missing: apt-get install protobuf-c-compiler" >&2
    exit 2
}

fresh=$(mktemp -d)
trap 'rm -rf "$fresh"' EXIT
mkdir "$fresh/include"
for proto in "${protos[@]}"; do
    protoc-c --proto_path=proto --c_out="$fresh" "proto/$proto.proto"
    mv "$fresh/$proto.pb-c.h" "$fresh/include/"
done

if [ "${1-}" = --check ]; then
    if ! diff -ru "$target" "$fresh"; then
        echo "$target is not what proto/ says: run scripts/generate-proto.sh and commit the result" >&2
        exit 1
    fi
    echo "$target is current"
else
    rm -rf "$target"
    mkdir -p "$target"
    cp -r "$fresh/." "$target/"
    echo "wrote $target from ${protos[*]}"
fi
