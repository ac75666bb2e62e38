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
)

var update = flag.Bool("update", false, "write the golden files")

// exampleResults has an aim that is met, one that is missed, and a scenario
// without.
func exampleResults() results {
	line := scenarioResult{Name: "one line", Builder: warm, Aim: 0.3}
	for _, seconds := range []float64{0.4, 0.2, 0.3} {
		line.Sitectl.Runs = append(line.Sitectl.Runs, cost{
			Seconds: seconds, Requests: 45, ToRegistry: 950_000, FromRegistry: 960_000, Memory: int64(seconds * 200e6),
			Steps: map[string]float64{"check": 0.1, "build": seconds - 0.1},
		})
		line.Hand.Runs = append(line.Hand.Runs, cost{Seconds: 10 * seconds, ToBuilder: 85_000_000, Requests: 31, ToRegistry: 34_500_000})
	}
	cold := scenarioResult{
		Name: "cold", Builder: empty, Aim: 1.1,
		Sitectl: sideResult{Runs: []cost{{
			Seconds: 60, ToBuilder: 20_000, Requests: 160, ToRegistry: 101_000_000, FromRegistry: 100_000_000, Memory: 160e6,
			Steps: map[string]float64{"check": 0.5, "build": 59.5},
		}}},
		Hand: sideResult{Runs: []cost{{Seconds: 50, ToBuilder: 85_000_000, Requests: 46, ToRegistry: 211_000_000, FromRegistry: 34_000_000}}},
	}
	base := cold
	base.Name, base.Builder, base.Aim = "base image", warm, 0
	r := results{Began: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Processors: 2}
	r.Sites = []siteResult{{Files: 10000, Bytes: 85_000_000, Compressed: 34_400_000, Scenarios: []scenarioResult{cold, line, base}}}
	for i := range r.Sites[0].Scenarios {
		r.Sites[0].Scenarios[i].finish()
	}
	return r
}

func TestResults(t *testing.T) {
	r := exampleResults()
	var table strings.Builder
	r.write(&table)
	golden(t, "results.txt", table.String())

	file := filepath.Join(t.TempDir(), "bench.json")
	require.NoError(t, r.save(file))
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	golden(t, "results.json", string(text))
	var read results
	require.NoError(t, json.Unmarshal(text, &read))
	assert.Equal(t, r, read)
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		require.NoError(t, os.WriteFile(file, []byte(got), 0o644))
	}
	want, err := os.ReadFile(file)
	require.NoError(t, err)
	assert.Equal(t, string(want), got)
}

func TestMedian(t *testing.T) {
	runs := func(seconds ...float64) (runs []cost) {
		for _, s := range seconds {
			runs = append(runs, cost{Seconds: s})
		}
		return runs
	}
	assert.Equal(t, 2.0, median(runs(3, 1, 2)).Seconds)
	assert.Equal(t, 2.0, median(runs(2, 1)).Seconds, "of two the slower one")
	assert.Equal(t, 5.0, median(runs(5)).Seconds)
}

func TestThousands(t *testing.T) {
	for n, want := range map[int]string{100: "100", 1000: "1,000", 50_007: "50,007", 1_000_000: "1,000,000"} {
		assert.Equal(t, want, thousands(n))
	}
}
