package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/urfave/cli/v2"

	"github.com/sitectl/sitectl/deployer"
	"github.com/sitectl/sitectl/site"
)

func backupCommand() *cli.Command {
	return page{
		name:  "backup",
		usage: "dump the database into the volume or bucket for backups, or list the dumps",
		description: "Makes the same dump that a ship makes before a migration, if the site file has migrate.backup: of one moment, " +
			"compressed, verified to its end, on a volume for nothing else or in a bucket. The latest ones stay, as many as the site file says.",
		examples: `
			sitectl backup
			sitectl backup --list
			sitectl backup --list --output json | jq -r '.[0].name'
		`,
		own:      []cli.Flag{&cli.BoolFlag{Name: "list", DisableDefaultText: true, Usage: "print which dumps there are, and make none"}},
		flags:    []string{"file", "environment", "kubeconfig", "context", "progress", "output"},
		statuses: []status{statusDone, statusFailed, statusUsage, statusMigration, statusCancelled},
	}.command(runBackup)
}

func runBackup(ctx context.Context, o options) error {
	d, _, err := o.backplane()
	if err != nil {
		return err
	}
	if o.own.Bool("list") {
		return listBackups(ctx, o, d)
	}
	made, err := d.Backup(ctx)
	if err != nil {
		return err
	}
	switch {
	case o.output == "json":
		return writeJSON(o.stdout, made)
	case made == nil:
		return nil // there is nothing to name
	default:
		return write(o.stdout, made.Name+"\n")
	}
}

func listBackups(ctx context.Context, o options, d *deployer.Deployer) error {
	backups, err := d.Backups(ctx)
	if err != nil {
		return err
	}
	if o.output == "json" {
		return writeJSON(o.stdout, append([]deployer.Backup{}, backups...)) // never null
	}
	return write(o.stdout, backupsText(backups))
}

func backupsText(backups []deployer.Backup) string {
	if len(backups) == 0 {
		return "there is no backup\n"
	}
	var out strings.Builder
	table := tabwriter.NewWriter(&out, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(table, "BACKUP\tMADE\tRELEASE\tSIZE")
	for _, b := range backups {
		_, _ = fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", b.Name, moment(&b.At), b.Release, b.Size())
	}
	_ = table.Flush()
	return out.String()
}

func restoreCommand() *cli.Command {
	return page{
		name:      "restore-db",
		arguments: "BACKUP",
		usage:     "put the database back as it is in a backup",
		description: "Dumps the database as it is now, empties it, and reads the backup in. CronJobs are suspended meanwhile. The site " +
			"goes on running, and shows errors until the database is whole. The code stays what it is (see sitectl rollback), and the " +
			"next ship runs its migrations again, even that of the same commit.",
		examples: `
			sitectl restore-db 20260102-030405-a1b2c3d
			sitectl restore-db 20260102-030405-a1b2c3d --confirm example.com
		`,
		own:      []cli.Flag{confirmFlag(), lockWaitFlag()},
		flags:    []string{"file", "environment", "kubeconfig", "context", "progress"},
		statuses: []status{statusDone, statusFailed, statusUsage, statusMigration, statusLocked, statusCancelled},
	}.command(runRestore)
}

func runRestore(ctx context.Context, o options) error {
	if len(o.arguments) != 1 {
		return &usageError{message: "restore-db takes the name of one backup", hint: "sitectl backup --list prints them"}
	}
	name := o.arguments[0]
	d, s, err := o.backplane()
	if err != nil {
		return err
	}
	if err := d.HasBackup(ctx, name); err != nil {
		return err
	}
	consequence := fmt.Sprintf("The database of %s will be as it is in backup %s. What it holds now is dumped before.", s.Namespace, name)
	if err := o.confirm(consequence, s.Address); err != nil {
		return err
	}
	held, unlock, err := d.Lock(ctx, o.claim(site.Commit{}))
	if err != nil {
		return err
	}
	defer unlock()
	return lockLost(held, restore(held, d, name))
}

// restore leaves no CronJob suspended, whatever happens.
func restore(ctx context.Context, d *deployer.Deployer, name string) error {
	err := d.PauseCron(ctx)
	if err == nil {
		err = d.Restore(ctx, name)
	}
	ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), endTimeout)
	defer cancel()
	return errors.Join(err, d.ResumeCron(ending))
}
