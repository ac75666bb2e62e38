# Dumps the database into the volume, or reads it back:
#
#   backup NAME KEEP   dump to NAME.sql.gz and keep that many dumps; 0 for all
#   restore NAME       put the database back as it is in NAME.sql.gz
#
# It leaves the size in bytes and the name of each dump that is there in
# /dev/termination-log, a line each, and nothing else.
set -euo pipefail
umask 077
cd /backup

# The client programs read the password from a file: arguments and environment
# variables can be seen from outside of a process.
value() { sed 's/[\\"]/\\&/g' "/secrets/database/$1"; }
printf '[client]\nhost="%s"\nport="%s"\nuser="%s"\npassword="%s"\n' \
  "$(value host)" "$(value port)" "$(value user)" "$(value password)" >/tmp/client.cnf
database=$(</secrets/database/name)
client=(mariadb --defaults-file=/tmp/client.cnf --default-character-set=utf8mb4 --batch --skip-column-names)

# complete succeeds if a dump can be read to its end, and the end is there.
complete() {
  [[ -s $1 ]] || { echo "the dump $1 is empty" >&2; return 1; }
  local last
  last=$(gzip -dc -- "$1" | tail -n 1) || { echo "the dump $1 cannot be read" >&2; return 1; }
  [[ $last == '-- Dump completed'* ]] || { echo "the dump $1 is not complete: it ends with ${last:0:200}" >&2; return 1; }
}

# list writes the latest dumps; a termination message has room for no more.
list() {
  local file
  for file in *.sql.gz; do
    [[ ! -e $file ]] || stat -c '%s %n' -- "$file"
  done | tail -n 40 >/dev/termination-log
}

backup() {
  local name=$1.sql.gz part=$1.part keep=$2 tables files
  rm -f -- *.part # of a dump that was killed
  tables=$("${client[@]}" -e 'SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = DATABASE()' "$database")
  if [[ $tables == 0 ]]; then
    echo "the database is empty"
    list
    return
  fi
  echo "dumping $tables tables"
  trap 'rm -f -- *.part' EXIT
  mariadb-dump --defaults-file=/tmp/client.cnf --default-character-set=utf8mb4 --single-transaction --quick \
    --no-tablespaces --routines --triggers --events "$database" | gzip -c >"$part"
  sync -- "$part"
  complete "$part"
  mv -- "$part" "$name"
  sync -- .
  files=(*.sql.gz) # in the order of their times
  if ((keep > 0 && ${#files[@]} > keep)); then
    rm -f -- "${files[@]:0:${#files[@]}-keep}"
  fi
  list
}

# restore first makes sure of the dump. The database is emptied, so that no
# table of a later release stays.
restore() {
  local name=$1.sql.gz charset
  [[ -e $name ]] || { echo "there is no dump $1" >&2; return 1; }
  complete "$name"
  charset=$("${client[@]}" -e 'SELECT CONCAT("CHARACTER SET ", default_character_set_name, " COLLATE ", default_collation_name)
    FROM information_schema.schemata WHERE schema_name = DATABASE()' "$database")
  "${client[@]}" -e "DROP DATABASE \`$database\`; CREATE DATABASE \`$database\` $charset"
  gzip -dc -- "$name" | "${client[@]}" "$database"
  echo "the database is as it was in $1"
  list
}

"$0" "$@"
