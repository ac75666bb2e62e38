package main

import (
	"context"
	"net/http"
	"path"
	"strings"

	"github.com/distribution/distribution/v3/configuration"
	"github.com/distribution/distribution/v3/registry/api/errcode"
	"github.com/distribution/distribution/v3/registry/handlers"
)

// mirrorHandler serves the public images of the storage folder to anyone, and
// changes nothing in it. The query ns=docker.io that containerd and BuildKit
// add to each request of a mirror plays no part.
func mirrorHandler(ctx context.Context, opts options) http.Handler {
	config := filesystemConfig(opts.Storage)
	// Unfinished uploads are the private registry's to clean up.
	config.Storage["maintenance"] = configuration.Parameters{
		"uploadpurging": map[any]any{"enabled": false},
	}
	return publicOnly(handlers.NewApp(ctx, config))
}

// publicOnly lets through requests that read a public repository, and the
// request for /v2/ with which a client finds out whether it must log in.
func publicOnly(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Method != http.MethodGet && r.Method != http.MethodHead:
			refuse(w, errcode.ErrorCodeUnsupported)
		case !isPublic(r.URL.Path):
			refuse(w, errcode.ErrorCodeNameUnknown)
		default:
			next.ServeHTTP(w, r)
		}
	})
}

// isPublic is about a decoded URL path. A path that is not in its shortest form
// could mean another one to the router, so it is not public.
func isPublic(urlPath string) bool {
	if urlPath == "/v2/" {
		return true
	}
	if urlPath != path.Clean(urlPath) {
		return false
	}
	return strings.HasPrefix(urlPath, "/v2/library/") || strings.HasPrefix(urlPath, "/v2/pause/")
}

func refuse(w http.ResponseWriter, code errcode.ErrorCode) {
	// Writing fails only if the client is gone.
	_ = errcode.ServeJSON(w, code)
}
