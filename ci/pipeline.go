package ci

import (
	"cmp"
	"fmt"
	"net/url"
	"strings"

	"github.com/sitectl/sitectl/templates"
)

// Where pipelines find what they include: the folders ci and templates of
// sitectl's own repository, by the major version.
const (
	component = "gitlab.com/sitectl/sitectl/ship@v1"
	remote    = "https://raw.githubusercontent.com/sitectl/sitectl/v1/ci/gitlab/sitectl.gitlab-ci.yml"
	action    = "sitectl/sitectl/ci/github@v1"
)

// Pipeline is what the first pipeline of a site has to know.
type Pipeline struct {
	Source string // address of the site's repository, as a browser has it; empty if it has none yet
	Branch string // that is shipped; default "main"
	File   string // path of the site file in the repository; default "site.yaml"
}

// PipelineFile is where a platform looks for the pipelines of a repository;
// empty for a platform without any.
func (p Platform) PipelineFile() string {
	switch p {
	case GitLab:
		return ".gitlab-ci.yml"
	case GitHub:
		return ".github/workflows/sitectl.yml"
	default:
		return ""
	}
}

// Write returns a pipeline for GitLab or GitHub. A component can only be
// included by pipelines of the same GitLab, so that others include the file
// that it is made of.
func (p Pipeline) Write(platform Platform) (string, error) {
	view := map[string]any{"file": p.File != "" && p.File != "site.yaml"}
	if view["file"] == true {
		view["file"] = p.File
	}
	switch platform {
	case GitLab:
		view["component"], view["remote"] = component, false
		if host := hostOf(p.Source); host != "" && host != "gitlab.com" {
			view["component"], view["remote"] = false, remote
		}
	case GitHub:
		view["action"], view["branch"] = action, cmp.Or(p.Branch, "main")
	default:
		return "", fmt.Errorf("write a pipeline: there is none for %q", platform)
	}
	return templates.Render("ci/"+string(platform)+".yaml", view)
}

// PlatformOf tells by the address of a repository, as a browser has it, which
// platform runs its pipelines; empty if that is not known.
func PlatformOf(source string) Platform {
	host := hostOf(source)
	switch {
	case host == "github.com":
		return GitHub
	case strings.HasPrefix(host, "gitlab.") || strings.Contains(host, ".gitlab."):
		return GitLab
	default:
		return ""
	}
}

// ImageOf is the image repository that a platform has for a repository, by its
// address as a browser has it; empty if that is not known. A GitLab of
// somebody's own may have its registry anywhere.
func ImageOf(source string) string {
	path := strings.ToLower(pathOf(source))
	switch host := hostOf(source); {
	case path == "":
		return ""
	case host == "gitlab.com":
		return "registry.gitlab.com/" + path
	case host == "github.com":
		return "ghcr.io/" + path
	default:
		return ""
	}
}

func hostOf(source string) string {
	address, err := url.Parse(source)
	if err != nil {
		return ""
	}
	return address.Hostname()
}

func pathOf(source string) string {
	address, err := url.Parse(source)
	if err != nil {
		return ""
	}
	return strings.Trim(address.Path, "/")
}
