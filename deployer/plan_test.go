package deployer

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestPlanOfANewNamespace(t *testing.T) {
	s := readSite(t, "everything", "production")
	c := newFakeCluster(t, s)
	plan, err := c.Plan(t.Context(), testImage(s))
	require.NoError(t, err)
	assert.True(t, plan.Changed())
	assert.Equal(t, []string{"database", "search"}, plan.Migration)
	assert.Equal(t, testImage(s).Reference(), plan.Image)
	for _, change := range plan.Changes {
		assert.Equal(t, ActionCreate, change.Action, "%s %s", change.Kind, change.Name)
	}
	assert.Equal(t, "Namespace", plan.Changes[0].Kind)
	assert.Equal(t, "database", plan.Changes[1].Name)
	assert.Empty(t, c.requests("create", "patch", "update", "delete"))
}

func TestPlanHidesSecrets(t *testing.T) {
	s := readSite(t, "plain", "")
	c := newFakeCluster(t, s,
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: s.Namespace}},
		&corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{Name: "registry", Namespace: s.Namespace},
			Data:       map[string][]byte{corev1.DockerConfigJsonKey: []byte("the old login")},
		})
	c.opts.PullConfig = []byte("the new login")
	changes, err := c.planSecrets(t.Context())
	require.NoError(t, err)
	assert.Equal(t, []Change{{
		Kind: "Secret", Name: "registry", Action: ActionChange,
		Fields: []FieldChange{{Path: "data..dockerconfigjson", After: "(hidden)"}},
	}}, changes)
	text, err := json.Marshal(changes)
	require.NoError(t, err)
	assert.NotContains(t, string(text), "login")
}
