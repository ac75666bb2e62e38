package builder

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// configFindings is what is wrong with an image's configuration. A path in it
// is a JSON pointer (RFC 6901), but for variables, which are called by name.
func configFindings(config *v1.ConfigFile, search *secretSearch) []Finding {
	var findings []Finding
	if _, reason := userOf(config); reason != "" {
		findings = append(findings, Finding{Rule: ruleUser, Path: "/config/User", Reason: reason})
	}
	findings = append(findings, environment(config)...)
	findings = append(findings, buildArguments(config)...)
	return append(findings, configSecrets(config, search)...)
}

// userOf returns the user that containers run as, and what is wrong with it.
// What root may write is no question, so root is as good as unknown.
func userOf(config *v1.ConfigFile) (account, string) {
	nobody := account{uid: unknown, gid: unknown}
	user, group, hasGroup := strings.Cut(config.Config.User, ":")
	uid, err := strconv.ParseUint(user, 10, 31)
	switch {
	case user == "":
		return nobody, "names no user: containers would run as root"
	case err != nil:
		return nobody, fmt.Sprintf("has the user %q, but whether a name is root's is not known to Kubernetes: it takes a number", user)
	case uid == 0:
		return nobody, "has the user root"
	case !hasGroup:
		return account{uid: uint32(uid)}, "names no group: the runtime would take root's, unless /etc/passwd has another"
	}
	gid, err := strconv.ParseUint(group, 10, 31)
	switch {
	case err != nil:
		return account{uid: uint32(uid), gid: unknown}, fmt.Sprintf("has the group %q instead of a number", group)
	case gid == 0:
		return account{uid: uint32(uid)}, "has root's group"
	}
	return account{uid: uint32(uid), gid: uint32(gid)}, ""
}

// credentialName is how variables with a password or a token in them are
// called. One with _FILE behind it has a path.
var credentialName = regexp.MustCompile(`(?i)(^|_)(PASSWORD|PASSWD|PASSPHRASE|PASS|PWD|SECRET|TOKEN|CREDENTIALS?|AUTH|SALT|` +
	`(API|APP|ACCESS|AUTH|ENCRYPTION|LOGGED_IN|MASTER|NONCE|PRIVATE|SECRET|SIGNING)_?KEY)$`)

// urlPassword is a password in a URL.
var urlPassword = regexp.MustCompile(`://[^/\s:@]*:[^/\s@$]+@`)

// noCredential are values that say where the credential is, or whether there
// is one.
var noCredential = regexp.MustCompile(`(?i)^(/.*|\$.*|true|false|yes|no|on|off|none|null|[01])?$`)

func isCredential(name, value string) bool {
	return credentialName.MatchString(name) && !noCredential.MatchString(value) || urlPassword.MatchString(value)
}

// environment: every process has the variables of the image, phpinfo() prints
// them, and whoever may pull the image may read them.
func environment(config *v1.ConfigFile) []Finding {
	var findings []Finding
	for _, variable := range config.Config.Env {
		name, value, _ := strings.Cut(variable, "=")
		if isCredential(name, value) {
			findings = append(findings, Finding{
				Rule: ruleEnvironment, Path: "/config/Env/" + name,
				Reason: "is a variable that looks like a password or a token; mount it as a file instead",
			})
		}
	}
	return findings
}

var (
	// runArguments is what BuildKit writes of a RUN that build arguments were
	// given to: "RUN |2 A=1 B=2 /bin/sh -c make".
	runArguments = regexp.MustCompile(`^RUN \|[0-9]+ (.*?)(?: /bin/[a-z]*sh .*)?$`)
	// setArguments are instructions that set arguments and variables, of which
	// a later one may have replaced the value.
	setArguments = regexp.MustCompile(`^(?:/bin/sh -c #\(nop\)\s+)?(?:ARG|ENV) (.*)$`)
	assignment   = regexp.MustCompile(`([A-Za-z_][A-Za-z0-9_]*)=(\S*)`)
)

// buildArguments: the history of an image has their values, and those of
// variables.
func buildArguments(config *v1.ConfigFile) []Finding {
	var findings []Finding
	for i, step := range config.History {
		for _, form := range []*regexp.Regexp{runArguments, setArguments} {
			found := form.FindStringSubmatch(step.CreatedBy)
			if found == nil {
				continue
			}
			for _, argument := range assignment.FindAllStringSubmatch(found[1], -1) {
				if isCredential(argument[1], argument[2]) {
					findings = append(findings, Finding{
						Rule: ruleEnvironment, Path: fmt.Sprintf("/history/%d/created_by", i),
						Reason: fmt.Sprintf("has a value for %s; give it to the build as a secret instead", argument[1]),
					})
				}
			}
		}
	}
	return findings
}

// configSecrets looks for secrets anywhere in the configuration.
func configSecrets(config *v1.ConfigFile, search *secretSearch) []Finding {
	var tree any
	// What was read as JSON can be written as JSON.
	if text, err := json.Marshal(config); err != nil || json.Unmarshal(text, &tree) != nil {
		return []Finding{{Rule: ruleSecret, Path: "/", Reason: "cannot be read"}}
	}
	var findings []Finding
	strings := map[string]string{}
	pointers(tree, "", strings)
	for _, at := range slices.Sorted(maps.Keys(strings)) {
		if search.inText(at) || search.inText(strings[at]) {
			findings = append(findings, Finding{Rule: ruleSecret, Path: at, Reason: "has a secret of the build in it"})
		}
	}
	return findings
}

// pointers collects the strings of a JSON value by their place.
func pointers(value any, at string, into map[string]string) {
	switch value := value.(type) {
	case string:
		into[at] = value
	case []any:
		for i, element := range value {
			pointers(element, at+"/"+strconv.Itoa(i), into)
		}
	case map[string]any:
		for key, element := range value {
			pointers(element, at+"/"+key, into)
		}
	}
}
