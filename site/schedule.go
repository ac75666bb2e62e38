package site

import (
	"errors"
	"hash/fnv"
	"slices"
	"strconv"
	"strings"
	"time"
	_ "time/tzdata" // a time zone is valid or not whatever the machine has installed

	"github.com/robfig/cron/v3"
)

// ResolvedSchedule returns the schedule in the form Kubernetes takes. An H in
// the minute or hour field stands for a number that is always the same for
// this cron command of this namespace and spreads the commands of many sites
// over the hour and the day.
func (c Cron) ResolvedSchedule(namespace string) string {
	fields := strings.Fields(c.Schedule)
	if !slices.Contains(fields, "H") {
		return c.Schedule
	}
	for i, unit := range []struct {
		name  string
		count uint32
	}{{"minute", 60}, {"hour", 24}} {
		if i < len(fields) && fields[i] == "H" {
			fields[i] = strconv.FormatUint(uint64(hash(namespace, c.Name, unit.name)%unit.count), 10)
		}
	}
	return strings.Join(fields, " ")
}

// hash must never change: it would move the commands of every site.
func hash(words ...string) uint32 {
	sum := fnv.New32a()
	sum.Write([]byte(strings.Join(words, "/")))
	return sum.Sum32()
}

// checkSchedule refuses what Kubernetes refuses, in words of its own, and a
// schedule that never comes.
func checkSchedule(resolved string) error {
	if strings.Contains(resolved, "TZ") {
		return errors.New("it names a time zone, which belongs into timeZone")
	}
	if slices.Contains(strings.Fields(resolved), "H") {
		return errors.New("an H stands for a minute or an hour and belongs into the first or second field")
	}
	schedule, err := cron.ParseStandard(resolved)
	if err != nil {
		return err
	}
	leapYear := time.Date(2024, time.January, 1, 0, 0, 0, 0, time.UTC)
	if schedule.Next(leapYear).IsZero() {
		return errors.New("that day never comes")
	}
	return nil
}

// isTimeZone accepts the names of the IANA database, and none for the
// cluster's own zone. Local is another zone on every machine.
func isTimeZone(name string) bool {
	_, err := time.LoadLocation(name)
	return err == nil && !strings.EqualFold(name, "local")
}
