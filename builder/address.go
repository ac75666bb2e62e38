package builder

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/client/connhelper"

	// Each registers a kind of address with BuildKit's client.
	_ "github.com/moby/buildkit/client/connhelper/dockercontainer"
	_ "github.com/moby/buildkit/client/connhelper/kubepod"
	_ "github.com/moby/buildkit/client/connhelper/nerdctlcontainer"
	_ "github.com/moby/buildkit/client/connhelper/podmancontainer"
	_ "github.com/moby/buildkit/client/connhelper/ssh"
)

// addressForms are the addresses that BuildKit's client understands, as
// buildctl does. All but the first two run the program they are named after
// (docker, podman, nerdctl, kubectl, ssh), which runs `buildctl dial-stdio`
// at the other end.
var addressForms = []string{
	"unix:///path",
	"tcp://host:port",
	"docker-container://name?context=context",
	"podman-container://name",
	"nerdctl-container://name?namespace=namespace",
	"kube-pod://name?context=context&namespace=namespace&container=container",
	"ssh://user@host:port/socket",
}

// checkAddress makes sure that an address is one of addressForms. BuildKit's
// client takes what it does not know for the name of a host.
func checkAddress(address string) error {
	if strings.HasPrefix(address, "/") {
		return fmt.Errorf("it has no kind: did you mean unix://%s?", address)
	}
	scheme, rest, found := strings.Cut(address, "://")
	if !found {
		return fmt.Errorf("it has no kind: did you mean tcp://%s?", address)
	}
	known := slices.ContainsFunc(addressForms, func(form string) bool { return strings.HasPrefix(form, scheme+"://") })
	if !known {
		return fmt.Errorf("%s:// is no kind of address", scheme)
	}
	switch scheme {
	case "unix":
		if !filepath.IsAbs(rest) {
			return errors.New("the path of its socket is not absolute")
		}
	case "tcp":
		if host, port, err := net.SplitHostPort(rest); err != nil || host == "" || port == "" {
			return errors.New("it is not of the form tcp://host:port")
		}
	}
	_, err := connhelper.GetConnectionHelper(address)
	return err
}

// throughProgram returns how BuildKit's client comes to an address that needs
// a program.
func throughProgram(address string) []client.ClientOpt {
	helper, err := connhelper.GetConnectionHelper(address)
	if err != nil || helper == nil {
		return nil
	}
	return []client.ClientOpt{client.WithContextDialer(func(ctx context.Context, address string) (net.Conn, error) {
		connection, err := helper.ContextDialer(ctx, address)
		if err != nil {
			return nil, err
		}
		return programConnection{connection}, nil
	})}
}

// programConnection is a connection to a program. One that has ended says why
// to who reads, but who writes hears of a broken pipe only.
type programConnection struct{ net.Conn }

func (c programConnection) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	if errors.Is(err, syscall.EPIPE) {
		if _, why := c.Read(make([]byte, 1)); why != nil {
			err = why
		}
	}
	return n, err
}

// encryption returns what BuildKit's client needs to speak TLS with the
// address; nothing if no certificate is configured.
func (o Options) encryption(address string) ([]client.ClientOpt, error) {
	ca, certificate, key, err := o.certificates()
	if err != nil || ca == "" && certificate == "" {
		return nil, err
	}
	parsed, err := url.Parse(address)
	if err != nil {
		return nil, err
	}
	if parsed.Scheme != "tcp" {
		return nil, errors.New("certificates are for tcp:// addresses only")
	}
	options := []client.ClientOpt{client.WithServerConfigSystem(parsed.Hostname())}
	if ca != "" {
		options = []client.ClientOpt{client.WithServerConfig(parsed.Hostname(), ca)}
	}
	if certificate != "" {
		options = append(options, client.WithCredentials(certificate, key))
	}
	return options, nil
}

// certificates returns the paths of the PEM files to use; empty ones if none
// are configured.
func (o Options) certificates() (ca, certificate, key string, err error) {
	if o.BuilderTLS != "" {
		if o.BuilderCA != "" || o.BuilderCert != "" || o.BuilderKey != "" {
			return "", "", "", errors.New("a folder of certificates and single certificates exclude each other")
		}
		return certificatesIn(o.BuilderTLS)
	}
	if (o.BuilderCert == "") != (o.BuilderKey == "") {
		return "", "", "", errors.New("a certificate needs its key, and a key its certificate")
	}
	return o.BuilderCA, o.BuilderCert, o.BuilderKey, nil
}

// certificatesIn finds the files by the names that buildctl's --tlsdir has:
// those of Docker, or those of a Secret of the type kubernetes.io/tls.
func certificatesIn(folder string) (ca, certificate, key string, err error) {
	var missing []string
	find := func(name, other string) string {
		for _, path := range []string{filepath.Join(folder, name), filepath.Join(folder, other)} {
			if _, err := os.Stat(path); err == nil {
				return path
			}
		}
		missing = append(missing, name+" or "+other)
		return ""
	}
	ca, certificate, key = find("ca.pem", "ca.crt"), find("cert.pem", "tls.crt"), find("key.pem", "tls.key")
	if len(missing) > 0 {
		return "", "", "", fmt.Errorf("the folder %s has no %s", folder, strings.Join(missing, ", no "))
	}
	return ca, certificate, key, nil
}
