package deployer

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"k8s.io/client-go/rest"
)

// Identity is who we are to the API server, as the kubeconfig has it.
type Identity struct {
	Kind    string    // "client certificate", "token" or the like; empty for nobody
	Expires time.Time // zero if it does not tell, or does not expire
	// Renewed says that somebody sees to its renewal: a plugin, or who writes
	// the file of a token, such as the kubelet.
	Renewed bool
}

// Identity returns who we are to the API server. It makes no request.
func (d *Deployer) Identity() Identity { return d.identity }

// RenewHint says how to come by new credentials.
func RenewHint(namespace string) string {
	return "get a new kubeconfig from whoever runs the cluster; for the account of sitectl rbac: " +
		"kubectl -n " + namespace + " create token sitectl --duration 720h"
}

// identify looks at the credentials of a kubeconfig in the order in which
// they count if there are several: the API server takes a certificate before
// it looks at a token.
func identify(config *rest.Config) Identity {
	certificate := config.CertData
	if len(certificate) == 0 && config.CertFile != "" {
		certificate, _ = os.ReadFile(config.CertFile) // what cannot be read is told by the first request
	}
	switch {
	case len(certificate) > 0:
		return Identity{Kind: "client certificate", Expires: certificateExpiry(certificate)}
	case config.ExecProvider != nil:
		return Identity{Kind: "what " + config.ExecProvider.Command + " gives", Renewed: true}
	case config.AuthProvider != nil:
		return Identity{Kind: "what the provider " + config.AuthProvider.Name + " gives", Renewed: true}
	case config.BearerTokenFile != "":
		token, _ := os.ReadFile(config.BearerTokenFile)
		return Identity{Kind: "token of " + config.BearerTokenFile, Expires: tokenExpiry(strings.TrimSpace(string(token))), Renewed: true}
	case config.BearerToken != "":
		return Identity{Kind: "token", Expires: tokenExpiry(config.BearerToken)}
	case config.Username != "":
		return Identity{Kind: "user and password"}
	default:
		return Identity{}
	}
}

// tokenExpiry is the claim exp of a token (RFC 7519, 4.1.4), which is not
// verified: that is for who gets it. It is zero for a token that is no JWT.
func tokenExpiry(token string) time.Time {
	var claims jwt.RegisteredClaims
	if _, _, err := jwt.NewParser().ParseUnverified(token, &claims); err != nil || claims.ExpiresAt == nil {
		return time.Time{}
	}
	return claims.ExpiresAt.Time
}

// certificateExpiry is the end of the first certificate of a PEM file, the
// client's own.
func certificateExpiry(data []byte) time.Time {
	block, _ := pem.Decode(data)
	if block == nil {
		return time.Time{}
	}
	certificate, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return time.Time{}
	}
	return certificate.NotAfter
}

// serverDate asks for the time by the clock of the API server: every answer
// has it in the header Date, in whole seconds (RFC 9110, 6.6.1), a refusal,
// too.
func serverDate(client *http.Client, server string) func(context.Context) (time.Time, error) {
	return func(ctx context.Context) (time.Time, error) {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(server, "/")+"/version", nil)
		if err != nil {
			return time.Time{}, err
		}
		response, err := client.Do(request)
		if err != nil {
			return time.Time{}, err
		}
		defer response.Body.Close()
		date, err := http.ParseTime(response.Header.Get("Date"))
		if err != nil {
			return time.Time{}, fmt.Errorf("its answer has no date: %w", err)
		}
		return date, nil
	}
}
