package main

import (
	"github.com/sitectl/sitectl/deployer"
	"github.com/sitectl/sitectl/site"
)

// backplane connects to the site of a command that looks after what runs. It
// needs no git repository, builder or registry, and makes no request.
func (o options) backplane() (*deployer.Deployer, site.Site, error) {
	s, err := readSite(o)
	if err != nil {
		return nil, site.Site{}, err
	}
	log := newLog(o)
	d, err := deployer.Connect(s, deployer.Options{
		Kubeconfig: o.kubeconfig,
		By:         shippedBy(),
		Log:        log.Quote(),
		Progress:   log.Line,
	})
	return d, s, err
}
