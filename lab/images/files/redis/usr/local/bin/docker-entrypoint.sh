#!/bin/sh
# Runs Redis as its own user, reachable from other pods: who may reach it is up
# to the network, so the mode that answers to this host alone is off, unless it
# is asked for.
set -eu
case "${1-}" in
-* | *.conf) set -- redis-server "$@" ;;
esac
if [ "$1" = redis-server ]; then
	case " $* " in
	*" --protected-mode "*) ;;
	*) set -- "$@" --protected-mode no ;;
	esac
	if [ "$(id -u)" = 0 ]; then
		chown --recursive redis:redis .
		exec setpriv --reuid=redis --regid=redis --init-groups "$@"
	fi
fi
exec "$@"
