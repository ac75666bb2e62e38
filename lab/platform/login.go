package platform

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"path/filepath"

	"golang.org/x/crypto/bcrypt"
)

const registryUser = "lab"

// createLogin generates the password of the private registry, once, and writes
// it in the two forms that are needed: the registry's htpasswd file, and the
// docker config that everything that pushes or pulls reads.
func createLogin(l layout) error {
	config := filepath.Join(l.dockerConfig(), "config.json")
	if exists(config) {
		return nil
	}
	password := rand.Text()
	// The registry compares it with every request, so it is hashed with the
	// lowest cost: the password is random and has 130 bits.
	hash, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)
	if err != nil {
		return fmt.Errorf("hash the registry's password: %w", err)
	}
	if err := writeFile(l.config("htpasswd"), fmt.Appendf(nil, "%s:%s\n", registryUser, hash), 0o600); err != nil {
		return fmt.Errorf("write the registry's users: %w", err)
	}
	login := map[string]any{"auths": map[string]any{registryAddress: map[string]string{
		"auth": base64.StdEncoding.EncodeToString([]byte(registryUser + ":" + password)),
	}}}
	content, err := json.MarshalIndent(login, "", "  ")
	if err != nil {
		return err
	}
	if err := writeFile(config, content, 0o600); err != nil {
		return fmt.Errorf("write the registry's login: %w", err)
	}
	return nil
}
