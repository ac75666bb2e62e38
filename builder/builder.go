// Package builder turns a site and a commit into an image in a registry: it
// renders the Dockerfile, has BuildKit build it from the commit's tree and
// push it, and asks the registry what is there.
package builder

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/docker/cli/cli/config"
	"github.com/docker/cli/cli/config/configfile"
	"github.com/google/go-containerregistry/pkg/name"
)

// Options say what a Builder works with.
type Options struct {
	// Address is that of BuildKit, as in BUILDKIT_HOST. Without one, a running
	// BuildKit is looked for, and one is started if there is none.
	Address string
	// BuilderCA, BuilderCert and BuilderKey are PEM files for an Address of the
	// kind tcp: its CA (default: those of the system), and the certificate and
	// key to show it. BuilderTLS is a folder with all three instead, called
	// ca.pem, cert.pem and key.pem, or ca.crt, tls.crt and tls.key.
	BuilderCA, BuilderCert, BuilderKey, BuilderTLS string

	DockerConfig string // folder with the registry logins (config.json); default: DOCKER_CONFIG, then ~/.docker
	RegistryCA   string // PEM file of a CA to trust for the registry, besides the system's
	Login        Login  // explicit login to a registry; default: none
	// RegistryMirrors are the base URLs of mirrors, by the host of the
	// registry. They are asked for base images, by a BuildKit that is started,
	// too; one that is running has mirrors of its own.
	RegistryMirrors map[string]string
	Getenv          func(string) string // has the logins of a CI job; default: os.Getenv
	Log             func(line string)   // told what a person who waits may want to know; default: nobody
	Progress        string              // auto, plain, tty, rawjson or quiet; default: auto
	Stderr          io.Writer           // where progress is shown; default: nowhere
	// Vertex is told of each step that BuildKit executes, each time it
	// changes, one at a time; default: nobody.
	Vertex func(Vertex)
	// Verbose is told which builder and which logins are used, and why;
	// default: nobody.
	Verbose func(line string)
	Secrets []Secret // that steps of the build may mount
	SSH     bool     // whether steps of the build may use the SSH agent
}

// Secret is a file that a step of a build may mount. It is in no layer and no
// build argument.
type Secret struct {
	ID   string
	File string
}

// Builder builds images with BuildKit and knows those of a registry. It is
// safe for concurrent use.
type Builder struct {
	options Options
	logins  *configfile.ConfigFile
	// reach is how long BuildKit and the registry have to answer a question
	// that needs no work.
	reach time.Duration

	credentials *credentials
	mirrors     mirrors
	backoff     backoff // between tries of what a registry did not do at once
	meter       meter

	sockets    []string // where a running BuildKit is looked for
	connection connection

	mutex        sync.Mutex
	said         map[string]bool              // to Options.Verbose
	transports   map[string]http.RoundTripper // by registry host
	repositories map[name.Repository]clients
}

// New reads the registry logins and the CA. It connects to nothing.
func New(options Options) (*Builder, error) {
	if options.DockerConfig == "" {
		options.DockerConfig = config.Dir()
	}
	if options.Stderr == nil {
		options.Stderr = io.Discard
	}
	if options.Getenv == nil {
		options.Getenv = os.Getenv
	}
	if options.Log == nil {
		options.Log = func(string) {}
	}
	logins, err := config.Load(options.DockerConfig)
	if err != nil {
		return nil, fmt.Errorf("read registry logins: %w", err)
	}
	credentials, err := newCredentials(options)
	if err != nil {
		return nil, err
	}
	mirrors, err := newMirrors(options.RegistryMirrors)
	if err != nil {
		return nil, err
	}
	return &Builder{
		options:      options,
		logins:       logins,
		credentials:  credentials,
		mirrors:      mirrors,
		backoff:      defaultBackoff,
		reach:        8 * time.Second,
		sockets:      defaultSockets(),
		said:         map[string]bool{},
		transports:   map[string]http.RoundTripper{},
		repositories: map[name.Repository]clients{},
	}, nil
}
