package builder

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
)

// secretValues are the secrets of the build, as they might turn up in an
// image: each file as it is, and of the formats that Composer and npm have,
// the parts that are secret.
func (b *Builder) secretValues() ([][]byte, error) {
	var values [][]byte
	for _, secret := range b.options.Secrets {
		content, err := os.ReadFile(secret.File)
		if err != nil {
			return nil, &BuildError{Err: fmt.Errorf("read build secret %s: %w", secret.ID, err), hint: secretHint}
		}
		values = append(values, secretParts(content)...)
	}
	return values, nil
}

func secretParts(content []byte) [][]byte {
	var parsed map[string]any
	if json.Unmarshal(content, &parsed) == nil {
		return jsonSecrets("", parsed)
	}
	parts := [][]byte{bytes.TrimSpace(content)}
	for line := range bytes.Lines(content) {
		// .npmrc: "//registry.example.com/:_authToken=…"
		key, value, ok := bytes.Cut(bytes.TrimSpace(line), []byte("="))
		value = bytes.Trim(bytes.TrimSpace(value), `"'`)
		if ok && bytes.Contains(key, []byte("_")) && !bytes.HasPrefix(value, []byte("$")) {
			parts = append(parts, value)
		}
	}
	return parts
}

// jsonSecrets are the texts of auth.json that are no user names.
func jsonSecrets(key string, value any) [][]byte {
	var secrets [][]byte
	switch value := value.(type) {
	case map[string]any:
		for key, item := range value {
			secrets = append(secrets, jsonSecrets(key, item)...)
		}
	case []any:
		for _, item := range value {
			secrets = append(secrets, jsonSecrets(key, item)...)
		}
	case string:
		if key != "username" {
			secrets = append(secrets, []byte(value))
		}
	}
	return secrets
}
