package deployer

import (
	"bufio"
	"context"
	"errors"
	"io"
	"maps"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// longestLine is where a line of a log is broken.
const longestLine = 64 << 10

// drain is how long the log of a Job that has ended may take to arrive.
const drain = 10 * time.Second

// stepLogs shows the logs of a Job's steps, one after the other.
type stepLogs struct {
	deployer *Deployer
	seen     *observation
	show     func(step, line string)
	queue    chan started // in order
	queued   map[string]bool
	done     chan struct{}
	cancel   context.CancelFunc

	mu    sync.Mutex
	lines map[string][]string // last lines of each step
}

// started is a step that has started.
type started struct{ pod, step string }

// maxSteps is more than the containers of a pod.
const maxSteps = 1024

func (d *Deployer) newStepLogs(ctx context.Context, seen *observation, show func(step, line string)) *stepLogs {
	ctx, cancel := context.WithCancel(ctx)
	l := &stepLogs{
		deployer: d,
		seen:     seen,
		show:     show,
		queue:    make(chan started, maxSteps),
		queued:   map[string]bool{},
		done:     make(chan struct{}),
		cancel:   cancel,
		lines:    map[string][]string{},
	}
	go func() {
		defer close(l.done)
		for step := range l.queue {
			l.stream(ctx, step)
		}
	}()
	return l
}

// begin begins to show the steps that have started since the last call.
func (l *stepLogs) begin(pod *corev1.Pod) {
	for _, status := range steps(pod) {
		runs := status.State.Running != nil || status.State.Terminated != nil
		if runs && !l.queued[status.Name] {
			l.queued[status.Name] = true
			l.queue <- started{pod: pod.Name, step: status.Name}
		}
	}
}

// close waits for what is still to come of the log, but not for long.
func (l *stepLogs) close() {
	close(l.queue)
	select {
	case <-l.done:
	case <-time.After(drain):
	}
	l.cancel()
	<-l.done
}

// stream shows the log of one step to its end. A stream that breaks is taken
// up again where it broke. The end is reached with a stream that was opened
// when the step had already ended.
func (l *stepLogs) stream(ctx context.Context, step started) {
	shown := &bookmark{}
	for ctx.Err() == nil {
		ended := l.ended(step)
		err := l.read(ctx, step, shown)
		if apierrors.IsNotFound(err) || ended && err == nil {
			return
		}
		select {
		case <-ctx.Done():
		case <-time.After(lookAgain):
		}
	}
}

// ended says whether the step has ended or its pod is gone.
func (l *stepLogs) ended(step started) bool {
	pod, err := l.seen.informers.Core().V1().Pods().Lister().Pods(l.deployer.site.Namespace).Get(step.pod)
	if err != nil {
		return true
	}
	for _, status := range steps(pod) {
		if status.Name == step.step {
			return status.State.Terminated != nil
		}
	}
	return false
}

// read shows the lines after the bookmark, and moves it.
func (l *stepLogs) read(ctx context.Context, step started, shown *bookmark) error {
	options := corev1.PodLogOptions{Container: step.step, Follow: true}
	return l.deployer.readLog(ctx, step.pod, options, shown, func(_ time.Time, line string) { l.write(step.step, line) })
}

// readLog shows the lines of a container's log after the bookmark, each with
// its time, and moves it. The rest of a line that was broken has none.
func (d *Deployer) readLog(ctx context.Context, pod string, options corev1.PodLogOptions, shown *bookmark, show func(at time.Time, line string)) error {
	options.Timestamps = true
	if !shown.second.IsZero() {
		options.SinceTime, options.SinceSeconds, options.TailLines = &metav1.Time{Time: shown.second}, nil, nil
	}
	stream, err := d.client.CoreV1().Pods(d.site.Namespace).GetLogs(pod, &options).Stream(ctx)
	if err != nil {
		return err
	}
	defer stream.Close()
	before := maps.Clone(shown.lines)
	lines := bufio.NewReaderSize(stream, longestLine)
	for continued := false; ; {
		text, prefix, err := lines.ReadLine()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		line := string(text)
		if !continued && before[line] {
			continue
		}
		var at time.Time
		if !continued {
			at, line = shown.move(line)
		}
		show(at, line)
		continued = prefix
	}
}

// bookmark is how far a log has been shown. A log can only be had from a
// whole second on, so the lines of the last one come twice. Their times are
// not in order where the two outputs of a container meet.
type bookmark struct {
	second time.Time
	lines  map[string]bool // lines of that second, with their times
}

// move notes that a line is shown, and returns its time and the rest of it.
func (b *bookmark) move(line string) (time.Time, string) {
	at, text := timestamp(line)
	if second := at.Truncate(time.Second); second.After(b.second) {
		b.second, b.lines = second, map[string]bool{}
	}
	if !at.IsZero() {
		b.lines[line] = true
	}
	return at, text
}

// timestamp splits a line of the form "2026-01-01T10:00:12.123456789Z text".
func timestamp(line string) (time.Time, string) {
	stamp, rest, found := strings.Cut(line, " ")
	at, err := time.Parse(time.RFC3339Nano, stamp)
	if !found || err != nil {
		return time.Time{}, line
	}
	return at, rest
}

func (l *stepLogs) write(step, line string) {
	l.mu.Lock()
	kept := append(l.lines[step], line)
	l.lines[step] = kept[max(0, len(kept)-excerptLines):]
	l.mu.Unlock()
	l.show(step, line)
}

// tail returns the last lines of a step.
func (l *stepLogs) tail(step string) []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.lines[step]
}
