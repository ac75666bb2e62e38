package builder

import (
	"cmp"
	"context"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/moby/patternmatcher"
	"github.com/sitectl/sitectl/site"
	"github.com/tonistiigi/fsutil"
)

// auditVersion is part of every mark. It changes with the rules, so that
// layers are read again that passed by the old ones.
const auditVersion = "1"

// audited is an image to audit.
type audited struct {
	Config *v1.ConfigFile
	Layers []v1.Layer // from the base up
	// Marks are what earlier audits of any image said of layers, by digest.
	// A layer whose mark holds here, too, is not read.
	Marks map[v1.Hash]string
}

// verdict is what an audit came to.
type verdict struct {
	Findings []Finding             // what breaks a rule and no exception allows, sorted
	Unused   []site.AuditException // those that allow nothing which is in the image
	// Marks are to be kept with the layers for the next audit, by digest. A
	// layer in which something was found, allowed or not, has none: it is read
	// again, as the exception may be gone by then.
	Marks map[v1.Hash]string
}

// Finding is something in an image that breaks a rule.
type Finding struct {
	Rule string `json:"rule"` // its name, a DNS label such as "setuid"
	// Path is that of a file in the image, absolute. Without a Layer it is the
	// place in the image's configuration, such as "/config/Env/DB_PASSWORD".
	Path   string `json:"path"`
	Layer  string `json:"layer,omitempty"` // digest; empty for the image's configuration
	Reason string `json:"reason"`
}

func (f Finding) String() string {
	where := "in the image's configuration"
	if f.Layer != "" {
		where = "in layer " + shortDigest(f.Layer)
	}
	name := f.Path
	if quoted := strconv.Quote(name); quoted != `"`+name+`"` {
		name = quoted // a line break in a name is not one in the message
	}
	return fmt.Sprintf("%s: %s %s %s", f.Rule, name, where, f.Reason)
}

// shortDigest is as much of a digest as people compare.
func shortDigest(digest string) string {
	_, hex, _ := strings.Cut(digest, ":")
	return hex[:min(len(hex), 12)]
}

// AuditError says that an image is not fit to be shipped, and why.
type AuditError struct {
	Image    string // its reference
	Findings []Finding
}

// shownFindings is how many findings of a rule are worth reading: a whole
// tree with the wrong owner is one mistake. Findings has them all.
const shownFindings = 20

func (e *AuditError) Error() string {
	var out strings.Builder
	fmt.Fprintf(&out, "audit of %s: %d findings", e.Image, len(e.Findings))
	if len(e.Findings) == 1 {
		out.Reset()
		fmt.Fprintf(&out, "audit of %s: 1 finding", e.Image)
	}
	ofRule := map[string]int{}
	for _, finding := range e.Findings {
		ofRule[finding.Rule]++
	}
	shown := map[string]int{}
	for _, finding := range e.Findings {
		if shown[finding.Rule]++; shown[finding.Rule] <= shownFindings {
			out.WriteString("\n  " + finding.String())
		}
		if rest := ofRule[finding.Rule] - shownFindings; rest > 0 && shown[finding.Rule] == ofRule[finding.Rule] {
			fmt.Fprintf(&out, "\n  %s: and %d more", finding.Rule, rest)
		}
	}
	return out.String()
}

// Hint says what to do about it.
func (e *AuditError) Hint() string {
	hint := "keep it out of the image: by .dockerignore, or in the step that makes it; " +
		"what is right all the same goes into build.audit.allow, with rule, path and reason"
	if len(e.Findings) == 0 {
		return hint
	}
	return hint + fmt.Sprintf(", for example {rule: %s, path: %q, reason: ...}", e.Findings[0].Rule, e.Findings[0].Path)
}

// audit reads the layers of an image, one after the other in a stream, and
// returns what breaks the rules. The secrets must be nowhere in the image;
// those of fewer than eight bytes are not looked for, as they are anywhere by
// chance. A layer with a mark is not searched for secrets that are new since:
// whatever made it did not have them.
func audit(ctx context.Context, image audited, allow []site.AuditException, secrets [][]byte) (verdict, error) {
	exceptions, err := newExceptions(allow)
	if err != nil {
		return verdict{}, err
	}
	search := newSecretSearch(secrets)
	seen, err := inspect(ctx, image, search)
	if err == nil && seen.unread > 0 && (seen.uncertain || len(exceptions.left(seen.findings)) > 0) {
		// What was not read may hide or delete what was found.
		image.Marks = nil
		seen, err = inspect(ctx, image, search)
	}
	if err != nil {
		return verdict{}, err
	}
	all := append(configFindings(image.Config, search), seen.findings...)
	slices.SortFunc(all, compareFindings)
	findings := topmost(exceptions.left(all))
	for i := range findings {
		findings[i].Path = search.mask(findings[i].Path)
		findings[i].Reason = search.mask(findings[i].Reason)
	}
	return verdict{Findings: findings, Unused: exceptions.unused(all), Marks: seen.marks}, nil
}

func compareFindings(a, b Finding) int {
	return cmp.Or(
		cmp.Compare(a.Rule, b.Rule), fsutil.ComparePath(a.Path, b.Path),
		cmp.Compare(a.Layer, b.Layer), cmp.Compare(a.Reason, b.Reason),
	)
}

// topmost leaves of a folder that breaks a rule, with everything below it,
// only the folder.
func topmost(findings []Finding) []Finding {
	var kept []Finding
	tops := map[string]int{} // of kept, by rule and layer
	below := map[int]int{}
	for _, finding := range findings {
		if !slices.Contains(rulesOfTrees, finding.Rule) {
			kept = append(kept, finding)
			continue
		}
		key := finding.Rule
		if finding.Rule == ruleGit {
			key += finding.Layer // it is in each of them
		}
		if top, ok := tops[key]; ok && within(finding.Path, strings.TrimSuffix(kept[top].Path, "/")) {
			below[top]++
			continue
		}
		tops[key] = len(kept)
		kept = append(kept, finding)
	}
	for i, count := range below {
		kept[i].Reason += fmt.Sprintf(" (and %d more below it)", count)
	}
	return kept
}

// exceptions are what build.audit.allow lets pass.
type exceptions []exception

type exception struct {
	site.AuditException
	pattern *patternmatcher.PatternMatcher
}

func newExceptions(allow []site.AuditException) (exceptions, error) {
	var all exceptions
	for i, allowed := range allow {
		pattern, err := patternmatcher.New([]string{path.Clean(allowed.Path)})
		if err == nil {
			_, err = matches(pattern, "/")
		}
		if err != nil {
			return nil, fmt.Errorf("build.audit.allow[%d].path: %q: %w", i, allowed.Path, err)
		}
		all = append(all, exception{AuditException: allowed, pattern: pattern})
	}
	return all, nil
}

// matches tells whether a pattern is that of a path itself. Patterns of a
// .dockerignore also match what is below, unless the matcher is told that
// no folder above has matched: an exception is for single files.
func matches(pattern *patternmatcher.PatternMatcher, name string) (bool, error) {
	_, none, err := pattern.MatchesUsingParentResults("", patternmatcher.MatchInfo{})
	if err != nil {
		return false, err
	}
	matched, _, err := pattern.MatchesUsingParentResults(name, none)
	return matched, err
}

func (e exception) allows(finding Finding) bool {
	if e.Rule != finding.Rule {
		return false
	}
	matched, _ := matches(e.pattern, finding.Path) // was tried when it was read
	return matched
}

// left are the findings that no exception allows.
func (e exceptions) left(findings []Finding) []Finding {
	return slices.DeleteFunc(slices.Clone(findings), func(finding Finding) bool {
		return slices.ContainsFunc(e, func(one exception) bool { return one.allows(finding) })
	})
}

// unused are the exceptions that allow none of the findings.
func (e exceptions) unused(findings []Finding) []site.AuditException {
	var unused []site.AuditException
	for _, one := range e {
		if !slices.ContainsFunc(findings, one.allows) {
			unused = append(unused, one.AuditException)
		}
	}
	return unused
}
