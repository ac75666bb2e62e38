#!/bin/bash
# Runs MariaDB as the user mysql, and makes its data folder at the first start.
#
# Read at the first start: MARIADB_ROOT_PASSWORD, or MARIADB_ALLOW_EMPTY_ROOT_PASSWORD=1;
# MARIADB_ROOT_HOST (default %); MARIADB_DATABASE; MARIADB_USER and
# MARIADB_PASSWORD, who may do everything in that database. Each of them may be
# the path of a file instead, in the variable of that name with _FILE at the end.
set -euo pipefail

readonly data=/var/lib/mysql
# What is in the data folder while this file is there has not been finished,
# and has never been served to anyone.
readonly unfinished=$data/.unfinished

fail() {
	echo "docker-entrypoint: $*" >&2
	exit 1
}

# setting NAME prints the value of the variable, or of the file that NAME_FILE
# names.
setting() {
	local file=$1_FILE
	if [[ -n ${!file-} ]]; then
		[[ -z ${!1-} ]] || fail "both $1 and $file are set"
		cat -- "${!file}"
	else
		printf '%s' "${!1-}"
	fi
}

# quote TEXT prints a string literal; name TEXT prints an identifier.
quote() {
	local text=${1//\\/\\\\}
	printf "'%s'" "${text//\'/\'\'}"
}
name() {
	printf '`%s`' "${1//\`/\`\`}"
}

read_settings() {
	root_password=$(setting MARIADB_ROOT_PASSWORD)
	root_host=$(setting MARIADB_ROOT_HOST)
	root_host=${root_host:-%}
	database=$(setting MARIADB_DATABASE)
	user=$(setting MARIADB_USER)
	password=$(setting MARIADB_PASSWORD)
	[[ -n $root_password || -n ${MARIADB_ALLOW_EMPTY_ROOT_PASSWORD-} ]] ||
		fail "MARIADB_ROOT_PASSWORD, MARIADB_ROOT_PASSWORD_FILE or MARIADB_ALLOW_EMPTY_ROOT_PASSWORD must be set"
	[[ -z $user || -n $password ]] || fail "MARIADB_USER is set without MARIADB_PASSWORD or MARIADB_PASSWORD_FILE"
}

# accounts prints the statements that make the database and its accounts.
accounts() {
	# The installation makes accounts without a password for other hosts, too.
	echo "DELETE FROM mysql.global_priv WHERE user <> 'mariadb.sys' AND (user <> 'root' OR host <> 'localhost');"
	echo "DELETE FROM mysql.proxies_priv WHERE host <> 'localhost';"
	echo 'FLUSH PRIVILEGES;' # until then, this mode knows no accounts
	echo "ALTER USER 'root'@'localhost' IDENTIFIED BY $(quote "$root_password");"
	if [[ $root_host != localhost ]]; then
		echo "CREATE USER 'root'@$(quote "$root_host") IDENTIFIED BY $(quote "$root_password");"
		echo "GRANT ALL ON *.* TO 'root'@$(quote "$root_host") WITH GRANT OPTION;"
	fi
	local check
	check=$(od -An -N24 -tx1 /dev/urandom | tr -d ' \n')
	for host in localhost 127.0.0.1 ::1; do
		echo "CREATE USER 'healthcheck'@'$host' IDENTIFIED BY '$check';"
	done
	(
		umask 0077
		printf '[client]\nuser=healthcheck\npassword=%s\n' "$check" >"$data/.my-healthcheck.cnf"
	)
	if [[ -n $database ]]; then
		echo "CREATE DATABASE $(name "$database");"
	fi
	if [[ -n $user ]]; then
		echo "CREATE USER $(quote "$user")@'%' IDENTIFIED BY $(quote "$password");"
	fi
	if [[ -n $user && -n $database ]]; then
		# _ and % stand for other characters in the name of a grant.
		local pattern=${database//_/\\_}
		echo "GRANT ALL ON $(name "${pattern//%/\\%}").* TO $(quote "$user")@'%';"
	fi
}

# initialize makes the data folder. A server in bootstrap mode reads statements
# from standard input and listens nowhere, so no probe takes it for the real
# one, and no password gets into a file.
initialize() {
	read_settings
	if [[ -e $unfinished ]]; then
		find "$data" -mindepth 1 ! -path "$unfinished" ! -path "$data/lost+found*" -delete
	fi
	touch "$unfinished"
	local output
	output=$(mariadb-install-db --datadir="$data" --auth-root-authentication-method=normal \
		--skip-test-db --skip-name-resolve --force 2>&1) || fail "could not make $data:"$'\n'"$output"
	output=$({
		echo 'USE mysql;'
		mariadb-tzinfo-to-sql --skip-write-binlog /usr/share/zoneinfo 2>/dev/null
		accounts
	} | mariadbd --bootstrap --datadir="$data" 2>&1) || fail "could not make the accounts:"$'\n'"$output"
	sync -f "$data"
	rm "$unfinished"
	sync -f "$data"
}

[[ ${1-} != -* ]] || set -- mariadbd "$@"
if [[ ${1-} == mariadbd ]]; then
	if [[ $(id -u) == 0 ]]; then
		chown --recursive mysql:mysql "$data" /run/mysqld
		exec setpriv --reuid=mysql --regid=mysql --init-groups "$0" "$@"
	fi
	# A process that is the first of its namespace ignores a signal that it
	# has no trap for.
	trap 'exit 143' TERM INT
	if [[ ! -d $data/mysql || -e $unfinished ]]; then
		initialize
	fi
	trap - TERM INT
fi
exec "$@"
