package main

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/sitectl/sitectl/lab/platform"
)

func TestPrintEnvironment(t *testing.T) {
	variables := []platform.Variable{{Name: "KUBECONFIG", Value: "/a"}, {Name: "SITECTL_REGISTRY", Value: "127.0.0.1:5000"}}
	var shell, json bytes.Buffer
	require.NoError(t, printEnvironment(&shell, variables, "shell"))
	assert.Equal(t, "export KUBECONFIG=/a\nexport SITECTL_REGISTRY=127.0.0.1:5000\n", shell.String())
	require.NoError(t, printEnvironment(&json, variables, "json"))
	assert.JSONEq(t, `{"KUBECONFIG": "/a", "SITECTL_REGISTRY": "127.0.0.1:5000"}`, json.String())
}

func TestEnvironmentNeedsNoQuotes(t *testing.T) {
	lab, err := platform.New(".")
	require.NoError(t, err)
	var names []string
	for _, v := range lab.Environment() {
		names = append(names, v.Name)
		assert.Regexp(t, `^[A-Za-z0-9/:._=-]+$`, v.Value, v.Name)
	}
	assert.Equal(t, []string{
		"KUBECONFIG", "BUILDKIT_HOST", "DOCKER_CONFIG", "SITECTL_REGISTRY", "SITECTL_REGISTRY_CA", "SITECTL_REGISTRY_MIRRORS", "SITECTL_INGRESS",
		"SITECTL_ISSUER", "SITECTL_ISSUER_CERTIFICATE", "SITECTL_ISSUER_KEY",
	}, names)
}

func TestPrintStatus(t *testing.T) {
	parts := []platform.PartStatus{
		{Name: "etcd", State: platform.StateRunning, PID: 7, Since: time.Date(2026, 1, 2, 3, 4, 5, 0, time.Local), Address: "127.0.0.1:12379", Log: "/l/etcd.log"},
		{Name: "kubelet", State: platform.StateMute, PID: 8, Since: time.Date(2026, 1, 2, 3, 4, 6, 0, time.Local), Address: "10.244.0.1:20250", Log: "/l/kubelet.log", Problem: "503"},
		{Name: "traefik", State: platform.StateDown, Address: "127.0.0.1:8088", Log: "/l/traefik.log"},
	}
	var text, json bytes.Buffer
	require.NoError(t, printStatus(&text, parts, "text"))
	assert.Equal(t, strings.Join([]string{
		"PART     STATE    PID  SINCE                ADDRESS",
		"etcd     running  7    2026-01-02 03:04:05  127.0.0.1:12379",
		"kubelet  mute     8    2026-01-02 03:04:06  10.244.0.1:20250",
		"traefik  down     -    -                    127.0.0.1:8088",
		"",
		"kubelet does not answer: 503",
		"see /l/kubelet.log",
		"",
	}, "\n"), text.String())
	require.NoError(t, printStatus(&json, parts[2:], "json"))
	assert.JSONEq(t, `[{"name": "traefik", "state": "down", "address": "127.0.0.1:8088", "log": "/l/traefik.log"}]`, json.String())
}

func TestWrongUse(t *testing.T) {
	for _, test := range []struct {
		args []string
		want string
	}{
		{[]string{"start"}, `unknown command "start": it is one of up, down, status, env, logs, program`},
		{[]string{"up", "now"}, `unexpected argument "now"`},
		{[]string{"env", "--output", "yaml"}, `--output "yaml": it is shell or json`},
		{[]string{"logs", "apache"}, `unknown part "apache": it is one of etcd,`},
		{[]string{"logs", "etcd", "-f"}, `unexpected argument "-f": options go before the part`},
		{[]string{"--source", "/", "env"}, "/ is not the lab's source"},
	} {
		app := app()
		app.Writer, app.ErrWriter = io.Discard, io.Discard
		err := app.RunContext(t.Context(), append([]string{"lab"}, test.args...))
		assert.ErrorContains(t, err, test.want, "%q", test.args)
	}
}

func TestPrintEndIsOfWholeLines(t *testing.T) {
	path := filepath.Join(t.TempDir(), "etcd.log")
	require.NoError(t, os.WriteFile(path, []byte(strings.Repeat("line\n", 5000)+"last\n"), 0o644))
	var out bytes.Buffer
	require.NoError(t, printEnd(&out, "etcd", path))
	assert.Equal(t, "==> "+path+" <==\n"+strings.Repeat("line\n", 9)+"last\n\n", out.String())
	assert.NoError(t, printEnd(&out, "etcd", path+".missing"))
}

// writerFunc lets a test react to what is written.
type writerFunc func(p []byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

func TestFollowPrintsWhatComes(t *testing.T) {
	path := filepath.Join(t.TempDir(), "etcd.log")
	require.NoError(t, os.WriteFile(path, []byte("first\n"), 0o644))
	ctx, cancel := context.WithCancelCause(t.Context())
	var seen string
	out := writerFunc(func(p []byte) (int, error) {
		if seen == "" {
			file, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
			require.NoError(t, err)
			defer file.Close()
			_, err = file.WriteString("second\n")
			require.NoError(t, err)
		}
		if seen += string(p); strings.HasSuffix(seen, "second\n") {
			cancel(errInterrupted)
		}
		return len(p), nil
	})
	assert.ErrorIs(t, printLog(ctx, out, path, true), errInterrupted)
	assert.Equal(t, "first\nsecond\n", seen)
}

func TestProgressWithoutATerminal(t *testing.T) {
	var out bytes.Buffer
	p := &progress{out: &out}
	p.Started("build etcd")
	p.Started("build images")
	p.Note("build images", "debian trixie")
	p.show()
	p.Finished("build etcd", "built", 23*time.Second)
	p.show()
	assert.Equal(t, strings.Join([]string{
		"waiting for build etcd (0.0s), build images: debian trixie (0.0s)",
		"build etcd                   23.0s  built",
		"waiting for build images: debian trixie (0.0s)",
		"",
	}, "\n"), out.String())
}

func TestProgressStaysOnOneLineOfATerminal(t *testing.T) {
	var out bytes.Buffer
	p := &progress{out: &out, width: 20}
	p.Started("build kubernetes")
	assert.Equal(t, "\r\x1b[Kwaiting for build k", out.String())
}
