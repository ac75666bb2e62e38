package main

import (
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-containerregistry/pkg/registry"
	"github.com/rogpeppe/go-internal/testscript"
	"github.com/stretchr/testify/require"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"sitectl": main})
}

// TestScript runs the scripts of testdata/script. Beside the commands of
// testscript they have:
//
//	exits STATUS PROGRAM [ARGUMENT...]   run it and check its exit status
//	expand FILE...                       replace $VARIABLES in files
//	repository                           make a git repository of the folder, with one commit
//	untouched                            nobody has connected to $TRIPWIRE
//
// and these variables:
//
//	REGISTRY      host:port of a registry with TLS, for the user "robot" with the password "right"
//	REGISTRY_CA   PEM file of its certificate authority
//	TRIPWIRE      host:port of a listener that answers nobody, and remembers
//	DOCKER_CONFIG folder with the login to REGISTRY; $WORK/wrong has one that it refuses
//
// Builder and cluster are at 127.0.0.1:1, where nobody listens.
func TestScript(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		Setup:               setUpScript,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits":      exits,
			"expand":     expand,
			"repository": makeRepository,
			"untouched":  untouched,
		},
	})
}

func setUpScript(env *testscript.Env) error {
	t := env.T().(testing.TB)
	server := startRegistry(t)
	trip := startTripwire(t)
	env.Values[tripwireKey{}] = trip

	address := server.Listener.Addr().String()
	certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	for name, content := range map[string][]byte{
		"ca.pem":             certificate,
		"docker/config.json": dockerConfig(t, address, "robot", "right"),
		"wrong/config.json":  dockerConfig(t, address, "robot", "wrong"),
		"kubeconfig":         []byte(unreachableCluster),
	} {
		path := filepath.Join(env.WorkDir, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o700))
		require.NoError(t, os.WriteFile(path, content, 0o600))
	}
	env.Vars = append(env.Vars,
		"REGISTRY="+address,
		"REGISTRY_CA="+filepath.Join(env.WorkDir, "ca.pem"),
		"SITECTL_REGISTRY_CA="+filepath.Join(env.WorkDir, "ca.pem"),
		"DOCKER_CONFIG="+filepath.Join(env.WorkDir, "docker"),
		"KUBECONFIG="+filepath.Join(env.WorkDir, "kubeconfig"),
		"BUILDKIT_HOST=tcp://127.0.0.1:1",
		"CI_REGISTRY=", "SITECTL_REGISTRY_USER=", "SITECTL_REGISTRY_PASSWORD_FILE=", "SITECTL_REGISTRY_MIRRORS=",
		"TRIPWIRE="+trip.address,
		"GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_NOSYSTEM=1",
		"GIT_AUTHOR_NAME=Ada", "GIT_AUTHOR_EMAIL=ada@example.com", "GIT_AUTHOR_DATE=2026-01-02T03:04:05Z",
		"GIT_COMMITTER_NAME=Ada", "GIT_COMMITTER_EMAIL=ada@example.com", "GIT_COMMITTER_DATE=2026-01-02T03:04:05Z",
	)
	return nil
}

const unreachableCluster = `apiVersion: v1
kind: Config
current-context: nowhere
contexts: [{name: nowhere, context: {cluster: nowhere, user: nobody}}]
clusters: [{name: nowhere, cluster: {server: "https://127.0.0.1:1"}}]
users: [{name: nobody, user: {}}]
`

// startRegistry starts a registry with TLS and a password.
func startRegistry(t testing.TB) *httptest.Server {
	images := registry.New(registry.Logger(log.New(io.Discard, "", 0)))
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if user, password, ok := r.BasicAuth(); !ok || user != "robot" || password != "right" {
			w.Header().Set("WWW-Authenticate", `Basic realm="test"`)
			http.Error(w, `{"errors":[{"code":"UNAUTHORIZED","message":"authentication required"}]}`, http.StatusUnauthorized)
			return
		}
		images.ServeHTTP(w, r)
	}))
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	t.Cleanup(server.Close)
	return server
}

func dockerConfig(t testing.TB, registry, user, password string) []byte {
	t.Helper()
	type login struct {
		Auth string `json:"auth"`
	}
	data, err := json.Marshal(map[string]any{"auths": map[string]login{
		registry: {Auth: base64.StdEncoding.EncodeToString([]byte(user + ":" + password))},
	}})
	require.NoError(t, err)
	return data
}

type tripwireKey struct{}

// tripwire counts who connects, and answers nobody.
type tripwire struct {
	address     string
	connections atomic.Int64
}

func startTripwire(t testing.TB) *tripwire {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	trip := &tripwire{address: listener.Addr().String()}
	done := make(chan struct{})
	go func() {
		defer close(done)
		var open []net.Conn // held, so that whoever connected waits
		for {
			connection, err := listener.Accept()
			if err != nil {
				break
			}
			trip.connections.Add(1)
			open = append(open, connection)
		}
		for _, connection := range open {
			_ = connection.Close()
		}
	}()
	t.Cleanup(func() {
		_ = listener.Close()
		<-done
	})
	return trip
}

func untouched(ts *testscript.TestScript, _ bool, _ []string) {
	if n := ts.Value(tripwireKey{}).(*tripwire).connections.Load(); n > 0 {
		ts.Fatalf("%d connections to the tripwire", n)
	}
}

func exits(ts *testscript.TestScript, _ bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	got := 0
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		got = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	ts.Logf("[stdout]\n%s[stderr]\n%s", ts.ReadFile("stdout"), ts.ReadFile("stderr"))
	if got != want {
		ts.Fatalf("exit status %d, want %d", got, want)
	}
}

func expand(ts *testscript.TestScript, _ bool, files []string) {
	for _, name := range files {
		text := os.Expand(ts.ReadFile(name), ts.Getenv)
		ts.Check(os.WriteFile(ts.MkAbs(name), []byte(text), 0o600))
	}
}

func makeRepository(ts *testscript.TestScript, _ bool, _ []string) {
	for _, command := range []string{"git init -q -b main", "git add .", "git commit -q -m first"} {
		words := strings.Fields(command)
		ts.Check(ts.Exec(words[0], words[1:]...))
	}
}
