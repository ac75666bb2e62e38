package builder

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestPrepareReportsEverythingTogether(t *testing.T) {
	registry := newTestRegistry(t)
	s := registry.site()
	s.Build.Base = registry.host + "/library/missing:1"
	b := newBuilder(t, Options{Address: "unix:///missing/buildkitd.sock", RegistryCA: registry.ca})
	_, _, err := newCheckout(t, map[string]string{"index.php": ""}).build(t, b, s, BuildOptions{})
	var unreachable *BuildError
	require.ErrorAs(t, err, &unreachable, "the builder")
	var refused *RegistryError
	require.ErrorAs(t, err, &refused, "the registry, which wants a login")
	assert.ErrorContains(t, err, "push to "+s.Image)
	assert.ErrorContains(t, err, "library/missing:1")
}

// A builder that is not there is no matter for an image that needs none.
func TestPrepareWithoutABuilder(t *testing.T) {
	registry := newTestRegistry(t)
	s := registry.withRuntime(t)
	b := registry.builder(t)
	b.options.Address = "unix:///missing/buildkitd.sock"
	code := newCheckout(t, map[string]string{"index.php": "<?php echo 1;"})
	_, _, err := code.build(t, b, s, BuildOptions{})
	require.NoError(t, err)

	s.Build.PHP.Extensions = append(s.Build.PHP.Extensions, "gd")
	code.commit(t, map[string]string{"index.php": "<?php echo 2;"})
	_, _, err = code.build(t, b, s, BuildOptions{})
	var unreachable *BuildError
	require.ErrorAs(t, err, &unreachable, "another runtime has to be built")
}
