package deployer

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

func fromYAML(t *testing.T, text string) *unstructured.Unstructured {
	t.Helper()
	data, err := yaml.YAMLToJSON([]byte(text))
	require.NoError(t, err)
	object := &unstructured.Unstructured{}
	require.NoError(t, object.UnmarshalJSON(data))
	return object
}

func TestFixed(t *testing.T) {
	const (
		claim   = "{apiVersion: v1, kind: PersistentVolumeClaim, metadata: {name: files, namespace: ns}, spec: "
		service = "{apiVersion: v1, kind: Service, metadata: {name: mysql, namespace: ns}, spec: "
		web     = "{apiVersion: apps/v1, kind: Deployment, metadata: {name: web, namespace: ns}, spec: "
		set     = "{apiVersion: apps/v1, kind: StatefulSet, metadata: {name: mysql, namespace: ns}, spec: "
		volume  = "volumeClaimTemplates: [{metadata: {name: data}, spec: "
		small   = "{accessModes: [ReadWriteOnce], resources: {requests: {storage: 10Gi}}}"
		large   = "{accessModes: [ReadWriteOnce], resources: {requests: {storage: 20Gi}}}"
	)
	tests := []struct {
		name, live, wanted string
		message, hint      string // of the finding; empty for none
	}{
		{
			name: "the same claim, as the API server keeps it", live: claim + "{accessModes: [ReadWriteMany], storageClassName: cephfs, volumeName: pvc-1, resources: {requests: {storage: 1024Mi}}}}",
			wanted: claim + "{accessModes: [ReadWriteMany], resources: {requests: {storage: 1Gi}}}}",
		},
		{
			name: "a smaller claim", live: claim + large + "}", wanted: claim + small + "}",
			message: "its volume has 20Gi and cannot shrink to 10Gi", hint: "kubectl -n ns get persistentvolumeclaim files",
		},
		{name: "a larger claim", live: claim + small + "}", wanted: claim + large + "}"},
		{
			name: "another storage class", live: claim + "{storageClassName: cephfs}}", wanted: claim + "{storageClassName: nfs}}",
			message: "its volume is of storage class cephfs and cannot change to nfs", hint: "set the old value",
		},
		{
			name: "another access mode", live: claim + "{accessModes: [ReadWriteOnce]}}", wanted: claim + "{accessModes: [ReadWriteMany]}}",
			message: "its volume is ReadWriteOnce and cannot change to ReadWriteMany", hint: "set the old value",
		},
		{
			name: "a database with less", live: set + "{" + volume + large + "}]}}", wanted: set + "{" + volume + small + "}]}}",
			message: "its volume has 20Gi and cannot shrink to 10Gi", hint: "kubectl -n ns get persistentvolumeclaim data-mysql-0",
		},
		{
			name: "a database with more", live: set + "{" + volume + small + "}]}}", wanted: set + "{" + volume + large + "}]}}",
			message: "its volume has 10Gi, and does not grow to 20Gi by itself",
			hint: `kubectl -n ns patch persistentvolumeclaim data-mysql-0 -p '{"spec":{"resources":{"requests":{"storage":"20Gi"}}}}' && ` +
				"kubectl -n ns delete statefulset mysql --cascade=orphan",
		},
		{
			name: "another volume", live: set + "{}}", wanted: set + "{" + volume + small + "}]}}",
			message: "has the volumes [] and cannot change to [data]", hint: "--cascade=orphan",
		},
		{
			name: "somebody else's pods", live: web + "{selector: {matchLabels: {app: web}}}}", wanted: web + "{selector: {matchLabels: {a: b}}}}",
			message: `spec.selector is {"matchLabels":{"app":"web"}} and cannot change to {"matchLabels":{"a":"b"}}: somebody else has laid it out`,
			hint:    "deploy: {mode: patch}",
		},
		{
			name: "a Service that gets no address any more", live: service + "{clusterIP: 10.0.0.1}}", wanted: service + "{clusterIP: None}}",
			message: "spec.clusterIP is an address and cannot change to none", hint: "kubectl -n ns delete service mysql",
		},
		{name: "a Service with any address", live: service + "{clusterIP: 10.0.0.1}}", wanted: service + "{ports: []}}"},
		{
			name:    "an older database",
			live:    set + "{template: {spec: {containers: [{name: mysql, image: 'mariadb:11.8'}]}}, " + volume + small + "}]}}",
			wanted:  set + "{template: {spec: {containers: [{name: mysql, image: 'mariadb:10.11'}]}}, " + volume + small + "}]}}",
			message: "its data is that of mariadb:11.8, and mariadb:10.11 cannot read it", hint: "keep the version",
		},
		{
			name:   "an older cache, which keeps nothing",
			live:   set + "{template: {spec: {containers: [{name: memcache, image: 'memcached:1.6'}]}}}}",
			wanted: set + "{template: {spec: {containers: [{name: memcache, image: 'memcached:1.5'}]}}}}",
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			found := fixed(fromYAML(t, test.live), Object{Unstructured: fromYAML(t, test.wanted)})
			if test.message == "" {
				assert.Empty(t, found)
				return
			}
			require.Len(t, found, 1)
			assert.Equal(t, test.message, found[0].Message)
			assert.Contains(t, found[0].Hint, test.hint)
		})
	}
	assert.Empty(t, fixed(nil, Object{Unstructured: fromYAML(t, claim+small+"}")}), "what is not there yet")
}

func TestOlder(t *testing.T) {
	tests := []struct {
		image, than string
		want        bool
	}{
		{"mariadb:10.11", "mariadb:11.4", true},
		{"mariadb:11.4", "mariadb:10.11", false},
		{"mariadb:11.4", "mirror.example.com:5000/library/mariadb:11.8.2-noble@sha256:00", true},
		{"mariadb:11.8", "mariadb:11.8.2", false},
		{"mariadb:11.8.1", "mariadb:11.8.2", false},
		{"mariadb:11", "mariadb:11.8", false},
		{"mariadb:10", "mariadb:11.8", true},
		{"mysql:8.0", "mariadb:11.8", false},
		{"mariadb:lts", "mariadb:11.8", false},
		{"mariadb", "mariadb:11.8", false},
	}
	for _, test := range tests {
		assert.Equal(t, test.want, older(test.image, test.than), "%s after %s", test.image, test.than)
	}
}
