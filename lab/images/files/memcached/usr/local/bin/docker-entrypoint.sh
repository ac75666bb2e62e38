#!/bin/sh
# Options alone are memcached's.
set -eu
case "${1-}" in
-*) set -- memcached "$@" ;;
esac
exec "$@"
