package deployer

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/retry"

	"github.com/sitectl/sitectl/site"
)

// credential is a Secret whose values are made once, in the cluster, and
// never changed by a deploy: what was set up with them would be locked.
type credential struct {
	name    string
	fixed   map[string]string // what is no secret: host, port, user
	random  []string          // keys with a random value
	mounted bool              // the site reads it, at /secrets/<name>
	volume  string            // PersistentVolumeClaim that only opens with the old values; empty if none does
}

// credentials lists the Secrets that sitectl generates for a site.
func credentials(s site.Site) []credential {
	if s.Deploy != nil {
		return nil // whoever has laid out the namespace has made them
	}
	var list []credential
	if s.Database != nil && s.Database.MariaDB != nil {
		const volume = "data-mysql-0"
		list = append(list,
			credential{
				name:    "database",
				fixed:   map[string]string{"host": "mysql", "port": "3306", "name": "site", "user": "site"},
				random:  []string{"password"},
				mounted: true,
				volume:  volume,
			},
			credential{name: "mysql-root", random: []string{"password"}, volume: volume})
	}
	if s.Preset == site.WordPress {
		list = append(list, credential{
			name: "wordpress",
			random: []string{
				"auth-key", "secure-auth-key", "logged-in-key", "nonce-key",
				"auth-salt", "secure-auth-salt", "logged-in-salt", "nonce-salt", "admin-password",
			},
			mounted: true,
		})
	}
	if s.Preset == site.MediaWiki {
		list = append(list, credential{name: "mediawiki", random: []string{"secret-key", "admin-password"}, mounted: true})
	}
	if s.Preset == site.Drupal {
		list = append(list, credential{name: "drupal", random: []string{"hash-salt", "admin-password"}, mounted: true})
	}
	return list
}

// applyCredentials makes the Secrets, and the keys of Secrets, that are not
// there yet. What is there stays as it is.
func (d *Deployer) applyCredentials(ctx context.Context) error {
	for _, c := range credentials(d.site) {
		result, err := d.generate(ctx, c)
		if err != nil {
			return fmt.Errorf("generate Secret %s: %w", c.name, err)
		}
		d.progress(fmt.Sprintf("Secret %s %s", c.name, result))
	}
	return nil
}

func (d *Deployer) generate(ctx context.Context, c credential) (Result, error) {
	secrets := d.client.CoreV1().Secrets(d.site.Namespace)
	result := Unchanged
	// A Conflict means that somebody else has just made it or changed it.
	err := retry.RetryOnConflict(retry.DefaultRetry, func() error {
		secret, err := secrets.Get(ctx, c.name, metav1.GetOptions{})
		switch {
		case apierrors.IsNotFound(err):
			result = Created
			return d.createCredential(ctx, c)
		case err != nil:
			return err
		}
		d.conceal(secret.Data, c.random...)
		missing := c.missing(secret)
		if len(missing) == 0 {
			result = Unchanged
			return nil
		}
		result = Configured
		return d.completeCredential(ctx, c, secret, missing)
	})
	return result, err
}

func (d *Deployer) createCredential(ctx context.Context, c credential) error {
	if err := d.mayGenerate(ctx, c); err != nil {
		return err
	}
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{
			Name: c.name,
			Labels: map[string]string{
				"app.kubernetes.io/instance":   d.site.Namespace,
				"app.kubernetes.io/managed-by": fieldManager,
			},
		},
		Data: c.missing(&corev1.Secret{}),
	}
	d.conceal(secret.Data, c.random...)
	_, err := d.client.CoreV1().Secrets(d.site.Namespace).
		Create(ctx, secret, metav1.CreateOptions{FieldManager: fieldManager})
	if apierrors.IsAlreadyExists(err) {
		return apierrors.NewConflict(corev1.Resource("secrets"), c.name, err)
	}
	return err
}

// completeCredential adds the keys that a Secret lacks, and nothing if it was
// changed since it was read.
func (d *Deployer) completeCredential(ctx context.Context, c credential, secret *corev1.Secret, missing map[string][]byte) error {
	for _, key := range c.random {
		if _, ok := missing[key]; ok {
			if err := d.mayGenerate(ctx, c); err != nil {
				return err
			}
		}
	}
	d.conceal(missing, c.random...)
	patch, err := json.Marshal(map[string]any{
		"metadata": map[string]any{"resourceVersion": secret.ResourceVersion},
		"data":     missing,
	})
	if err != nil {
		return err
	}
	_, err = d.client.CoreV1().Secrets(d.site.Namespace).
		Patch(ctx, c.name, types.MergePatchType, patch, metav1.PatchOptions{FieldManager: fieldManager})
	return err
}

// mayGenerate refuses new credentials for old data.
func (d *Deployer) mayGenerate(ctx context.Context, c credential) error {
	if c.volume == "" {
		return nil
	}
	_, err := d.client.CoreV1().PersistentVolumeClaims(d.site.Namespace).Get(ctx, c.volume, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return err
	}
	return fmt.Errorf("the volume %s was set up with a password that is gone: put the Secret back, or remove the volume if its data is not needed", c.volume)
}

// missing returns values for the keys that the Secret lacks.
func (c credential) missing(secret *corev1.Secret) map[string][]byte {
	missing := map[string][]byte{}
	for key, value := range c.fixed {
		if _, ok := secret.Data[key]; !ok {
			missing[key] = []byte(value)
		}
	}
	for _, key := range c.random {
		if len(secret.Data[key]) == 0 {
			missing[key] = []byte(randomText())
		}
	}
	return missing
}

// randomText returns 52 letters and digits, more than 256 random bits, that
// need no quoting anywhere.
func randomText() string { return strings.ToLower(rand.Text() + rand.Text()) }
