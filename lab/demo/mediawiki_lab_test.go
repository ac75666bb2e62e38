//go:build lab

package main

import (
	"context"
	"errors"
	"os"
)

// writeMediaWiki writes the MediaWiki of Debian's packages into a folder, as
// upstream releases it: complete in itself, and not configured.
func writeMediaWiki(ctx context.Context, folder string) error {
	packages, err := packagesOf("mediawiki", "mediawiki", "mediawiki-classes")
	if err != nil {
		return err
	}
	root, err := os.MkdirTemp("", "sitectl-demo-mediawiki-")
	if err != nil {
		return err
	}
	err = packages.extract(ctx, root)
	if err == nil {
		// Left out are two links to Debian's own configuration, and the
		// extensions, which the folder extensions links to.
		err = copyTree(root, "usr/share/mediawiki", folder, []string{"LocalSettings.php", "config", "extensions-core"})
	}
	return errors.Join(err, os.RemoveAll(root))
}
