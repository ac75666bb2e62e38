package builder

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/partial"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/sitectl/sitectl/site"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"
)

// faultKind is something that may happen to a request and pass.
type faultKind struct {
	name, protocol string
	do             misbehaviour
	causes         []string // an error that it leads to has one of these
}

func faultKinds() []faultKind {
	var kinds []faultKind
	for _, status := range []int{408, 429, 500, 502, 503, 504} {
		kinds = append(kinds, faultKind{fmt.Sprint(status), http2, answering(status), []string{fmt.Sprint(status)}})
	}
	for _, protocol := range []string{http1, http2} {
		ended := []string{"connection reset", "broken pipe", "use of closed network connection", "EOF", "stream error"}
		kinds = append(kinds,
			faultKind{"reset", protocol, resetting, ended},
			faultKind{"reset in the request", protocol, resettingRequests, ended},
			faultKind{"reset in the answer", protocol, resettingAnswers, ended},
			faultKind{"truncated answer", protocol, truncatingAnswers, ended},
			faultKind{"GOAWAY", protocol, goingAway, append([]string{"GOAWAY", "client connection force closed"}, ended...)},
		)
	}
	return kinds
}

// faultPlaces are the requests of useRegistry.
var faultPlaces = []string{
	"HEAD /v2/agency/example-com/blobs/sha256", "POST /v2/agency/example-com/blobs/uploads/",
	"PATCH /v2/", "PUT /v2/agency/example-com/blobs/", "PUT /v2/agency/example-com/manifests/c0f",
	"HEAD /v2/agency/example-com/manifests/c0f", "GET /v2/agency/example-com/manifests/c0f",
	"GET /v2/agency/example-com/blobs/sha256",
}

// faultyBuilder has pauses that a test does not notice.
func faultyBuilder(t *testing.T, p *faultProxy, options Options) *Builder {
	t.Helper()
	options.RegistryCA = p.ca
	b := newBuilder(t, options)
	b.backoff = backoff{tries: 6, first: time.Millisecond, last: 2 * time.Millisecond, longest: time.Minute}
	return b
}

// testImage has a layer that is larger than what is read at once.
func testImage(t *testing.T) v1.Image {
	t.Helper()
	image, err := mutate.AppendLayers(mutate.MediaType(empty.Image, types.OCIManifestSchema1),
		testLayer(t, smallAnswer*2), testLayer(t, 5000))
	require.NoError(t, err)
	return image
}

// useRegistry pushes an image as a build does and reads it as the audit does.
func useRegistry(t *testing.T, repo *repository, image v1.Image) error {
	t.Helper()
	layers, err := image.Layers()
	require.NoError(t, err)
	config, err := partial.ConfigLayer(image)
	require.NoError(t, err)
	var uploads errgroup.Group
	for _, layer := range append(layers, config) {
		uploads.Go(func() error { return repo.upload(t.Context(), "a layer", layer) })
	}
	if err := uploads.Wait(); err != nil {
		return err
	}
	digest, err := repo.put(t.Context(), "c0f", image, false)
	if err != nil {
		return err
	}
	pushed, err := remote.Image(repo.name.Tag("c0f"), repo.options(t.Context())...)
	if err != nil {
		return repo.failure(t.Context(), t.Context(), "read", err)
	}
	got, err := pushed.Digest()
	require.NoError(t, err)
	assert.Equal(t, digest, got.String())
	there, err := pushed.Layers()
	require.NoError(t, err)
	for _, layer := range there {
		content, err := layer.Compressed()
		if err != nil {
			return repo.failure(t.Context(), t.Context(), "read", err)
		}
		// It is checked against its digest while it is read.
		if _, err := io.Copy(io.Discard, content); err != nil {
			return repo.failure(t.Context(), t.Context(), "read", err)
		}
		require.NoError(t, content.Close())
	}
	return nil
}

func newImages() http.Handler { return registry.New(registry.Logger(discard())) }

func TestFaultsThatPass(t *testing.T) {
	image := testImage(t)
	for _, kind := range faultKinds() {
		for _, times := range []int{1, 3} {
			t.Run(fmt.Sprintf("%s, %s, %d times", kind.protocol, kind.name, times), func(t *testing.T) {
				for _, place := range faultPlaces {
					p := newFaultProxy(t, kind.protocol, newImages())
					p.fault(place, times, kind.do)
					repo, err := faultyBuilder(t, p, Options{}).repository(p.host + "/agency/example-com")
					require.NoError(t, err)
					require.NoError(t, useRegistry(t, repo, image), place)
					assert.Zero(t, p.left(), place)
				}
			})
		}
	}
}

func TestFaultsForEver(t *testing.T) {
	image := testImage(t)
	for _, kind := range faultKinds() {
		t.Run(kind.protocol+", "+kind.name, func(t *testing.T) {
			for _, place := range []string{"PATCH /v2/", "HEAD /v2/agency/example-com/manifests/c0f", "GET /v2/agency/example-com/blobs/sha256"} {
				p := newFaultProxy(t, kind.protocol, newImages())
				p.fault(place, forEver, kind.do)
				b := faultyBuilder(t, p, Options{})
				repo, err := b.repository(p.host + "/agency/example-com")
				require.NoError(t, err)
				err = useRegistry(t, repo, image)
				var refused *RegistryError
				require.ErrorAs(t, err, &refused, place)
				assert.Equal(t, p.host, refused.Host)
				assert.ErrorContains(t, err, p.host)
				assert.NotEmpty(t, refused.Hint(), "%s: %v", place, err)
				assert.True(t, containsOne(err.Error(), kind.causes), "%s: %v", place, err)
				// Three blobs at the same time, each of them six times. The
				// proxy sees more: net/http repeats what failed on a
				// connection that was not new, however often.
				assert.LessOrEqual(t, b.failuresInARow(t, p.host), 3*6, place)
			}
		})
	}
}

// failuresInARow counts the requests to a host that have failed since one of
// their kind has not.
func (b *Builder) failuresInARow(t *testing.T, host string) (sum int) {
	t.Helper()
	patient, ok := b.transports[host].(*patient)
	require.True(t, ok)
	for _, row := range patient.pace(host).failures {
		sum += row
	}
	return sum
}

// A push has succeeded when the registry has what was pushed, even if it never
// gets to say so.
func TestLostAnswersOfAPush(t *testing.T) {
	image := testImage(t)
	for _, place := range []string{"PUT /v2/agency/example-com/blobs/", "PUT /v2/agency/example-com/manifests/c0f"} {
		p := newFaultProxy(t, http1, newImages())
		p.fault(place, forEver, resettingAnswers)
		repo, err := faultyBuilder(t, p, Options{}).repository(p.host + "/agency/example-com")
		require.NoError(t, err)
		require.NoError(t, useRegistry(t, repo, image), place)
	}
}

func containsOne(text string, words []string) bool {
	for _, word := range words {
		if strings.Contains(text, word) {
			return true
		}
	}
	return false
}

func TestFaultsThatStay(t *testing.T) {
	image := testImage(t)
	for _, status := range []int{400, 401, 403, 405, 507} {
		for _, place := range []string{"POST /v2/", "PATCH /v2/", "PUT /v2/agency/example-com/manifests/c0f"} {
			t.Run(fmt.Sprintf("%d %s", status, place), func(t *testing.T) {
				p := newFaultProxy(t, http2, newImages())
				repo, err := faultyBuilder(t, p, Options{}).repository(p.host + "/agency/example-com")
				require.NoError(t, err)
				p.fault(place, forEver, answering(status))
				layers, err := image.Layers()
				require.NoError(t, err)
				err = repo.upload(t.Context(), "a layer", layers[0])
				if strings.HasPrefix(place, "PUT") {
					require.NoError(t, err)
					_, err = repo.put(t.Context(), "c0f", image, true)
				}
				var refused *RegistryError
				require.ErrorAs(t, err, &refused)
				assert.ErrorContains(t, err, fmt.Sprintf("the proxy says %d", status))
				assert.Len(t, p.requests(place), 1, "it is not tried again")
				if status == http.StatusInsufficientStorage {
					assert.Contains(t, refused.Hint(), "disk")
				}
			})
		}
	}
}

func TestRetryAfterOfAServer(t *testing.T) {
	for _, times := range []int{1, 3} {
		p := newFaultProxy(t, http2, newImages())
		repo, err := faultyBuilder(t, p, Options{}).repository(p.host + "/agency/example-com")
		require.NoError(t, err)
		p.fault("PATCH", times, answering(http.StatusTooManyRequests, "Retry-After", "1"))
		begin := time.Now()
		require.NoError(t, repo.upload(t.Context(), "a layer", testLayer(t, 1000)))
		assert.GreaterOrEqual(t, time.Since(begin), time.Duration(times)*time.Second)
	}
}

// An answer that is lost after the registry has done what it was asked to must
// not make a tag that cannot be overwritten look taken.
func TestLostAnswerOfAnImmutableTag(t *testing.T) {
	images := newImages()
	p := newFaultProxy(t, http1, images)
	repo, err := faultyBuilder(t, p, Options{}).repository(p.host + "/agency/example-com")
	require.NoError(t, err)
	p.fault("PUT /v2/agency/example-com/manifests/c0f", 1, resettingAnswers)
	p.fault("PUT /v2/agency/example-com/manifests/c0f", forEver, answering(http.StatusPreconditionFailed))
	require.NoError(t, useRegistry(t, repo, testImage(t)))
}

func TestImmutableTags(t *testing.T) {
	for _, status := range []int{400, 403, 405, 409, 412, 422} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			p := newFaultProxy(t, http1, newImages())
			b := faultyBuilder(t, p, Options{})
			name := p.host + "/agency/example-com"
			repo, err := b.repository(name)
			require.NoError(t, err)
			first, second := testImage(t), testImage(t)
			require.NoError(t, b.checkMove(t.Context(), name, "c0f"), "a new tag can be made")
			require.NoError(t, useRegistry(t, repo, first))
			require.NoError(t, b.checkMove(t.Context(), name, "c0f"))
			digest, err := first.Digest()
			require.NoError(t, err)

			// We do not overwrite what we were not asked to.
			puts := len(p.requests("PUT /v2/agency/example-com/manifests/"))
			_, err = repo.put(t.Context(), "c0f", first, false)
			require.NoError(t, err)
			_, err = repo.put(t.Context(), "c0f", second, false)
			var refused *RegistryError
			require.ErrorAs(t, err, &refused)
			assert.ErrorContains(t, err, "the registry has "+digest.String()+" under that tag")
			assert.Len(t, p.requests("PUT /v2/agency/example-com/manifests/"), puts)

			p.fault("PUT /v2/agency/example-com/manifests/c0f", forEver, answering(status))
			_, moveErr := repo.put(t.Context(), "c0f", second, true)
			for _, err := range []error{moveErr, b.checkMove(t.Context(), name, "c0f")} {
				require.ErrorAs(t, err, &refused)
				require.ErrorIs(t, err, errImmutable)
				assert.ErrorContains(t, err, fmt.Sprintf("the proxy says %d", status))
				assert.Contains(t, refused.Hint(), "immutable")
			}
			assert.Len(t, p.requests("PUT /v2/agency/example-com/manifests/"), puts+2, "it is not tried again")
		})
	}
}

// A registry that had the blob mounted in the end must not be sent it.
func TestMountsAreRepeated(t *testing.T) {
	const from, to = "/agency/runtime", "/agency/example-com"
	tests := map[string]struct {
		fault    misbehaviour
		times    int
		uploaded bool
	}{
		"a mount":                 {answering(http.StatusServiceUnavailable), 0, false},
		"it fails once":           {answering(http.StatusServiceUnavailable), 1, false},
		"it fails three times":    {resetting, 3, false},
		"it always fails":         {answering(http.StatusInternalServerError), forEver, true},
		"the registry refuses it": {answering(http.StatusMethodNotAllowed), forEver, true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			p := newFaultProxy(t, http1, mounting(newImages()))
			b := faultyBuilder(t, p, Options{})
			source, err := b.repository(p.host + from)
			require.NoError(t, err)
			layer := testLayer(t, 5000)
			require.NoError(t, source.upload(t.Context(), "a layer", layer))
			digest, err := layer.Digest()
			require.NoError(t, err)
			there, err := remote.Layer(source.name.Digest(digest.String()), source.options(t.Context())...)
			require.NoError(t, err)
			target, err := b.repository(p.host + to)
			require.NoError(t, err)

			before := len(p.requests("PATCH"))
			p.fault("POST /v2/agency/example-com/blobs/uploads/ mount", test.times, test.fault)
			require.NoError(t, target.upload(t.Context(), "a layer", there))
			assert.Equal(t, test.uploaded, len(p.requests("PATCH")) > before)
		})
	}
}

// mounting makes a registry of go-containerregistry tell the blobs of one
// repository from those of another, so that there is something to mount.
func mounting(registry http.Handler) http.Handler {
	var mutex sync.Mutex
	has := map[string]bool{} // by path, as "/v2/agency/runtime/blobs/sha256:…"
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mutex.Lock()
		defer mutex.Unlock()
		query := r.URL.Query()
		repo, _, _ := strings.Cut(r.URL.Path, "/blobs/")
		switch {
		case r.Method == http.MethodHead && strings.Contains(r.URL.Path, "/blobs/") && !has[r.URL.Path]:
			http.Error(w, "", http.StatusNotFound)
		case r.Method == http.MethodPost && has["/v2/"+query.Get("from")+"/blobs/"+query.Get("mount")]:
			has[repo+"/blobs/"+query.Get("mount")] = true
			w.WriteHeader(http.StatusCreated)
		default:
			if r.Method == http.MethodPut && query.Has("digest") {
				has[repo+"/blobs/"+query.Get("digest")] = true
			}
			registry.ServeHTTP(w, r)
		}
	})
}

// That a tag cannot be moved has to be known before anything is built.
func TestRebuildOfAnImmutableTag(t *testing.T) {
	p := newFaultProxy(t, http1, newImages())
	b := faultyBuilder(t, p, Options{Address: "tcp://127.0.0.1:1"})
	s := phpSite()
	s.Image, s.Build.Runtime, s.Build.Base = p.host+"/agency/example-com", p.host+"/agency/runtime", p.host+"/agency/example-com:c0f"
	repo, err := b.repository(s.Image)
	require.NoError(t, err)
	require.NoError(t, useRegistry(t, repo, testImage(t)))
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "index.php"), nil, 0o600))
	commitAll(t, dir)
	git, err := site.OpenRepository(t.Context(), dir)
	require.NoError(t, err)
	commit, err := git.Head(t.Context(), false)
	require.NoError(t, err)
	commit.Tag = "c0f"

	p.fault("PUT /v2/agency/example-com/manifests/c0f", forEver, answering(http.StatusPreconditionFailed))
	_, err = b.Prepare(t.Context(), s, git, commit, BuildOptions{Rebuild: true})
	require.ErrorIs(t, err, errImmutable)
	_, err = b.Prepare(t.Context(), s, git, commit, BuildOptions{})
	require.NotErrorIs(t, err, errImmutable, "it is not overwritten then")
}

// Nothing is believed of an answer that breaks off, not even that there is no
// such image.
func TestARefusalThatBreaksOff(t *testing.T) {
	for name, do := range map[string]misbehaviour{"reset": resettingAnswers, "truncated": truncatingAnswers} {
		t.Run(name, func(t *testing.T) {
			p := newFaultProxy(t, http1, registry.New(registry.Logger(discard())))
			repo, err := faultyBuilder(t, p, Options{}).repository(p.host + "/agency/example-com")
			require.NoError(t, err)
			p.fault("GET /v2/agency/example-com/manifests/missing", 2, do)
			found, err := repo.readPrevious(t.Context(), "missing")
			require.NoError(t, err)
			assert.Nil(t, found)
			assert.Zero(t, p.left(), "both faults happened")
		})
	}
}
