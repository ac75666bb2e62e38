package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestRegistryCounts(t *testing.T) {
	behind := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		_, _ = io.WriteString(w, r.Method+" "+r.URL.Path+" "+string(body))
	}))
	defer behind.Close()
	r := &registry{}
	require.NoError(t, r.listen(behind.Listener.Addr().String(), behind.Certificate()))
	defer r.proxy.Close()

	before := r.traffic()
	answer, err := http.Post("http://"+r.host+"/v2/site/blobs/uploads/", "application/octet-stream", strings.NewReader("layer"))
	require.NoError(t, err)
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	require.NoError(t, err)
	assert.Equal(t, "POST /v2/site/blobs/uploads/ layer", string(body))
	assert.Equal(t, traffic{requests: 1, sent: int64(len("layer")), received: int64(len(body))}, r.traffic().since(before))
}

func TestCertificate(t *testing.T) {
	certificate, err := writeCertificate(t.TempDir())
	require.NoError(t, err)
	assert.NoError(t, certificate.VerifyHostname("127.0.0.1"))
}
