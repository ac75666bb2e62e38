package judge

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"sigs.k8s.io/yaml"
)

// definition is a type of Kubernetes' own API description, as JSON.
type definition = map[string]any

// writeSchemas writes a JSON schema for every kind that the Kubernetes of the
// lab serves, and for the HTTPRoute that sitectl renders, from the descriptions
// that come with their sources. It returns the template of their names, as
// kubeconform wants it; its own schemas are on the network.
func writeSchemas(t *testing.T) string {
	t.Helper()
	folder := t.TempDir()
	write := func(group, version, kind string, schema definition) {
		data, err := json.Marshal(schema)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(folder, schemaName(group, version, kind)), data, 0o600))
	}
	definitions := readDefinitions(t)
	for name, of := range definitions {
		kinds, _ := of.(definition)["x-kubernetes-group-version-kind"].([]any)
		for _, kind := range kinds {
			kind := kind.(definition)
			write(kind["group"].(string), kind["version"].(string), kind["kind"].(string),
				definition{"$ref": reference + name, "definitions": reachable(definitions, name)})
		}
	}
	route := readCustomResource(t, "gateway.networking.k8s.io_httproutes.yaml")
	for _, version := range route.Spec.Versions {
		write(route.Spec.Group, version.Name, route.Spec.Names.Kind, strictFields(version.Schema.OpenAPIV3Schema))
	}
	return filepath.Join(folder, "{{.ResourceKind}}{{.KindSuffix}}.json")
}

const reference = "#/definitions/"

// schemaName is how kubeconform calls a kind: "deployment-apps-v1.json",
// "ingress-networking-v1.json", "service-v1.json".
func schemaName(group, version, kind string) string {
	group, _, _ = strings.Cut(group, ".")
	return strings.ToLower(strings.ReplaceAll(fmt.Sprintf("%s-%s-%s.json", kind, group, version), "--", "-"))
}

// readDefinitions reads the description of the version that the lab builds.
func readDefinitions(t *testing.T) definition {
	t.Helper()
	file := filepath.Join(source(t, "../parts/kubernetes", "k8s.io/kubernetes"), "api/openapi-spec/swagger.json")
	data, err := os.ReadFile(file)
	require.NoError(t, err)
	var swagger struct{ Definitions definition }
	require.NoError(t, json.Unmarshal(data, &swagger))
	for name, of := range swagger.Definitions {
		swagger.Definitions[name] = strict(name, of.(definition))
	}
	return swagger.Definitions
}

// source is the folder of a module in the version that another one uses.
func source(t *testing.T, user, module string) string {
	t.Helper()
	command := exec.CommandContext(t.Context(), "go", "mod", "download", "-json", module)
	command.Dir = user
	out, err := command.Output()
	require.NoError(t, err, "find the source of %s", module)
	var found struct{ Dir string }
	require.NoError(t, json.Unmarshal(out, &found))
	return found.Dir
}

// customResource is what is of interest of a CustomResourceDefinition.
type customResource struct {
	Spec struct {
		Group    string
		Names    struct{ Kind string }
		Versions []struct {
			Name   string
			Schema struct{ OpenAPIV3Schema definition }
		}
	}
}

func readCustomResource(t *testing.T, name string) customResource {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(source(t, "../..", "sigs.k8s.io/gateway-api"), "config/crd/standard", name))
	require.NoError(t, err)
	var resource customResource
	require.NoError(t, yaml.Unmarshal(data, &resource))
	return resource
}

// strictFields makes a field that a type does not have an error, at any depth.
// Kubernetes itself knows what metadata holds.
func strictFields(of definition) definition {
	for name, value := range of {
		switch value := value.(type) {
		case definition:
			of[name] = strictFields(value)
		case []any:
			for _, item := range value {
				if item, ok := item.(definition); ok {
					strictFields(item)
				}
			}
		}
	}
	if fields, ok := of["properties"].(definition); ok && len(fields) > 0 && of["type"] == "object" {
		of["additionalProperties"] = false
	}
	return of
}

// strict makes a JSON schema of a type: a field that it does not have is an
// error, and what Swagger 2 has no words for is said in those of JSON Schema.
func strict(name string, of definition) definition {
	if _, hasFields := of["properties"]; hasFields {
		of["additionalProperties"] = false
	}
	switch {
	case strings.HasSuffix(name, ".api.resource.Quantity"):
		of["type"] = []string{"string", "number"}
	case of["format"] == "int-or-string":
		of["type"] = []string{"string", "integer"}
	}
	return of
}

// reachable returns a type and all that its fields are made of.
func reachable(all definition, name string) definition {
	found := definition{}
	var visit func(value any)
	visit = func(value any) {
		switch value := value.(type) {
		case definition:
			if target, ok := value["$ref"].(string); ok {
				name := strings.TrimPrefix(target, reference)
				if found[name] == nil {
					found[name] = all[name]
					visit(all[name])
				}
			}
			for _, field := range value {
				visit(field)
			}
		case []any:
			for _, item := range value {
				visit(item)
			}
		}
	}
	visit(definition{"$ref": reference + name})
	return found
}
