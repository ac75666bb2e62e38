package builder

import (
	"time"

	"github.com/moby/buildkit/client"
)

// Vertex is one step that BuildKit executes for an image, as it stood when it
// was last heard of.
type Vertex struct {
	ID        string     `json:"id"`                  // a digest; a step is reported again each time it changes
	Name      string     `json:"name"`                // as BuildKit's own progress has it
	Started   *time.Time `json:"started,omitempty"`   // nil while it waits
	Completed *time.Time `json:"completed,omitempty"` // nil while it runs
	Cached    bool       `json:"cached,omitempty"`
	Error     string     `json:"error,omitempty"`
}

// tell reports the steps of a status to Options.Vertex.
func (d *display) tell(status *client.SolveStatus) {
	if d.options.Vertex == nil {
		return
	}
	d.telling.Lock()
	defer d.telling.Unlock()
	for _, vertex := range status.Vertexes {
		d.options.Vertex(Vertex{
			ID: vertex.Digest.String(), Name: vertex.Name,
			Started: vertex.Started, Completed: vertex.Completed,
			Cached: vertex.Cached, Error: vertex.Error,
		})
	}
}
