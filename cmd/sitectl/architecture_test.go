package main

import (
	"encoding/json"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const module = "github.com/sitectl/sitectl"

// mayImport is the architecture: imports point down only, and the builder and
// the deployer do not know each other.
var mayImport = map[string][]string{
	"site":        {},
	"templates":   {},
	"ci":          {"site", "templates"},
	"ci/image":    {}, // a program for make image
	"builder":     {"site", "templates"},
	"deployer":    {"site", "templates"},
	"cmd/sitectl": {"builder", "deployer", "ci", "site", "templates"},
}

func TestImportsPointDown(t *testing.T) {
	for line := range strings.Lines(goCommand(t, "list", "-f", `{{.ImportPath}}: {{join .Imports " "}}`, module+"/...")) {
		path, imports, _ := strings.Cut(strings.TrimSpace(line), ": ")
		name := strings.TrimPrefix(strings.TrimSuffix(path, ":"), module+"/")
		allowed, known := mayImport[name]
		if !assert.True(t, known, "package %s has no place in the architecture", name) {
			continue
		}
		for _, imported := range strings.Fields(imports) {
			if own, ok := strings.CutPrefix(imported, module+"/"); ok {
				assert.Contains(t, allowed, own, "what %s may import", name)
			}
		}
	}
}

// directDependencies is everything the module asks for by itself. A new one
// has to be wanted: it is added here in the same change.
var directDependencies = []string{
	"github.com/agext/levenshtein",
	"github.com/cbroglie/mustache",
	"github.com/docker/cli",
	"github.com/golang-jwt/jwt/v5",
	"github.com/google/go-containerregistry",
	"github.com/hashicorp/go-retryablehttp",
	"github.com/klauspost/compress",
	"github.com/moby/buildkit",
	"github.com/moby/moby/client",
	"github.com/moby/patternmatcher",
	"github.com/opencontainers/go-digest",
	"github.com/robfig/cron/v3",
	"github.com/rogpeppe/go-internal",
	"github.com/santhosh-tekuri/jsonschema/v6",
	"github.com/stretchr/testify",
	"github.com/tonistiigi/fsutil",
	"github.com/urfave/cli/v2",
	"go.yaml.in/yaml/v3",
	"golang.org/x/crypto",
	"golang.org/x/sync",
	"golang.org/x/term",
	"google.golang.org/grpc",
	"k8s.io/api",
	"k8s.io/apimachinery",
	"k8s.io/client-go",
	"k8s.io/klog/v2",
	"k8s.io/streaming",
	"k8s.io/utils",
	"sigs.k8s.io/gateway-api",
	"sigs.k8s.io/yaml",
}

func TestDirectDependencies(t *testing.T) {
	var mod struct {
		Require []struct {
			Path     string
			Indirect bool
		}
	}
	require.NoError(t, json.Unmarshal([]byte(goCommand(t, "mod", "edit", "-json", "../../go.mod")), &mod))
	var direct []string
	for _, required := range mod.Require {
		if !required.Indirect {
			direct = append(direct, required.Path)
		}
	}
	slices.Sort(direct)
	assert.Equal(t, directDependencies, direct)
}

func goCommand(t *testing.T, arguments ...string) string {
	t.Helper()
	var stderr strings.Builder
	command := exec.CommandContext(t.Context(), "go", arguments...)
	command.Stderr = &stderr
	out, err := command.Output()
	require.NoError(t, err, "go %s: %s", strings.Join(arguments, " "), stderr.String())
	return string(out)
}
