package deployer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/sitectl/sitectl/site"
	"github.com/sitectl/sitectl/templates"
)

// backupStore is the PersistentVolumeClaim that holds the dumps, and nothing
// else, or the ConfigMap that says in which bucket they are.
const backupStore = "backup"

// backupsAnnotation is on the store and lists what is there, as the last Job
// has seen it: to look needs no pod.
const backupsAnnotation = "sitectl.dev/backups"

// A Job that makes a dump, and one that reads it back.
const (
	jobBackup  = "backup"
	jobRestore = "restore"
)

// restoredAnnotation is on the Deployment web, with the name of the dump, from
// when the database is put back until the next release is recorded: the data
// may be older than the code, whose migrations have to run again.
const restoredAnnotation = "sitectl.dev/restored"

// backupTime is how the name of a dump begins: their order is that of time.
const backupTime = "20060102-150405"

// backupName is the name of a dump, with the tag of the release that its data
// is of, if any was shipped.
var backupName = regexp.MustCompile(`^([0-9]{8}-[0-9]{6})(?:-([A-Za-z0-9_.-]+))?$`)

// Backup is a dump of the database.
type Backup struct {
	Name    string    `json:"name"`              // "20260102-030405-a1b2c3d"
	At      time.Time `json:"at"`                // UTC
	Release string    `json:"release,omitempty"` // tag of the release that the data is of; empty if none was shipped
	Bytes   int64     `json:"bytes"`             // compressed
}

// BackupError says that a dump was not made, or not read back.
type BackupError struct {
	JobError
	Restore bool
	Dump    string
	Bucket  string // that the dumps are in; empty if they are on a volume
}

func (e *BackupError) Error() string {
	if e.Restore {
		return fmt.Sprintf("restore %s: %s", e.Dump, e.JobError.Error())
	}
	return "backup: " + e.JobError.Error()
}

// Hint says what to do next.
func (e *BackupError) Hint() string {
	logs := fmt.Sprintf("the whole log: kubectl -n %s logs job/%s", e.Namespace, e.Job)
	if e.Restore {
		return "the database may be incomplete until a dump is restored (sitectl backup --list); " + logs
	}
	look := "if the volume is full, raise migrate.backup.size"
	if e.Bucket != "" {
		look = fmt.Sprintf("look whether the keys in migrate.backup.s3.secret may list, read, write and delete in the bucket %s", e.Bucket)
	}
	return fmt.Sprintf("the site still serves what it served before, and nothing was migrated; %s; %s", look, logs)
}

// errNoBackup says that the site file asks for none.
var errNoBackup = errors.New("the site file asks for no backup: set migrate.backup: {}")

// Backup dumps the database into the volume or the bucket, verifies the dump, and deletes
// those that are more than the site file keeps. A dump that an interrupted
// ship has under way is waited for and taken. It is nil if the database is
// empty, as that of a site which was never installed. Failure is a
// *BackupError.
//
// After a migration that has failed no dump is deleted: the newest ones may be
// of a database that is half migrated, and the last good one must not make
// room for them.
func (d *Deployer) Backup(ctx context.Context) (*Backup, error) {
	backup := backupOf(d.site)
	if backup == nil {
		return nil, errNoBackup
	}
	keep := int(backup.Keep)
	migrations, err := d.migrations(ctx)
	if err != nil {
		return nil, err
	}
	if len(migrations) > 0 && migrations[len(migrations)-1].Status.Succeeded == 0 {
		keep = keepAll
		d.progress("the last migration has not succeeded: no backup is deleted")
	}
	return d.backup(ctx, keep)
}

// keepAll has a Job delete no dump.
const keepAll = 0

func (d *Deployer) backup(ctx context.Context, keep int) (*Backup, error) {
	if err := d.awaitRunningRestore(ctx); err != nil {
		return nil, err
	}
	before, err := d.Backups(ctx)
	if err != nil {
		return nil, err
	}
	job, err := d.backupUnderWay(ctx)
	if err != nil {
		return nil, err
	}
	if job == "" {
		if job, err = d.startBackup(ctx, keep); err != nil {
			return nil, err
		}
	}
	after, err := d.followBackup(ctx, job, BackupError{})
	if err != nil {
		return nil, err
	}
	if err := d.cleanJobs(ctx, jobBackup); err != nil {
		return nil, err
	}
	if len(after) == 0 || slices.Contains(before, after[0]) {
		d.progress("the database is empty: there is nothing to back up")
		return nil, nil
	}
	made := after[0]
	d.progress(fmt.Sprintf("backup %s is complete: %s", made.Name, made.Size()))
	if len(before) > 0 && made.Bytes < before[0].Bytes/2 {
		d.progress(fmt.Sprintf("warning: it is less than half of the one before, %s (%s)", before[0].Name, before[0].Size()))
	}
	return &made, nil
}

// Backups lists the dumps, the latest first.
func (d *Deployer) Backups(ctx context.Context) ([]Backup, error) {
	if backupOf(d.site) == nil {
		return nil, errNoBackup
	}
	var list string
	err := d.reach(ctx, func(ctx context.Context) (err error) {
		list, err = d.listed(ctx)
		return err
	})
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the list of backups: %w", err)
	}
	return parseBackups(list), nil
}

// backupTemplate renders the place of the dumps.
func backupTemplate(backup *backupView) string {
	if backup != nil && backup.Bucket != nil {
		return "backup.configmap"
	}
	return "backup.persistentvolumeclaim"
}

// listed reads what the last Job has found in the store.
func (d *Deployer) listed(ctx context.Context) (string, error) {
	if backupOf(d.site).S3 != nil {
		store, err := d.client.CoreV1().ConfigMaps(d.site.Namespace).Get(ctx, backupStore, metav1.GetOptions{})
		if err != nil {
			return "", err
		}
		return store.Annotations[backupsAnnotation], nil
	}
	store, err := d.client.CoreV1().PersistentVolumeClaims(d.site.Namespace).Get(ctx, backupStore, metav1.GetOptions{})
	if err != nil {
		return "", err
	}
	return store.Annotations[backupsAnnotation], nil
}

// noteBackups notes what a Job has found in the store.
func (d *Deployer) noteBackups(ctx context.Context, found string) error {
	patch, err := json.Marshal(map[string]any{
		"metadata": map[string]any{"annotations": map[string]string{backupsAnnotation: found}},
	})
	if err != nil {
		return err
	}
	kind, opts := "PersistentVolumeClaim", metav1.PatchOptions{FieldManager: fieldManager}
	if backupOf(d.site).S3 != nil {
		kind = "ConfigMap"
		_, err = d.client.CoreV1().ConfigMaps(d.site.Namespace).Patch(ctx, backupStore, types.MergePatchType, patch, opts)
	} else {
		_, err = d.client.CoreV1().PersistentVolumeClaims(d.site.Namespace).Patch(ctx, backupStore, types.MergePatchType, patch, opts)
	}
	if err != nil {
		return fmt.Errorf("write the list of backups on %s %s: %w", kind, backupStore, err)
	}
	return nil
}

// HasBackup is an *UnknownBackupError if there is no dump of that name.
func (d *Deployer) HasBackup(ctx context.Context, name string) error {
	backups, err := d.Backups(ctx)
	if err != nil || slices.ContainsFunc(backups, func(b Backup) bool { return b.Name == name }) {
		return err
	}
	return &UnknownBackupError{Name: name, Backups: backups}
}

// BackupFor finds the dump to go back to a release with: the latest of its
// data from before the first migration that has run since.
func (d *Deployer) BackupFor(ctx context.Context, way Way) (Backup, error) {
	backups, err := d.Backups(ctx)
	if err != nil {
		return Backup{}, err
	}
	for _, backup := range backups {
		if backup.Release == way.To.Commit.Tag && (len(way.Across) == 0 || backup.At.Before(way.Across[len(way.Across)-1].At)) {
			return backup, nil
		}
	}
	return Backup{}, &UnknownBackupError{Name: way.To.Commit.Tag, Backups: backups}
}

// Restore puts the database back as it is in a dump. What it holds before is
// dumped first, and no dump is deleted. The CronJobs should be paused. The next
// ship runs the migrations of its commit, even of the one that runs. Failure is
// a *BackupError.
func (d *Deployer) Restore(ctx context.Context, name string) error {
	if err := d.HasBackup(ctx, name); err != nil {
		return err
	}
	if _, err := d.backup(ctx, keepAll); err != nil {
		return err
	}
	if err := d.forgetMigrations(ctx); err != nil {
		return err
	}
	if err := d.annotateWeb(ctx, map[string]any{restoredAnnotation: name}); err != nil {
		return err
	}
	job, err := d.startBackupJob(ctx, jobRestore, name)
	if err != nil {
		return err
	}
	if _, err := d.followBackup(ctx, job, BackupError{Restore: true, Dump: name}); err != nil {
		return err
	}
	return d.cleanJobs(ctx, jobRestore)
}

// UnknownBackupError says that there is no dump of that name.
type UnknownBackupError struct {
	Name    string
	Backups []Backup // that there are, the latest first
}

func (e *UnknownBackupError) Error() string { return fmt.Sprintf("there is no backup %q", e.Name) }

// Hint says what there is.
func (e *UnknownBackupError) Hint() string {
	if len(e.Backups) == 0 {
		return "there is none at all"
	}
	names := make([]string, len(e.Backups))
	for i, backup := range e.Backups {
		names[i] = backup.Name
	}
	return "there is: " + strings.Join(names, ", ")
}

// forgetMigrations has those that have run count as not run: the database will
// be as it was before some of them, and the next ship has to run its own.
func (d *Deployer) forgetMigrations(ctx context.Context) error {
	migrations, err := d.migrations(ctx)
	if err != nil {
		return err
	}
	patch := fmt.Appendf(nil, `{"metadata":{"annotations":{%q:null}}}`, migrationAnnotation)
	for _, job := range migrations {
		_, err := d.client.BatchV1().Jobs(job.Namespace).Patch(ctx, job.Name, types.MergePatchType, patch, metav1.PatchOptions{FieldManager: fieldManager})
		if err != nil && !apierrors.IsNotFound(err) {
			return fmt.Errorf("have Job %s count as not run: %w", job.Name, err)
		}
	}
	return nil
}

func backupOf(s site.Site) *site.Backup {
	if s.Migrate == nil {
		return nil
	}
	return s.Migrate.Backup
}

// backupUnderWay names a Job that makes a dump right now; empty if none does.
func (d *Deployer) backupUnderWay(ctx context.Context) (string, error) {
	jobs, err := d.jobs(ctx, jobBackup)
	if err != nil {
		return "", err
	}
	for _, job := range jobs {
		if finished(&job) == nil {
			d.progress(fmt.Sprintf("Job %s of an interrupted ship is still running", job.Name))
			return job.Name, nil
		}
	}
	return "", nil
}

// awaitRunningRestore waits for a Job that restores the database, for somebody
// who was interrupted. How it ends is for its own log to tell.
func (d *Deployer) awaitRunningRestore(ctx context.Context) error {
	jobs, err := d.jobs(ctx, jobRestore)
	if err != nil {
		return err
	}
	for _, job := range jobs {
		if finished(&job) != nil {
			continue
		}
		d.progress(fmt.Sprintf("waiting for Job %s, which restores the database", job.Name))
		_, err := d.follow(ctx, followed{name: job.Name, limit: "migrate.backup.timeout"})
		if failed := (*JobError)(nil); err != nil && !errors.As(err, &failed) {
			return err
		}
	}
	return nil
}

// startBackup starts to dump the data of the release that runs.
func (d *Deployer) startBackup(ctx context.Context, keep int) (string, error) {
	name := now().Format(backupTime)
	web, err := d.client.AppsV1().Deployments(d.site.Namespace).Get(ctx, "web", metav1.GetOptions{})
	if err != nil && !apierrors.IsNotFound(err) {
		return "", fmt.Errorf("read Deployment web: %w", err)
	}
	if err == nil {
		if release := recorded(web); release != nil && backupName.MatchString(name+"-"+release.Commit.Tag) {
			name += "-" + release.Commit.Tag
		}
	}
	return d.startBackupJob(ctx, jobBackup, name, strconv.Itoa(keep))
}

// startBackupJob starts a Job that makes a dump or reads one back.
func (d *Deployer) startBackupJob(ctx context.Context, of string, arguments ...string) (string, error) {
	object, err := backupJobObject(d.site, fmt.Sprintf("%s-%s", of, now().Format(backupTime)), of, arguments...)
	if err != nil {
		return "", err
	}
	if d.patching() {
		if err := d.placeAsWeb(ctx, object); err != nil {
			return "", fmt.Errorf("make %s like the pods of Deployment web: %w", object, err)
		}
	}
	if _, err := d.resources(object).Create(ctx, object.Unstructured, metav1.CreateOptions{FieldManager: fieldManager}); err != nil {
		return "", fmt.Errorf("create %s: %w", object, err)
	}
	d.applied(object, Created)
	return object.GetName(), nil
}

func backupJobObject(s site.Site, name, of string, arguments ...string) (Object, error) {
	v, err := newView(s, site.Image{})
	if err != nil {
		return Object{}, err
	}
	script, err := templates.Static("kubernetes/backup.sh")
	if err != nil {
		return Object{}, err
	}
	job := backupJob{Name: name, Of: of, Script: verbatim([]string{string(script)})[0], Arguments: verbatim(arguments)}
	return render(rendering{StageMigrate, "backup.job", backupJobView{v, job}})
}

// followBackup streams the log of a Job until it ends, and notes which dumps
// there are then, the latest first.
func (d *Deployer) followBackup(ctx context.Context, job string, failure BackupError) ([]Backup, error) {
	pod, err := d.follow(ctx, followed{name: job, limit: "migrate.backup.timeout"})
	if ctx.Err() != nil {
		return nil, fmt.Errorf("it goes on as Job %s: %w", job, err)
	}
	if failed := (*JobError)(nil); errors.As(err, &failed) {
		failure.JobError = *failed
		if s3 := backupOf(d.site).S3; s3 != nil {
			failure.Bucket = s3.Bucket
		}
		return nil, &failure
	}
	if err != nil {
		return nil, err
	}
	found := termination(pod)
	return parseBackups(found), d.noteBackups(ctx, found)
}

// termination is what the last container of a pod has left when it ended.
func termination(pod *corev1.Pod) string {
	all := steps(pod)
	if len(all) == 0 || all[len(all)-1].State.Terminated == nil {
		return ""
	}
	return strings.TrimSpace(all[len(all)-1].State.Terminated.Message)
}

// parseBackups reads what the Jobs leave, a line for each dump, the oldest
// first:
//
//	31457280 20260102-030405-a1b2c3d.sql.gz
func parseBackups(list string) []Backup {
	var backups []Backup
	for line := range strings.Lines(list) {
		size, file, _ := strings.Cut(strings.TrimSpace(line), " ")
		name, _ := strings.CutSuffix(file, ".sql.gz")
		match := backupName.FindStringSubmatch(name)
		bytes, err := strconv.ParseInt(size, 10, 64)
		if match == nil || err != nil {
			continue
		}
		at, err := time.Parse(backupTime, match[1])
		if err != nil {
			continue
		}
		backups = append(backups, Backup{Name: name, At: at, Release: match[2], Bytes: bytes})
	}
	slices.Reverse(backups)
	return backups
}

// Size is how large the dump is, in words.
func (b Backup) Size() string {
	if b.Bytes < 1e6 {
		return fmt.Sprintf("%.1f kB", float64(b.Bytes)/1e3)
	}
	return fmt.Sprintf("%.1f MB", float64(b.Bytes)/1e6)
}
