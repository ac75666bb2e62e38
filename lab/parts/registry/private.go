package main

import (
	"context"
	"crypto/rand"
	"net/http"

	"github.com/distribution/distribution/v3/configuration"
	_ "github.com/distribution/distribution/v3/registry/auth/htpasswd"
	"github.com/distribution/distribution/v3/registry/handlers"
	_ "github.com/distribution/distribution/v3/registry/storage/driver/filesystem"
)

// realm names the registry in the login challenge.
const realm = "sitectl lab"

// privateHandler serves the whole storage folder to those who log in.
func privateHandler(ctx context.Context, opts options) http.Handler {
	config := filesystemConfig(opts.Storage)
	config.Storage["delete"] = configuration.Parameters{"enabled": true}
	config.Auth = configuration.Auth{"htpasswd": {"realm": realm, "path": opts.Htpasswd}}
	return handlers.NewApp(ctx, config)
}

// filesystemConfig has what both addresses share. Nothing is cached in memory:
// the two would not see each other's deletions.
func filesystemConfig(folder string) *configuration.Configuration {
	config := &configuration.Configuration{
		Storage: configuration.Storage{
			"filesystem": {"rootdirectory": folder},
		},
	}
	// The secret signs the state of an upload, which does not outlive the process.
	config.HTTP.Secret = rand.Text()
	// A Location without a host keeps a client on the address it came to, also
	// when there is a proxy in between.
	config.HTTP.RelativeURLs = true
	config.Catalog.MaxEntries = 1000
	return config
}
