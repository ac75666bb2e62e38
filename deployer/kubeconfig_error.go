package deployer

import (
	"errors"
	"fmt"
	"strings"

	"github.com/sitectl/sitectl/site"
)

// KubeconfigError says that the kubeconfig leads to no cluster.
type KubeconfigError struct {
	Err  error
	hint string
}

func (e *KubeconfigError) Error() string { return "read kubeconfig: " + e.Err.Error() }

func (e *KubeconfigError) Unwrap() error { return e.Err }

// Hint says what to do next.
func (e *KubeconfigError) Hint() string { return e.hint }

// noKubeconfig is for a machine without one. What the library says of it names
// a variable that nobody should set.
func noKubeconfig() error {
	return &KubeconfigError{
		Err:  errors.New("no cluster is named, neither by --kubeconfig, nor by $KUBECONFIG, nor by ~/.kube/config"),
		hint: "log in to the cluster, or name a file with --kubeconfig; sitectl rbac prints the account for a pipeline",
	}
}

func unknownContext(name string, known []string) error {
	e := &KubeconfigError{Err: fmt.Errorf("it has no context %q", name)}
	switch near := site.Nearest(name, known); {
	case len(known) == 0:
		e.hint = "there is no context in it, or no kubeconfig at all; name another one with --kubeconfig"
	case near != "":
		e.hint = fmt.Sprintf("did you mean %q?", near)
	default:
		e.hint = "there is: " + strings.Join(known, ", ") + "; name one with --context, or as context in the site file"
	}
	return e
}
