// Package deploy measures the second half of a ship: sitectl deploy side by
// side with kubectl apply, set image and rollout status, on the same cluster,
// with the same objects and the same images.
package deploy

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
)

// Options are what the measurement needs. The rest is in the environment that
// `lab env` prints.
type Options struct {
	Sitectl string // path of the program
	Kubectl string // path of the program
	Folder  string // that is removed afterwards
	Say     func(format string, values ...any)
	// Memory watches a process and returns a function that stops and returns
	// the peak of its memory in bytes.
	Memory func(pid int) func() int64
}

type bench struct {
	Options
	cluster    *kubernetes.Clientset
	api        *counter
	kubeconfig string // that leads through the counter
	images     *images
	login      []byte // of the registry: a docker configuration
	spaces     []string
}

// Run measures all. What it has measured counts even if it fails.
func Run(ctx context.Context, opts Options) (r Results, err error) {
	config, err := clientcmd.BuildConfigFromFlags("", os.Getenv("KUBECONFIG"))
	if err != nil {
		return r, err
	}
	config.QPS, config.Burst = 200, 200
	b := &bench{Options: opts, kubeconfig: filepath.Join(opts.Folder, "kubeconfig")}
	if b.cluster, err = kubernetes.NewForConfig(config); err != nil {
		return r, err
	}
	if b.login, err = os.ReadFile(filepath.Join(os.Getenv("DOCKER_CONFIG"), "config.json")); err != nil {
		return r, err
	}
	if b.images, err = newImages(ctx, opts.Folder, os.Getenv("SITECTL_REGISTRY_CA")); err != nil {
		return r, err
	}
	if b.api, err = newCounter(config, b.kubeconfig); err != nil {
		return r, err
	}
	defer b.api.close()
	defer func() { err = errors.Join(err, b.remove()) }()
	if err := b.compare(ctx, &r); err != nil {
		return r, err
	}
	if err := b.crowd(ctx, &r); err != nil {
		return r, err
	}
	return r, b.fail(ctx, &r)
}

func (b *bench) image(name string) string {
	return os.Getenv("SITECTL_REGISTRY") + "/bench/deploy/" + name
}

// space makes a namespace with the login of the registry, as whoever works by
// hand has made it long ago.
func (b *bench) space(ctx context.Context, name string, login bool) error {
	b.spaces = append(b.spaces, name)
	_, err := b.cluster.CoreV1().Namespaces().Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}, metav1.CreateOptions{})
	if err != nil || !login {
		return err
	}
	_, err = b.cluster.CoreV1().Secrets(name).Create(ctx, &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: "registry"},
		Type:       corev1.SecretTypeDockerConfigJson,
		Data:       map[string][]byte{corev1.DockerConfigJsonKey: b.login},
	}, metav1.CreateOptions{})
	return err
}

// remove removes the namespaces, and waits for it.
func (b *bench) remove() error {
	b.Say("deploy: remove what was made")
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	namespaces := b.cluster.CoreV1().Namespaces()
	for _, name := range b.spaces {
		if err := namespaces.Delete(ctx, name, metav1.DeleteOptions{}); err != nil && !apierrors.IsNotFound(err) {
			return err
		}
	}
	for _, name := range b.spaces {
		err := wait.PollUntilContextCancel(ctx, time.Second, true, func(ctx context.Context) (bool, error) {
			_, err := namespaces.Get(ctx, name, metav1.GetOptions{})
			if apierrors.IsNotFound(err) {
				return true, nil
			}
			return false, err
		})
		if err != nil {
			return fmt.Errorf("remove namespace %s: %w", name, err)
		}
	}
	return nil
}

// sitectl runs sitectl on a site; env is besides that of the bench.
func (b *bench) sitectl(ctx context.Context, s *site, env []string, arguments ...string) Cost {
	arguments = append(arguments, "--file", bySitectl+".yaml", "--progress", "plain")
	return b.run(ctx, s.folder, env, append([]string{b.Sitectl}, arguments...))
}

// kubectl runs commands of kubectl one after the other, in the namespace of
// its side, until one fails.
func (b *bench) kubectl(ctx context.Context, s *site, commands ...string) Cost {
	var all Cost
	for _, command := range commands {
		words := append([]string{b.Kubectl, "--namespace", s.namespace(byKubectl)}, strings.Fields(command)...)
		c := b.run(ctx, s.folder, nil, words)
		all.Seconds += c.Seconds
		all.Requests += c.Requests
		all.Status, all.Said = c.Status, c.Said
		if c.Status != 0 {
			break
		}
	}
	return all
}

// run runs a command. That it fails is a result.
func (b *bench) run(ctx context.Context, folder string, env, words []string) Cost {
	command := exec.CommandContext(ctx, words[0], words[1:]...)
	command.Dir = folder
	command.Env = append(append(os.Environ(), "KUBECONFIG="+b.kubeconfig, "GITLAB_CI=", "GITHUB_ACTIONS="), env...)
	var out bytes.Buffer
	command.Stdout, command.Stderr = &out, &out
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	command.Cancel = func() error { return command.Process.Signal(os.Interrupt) }
	command.WaitDelay = time.Minute
	requests, began := b.api.requests.Load(), time.Now()
	if err := command.Start(); err != nil {
		return Cost{Status: -1, Said: err.Error()}
	}
	memory := b.Memory(command.Process.Pid)
	_ = command.Wait()
	return Cost{
		Seconds:  time.Since(began).Seconds(),
		Requests: b.api.requests.Load() - requests,
		Memory:   memory(),
		Status:   command.ProcessState.ExitCode(),
		Said:     out.String(),
	}
}

// must is for what the rest depends on.
func must(c Cost) error {
	if c.Status != 0 {
		return fmt.Errorf("exit status %d:\n%s", c.Status, c.Said)
	}
	return nil
}

// manifests writes what is applied by hand: the objects as sitectl renders
// them.
func (b *bench) manifests(ctx context.Context, s *site) error {
	command := exec.CommandContext(ctx, b.Sitectl, "render", "--file", byKubectl+".yaml")
	command.Dir = s.folder
	var out, words bytes.Buffer
	command.Stdout, command.Stderr = &out, &words
	if err := command.Run(); err != nil {
		return fmt.Errorf("sitectl render: %w\n%s", err, &words)
	}
	// Beside the repository: an uncommitted file in it would be noticed.
	return os.WriteFile(s.folder+".yaml", out.Bytes(), 0o644)
}
