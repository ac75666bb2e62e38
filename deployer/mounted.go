package deployer

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sitectl/sitectl/site"
)

// mountedChecksum identifies what is in the site's own Secrets that the web
// pods read, so that they are replaced when one of them changes: PHP reads a
// file whenever it likes, and what it keeps of it (a connection, a compiled
// configuration) would be old and new at once. It is empty for a site without
// any.
//
// The Secrets are read once for all steps of a deploy. One that changes
// meanwhile is found by the next ship.
func (d *Deployer) mountedChecksum(ctx context.Context) (string, error) {
	if d.mounted != nil {
		return *d.mounted, nil
	}
	names := webSecrets(d.site)
	sums := make([]string, len(names))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(parallel)
	for i, name := range names {
		group.Go(func() error {
			secret, err := d.client.CoreV1().Secrets(d.site.Namespace).Get(ctx, name, metav1.GetOptions{})
			switch {
			case apierrors.IsNotFound(err): // reported by Preflight
				return nil
			case err != nil:
				return fmt.Errorf("read Secret %s: %w", name, err)
			}
			d.conceal(secret.Data, slices.Collect(maps.Keys(secret.Data))...)
			sums[i], err = fingerprint(secret)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return "", err
	}
	mounted := ""
	if slices.ContainsFunc(sums, func(sum string) bool { return sum != "" }) {
		sum := sha256.Sum256([]byte(strings.Join(sums, "\n")))
		mounted = hex.EncodeToString(sum[:])
	}
	d.mounted = &mounted
	return mounted, nil
}

// ownSecret is a Secret that the site reads and sitectl does not make.
type ownSecret struct {
	name    string
	keys    []string // without which it is of no use
	readers []string // "web", "migrate", "cron"

	elsewhere bool // it is not mounted under its own name
}

// ownSecrets lists those that a site file names.
func ownSecrets(s site.Site) []ownSecret {
	var list []ownSecret
	if s.Database != nil && s.Database.External != nil {
		list = append(list, ownSecret{
			name: s.Database.External.Secret, keys: []string{"user", "password"}, readers: everyReader, elsewhere: true,
		})
	}
	if s.Files != nil && s.Files.S3 != nil {
		list = append(list, ownSecret{name: s.Files.S3.Secret, readers: everyReader})
	}
	if backup := backupOf(s); backup != nil && backup.S3 != nil {
		list = append(list, ownSecret{name: backup.S3.Secret, keys: []string{"access-key-id", "secret-access-key"}, elsewhere: true})
	}
	for _, secret := range s.Secrets {
		list = append(list, ownSecret{name: secret.Name, readers: secret.For})
	}
	if s.Ingress != nil && s.Ingress.BasicAuth != "" {
		list = append(list, ownSecret{name: s.Ingress.BasicAuth, keys: []string{passwordsKey}, readers: []string{"web"}})
	}
	if s.Ingress != nil && s.Ingress.TLS != nil && s.Ingress.TLS.Secret != "" {
		list = append(list, ownSecret{name: s.Ingress.TLS.Secret, keys: []string{"tls.crt", "tls.key"}}) // the controller's
	}
	return list
}

// everyReader are those that can read a Secret.
var everyReader = []string{"web", "migrate", "cron"}

// webSecrets names the Secrets that the web pods read, each once.
func webSecrets(s site.Site) []string {
	var names []string
	for _, secret := range ownSecrets(s) {
		if slices.Contains(secret.readers, "web") && !slices.Contains(names, secret.name) {
			names = append(names, secret.name)
		}
	}
	return names
}

// fingerprint identifies the data of a Secret to everybody, and tells nobody
// what it is: a short password could be guessed from a plain checksum. The
// key is the UID that the API server gave the Secret, 122 random bits that
// only those can read who can read the Secret itself.
func fingerprint(secret *corev1.Secret) (string, error) {
	data, err := json.Marshal(secret.Data)
	if err != nil {
		return "", err
	}
	sum := hmac.New(sha256.New, []byte(secret.UID))
	sum.Write(data)
	return hex.EncodeToString(sum.Sum(nil)), nil
}
