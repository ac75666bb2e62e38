package builder

import (
	"encoding/base64"
	"encoding/json"
	"errors"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/sitectl/sitectl/site"
)

// PullConfig returns a docker config with the login of the site's registry and
// no other, for the cluster to pull with. Without a login it has none. The
// login of a GitLab CI job ends with the job: the cluster gets the deploy token
// of the project instead, if there is one.
func (b *Builder) PullConfig(s site.Site) ([]byte, error) {
	repo, err := b.repository(s.Image)
	if err != nil {
		return nil, err
	}
	type entry struct {
		Auth string `json:"auth"`
	}
	logins := map[string]entry{}
	login := b.credentials.lasting(repo.name.RegistryStr(), repo.login)
	switch {
	case login.Username != "" && login.Password != "":
		pair := login.Username + ":" + login.Password
		logins[loginKey(repo.name)] = entry{Auth: base64.StdEncoding.EncodeToString([]byte(pair))}
	case login.IdentityToken != "" || login.RegistryToken != "":
		// A kubelet knows user and password only (credentialprovider.DockerConfigEntry).
		failed := repo.refused("let the cluster pull from "+repo.name.String(),
			errors.New("there is a token for it, but a cluster needs a user and a password"))
		failed.hint = "docker login " + repo.name.RegistryStr() + " --username USER, with a password or access token that may read"
		return nil, failed
	}
	return json.Marshal(map[string]any{"auths": logins})
}

// PullWarning says that the cluster will not be able to pull for long, and
// what to do about it. It is empty if there is nothing to say.
func (b *Builder) PullWarning(s site.Site) string {
	repo, err := b.repository(s.Image)
	if err != nil || !b.credentials.lasting(repo.name.RegistryStr(), repo.login).job {
		return ""
	}
	return "the cluster pulls with the login of this CI job (" + repo.login.source + "), which ends with the job: a pod that is moved to " +
		"another node later cannot start. Give it one that lasts: in GitLab, a deploy token of the project named " +
		"gitlab-deploy-token; elsewhere, --registry-user"
}

// lasting returns a login for the same registry that does not end with the CI
// job, if there is one: GitLab gives jobs the project's deploy token of a
// certain name (https://docs.gitlab.com/user/project/deploy_tokens/).
func (c *credentials) lasting(host string, found login) login {
	if !found.job || host != registryHost(c.getenv("CI_REGISTRY")) {
		return found
	}
	if deploy := c.fromVariables("CI_DEPLOY_USER", "CI_DEPLOY_PASSWORD"); deploy.source != "" {
		deploy.job = false
		return deploy
	}
	return found
}

// loginKey is how a docker config names a registry: by its host, except for
// Docker Hub, which kept its first address.
func loginKey(repo name.Repository) string {
	if repo.RegistryStr() == name.DefaultRegistry {
		return authn.DefaultAuthKey
	}
	return repo.RegistryStr()
}
