package site

import "fmt"

// validateTogether reports environments that would overwrite each other: two
// in one namespace, or two that answer for one host. Those of different
// contexts are taken to be in different clusters.
func validateTogether(resolutions []*resolution, report *report) {
	claims := claims{}
	for _, r := range resolutions {
		claims.take(r, report, "namespace", "namespace", r.site.Namespace, "run in the namespace")
		if r.site.Ingress == nil {
			continue
		}
		for i, host := range r.site.Ingress.Hosts {
			claims.take(r, report, joinIndex("ingress.hosts", i), "ingress.hosts", host, "answer for")
		}
		for i, redirect := range r.site.Ingress.Redirects {
			claims.take(r, report, joinIndex("ingress.redirects", i)+".from", "ingress.redirects", redirect.From, "answer for")
		}
	}
}

// claim is a name that only one environment can have.
type claim struct {
	context, verb, name string
}

// claims holds the environment that has a name.
type claims map[claim]string

// take claims a name for an environment, or reports at a path of it that an
// earlier one has the name.
func (cs claims) take(r *resolution, report *report, path, key, name, verb string) {
	claim := claim{r.site.Context, verb, name}
	earlier, taken := cs[claim]
	if !taken {
		cs[claim] = r.environment
		return
	}
	if origin, at, ok := r.places.at(path); ok && earlier != r.environment {
		report.add(Problem{
			Line: origin.Line, Column: origin.Column, Key: at,
			Message: fmt.Sprintf("%s and %s would both %s %q", earlier, r.environment, verb, shorten(name)),
			Hint:    fmt.Sprintf("set %s for each environment", key),
		})
	}
}
