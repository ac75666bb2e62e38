package images

import (
	"os"
	"path/filepath"
)

// hostCertificates is where Debian keeps the certificates that are trusted on
// a machine, without the leading slash.
const hostCertificates = "etc/ssl/certs/ca-certificates.crt"

// addCertificates copies a file of trusted certificates of this machine into a
// folder: an empty one if there is none.
func addCertificates(name, folder string) error {
	if name == "" {
		return nil
	}
	content, err := os.ReadFile("/" + name)
	if err != nil && !os.IsNotExist(err) {
		return err
	}
	target := filepath.Join(folder, name)
	if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
		return err
	}
	return os.WriteFile(target, content, 0o644)
}
