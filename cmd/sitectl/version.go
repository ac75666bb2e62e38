package main

import (
	"context"
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/urfave/cli/v2"
)

// linkedVersion is set by the linker: -X main.linkedVersion=v1.2.3.
var linkedVersion string

// version is the linked version; for `go install` the module's; else "devel".
func version() string {
	if linkedVersion != "" {
		return linkedVersion
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" && info.Main.Version != "(devel)" {
		return info.Main.Version
	}
	return "devel"
}

func versionCommand() *cli.Command {
	return page{
		name:        "version",
		usage:       "print the version of sitectl",
		description: "Prints the version of sitectl, and the Go version and platform it was built with and for.",
		examples:    "sitectl version --output json",
		flags:       []string{"output"},
		statuses:    []status{statusDone, statusFailed, statusUsage},
	}.command(runVersion)
}

// versionResult is what version prints with --output json.
type versionResult struct {
	Version  string `json:"version"`
	Go       string `json:"go"`       // version it was built with
	Platform string `json:"platform"` // os/architecture it was built for
}

func runVersion(_ context.Context, o options) error {
	v := versionResult{version(), runtime.Version(), runtime.GOOS + "/" + runtime.GOARCH}
	if o.output == "json" {
		return writeJSON(o.stdout, v)
	}
	_, err := fmt.Fprintf(o.stdout, "sitectl %s (%s, %s)\n", v.Version, v.Go, v.Platform)
	return err
}
