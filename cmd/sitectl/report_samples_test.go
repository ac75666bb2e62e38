package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"syscall"
	"time"

	"github.com/sitectl/sitectl/builder"
	"github.com/sitectl/sitectl/deployer"
	"github.com/sitectl/sitectl/site"
)

// sampleShip plays a ship to a recorder, at times of its own.
type sampleShip struct {
	recorder
	clock time.Time
	at    string // step
}

func newSample() *sampleShip {
	return &sampleShip{clock: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}
}

// after lets time pass.
func (s *sampleShip) after(seconds float64) *sampleShip {
	s.clock = s.clock.Add(time.Duration(seconds * float64(time.Second)))
	return s
}

func (s *sampleShip) pass(e event) *sampleShip {
	e.At, e.Step = s.clock, s.at
	s.record(e)
	return s
}

func (s *sampleShip) begin(step string) *sampleShip {
	s.at = step
	return s.pass(event{Kind: stepStarted})
}

func (s *sampleShip) end(outcome string) *sampleShip {
	s.pass(event{Kind: stepEnded, Outcome: outcome})
	s.at = ""
	return s
}

func (s *sampleShip) skip(step, reason string) *sampleShip {
	s.at = step
	s.pass(event{Kind: stepSkipped, Reason: reason})
	s.at = ""
	return s
}

func (s *sampleShip) say(text string) *sampleShip {
	return s.pass(event{Kind: lineSaid, Line: text})
}

func (s *sampleShip) quote(text string) *sampleShip {
	return s.pass(event{Kind: lineLogged, Line: text})
}

// built has a step of BuildKit's that began and ended at these seconds before
// now; one that is cached began and ended at once.
func (s *sampleShip) built(name string, began, ended float64, failed string) *sampleShip {
	from, to := s.clock.Add(-time.Duration(began*1e9)), s.clock.Add(-time.Duration(ended*1e9))
	return s.pass(event{Kind: vertexChanged, Vertex: &builder.Vertex{
		ID: name, Name: name, Started: &from, Completed: &to, Cached: began == ended, Error: failed,
	}})
}

// pods has the pods of the Deployment web stand so: "new-1 ready".
func (s *sampleShip) pods(available int32, pods ...string) *sampleShip {
	view := deployer.Rollout{Deployment: "web", Replicas: 2, Available: available}
	for _, text := range pods {
		words := strings.Fields(text)
		pod := deployer.Pod{
			Name: "web-7c9f8d6b5-" + words[0], Node: "node-1", New: strings.HasPrefix(words[0], "new"), State: deployer.PodState(words[1]),
		}
		if len(words) > 2 {
			pod.Reason, pod.Restarts = words[2], 2
		}
		view.Pods = append(view.Pods, pod)
	}
	return s.pass(event{Kind: podsChanged, Rollout: &view})
}

func (s *sampleShip) page(ctx context.Context, r result, err error) ([]byte, error) {
	s.close(s.clock, r)
	return renderReport(reportOf(ctx, &s.recorder, reportAbout{Command: "sitectl ship", Version: "v1.2.3", By: "ada@laptop"}, err))
}

const sampleDigest = "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"

func sampleResult(outcome string) result {
	commit := site.Commit{SHA: strings.Repeat("1a2b3c4d5e", 4), Tag: "1a2b3c4", Author: "Ada Lovelace", Subject: "New front page, with the opening hours"}
	const repository = "registry.example.com/agency/example-com"
	return result{
		Outcome: outcome, Site: "example.com", Environment: "production", Namespace: "example-com", URL: "https://example.com",
		Commit: commit,
		Image:  &imageResult{Reference: repository + ":1a2b3c4@" + sampleDigest, Repository: repository, Tag: "1a2b3c4", Digest: sampleDigest},
	}
}

func sampleLayers() *buildResult {
	layer := func(group string, size int64, isNew bool) builder.Layer {
		return builder.Layer{Group: group, Digest: fmt.Sprintf("sha256:%x", sha256.Sum256([]byte(fmt.Sprint(group, size)))), Size: size, New: isNew}
	}
	layers := []builder.Layer{
		layer("runtime", 61_000_000, false), layer("runtime", 4_200_000, false), layer("configuration", 12_300, false),
		layer("vendor", 9_800_000, false), layer("core", 14_100_000, false), layer("core", 7_700_000, false),
		layer("code", 310_000, true), layer("code", 42_000, false),
	}
	return &buildResult{Layers: len(layers), LayersPushed: 1, BytesPushed: 310_000, LayerList: layers}
}

// goodSample is a ship with a migration that went well.
func goodSample() ([]byte, error) {
	s := newSample().begin("check").say(`example.com (production): commit 1a2b3c4 "New front page, with the opening hours"`).after(1.4).end("done")
	s.begin("build").after(6.2).
		built("[internal] load build definition from Dockerfile", 6.1, 6, "").
		built("[runtime 1/3] FROM docker.io/library/debian:trixie-slim", 6, 6, "").
		built("[runtime 2/3] RUN apt-get install --no-install-recommends apache2 libapache2-mod-php php-gd php-intl php-mysql", 6, 6, "").
		built("[vendor 1/2] COPY composer.json composer.lock ./", 5.9, 5.7, "").
		built("[vendor 2/2] RUN composer install --no-dev --classmap-authoritative", 5.7, 0.9, "").
		built("exporting layers", 0.9, 0.1, "").
		say("1 of 8 layers is new").end("done")
	s.begin("lock").after(0.1).end("done")
	s.begin("plan").after(0.6).end("done")
	s.begin("prepare").after(1.1).say("ConfigMap site applied").say("Deployment web: spec.replicas taken over from kubectl-scale").end("done")
	s.skip("backup", "the site file asks for none (migrate.backup)")
	s.begin("pause").after(0.3).say("CronJob hourly suspended").end("done")
	s.begin("migrate").after(2.1).quote("applying 2026_01_02_opening_hours").after(0.4).quote("  table opening_hours created").after(0.2).quote("done: 1 of 1").end("done")
	s.begin("roll").pods(0, "old-a ready", "old-b ready", "new-c pending").after(0.4).
		pods(0, "old-a ready", "old-b ready", "new-c starting").after(4.4).
		pods(0, "old-a ready", "old-b ready", "new-c ready").after(5).
		pods(1, "old-a ending", "old-b ready", "new-c ready", "new-d starting").after(4.1).
		pods(1, "old-a ending", "old-b ready", "new-c ready", "new-d ready").after(5).
		pods(2, "old-a ending", "old-b ending", "new-c ready", "new-d ready").after(1).
		pods(2, "old-b ending", "new-c ready", "new-d ready").after(0.2).say("web: 2 of 2 new pods available").end("done")
	s.begin("cron").after(0.4).say("CronJob hourly resumed").end("done")
	s.begin("verify").after(0.2).say("GET / is 200").end("done")
	s.begin("record").after(0.1).end("done").begin("prune").after(0.2).end("done")
	plan := samplePlan
	plan.Build = false
	s.plan = &plan
	r := sampleResult("shipped")
	r.Build = sampleLayers()
	r.Release = &deployer.Release{Number: 7, Commit: r.Commit, By: "https://gitlab.example.com/agency/example-com/-/jobs/4711"}
	return s.page(context.Background(), r, nil)
}

// failedSample is a ship whose pods crash, and that was put back.
func failedSample() ([]byte, error) {
	s := newSample().begin("check").after(0.9).end("done").skip("build", "registry.example.com/agency/example-com:1a2b3c4 is already in the registry")
	s.begin("lock").after(0.1).end("done").begin("prepare").after(0.8).end("done").skip("migrate", "the site has no migration")
	s.begin("roll").pods(0, "old-a ready", "old-b ready", "new-c pending").after(0.3).pods(0, "old-a ready", "old-b ready", "new-c starting").after(1.2).
		pods(0, "old-a ready", "old-b ready", "new-c failing Error").after(1).pods(0, "old-a ready", "old-b ready", "new-c starting").after(1).
		pods(0, "old-a ready", "old-b ready", "new-c failing CrashLoopBackOff").after(0.7).
		quote("PHP Fatal error:  Uncaught Error: Call to undefined function opening_hours() in /var/www/site/index.php:12").end("failed")
	s.begin("put back").pods(2, "old-a ready", "old-b ready", "new-c ending").after(2.2).pods(2, "old-a ready", "old-b ready").end("done")
	r := sampleResult("failed")
	last := deployer.Release{Number: 6, Commit: site.Commit{Tag: "0f0f0f0"}}
	r.Restored = &last
	err := &stepError{
		step: step{name: "roll", failed: "The site was put back: " + releaseName(last) + " serves."},
		err: &deployer.RolloutError{
			Workload: "Deployment web", Reason: "CrashLoopBackOff", Pod: "web-7c9f8d6b5-new-c", Container: "web",
			Message: "exit status 255, restarted 2 times",
			Log:     []string{"PHP Fatal error:  Uncaught Error: Call to undefined function opening_hours() in /var/www/site/index.php:12"},
		},
	}
	r.Error = &errorResult{statusRollout, problems(err), state(err)}
	return s.page(context.Background(), r, err)
}

// buildFailedSample is a ship whose image cannot be made, of a site file with
// several hints to give.
func buildFailedSample() ([]byte, error) {
	s := newSample().begin("check").after(1).end("done").begin("build").after(3).
		built("[vendor 1/2] COPY composer.json composer.lock ./", 2.9, 2.9, "").
		built("[vendor 2/2] RUN composer install --no-dev", 2.8, 0.1, "process \"composer install --no-dev\" did not complete successfully: exit code: 2").
		end("failed")
	r := sampleResult("failed")
	r.Image = nil
	err := &stepError{step: step{name: "build", failed: "Nothing was deployed."}, err: errors.Join(
		&missingImageError{"registry.example.com/agency/example-com:1a2b3c4"},
		errors.New("composer install: exit status 2\n  Your lock file does not contain a compatible set of packages.\n  Problem 1: intl is missing"),
	)}
	r.Error = &errorResult{statusBuild, problems(err), state(err)}
	r.Error.Problems[1].File, r.Error.Problems[1].Line = "Dockerfile", 12
	return s.page(context.Background(), r, err)
}

// cancelledSample is a ship that was stopped in its migration.
func cancelledSample() ([]byte, error) {
	ctx, cancel := context.WithCancelCause(context.Background())
	interrupted := &interruption{signal: syscall.SIGINT}
	cancel(interrupted)
	s := newSample().begin("check").after(1).end("done").begin("migrate").after(2).quote("step 1 of 9").end("cancelled")
	r := sampleResult("cancelled")
	err := &stepError{step: step{name: "migrate", stopped: "The migration Job may still be running. The site serves what it served before."}, err: interrupted}
	r.Error = &errorResult{statusCancelled, problems(err), state(err)}
	return s.page(ctx, r, err)
}

// runningSample is a ship that had nothing to do.
func runningSample() ([]byte, error) {
	s := newSample().begin("check").after(0.2).say("1a2b3c4 is already running, since 2026-01-01 12:00").end("done")
	r := sampleResult("running")
	r.Release = &deployer.Release{Number: 7, Commit: r.Commit, By: "ada@laptop"}
	return s.page(context.Background(), r, nil)
}

// Words of others that would do harm if they were anything but text.
const (
	hostileMarkup = `</title></style></pre><script>alert(1)</script><img src=x onerror=alert(2)><svg onload=alert(3)>`
	hostileQuotes = `" onfocus="alert(4)" autofocus x='`
	hostileBidi   = "שלום evil\u202egnp.exe\u2066 \u200f\u061c"
	hostileEscape = "\x1b[2J\x1b]8;;javascript:alert(5)\x07red\x1b[31m\x00\u009b31m"
)

// hostileSample is a ship of somebody who tries to get into the page, and a
// pod that does not stop talking.
func hostileSample() ([]byte, error) {
	hostile := strings.Join([]string{hostileMarkup, hostileQuotes, hostileBidi, hostileEscape}, " ")
	s := newSample().begin("check").say(hostile).after(1).end("done")
	s.begin("build").after(1).built(hostile, 1, 0.5, hostile).end("done").skip("backup", hostile)
	s.begin("migrate")
	for i := range 10_000 {
		s.after(0.001).quote(fmt.Sprintf("line %d of 10000 %s", i+1, []string{hostileMarkup, hostileBidi, hostileEscape, ""}[i%4]))
	}
	s.quote(strings.Repeat("ä", 100_000)).end("done")
	s.begin("roll").pods(0, "new-"+strings.ReplaceAll(hostile, " ", "_")+" failing "+strings.ReplaceAll(hostile, " ", "_")).after(3).end("failed")
	s.say(hostile)
	s.plan = &planResult{Plan: deployer.Plan{Namespace: hostile, Changes: []deployer.Change{{
		Kind: hostile, Name: hostile, Action: deployer.ActionChange, TakenOver: []string{hostile},
		Fields:  []deployer.FieldChange{{Path: hostile, Before: fmt.Sprintf("%q", hostileMarkup), After: fmt.Sprintf("%q", hostile)}},
		Restart: &deployer.Restart{Pods: 1, Because: []string{hostile}},
	}}}}
	r := sampleResult("failed")
	r.Commit.Subject, r.Commit.Author, r.Commit.Tag, r.Site, r.Environment = hostile, hostile, hostile, hostile, hostile
	r.URL = "javascript:alert(6)"
	r.Image.Repository, r.Image.Digest = hostile, hostile
	r.Release = &deployer.Release{Number: 1, Commit: r.Commit, By: `https://ci.example.com/"><script>alert(7)</script>`}
	r.Build = &buildResult{Same: hostile, LayerList: []builder.Layer{{Group: hostile, Digest: hostile, Size: 1}}}
	err := &stepError{step: step{name: "roll", failed: hostile}, err: errors.New(hostile + "\n" + hostile)}
	r.Error = &errorResult{statusRollout, []problem{{Message: hostile + "\n" + hostile, Hint: hostile}}, hostile}
	return s.page(context.Background(), r, err)
}
