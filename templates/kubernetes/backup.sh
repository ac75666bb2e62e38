# Dumps the database into the volume or the bucket, or reads it back:
#
#   backup NAME KEEP   dump to NAME.sql.gz and keep that many dumps; 0 for all
#   restore NAME       put the database back as it is in NAME.sql.gz
#
# It leaves the size in bytes and the name of each dump that is there in
# /dev/termination-log, a line each, and nothing else.
set -euo pipefail
umask 077

# The programs read passwords from files: arguments and environment variables
# can be seen from outside of a process. Where somebody else's database is, is
# no secret.
value() {
  local variable=DATABASE_${1^^}
  printf '%s' "${!variable-$(</secrets/database/$1)}"
}
quoted() { value "$1" | sed 's/[\\"]/\\&/g'; }
printf '[client]\nhost="%s"\nport="%s"\nuser="%s"\npassword="%s"\n' \
  "$(quoted host)" "$(quoted port)" "$(quoted user)" "$(quoted password)" >/tmp/client.cnf
database=$(value name)

# The programs are MariaDB's or, for a server of MySQL, MySQL's. What a server
# replicates is no part of the data.
connection=(--defaults-file=/tmp/client.cnf --default-character-set=utf8mb4)
if command -v mariadb >/dev/null; then
  client=(mariadb "${connection[@]}") dump=(mariadb-dump "${connection[@]}")
  verified=ssl-verify-server-cert unverified=disable-ssl-verify-server-cert
else
  client=(mysql "${connection[@]}") dump=(mysqldump "${connection[@]}" --set-gtid-purged=OFF)
  verified=ssl-mode=VERIFY_IDENTITY unverified=ssl-mode=PREFERRED
fi
client+=(--batch --skip-column-names)
# A server outside may know no TLS, or none that anybody vouches for, and then
# is spoken to as by PHP. MariaDB's programs insist on it since 11.4.
if [[ -e /secrets/database/ca.crt ]]; then
  printf '%s\n' ssl-ca=/secrets/database/ca.crt "$verified" >>/tmp/client.cnf
elif [[ -v DATABASE_HOST ]]; then
  echo "$unverified" >>/tmp/client.cnf
fi

# Where the dumps are:
#
#   files PATTERN   the sizes and names of files, in the order of their names
#   fetch FILE      writes what is in it
#   put FILE        makes it of what it reads
#   rename FILE TO
#   discard FILE…
if [[ -d /backup ]]; then
  cd /backup
  files() {
    local file
    for file in $1; do
      [[ ! -e $file ]] || stat -c '%s %n' -- "$file"
    done
  }
  fetch() { cat -- "$1"; }
  put() { cat >"$1" && sync -- "$1"; }
  rename() { mv -- "$1" "$2" && sync -- .; }
  discard() { rm -f -- "$@"; }
else
  printf '[store]\ntype = s3\nprovider = Other\nendpoint = %s\nregion = %s\naccess_key_id = %s\nsecret_access_key = %s\nno_check_bucket = true\n' \
    "$(</config/backup/endpoint)" "$(</config/backup/region)" "$(</secrets/backup/access-key-id)" "$(</secrets/backup/secret-access-key)" >/tmp/rclone.conf
  store=store:$(</config/backup/bucket)/$(</config/backup/prefix)
  # A dump has at most 10,000 parts of that size, which are in memory when
  # they are sent.
  rclone=(/tools/rclone --config /tmp/rclone.conf --s3-chunk-size 32Mi --s3-upload-concurrency 2)
  if [[ -e /secrets/backup/ca.crt ]]; then
    rclone+=(--ca-cert /secrets/backup/ca.crt)
  elif [[ -e /tools/ca-certificates.crt ]]; then
    export SSL_CERT_FILE=/tools/ca-certificates.crt
  fi
  files() { "${rclone[@]}" lsf --files-only --format sp --separator ' ' --include "$1" "$store" | sort -k 2; }
  fetch() { "${rclone[@]}" cat "$store/$1"; }
  put() { "${rclone[@]}" rcat "$store/$1"; }
  rename() { "${rclone[@]}" moveto "$store/$1" "$store/$2"; }
  discard() {
    local file
    for file in "$@"; do "${rclone[@]}" deletefile "$store/$file"; done
  }
fi

# complete succeeds if a dump can be read to its end, where gzip has its size
# and checksum, and the end of a dump is there.
complete() {
  local last
  last=$(fetch "$1" | gzip -dc | tail -n 1) || { echo "the dump $1 cannot be read" >&2; return 1; }
  [[ $last == '-- Dump completed'* ]] || { echo "the dump $1 is not complete: it ends with ${last:0:200}" >&2; return 1; }
}

# names sets the array of that name to the files of a pattern.
names() {
  local found
  found=$(files "$1" | cut -d ' ' -f 2)
  names=()
  [[ -z $found ]] || mapfile -t names <<<"$found"
}

# list writes the latest dumps; a termination message has room for no more.
list() { files '*.sql.gz' | tail -n 40 >/dev/termination-log; }

# suitable makes sure that the programs can put back what they dump. MariaDB's
# write values for generated columns, which MySQL does not take.
suitable() {
  local version generated
  version=$("${client[@]}" -e 'SELECT VERSION()')
  if [[ ${client[0]} != mariadb || $version == *MariaDB* ]]; then
    return
  fi
  generated=$("${client[@]}" -e "SELECT DISTINCT table_name FROM information_schema.columns
    WHERE table_schema = DATABASE() AND generation_expression <> ''" "$database")
  if [[ -n $generated ]]; then
    echo "MySQL takes generated columns back only from its own programs: set database.external.image to an image" \
      "with mysql and mysqldump. Tables with such columns: ${generated//$'\n'/, }" >&2
    return 1
  fi
}

backup() {
  local name=$1.sql.gz keep=$2 tables
  part=$1.part # for the trap, too
  names '*.part' # of dumps that were killed
  discard "${names[@]}"
  tables=$("${client[@]}" -e 'SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = DATABASE()' "$database")
  if [[ $tables == 0 ]]; then
    echo "the database is empty"
    list
    return
  fi
  suitable
  echo "dumping $tables tables"
  trap 'discard "$part" 2>/dev/null || true' EXIT
  "${dump[@]}" --single-transaction --quick \
    --no-tablespaces --routines --triggers --events "$database" | gzip -c | put "$part"
  complete "$part"
  rename "$part" "$name"
  trap - EXIT
  names '*.sql.gz' # in the order of their times
  if ((keep > 0 && ${#names[@]} > keep)); then
    discard "${names[@]:0:${#names[@]}-keep}"
  fi
  list
}

# contents lists what is in the database: a kind and a quoted name each. To drop
# the database itself would take the right to make it again.
contents() {
  "${client[@]}" --raw -e "SELECT CONCAT(kind, ' IF EXISTS \`', REPLACE(name, '\`', '\`\`'), '\`') FROM (
    SELECT CASE table_type WHEN 'VIEW' THEN 'VIEW' WHEN 'SEQUENCE' THEN 'SEQUENCE' ELSE 'TABLE' END AS kind, table_name AS name
      FROM information_schema.tables WHERE table_schema = DATABASE()
    UNION ALL SELECT routine_type, routine_name FROM information_schema.routines WHERE routine_schema = DATABASE()
    UNION ALL SELECT 'EVENT', event_name FROM information_schema.events WHERE event_schema = DATABASE()) AS contents" "$database"
}

# restore first makes sure of the dump. The database is emptied, so that no
# table of a later release stays.
restore() {
  local name=$1.sql.gz
  complete "$name"
  { echo 'SET FOREIGN_KEY_CHECKS = 0;'; contents | sed 's/.*/DROP &;/'; } | "${client[@]}" "$database"
  fetch "$name" | gzip -dc | "${client[@]}" "$database"
  echo "the database is as it was in $1"
  list
}

"$0" "$@"
