package deployer

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd/api"
)

var end = time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)

// token is a JWT that ends then.
func token(t *testing.T) string {
	t.Helper()
	text, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.RegisteredClaims{ExpiresAt: jwt.NewNumericDate(end)}).SignedString([]byte("any"))
	require.NoError(t, err)
	return text
}

// certificate is one that ends then, as PEM.
func certificate(t *testing.T) []byte {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: end}
	data, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(t, err)
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: data})
}

func TestIdentify(t *testing.T) {
	file := filepath.Join(t.TempDir(), "token")
	require.NoError(t, os.WriteFile(file, []byte(token(t)+"\n"), 0o600))
	certificateFile := filepath.Join(t.TempDir(), "tls.crt")
	require.NoError(t, os.WriteFile(certificateFile, certificate(t), 0o600))
	for name, test := range map[string]struct {
		config rest.Config
		want   Identity
	}{
		"nobody":             {rest.Config{}, Identity{}},
		"certificate":        {rest.Config{TLSClientConfig: rest.TLSClientConfig{CertData: certificate(t)}}, Identity{Kind: "client certificate", Expires: end}},
		"certificate file":   {rest.Config{TLSClientConfig: rest.TLSClientConfig{CertFile: certificateFile}}, Identity{Kind: "client certificate", Expires: end}},
		"broken certificate": {rest.Config{TLSClientConfig: rest.TLSClientConfig{CertData: []byte("no PEM")}}, Identity{Kind: "client certificate"}},
		"token":              {rest.Config{BearerToken: token(t)}, Identity{Kind: "token", Expires: end}},
		"token, no JWT":      {rest.Config{BearerToken: "abc"}, Identity{Kind: "token"}},
		"token file":         {rest.Config{BearerTokenFile: file}, Identity{Kind: "token of " + file, Expires: end, Renewed: true}},
		"plugin":             {rest.Config{ExecProvider: &api.ExecConfig{Command: "aws"}}, Identity{Kind: "what aws gives", Renewed: true}},
		"provider":           {rest.Config{AuthProvider: &api.AuthProviderConfig{Name: "oidc"}}, Identity{Kind: "what the provider oidc gives", Renewed: true}},
		"password":           {rest.Config{Username: "ada"}, Identity{Kind: "user and password"}},
	} {
		t.Run(name, func(t *testing.T) {
			found := identify(&test.config)
			assert.True(t, test.want.Expires.Equal(found.Expires), found.Expires)
			found.Expires = test.want.Expires
			assert.Equal(t, test.want, found)
		})
	}
}

func TestServerDate(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		assert.Equal(t, "/version", r.URL.Path)
		w.Header().Set("Date", end.Format(http.TimeFormat))
		w.WriteHeader(http.StatusForbidden)
	}))
	defer server.Close()
	found, err := serverDate(server.Client(), server.URL+"/")(t.Context())
	require.NoError(t, err)
	assert.True(t, end.Equal(found))
}
