package builder

import (
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	workerapi "github.com/moby/buildkit/api/types"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestCheckAddress(t *testing.T) {
	good := []string{
		"unix:///run/buildkit/buildkitd.sock",
		"tcp://buildkitd:1234", "tcp://127.0.0.1:1234", "tcp://[::1]:1234",
		"docker-container://buildx_buildkit_default", "docker-container://b?context=remote",
		"podman-container://buildkitd",
		"nerdctl-container://buildkitd?namespace=default",
		"kube-pod://buildkitd-0", "kube-pod://buildkitd-0?context=user@stable&namespace=ci&container=buildkitd",
		"ssh://builder.example.com", "ssh://me@builder.example.com:2222/run/user/1000/buildkit/buildkitd.sock",
	}
	for _, address := range good {
		assert.NoError(t, checkAddress(address), address)
	}
	bad := map[string]string{
		"":                          "it has no kind",
		"/run/buildkitd.sock":       "did you mean unix:///run/buildkitd.sock?",
		"buildkitd:1234":            "did you mean tcp://buildkitd:1234?",
		"http://buildkitd:1234":     "http:// is no kind of address",
		"docker://buildkitd":        "docker:// is no kind of address",
		"unix://run/buildkitd.sock": "not absolute",
		"unix://":                   "not absolute",
		"tcp://buildkitd":           "tcp://host:port",
		"tcp://:1234":               "tcp://host:port",
		"tcp://buildkitd:":          "tcp://host:port",
		"docker-container://":       "lacks container name",
		"kube-pod://Not_A_Pod":      "unsupported pod name",
		"ssh://me:password@host":    "plain-text password is not supported",
	}
	for address, says := range bad {
		assert.ErrorContains(t, checkAddress(address), says, address)
	}
}

func TestCertificates(t *testing.T) {
	docker, kubernetes, half := t.TempDir(), t.TempDir(), t.TempDir()
	for folder, names := range map[string][]string{
		docker: {"ca.pem", "cert.pem", "key.pem"}, kubernetes: {"ca.crt", "tls.crt", "tls.key"}, half: {"ca.pem"},
	} {
		for _, name := range names {
			require.NoError(t, os.WriteFile(filepath.Join(folder, name), nil, 0o600))
		}
	}
	tests := map[string]struct {
		options Options
		want    []string
		says    string
	}{
		"none":              {want: []string{"", "", ""}},
		"single":            {options: Options{BuilderCA: "a", BuilderCert: "c", BuilderKey: "k"}, want: []string{"a", "c", "k"}},
		"folder":            {options: Options{BuilderTLS: docker}, want: []string{docker + "/ca.pem", docker + "/cert.pem", docker + "/key.pem"}},
		"Kubernetes Secret": {options: Options{BuilderTLS: kubernetes}, want: []string{kubernetes + "/ca.crt", kubernetes + "/tls.crt", kubernetes + "/tls.key"}},
		"half a folder":     {options: Options{BuilderTLS: half}, says: half + " has no cert.pem or tls.crt, no key.pem or tls.key"},
		"both":              {options: Options{BuilderTLS: docker, BuilderCA: "a"}, says: "exclude each other"},
		"key alone":         {options: Options{BuilderKey: "k"}, says: "a key its certificate"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			ca, certificate, key, err := test.options.certificates()
			if test.says != "" {
				require.ErrorContains(t, err, test.says)
				return
			}
			require.NoError(t, err)
			assert.Equal(t, test.want, []string{ca, certificate, key})
		})
	}
}

// stdio is the variable that tells the test binary to be buildctl dial-stdio:
// its value is the socket to connect with standard input and output.
const stdio = "SITECTL_TEST_STDIO"

func TestMain(m *testing.M) {
	if socket := os.Getenv(stdio); socket != "" {
		connection, err := net.Dial("unix", socket)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		go func() {
			_, _ = io.Copy(connection, os.Stdin)
			os.Exit(0)
		}()
		_, _ = io.Copy(os.Stdout, connection)
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// What an address is called after is run, with the right arguments, and talked
// to over its standard input and output.
func TestAddressesWithPrograms(t *testing.T) {
	listener, address := listen(t)
	smallBuildKit{workers: []*workerapi.WorkerRecord{worker("any")}}.serve(t, listener)
	self, err := os.Executable()
	require.NoError(t, err)
	tests := map[string]string{
		"docker-container://b?context=remote": "docker --context=remote exec -i b buildctl dial-stdio",
		"podman-container://b":                "podman exec -i b buildctl dial-stdio",
		"nerdctl-container://b?namespace=ci":  "nerdctl exec --namespace ci -i b buildctl dial-stdio",
		"kube-pod://b?context=stable&namespace=ci&container=c": "kubectl --context=stable --namespace=ci " +
			"exec --container=c -i b -- buildctl dial-stdio",
		"ssh://me@host:2222/run/b.sock": "ssh -l me -p 2222 -- host buildctl --addr unix:///run/b.sock dial-stdio",
	}
	for builder, want := range tests {
		t.Run(builder, func(t *testing.T) {
			programs := shortDir(t)
			program, _, _ := strings.Cut(want, " ")
			script := fmt.Sprintf("#!/bin/sh\necho %s \"$@\" >%s/ran\nexec %s\n", program, programs, self)
			require.NoError(t, os.WriteFile(filepath.Join(programs, program), []byte(script), 0o755))
			b, _ := lonely(t, Options{Address: builder})
			t.Setenv("PATH", programs)
			t.Setenv(stdio, strings.TrimPrefix(address, "unix://"))
			_, err := b.connect(t.Context())
			require.NoError(t, err)
			ran, err := os.ReadFile(filepath.Join(programs, "ran"))
			require.NoError(t, err)
			assert.Equal(t, want+"\n", string(ran))
		})
	}
	t.Run("that fail", func(t *testing.T) {
		b, _ := lonely(t, Options{Address: "docker-container://b"})
		programs := shortDir(t)
		require.NoError(t, os.WriteFile(filepath.Join(programs, "docker"), []byte("#!/bin/sh\necho no such container: b >&2\nexit 1\n"), 0o755))
		t.Setenv("PATH", programs)
		_, err := b.connect(t.Context())
		assert.EqualError(t, err, "reach BuildKit at docker-container://b: "+
			"command [docker exec -i b buildctl dial-stdio] has exited with exit status 1: no such container: b")
	})
}
