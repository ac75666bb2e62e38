package main

import "github.com/urfave/cli/v2"

// builderFlags are the names of the flags that a command has which builds.
var builderFlags = []string{"builder", "builder-tls", "builder-ca", "builder-cert", "builder-key", "verbose"}

// builderOptions say where images are built.
type builderOptions struct {
	address       string // of BuildKit; empty to have one found, or started
	tls           string // folder with the certificates for a tcp address
	ca, cert, key string // PEM files, instead of tls
}

func readBuilderOptions(c *cli.Context) builderOptions {
	return builderOptions{
		address: setting(c, "builder").String("builder"),
		tls:     setting(c, "builder-tls").String("builder-tls"),
		ca:      setting(c, "builder-ca").String("builder-ca"),
		cert:    setting(c, "builder-cert").String("builder-cert"),
		key:     setting(c, "builder-key").String("builder-key"),
	}
}
