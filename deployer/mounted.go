package deployer

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
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
	names := d.webSecrets()
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

// webSecrets names the site's own Secrets that the web pods read.
func (d *Deployer) webSecrets() []string {
	var names []string
	for _, secret := range d.site.Secrets {
		if slices.Contains(secret.For, "web") {
			names = append(names, secret.Name)
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
