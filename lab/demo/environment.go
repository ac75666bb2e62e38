package main

import (
	"fmt"
	"net/url"
	"os"
	"strings"
)

// environment is the platform the demo runs on. `lab env` prints these
// variables; with a platform of one's own they are set by hand.
type environment struct {
	kubeconfig string // KUBECONFIG
	registry   string // SITECTL_REGISTRY: host:port, where images are pushed to
	ingress    string // host:port, from SITECTL_INGRESS: a URL, where the ingress controller listens
}

// readEnvironment reads the variables. BUILDKIT_HOST, DOCKER_CONFIG and
// SITECTL_REGISTRY_CA are for sitectl alone, which inherits them.
func readEnvironment() (environment, error) {
	var missing []string
	variable := func(name string) string {
		value := os.Getenv(name)
		if value == "" {
			missing = append(missing, name)
		}
		return value
	}
	env := environment{kubeconfig: variable("KUBECONFIG"), registry: variable("SITECTL_REGISTRY")}
	ingress := variable("SITECTL_INGRESS")
	if len(missing) > 0 {
		return environment{}, fmt.Errorf("the environment lacks %s (`lab env` prints them)", strings.Join(missing, ", "))
	}
	var err error
	if env.ingress, err = dialAddress(ingress); err != nil {
		return environment{}, fmt.Errorf("SITECTL_INGRESS: %w", err)
	}
	return env, nil
}

// dialAddress returns host:port of an http URL; the port is 80 if the URL
// names none.
func dialAddress(address string) (string, error) {
	u, err := url.Parse(address)
	if err != nil {
		return "", err
	}
	if u.Scheme != "http" || u.Hostname() == "" {
		return "", fmt.Errorf("%q is not of the form http://host:port", address)
	}
	if u.Port() == "" {
		return u.Host + ":80", nil
	}
	return u.Host, nil
}
