package deployer

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	dynamicfake "k8s.io/client-go/dynamic/fake"
	"k8s.io/client-go/kubernetes/fake"
	"k8s.io/client-go/kubernetes/scheme"
	clienttesting "k8s.io/client-go/testing"

	"github.com/sitectl/sitectl/site"
)

// fakeCluster is a Deployer on a fake API server: one set of objects behind
// the typed and the dynamic client, with server-side apply, generations and
// resource versions, and no controllers.
type fakeCluster struct {
	*Deployer
	t       *testing.T
	clients *fake.Clientset
	dyn     *dynamicfake.FakeDynamicClient
	scratch clienttesting.ObjectTracker // for dry runs, which nobody else may see

	mu       sync.Mutex
	lines    []string // progress
	logged   strings.Builder
	versions int
}

func newFakeCluster(t *testing.T, s site.Site, objects ...runtime.Object) *fakeCluster {
	t.Helper()
	c := &fakeCluster{
		t: t, clients: fake.NewClientset(objects...), dyn: dynamicfake.NewSimpleDynamicClient(kinds()),
		scratch: fake.NewClientset().Tracker(), versions: 100,
	}
	c.dyn.PrependReactor("*", "*", c.react)
	c.Deployer = &Deployer{
		site:    s,
		silence: &silence{},
		mu:      &sync.Mutex{},
		server:  "https://cluster.example.com:6443",
		client:  c.clients,
		dynamic: c.dyn,
		fence:   &fence{},
		opts: Options{
			Log:      &c.logged,
			Progress: func(line string) { c.lines = append(c.lines, line) }, // Deployer calls it one at a time
		},
	}
	return c
}

// react does for the dynamic client what the typed one's tracker does.
func (c *fakeCluster) react(action clienttesting.Action) (bool, runtime.Object, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	resource, namespace := action.GetResource(), action.GetNamespace()
	switch action := action.(type) {
	case clienttesting.GetActionImpl:
		object, err := c.get(resource, namespace, action.GetName())
		return true, object, err
	case clienttesting.ListActionImpl:
		list, err := c.list(action)
		if err != nil {
			return true, nil, err
		}
		return true, list, nil
	case clienttesting.CreateActionImpl:
		if len(action.CreateOptions.DryRun) > 0 {
			return true, action.GetObject(), nil
		}
		typed := c.typed(action.GetObject())
		err := c.clients.Tracker().Create(resource, typed, namespace)
		return true, action.GetObject(), err
	case clienttesting.DeleteActionImpl:
		return true, nil, c.clients.Tracker().Delete(resource, namespace, action.GetName())
	case clienttesting.PatchActionImpl:
		object, err := c.serverSideApply(resource, namespace, action)
		return true, object, err
	default:
		return false, nil, nil
	}
}

func (c *fakeCluster) get(resource schema.GroupVersionResource, namespace, name string) (*unstructured.Unstructured, error) {
	object, err := c.clients.Tracker().Get(resource, namespace, name)
	if err != nil {
		return nil, err
	}
	return toUnstructured(c.t, object), nil
}

func (c *fakeCluster) list(action clienttesting.ListActionImpl) (*unstructured.UnstructuredList, error) {
	list := &unstructured.UnstructuredList{}
	if !scheme.Scheme.Recognizes(action.GetKind()) {
		return nil, apierrors.NewNotFound(action.GetResource().GroupResource(), "")
	}
	found, err := c.clients.Tracker().List(action.GetResource(), action.GetKind(), action.GetNamespace())
	if err != nil {
		return nil, err
	}
	objects, err := meta.ExtractList(found)
	require.NoError(c.t, err)
	for _, object := range objects {
		content := toUnstructured(c.t, object)
		if action.GetListRestrictions().Labels.Matches(labels.Set(content.GetLabels())) {
			list.Items = append(list.Items, *content)
		}
	}
	return list, nil
}

func (c *fakeCluster) serverSideApply(resource schema.GroupVersionResource, namespace string, action clienttesting.PatchActionImpl) (*unstructured.Unstructured, error) {
	content := &unstructured.Unstructured{}
	require.NoError(c.t, content.UnmarshalJSON(action.GetPatch()))
	before, err := c.get(resource, namespace, action.GetName())
	if err != nil && !apierrors.IsNotFound(err) {
		return nil, err
	}
	tracker, dry := c.clients.Tracker(), len(action.PatchOptions.DryRun) > 0
	if dry {
		tracker = c.scratch
		defer func() { _ = tracker.Delete(resource, namespace, action.GetName()) }()
		if before != nil {
			require.NoError(c.t, tracker.Create(resource, c.typed(before), namespace))
		}
	}
	if err := tracker.Apply(resource, content, namespace, action.PatchOptions); err != nil {
		return nil, err
	}
	object, err := tracker.Get(resource, namespace, action.GetName())
	require.NoError(c.t, err)
	after := toUnstructured(c.t, object)
	c.count(before, after)
	if !dry {
		require.NoError(c.t, tracker.Update(resource, c.typed(after), namespace))
	}
	return after, nil
}

// count raises the resource version if the object differs, and its
// generation if its spec does.
func (c *fakeCluster) count(before, after *unstructured.Unstructured) {
	if before != nil && equality.Semantic.DeepEqual(content(before), content(after)) {
		return
	}
	c.versions++
	after.SetResourceVersion(strconv.Itoa(c.versions))
	if before == nil || !equality.Semantic.DeepEqual(before.Object["spec"], after.Object["spec"]) {
		after.SetGeneration(after.GetGeneration() + 1)
	}
	after.SetUID(types.UID(after.GetKind() + "/" + after.GetName()))
}

func (c *fakeCluster) typed(object runtime.Object) runtime.Object {
	content := object.(*unstructured.Unstructured)
	typed, err := scheme.Scheme.New(content.GroupVersionKind())
	require.NoError(c.t, err)
	require.NoError(c.t, runtime.DefaultUnstructuredConverter.FromUnstructured(content.Object, typed))
	return typed
}

// put creates an object or replaces it.
func (c *fakeCluster) put(objects ...runtime.Object) {
	c.t.Helper()
	for _, object := range objects {
		gvks, _, err := scheme.Scheme.ObjectKinds(object)
		require.NoError(c.t, err)
		resource, _ := meta.UnsafeGuessKindToResource(gvks[0])
		accessor, err := meta.Accessor(object)
		require.NoError(c.t, err)
		if _, err := c.clients.Tracker().Get(resource, accessor.GetNamespace(), accessor.GetName()); err == nil {
			require.NoError(c.t, c.clients.Tracker().Update(resource, object, accessor.GetNamespace()))
			continue
		}
		require.NoError(c.t, c.clients.Tracker().Create(resource, object, accessor.GetNamespace()))
	}
}

// requests lists what was asked of the API server, as "verb resource name".
func (c *fakeCluster) requests(verbs ...string) []string {
	var list []string
	for _, action := range slices.Concat(c.clients.Actions(), c.dyn.Actions()) {
		if slices.Contains(verbs, action.GetVerb()) {
			list = append(list, strings.TrimSpace(fmt.Sprintf("%s %s %s", action.GetVerb(), action.GetResource().Resource, nameOf(action))))
		}
	}
	return list
}

func nameOf(action clienttesting.Action) string {
	switch action := action.(type) {
	case clienttesting.CreateActionImpl:
		accessor, err := meta.Accessor(action.GetObject())
		if err != nil {
			return ""
		}
		return accessor.GetName()
	case interface{ GetName() string }:
		return action.GetName()
	default:
		return ""
	}
}

func toUnstructured(t *testing.T, object runtime.Object) *unstructured.Unstructured {
	t.Helper()
	gvks, _, err := scheme.Scheme.ObjectKinds(object)
	require.NoError(t, err)
	data, err := runtime.DefaultUnstructuredConverter.ToUnstructured(object)
	require.NoError(t, err)
	content := &unstructured.Unstructured{Object: data}
	content.SetGroupVersionKind(gvks[0])
	return content
}

func controlledBy(owner metav1.Object, gvk schema.GroupVersionKind) []metav1.OwnerReference {
	return []metav1.OwnerReference{*metav1.NewControllerRef(owner, gvk)}
}
