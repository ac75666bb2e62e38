// Package templates holds everything sitectl renders, as Mustache, and
// renders it with the quoting of the language at hand. The report, a page for
// people, is a template of html/template, and rendered by those who fill it.
//
// In a template {{name}} writes one complete, quoted value: the template
// itself puts no quotes around it, so none can be forgotten. {{{name}}}
// writes a number or a boolean as it is and must not be used for text.
package templates

import (
	"embed"
	"encoding/json"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"strings"
	"unicode"

	"github.com/cbroglie/mustache"
)

//go:embed build ci config drupal kubernetes mediawiki notify report wordpress
var files embed.FS

// strict makes a variable that the view lacks an error instead of nothing.
// The library offers this as a package variable only.
var _ = func() struct{} { mustache.AllowMissingVariables = false; return struct{}{} }()

// Own are templates that take the place of those here: their texts by the
// names of the files, for example "kubernetes/web.deployment.yaml.mustache".
type Own map[string]string

// Render renders the template of that name, for example
// "kubernetes/web.deployment.yaml" from the file
// kubernetes/web.deployment.yaml.mustache. The language, and with it the
// quoting, follows from the name. A value that the language cannot hold, a
// variable that the view lacks and an unknown partial are errors.
func Render(name string, view any) (string, error) { return Own(nil).Render(name, view) }

// Render renders as the function of that name does.
func (o Own) Render(name string, view any) (string, error) {
	quote, err := quoting(name)
	if err != nil {
		return "", err
	}
	text, err := o.source(name)
	if err != nil {
		return "", err
	}
	template, err := mustache.ParseStringPartials(text, noPartials{})
	if err != nil {
		return "", fmt.Errorf("parse template %s: %w", name, err)
	}
	var unquotable error
	template.Escape(func(value string) string {
		quoted, err := quote(value)
		if err != nil && unquotable == nil {
			unquotable = err
		}
		return quoted
	})
	out, err := template.Render(view)
	if err == nil {
		err = unquotable
	}
	if err != nil {
		return "", fmt.Errorf("render template %s: %w", name, err)
	}
	return out, nil
}

// Names lists the templates of a folder, sorted.
func Names(folder string) ([]string, error) {
	matches, err := fs.Glob(files, folder+"/*.mustache")
	if err != nil {
		return nil, err
	}
	for i, match := range matches {
		matches[i] = strings.TrimSuffix(match, ".mustache")
	}
	return matches, nil
}

// Walk calls fn for every file, in the order of their names.
func Walk(fn func(name string, content []byte) error) error {
	return fs.WalkDir(files, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := files.ReadFile(name)
		if err != nil {
			return err
		}
		return fn(name, content)
	})
}

// Static returns a file that is used as it is, without rendering.
func Static(name string) ([]byte, error) { return files.ReadFile(name) }

// partialTag matches a partial on a line of its own, the only form in use.
var partialTag = regexp.MustCompile(`(?m)^([ \t]*)\{\{> *([a-z.-]+) *\}\}[ \t]*\n`)

// source reads a template and puts its partials in place, indented like the
// tag. The library would render a partial with its default quoting, HTML.
func (o Own) source(name string) (string, error) {
	text, own := o[name+".mustache"]
	if !own {
		content, err := files.ReadFile(name + ".mustache")
		if err != nil {
			return "", fmt.Errorf("read template: %w", err)
		}
		text = string(content)
	}
	var missing error
	expanded := partialTag.ReplaceAllStringFunc(text, func(tag string) string {
		match := partialTag.FindStringSubmatch(tag)
		partial, err := o.source(path.Join(path.Dir(name), "partials", match[2]))
		if err != nil {
			missing = fmt.Errorf("template %s: %w", name, err)
		}
		return indent(partial, match[1])
	})
	return expanded, missing
}

func indent(text, by string) string {
	var out strings.Builder
	for line := range strings.Lines(text) {
		if strings.TrimSpace(line) != "" {
			out.WriteString(by)
		}
		out.WriteString(line)
	}
	return out.String()
}

type noPartials struct{}

func (noPartials) Get(name string) (string, error) {
	return "", fmt.Errorf("partial %q must stand on a line of its own", name)
}

// quoting returns how the language of a template writes a string.
func quoting(name string) (func(string) (string, error), error) {
	switch extension := path.Ext(name); {
	case extension == ".yaml" || extension == ".toml" || extension == ".json":
		return quoteJSON, nil // it is a subset of YAML 1.2, and its strings are TOML's
	case path.Base(name) == "Dockerfile":
		return quoteDockerfile, nil
	case extension == ".conf" || extension == ".ini" || extension == ".vcl":
		return quotePlain, nil
	case extension == ".md":
		return quoteMarkdown, nil
	default:
		return nil, fmt.Errorf("template %s: no quoting is known for %q", name, extension)
	}
}

// quoteJSON quotes a value for YAML. JSON lets characters stand that YAML
// does not (section 5.1 of its specification), or takes for line breaks;
// they are escaped.
func quoteJSON(value string) (string, error) {
	var quoted strings.Builder
	encoder := json.NewEncoder(&quoted)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		return "", err
	}
	var out strings.Builder
	for _, r := range strings.TrimSuffix(quoted.String(), "\n") {
		if r < 0x7f || unicode.IsPrint(r) || r > 0xffff {
			out.WriteRune(r)
		} else {
			fmt.Fprintf(&out, `\u%04x`, r)
		}
	}
	return out.String(), nil
}

// quoteDockerfile quotes a value of ENV, LABEL, ARG or COPY. Inside double
// quotes the Dockerfile language knows the escapes \" \\ and \$ only.
func quoteDockerfile(value string) (string, error) {
	if strings.ContainsFunc(value, isControl) {
		return "", fmt.Errorf("value %q has a control character", value)
	}
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, `$`, `\$`).Replace(value) + `"`, nil
}

// quotePlain serves languages in which no escape is safe everywhere (Apache
// and PHP expand ${…} inside quotes, VCL has no escapes at all), so a value
// that would need one is refused.
func quotePlain(value string) (string, error) {
	if strings.ContainsFunc(value, isControl) || strings.ContainsAny(value, `"\`) || strings.Contains(value, "${") {
		return "", fmt.Errorf(`value %q has a quote, a backslash, "${" or a control character`, value)
	}
	return `"` + value + `"`, nil
}

// quoteMarkdown makes text of a value: every character that may have a meaning
// is escaped, as section 2.4 of CommonMark allows, "<", "&" and line breaks as
// HTML, so that a value can stand in a table and in the middle of a quote.
func quoteMarkdown(value string) (string, error) {
	var out strings.Builder
	for _, r := range value {
		switch {
		case r == '\n':
			out.WriteString("<br>")
		case r == '<':
			out.WriteString("&lt;")
		case r == '&':
			out.WriteString("&amp;")
		case isControl(r):
		case r < 0x7f && (unicode.IsPunct(r) || unicode.IsSymbol(r)):
			out.WriteRune('\\')
			fallthrough
		default:
			out.WriteRune(r)
		}
	}
	return out.String(), nil
}

func isControl(r rune) bool { return r < 0x20 || r == 0x7f }
