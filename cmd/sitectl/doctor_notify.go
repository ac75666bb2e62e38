package main

import (
	"context"
	"os"

	"github.com/sitectl/sitectl/ci"
)

func (d *doctor) notifyChecks() []*examined {
	return grouped("notify", statusFailed, &examined{name: "notify", needs: []string{"site file"}, look: d.lookAtNotify})
}

// lookAtNotify looks for the addresses, and sends nothing. A ship goes without
// them.
func (d *doctor) lookAtNotify(context.Context) []diagnosis {
	var list []diagnosis
	for _, notify := range d.site.Notify {
		where := "the file " + notify.URLFrom.File
		if notify.URLFrom.Env != "" {
			where = "the variable " + notify.URLFrom.Env
		}
		if _, err := ci.Address(notify.URLFrom, os.Getenv); err != nil {
			list = append(list, warning("put the address of the webhook into "+where, "%s: %s: %v", notify.Type, where, err)...)
		} else {
			list = append(list, fine("%s: %s has an address", notify.Type, where)...)
		}
	}
	return list
}

// lookAtMessages makes the messages of the site's own templates.
func (d *doctor) lookAtMessages(context.Context) []diagnosis {
	if err := (source{site: d.site, own: d.own}).checkNotices(); err != nil {
		return wrong("messages", err)
	}
	return nil
}
