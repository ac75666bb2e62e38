package site

import (
	"errors"
	"fmt"
	"hash/fnv"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	_ "time/tzdata" // a time zone is valid or not whatever the machine has installed

	"github.com/robfig/cron/v3"
)

// ResolvedSchedule returns the schedule in the form Kubernetes takes. In the
// first two fields these stand for numbers that are always the same for this
// cron command of this namespace, and spread the commands of many sites over
// the hour and the day:
//
//	H       a minute, or an hour
//	H/15    every 15 minutes (or hours), not necessarily at 0
//	H(2-4)  a minute (or an hour) from 2 to 4; H(22-2) is at night, too
//	M       what H is, for the minute
func (c Cron) ResolvedSchedule(namespace string) string {
	resolved, err := c.resolve(namespace)
	if err != nil {
		return c.Schedule
	}
	return resolved
}

// unit is one of the two fields of a schedule that can be left open.
type unit struct {
	name    string
	count   int
	letters string // that stand for a number
}

var units = []unit{{"minute", 60, "HM"}, {"hour", 24, "H"}}

func (c Cron) resolve(namespace string) (string, error) {
	fields := strings.Fields(c.Schedule)
	open := false
	for i, unit := range units {
		if i >= len(fields) || !strings.ContainsAny(fields[i][:1], unit.letters) {
			continue
		}
		spread, err := unit.spread(fields[i][1:], hash(namespace, c.Name, unit.name))
		if err != nil {
			return "", fmt.Errorf("%s %s: %w", unit.name, fields[i], err)
		}
		fields[i], open = spread, true
	}
	if !open {
		return c.Schedule, nil
	}
	return strings.Join(fields, " "), nil
}

var (
	stepForm  = regexp.MustCompile(`^/([0-9]{1,2})$`)
	rangeForm = regexp.MustCompile(`^\(([0-9]{1,2})-([0-9]{1,2})\)$`)
)

// spread chooses what a letter stands for, given what comes after it.
func (u unit) spread(form string, hash uint32) (string, error) {
	if form == "" {
		return u.choose(0, u.count, hash), nil
	}
	if step := numbers(stepForm, form); step != nil {
		if step[0] < 1 || step[0] > u.count {
			return "", fmt.Errorf("a step is from 1 to %d", u.count)
		}
		return fmt.Sprintf("%s-%d/%d", u.choose(0, step[0], hash), u.count-1, step[0]), nil
	}
	if ends := numbers(rangeForm, form); ends != nil {
		if ends[0] >= u.count || ends[1] >= u.count {
			return "", fmt.Errorf("a range is from 0 to %d", u.count-1)
		}
		return u.choose(ends[0], (ends[1]-ends[0]+u.count)%u.count+1, hash), nil
	}
	return "", errors.New("write H, H/15 or H(2-4)")
}

// choose returns one of as many numbers that begin with first, and go on at 0
// after the last of the unit.
func (u unit) choose(first, many int, hash uint32) string {
	return strconv.Itoa((first + int(hash%uint32(many))) % u.count)
}

// numbers returns what the groups of a form match, nil if it does not match.
func numbers(form *regexp.Regexp, text string) []int {
	match := form.FindStringSubmatch(text)
	if match == nil {
		return nil
	}
	var found []int
	for _, digits := range match[1:] {
		number, err := strconv.Atoi(digits)
		if err != nil {
			return nil
		}
		found = append(found, number)
	}
	return found
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
	if slices.ContainsFunc(strings.Fields(resolved), func(field string) bool { return field == "H" || field == "M" }) {
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
