package deploy

import (
	"context"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"sigs.k8s.io/yaml"
)

// site is a repository with two site files, which differ in nothing but the
// address: one for each side.
type site struct {
	name   string
	folder string
	image  string // repository
	tag    string // of the last commit
}

// The two sides, and the names of their site files.
const (
	bySitectl = "sitectl"
	byKubectl = "kubectl"
)

func newSite(ctx context.Context, folder, name, image string, web map[string]any, more map[string]any) (*site, error) {
	s := &site{name: name, folder: filepath.Join(folder, name), image: image}
	if err := os.Mkdir(s.folder, 0o755); err != nil {
		return nil, err
	}
	for _, side := range []string{bySitectl, byKubectl} {
		file := map[string]any{
			"site": s.address(side), "image": image,
			"build":   map[string]any{"dockerfile": "Dockerfile"},
			"web":     web,
			"ingress": map[string]any{"hosts": []string{s.address(side)}},
		}
		maps.Copy(file, more)
		text, err := yaml.Marshal(file)
		if err != nil {
			return nil, err
		}
		if err := os.WriteFile(filepath.Join(s.folder, side+".yaml"), text, 0o644); err != nil {
			return nil, err
		}
	}
	// The images are pushed without it.
	if err := os.WriteFile(filepath.Join(s.folder, "Dockerfile"), []byte("FROM scratch\n"), 0o644); err != nil {
		return nil, err
	}
	if err := s.git(ctx, "init", "--quiet", "--initial-branch=main"); err != nil {
		return nil, err
	}
	return s, s.commit(ctx)
}

func (s *site) address(side string) string { return "bench-" + s.name + "-" + side + ".localhost" }

// namespace is what sitectl makes of the address.
func (s *site) namespace(side string) string {
	return strings.ReplaceAll(s.address(side), ".", "-")
}

// reference is the image of the last commit.
func (s *site) reference() string { return s.image + ":" + s.tag }

func (s *site) commit(ctx context.Context) error {
	err := s.git(ctx, "add", "--all")
	if err == nil {
		err = s.git(ctx, "-c", "user.name=Bench", "-c", "user.email=bench@localhost", "commit", "--quiet", "--allow-empty", "--message", "Something new")
	}
	if err != nil {
		return err
	}
	out, err := exec.CommandContext(ctx, "git", "-C", s.folder, "rev-parse", "--short", "HEAD").Output()
	s.tag = strings.TrimSpace(string(out))
	return err
}

// add commits a file.
func (s *site) add(ctx context.Context, name, content string) error {
	path := filepath.Join(s.folder, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		return err
	}
	return s.commit(ctx)
}

func (s *site) git(ctx context.Context, arguments ...string) error {
	command := exec.CommandContext(ctx, "git", arguments...)
	command.Dir = s.folder
	command.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_NOSYSTEM=1")
	if out, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("git %s: %w\n%s", strings.Join(arguments, " "), err, out)
	}
	return nil
}
