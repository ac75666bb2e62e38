//go:build lab

package main

import (
	"fmt"
	"path"
	"testing"

	"github.com/stretchr/testify/assert"
	corev1 "k8s.io/api/core/v1"
)

// serviceImage is a pod that runs a script in one of the mirrored images, as
// the user of that image and with a read-only root file system.
func serviceImage(name, image string, user int64, script string, writable ...string) *corev1.Pod {
	pod := restrictedPod(name, script)
	pod.Spec.SecurityContext.RunAsUser, pod.Spec.SecurityContext.RunAsGroup, pod.Spec.SecurityContext.FSGroup = &user, &user, &user
	container := &pod.Spec.Containers[0]
	container.Image = image
	for _, folder := range writable {
		name := "empty-" + path.Base(folder)
		pod.Spec.Volumes = append(pod.Spec.Volumes, corev1.Volume{Name: name, VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}})
		container.VolumeMounts = append(container.VolumeMounts, corev1.VolumeMount{Name: name, MountPath: folder})
	}
	return pod
}

func mariadbPod(name, script string) *corev1.Pod {
	pod := serviceImage(name, "mariadb:11.8", 999, mariadbFunctions+script, "/var/lib/mysql", "/run/mysqld", "/tmp")
	pod.Spec.Containers[0].Env = []corev1.EnvVar{
		{Name: "MARIADB_ROOT_PASSWORD_FILE", Value: "/tmp/root"},
		{Name: "MARIADB_DATABASE", Value: "example_com"},
		{Name: "MARIADB_USER", Value: "site"},
		{Name: "MARIADB_PASSWORD_FILE", Value: "/tmp/site"},
	}
	return pod
}

// The passwords have all that could break out of a statement.
const mariadbFunctions = `
	set -e
	random() { od -An -N12 -tx1 /dev/urandom | tr -d ' \n'; }
	printf "%s'\"\\\\%%\140\n" "$(random)" >/tmp/root
	printf "\\\\'%s\"" "$(random)" >/tmp/site

	start() { setsid docker-entrypoint.sh mariadbd 2>>/tmp/log & server=$!; }
	kill_all() { kill -s KILL -- "-$server"; wait "$server" 2>/dev/null || true; }
	healthy() {
		for attempt in $(seq 600); do
			if healthcheck.sh --connect --innodb_initialized 2>/dev/null; then return; fi
			kill -0 "$server" || break
			sleep 0.1
		done
		cat /tmp/log; exit 1
	}
	site() { mariadb --host=127.0.0.1 --user=site --password="$(cat /tmp/site)" --batch --skip-column-names example_com --execute "$1"; }
	root() { mariadb --user=root --password="$(cat /tmp/root)" --batch --skip-column-names --execute "$1"; }
`

func TestMariaDBStartsWithItsAccounts(t *testing.T) {
	ns := newNamespace(t)
	ns.create(t, mariadbPod("mariadb", `
		start; healthy
		site "CREATE TABLE entries (text VARCHAR(20)); INSERT INTO entries VALUES ('🐘')"
		site "SELECT text, @@character_set_server, CURRENT_USER() FROM entries"
		site "SELECT CONVERT_TZ('2025-01-01', 'UTC', 'Europe/Berlin')"
		root "SELECT COUNT(*) FROM mysql.user WHERE user <> 'mariadb.sys' AND (authentication_string = '' OR user = '')"
		if site "SELECT * FROM mysql.user" 2>/dev/null; then exit 1; fi
		if mariadb --user=root --execute "SELECT 1" 2>/dev/null; then exit 1; fi
		kill -TERM "$server"; wait "$server"; echo stopped`))
	assert.Equal(t, "🐘\tutf8mb4\tsite@%\n2025-01-01 01:00:00\n0\nstopped\n", ns.completes(t, "mariadb"))
}

func TestMariaDBSurvivesSIGKILL(t *testing.T) {
	// What is there of the data folder when the server and all it has started are killed.
	moments := map[string]string{
		"begin":    "-e /var/lib/mysql/.unfinished",
		"files":    "-e /var/lib/mysql/ibdata1",
		"tables":   "-e /var/lib/mysql/mysql/global_priv.frm",
		"accounts": "-e /var/lib/mysql/.my-healthcheck.cnf",
		"database": "-d /var/lib/mysql/example_com",
		"started":  "-S /run/mysqld/mysqld.sock",
	}
	ns := newNamespace(t)
	for moment, condition := range moments {
		ns.create(t, mariadbPod(moment, fmt.Sprintf(`
			start
			until [ %s ]; do kill -0 "$server"; sleep 0.01; done
			kill_all
			start; healthy
			site "CREATE TABLE entries (id INT); INSERT INTO entries VALUES (1), (2)"
			kill_all
			start; healthy
			site "SELECT COUNT(*) FROM entries"`, condition)))
	}
	for moment := range moments {
		assert.Equal(t, "2\n", ns.completes(t, moment), "killed at: %s", moment)
	}
}

func TestMemcachedAnswers(t *testing.T) {
	ns := newNamespace(t)
	ns.create(t, serviceImage("memcached", "memcached:1.6", 11211, `exec bash -euc '
		docker-entrypoint.sh --memory-limit=32 & server=$!
		until exec 3<>/dev/tcp/127.0.0.1/11211; do kill -0 $server; sleep 0.1; done 2>/dev/null
		printf "set key 0 0 5\r\nvalue\r\nget key\r\nquit\r\n" >&3; cat <&3
		kill -TERM $server; wait $server'`))
	assert.Equal(t, "STORED\nVALUE key 0 5\nvalue\nEND\n", ns.completes(t, "memcached"))
}

func TestRedisAnswersOtherPods(t *testing.T) {
	ns := newNamespace(t)
	ns.create(t, serviceImage("redis", "redis:8.0", 999, `
		set -e
		docker-entrypoint.sh redis-server --maxmemory 32mb >/tmp/log & server=$!
		until redis-cli ping >/dev/null 2>&1; do kill -0 $server; sleep 0.1; done
		redis-cli -h "$(hostname -i)" set key value
		kill -TERM $server; wait $server`, "/data", "/tmp"))
	assert.Equal(t, "OK\n", ns.completes(t, "redis"))
}

func TestVarnishCompilesItsConfiguration(t *testing.T) {
	ns := newNamespace(t)
	ns.create(t, serviceImage("varnish", "varnish:7.7", 1000, `exec bash -euc '
		printf "vcl 4.1; import std; backend default none; sub vcl_recv { return (synth(200, std.toupper(\"hello\"))); }" >/tmp/site.vcl
		varnishd -F -f /tmp/site.vcl -a :6081 -s malloc,32M 2>/tmp/log & server=$!
		until exec 3<>/dev/tcp/127.0.0.1/6081; do kill -0 $server || cat /tmp/log; sleep 0.1; done 2>/dev/null
		printf "GET / HTTP/1.1\r\nHost: example.com\r\nConnection: close\r\n\r\n" >&3; head -n 1 <&3
		kill -TERM $server; wait $server'`, "/var/lib/varnish", "/tmp"))
	assert.Equal(t, "HTTP/1.1 200 HELLO\n", ns.completes(t, "varnish"))
}
