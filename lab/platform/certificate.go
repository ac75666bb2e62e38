package platform

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// identity is whom a certificate names. Kubernetes takes the common name of a
// client's certificate as the user and the organization as the group; a server
// needs its addresses in it. Every identity can be used for both.
type identity struct {
	name         string // of the files
	commonName   string
	organization string
	addresses    []string // IP addresses and DNS names
}

func identities() []identity {
	return []identity{
		{name: "etcd", commonName: "etcd", addresses: []string{"127.0.0.1"}},
		{name: "kube-apiserver", commonName: "kube-apiserver", organization: "system:masters", addresses: []string{
			nodeAddress, apiService, "127.0.0.1", "kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc." + clusterDomain,
		}},
		{name: "kube-controller-manager", commonName: "system:kube-controller-manager", addresses: []string{"127.0.0.1"}},
		{name: "kube-scheduler", commonName: "system:kube-scheduler", addresses: []string{"127.0.0.1"}},
		{name: "kubelet", commonName: "system:node:" + nodeName, organization: "system:nodes", addresses: []string{nodeAddress, nodeName}},
		{name: "kube-proxy", commonName: "system:kube-proxy"},
		{name: "coredns", commonName: "sitectl-lab:coredns"},
		{name: "provisioner", commonName: "sitectl-lab:provisioner"},
		{name: "traefik", commonName: "sitectl-lab:traefik"},
		{name: "registry", commonName: "registry", addresses: []string{"127.0.0.1", "localhost"}},
		{name: "issuer", commonName: "issuer", addresses: []string{host(issuerAddress)}},
		{name: "admin", commonName: "admin", organization: "system:masters"},
	}
}

// A lab that is left running for longer than this needs a down and an up.
const certificateLifetime = 10 * 365 * 24 * time.Hour

// issueCertificates makes the lab's own certificate authority, a certificate
// for each identity, and the key that signs service account tokens, unless
// they are there: what is running trusts them already.
func issueCertificates(l layout) error {
	if err := os.MkdirAll(l.in("pki"), 0o700); err != nil {
		return fmt.Errorf("create the folder of certificates: %w", err)
	}
	ca, caKey, err := loadOrIssueAuthority(l)
	if err != nil {
		return err
	}
	for _, id := range identities() {
		if err := issueOnce(l, id, ca, caKey); err != nil {
			return fmt.Errorf("issue the certificate of %s: %w", id.name, err)
		}
	}
	if exists(l.key("service-account")) {
		return nil
	}
	signer, err := newKey()
	if err != nil {
		return fmt.Errorf("make the service account key: %w", err)
	}
	return writeKey(l.key("service-account"), signer)
}

func loadOrIssueAuthority(l layout) (*x509.Certificate, crypto.Signer, error) {
	if exists(l.certificate("ca")) {
		return loadAuthority(l)
	}
	key, err := newKey()
	if err != nil {
		return nil, nil, fmt.Errorf("make the key of the certificate authority: %w", err)
	}
	template := &x509.Certificate{
		Subject:               pkix.Name{CommonName: "sitectl lab"},
		IsCA:                  true,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageCertSign,
	}
	if err := issue(l, "ca", template, template, key, key); err != nil {
		return nil, nil, fmt.Errorf("issue the certificate authority: %w", err)
	}
	return loadAuthority(l)
}

func loadAuthority(l layout) (*x509.Certificate, crypto.Signer, error) {
	certificateDER, err := readPEM(l.certificate("ca"))
	if err != nil {
		return nil, nil, err
	}
	certificate, err := x509.ParseCertificate(certificateDER)
	if err != nil {
		return nil, nil, fmt.Errorf("parse %s: %w", l.certificate("ca"), err)
	}
	keyDER, err := readPEM(l.key("ca"))
	if err != nil {
		return nil, nil, err
	}
	key, err := x509.ParseECPrivateKey(keyDER)
	if err != nil {
		return nil, nil, fmt.Errorf("parse %s: %w", l.key("ca"), err)
	}
	return certificate, key, nil
}

func issueOnce(l layout, id identity, ca *x509.Certificate, caKey crypto.Signer) error {
	if exists(l.certificate(id.name)) {
		return nil
	}
	key, err := newKey()
	if err != nil {
		return err
	}
	template := &x509.Certificate{
		Subject:     pkix.Name{CommonName: id.commonName},
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	if id.organization != "" {
		template.Subject.Organization = []string{id.organization}
	}
	for _, address := range id.addresses {
		if ip := net.ParseIP(address); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, address)
		}
	}
	return issue(l, id.name, template, ca, key, caKey)
}

// issue signs the template and writes the key and then the certificate: who
// finds the certificate finds its key as well.
func issue(l layout, name string, template, parent *x509.Certificate, key *ecdsa.PrivateKey, signer crypto.Signer) error {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return err
	}
	template.SerialNumber = serial
	template.NotBefore = time.Now().Add(-time.Hour) // clocks of machines in a test differ
	template.NotAfter = time.Now().Add(certificateLifetime)
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	if err != nil {
		return err
	}
	if err := writeKey(l.key(name), key); err != nil {
		return err
	}
	return writePEM(l.certificate(name), "CERTIFICATE", der, 0o644)
}

func newKey() (*ecdsa.PrivateKey, error) { return ecdsa.GenerateKey(elliptic.P256(), rand.Reader) }

func writeKey(path string, key *ecdsa.PrivateKey) error {
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return err
	}
	return writePEM(path, "EC PRIVATE KEY", der, 0o600)
}

func writePEM(path, kind string, der []byte, mode fs.FileMode) error {
	return writeFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), mode)
}

func readPEM(path string) ([]byte, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(content)
	if block == nil {
		return nil, fmt.Errorf("read %s: it is not PEM", path)
	}
	return block.Bytes, nil
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return !errors.Is(err, fs.ErrNotExist)
}

// writeFile writes the file whole or not at all, and makes its folder.
func writeFile(path string, content []byte, mode fs.FileMode) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	temporary := path + ".new"
	if err := os.WriteFile(temporary, content, mode); err != nil {
		return err
	}
	return os.Rename(temporary, path)
}
