package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/sitectl/sitectl/builder"
)

// registryFlags are the names of the flags that a command has which talks to
// a registry.
var registryFlags = []string{
	"registry-ca", "registry-user", "registry-password-file", "registry-password-stdin", "registry-mirror",
}

// registryOptions say who we are to the registry of the site, and where base
// images are looked for.
type registryOptions struct {
	user         string // empty for the login of the docker config or the CI job
	password     string
	passwordFile string            // instead of password
	mirrors      map[string]string // base URLs, by the host of the registry
}

// longestPassword is more than any password or token has, in bytes.
const longestPassword = 64 << 10

func readRegistryOptions(c *cli.Context) (registryOptions, error) {
	r := registryOptions{
		user:         setting(c, "registry-user").String("registry-user"),
		passwordFile: setting(c, "registry-password-file").String("registry-password-file"),
	}
	stdin := setting(c, "registry-password-stdin").Bool("registry-password-stdin")
	var err error
	if r.mirrors, err = readMirrors(setting(c, "registry-mirror").StringSlice("registry-mirror")); err != nil {
		return registryOptions{}, err
	}
	switch {
	case r.user == "" && (r.passwordFile != "" || stdin):
		return registryOptions{}, &usageError{"a registry password was given without a user", "name the user with --registry-user"}
	case r.user != "" && r.passwordFile == "" && !stdin:
		return registryOptions{}, &usageError{
			"--registry-user was given without a password",
			"name a file that has it with --registry-password-file, or pipe it in with --registry-password-stdin",
		}
	case r.passwordFile != "" && stdin:
		return registryOptions{}, &usageError{
			"--registry-password-file and --registry-password-stdin were both given", "the password can come from one of them",
		}
	case stdin:
		password, err := io.ReadAll(io.LimitReader(c.App.Reader, longestPassword))
		if err != nil {
			return registryOptions{}, fmt.Errorf("read the registry password from standard input: %w", err)
		}
		r.password = strings.TrimRight(string(password), "\r\n")
	}
	return r, nil
}

// readMirrors reads pairs of the form HOST=URL.
func readMirrors(pairs []string) (map[string]string, error) {
	mirrors := map[string]string{}
	// The variable has several with commas between them.
	for pair := range strings.SplitSeq(strings.Join(pairs, ","), ",") {
		if pair == "" {
			continue // of a variable that is set to nothing
		}
		host, url, ok := strings.Cut(strings.TrimSpace(pair), "=")
		if !ok || host == "" || url == "" {
			return nil, &usageError{
				fmt.Sprintf("--registry-mirror cannot be %q", pair),
				"it is the host of a registry and the URL of its mirror: docker.io=https://mirror.example.com",
			}
		}
		mirrors[host] = url
	}
	return mirrors, nil
}

// login is the explicit login to the registry that has an image.
func (r registryOptions) login(image string) builder.Login {
	return builder.Login{Image: image, User: r.user, Password: r.password, PasswordFile: r.passwordFile}
}
