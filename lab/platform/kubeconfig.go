package platform

import (
	"fmt"
	"os"

	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// kubeconfigUsers are the identities that talk to the API server.
var kubeconfigUsers = []string{
	"admin", "kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy", "coredns", "provisioner", "traefik",
}

// kubeconfig is the whole file, keys included, for one identity whose
// certificate has been issued.
func kubeconfig(l layout, user string) ([]byte, error) {
	config := clientcmdapi.NewConfig()
	authority, err := os.ReadFile(l.certificate("ca"))
	if err != nil {
		return nil, fmt.Errorf("make the kubeconfig of %s: %w", user, err)
	}
	certificate, err := os.ReadFile(l.certificate(user))
	if err != nil {
		return nil, fmt.Errorf("make the kubeconfig of %s: %w", user, err)
	}
	key, err := os.ReadFile(l.key(user))
	if err != nil {
		return nil, fmt.Errorf("make the kubeconfig of %s: %w", user, err)
	}
	config.Clusters[networkName] = &clientcmdapi.Cluster{
		Server:                   "https://" + apiServerAddress,
		CertificateAuthorityData: authority,
	}
	config.AuthInfos[user] = &clientcmdapi.AuthInfo{ClientCertificateData: certificate, ClientKeyData: key}
	config.Contexts[networkName] = &clientcmdapi.Context{Cluster: networkName, AuthInfo: user}
	config.CurrentContext = networkName
	content, err := clientcmd.Write(*config)
	if err != nil {
		return nil, fmt.Errorf("make the kubeconfig of %s: %w", user, err)
	}
	return content, nil
}
