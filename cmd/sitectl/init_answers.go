package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/sitectl/sitectl/builder"
	"github.com/sitectl/sitectl/ci"
	"github.com/sitectl/sitectl/site"
)

// answer is a value that nothing in the tree tells.
type answer struct {
	value string // empty if there is nothing to offer
	why   string
	sure  bool // it need not be asked for
}

// question asks for one.
type question struct {
	name  string // "the site's address"
	flag  string // "site"
	key   string // of the site file
	right func(string) bool
	like  string // an example
}

var (
	askAddress = question{name: "the site's address", flag: "site", key: "site", right: site.IsAddress, like: "example.com"}
	askImage   = question{name: "the repository for its images", flag: "image", key: "image", right: site.IsImage, like: "registry.example.com/agency/example-com"}
)

// answer finds out the address and the image: from the flags, from what there
// is, and from the person for the rest.
func (b *beginning) answer(o options) error {
	registries, err := builder.KnownRegistries("")
	if err != nil {
		return err
	}
	address := b.guessAddress(o.own.String("site"))
	image := guessImage(o.own.String("image"), b.source, address.value, registries, os.Getenv)
	yes := o.own.Bool("yes")
	if !yes && !(address.sure && image.sure) && terminalOf(o.stdin) == nil {
		return cannotAsk(address, image)
	}
	prompt := prompter{in: bufio.NewReader(o.stdin), out: o.stderr, silent: yes}
	if address, err = prompt.ask(askAddress, address); err != nil {
		return err
	}
	if !image.sure { // its last part follows from the address
		image = guessImage("", b.source, address.value, registries, os.Getenv)
	}
	if image, err = prompt.ask(askImage, image); err != nil {
		return err
	}
	b.address, b.image = address.value, image.value
	b.reasons = append([]site.Reason{
		{Key: askAddress.key, Value: address.value, Why: address.why},
		{Key: askImage.key, Value: image.value, Why: image.why},
	}, b.reasons...)
	if !address.sure {
		b.notes = append([]string{
			"The address " + address.value + " is a guess. Change site before the first ship: the namespace is called after it.",
		}, b.notes...)
	}
	return nil
}

// cannotAsk says what the flags have to say where nobody can be asked.
func cannotAsk(address, image answer) error {
	var names, flags, offers []string
	for _, open := range []struct {
		question
		answer
	}{{askAddress, address}, {askImage, image}} {
		if open.sure {
			continue
		}
		names = append(names, open.name)
		flags = append(flags, "--"+open.flag)
		if open.value != "" {
			offers = append(offers, open.flag+" "+open.value)
		}
	}
	hint := "pass " + strings.Join(flags, " and ")
	if len(offers) > 0 {
		hint += "; --yes takes " + strings.Join(offers, " and ")
	}
	return &usageError{
		message: "standard input is no terminal, so nobody can be asked for " + strings.Join(names, " and ") + "; nothing was written",
		hint:    hint,
	}
}

// prompter asks a person.
type prompter struct {
	in     *bufio.Reader
	out    io.Writer
	silent bool // nothing is asked: what would be offered is the answer
}

func (p prompter) ask(q question, offer answer) (answer, error) {
	if offer.sure {
		return offer, nil
	}
	if p.silent {
		if offer.value == "" {
			return offer, &usageError{
				message: q.name + " is not known, and nothing was written: there is no git remote at gitlab.com or github.com, no CI_REGISTRY_IMAGE or SITECTL_REGISTRY, and not exactly one registry that docker is logged in to",
				hint:    "pass --" + q.flag + ", for example --" + q.flag + " " + q.like,
			}
		}
		return offer, nil
	}
	for {
		text := strings.ToUpper(q.name[:1]) + q.name[1:]
		if offer.value != "" {
			text += " [" + offer.value + "]"
		}
		_, _ = fmt.Fprint(p.out, text+": ")
		line, err := p.in.ReadString('\n')
		typed := strings.TrimSpace(line)
		switch {
		case err != nil && !errors.Is(err, io.EOF):
			return offer, fmt.Errorf("read %s: %w", q.name, err)
		case typed == "" && offer.value != "" && err == nil:
			return answer{value: offer.value, why: offer.why + ", as agreed", sure: true}, nil
		case q.right(typed):
			return answer{value: typed, why: "as told", sure: true}, nil
		case err != nil:
			return offer, &usageError{message: q.name + " was not given, and nothing was written", hint: "pass --" + q.flag}
		}
		say(p.out, "  It is written like %s.", q.like)
	}
}

// hostLike matches a name that is most likely a host: it ends in a top-level
// domain.
var hostLike = regexp.MustCompile(`^[a-z0-9-]+(\.[a-z0-9-]+)*\.[a-z]{2,}$`)

// guessAddress takes the name of the repository or the folder, if that is one
// of a host.
func (b *beginning) guessAddress(flag string) answer {
	if flag != "" {
		return answer{value: flag, why: "as told", sure: true}
	}
	names := []struct{ name, why string }{
		{path.Base(b.source), "what the repository is called"},
		{filepath.Base(b.worktree.Dir), "what the folder is called"},
	}
	for _, n := range names {
		if name := strings.ToLower(n.name); hostLike.MatchString(name) && site.IsAddress(name) {
			return answer{value: name, why: n.why}
		}
	}
	name := names[0]
	if b.source == "" {
		name = names[1]
	}
	return answer{value: labelOf(name.name) + ".example.com", why: name.why + ", below example.com"}
}

// notInLabel matches what a DNS label cannot have.
var notInLabel = regexp.MustCompile(`[^a-z0-9]+`)

func labelOf(name string) string {
	label := strings.Trim(notInLabel.ReplaceAllString(strings.ToLower(name), "-"), "-")
	if label == "" || len(label) > 50 {
		return "site"
	}
	return label
}

// guessImage finds the repository for images: in a pipeline, by where the git
// repository is, or at the one registry that there is a login to.
func guessImage(flag, source, address string, registries []string, getenv func(string) string) answer {
	label := labelOf(address)
	switch {
	case flag != "":
		return answer{value: flag, why: "as told", sure: true}
	case getenv("CI_REGISTRY_IMAGE") != "":
		return answer{value: getenv("CI_REGISTRY_IMAGE"), why: "CI_REGISTRY_IMAGE", sure: true}
	case ci.ImageOf(source) != "":
		return answer{value: ci.ImageOf(source), why: "the git remote origin, " + source, sure: true}
	case getenv("SITECTL_REGISTRY") != "":
		return answer{value: strings.Trim(getenv("SITECTL_REGISTRY"), "/") + "/" + label, why: "SITECTL_REGISTRY"}
	case len(registries) == 1:
		return answer{value: registries[0] + "/" + label, why: "the one registry that docker is logged in to"}
	default:
		return answer{}
	}
}
