package platform

import (
	"context"
	"fmt"
	"os"
	"time"

	"golang.org/x/sync/semaphore"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sitectl/sitectl/lab/images"
)

// Up makes the lab run: it installs, builds, starts and repairs what is not as
// it should be, and leaves alone what is. It returns once the node is ready
// and the registry, BuildKit and the cluster's DNS answer.
func (lab *Lab) Up(ctx context.Context, progress Progress) error {
	if err := requireRoot(); err != nil {
		return err
	}
	unlock, err := lab.lock(ctx, progress)
	if err != nil {
		return err
	}
	defer unlock()
	binaries, err := findBinaries(lab.layout)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(lab.layout.state, 0o755); err != nil {
		return fmt.Errorf("create the state folder: %w", err)
	}
	if err := noteOutside(lab.layout); err != nil {
		return err
	}
	self, err := keepExecutable(lab.layout)
	if err != nil {
		return err
	}
	return runSteps(ctx, lab.steps(self, binaries, progress), progress)
}

func (lab *Lab) steps(self string, binaries map[string]string, progress Progress) []step {
	steps := lab.prepareSteps(binaries, progress)
	steps = append(steps, componentSteps(lab.layout)...)
	for _, p := range lab.parts(self, binaries) {
		steps = append(steps, step{name: p.name, needs: p.needs, run: func(ctx context.Context) (string, error) {
			return lab.start(ctx, p)
		}})
	}
	return append(steps, lab.finalSteps(binaries, progress)...)
}

// prepareSteps are what the parts need besides their binaries.
func (lab *Lab) prepareSteps(binaries map[string]string, progress Progress) []step {
	l := lab.layout
	return []step{
		{name: "packages", run: installPackages},
		{name: "settings", run: func(context.Context) (string, error) {
			if err := issueCertificates(l); err != nil {
				return "", err
			}
			if err := createLogin(l); err != nil {
				return "", err
			}
			files, err := renderConfig(l, newSettings(l, binaries))
			if err != nil {
				return "", err
			}
			return "written", writeConfig(files)
		}},
		{name: "network", needs: []string{"packages", "settings"}, run: func(ctx context.Context) (string, error) {
			if err := createCgroups(); err != nil {
				return "", err
			}
			return "ready", setUpNetwork(ctx, l)
		}},
		{name: "build images", needs: []string{"packages"}, run: func(ctx context.Context) (string, error) {
			noted := false
			err := images.Ensure(ctx, l.images(), func(text string) {
				noted = true
				progress.Note("build images", text)
			})
			if noted {
				return "built", err
			}
			return "cached", err
		}},
	}
}

// componentSteps build the binaries, two at a time: a build has long stretches
// in which it downloads or links and uses one processor at most.
func componentSteps(l layout) []step {
	var steps []step
	two := semaphore.NewWeighted(2)
	for _, c := range components() {
		s := step{name: "build " + c.name, slots: two, run: func(ctx context.Context) (string, error) {
			return c.build(ctx, l)
		}}
		if c.cgo {
			s.needs = []string{"packages"}
		}
		steps = append(steps, s)
	}
	return steps
}

// finalSteps are what the parts together must do before the lab is up.
func (lab *Lab) finalSteps(binaries map[string]string, progress Progress) []step {
	l := lab.layout
	return []step{
		{name: "push images", needs: []string{"build images", "registry"}, run: func(ctx context.Context) (string, error) {
			login := images.PushOptions{CA: l.certificate("ca"), DockerConfig: l.dockerConfig()}
			return "pushed", images.Push(ctx, l.images(), registryAddress, login)
		}},
		{name: "objects", needs: []string{"kube-apiserver"}, run: func(ctx context.Context) (string, error) {
			return "applied", lab.applyObjects(ctx, newSettings(l, binaries))
		}},
		{name: "node", needs: []string{"kubelet"}, run: lab.awaitNode},
		{name: "account", needs: []string{"kube-controller-manager"}, run: lab.awaitAccount},
		{name: "dns", needs: []string{"coredns", "kube-proxy"}, run: func(ctx context.Context) (string, error) {
			return "answers", await(ctx, nil, resolves)
		}},
	}
}

func (lab *Lab) awaitNode(ctx context.Context) (string, error) {
	kubelet, found, err := lab.find("kubelet")
	if err != nil {
		return "", err
	}
	if !found {
		return "", fmt.Errorf("the kubelet exited; see %s", lab.layout.log("kubelet"))
	}
	started, err := kubelet.startTime()
	if err != nil {
		return "", err
	}
	client, err := lab.client()
	if err != nil {
		return "", err
	}
	if err := await(ctx, nil, nodeReady(client, started)); err != nil {
		return "", fmt.Errorf("wait for the node: %w", err)
	}
	return "ready", nil
}

// awaitAccount waits for the service account that a new cluster's controllers
// give the default namespace: until then it refuses every pod.
func (lab *Lab) awaitAccount(ctx context.Context) (string, error) {
	client, err := lab.client()
	if err != nil {
		return "", err
	}
	err = await(ctx, nil, func(ctx context.Context) error {
		_, err := client.CoreV1().ServiceAccounts(metav1.NamespaceDefault).Get(ctx, "default", metav1.GetOptions{})
		return err
	})
	if err != nil {
		return "", fmt.Errorf("wait for the default service account: %w", err)
	}
	return "there", nil
}

// Elapsed is how the times of steps are written: 0.3s, 12.0s, 5m08s.
func Elapsed(d time.Duration) string {
	if d < time.Minute {
		return fmt.Sprintf("%.1fs", d.Seconds())
	}
	return fmt.Sprintf("%dm%02ds", int(d.Minutes()), int(d.Seconds())%60)
}
