package platform

import (
	"crypto/x509"
	"encoding/pem"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/bcrypt"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/yaml"
)

func testLayout(t *testing.T) layout {
	t.Helper()
	return layout{source: "..", cache: t.TempDir(), state: t.TempDir()}
}

func TestConfigIsRenderedWhole(t *testing.T) {
	l := testLayout(t)
	require.NoError(t, issueCertificates(l))
	files, err := renderConfig(l, newSettings(l, map[string]string{
		"runc": "/cache/runc", "containerd-shim-runc-v2": "/cache/shim",
	}))
	require.NoError(t, err)
	for path, content := range files {
		text := string(content)
		assert.NotContains(t, text, "{{", path)
		assert.NotContains(t, text, `""`+"\n[", path)
		if strings.HasSuffix(path, ".yaml") || strings.HasSuffix(path, ".conflist") {
			var decoded map[string]any
			assert.NoError(t, yaml.UnmarshalStrict(content, &decoded), path)
		}
	}
	assert.Contains(t, string(files[l.config("containerd.toml")]), `BinaryName = "/cache/runc"`)
	assert.Contains(t, string(files[l.config("containerd.toml")]), `sandbox = "127.0.0.1:5001/pause:`)
	assert.Contains(t, string(files[l.config("registries")+"/docker.io/hosts.toml"]), `server = "https://127.0.0.1:5001"`)
}

func TestKubeconfigOfTheKubelet(t *testing.T) {
	l := testLayout(t)
	require.NoError(t, issueCertificates(l))
	content, err := kubeconfig(l, "kubelet")
	require.NoError(t, err)
	config, err := clientcmd.RESTConfigFromKubeConfig(content)
	require.NoError(t, err)
	assert.Equal(t, "https://10.244.0.1:16443", config.Host)

	block, _ := pem.Decode(config.CertData)
	certificate, err := x509.ParseCertificate(block.Bytes)
	require.NoError(t, err)
	assert.Equal(t, "system:node:sitectl-lab", certificate.Subject.CommonName)
	assert.Equal(t, []string{"system:nodes"}, certificate.Subject.Organization)
	roots := x509.NewCertPool()
	require.True(t, roots.AppendCertsFromPEM(config.CAData))
	_, err = certificate.Verify(x509.VerifyOptions{Roots: roots, DNSName: "10.244.0.1"})
	assert.NoError(t, err)
}

func TestCertificatesAreIssuedOnce(t *testing.T) {
	l := testLayout(t)
	require.NoError(t, issueCertificates(l))
	before, err := os.ReadFile(l.certificate("registry"))
	require.NoError(t, err)
	require.NoError(t, issueCertificates(l))
	after, err := os.ReadFile(l.certificate("registry"))
	require.NoError(t, err)
	assert.Equal(t, before, after)
}

func TestLogin(t *testing.T) {
	l := testLayout(t)
	require.NoError(t, createLogin(l))
	config, err := os.ReadFile(l.dockerConfig() + "/config.json")
	require.NoError(t, err)
	var login struct {
		Auths map[string]struct{ Auth []byte }
	}
	require.NoError(t, yaml.Unmarshal(config, &login))
	user, password, _ := strings.Cut(string(login.Auths["127.0.0.1:5000"].Auth), ":")

	htpasswd, err := os.ReadFile(l.config("htpasswd"))
	require.NoError(t, err)
	name, hash, _ := strings.Cut(strings.TrimSpace(string(htpasswd)), ":")
	assert.Equal(t, name, user)
	assert.NoError(t, bcrypt.CompareHashAndPassword([]byte(hash), []byte(password)))

	info, err := os.Stat(l.dockerConfig() + "/config.json")
	require.NoError(t, err)
	assert.Equal(t, os.FileMode(0o600), info.Mode().Perm())
}

func TestObjects(t *testing.T) {
	l := testLayout(t)
	text, err := render("objects.yaml", newSettings(l, nil))
	require.NoError(t, err)
	objects, err := decodeObjects(text)
	require.NoError(t, err)
	var names []string
	for _, object := range objects {
		names = append(names, object.GetKind()+" "+object.GetName())
	}
	assert.Equal(t, []string{
		"StorageClass local", "IngressClass traefik", "Service kube-dns", "EndpointSlice kube-dns-lab",
		"ClusterRole sitectl-lab:coredns", "ClusterRoleBinding sitectl-lab:coredns",
		"ClusterRole sitectl-lab:provisioner", "ClusterRoleBinding sitectl-lab:provisioner",
		"ClusterRole sitectl-lab:traefik", "ClusterRoleBinding sitectl-lab:traefik",
	}, names)
}
