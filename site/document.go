package site

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// maxFileSize is far above any real site file and far below what would make
// the YAML parser slow.
const maxFileSize = 1 << 20

// parseDocument returns the root of the one document in data, or nil and a
// problem.
func parseDocument(data []byte, report *report) *yaml.Node {
	if len(data) > maxFileSize {
		report.add(Problem{Message: fmt.Sprintf("the file is larger than %d KiB", maxFileSize>>10)})
		return nil
	}
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	var document, second yaml.Node
	switch err := decoder.Decode(&document); {
	case errors.Is(err, io.EOF) || err == nil && isEmptyDocument(&document):
		report.add(Problem{Line: 1, Column: 1, Message: "the file is empty", Hint: "it needs at least site and image"})
		return nil
	case err != nil:
		report.add(syntaxProblem(err, data))
		return nil
	}
	switch err := decoder.Decode(&second); {
	case err == nil:
		report.add(Problem{Line: second.Line, Column: second.Column, Message: "expected one YAML document, found a second one"})
	case !errors.Is(err, io.EOF):
		report.add(syntaxProblem(err, data))
	}
	return document.Content[0]
}

func isEmptyDocument(document *yaml.Node) bool {
	return len(document.Content) == 0 || isNull(document.Content[0])
}

// syntaxError matches how the YAML library words its errors.
var syntaxError = regexp.MustCompile(`^(?:yaml: )?(?:line (\d+): )?(.*)$`)

// parserError matches the errors whose lines the library counts from 0. Those
// of its scanner, most others, count from 1.
var parserError = regexp.MustCompile(`^did not find expected (<document start>|node content|'-' indicator|key$|',' or)`)

// unknownAnchor matches an error that comes without a line.
var unknownAnchor = regexp.MustCompile(`^unknown anchor '(.+)' referenced`)

// syntaxProblem turns an error of the YAML library into a problem. The
// library stops at the first one and knows at most its line.
func syntaxProblem(err error, data []byte) Problem {
	text, _, _ := strings.Cut(err.Error(), "\n")
	match := syntaxError.FindStringSubmatch(text)
	line, message := 0, match[2]
	switch anchor := unknownAnchor.FindStringSubmatch(message); {
	case match[1] == "" && anchor != nil:
		line = lineAt(data, bytes.Index(data, []byte("*"+anchor[1])))
	case match[1] == "":
		line = lineAt(data, bytes.IndexFunc(data, isControlInScript))
	default:
		line, _ = strconv.Atoi(match[1])
	}
	if match[1] != "" && parserError.MatchString(message) {
		line++
	}
	return Problem{Line: line, Message: "not valid YAML: " + printable(message)}
}

// lineAt returns the line of an offset; the first one if there is none, for
// that is the line whose number the library leaves out.
func lineAt(data []byte, offset int) int {
	return 1 + bytes.Count(data[:max(0, offset)], []byte("\n"))
}
