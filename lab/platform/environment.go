package platform

// Variable is a variable of the environment.
type Variable struct{ Name, Value string }

// Environment is what others need to use the lab: the names are those that
// kubectl, buildctl, docker and sitectl's tests look for.
func (lab *Lab) Environment() []Variable {
	l := lab.layout
	return []Variable{
		{"KUBECONFIG", l.kubeconfig("admin")},
		{"BUILDKIT_HOST", "unix://" + l.buildkitSocket()},
		{"DOCKER_CONFIG", l.dockerConfig()},
		{"SITECTL_REGISTRY", registryAddress},
		{"SITECTL_REGISTRY_CA", l.certificate("ca")},
		{"SITECTL_REGISTRY_MIRRORS", "docker.io=https://" + mirrorAddress},
		{"SITECTL_INGRESS", "http://" + ingressAddress},
		{"SITECTL_ISSUER", "https://" + issuerAddress},
		{"SITECTL_ISSUER_CERTIFICATE", l.certificate("issuer")},
		{"SITECTL_ISSUER_KEY", l.key("issuer")},
	}
}
