package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
)

func newClient(kubeconfig string) (kubernetes.Interface, error) {
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return nil, err
	}
	return kubernetes.NewForConfig(config)
}

// namespace is the one that sitectl takes for an address by default.
func namespace(address string) string { return strings.ReplaceAll(address, ".", "-") }

// removeNamespaces removes the namespaces of all sample sites, and waits
// until they are gone.
func removeNamespaces(ctx context.Context, kubeconfig string) error {
	client, err := newClient(kubeconfig)
	if err != nil {
		return err
	}
	for _, w := range []website{&guestbook{}, &wordpress{}} {
		if err := removeNamespace(ctx, client, namespace(w.address())); err != nil {
			return fmt.Errorf("remove namespace %s: %w", namespace(w.address()), err)
		}
	}
	return nil
}

// removeNamespace removes a namespace that sitectl has made; any other of
// that name, and one that does not exist, is left alone.
func removeNamespace(ctx context.Context, client kubernetes.Interface, name string) error {
	namespaces := client.CoreV1().Namespaces()
	found, err := namespaces.Get(ctx, name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return err
	}
	if found.Labels["app.kubernetes.io/managed-by"] != "sitectl" {
		return errors.New("it has no label app.kubernetes.io/managed-by=sitectl")
	}
	say("remove namespace %s", name)
	if err := namespaces.Delete(ctx, name, metav1.DeleteOptions{Preconditions: metav1.NewUIDPreconditions(string(found.UID))}); err != nil {
		return err
	}
	return wait.PollUntilContextTimeout(ctx, time.Second, 3*time.Minute, true, func(ctx context.Context) (bool, error) {
		_, err := namespaces.Get(ctx, name, metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			return true, nil
		}
		return false, err
	})
}
