package builder

import (
	"testing"
	"time"

	"github.com/moby/buildkit/client"
	"github.com/opencontainers/go-digest"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestStepsOfBuildKitAreReported(t *testing.T) {
	start, end := time.Unix(1700000000, 0), time.Unix(1700000004, 0)
	var told []Vertex
	d := newDisplay(Options{Progress: "quiet", Vertex: func(v Vertex) { told = append(told, v) }})
	id := digest.FromString("step")
	d.show(t.Context(), "runtime", &client.SolveStatus{Vertexes: []*client.Vertex{
		{Digest: id, Name: "[1/2] FROM debian", Started: &start},
	}})
	d.show(t.Context(), "runtime", &client.SolveStatus{Vertexes: []*client.Vertex{
		{Digest: id, Name: "[1/2] FROM debian", Started: &start, Completed: &end, Cached: true, Error: "no such image"},
	}})
	require.NoError(t, d.close())
	assert.Equal(t, []Vertex{
		{ID: id.String(), Name: "[runtime 1/2] FROM debian", Started: &start},
		{ID: id.String(), Name: "[runtime 1/2] FROM debian", Started: &start, Completed: &end, Cached: true, Error: "no such image"},
	}, told)
}
