package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"
)

// lateFlags sets the flags that stand after an argument, where the library
// does not look for them, and returns the arguments without them. What stands
// after "--" is never a flag.
func lateFlags(c *cli.Context) ([]string, error) {
	var arguments []string
	words := c.Args().Slice()
	for len(words) > 0 {
		word := words[0]
		words = words[1:]
		if word == "--" {
			return append(arguments, words...), nil
		}
		name, value, given := strings.Cut(strings.TrimLeft(word, "-"), "=")
		if !strings.HasPrefix(word, "-") || name == "" {
			arguments = append(arguments, word)
			continue
		}
		flag := flagNamed(c.Command.Flags, name)
		if flag == nil {
			return nil, wrongUsage(c, fmt.Errorf("flag provided but not defined: %s", word), false)
		}
		if _, isSwitch := flag.(*cli.BoolFlag); !given && isSwitch {
			value = "true"
		} else if !given && len(words) == 0 {
			return nil, wrongUsage(c, fmt.Errorf("flag needs an argument: %s", word), false)
		} else if !given {
			value, words = words[0], words[1:]
		}
		if err := c.Set(flag.Names()[0], value); err != nil {
			return nil, wrongUsage(c, fmt.Errorf("invalid value %q for flag %s: %w", value, word, err), false)
		}
	}
	return arguments, nil
}

func flagNamed(flags []cli.Flag, name string) cli.Flag {
	for _, flag := range flags {
		if slices.Contains(flag.Names(), name) {
			return flag
		}
	}
	return nil
}
