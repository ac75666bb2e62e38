package deployer

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/utils/ptr"
)

// LogOptions says which logs are wanted. The zero value takes all that there
// is of the web pods.
type LogOptions struct {
	Of        string        // web (default), or what else sitectl status names: mysql, migrate, cron, …
	Release   string        // tag; empty for pods of any
	Container string        // empty for all of a pod
	Follow    bool          // go on until ctx ends, also with pods that are new then
	Since     time.Duration // how far back; 0 for all
	Tail      int64         // last lines of each container; negative for all
}

// LogLine is a line of a log.
type LogLine struct {
	Pod       string
	Container string
	Main      bool // the container is the one with the site's code, or the only one
	Text      string
}

// NoPodsError says that there is no pod of which a log is wanted.
type NoPodsError struct{ Wanted LogOptions }

func (e *NoPodsError) Error() string {
	words := "there is no pod of " + e.Wanted.Of
	if e.Wanted.Release != "" {
		words += " of release " + e.Wanted.Release
	}
	if e.Wanted.Container != "" {
		words += fmt.Sprintf(" with a container %q that has started", e.Wanted.Container)
	}
	return words
}

// Hint says what to do next.
func (e *NoPodsError) Hint() string { return "sitectl status lists the pods" }

// Logs passes on the lines of the logs, one at a time: those that there are in
// the order of their times, and then, if they are followed, as they come.
func (d *Deployer) Logs(ctx context.Context, wanted LogOptions, show func(LogLine)) error {
	if wanted.Of == "" {
		wanted.Of = "web"
	}
	selector, err := d.logSelector(ctx, wanted.Of)
	if err != nil {
		return err
	}
	logs := &podLogs{deployer: d, wanted: wanted, selector: selector, show: show, open: map[source]bool{}}
	if wanted.Follow {
		return logs.follow(ctx)
	}
	return logs.once(ctx)
}

// logSelector selects pods. Those of the Deployment are found by its own
// selector, so that a namespace which sitectl has not laid out has them, too.
func (d *Deployer) logSelector(ctx context.Context, of string) (labels.Selector, error) {
	if of == "web" {
		web, err := d.web(ctx)
		if err != nil {
			return nil, err
		}
		return metav1.LabelSelectorAsSelector(web.Spec.Selector)
	}
	return labels.Set{"app.kubernetes.io/instance": d.site.Namespace, "app.kubernetes.io/name": of}.AsSelector(), nil
}

// source is a container of a pod whose log is shown.
type source struct {
	pod, container string
	main           bool
}

// podLogs shows logs of several containers.
type podLogs struct {
	deployer *Deployer
	wanted   LogOptions
	selector labels.Selector
	open     map[source]bool // those that are being followed

	mu   sync.Mutex // one line at a time
	show func(LogLine)
}

func (l *podLogs) write(from source, line string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.show(LogLine{Pod: from.pod, Container: from.container, Main: from.main, Text: line})
}

// options are how the log of a container is asked for at first.
func (l *podLogs) options(from source) corev1.PodLogOptions {
	options := corev1.PodLogOptions{Container: from.container, Follow: l.wanted.Follow}
	if l.wanted.Since > 0 {
		options.SinceSeconds = ptr.To(max(1, int64(l.wanted.Since.Seconds())))
	}
	if l.wanted.Tail >= 0 {
		options.TailLines = ptr.To(l.wanted.Tail)
	}
	return options
}

// sources are the containers of a pod that have a log.
func (l *podLogs) sources(pod *corev1.Pod) []source {
	if !l.selector.Matches(labels.Set(pod.Labels)) {
		return nil
	}
	if release := l.wanted.Release; release != "" && releaseTag(pod) != release {
		return nil
	}
	main := pod.Spec.Containers[webContainer(pod.Spec.Containers)].Name
	var sources []source
	for _, status := range steps(pod) {
		started := status.State.Running != nil || status.State.Terminated != nil || status.LastTerminationState.Terminated != nil
		if started && (l.wanted.Container == "" || l.wanted.Container == status.Name) {
			sources = append(sources, source{pod.Name, status.Name, status.Name == main})
		}
	}
	return sources
}

// once shows what there is.
func (l *podLogs) once(ctx context.Context) error {
	list, err := l.deployer.client.CoreV1().Pods(l.deployer.site.Namespace).List(ctx, metav1.ListOptions{LabelSelector: l.selector.String()})
	if err != nil {
		return fmt.Errorf("list pods: %w", err)
	}
	var sources []source
	for _, pod := range list.Items {
		sources = append(sources, l.sources(&pod)...)
	}
	if len(sources) == 0 {
		return &NoPodsError{l.wanted}
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // of those that are still read when one has failed
	readers := make([]*logReader, len(sources))
	for i, from := range sources {
		readers[i] = l.read(ctx, from)
	}
	return l.merge(readers)
}

// logReader is a log that is being read.
type logReader struct {
	from  source
	lines chan timedLine
	err   error // when lines is closed
}

type timedLine struct {
	at   time.Time
	text string
}

func (l *podLogs) read(ctx context.Context, from source) *logReader {
	reader := &logReader{from: from, lines: make(chan timedLine)}
	go func() {
		defer close(reader.lines)
		reader.err = l.deployer.readLog(ctx, from.pod, l.options(from), &bookmark{}, func(at time.Time, line string) {
			select {
			case reader.lines <- timedLine{at, line}:
			case <-ctx.Done():
			}
		})
	}()
	return reader
}

// merge shows the lines of several logs in the order of their times. The log
// of a pod that is gone by now ends there.
func (l *podLogs) merge(readers []*logReader) error {
	next := make([]*timedLine, len(readers))
	for {
		earliest := -1
		for i, reader := range readers {
			if next[i] == nil {
				if line, more := <-reader.lines; more {
					next[i] = &line
				} else if reader.err != nil && !apierrors.IsNotFound(reader.err) {
					return fmt.Errorf("read the log of pod %s: %w", reader.from.pod, reader.err)
				}
			}
			if next[i] != nil && (earliest < 0 || next[i].at.Before(next[earliest].at)) {
				earliest = i
			}
		}
		if earliest < 0 {
			return nil
		}
		l.write(readers[earliest].from, next[earliest].text)
		next[earliest] = nil
	}
}

// follow shows the logs until ctx ends.
func (l *podLogs) follow(ctx context.Context) error {
	seen, err := l.deployer.observe(ctx, pods)
	if err != nil {
		return err
	}
	var streams sync.WaitGroup
	defer streams.Wait()
	defer seen.close() // which ends them
	return seen.until(func(time.Time) (bool, error) {
		pods, err := seen.informers.Core().V1().Pods().Lister().Pods(l.deployer.site.Namespace).List(l.selector)
		slices.SortFunc(pods, func(a, b *corev1.Pod) int { return strings.Compare(a.Name, b.Name) })
		for _, pod := range pods {
			for _, from := range l.sources(pod) {
				if !l.open[from] {
					l.open[from] = true
					streams.Go(func() { l.stream(seen, from) })
				}
			}
		}
		return false, err
	})
}

// stream shows the log of a container until its pod is gone or done. A stream
// that breaks, or ends with a container that is restarted, is taken up again.
func (l *podLogs) stream(seen *observation, from source) {
	shown := &bookmark{}
	for seen.ctx.Err() == nil {
		over := l.over(seen, from)
		err := l.deployer.readLog(seen.ctx, from.pod, l.options(from), shown, func(_ time.Time, line string) { l.write(from, line) })
		if apierrors.IsNotFound(err) || over && err == nil {
			return
		}
		select {
		case <-seen.ctx.Done():
		case <-time.After(lookAgain):
		}
	}
}

// over says whether no container of the pod will run again.
func (l *podLogs) over(seen *observation, from source) bool {
	pod, err := seen.informers.Core().V1().Pods().Lister().Pods(l.deployer.site.Namespace).Get(from.pod)
	return err != nil || over(pod)
}
