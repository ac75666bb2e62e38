package deploy

import (
	"encoding/pem"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"sync/atomic"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// counter stands before the API server and counts requests.
type counter struct {
	server   *httptest.Server
	requests atomic.Int64
}

// newCounter writes a kubeconfig that leads through the counter. The rights
// are those of config.
func newCounter(config *rest.Config, kubeconfig string) (*counter, error) {
	target, err := url.Parse(config.Host)
	if err != nil {
		return nil, err
	}
	tunnel := rest.CopyConfig(config)
	tunnel.NextProtos = []string{"http/1.1"} // HTTP/2 has no Upgrade
	plain, err := rest.TransportFor(config)
	if err != nil {
		return nil, err
	}
	upgrading, err := rest.TransportFor(tunnel)
	if err != nil {
		return nil, err
	}
	quiet := log.New(io.Discard, "", 0) // a client that ends in the middle of a watch
	forward := func(transport http.RoundTripper) *httputil.ReverseProxy {
		return &httputil.ReverseProxy{
			Rewrite: func(r *httputil.ProxyRequest) {
				r.SetURL(target)
				r.Out.Header.Del("Authorization")
			},
			Transport: transport, FlushInterval: -1, ErrorLog: quiet,
		}
	}
	requests, tunnels := forward(plain), forward(upgrading)
	c := &counter{}
	c.server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c.requests.Add(1)
		if r.Header.Get("Upgrade") != "" {
			tunnels.ServeHTTP(w, r)
			return
		}
		requests.ServeHTTP(w, r)
	}))
	c.server.EnableHTTP2 = true
	c.server.Config.ErrorLog = quiet
	c.server.StartTLS()
	authority := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.server.Certificate().Raw})
	return c, clientcmd.WriteToFile(clientcmdapi.Config{
		Clusters:       map[string]*clientcmdapi.Cluster{"bench": {Server: c.server.URL, CertificateAuthorityData: authority}},
		Contexts:       map[string]*clientcmdapi.Context{"bench": {Cluster: "bench", AuthInfo: "bench"}},
		AuthInfos:      map[string]*clientcmdapi.AuthInfo{"bench": {Token: "none"}}, // or kubectl asks for a name
		CurrentContext: "bench",
	}, kubeconfig)
}

func (c *counter) close() {
	c.server.CloseClientConnections()
	c.server.Close()
}
