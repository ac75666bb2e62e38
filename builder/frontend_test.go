package builder

import (
	"fmt"
	"maps"
	"testing"

	"github.com/sitectl/sitectl/site"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestFrontendStage(t *testing.T) {
	s, files := sample(t, "react")
	st, err := frontendStage(s, treeOf(t, files, nil))
	require.NoError(t, err)
	golden(t, "frontend/Dockerfile", st.dockerfile)
	assert.Equal(t, "frontend", st.name)
	assert.Equal(t, groupFrontend, st.group)
	assert.Equal(t, []string{".", "package-lock.json", "package.json"}, st.inputs)
	stages := parse(t, st.dockerfile)
	assert.Equal(t, "scratch", stages[len(stages)-1].BaseName)
}

func TestNoFrontendNoStage(t *testing.T) {
	st, err := frontendStage(phpSite(), treeOf(t, map[string]string{"package.json": "{}"}, nil))
	require.NoError(t, err)
	assert.Nil(t, st)
}

// npm returns a front end in a folder of the repository.
func npm() *site.Frontend {
	return &site.Frontend{Image: "node:22-slim", Dir: "theme", Script: "build", Output: "dist"}
}

const scripts = `{"scripts": {"build": "vite build", "watch": "vite"}}`

func TestFrontendInputs(t *testing.T) {
	workspaces := `{"packages": {
		"": {"workspaces": ["packages/*"]},
		"packages/a": {"name": "a"},
		"node_modules/a": {"resolved": "packages/a", "link": true},
		"node_modules/shared": {"resolved": "../shared", "link": true},
		"node_modules/b": {"resolved": "file:archives/b.tgz"},
		"node_modules/c": {"resolved": "https://registry.npmjs.org/c/-/c-1.0.0.tgz"}
	}}`
	for _, test := range []struct {
		name, lock string
		include    []string
		files      []string
		inputs     []string
		copied     []string
	}{
		{
			"the folder", `{"packages": {}}`, nil,
			[]string{"theme/src/a.js", "index.php"},
			[]string{"theme", "theme/package-lock.json", "theme/package.json"},
			[]string{"theme/package.json", "theme/package-lock.json"},
		},
		{
			"parts of it", `{"packages": {}}`,
			[]string{"theme/src", "web/templates"},
			[]string{"theme/src/a.js", "theme/notes", "web/templates/a.twig"},
			[]string{"theme/package-lock.json", "theme/package.json", "theme/src", "web/templates"},
			[]string{"theme/package.json", "theme/package-lock.json"},
		},
		{
			"settings of npm", `{"packages": {}}`,
			[]string{"theme/src"},
			[]string{"theme/.npmrc", "theme/src/a.js"},
			[]string{"theme/.npmrc", "theme/package-lock.json", "theme/package.json", "theme/src"},
			[]string{"theme/package.json", "theme/package-lock.json", "theme/.npmrc"},
		},
		{
			"packages of the repository", workspaces,
			[]string{"theme/src"},
			[]string{"theme/src/a.js", "theme/packages/a/package.json", "shared/package.json", "theme/archives/b.tgz"},
			[]string{"shared", "shared/package.json", "theme/archives/b.tgz", "theme/package-lock.json", "theme/package.json", "theme/packages/a", "theme/packages/a/package.json", "theme/src"},
			[]string{"theme/package.json", "theme/package-lock.json", "shared/package.json", "theme/archives/b.tgz", "theme/packages/a/package.json"},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			files := map[string]string{"theme/package.json": scripts, "theme/package-lock.json": test.lock}
			for _, name := range test.files {
				files[name] = "x"
			}
			s := phpSite()
			s.Build.Frontend = npm()
			s.Build.Frontend.Include = test.include
			st, err := frontendStage(s, treeOf(t, files, nil))
			require.NoError(t, err)
			assert.Equal(t, test.inputs, st.inputs)
			for _, name := range test.copied {
				assert.Contains(t, st.dockerfile, fmt.Sprintf("COPY %q %q\n", name, site.CodeDir+"/"+name))
			}
		})
	}
}

func TestFrontendErrors(t *testing.T) {
	for _, test := range []struct {
		name       string
		files      map[string]string
		want, hint string
	}{
		{
			"no files",
			map[string]string{"index.php": ""},
			`build.frontend: the commit has no file "theme/package.json"`,
			"run npm install, commit package.json and package-lock.json, or leave build.frontend out",
		},
		{
			"no lock",
			map[string]string{"theme/package.json": scripts},
			`build.frontend: the commit has no file "theme/package-lock.json"`,
			"run npm install, commit package.json and package-lock.json, or leave build.frontend out",
		},
		{
			"yarn",
			map[string]string{"theme/package.json": scripts, "theme/yarn.lock": ""},
			`build.frontend: the commit has no file "theme/package-lock.json"`,
			"front ends are built with npm, not with what has yarn.lock: npm install --package-lock-only makes one, and a Dockerfile of the site's own builds with anything",
		},
		{
			"no such script",
			map[string]string{"theme/package.json": `{"scripts": {"watch": "x", "dist": "x"}}`, "theme/package-lock.json": "{}"},
			`build.frontend.script: package.json has no script "build"`, "package.json has the scripts dist, watch",
		},
		{
			"no scripts",
			map[string]string{"theme/package.json": `{}`, "theme/package-lock.json": "{}"},
			`build.frontend.script: package.json has no script "build"`, "package.json has no scripts",
		},
		{
			"a package that is not there",
			map[string]string{"theme/package.json": scripts, "theme/package-lock.json": `{"packages": {"node_modules/a": {"resolved": "../../a", "link": true}}}`},
			`build.frontend: package-lock.json names "../a/package.json", which the commit does not have`, "commit it, or run npm install and commit package-lock.json",
		},
		{
			"a name that COPY cannot take",
			map[string]string{"theme/package.json": scripts, "theme/package-lock.json": `{"packages": {"node_modules/a": {"resolved": "a b", "link": true}}}`, "theme/a b/package.json": "{}"},
			`build.frontend: "theme/a b/package.json": expected a path of letters, digits and ._-/@+`, "rename it",
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := phpSite()
			s.Build.Frontend = npm()
			_, err := frontendStage(s, treeOf(t, test.files, nil))
			var failed *BuildError
			require.ErrorAs(t, err, &failed)
			assert.ErrorContains(t, err, test.want)
			assert.Equal(t, test.hint, failed.Hint())
		})
	}
}

func TestNodeByDigest(t *testing.T) {
	s := phpSite()
	assert.Equal(t, s, withNode(s, "sha256:00"), "a site without front end")
	s.Build.Frontend = npm()
	for image, want := range map[string]string{
		"node:22-slim":           "node:22-slim@sha256:11",
		"node@sha256:00":         "node@sha256:11",
		"node:22-slim@sha256:00": "node:22-slim@sha256:11",
	} {
		s.Build.Frontend.Image = image
		assert.Equal(t, want, withNode(s, "sha256:11").Build.Frontend.Image)
		assert.Equal(t, image, s.Build.Frontend.Image, "the site itself stays as it is")
	}
}

// TestInputsOfStages: what only a stage sees makes a difference to the image,
// although it is not in it.
func TestInputsOfStages(t *testing.T) {
	inputs := func(sampleName string, change map[string]string) Inputs {
		s, files := sample(t, sampleName)
		maps.Copy(files, change)
		r := &build{site: s, tree: treeOf(t, files, nil)}
		require.NoError(t, r.readFiles(t.Context()))
		require.NoError(t, r.nameInputs())
		return r.inputs
	}
	react := inputs("react", nil)
	assert.Equal(t, react, inputs("react", nil))
	assert.Equal(t, []string{"tree"}, inputs("react", map[string]string{"src/App.jsx": "export default () => null"}).differences(react))

	ignored := map[string]string{".dockerignore": "composer.*\npackages"}
	composer := inputs("composer", ignored)
	ignored["packages/core/src/Site.php"] = "<?php"
	assert.Equal(t, []string{"tree"}, inputs("composer", ignored).differences(composer))
}
