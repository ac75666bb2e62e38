package main

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/sitectl/sitectl/lab/load"
)

var update = flag.Bool("update", false, "write the golden files")

// exampleResults has a first ship that built everything, and a second one
// that skipped a step and lost a request.
func exampleResults(t *testing.T) results {
	t.Helper()
	var r results
	require.NoError(t, json.Unmarshal([]byte(`{
		"outcome": "shipped",
		"image": {"tag": "1a2b3c4"},
		"build": {"layers": 5, "layersPushed": 5, "bytesPushed": 71241067},
		"steps": [
			{"name": "check", "seconds": 0.91},
			{"name": "build", "seconds": 118.2},
			{"name": "roll", "seconds": 21.04}
		]}`), &r.first))
	require.NoError(t, json.Unmarshal([]byte(`{
		"outcome": "shipped",
		"image": {"tag": "5d6e7f8"},
		"build": {"layers": 5, "layersPushed": 1, "bytesPushed": 6130},
		"steps": [
			{"name": "check", "seconds": 0.42},
			{"name": "migrate", "seconds": 0, "skipped": "nothing to do"},
			{"name": "roll", "seconds": 33.3}
		]}`), &r.second))
	r.keptAlive = &load.Tally{Served: 4321, Connections: 8, Slowest: 420 * time.Millisecond}
	r.newEach = &load.Tally{
		Served: 4210, Failed: 1, Connections: 4211, Slowest: 1510 * time.Millisecond,
		Failures: []string{"12.3 s after the start: GET /: EOF"},
	}
	return r
}

func TestResults(t *testing.T) {
	var out strings.Builder
	r := exampleResults(t)
	r.write(&out)
	golden := filepath.Join("testdata", "results.txt")
	if *update {
		require.NoError(t, os.WriteFile(golden, []byte(out.String()), 0o644))
	}
	want, err := os.ReadFile(golden)
	require.NoError(t, err)
	assert.Equal(t, string(want), out.String())
}

func TestVerdict(t *testing.T) {
	r := exampleResults(t)
	require.EqualError(t, r.verdict(), "1 requests failed while the second release was shipped")
	r.newEach.Failed = 0
	require.NoError(t, r.verdict())
}
