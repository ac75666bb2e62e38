package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/urfave/cli/v2"
)

// confirmFlag takes from the command line what a person would type.
func confirmFlag() cli.Flag {
	return &cli.StringFlag{Name: "confirm", Usage: "`WORD` that would have to be typed otherwise"}
}

// confirm lets a person type a word before something is done that cannot be
// undone. Without --confirm it asks; what cannot answer, as a CI job, has not
// agreed.
func (o options) confirm(consequence, word string) error {
	hint := "type it when asked, or pass --confirm " + word
	if typed := o.own.String("confirm"); typed != "" {
		return confirmed(typed, word, hint)
	}
	return o.ask(consequence, word, hint)
}

// ask has the word typed, whatever the flags say.
func (o options) ask(consequence, word, hint string) error {
	_, _ = fmt.Fprintf(o.stderr, "%s\nType %s to go on: ", consequence, word)
	line, err := bufio.NewReader(o.stdin).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("read the confirmation: %w", err)
	}
	return confirmed(strings.TrimSpace(line), word, hint)
}

func confirmed(typed, word, hint string) error {
	if typed == word {
		return nil
	}
	return &usageError{message: fmt.Sprintf("not confirmed: %q was expected, and nothing was touched", word), hint: hint}
}
