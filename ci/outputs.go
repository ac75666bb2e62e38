package ci

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
)

// Output is one value that later jobs and steps of a pipeline can use.
type Output struct{ Name, Value string }

// WriteStepOutputs adds outputs to the file that GitHub names in
// GITHUB_OUTPUT, by their names in lower case.
func WriteStepOutputs(path string, outputs []Output) error {
	return appendLines(path, outputs, strings.ToLower)
}

// WriteDotenv writes outputs as GitLab reads them from a report of the kind
// dotenv (https://docs.gitlab.com/ci/yaml/artifacts_reports/#artifactsreportsdotenv):
// SITECTL_ and their names in upper case.
func WriteDotenv(path string, outputs []Output) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("replace %s: %w", path, err)
	}
	return appendLines(path, outputs, func(name string) string { return "SITECTL_" + strings.ToUpper(name) })
}

// appendLines leaves out what is empty. A value with a line feed would be
// taken for several outputs.
func appendLines(path string, outputs []Output, named func(string) string) error {
	var lines strings.Builder
	for _, output := range outputs {
		if strings.ContainsAny(output.Value, "\r\n") {
			return fmt.Errorf("write %s: %s has a line feed", path, output.Name)
		}
		if output.Value != "" {
			fmt.Fprintf(&lines, "%s=%s\n", named(output.Name), output.Value)
		}
	}
	return appendTo(path, lines.String())
}

// Link is an address that the platform shows beside a job.
type Link struct{ Label, URL string }

// WriteAnnotations writes links as GitLab shows them on the page of the job,
// from a report of the kind annotations
// (https://docs.gitlab.com/ci/yaml/artifacts_reports/#artifactsreportsannotations).
func WriteAnnotations(path string, links []Link) error {
	type external struct {
		Label string `json:"label"`
		URL   string `json:"url"`
	}
	type annotation struct {
		ExternalLink external `json:"external_link"`
	}
	list := []annotation{}
	for _, link := range links {
		list = append(list, annotation{external(link)})
	}
	document, err := json.Marshal(map[string][]annotation{"sitectl": list})
	if err == nil {
		err = os.WriteFile(path, document, 0o644)
	}
	if err != nil {
		return fmt.Errorf("write annotations: %w", err)
	}
	return nil
}

func appendTo(path, text string) error {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	_, err = file.WriteString(text)
	return errors.Join(err, file.Close())
}
