//go:build lab

package main

import (
	"archive/tar"
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net/http"
	"os"
	"testing"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sitectl/sitectl/deployer"
)

// TestBackupS3: dumps go to a bucket, as many stay as are to be kept, and what
// is in one can be put back. An upload that breaks off stops the ship.
func TestBackupS3(t *testing.T) {
	t.Parallel()
	s := newLabSite(t, "backup-s3")
	rclone := labProgram(t, "rclone")
	store := newBucket(t, rclone, s.cluster)
	first := s.ship(t)
	entry := s.leave(t, "before the backup")

	_, err := s.cluster.CoreV1().Secrets(s.namespace).Create(t.Context(), &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: "store"},
		Data: map[string][]byte{
			"access-key-id": []byte(store.accessKey), "secret-access-key": []byte(store.secretKey), "ca.crt": store.authority,
		},
	}, metav1.CreateOptions{})
	require.NoError(t, err)
	image := pushRclone(t, first.Image.Repository, first.Image.Digest, rclone)
	s.edit(t, func(file map[string]any) {
		file["migrate"].(map[string]any)["backup"] = map[string]any{"keep": 1, "s3": map[string]any{
			"bucket": store.name, "endpoint": store.endpoint, "secret": "store", "image": image,
		}}
	})
	for _, subject := range []string{"back up to a bucket", "and once more"} {
		before := s.git(t, "rev-parse", "--short", "HEAD")
		s.commit(t, subject)
		out := s.succeed(t, "ship")
		assert.NotContains(t, out.stderr, store.secretKey)
		var backups []deployer.Backup
		s.decode(t, &backups, "backup", "--list", "--output", "json")
		require.Len(t, backups, 1)
		assert.Equal(t, before, backups[0].Release)
		assert.Equal(t, map[string]int64{s.namespace + "/" + backups[0].Name + ".sql.gz": backups[0].Bytes}, store.files(t))
	}
	serving := s.git(t, "rev-parse", "--short", "HEAD")
	kept := store.files(t)

	s.commit(t, "a backup that breaks off")
	store.cut.Store(true)
	out := s.sitectl(t, "ship")
	assert.Equal(t, int(statusMigration), out.status)
	assert.Contains(t, out.stderr, "migrate.backup.s3.secret")
	assert.NotContains(t, out.stderr, store.secretKey)
	assert.Equal(t, kept, store.files(t))
	s.serves(t, serving, entry, "before the backup")
	s.runsCron(t)
	store.cut.Store(false)

	var backups []deployer.Backup
	s.decode(t, &backups, "backup", "--list", "--output", "json")
	require.Len(t, backups, 1)
	later := s.leave(t, "after the backup")
	s.succeed(t, "restore-db", backups[0].Name, "--confirm", s.address)
	s.serves(t, serving, entry, "before the backup")
	response, body := s.request(t, http.MethodGet, later, nil)
	assert.Equal(t, http.StatusNotFound, response.StatusCode, body)
	assert.Len(t, store.files(t), 2, "what was there before it was restored is not lost")
	s.runsCron(t)
}

// pushRclone pushes an image with rclone, on top of that of a release.
func pushRclone(t *testing.T, repository, digest, program string) string {
	t.Helper()
	authorities := x509.NewCertPool()
	certificates, err := os.ReadFile(lab(t, "SITECTL_REGISTRY_CA"))
	require.NoError(t, err)
	require.True(t, authorities.AppendCertsFromPEM(certificates))
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.TLSClientConfig = &tls.Config{RootCAs: authorities}
	opts := []remote.Option{remote.WithAuthFromKeychain(authn.DefaultKeychain), remote.WithTransport(transport), remote.WithContext(t.Context())}

	from, err := name.NewDigest(repository + "@" + digest)
	require.NoError(t, err)
	base, err := remote.Image(from, opts...)
	require.NoError(t, err)
	content, err := os.ReadFile(program)
	require.NoError(t, err)
	var layer bytes.Buffer
	archive := tar.NewWriter(&layer)
	require.NoError(t, archive.WriteHeader(&tar.Header{Name: "usr/local/bin/rclone", Mode: 0o755, Size: int64(len(content))}))
	_, err = archive.Write(content)
	require.NoError(t, err)
	require.NoError(t, archive.Close())
	added, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(layer.Bytes())), nil })
	require.NoError(t, err)
	image, err := mutate.AppendLayers(base, added)
	require.NoError(t, err)
	to, err := name.NewTag(repository + ":rclone")
	require.NoError(t, err)
	require.NoError(t, remote.Write(to, image, opts...))
	return to.Name()
}
