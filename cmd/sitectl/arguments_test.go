package main

import (
	"context"
	"io"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/urfave/cli/v2"
)

// runPage runs a command with a page of its own and returns its options.
func runPage(t *testing.T, p page, arguments ...string) (options, error) {
	t.Helper()
	var got options
	p.name = "try"
	app := newApp(io.Discard, io.Discard)
	app.Commands = []*cli.Command{p.command(func(_ context.Context, o options) error {
		got = o
		return nil
	})}
	err := app.RunContext(t.Context(), append([]string{"sitectl", "try"}, arguments...))
	return got, err
}

func TestFlagsAfterArguments(t *testing.T) {
	p := page{
		arguments: "NAME",
		own:       []cli.Flag{&cli.StringFlag{Name: "word", Aliases: []string{"w"}}, &cli.BoolFlag{Name: "switch"}, &cli.IntFlag{Name: "number"}},
		flags:     []string{"output"},
	}
	o, err := runPage(t, p, "--word", "before", "name", "--switch", "-w", "after", "--output=json", "-", "--", "--number")
	require.NoError(t, err)
	assert.Equal(t, []string{"name", "-", "--number"}, o.arguments)
	assert.Equal(t, "after", o.own.String("word"))
	assert.True(t, o.own.Bool("switch"))
	assert.Equal(t, "json", o.output)

	for message, arguments := range map[string][]string{
		"unknown flag --nope":            {"name", "--nope"},
		"flag needs an argument: --word": {"name", "--word"},
		`--number cannot be "x"`:         {"name", "--number", "x"},
	} {
		_, err := runPage(t, p, arguments...)
		var usage *usageError
		require.ErrorAs(t, err, &usage, message)
		assert.Contains(t, usage.message, message)
	}
}

// The command that a command runs has flags of its own.
func TestFlagsOfACommandStay(t *testing.T) {
	p := page{arguments: "COMMAND", verbatim: true, own: []cli.Flag{&cli.BoolFlag{Name: "switch"}}}
	for _, arguments := range [][]string{
		{"--switch", "drush", "status", "--switch=no", "--", "-x"},
		{"--switch", "--", "drush", "status", "--switch=no", "--", "-x"},
	} {
		o, err := runPage(t, p, arguments...)
		require.NoError(t, err)
		assert.True(t, o.own.Bool("switch"))
		assert.Equal(t, []string{"drush", "status", "--switch=no", "--", "-x"}, o.arguments)
	}
}
