//go:build lab

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sitectl/sitectl/deployer"
)

// patience is what a pipeline that is cancelled has: GitHub sends SIGKILL ten
// seconds after SIGINT, and a second signal after 7.5.
const patience = 7 * time.Second

// TestKill stops ships of new commits at random moments, some of them cut off
// from the API server, and checks each time that recover or the next ship makes
// the site whole again, and that it has answered all along. KILL_SEED repeats
// the moments of an earlier run.
func TestKill(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	if text := os.Getenv("KILL_SEED"); text != "" {
		var err error
		seed, err = strconv.ParseUint(text, 10, 64)
		require.NoError(t, err)
	}
	t.Logf("KILL_SEED=%d repeats this", seed)
	k := &killTest{labSite: newLabSite(t, "kill"), random: rand.New(rand.NewPCG(seed, 0)), proxy: newAPIProxy(t)}
	t.Setenv("KUBECONFIG", k.proxy.kubeconfig)
	k.ship(t)
	k.entry = k.leave(t, "still here")
	k.commit(t, "to know how long it takes")
	begun := time.Now()
	k.tag = k.ship(t).Image.Tag
	k.whole = time.Since(begun)

	visitor := k.visit(t)
	outcomes := map[string]int{}
	for i := range kills {
		t.Run(strconv.Itoa(i+1), func(t *testing.T) { outcomes[k.kill(t)]++ })
	}
	answers := visitor()
	t.Logf("%d ships were stopped: %v; the site answered %d requests, all of them", kills, outcomes, answers)
}

// killTest is a site whose ships are stopped.
type killTest struct {
	*labSite
	random *rand.Rand
	proxy  *apiProxy     // in front of the API server
	whole  time.Duration // of a ship that nobody stops
	tag    string        // of the release that runs
	entry  string        // with the data that must stay
}

// kill stops one ship of a new commit, and says what happened.
func (k *killTest) kill(t *testing.T) string {
	next := k.commit(t, fmt.Sprintf("one of %d", k.random.Int()))
	how := []stopping{{"killed", syscall.SIGKILL, false}, {"killed", syscall.SIGKILL, false}, {"interrupted", syscall.SIGINT, false}, {"cut off", syscall.SIGTERM, true}}[k.random.IntN(4)]
	moment := time.Duration(k.random.Int64N(int64(k.whole)))
	out, took := k.stop(t, how, moment)
	what := how.name + " in step " + lastStep(out.stderr)
	t.Logf("%s, after %s", what, moment.Round(time.Millisecond))

	done := out.status == int(statusDone)
	if how.signal != syscall.SIGKILL && !done {
		assert.Equal(t, int(statusCancelled), out.status)
		assert.Less(t, took, patience)
	}
	if how.signal == syscall.SIGINT {
		k.isLeftInOrder(t)
	}
	if k.random.IntN(3) > 0 {
		k.succeed(t, "unlock", "--force") // the others wait until its holder is seen to be dead
	}
	wanted := []string{next}
	if k.random.IntN(2) == 0 {
		k.ship(t)
	} else {
		report := filepath.Join(t.TempDir(), "recover.html")
		k.succeed(t, "recover", "--report", report)
		assert.FileExists(t, report)
		if !done {
			wanted = append(wanted, k.tag)
		}
	}
	k.tag = k.isWhole(t)
	assert.Contains(t, wanted, k.tag)
	assert.Contains(t, k.succeed(t, "recover").stderr, "nothing to recover")
	return what
}

// stopping is a way to stop a ship.
type stopping struct {
	name   string
	signal syscall.Signal
	cutOff bool // the API server answers no more
}

// swallowed neither arrives nor is answered.
var swallowed = fault{name: "swallowed", do: func(_ http.ResponseWriter, r *http.Request, _ http.Handler) { <-r.Context().Done() }}

// stop ships, stops that after a while, and says how long the end took.
func (k *killTest) stop(t *testing.T, how stopping, after time.Duration) (outcome, time.Duration) {
	p := k.start(t, "ship", "--progress", "plain")
	ended := make(chan struct{})
	go func() {
		p.read.Wait()
		close(ended)
	}()
	select {
	case <-ended:
	case <-time.After(after):
		if how.cutOff {
			k.proxy.behave(func(request) fault { return swallowed })
			defer k.proxy.behave(nil)
		}
		if err := p.command.Process.Signal(how.signal); !errors.Is(err, os.ErrProcessDone) {
			require.NoError(t, err)
		}
	}
	sent := time.Now()
	out := p.wait(t)
	return out, time.Since(sent)
}

func lastStep(stderr string) string {
	step := "none"
	for line := range strings.Lines(stderr) {
		if name, found := strings.CutPrefix(line, "==> "); found {
			step, _, _ = strings.Cut(strings.TrimSpace(name), " ") // "shipped" is the heading of the summary
		}
	}
	return step
}

// isLeftInOrder checks what a ship does that is told to end.
func (k *killTest) isLeftInOrder(t *testing.T) {
	k.isUnlocked(t)
	k.isNotSuspended(t)
	for _, release := range k.history(t) {
		assert.NotEqual(t, deployer.Begun, release.Outcome, "the end of release %d is not written down", release.Number)
	}
}

func (k *killTest) isUnlocked(t *testing.T) {
	lease, err := k.cluster.CoordinationV1().Leases(k.namespace).Get(t.Context(), "sitectl", metav1.GetOptions{})
	require.NoError(t, err)
	assert.Nil(t, lease.Spec.HolderIdentity, "nobody holds the lock")
}

func (k *killTest) isNotSuspended(t *testing.T) {
	crons, err := k.cluster.BatchV1().CronJobs(k.namespace).List(t.Context(), metav1.ListOptions{})
	require.NoError(t, err)
	assert.NotEmpty(t, crons.Items)
	for _, cron := range crons.Items {
		assert.False(t, *cron.Spec.Suspend, "CronJob %s is suspended", cron.Name)
	}
}

// isWhole checks that the site is of one release, and says which.
func (k *killTest) isWhole(t *testing.T) (tag string) {
	web, err := k.cluster.AppsV1().Deployments(k.namespace).Get(t.Context(), "web", metav1.GetOptions{})
	require.NoError(t, err)
	var recorded deployer.Release
	require.NoError(t, json.Unmarshal([]byte(web.Annotations["sitectl.dev/release"]), &recorded))
	k.runsOnly(t, recorded.Image)
	assert.Contains(t, recorded.Image, recorded.Digest)
	assert.False(t, web.Spec.Paused)
	k.isLeftInOrder(t)
	history := k.history(t)
	for _, release := range history {
		if release.Outcome == deployer.Shipped {
			assert.Equal(t, recorded, release, "the history and the Deployment say the same")
			break
		}
	}
	k.serves(t, recorded.Commit.Tag, k.entry, "still here")
	return recorded.Commit.Tag
}

func (k *killTest) history(t *testing.T) []deployer.Release {
	var history historyResult
	require.NoError(t, json.Unmarshal([]byte(k.succeed(t, "history", "--output", "json").stdout), &history))
	return history.Releases
}

// visit asks the site for a page again and again, with a connection of its own
// each time, until the function is called that it returns. Every request has
// to be answered. That function returns how many there were.
func (k *killTest) visit(t *testing.T) func() int {
	address := lab(t, "SITECTL_INGRESS") + k.entry
	ctx, stop := context.WithCancel(context.Background())
	transport := &http.Transport{DisableKeepAlives: true}
	visitor := &http.Client{Transport: transport, Timeout: 30 * time.Second}
	answers := 0
	var visits sync.WaitGroup
	visits.Go(func() {
		for pause := time.NewTicker(50 * time.Millisecond); ctx.Err() == nil; <-pause.C {
			request, err := http.NewRequest(http.MethodGet, address, nil)
			if !assert.NoError(t, err) {
				return
			}
			request.Host = k.address
			response, err := visitor.Do(request)
			if !assert.NoError(t, err, "at %s", time.Now().Format(time.TimeOnly)) {
				continue
			}
			body, err := io.ReadAll(response.Body)
			response.Body.Close()
			assert.NoError(t, err)
			assert.Equal(t, http.StatusOK, response.StatusCode, "at %s: %s", time.Now().Format(time.TimeOnly), body)
			answers++
		}
	})
	return func() int {
		stop()
		visits.Wait()
		return answers
	}
}
