package builder

import (
	"fmt"
	"strings"
)

// BuildError says why there is no image: the builder cannot be reached, or a
// step of the build failed.
type BuildError struct {
	Step string   // the step as the Dockerfile has it; empty if none had begun
	Log  []string // the last lines that the step printed
	File string   // of the commit, that the step is in; empty if it is in none
	Line int      // of File, from 1; 0 if it is not known
	Err  error
	hint string
}

func (e *BuildError) Error() string {
	if e.Step == "" {
		return e.Err.Error()
	}
	text := fmt.Sprintf("build step %q failed: %v", e.Step, e.Err)
	if len(e.Log) > 0 {
		text += "\n  " + strings.Join(e.Log, "\n  ")
	}
	return text
}

func (e *BuildError) Unwrap() error { return e.Err }

// Hint says what to do about it; empty if there is nothing to say.
func (e *BuildError) Hint() string { return e.hint }

// RegistryError says what a registry refused, or that it did not answer.
type RegistryError struct {
	Host  string // the registry, with its port
	User  string // who asked; empty without a login, or with a token
	Login string // where the login comes from, for example "docker config /root/.docker/config.json"; empty without one
	Doing string // "push to registry.example.com/agency/site"
	Err   error
	hint  string
	// unread tells that it is not known who asks.
	unread bool
}

func (e *RegistryError) Error() string {
	return fmt.Sprintf("%s%s: %v", e.Doing, e.who(), e.Err)
}

func (e *RegistryError) who() string {
	var who string
	switch {
	case e.unread:
		return ""
	case e.User != "":
		who = fmt.Sprintf(" as user %q", e.User)
	case e.Login != "":
		who = " with a token"
	default:
		return " without a login"
	}
	if e.Login != "" {
		who += " (from " + e.Login + ")"
	}
	return who
}

func (e *RegistryError) Unwrap() error { return e.Err }

// Hint says what to do about it; empty if there is nothing to say.
func (e *RegistryError) Hint() string { return e.hint }
