package main

import (
	"bytes"
	"flag"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/urfave/cli/v2"
)

func TestConfirm(t *testing.T) {
	for name, test := range map[string]struct {
		flag, typed string
		confirmed   bool
	}{
		"typed":            {"", "example.com\n", true},
		"without line end": {"", "example.com", true},
		"by flag":          {"example.com", "", true},
		"something else":   {"", "yes\n", false},
		"another flag":     {"other.example.com", "example.com\n", false},
		"no answer":        {"", "", false},
	} {
		t.Run(name, func(t *testing.T) {
			var stderr bytes.Buffer
			set := flag.NewFlagSet("", flag.ContinueOnError)
			set.String("confirm", test.flag, "")
			o := options{own: cli.NewContext(nil, set, nil), stdin: strings.NewReader(test.typed), stderr: &stderr}
			err := o.confirm("All data goes.", "example.com")
			if test.confirmed {
				require.NoError(t, err)
				return
			}
			var usage *usageError
			require.ErrorAs(t, err, &usage)
			assert.Contains(t, err.Error(), "nothing was touched")
		})
	}
}
