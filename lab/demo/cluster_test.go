package main

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/fake"
)

func TestRemoveNamespaceTakesOnlySitectlsOwn(t *testing.T) {
	own := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{
		Name: "guestbook-localhost", Labels: map[string]string{"app.kubernetes.io/managed-by": "sitectl"},
	}}
	foreign := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "wordpress-localhost"}}
	client := fake.NewClientset(own, foreign)

	require.NoError(t, removeNamespace(t.Context(), client, own.Name))
	_, err := client.CoreV1().Namespaces().Get(t.Context(), own.Name, metav1.GetOptions{})
	assert.True(t, apierrors.IsNotFound(err))
	require.NoError(t, removeNamespace(t.Context(), client, own.Name), "it is gone already")

	require.ErrorContains(t, removeNamespace(t.Context(), client, foreign.Name), "app.kubernetes.io/managed-by=sitectl")
	_, err = client.CoreV1().Namespaces().Get(t.Context(), foreign.Name, metav1.GetOptions{})
	require.NoError(t, err)
}
