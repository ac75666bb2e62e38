package main

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/sitectl/sitectl/deployer"
)

var update = flag.Bool("update", false, "write golden files instead of comparing with them")

// TestReport renders ships that have ended in each way. What browsers make of
// these pages is for lab/browser to tell.
func TestReport(t *testing.T) {
	for name, sample := range map[string]func() ([]byte, error){
		"good": goodSample, "failed": failedSample, "build-failed": buildFailedSample,
		"cancelled": cancelledSample, "running": runningSample, "hostile": hostileSample,
	} {
		t.Run(name, func(t *testing.T) {
			page, err := sample()
			require.NoError(t, err)
			file := filepath.Join("testdata", "report", name+".golden.html")
			if *update {
				require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o755))
				require.NoError(t, os.WriteFile(file, page, 0o644))
			}
			want, err := os.ReadFile(file)
			require.NoError(t, err)
			if !bytes.Equal(want, page) { // not assert.Equal, whose difference of large pages takes minutes
				t.Errorf("differs from %s: write it with -update, and look at it with git diff", file)
			}
		})
	}
}

func TestReportHasNothingHostile(t *testing.T) {
	page, err := hostileSample()
	require.NoError(t, err)
	for _, never := range []string{"<script", "<img", "onload=alert(3)>", `href="javascript`, "\x1b", "\x00", "\u009b", "\x07", "\u202e", "\u2066"} {
		assert.NotContains(t, string(page), never)
	}
	assert.Contains(t, string(page), "&lt;script&gt;alert(1)&lt;/script&gt;")
	assert.Contains(t, string(page), "evil\ufffdgnp.exe", "in the order in which it is read")
	assert.Contains(t, string(page), "9501 earlier lines left out.")
	assert.NotContains(t, string(page), "line 9500 of", "it is left out")
	assert.Less(t, len(page), 300_000)
}

// TestRecorderFollowsPods plays a rollout in which pods come, go, and change
// their minds.
func TestRecorderFollowsPods(t *testing.T) {
	s := newSample().begin("roll")
	s.pods(0, "old-a ready").after(1).pods(0, "old-a ready", "new-b starting").after(2)
	s.pods(0, "old-a ready", "new-b failing Error").after(3).pods(0, "new-b failing Error").after(4).end("failed")

	require.Len(t, s.rollouts, 1)
	rollout := s.rollouts[0]
	assert.Equal(t, "roll", rollout.step)
	assert.Equal(t, 10*time.Second, rollout.ended.Sub(rollout.began), "to the end of the step")
	var told []string
	for _, pod := range rollout.pods {
		for _, state := range pod.states {
			told = append(told, fmt.Sprintf("%s %s %s %v-%v gone=%v", pod.Name[len("web-7c9f8d6b5-"):], state.state, state.reason,
				state.from.Sub(rollout.began).Seconds(), state.to.Sub(rollout.began).Seconds(), pod.gone))
		}
	}
	assert.Equal(t, []string{
		"old-a ready  0-6 gone=true",
		"new-b starting  1-3 gone=false",
		"new-b failing Error 3-10 gone=false",
	}, told)
}

func TestRecorderKeepsNoMoreThanItSays(t *testing.T) {
	s := newSample().begin("roll")
	for i := range keptStates + 10 {
		s.pods(0, "new-a "+[]string{"starting", "failing"}[i%2]).after(1)
	}
	assert.Len(t, s.rollouts[0].pods[0].states, keptStates)
	assert.Equal(t, 10, s.rollouts[0].pods[0].leftOut)

	view := deployer.Rollout{Deployment: "worker"}
	for i := range keptPods + 5 {
		view.Pods = append(view.Pods, deployer.Pod{Name: fmt.Sprint(i), State: deployer.PodReady})
	}
	s.pass(event{Kind: podsChanged, Rollout: &view}).pass(event{Kind: podsChanged, Rollout: &view})
	assert.Len(t, s.rollouts[1].pods, keptPods)
	assert.Equal(t, 5, s.rollouts[1].leftOut)

	for i := range keptVertices + 3 {
		s.built(fmt.Sprint(i), 1, 0, "").built("0", 1, 0, "")
	}
	assert.Len(t, s.steps[0].vertices, keptVertices)
	assert.Equal(t, 3, s.steps[0].leftOut)

	s.close(s.clock, result{})
	s.say("too late")
	assert.Empty(t, s.steps[0].log.lines)
}

func TestScale(t *testing.T) {
	begin := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for whole, want := range map[time.Duration]string{
		0:                       "0 s|0.0 s",
		40 * time.Millisecond:   "0 s|40 ms",
		900 * time.Millisecond:  "0 s|0.5 s|0.9 s",
		41 * time.Second:        "0 s|20 s|41.0 s",
		3 * time.Hour:           "0 s|5000 s|10800.0 s",
		1999 * time.Millisecond: "0 s|0.5 s|1 s|1.5 s|2.0 s",
	} {
		s := scale{begin, begin.Add(whole)}
		var texts []string
		for _, mark := range s.axis().Marks {
			texts = append(texts, mark.Text)
		}
		assert.Equal(t, want, strings.Join(texts, "|"), whole)
	}
	s := scale{begin, begin.Add(10 * time.Second)}
	assert.Equal(t, &bar{X: "10.00", Width: "20.00", Label: "from 1.0 s to 3.0 s"}, s.bar(begin.Add(time.Second), begin.Add(3*time.Second)))
	assert.Equal(t, &bar{X: "99.40", Width: "0.60", Label: "from 10.0 s to 10.0 s"}, s.bar(begin.Add(10*time.Second), begin.Add(10*time.Second)), "it can be seen")
}

func TestReportFile(t *testing.T) {
	folder := t.TempDir()
	file := filepath.Join(folder, "ship.html")
	require.NoError(t, checkReport(file))
	assert.NoFileExists(t, file, "it was only tried out")
	require.NoError(t, writeReport(file, []byte("one")))
	require.NoError(t, checkReport(file))
	require.NoError(t, writeReport(file, []byte("two")))
	got, err := os.ReadFile(file)
	require.NoError(t, err)
	assert.Equal(t, "two", string(got))
	entries, err := os.ReadDir(folder)
	require.NoError(t, err)
	assert.Len(t, entries, 1, "nothing else is left")

	require.NoError(t, checkReport(""))
	for file, want := range map[string]string{
		folder:                                   "is no regular file",
		filepath.Join(folder, "no", "ship.html"): "no such file or directory",
		filepath.Join(file, "ship.html"):         "not a directory",
	} {
		err := checkReport(file)
		require.ErrorContains(t, err, want)
		assert.Equal(t, statusUsage, exitStatus(t.Context(), err))
	}
}
