package deployer

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestRestart(t *testing.T) {
	const (
		image   = "spec.template.spec.containers[web].image"
		version = "spec.template.metadata.labels.app.kubernetes.io/version"
		mark    = "spec.template.metadata.annotations.sitectl.dev/image"
	)
	tests := []struct {
		name string
		kind string
		path []string
		want []string // nil if no pods are replaced
	}{
		{name: "nothing of the pods", kind: "Deployment", path: []string{"spec.replicas", "metadata.labels.a"}},
		{name: "another image", kind: "Deployment", path: []string{mark, version, image}, want: []string{"image of web"}},
		{name: "another commit", kind: "Deployment", path: []string{mark, version}, want: []string{"release"}},
		{
			name: "configuration and Secrets", kind: "Deployment",
			path: []string{"spec.template.metadata.annotations.sitectl.dev/config", "spec.template.metadata.annotations.sitectl.dev/secrets"},
			want: []string{"configuration", "Secrets"},
		},
		{
			name: "several fields of one container", kind: "StatefulSet",
			path: []string{"spec.template.spec.containers[mysql].resources.limits.memory", "spec.template.spec.containers[mysql].resources.requests.memory"},
			want: []string{"resources of mysql"},
		},
		{
			name: "a sidecar and a volume for it", kind: "Deployment",
			path: []string{"spec.template.spec.initContainers[varnish]", "spec.template.spec.volumes[varnish-work]", "spec.template.spec.terminationGracePeriodSeconds"},
			want: []string{"container varnish", "volumes", "terminationGracePeriodSeconds"},
		},
		{
			name: "what kubectl rollout restart leaves", kind: "Deployment",
			path: []string{"spec.template.metadata.annotations.kubectl.kubernetes.io/restartedAt"},
			want: []string{"metadata.annotations.kubectl.kubernetes.io/restartedAt"},
		},
		{name: "a CronJob", kind: "CronJob", path: []string{"spec.jobTemplate.spec.template.spec.containers[cron].image"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			live := fromYAML(t, "{apiVersion: apps/v1, kind: "+test.kind+", metadata: {name: web}, status: {replicas: 3}}")
			var fields []FieldChange
			for _, path := range test.path {
				fields = append(fields, FieldChange{Path: path})
			}
			got := restart(live, fields)
			if test.want == nil {
				assert.Nil(t, got)
				return
			}
			assert.Equal(t, &Restart{Pods: 3, Because: test.want}, got)
		})
	}
}
