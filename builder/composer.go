package builder

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/sitectl/sitectl/site"
	"github.com/sitectl/sitectl/templates"
)

// composerStage has Composer install what composer.lock names, on the runtime
// image of that reference. It is nil for a site without Composer. Errors:
// *BuildError, *site.RepositoryError.
func composerStage(s site.Site, tree *site.Tree, runtime string) (*stage, error) {
	if s.Build.Composer == nil {
		return nil, nil
	}
	project, err := readComposer(tree)
	if err != nil {
		return nil, err
	}
	if err := project.checkExtensions(s); err != nil {
		return nil, err
	}
	inputs, err := project.inputs(s, tree)
	if err != nil {
		return nil, err
	}
	dockerfile, err := templates.Render("build/composer/Dockerfile", map[string]any{
		"runtime": runtime,
		"codeDir": site.CodeDir,
		"suffix":  project.lock.ContentHash,
		"cache":   cacheOf("composer", s),
	})
	return &stage{name: "composer", group: groupVendor, dockerfile: dockerfile, inputs: inputs}, err
}

// cacheOf names the folder in which a tool keeps its downloads on a builder.
// Each site has its own: what one has downloaded with its logins is none of
// another's business.
func cacheOf(tool string, s site.Site) string {
	sum := sha256.Sum256([]byte(s.Image))
	return tool + "-" + hex.EncodeToString(sum[:8])
}

// composerProject is what composer.json and composer.lock say.
type composerProject struct {
	json struct {
		Autoload     phpObject `json:"autoload"`
		Repositories any       `json:"repositories"`
		Extra        phpObject `json:"extra"`
		Config       phpObject `json:"config"`
	}
	lock struct {
		ContentHash string            `json:"content-hash"`
		Packages    []composerPackage `json:"packages"`
		Platform    phpObject         `json:"platform"` // what composer.json itself requires of PHP
	}
}

// composerPackage is a package of composer.lock, with the names of others that
// it has to do with.
type composerPackage struct {
	Name    string    `json:"name"`
	Require phpObject `json:"require"`
	Provide phpObject `json:"provide"`
	Replace phpObject `json:"replace"`
}

// phpObject is a JSON object as PHP writes it: one without keys is a list.
type phpObject map[string]any

func (o *phpObject) UnmarshalJSON(data []byte) error {
	if len(data) > 0 && data[0] == '[' {
		return nil
	}
	return json.Unmarshal(data, (*map[string]any)(o))
}

func readComposer(tree *site.Tree) (composerProject, error) {
	var project composerProject
	const hint = "run composer update, commit composer.json and composer.lock, or leave build.composer out"
	return project, errors.Join(
		readJSON(tree, "composer.json", &project.json, "build.composer", hint),
		readJSON(tree, "composer.lock", &project.lock, "build.composer", hint))
}

// readJSON reads a file of the commit that a key of the site file asks for.
func readJSON(tree *site.Tree, name string, into any, key, hint string) error {
	if entry, ok := tree.Lookup(name); !ok || entry.Mode == site.ModeSymlink {
		return &BuildError{Err: fmt.Errorf("%s: the commit has no file %q", key, name), hint: hint}
	}
	content, err := tree.ReadFile(name)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(content, into); err != nil {
		return &BuildError{Err: fmt.Errorf("%s: read %q: %w", key, name, err), hint: "mend the file and commit it"}
	}
	return nil
}

// inputs are the files and folders of the commit that Composer sees.
func (p composerProject) inputs(s site.Site, tree *site.Tree) ([]string, error) {
	inputs := []string{"composer.json", "composer.lock"}
	for _, key := range []string{"psr-4", "psr-0", "classmap", "files"} {
		for _, name := range texts(p.json.Autoload[key]) {
			inputs = append(inputs, named(tree, name)...)
		}
	}
	for _, key := range []string{"patches", "patches-file"} { // of cweagans/composer-patches
		for _, name := range texts(p.json.Extra[key]) {
			inputs = append(inputs, named(tree, name)...)
		}
	}
	local, err := p.localRepositories(tree)
	if err != nil {
		return nil, err
	}
	inputs = append(inputs, local...)
	for _, name := range s.Build.Composer.Include {
		found := named(tree, name)
		if len(found) == 0 {
			return nil, &BuildError{Err: fmt.Errorf("build.composer.include: the commit has no %q", name), hint: "commit it, or take it out of the site file"}
		}
		inputs = append(inputs, found...)
	}
	slices.Sort(inputs)
	return slices.Compact(inputs), nil
}

// localRepositories are the path and artifact repositories.
func (p composerProject) localRepositories(tree *site.Tree) ([]string, error) {
	var folders []string
	for _, repository := range members(p.json.Repositories) {
		definition, _ := repository.(map[string]any)
		kind, _ := definition["type"].(string)
		address, _ := definition["url"].(string)
		if kind != "path" && kind != "artifact" {
			continue
		}
		found := named(tree, address)
		if len(found) == 0 {
			return nil, &BuildError{
				Err:  fmt.Errorf("composer.json: the commit has no folder %q, the address of a %s repository", address, kind),
				hint: "the image is made of nothing but the commit: put the packages into it",
			}
		}
		folders = append(folders, found...)
	}
	return folders, nil
}

// named is the path of the commit that a name in composer.json stands for, or
// nothing if it stands for none. Of a pattern it is the folder above.
func named(tree *site.Tree, name string) []string {
	if i := strings.IndexAny(name, "*?[{"); i >= 0 {
		name = path.Dir(name[:i] + "x")
	}
	name = path.Clean(name)
	if name == "." {
		return []string{name}
	}
	if path.IsAbs(name) || !slices.ContainsFunc(tree.Entries, func(e site.Entry) bool { return within(e.Path, name) }) {
		return nil
	}
	return []string{name}
}

// texts are all texts in a JSON value, in a fixed order.
func texts(value any) []string {
	if text, ok := value.(string); ok {
		return []string{text}
	}
	var all []string
	for _, member := range members(value) {
		all = append(all, texts(member)...)
	}
	return all
}

// members are what a JSON list or object has in it.
func members(value any) []any {
	switch value := value.(type) {
	case []any:
		return value
	case map[string]any:
		var all []any
		for _, key := range slices.Sorted(maps.Keys(value)) {
			all = append(all, value[key])
		}
		return all
	default:
		return nil
	}
}
