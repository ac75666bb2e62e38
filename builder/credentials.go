package builder

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/docker/cli/cli/config"
	"github.com/docker/cli/cli/config/configfile"
	"github.com/docker/cli/cli/config/types"
	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/moby/buildkit/session/auth/authprovider"
)

// Login is a login that was given explicitly. It is for one registry, and
// there it wins over all others.
type Login struct {
	Image        string // a repository of the registry that it is for
	User         string // empty for no explicit login
	Password     string
	PasswordFile string // instead of Password: a file with it, which may change during a build
}

// login is who we are to a registry. The zero value is nobody.
type login struct {
	types.AuthConfig
	source string // who gave it, in words; empty for nobody
	// job tells that it ends with the CI job that it was made for.
	job bool
}

// credentials finds out who we are to each registry. It looks, in this order, for
// an explicit login, in the docker config with its credential helpers, and at
// the variables of GitLab CI and GitHub Actions.
type credentials struct {
	explicit Login
	host     string              // that explicit is for
	folder   string              // of the docker config
	getenv   func(string) string // as os.Getenv
	// age is how old an answer may be. Tokens of CI jobs may live two minutes
	// only, and whoever refreshes them writes them where we read.
	age time.Duration

	mutex sync.Mutex // credential helpers do not like to run twice at once (docker/cli#1862)
	known map[string]knownLogin
}

type knownLogin struct {
	login
	at time.Time
}

func newCredentials(o Options) (*credentials, error) {
	c := &credentials{
		explicit: o.Login, folder: o.DockerConfig, getenv: o.Getenv,
		age: 30 * time.Second, known: map[string]knownLogin{},
	}
	if c.explicit.User == "" {
		return c, nil
	}
	repo, err := name.NewRepository(c.explicit.Image)
	if err != nil {
		return nil, fmt.Errorf("image %q: %w", c.explicit.Image, err)
	}
	c.host = repo.RegistryStr()
	_, err = c.fromFlags(c.host)
	return c, err
}

// of returns the login for a registry, by its host with the port.
func (c *credentials) of(host string) (login, error) {
	host = registryHost(host)
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if known, ok := c.known[host]; ok && time.Since(known.at) < c.age {
		return known.login, nil
	}
	for _, source := range []func(string) (login, error){c.fromFlags, c.fromDocker, c.fromGitLab, c.fromGitHub} {
		found, err := source(host)
		if err != nil {
			return login{}, err
		}
		if found.source != "" {
			c.known[host] = knownLogin{found, time.Now()}
			return found, nil
		}
	}
	c.known[host] = knownLogin{at: time.Now()}
	return login{}, nil
}

// registryHost is the name under which we know a registry: Docker Hub has
// several.
func registryHost(host string) string {
	switch host {
	case "docker.io", authprovider.DockerHubRegistryHost:
		return name.DefaultRegistry
	}
	return host
}

func noPassword(host string, err error) error {
	return &RegistryError{
		Host: host, Doing: "read the registry password", Err: err, unread: true,
		hint: "name a file that has it with --registry-password-file, or pipe it in with --registry-password-stdin",
	}
}

func (c *credentials) fromFlags(host string) (login, error) {
	if c.explicit.User == "" || host != c.host {
		return login{}, nil
	}
	password := c.explicit.Password
	if c.explicit.PasswordFile != "" {
		content, err := os.ReadFile(c.explicit.PasswordFile)
		if err != nil {
			return login{}, noPassword(host, err)
		}
		password = strings.TrimRight(string(content), "\r\n")
	}
	if password == "" {
		return login{}, noPassword(host, errors.New("it is empty"))
	}
	return passwordLogin(c.explicit.User, password, "--registry-user"), nil
}

func (c *credentials) fromDocker(host string) (login, error) {
	file, err := config.Load(c.folder)
	if err != nil {
		return login{}, err
	}
	if host == name.DefaultRegistry {
		host = authn.DefaultAuthKey // Docker Hub is known by its first address
	}
	found, err := file.GetAuthConfig(host)
	if err != nil {
		return login{}, fmt.Errorf("%s: %w", dockerSource(file, host), err)
	}
	if found == (types.AuthConfig{ServerAddress: found.ServerAddress}) {
		return login{}, nil
	}
	return login{AuthConfig: found, source: dockerSource(file, host)}, nil
}

// dockerSource says which part of the docker config is asked for a login.
func dockerSource(file *configfile.ConfigFile, key string) string {
	helper := file.CredentialsStore
	if own, ok := file.CredentialHelpers[key]; ok {
		helper = own
	}
	if helper == "" {
		return "docker config " + filepath.Clean(file.Filename)
	}
	return "docker-credential-" + helper + " of docker config " + filepath.Clean(file.Filename)
}

// fromGitLab has the login of a CI job to its project's registry; the password
// is that of CI_JOB_TOKEN
// (https://docs.gitlab.com/ci/variables/predefined_variables/).
func (c *credentials) fromGitLab(host string) (login, error) {
	if registryHost(c.getenv("CI_REGISTRY")) != host {
		return login{}, nil
	}
	return c.fromVariables("CI_REGISTRY_USER", "CI_REGISTRY_PASSWORD"), nil
}

// fromGitHub has the login of a workflow to GitHub's registry
// (https://docs.github.com/packages/managing-github-packages-using-github-actions-workflows).
func (c *credentials) fromGitHub(host string) (login, error) {
	if host != "ghcr.io" {
		return login{}, nil
	}
	return c.fromVariables("GITHUB_ACTOR", "GITHUB_TOKEN"), nil
}

// fromVariables is the login of a CI job, if both variables are set.
func (c *credentials) fromVariables(user, password string) login {
	if c.getenv(user) == "" || c.getenv(password) == "" {
		return login{}
	}
	found := passwordLogin(c.getenv(user), c.getenv(password), user+" and "+password)
	found.job = true
	return found
}

func passwordLogin(user, password, source string) login {
	return login{AuthConfig: types.AuthConfig{Username: user, Password: password}, source: source}
}

// forBuildKit answers BuildKit, which asks for a login when it needs one. What
// it was told before does not count: age is for us to judge.
func (c *credentials) forBuildKit(_ context.Context, host string, _ []string, _ authprovider.ExpireCachedAuthCheck) (types.AuthConfig, error) {
	found, err := c.of(host)
	return found.AuthConfig, err
}

// authenticator tells the registry library who we are each time it asks.
type authenticator struct {
	credentials *credentials
	host        string
}

// Authorization implements authn.Authenticator. Nobody has empty fields.
func (a authenticator) Authorization() (*authn.AuthConfig, error) {
	found, err := a.credentials.of(a.host)
	return &authn.AuthConfig{
		Username:      found.Username,
		Password:      found.Password,
		Auth:          found.Auth,
		IdentityToken: found.IdentityToken,
		RegistryToken: found.RegistryToken,
	}, err
}

// Resolve implements authn.Keychain.
func (a authenticator) Resolve(authn.Resource) (authn.Authenticator, error) { return a, nil }
