package ci_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/sitectl/sitectl/ci"
)

func TestHidden(t *testing.T) {
	var none *ci.Hidden
	assert.Equal(t, "text", none.In("text"))

	var announced strings.Builder
	hidden := &ci.Hidden{}
	hidden.Announce(&announced)
	assert.Equal(t, "text", hidden.In("text"))
	hidden.Add("") // of a key that is not there
	hidden.Add("short")
	hidden.Add("not-a-password")
	hidden.Add("not-a-password-either")
	hidden.Add("not-a-password")
	hidden.Add("first line\r\nsecond: 100%\n\n")
	assert.Equal(t, "a short one, ***, *** and ***, ***", hidden.In("a short one, not-a-password, not-a-password-either and second: 100%, first line"))
	assert.Equal(t, "::add-mask::not-a-password\n::add-mask::not-a-password-either\n::add-mask::first line\n::add-mask::second: 100%25\n", announced.String())
}

func TestLogHidesInAllThatItPrintsAndTells(t *testing.T) {
	hidden := &ci.Hidden{}
	hidden.Add("not-a-password")
	var out, told strings.Builder
	log := &ci.Log{Platform: ci.Plain, Out: &out, Now: clock(), Hidden: hidden, Tell: func(e ci.Entry) { told.WriteString(e.Text + "\n") }}
	log.Line("with not-a-password")
	log.Skipped("build", "it has not-a-password")
	_, err := fmt.Fprint(log.Quote(), "PDO->__construct('mysql', 'site', 'not-a-pass")
	require.NoError(t, err)
	_, err = fmt.Fprint(log.Quote(), "PDO->__construct('mysql', 'site', 'not-a-password')\n")
	require.NoError(t, err)
	for _, text := range []string{out.String(), told.String()} {
		assert.NotContains(t, text, "not-a-pass")
		assert.Equal(t, 3, strings.Count(text, "***"))
	}
}
