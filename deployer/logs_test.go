package deployer

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/kubernetes"
	typedcorev1 "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/rest"
	restfake "k8s.io/client-go/rest/fake"
)

// withLogs are clients of a cluster whose pods have these logs, by
// "pod/container". The fake client itself has the same one for all.
type withLogs struct {
	kubernetes.Interface
	logs map[string]string
}

func (w withLogs) CoreV1() typedcorev1.CoreV1Interface {
	return coreWithLogs{w.Interface.CoreV1(), w.logs}
}

// IsWatchListSemanticsUnSupported is what informers ask a fake client for.
func (w withLogs) IsWatchListSemanticsUnSupported() bool { return true }

type coreWithLogs struct {
	typedcorev1.CoreV1Interface
	logs map[string]string
}

func (c coreWithLogs) Pods(namespace string) typedcorev1.PodInterface {
	return podsWithLogs{c.CoreV1Interface.Pods(namespace), c.logs}
}

type podsWithLogs struct {
	typedcorev1.PodInterface
	logs map[string]string
}

func (p podsWithLogs) GetLogs(name string, options *corev1.PodLogOptions) *rest.Request {
	var text string
	for line := range strings.Lines(p.logs[name+"/"+options.Container]) {
		if at, _ := timestamp(line); options.SinceTime == nil || !at.Before(options.SinceTime.Time) {
			text += line
		}
	}
	client := &restfake.RESTClient{
		Client: restfake.CreateHTTPClient(func(*http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(strings.NewReader(text))}, nil
		}),
	}
	return client.Request()
}

func newLogs(t *testing.T) *backplane {
	b := newBackplane(t)
	b.put(b.webPod("a", time.Hour, true), b.webPod("b", time.Hour, true))
	b.client = withLogs{b.client, map[string]string{
		"a/web":     "2026-01-02T00:00:01Z first\n2026-01-02T00:00:03Z third\n",
		"a/varnish": "2026-01-02T00:00:02.5Z between\n",
		"b/web":     "2026-01-02T00:00:02Z second\n2026-01-02T00:00:04Z fourth\n",
		"c/web":     "2026-01-02T00:00:05Z of a new pod\n",
	}}
	return b
}

func TestLogsInTheOrderOfTheirTimes(t *testing.T) {
	b := newLogs(t)
	var lines []string
	show := func(line LogLine) { lines = append(lines, line.Pod+"/"+line.Container+" "+line.Text) }
	require.NoError(t, b.Logs(t.Context(), LogOptions{Tail: -1}, show))
	assert.Equal(t, []string{"a/web first", "b/web second", "a/varnish between", "a/web third", "b/web fourth"}, lines)

	lines = nil
	require.NoError(t, b.Logs(t.Context(), LogOptions{Release: "v-b", Container: "web", Tail: -1}, show))
	assert.Equal(t, []string{"b/web second", "b/web fourth"}, lines)
}

func TestLogsOfNothing(t *testing.T) {
	b := newLogs(t)
	var none *NoPodsError
	require.ErrorAs(t, b.Logs(t.Context(), LogOptions{Release: "nope", Container: "web"}, nil), &none)
	assert.EqualError(t, none, `there is no pod of web of release nope with a container "web" that has started`)
	require.ErrorAs(t, b.Logs(t.Context(), LogOptions{Of: "mysql"}, nil), &none)
}

func TestLogsFollowed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newLogs(t)
		ctx, cancel := context.WithCancelCause(t.Context())
		shown := map[string]int{}
		go func() {
			b.result <- b.Logs(ctx, LogOptions{Container: "web", Follow: true, Tail: -1}, func(line LogLine) { shown[line.Text]++ })
		}()
		time.Sleep(5 * time.Second)
		b.put(b.webPod("c", 0, true))
		time.Sleep(5 * time.Second)
		enough := errors.New("enough")
		cancel(enough)
		require.ErrorIs(t, <-b.result, enough)
		assert.Equal(t, map[string]int{"first": 1, "second": 1, "third": 1, "fourth": 1, "of a new pod": 1}, shown)
	})
}

func TestLogOptionsOfARequest(t *testing.T) {
	logs := &podLogs{wanted: LogOptions{Since: 1500 * time.Millisecond, Tail: 10, Follow: true}}
	options := logs.options(source{container: "web"})
	assert.Equal(t, int64(1), *options.SinceSeconds)
	assert.Equal(t, int64(10), *options.TailLines)
	assert.True(t, options.Follow)
	logs.wanted = LogOptions{Tail: -1}
	options = logs.options(source{container: "web"})
	assert.Nil(t, options.SinceSeconds)
	assert.Nil(t, options.TailLines)
}
