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
	typed := o.own.String("confirm")
	if typed == "" {
		_, _ = fmt.Fprintf(o.stderr, "%s\nType %s to go on: ", consequence, word)
		line, err := bufio.NewReader(o.stdin).ReadString('\n')
		if err != nil && !errors.Is(err, io.EOF) {
			return fmt.Errorf("read the confirmation: %w", err)
		}
		typed = strings.TrimSpace(line)
	}
	if typed != word {
		return &usageError{
			message: fmt.Sprintf("not confirmed: %q was expected, and nothing was touched", word),
			hint:    "type it when asked, or pass --confirm " + word,
		}
	}
	return nil
}
