package site

import (
	"fmt"
	"reflect"
	"strings"
	"unicode"
	"unicode/utf8"
)

// check looks for values of one resolved site that have the right type and
// are impossible all the same.
type check struct {
	site     Site
	places   places
	report   *report
	reported map[string]bool // paths with a problem; the first one says enough
}

// validate reports every impossible value.
func (r *resolution) validate(report *report) {
	c := &check{site: r.site, places: r.places, report: report, reported: map[string]bool{}}
	c.texts(reflect.ValueOf(r.site), "")
	c.identity()
	c.build()
	c.web()
	c.services()
	c.files()
	c.writable()
	c.secrets()
	c.migrate()
	c.cron()
	c.ingress()
	c.deploy()
	c.isolation()
	c.notify()
}

// problem reports what is wrong with one value; a second problem of the same
// value says nothing new.
func (c *check) problem(path, message, hint string) {
	if !c.reported[path] {
		c.reported[path] = true
		c.conflict(path, message, hint)
	}
}

// conflict reports values that are possible, but not with each other.
func (c *check) conflict(path, message, hint string) {
	if origin, key, ok := c.places.at(path); ok {
		c.report.add(Problem{Line: origin.Line, Column: origin.Column, Key: key, Message: message, Hint: hint})
	}
}

// expect reports a value that is not what it should be.
func (c *check) expect(ok bool, path, found, expected, hint string) {
	if ok {
		return
	}
	if found == "" {
		c.problem(path, "expected "+expected+", found nothing", hint)
		return
	}
	c.problem(path, fmt.Sprintf("expected %s, found %q", expected, shorten(found)), hint)
}

// unique reports values of a list that are in it twice.
func (c *check) unique(paths, values []string) {
	first := map[string]string{}
	for i, value := range values {
		if other, found := first[value]; found {
			c.problem(paths[i], fmt.Sprintf("%q is already at %s", shorten(value), other), "")
			continue
		}
		first[value] = paths[i]
	}
}

// indexed returns the paths of a list's items, or of a key of each item.
func indexed(path string, count int, key string) []string {
	paths := make([]string, count)
	for i := range paths {
		paths[i] = joinIndex(path, i) + key
	}
	return paths
}

// The longest texts: of a command's argument, what Linux takes (MAX_ARG_STRLEN);
// of anything else, far more than makes sense.
const (
	maxArgument = 128<<10 - 1
	maxText     = 1024
)

// texts checks what no text of a site may hold, whatever its key.
func (c *check) texts(v reflect.Value, path string) {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			c.texts(v.Elem(), path)
		}
	case reflect.Struct:
		for _, field := range fieldsOf(v.Type()) {
			if arguments, ok := v.Field(field.index).Interface().([]string); ok && field.name == "command" {
				c.arguments(arguments, join(path, field.name))
				continue
			}
			c.texts(v.Field(field.index), join(path, field.name))
		}
	case reflect.Slice:
		for i := range v.Len() {
			c.texts(v.Index(i), joinIndex(path, i))
		}
	case reflect.Map:
		for _, key := range v.MapKeys() {
			c.texts(v.MapIndex(key), join(path, key.String()))
		}
	case reflect.String:
		c.plainText(path, v.String())
	}
}

func (c *check) plainText(path, text string) {
	c.expect(len(text) <= maxText, path, text, fmt.Sprintf("at most %d bytes", maxText), "")
	c.expect(!strings.ContainsFunc(text, isControl), path, text, "text without line breaks and control characters", "")
}

// arguments checks a command, whose arguments may hold whole scripts.
func (c *check) arguments(arguments []string, path string) {
	for i, argument := range arguments {
		at := joinIndex(path, i)
		c.expect(len(argument) <= maxArgument, at, argument, fmt.Sprintf("at most %d bytes", maxArgument), "")
		c.expect(!strings.ContainsFunc(argument, isControlInScript), at, argument, "an argument without control characters", "")
	}
}

// isControl is true of control characters, of line breaks and of what YAML
// does not hold unless it is escaped.
func isControl(r rune) bool {
	switch r {
	case '\u2028', '\u2029', '\ufeff', '\ufffe', '\uffff', utf8.RuneError:
		return true
	default:
		return unicode.IsControl(r)
	}
}

// isControlInScript leaves out what a script is made of.
func isControlInScript(r rune) bool {
	return isControl(r) && r != '\n' && r != '\r' && r != '\t'
}
