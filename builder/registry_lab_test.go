//go:build lab

package builder

import (
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"path"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/docker/cli/cli/config"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/moby/buildkit/client"
	"github.com/sitectl/sitectl/site"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/tonistiigi/fsutil"
)

// labRegistry is the lab's registry, for a faultProxy to stand in front of.
func labRegistry(t *testing.T) http.Handler {
	t.Helper()
	pem, err := os.ReadFile(os.Getenv("SITECTL_REGISTRY_CA"))
	require.NoError(t, err)
	roots := x509.NewCertPool()
	require.True(t, roots.AppendCertsFromPEM(pem))
	target := &url.URL{Scheme: "https", Host: os.Getenv("SITECTL_REGISTRY")}
	return &httputil.ReverseProxy{
		Rewrite:   func(r *httputil.ProxyRequest) { r.SetURL(target) },
		Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, MaxIdleConnsPerHost: 20},
		ErrorLog:  discard(),
	}
}

// labLogin is a docker config with the lab's login, for another address of its
// registry.
func labLogin(t *testing.T, host string) string {
	t.Helper()
	file, err := config.Load(config.Dir())
	require.NoError(t, err)
	login, err := file.GetAuthConfig(os.Getenv("SITECTL_REGISTRY"))
	require.NoError(t, err)
	return dockerConfig(t, host, login.Username, login.Password)
}

// labRepository is a repository of a test's own in the lab's registry, behind
// a proxy.
func labRepository(t *testing.T, p *faultProxy) *repository {
	t.Helper()
	b := faultyBuilder(t, p, Options{DockerConfig: labLogin(t, p.host)})
	repo, err := b.repository(p.host + "/" + labName(t))
	require.NoError(t, err)
	return repo
}

func labName(t *testing.T) string {
	name := strings.NewReplacer("/", "-", ",", "", "_", "-").Replace(strings.ToLower(t.Name()))
	return fmt.Sprintf("fault/%s-%d", name, time.Now().UnixNano())
}

// solveScratch has BuildKit build a small image, and push it.
func solveScratch(t *testing.T, b *Builder, target *repository) error {
	t.Helper()
	files := staticFiles(map[string]string{"Dockerfile": "FROM scratch\nCOPY . /\n", "code": rand.Text()})
	shown := newDisplay(b.options)
	defer shown.close()
	_, err := b.solve(t.Context(), shown, "", target, client.SolveOpt{
		FrontendAttrs: map[string]string{},
		LocalMounts:   map[string]fsutil.FS{"dockerfile": files, "context": files},
		Exports:       []client.ExportEntry{pushByDigest(target, newest)},
	})
	return err
}

func TestLabFaults(t *testing.T) {
	places := []string{
		"HEAD /v2/fault/", "POST /v2/fault/", "PATCH /v2/fault/", "PUT /v2/fault/", "GET /v2/fault/",
	}
	for _, kind := range faultKinds() {
		name := strings.ReplaceAll(kind.protocol+"-"+kind.name, " ", "-")
		t.Run(name, func(t *testing.T) {
			for _, times := range []int{1, 3} {
				for _, place := range places {
					p := newFaultProxy(t, kind.protocol, labRegistry(t))
					p.fault(place, times, kind.do)
					require.NoError(t, useRegistry(t, labRepository(t, p), testImage(t)), "%s, %d times", place, times)
					assert.Zero(t, p.left(), place)
				}
			}
			p := newFaultProxy(t, kind.protocol, labRegistry(t))
			p.fault("PATCH /v2/fault/", forEver, kind.do)
			err := useRegistry(t, labRepository(t, p), testImage(t))
			var refused *RegistryError
			require.ErrorAs(t, err, &refused)
			assert.ErrorContains(t, err, p.host)
			assert.True(t, containsOne(err.Error(), kind.causes), "%v", err)
			assert.LessOrEqual(t, len(p.requests("PATCH")), 3*6)
		})
	}
}

func TestLabFaultsThatStay(t *testing.T) {
	for _, status := range []int{400, 401, 403, 404, 405, 507} {
		p := newFaultProxy(t, http1, labRegistry(t))
		repo := labRepository(t, p)
		p.fault("PATCH /v2/fault/", forEver, answering(status))
		err := repo.upload(t.Context(), "a layer", testLayer(t, 1000))
		var refused *RegistryError
		require.ErrorAs(t, err, &refused)
		assert.ErrorContains(t, err, fmt.Sprint(status))
		assert.Len(t, p.requests("PATCH"), 1)
	}
}

// A layer of the runtime is mounted, not sent.
func TestLabMount(t *testing.T) {
	p := newFaultProxy(t, http1, labRegistry(t))
	from, to := labRepository(t, p), labRepository(t, p)
	layer := testLayer(t, 100_000)
	require.NoError(t, from.upload(t.Context(), "a layer", layer))
	digest, err := layer.Digest()
	require.NoError(t, err)
	there, err := remote.Layer(from.name.Digest(digest.String()), from.options(t.Context())...)
	require.NoError(t, err)
	p.fault(" mount", 2, answering(http.StatusServiceUnavailable))
	patches := len(p.requests("PATCH"))
	require.NoError(t, to.upload(t.Context(), "a layer", there))
	assert.Len(t, p.requests(" mount"), 3)
	assert.Len(t, p.requests("PATCH"), patches)
}

// A large layer is neither held in memory to be sent, nor read from the
// beginning when the way back breaks.
func TestLabLargeLayer(t *testing.T) {
	p := newFaultProxy(t, http2, labRegistry(t))
	repo := labRepository(t, p)
	layer := newLargeLayer(t, 256<<20)
	before := heap()
	p.fault("PATCH", 1, resettingRequests)
	require.NoError(t, repo.upload(t.Context(), "a layer", layer))
	digest, err := layer.Digest()
	require.NoError(t, err)
	there, err := remote.Layer(repo.name.Digest(digest.String()), repo.options(t.Context())...)
	require.NoError(t, err)
	p.fault("GET", 2, cutting(100<<20))
	content, err := there.Compressed()
	require.NoError(t, err)
	read, err := io.Copy(io.Discard, content) // and check it against its digest
	require.NoError(t, err)
	assert.Equal(t, int64(256<<20), read)
	assert.Len(t, p.requests("GET /v2/fault/"), 3)
	assert.Less(t, heap(), before+64<<20, "with the proxy's")
}

// heap is how much memory the heap has taken from the system and not given to
// something else, in bytes: it may also become less.
func heap() uint64 {
	var memory runtime.MemStats
	runtime.ReadMemStats(&memory)
	return memory.HeapSys
}

// largeLayer has a content that is made as it is read.
type largeLayer struct {
	v1.Layer
	size   int64
	digest v1.Hash
}

func newLargeLayer(t *testing.T, size int64) *largeLayer {
	t.Helper()
	digest, _, err := v1.SHA256(io.LimitReader(&numbers{}, size))
	require.NoError(t, err)
	return &largeLayer{Layer: testLayer(t, 1), size: size, digest: digest}
}

func (l *largeLayer) Digest() (v1.Hash, error) { return l.digest, nil }
func (l *largeLayer) Size() (int64, error)     { return l.size, nil }
func (l *largeLayer) Compressed() (io.ReadCloser, error) {
	return io.NopCloser(io.LimitReader(&numbers{}, l.size)), nil
}

// numbers reads as one number after the other.
type numbers struct{ n uint64 }

func (c *numbers) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = byte(c.n >> (8 * (c.n % 3)))
		c.n++
	}
	return len(p), nil
}

// cutting ends the connection after so many bytes of an answer.
func cutting(after int64) misbehaviour {
	return func(w http.ResponseWriter, r *http.Request, registry http.Handler) {
		registry.ServeHTTP(&cutAnswer{w, r, after}, r)
	}
}

type cutAnswer struct {
	http.ResponseWriter
	request *http.Request
	left    int64
}

func (c *cutAnswer) Write(p []byte) (int, error) {
	if c.left -= int64(len(p)); c.left < 0 {
		reset(c.ResponseWriter, c.request)
	}
	return c.ResponseWriter.Write(p)
}

// The same faults between BuildKit and the registry.
func TestLabFaultsOfBuildKit(t *testing.T) {
	tests := map[string]struct {
		fault misbehaviour
		times int
		fails []string // the cause, as one of these; empty for no error
		solve int      // most times that BuildKit is asked
	}{
		"429":                  {answering(http.StatusTooManyRequests, "Retry-After", "1"), 1, nil, 2},
		"429, a burst":         {answering(http.StatusTooManyRequests), 3, nil, 4},
		"429, for ever":        {answering(http.StatusTooManyRequests), forEver, []string{"toomanyrequests"}, 4},
		"408":                  {answering(http.StatusRequestTimeout), 1, nil, 2},
		"500, a burst":         {answering(http.StatusInternalServerError), 3, nil, 2},
		"502":                  {answering(http.StatusBadGateway), 1, nil, 1},
		"503, for ever":        {answering(http.StatusServiceUnavailable), forEver, []string{"unavailable"}, 4},
		"504":                  {answering(http.StatusGatewayTimeout), 1, nil, 1},
		"reset in the request": {resettingRequests, 1, nil, 1},
		"reset, a burst":       {resetting, 3, nil, 2},
		"reset in the answer":  {resettingAnswers, 1, nil, 2},
		"truncated answer":     {truncatingAnswers, 1, nil, 2},
		"401, for ever":        {answering(http.StatusUnauthorized), forEver, []string{"unauthorized", "401"}, 1},
		"403, for ever":        {answering(http.StatusForbidden), forEver, []string{"denied", "403"}, 1},
		"a full disk":          {answering(http.StatusInsufficientStorage), forEver, []string{"507"}, 1},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			p := newFaultProxy(t, plain, labRegistry(t))
			again := 0
			b := newBuilder(t, Options{
				Address: os.Getenv("BUILDKIT_HOST"), DockerConfig: labLogin(t, p.host), Progress: "plain",
				Log: func(string) { again++ },
			})
			b.backoff = faultyBuilder(t, p, Options{}).backoff
			target, err := b.repository(p.host + "/" + labName(t))
			require.NoError(t, err)
			p.fault("PUT /v2/fault/", test.times, test.fault)
			begin := time.Now()
			err = solveScratch(t, b, target)
			assert.LessOrEqual(t, 1+again, test.solve)
			assert.Less(t, time.Since(begin), time.Minute)
			if test.fails == nil {
				require.NoError(t, err)
				assert.Zero(t, p.left())
				return
			}
			var refused *RegistryError
			require.ErrorAs(t, err, &refused)
			assert.ErrorContains(t, err, p.host)
			assert.True(t, containsOne(err.Error(), test.fails), "%v", err)
			assert.NotEmpty(t, refused.Hint())
		})
	}
}

// A whole build, in which every fifth request of sitectl and of BuildKit goes
// wrong in another way.
func TestLabBuildThroughFaults(t *testing.T) {
	p := newFaultProxy(t, plain, labRegistry(t))
	for _, kind := range faultKinds() {
		p.turns = append(p.turns, kind.do)
	}
	b, progress := labBuilder(t)
	options := b.options
	options.DockerConfig = labLogin(t, p.host)
	b = newBuilder(t, options)
	b.backoff = faultyBuilder(t, p, Options{}).backoff
	s := labSite(t)
	s.Image = p.host + "/" + labName(t)
	s.Build.Runtime = p.host + "/" + labName(t) + "-runtime"
	dir := t.TempDir()
	write(t, dir, map[string]string{"index.php": "<?php echo 'version 1';", "large": strings.Repeat(rand.Text(), 100_000)})

	image, _, err := ship(t, b, s, dir)
	require.NoError(t, err, "%s", progress)
	assert.Equal(t, "<?php echo 'version 1';", pulled(t, b, s, image)["var/www/site/index.php"].content)
	write(t, dir, map[string]string{"index.php": "<?php echo 'version 2';"})
	image, report, err := ship(t, b, s, dir)
	require.NoError(t, err, "%s", progress)
	layers, _ := report.NewLayers()
	assert.Equal(t, 1, layers)
	assert.Equal(t, "<?php echo 'version 2';", pulled(t, b, s, image)["var/www/site/index.php"].content)
}

func TestLabCredentials(t *testing.T) {
	file, err := config.Load(config.Dir())
	require.NoError(t, err)
	host := os.Getenv("SITECTL_REGISTRY")
	known, err := file.GetAuthConfig(host)
	require.NoError(t, err)
	name := host + "/" + labName(t)
	password := path.Join(t.TempDir(), "password")
	require.NoError(t, os.WriteFile(password, []byte(known.Password+"\n"), 0o600))
	for kind, options := range map[string]Options{
		"flags":  {Login: Login{Image: name, User: known.Username, PasswordFile: password}},
		"GitLab": {Getenv: variables("CI_REGISTRY", host, "CI_REGISTRY_USER", known.Username, "CI_REGISTRY_PASSWORD", known.Password)},
	} {
		t.Run(kind, func(t *testing.T) {
			options.DockerConfig = t.TempDir()
			options.RegistryCA = os.Getenv("SITECTL_REGISTRY_CA")
			options.Address = os.Getenv("BUILDKIT_HOST")
			b := newBuilder(t, options)
			require.NoError(t, b.checkPush(t.Context(), name))
			target, err := b.repository(name)
			require.NoError(t, err)
			require.NoError(t, solveScratch(t, b, target), "BuildKit has the same login")
			config, err := b.PullConfig(site.Site{Image: name})
			require.NoError(t, err)
			assert.Contains(t, string(config), host)
		})
	}
}

func TestLabMirror(t *testing.T) {
	mirrors := map[string]string{}
	for _, pair := range strings.Split(os.Getenv("SITECTL_REGISTRY_MIRRORS"), ",") {
		registry, mirror, ok := strings.Cut(pair, "=")
		require.True(t, ok, `SITECTL_REGISTRY_MIRRORS: eval "$(lab env)"`)
		mirrors[registry] = mirror
	}
	b := newBuilder(t, Options{RegistryCA: os.Getenv("SITECTL_REGISTRY_CA"), RegistryMirrors: mirrors})
	digest, err := b.resolve(t.Context(), "debian:trixie-slim")
	require.NoError(t, err)
	assert.Regexp(t, `^sha256:[0-9a-f]{64}$`, digest)
	same, err := b.resolve(t.Context(), "docker.io/library/debian@"+digest)
	require.NoError(t, err)
	assert.Equal(t, digest, same)
}
