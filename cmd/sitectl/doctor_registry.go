package main

import (
	"cmp"
	"context"
	"fmt"

	"github.com/sitectl/sitectl/builder"
)

func (d *doctor) builderChecks() []*examined {
	return grouped("builder", statusBuild, &examined{
		name: "builder", look: d.lookAtBuilder, mend: "name a running BuildKit with --builder or BUILDKIT_HOST",
	})
}

// lookAtBuilder needs no site file: which builder there is does not depend on
// it.
func (d *doctor) lookAtBuilder(ctx context.Context) []diagnosis {
	options := d.builderFor("")
	options.Login = builder.Login{} // which is for the registry of the site
	b, err := builder.New(options)
	if err != nil {
		return wrong("builder", err)
	}
	found, err := b.FindBuilder(ctx)
	if err != nil {
		return wrong("builder", err)
	}
	version := ""
	if found.Version != "" {
		version = ", " + found.Version
	}
	return fine("builder: %s%s, because %s", found.Name, version, found.Why)
}

func (d *doctor) registryChecks() []*examined {
	const mend = "docker login and docker push, to the same registry, find out more"
	return grouped(
		"registry", statusRegistry,
		&examined{name: "login", needs: []string{"site file"}, look: d.lookAtLogin, mend: mend},
		&examined{name: "push", needs: []string{"login"}, look: d.lookAtPush, mend: mend},
		&examined{name: "pull", needs: []string{"login"}, look: d.lookAtPull, mend: mend},
		&examined{name: "base image", needs: []string{"login"}, look: d.lookAtBase, mend: "set build.base to an image that is there"},
		&examined{name: "runtime image", needs: []string{"base image"}, look: d.lookAtRuntime, mend: mend},
		&examined{name: "Node.js image", needs: []string{"login"}, look: d.lookAtNode, mend: "set build.frontend.image to an image that is there"},
	)
}

func (d *doctor) lookAtLogin(context.Context) []diagnosis {
	b, err := builder.New(d.builderFor(d.site.Image))
	if err != nil {
		return wrong("login", err)
	}
	login, err := b.FindLogin(d.site.Image)
	if err != nil {
		return wrong("login", err)
	}
	d.builder, d.login = b, login
	if login.Source == "" {
		return fine("login: none for %s, which is asked as nobody", login.Host)
	}
	who := "a token"
	if login.User != "" {
		who = fmt.Sprintf("user %q", login.User)
	}
	what := fmt.Sprintf("login: %s at %s, from %s", who, login.Host, login.Source)
	return d.judgeExpiry(what, login.Expires, login.Job, "docker login "+login.Host)
}

func (d *doctor) lookAtPush(ctx context.Context) []diagnosis {
	if err := d.builder.CheckPush(ctx, d.site.Image); err != nil {
		return d.wrongAtRegistry("push", err)
	}
	return fine("push: %s takes one", d.site.Image)
}

// wrongAtRegistry is wrong for the registry of the site: a failure that says
// nothing else is most often a wrong address.
func (d *doctor) wrongAtRegistry(name string, err error) []diagnosis {
	list := wrong(name, err)
	for i := range list {
		list[i].Mend = cmp.Or(list[i].Mend, "is "+d.login.Host+" right in the key image of site.yaml, and reachable from here?")
	}
	return list
}

// lookAtPull looks at the login that the cluster gets.
func (d *doctor) lookAtPull(context.Context) []diagnosis {
	if d.site.Deploy != nil {
		return nil // the pods have what they have
	}
	if _, err := d.builder.PullConfig(d.site); err != nil {
		return wrong("pull", err)
	}
	if text := d.builder.PullWarning(d.site); text != "" {
		return warning("make a deploy token named gitlab-deploy-token, or name a lasting login with --registry-user", "pull: %s", text)
	}
	if d.login.Source == "" {
		return fine("pull: the cluster gets no login")
	}
	return fine("pull: the cluster gets a login that does not end with a CI job")
}

func (d *doctor) lookAtBase(ctx context.Context) []diagnosis {
	if d.site.Build.Dockerfile != "" {
		return nil // its own says what it stands on
	}
	digest, err := d.builder.Resolve(ctx, d.site.Build.Base)
	if err != nil {
		return wrong("base image", err)
	}
	return fine("base image: %s is %s now", d.site.Build.Base, digest)
}

// lookAtRuntime looks for the image with Apache and PHP. While there is none,
// the builder has to be able to push it.
func (d *doctor) lookAtRuntime(ctx context.Context) []diagnosis {
	if d.site.Build.Dockerfile != "" {
		return nil
	}
	reference, found, err := d.builder.FindRuntime(ctx, d.site)
	if err == nil && !found {
		err = d.builder.CheckPush(ctx, d.site.Build.Runtime)
	}
	switch {
	case err != nil:
		return d.wrongAtRegistry("runtime image", err)
	case found:
		return fine("runtime image: %s", reference)
	default:
		return fine("runtime image: not built yet: the next build pushes %s", reference)
	}
}

func (d *doctor) lookAtNode(ctx context.Context) []diagnosis {
	if d.site.Build.Frontend == nil || d.site.Build.Dockerfile != "" {
		return nil
	}
	digest, err := d.builder.Resolve(ctx, d.site.Build.Frontend.Image)
	if err != nil {
		return wrong("Node.js image", err)
	}
	return fine("Node.js image: %s is %s now", d.site.Build.Frontend.Image, digest)
}
