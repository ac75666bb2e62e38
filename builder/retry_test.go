package builder

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// memoryRegistry is a registry without a network, so that time can be made up.
type memoryRegistry struct {
	images http.Handler
	// first answers a request, unless it returns nil.
	first func(*http.Request) (*http.Response, error)

	mutex sync.Mutex
	seen  []seenRequest
}

type seenRequest struct {
	name string // "PUT /v2/agency/example-com/manifests/c0f"
	at   time.Duration
}

// newMemoryRegistry returns a registry and a repository in it.
func newMemoryRegistry(t *testing.T, first func(*http.Request) (*http.Response, error)) (*memoryRegistry, *repository) {
	t.Helper()
	m := &memoryRegistry{images: registry.New(registry.Logger(discard())), first: first}
	b := newBuilder(t, Options{})
	b.transports["registry.example.com"] = newPatient(&metered{next: m, meter: &b.meter}, b.backoff, b.options.Log)
	repo, err := b.repository("registry.example.com/agency/example-com")
	require.NoError(t, err)
	return m, repo
}

var begin = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC) // as synctest has it

func (m *memoryRegistry) RoundTrip(request *http.Request) (*http.Response, error) {
	m.mutex.Lock()
	m.seen = append(m.seen, seenRequest{request.Method + " " + request.URL.Path, time.Since(begin)})
	m.mutex.Unlock()
	if request.Body == nil {
		request = request.Clone(request.Context())
		request.Body = http.NoBody
	}
	defer request.Body.Close()
	if response, err := m.first(request); response != nil || err != nil {
		return response, err
	}
	recorder := httptest.NewRecorder()
	m.images.ServeHTTP(recorder, request)
	response := recorder.Result()
	response.Request = request
	return response, nil
}

// times are when requests were sent whose name contains the words.
func (m *memoryRegistry) times(words string) []time.Duration {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	var times []time.Duration
	for _, seen := range m.seen {
		if strings.Contains(seen.name, words) {
			times = append(times, seen.at)
		}
	}
	return times
}

// answer makes the answer of a registry that is not well.
func answer(request *http.Request, status int, header ...string) *http.Response {
	recorder := httptest.NewRecorder()
	for i := 0; i < len(header); i += 2 {
		recorder.Header().Set(header[i], header[i+1])
	}
	recorder.WriteHeader(status)
	_, _ = fmt.Fprintf(recorder, `{"errors":[{"code":"TEST","message":"not well: %d"}]}`, status)
	response := recorder.Result()
	response.Request = request
	return response
}

// failing answers the first n requests whose name contains the words with a
// failure.
func failing(n int, words string, fail func(*http.Request) (*http.Response, error)) func(*http.Request) (*http.Response, error) {
	var mutex sync.Mutex
	return func(request *http.Request) (*http.Response, error) {
		mutex.Lock()
		defer mutex.Unlock()
		if n > 0 && strings.Contains(request.Method+" "+request.URL.Path, words) {
			n--
			return fail(request)
		}
		return nil, nil
	}
}

const forEver = 1 << 30

func testLayer(t *testing.T, size int64) v1.Layer {
	t.Helper()
	content := make([]byte, size)
	_, err := rand.Read(content)
	require.NoError(t, err)
	return static.NewLayer(content, types.OCILayer)
}

func TestPauses(t *testing.T) {
	b := defaultBackoff
	shortest := []time.Duration{500 * time.Millisecond, time.Second, 2 * time.Second, 4 * time.Second, 8 * time.Second, 8 * time.Second}
	for i, shortest := range shortest {
		for range 100 {
			pause := b.pause(i + 1)
			assert.GreaterOrEqual(t, pause, shortest)
			assert.LessOrEqual(t, pause, shortest*3/2)
		}
	}
	assert.LessOrEqual(t, b.pause(1000), 12*time.Second)
}

func TestRetryAfter(t *testing.T) {
	tests := map[string]struct {
		header  string
		atLeast time.Duration
		atMost  time.Duration
	}{
		"seconds":     {"7", 7 * time.Second, 7 * time.Second},
		"a date":      {begin.Add(20 * time.Second).Format(http.TimeFormat), 20 * time.Second, 20 * time.Second},
		"a past date": {begin.Add(-time.Hour).Format(http.TimeFormat), 500 * time.Millisecond, 750 * time.Millisecond},
		"nothing":     {"", 500 * time.Millisecond, 750 * time.Millisecond},
		"nonsense":    {"soon", 500 * time.Millisecond, 750 * time.Millisecond},
		"no time":     {"0", 500 * time.Millisecond, 750 * time.Millisecond},
		"the longest": {"60", time.Minute, time.Minute},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m, repo := newMemoryRegistry(t, failing(1, "HEAD", func(r *http.Request) (*http.Response, error) {
					return answer(r, http.StatusTooManyRequests, "Retry-After", test.header), nil
				}))
				// Even a question that has 8 seconds only: the registry has answered.
				_, found, err := repo.head(t.Context(), "c0f")
				require.NoError(t, err)
				assert.False(t, found)
				times := m.times("HEAD")
				require.Len(t, times, 2)
				assert.GreaterOrEqual(t, times[1], test.atLeast)
				assert.LessOrEqual(t, times[1], test.atMost)
			})
		})
	}
}

func TestRetryAfterTooLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, repo := newMemoryRegistry(t, failing(1, "HEAD", func(r *http.Request) (*http.Response, error) {
			return answer(r, http.StatusTooManyRequests, "Retry-After", "3600"), nil
		}))
		for range 2 { // it is not asked again before
			_, _, err := repo.head(t.Context(), "c0f")
			var refused *RegistryError
			require.ErrorAs(t, err, &refused)
			assert.ErrorContains(t, err, "429")
			assert.ErrorContains(t, err, "it asks to try again in 1h0m0s")
			assert.Contains(t, refused.Hint(), "limits how much")
		}
		assert.Len(t, m.times("HEAD"), 1)
		assert.Less(t, time.Since(begin), time.Second)
		time.Sleep(time.Hour)
		_, _, err := repo.head(t.Context(), "c0f")
		require.NoError(t, err)
	})
}

func TestAFailureForEver(t *testing.T) {
	unwell := func(r *http.Request) (*http.Response, error) { return answer(r, http.StatusServiceUnavailable), nil }
	t.Run("of a question", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			m, repo := newMemoryRegistry(t, failing(forEver, "/v2/", unwell))
			_, _, err := repo.head(t.Context(), "c0f")
			var refused *RegistryError
			require.ErrorAs(t, err, &refused)
			assert.ErrorContains(t, err, "registry.example.com")
			assert.ErrorContains(t, err, "503")
			assert.Contains(t, refused.Hint(), "a problem of its own")
			assert.LessOrEqual(t, time.Since(begin), 8*time.Second)
			assert.LessOrEqual(t, len(m.seen), 5)
		})
	})
	t.Run("of a push", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			m, repo := newMemoryRegistry(t, failing(forEver, "PATCH", unwell))
			err := repo.upload(t.Context(), "a layer", testLayer(t, 1000))
			var refused *RegistryError
			require.ErrorAs(t, err, &refused)
			assert.ErrorContains(t, err, "503")
			assert.ErrorContains(t, err, "not well")
			// No more than six uploads: nothing below or above repeats them.
			assert.Len(t, m.times("PATCH"), 6)
			assert.Len(t, m.times("POST"), 6)
			assert.GreaterOrEqual(t, time.Since(begin), 15*time.Second)
			assert.LessOrEqual(t, time.Since(begin), 24*time.Second)
		})
	})
}

func TestNeverTriedAgain(t *testing.T) {
	for _, status := range []int{400, 401, 403, 405, 407, 409, 413, 501, 505, 507} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m, repo := newMemoryRegistry(t, func(r *http.Request) (*http.Response, error) {
					if r.URL.Path == "/v2/" || r.Method == http.MethodHead && strings.Contains(r.URL.Path, "/blobs/") {
						return nil, nil
					}
					return answer(r, status, "Retry-After", "1"), nil
				})
				_, _, err := repo.head(t.Context(), "c0f")
				require.Error(t, err)
				assert.Len(t, m.times("HEAD"), 1)
				require.Error(t, repo.upload(t.Context(), "a layer", testLayer(t, 1000)))
				assert.Len(t, m.times("POST"), 1)
				assert.Zero(t, time.Since(begin))
			})
		})
	}
	t.Run("404", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			m, repo := newMemoryRegistry(t, failing(forEver, "PATCH", func(r *http.Request) (*http.Response, error) {
				return answer(r, http.StatusNotFound), nil
			}))
			_, found, err := repo.head(t.Context(), "c0f")
			require.NoError(t, err)
			assert.False(t, found)
			assert.Len(t, m.times("HEAD"), 1)
			require.Error(t, repo.upload(t.Context(), "a layer", testLayer(t, 1000)))
			assert.Len(t, m.times("PATCH"), 1)
		})
	})
}

func TestFullDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, repo := newMemoryRegistry(t, failing(1, "PATCH", func(r *http.Request) (*http.Response, error) {
			return answer(r, http.StatusInsufficientStorage), nil
		}))
		err := repo.upload(t.Context(), "a layer", testLayer(t, 1000))
		var refused *RegistryError
		require.ErrorAs(t, err, &refused)
		assert.ErrorContains(t, err, "507")
		assert.Contains(t, refused.Hint(), "the disk of registry.example.com is full")
	})
}

func TestAPauseEndsWithTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stopped := errors.New("stopped by a person")
		ctx, cancel := context.WithCancelCause(t.Context())
		_, repo := newMemoryRegistry(t, failing(1, "POST", func(r *http.Request) (*http.Response, error) {
			time.AfterFunc(3*time.Second, func() { cancel(stopped) })
			return answer(r, http.StatusTooManyRequests, "Retry-After", "30"), nil
		}))
		require.ErrorIs(t, repo.upload(ctx, "a layer", testLayer(t, 1000)), stopped)
		assert.Equal(t, 3*time.Second, time.Since(begin))
	})
}

func TestAPauseIsForAllRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, repo := newMemoryRegistry(t, failing(1, "POST", func(r *http.Request) (*http.Response, error) {
			return answer(r, http.StatusTooManyRequests, "Retry-After", "30"), nil
		}))
		first, rest := testLayer(t, 1000), testLayer(t, 1001)
		var uploads sync.WaitGroup
		uploads.Go(func() { assert.NoError(t, repo.upload(t.Context(), "a layer", first)) })
		time.Sleep(time.Second)
		uploads.Go(func() { assert.NoError(t, repo.upload(t.Context(), "a layer", rest)) })
		uploads.Wait()
		for _, seen := range m.seen[3:] { // GET /v2/, HEAD, POST
			assert.Equal(t, 30*time.Second, seen.at, seen.name)
		}
	})
}

func TestLongPausesAreAnnounced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var lines []string
		m := &memoryRegistry{images: registry.New(registry.Logger(discard())), first: failing(1, "HEAD", func(r *http.Request) (*http.Response, error) {
			return answer(r, http.StatusTooManyRequests, "Retry-After", "30"), nil
		})}
		b := newBuilder(t, Options{Log: func(line string) { lines = append(lines, line) }})
		b.transports["registry.example.com"] = newPatient(m, b.backoff, b.options.Log)
		repo, err := b.repository("registry.example.com/agency/example-com")
		require.NoError(t, err)
		_, _, err = repo.head(t.Context(), "c0f")
		require.NoError(t, err)
		require.Len(t, lines, 1)
		assert.Contains(t, lines[0], "registry.example.com: ")
		assert.Contains(t, lines[0], "429")
		assert.Contains(t, lines[0], "next try in 30s")
	})
}

// A registry that cannot be reached at all is more likely a wrong address; one
// that could be before is being restarted.
func TestLostRegistry(t *testing.T) {
	refused := func(*http.Request) (*http.Response, error) {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
	}
	t.Run("never there", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			m, repo := newMemoryRegistry(t, failing(forEver, "/v2/", refused))
			_, _, err := repo.head(t.Context(), "c0f")
			require.ErrorIs(t, err, syscall.ECONNREFUSED)
			assert.Len(t, m.seen, 1)
		})
	})
	t.Run("there before", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			m, repo := newMemoryRegistry(t, failing(3, "PATCH", refused))
			require.NoError(t, repo.upload(t.Context(), "a layer", testLayer(t, 1000)))
			assert.Len(t, m.times("PATCH"), 4)
		})
	})
}

// What cannot be read here is no failure of the registry.
func TestNothingToSend(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, repo := newMemoryRegistry(t, func(r *http.Request) (*http.Response, error) {
			if r.Method != http.MethodPatch {
				return nil, nil
			}
			_, err := io.Copy(io.Discard, r.Body) // as net/http does
			return nil, err
		})
		layer := brokenLayer{testLayer(t, 1000)}
		err := repo.upload(t.Context(), "a layer", layer)
		require.ErrorIs(t, err, io.ErrUnexpectedEOF)
		assert.Len(t, m.times("PATCH"), 1)
	})
}

type brokenLayer struct{ v1.Layer }

func (brokenLayer) Compressed() (io.ReadCloser, error) {
	broken, writer := io.Pipe()
	writer.CloseWithError(fmt.Errorf("git cat-file: %w", io.ErrUnexpectedEOF))
	return broken, nil
}

func TestTraffic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &memoryRegistry{images: registry.New(registry.Logger(discard())), first: failing(1, "PUT", func(r *http.Request) (*http.Response, error) {
			return answer(r, http.StatusBadGateway), nil
		})}
		b := newBuilder(t, Options{})
		b.transports["registry.example.com"] = newPatient(&metered{next: m, meter: &b.meter}, b.backoff, b.options.Log)
		repo, err := b.repository("registry.example.com/agency/example-com")
		require.NoError(t, err)
		layer := testLayer(t, 1000)
		size, err := layer.Size()
		require.NoError(t, err)
		require.NoError(t, repo.upload(t.Context(), "a layer", layer))
		assert.Equal(t, Traffic{Requests: int64(len(m.seen)), Sent: 2 * size}, b.traffic(), "it was sent twice")
	})
}
