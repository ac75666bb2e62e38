#!/bin/bash
# Ends with 0 if every one of the given tests passes:
#
#   --connect              the server answers over TCP
#   --innodb_initialized   the InnoDB storage engine is there
set -uo pipefail

# sql STATEMENT asks with the account that the first start made for this.
sql() {
	mariadb --defaults-extra-file=/var/lib/mysql/.my-healthcheck.cnf --protocol=tcp --host=127.0.0.1 \
		--skip-ssl --connect-timeout=5 --skip-column-names --batch --execute "$1"
}

[[ $# -gt 0 ]] || {
	echo "healthcheck.sh: give at least one test" >&2
	exit 2
}
for test; do
	case $test in
	--connect)
		sql 'SELECT 1' >/dev/null || exit 1
		;;
	--innodb_initialized)
		support=$(sql "SELECT support FROM information_schema.engines WHERE engine = 'InnoDB'") || exit 1
		[[ $support == YES || $support == DEFAULT ]] || exit 1
		;;
	*)
		echo "healthcheck.sh: unknown test $test" >&2
		exit 2
		;;
	esac
done
