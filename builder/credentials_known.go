package builder

import (
	"fmt"
	"slices"

	"github.com/docker/cli/cli/config"
	dockerlogins "github.com/docker/cli/cli/config/credentials"
)

// KnownRegistries are the hosts of the registries, sorted, that the docker
// config has a login to, without asking a credential helper for it. Docker Hub
// is left out: what a repository there is called follows from the user. An
// empty folder is that of docker.
func KnownRegistries(folder string) ([]string, error) {
	if folder == "" {
		folder = config.Dir()
	}
	file, err := config.Load(folder)
	if err != nil {
		return nil, fmt.Errorf("read registry logins: %w", err)
	}
	var hosts []string
	add := func(key string) {
		host := dockerlogins.ConvertToHostname(key)
		if !slices.Contains([]string{"docker.io", "index.docker.io", "registry-1.docker.io"}, host) && host != "" {
			hosts = append(hosts, host)
		}
	}
	for key := range file.AuthConfigs {
		add(key)
	}
	for key := range file.CredentialHelpers {
		add(key)
	}
	slices.Sort(hosts)
	return slices.Compact(hosts), nil
}
