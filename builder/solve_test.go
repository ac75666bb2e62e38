package builder

import (
	"errors"
	"fmt"
	"testing"

	"github.com/moby/buildkit/solver/errdefs"
	"github.com/moby/buildkit/solver/pb"
	"github.com/stretchr/testify/assert"
)

// TestSourceLine is an error as BuildKit's Dockerfile front end makes it.
func TestSourceLine(t *testing.T) {
	at := &errdefs.Source{
		Info:   &pb.SourceInfo{Filename: "Dockerfile"},
		Ranges: []*pb.Range{{Start: &pb.Position{Line: 3}, End: &pb.Position{Line: 4}}},
	}
	failed := errors.New("exit code: 1")
	assert.Equal(t, 3, sourceLine(fmt.Errorf("failed to solve: %w", at.WrapError(failed))))
	assert.Zero(t, sourceLine(failed))
}
