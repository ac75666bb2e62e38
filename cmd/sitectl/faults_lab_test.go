//go:build lab

package main

import (
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// TestFaults ships with an API server that is out of sorts in every way that
// clusters know. Nothing of it is a reason to fail, or to do something twice.
func TestFaults(t *testing.T) {
	s := newLabSite(t, "faults")
	proxy := newAPIProxy(t)
	t.Setenv("KUBECONFIG", proxy.kubeconfig)

	t.Run("a third of the requests fails", func(t *testing.T) {
		turns := []fault{
			answering(http.StatusTooManyRequests, metav1.StatusReasonTooManyRequests, "Retry-After", "1"),
			answering(http.StatusInternalServerError, metav1.StatusReasonInternalError),
			lost,
			answering(http.StatusServiceUnavailable, metav1.StatusReasonServiceUnavailable),
			unanswered,
		}
		met, patches := 0, 0
		proxy.behave(func(r request) fault {
			if r.Method == http.MethodPatch {
				// As if somebody else had changed the object at the same moment.
				if patches++; patches%2 == 0 {
					return answering(http.StatusConflict, metav1.StatusReasonConflict)
				}
			}
			if r.watch || r.number%3 != 0 || r.tunnel && met%len(turns) == 4 {
				return fault{}
			}
			met++
			return turns[met%len(turns)]
		})
		s.shipsDespite(t, proxy, nil, "429", "500", "503", "409", "request lost", "answer lost")
	})
	t.Run("watches break, and every request takes half a second", func(t *testing.T) {
		proxy.behave(func(r request) fault {
			switch {
			case !r.watch:
				return slow(500 * time.Millisecond)
			case strings.HasSuffix(r.URL.Path, "/jobs") && r.URL.Query().Get("resourceVersion") == "":
				return stalled(500 * time.Millisecond)
			case r.number%3 == 0:
				return answering(http.StatusGone, metav1.StatusReasonExpired)
			default:
				return dropped(1500 * time.Millisecond)
			}
		})
		s.shipsDespite(t, proxy, nil, "delayed", "watch stalled", "watch dropped", "410")
	})
	t.Run("out of reach for 30 seconds", func(t *testing.T) {
		proxy.behave(nil)
		var away sync.WaitGroup
		begin := sync.OnceFunc(func() { away.Go(func() { proxy.outage(t, 30*time.Second) }) })
		s.shipsDespite(t, proxy, func(line string) {
			if strings.Contains(line, "0 of 1 new pods available") {
				begin()
			}
		})
		away.Wait()
	})
}

// shipsDespite ships a new commit, which succeeds, does everything once, and
// meets each of the faults.
func (s *labSite) shipsDespite(t *testing.T, proxy *apiProxy, onLine func(string), faults ...string) {
	t.Helper()
	tag := s.commit(t, t.Name())
	began := time.Now()
	out := s.startWith(t, onLine, "ship", "--output", "json").wait(t)
	require.Equal(t, int(statusDone), out.status, out.stderr)
	assert.Equal(t, "shipped", decodeResult(t, out).Outcome)
	assert.NotContains(t, out.stderr, "reflector", "what client-go says to its developers")
	t.Logf("shipped in %s with %d requests and %d watches", time.Since(began).Round(time.Second), proxy.counted("requests"), proxy.counted("watches"))
	for _, fault := range faults {
		assert.NotZero(t, proxy.counted(fault), fault)
		t.Logf("%-14s %d times", fault, proxy.counted(fault))
	}
	jobs, err := s.cluster.BatchV1().Jobs(s.namespace).List(t.Context(), metav1.ListOptions{LabelSelector: "app.kubernetes.io/name=migrate,app.kubernetes.io/version=" + tag})
	require.NoError(t, err)
	assert.Len(t, jobs.Items, 1, "the migration ran once")
	s.shows(t, "/release", tag)
}
