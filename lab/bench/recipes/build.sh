#!/bin/sh
# The CI job of a site as many write it by hand. $IMAGE is the repository.
set -eu
tag="$(git rev-parse --short HEAD)"
buildctl build \
    --progress plain \
    --frontend dockerfile.v0 \
    --local context=. \
    --local dockerfile=. \
    --import-cache "type=registry,ref=$IMAGE:cache" \
    --export-cache "type=registry,ref=$IMAGE:cache,mode=max" \
    --output "type=image,name=$IMAGE:$tag,push=true"
