#!/bin/sh
# Runs node with options, and with a script; everything else is a command.
set -eu
case "${1-}" in
-* | *.js | *.mjs | *.cjs) set -- node "$@" ;;
esac
exec "$@"
