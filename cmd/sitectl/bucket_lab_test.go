//go:build lab

package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"io/fs"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

// bucket is one of an S3-compatible store: rclone's server, behind TLS at an
// address that pods can reach.
type bucket struct {
	name                 string
	endpoint             string
	authority            []byte // PEM, of the certificate
	accessKey, secretKey string
	cut                  atomic.Bool // uploads end in their middle

	dir string
}

func newBucket(t *testing.T, rclone string, cluster kubernetes.Interface) *bucket {
	t.Helper()
	b := &bucket{name: "backups", accessKey: rand.Text()[:20], secretKey: rand.Text() + rand.Text(), dir: t.TempDir()}
	require.NoError(t, os.Mkdir(filepath.Join(b.dir, b.name), 0o755))
	address := freeAddress(t)
	server := exec.Command(rclone, "serve", "s3", "--config", "", "--addr", address, "--auth-key", b.accessKey+","+b.secretKey, b.dir)
	server.Stderr = t.Output()
	require.NoError(t, server.Start())
	t.Cleanup(func() {
		_ = server.Process.Kill()
		_ = server.Wait()
	})
	require.EventuallyWithT(t, func(c *assert.CollectT) {
		connection, err := net.Dial("tcp", address)
		require.NoError(c, err)
		_ = connection.Close()
	}, time.Minute, 100*time.Millisecond)

	host := nodeAddress(t, cluster)
	listener, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
	require.NoError(t, err)
	proxy := httptest.NewUnstartedServer(b.passOn(address))
	_ = proxy.Listener.Close()
	proxy.Listener = listener
	proxy.Config.ErrorLog = log.New(io.Discard, "", 0)
	certificate := selfSigned(t, host)
	proxy.TLS = &tls.Config{Certificates: []tls.Certificate{certificate}}
	proxy.StartTLS()
	t.Cleanup(proxy.Close)
	b.endpoint = proxy.URL
	b.authority = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate.Certificate[0]})
	return b
}

// passOn leaves the name of the host as it is: it is signed.
func (b *bucket) passOn(address string) http.Handler {
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(&url.URL{Scheme: "http", Host: address})
			r.Out.Host = r.In.Host
		},
		ErrorLog: log.New(io.Discard, "", 0),
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPut && b.cut.Load() {
			_, _ = io.CopyN(io.Discard, r.Body, r.ContentLength/2)
			panic(http.ErrAbortHandler)
		}
		proxy.ServeHTTP(w, r)
	})
}

// files are what is in the bucket: sizes by names.
func (b *bucket) files(t *testing.T) map[string]int64 {
	t.Helper()
	files := map[string]int64{}
	root := filepath.Join(b.dir, b.name)
	require.NoError(t, filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		name, err := filepath.Rel(root, path)
		files[name] = info.Size()
		return err
	}))
	return files
}

func freeAddress(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, listener.Close())
	return listener.Addr().String()
}

// nodeAddress is where pods reach a process of this machine, which is the
// node.
func nodeAddress(t *testing.T, cluster kubernetes.Interface) string {
	t.Helper()
	nodes, err := cluster.CoreV1().Nodes().List(t.Context(), metav1.ListOptions{})
	require.NoError(t, err)
	for _, node := range nodes.Items {
		for _, address := range node.Status.Addresses {
			if address.Type == corev1.NodeInternalIP {
				return address.Address
			}
		}
	}
	require.Fail(t, "no node has an address")
	return ""
}

func selfSigned(t *testing.T, address string) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "store"}, NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.ParseIP(address)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(t, err)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}
