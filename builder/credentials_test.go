package builder

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/moby/buildkit/session/auth/authprovider"
	"github.com/sitectl/sitectl/site"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// variables is an environment.
func variables(pairs ...string) func(string) string {
	return func(name string) string {
		for i := 0; i < len(pairs); i += 2 {
			if pairs[i] == name {
				return pairs[i+1]
			}
		}
		return ""
	}
}

var (
	gitlabJob = []string{
		"CI_REGISTRY", "registry.gitlab.example", "CI_REGISTRY_USER", "gitlab-ci-token", "CI_REGISTRY_PASSWORD", "job token",
	}
	githubJob = []string{"GITHUB_ACTOR", "octocat", "GITHUB_TOKEN", "workflow token"}
)

func TestLogins(t *testing.T) {
	flags := Login{Image: "registry.gitlab.example/agency/site", User: "flags", Password: "from flags"}
	tests := map[string]struct {
		explicit Login
		docker   string // host with a login in the docker config
		job      []string
		host     string
		user     string
		password string
		source   string
	}{
		"nobody":                        {host: "registry.gitlab.example"},
		"docker":                        {docker: "registry.gitlab.example", host: "registry.gitlab.example", user: testUser, password: testPassword, source: "docker config "},
		"docker hub":                    {docker: "https://index.docker.io/v1/", host: "index.docker.io", user: testUser, password: testPassword, source: "docker config "},
		"docker hub, as BuildKit says":  {docker: "https://index.docker.io/v1/", host: "registry-1.docker.io", user: testUser, password: testPassword, source: "docker config "},
		"GitLab":                        {job: gitlabJob, host: "registry.gitlab.example", user: "gitlab-ci-token", password: "job token", source: "CI_REGISTRY_USER and CI_REGISTRY_PASSWORD"},
		"GitLab, another registry":      {job: gitlabJob, host: "registry.example.com"},
		"GitLab, without a registry":    {job: []string{"CI_REGISTRY_USER", "gitlab-ci-token", "CI_REGISTRY_PASSWORD", "job token"}, host: "registry.example.com"},
		"GitHub":                        {job: githubJob, host: "ghcr.io", user: "octocat", password: "workflow token", source: "GITHUB_ACTOR and GITHUB_TOKEN"},
		"GitHub, another registry":      {job: githubJob, host: "registry.example.com"},
		"GitHub, without a token":       {job: githubJob[:2], host: "ghcr.io"},
		"flags":                         {explicit: flags, host: "registry.gitlab.example", user: "flags", password: "from flags", source: "--registry-user"},
		"flags, another registry":       {explicit: flags, host: "registry.example.com"},
		"flags before docker":           {explicit: flags, docker: "registry.gitlab.example", host: "registry.gitlab.example", user: "flags", password: "from flags", source: "--registry-user"},
		"docker before the job":         {docker: "registry.gitlab.example", job: gitlabJob, host: "registry.gitlab.example", user: testUser, password: testPassword, source: "docker config "},
		"the job, if docker has others": {docker: "registry.example.com", job: gitlabJob, host: "registry.gitlab.example", user: "gitlab-ci-token", password: "job token", source: "CI_REGISTRY_USER and CI_REGISTRY_PASSWORD"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			options := Options{Login: test.explicit, Getenv: variables(test.job...)}
			if test.docker != "" {
				options.DockerConfig = dockerConfig(t, test.docker, testUser, testPassword)
			}
			b := newBuilder(t, options)
			found, err := b.credentials.of(test.host)
			require.NoError(t, err)
			assert.Equal(t, test.user, found.Username)
			assert.Equal(t, test.password, found.Password)
			assert.Contains(t, found.source, test.source)
			assert.Equal(t, test.source == "", found.source == "")

			forBuildKit, err := b.credentials.forBuildKit(t.Context(), test.host, nil, nil)
			require.NoError(t, err)
			assert.Equal(t, found.AuthConfig, forBuildKit, "BuildKit is told the same")
		})
	}
}

func TestCredentialHelper(t *testing.T) {
	programs := t.TempDir()
	t.Setenv("PATH", programs+":"+os.Getenv("PATH"))
	script := "#!/bin/sh\nread host\n[ \"$host\" = registry.example.com ] || { echo 'credentials not found in native keychain'; exit 1; }\n" +
		`echo "{\"ServerURL\":\"$host\",\"Username\":\"helped\",\"Secret\":\"by a helper\"}"` + "\n"
	require.NoError(t, os.WriteFile(filepath.Join(programs, "docker-credential-test"), []byte(script), 0o755))
	folder := t.TempDir()
	config := `{"credHelpers": {"registry.example.com": "test", "other.example.com": "test", "missing.example.com": "nowhere"}}`
	require.NoError(t, os.WriteFile(filepath.Join(folder, "config.json"), []byte(config), 0o600))
	b := newBuilder(t, Options{DockerConfig: folder})

	found, err := b.credentials.of("registry.example.com")
	require.NoError(t, err)
	assert.Equal(t, "helped", found.Username)
	assert.Equal(t, "by a helper", found.Password)
	assert.Equal(t, "docker-credential-test of docker config "+filepath.Join(folder, "config.json"), found.source)

	found, err = b.credentials.of("other.example.com")
	require.NoError(t, err)
	assert.Zero(t, found)

	_, err = b.repository("missing.example.com/agency/site")
	var refused *RegistryError
	require.ErrorAs(t, err, &refused)
	assert.ErrorContains(t, err, "read the login of missing.example.com: docker-credential-nowhere of docker config")
	assert.NotContains(t, err.Error(), "without a login")
}

// A token that was refreshed while a build was running counts, for us as for
// BuildKit.
func TestLoginsAreReadAgain(t *testing.T) {
	file := filepath.Join(t.TempDir(), "password")
	write := func(password string) { require.NoError(t, os.WriteFile(file, []byte(password+"\n"), 0o600)) }
	write("first")
	valid := "first"
	p := newFaultProxy(t, http1, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, password, _ := r.BasicAuth(); password != valid {
			w.Header().Set("WWW-Authenticate", `Basic realm="registry"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		w.WriteHeader(http.StatusNotFound)
	}))
	b := faultyBuilder(t, p, Options{Login: Login{Image: p.host + "/agency/site", User: "ci", PasswordFile: file}})
	repo, err := b.repository(p.host + "/agency/site")
	require.NoError(t, err)
	_, _, err = repo.head(t.Context(), "c0f")
	require.NoError(t, err)

	valid = "second"
	write("second")
	_, _, err = repo.head(t.Context(), "c0f")
	require.Error(t, err, "an answer is good for half a minute")
	b.credentials.age = 0
	_, _, err = repo.head(t.Context(), "c0f")
	require.NoError(t, err)
	forBuildKit, err := b.credentials.forBuildKit(t.Context(), p.host, nil, func(time.Time, string) bool { return false })
	require.NoError(t, err)
	assert.Equal(t, "second", forBuildKit.Password)
}

// tokenRegistry gives tokens to one user, each of them for some requests, and
// takes no password otherwise.
type tokenRegistry struct {
	images   http.Handler
	password string
	issued   int
	left     int // requests that the token is good for
}

func (r *tokenRegistry) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	if request.URL.Path == "/token" {
		if user, password, _ := request.BasicAuth(); user != testUser || password != r.password {
			http.Error(w, `{"errors":[{"code":"UNAUTHORIZED","message":"not you"}]}`, http.StatusUnauthorized)
			return
		}
		r.issued, r.left = r.issued+1, 3
		_ = json.NewEncoder(w).Encode(map[string]any{"token": fmt.Sprintf("token-%d", r.issued), "expires_in": 120})
		return
	}
	if request.Header.Get("Authorization") != fmt.Sprintf("Bearer token-%d", r.issued) || r.left == 0 {
		w.Header().Set("WWW-Authenticate", fmt.Sprintf(`Bearer realm="https://%s/token",service="registry"`, request.Host))
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	r.left--
	r.images.ServeHTTP(w, request)
}

func TestTokensAreRefreshed(t *testing.T) {
	registry := &tokenRegistry{images: newImages(), password: testPassword}
	p := newFaultProxy(t, http1, registry)
	b := faultyBuilder(t, p, Options{DockerConfig: dockerConfig(t, p.host, testUser, testPassword)})
	repo, err := b.repository(p.host + "/agency/example-com")
	require.NoError(t, err)
	p.fault("GET /token", 2, answering(http.StatusServiceUnavailable))
	for _, layer := range []int64{1000, 2000, 3000} { // of four requests each
		require.NoError(t, repo.upload(t.Context(), "a layer", testLayer(t, layer)))
	}
	assert.GreaterOrEqual(t, registry.issued, 4)

	registry.left, registry.password = 0, "another"
	err = repo.upload(t.Context(), "a layer", testLayer(t, 4000))
	var refused *RegistryError
	require.ErrorAs(t, err, &refused)
	assert.ErrorContains(t, err, "not you")
	assert.NotContains(t, err.Error(), testPassword)
}

func TestExplicitLogin(t *testing.T) {
	empty := filepath.Join(t.TempDir(), "empty")
	require.NoError(t, os.WriteFile(empty, []byte("\n"), 0o600))
	for says, explicit := range map[string]Login{
		"no such file":     {Image: "registry.example.com/a", User: "ci", PasswordFile: "missing"},
		"it is empty":      {Image: "registry.example.com/a", User: "ci", PasswordFile: empty},
		"can only contain": {Image: "registry.example.com/A", User: "ci", Password: "some"},
	} {
		_, err := New(Options{Login: explicit, DockerConfig: t.TempDir()})
		assert.ErrorContains(t, err, says)
	}
}

func TestErrorsNameTheLogin(t *testing.T) {
	refusing := newFaultProxy(t, http1, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("WWW-Authenticate", `Basic realm="registry"`)
		w.WriteHeader(http.StatusUnauthorized)
	}))
	name := refusing.host + "/agency/site"
	config := dockerConfig(t, refusing.host, testUser, testPassword)
	token := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(token, "config.json"),
		[]byte(`{"auths": {"`+refusing.host+`": {"identitytoken": "refresh-me"}}}`), 0o600))
	tests := map[string]struct {
		options Options
		says    string
		hint    string
	}{
		"docker": {Options{DockerConfig: config}, `as user "agency" (from docker config ` + filepath.Join(config, "config.json") + ")", "docker login"},
		"flags": {
			Options{Login: Login{Image: name, User: "ci", Password: "a secret of ours"}},
			`as user "ci" (from --registry-user)`, "docker login",
		},
		"GitLab": {
			Options{Getenv: variables("CI_REGISTRY", refusing.host, "CI_REGISTRY_USER", "ci", "CI_REGISTRY_PASSWORD", "a secret of ours")},
			`as user "ci" (from CI_REGISTRY_USER and CI_REGISTRY_PASSWORD)`, "ends with the job",
		},
		"a token": {Options{DockerConfig: token}, `with a token (from docker config `, "docker login"},
		"nobody":  {Options{}, "without a login: ", "docker login"},
	}
	for kind, test := range tests {
		t.Run(kind, func(t *testing.T) {
			b := faultyBuilder(t, refusing, test.options)
			_, _, err := b.Find(t.Context(), site.Site{Image: name}, site.Commit{Tag: "c0f"})
			var refused *RegistryError
			require.ErrorAs(t, err, &refused)
			assert.ErrorContains(t, err, test.says)
			assert.Contains(t, refused.Hint(), test.hint)
			for _, secret := range []string{testPassword, "a secret of ours", "refresh-me"} {
				assert.NotContains(t, err.Error()+refused.Hint(), secret)
			}
		})
	}
}

func TestLoginsAreSaid(t *testing.T) {
	var said []string
	b := newBuilder(t, Options{Getenv: variables(gitlabJob...), Verbose: func(line string) { said = append(said, line) }})
	for _, name := range []string{"registry.gitlab.example/agency/site", "registry.gitlab.example/agency/runtime", "registry.example.com/base"} {
		_, err := b.repository(name)
		require.NoError(t, err)
	}
	assert.Equal(t, []string{
		`registry: registry.gitlab.example as user "gitlab-ci-token" (from CI_REGISTRY_USER and CI_REGISTRY_PASSWORD)`,
		"registry: registry.example.com without a login",
	}, said)
}

func TestPullConfigOfAJob(t *testing.T) {
	s := site.Site{Image: "registry.gitlab.example/agency/site"}
	b := newBuilder(t, Options{Getenv: variables(gitlabJob...)})
	config, err := b.PullConfig(s)
	require.NoError(t, err)
	assert.JSONEq(t, `{"auths":{"registry.gitlab.example":{"auth":"Z2l0bGFiLWNpLXRva2VuOmpvYiB0b2tlbg=="}}}`, string(config))
	assert.Contains(t, b.PullWarning(s), "gitlab-deploy-token")
	assert.NotContains(t, b.PullWarning(s), "job token")

	deploy := append([]string{"CI_DEPLOY_USER", "gitlab+deploy-token-1", "CI_DEPLOY_PASSWORD", "it lasts"}, gitlabJob...)
	b = newBuilder(t, Options{Getenv: variables(deploy...)})
	config, err = b.PullConfig(s)
	require.NoError(t, err)
	assert.JSONEq(t, `{"auths":{"registry.gitlab.example":{"auth":"Z2l0bGFiK2RlcGxveS10b2tlbi0xOml0IGxhc3Rz"}}}`, string(config))
	assert.Empty(t, b.PullWarning(s))

	b = newBuilder(t, Options{DockerConfig: dockerConfig(t, "registry.gitlab.example", testUser, testPassword)})
	assert.Empty(t, b.PullWarning(s))
	assert.Empty(t, newBuilder(t, Options{}).PullWarning(s))
}

// What asks for tokens in BuildKit's name has to trust the registry's CA, too.
func TestTokenTLS(t *testing.T) {
	r := newTestRegistry(t)
	b := r.builder(t)
	assert.Empty(t, b.tokenTLS())
	_, err := b.repository(r.site().Image)
	require.NoError(t, err)
	assert.Equal(t, map[string]*authprovider.AuthTLSConfig{r.host: {RootCAs: []string{r.ca}}}, b.tokenTLS())
}
