package site

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/robfig/cron/v3"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestResolvedSchedule(t *testing.T) {
	for _, test := range []struct{ schedule, want string }{
		{"*/5 * * * *", "*/5 * * * *"},
		{"0  3 * * *", "0  3 * * *"},
		{"@hourly", "@hourly"},
		{"H * * * *", "7 * * * *"},
		{" H  H * * 1-5 ", "7 21 * * 1-5"},
		{"0 H * * *", "0 21 * * *"},
		{"M * * * *", "7 * * * *"},
		{"M H * * *", "7 21 * * *"},
		{"H/15 * * * *", "7-59/15 * * * *"},
		{"M/15 * * * *", "7-59/15 * * * *"},
		{"H/1 * * * *", "0-59/1 * * * *"},
		{"H/60 * * * *", "7-59/60 * * * *"},
		{"M H/6 * * *", "7 3-23/6 * * *"},
		{"H(0-29) * * * *", "7 * * * *"},
		{"H(10-10) * * * *", "10 * * * *"},
		{"M H(2-4) * * *", "7 2 * * *"},
		{"M H(22-2) * * *", "7 23 * * *"},
		{"M H(23-0) * * *", "7 0 * * *"},
		{"* * H * *", "* * H * *"},
		{"H", "7"},
	} {
		job := Cron{Name: "cron", Schedule: test.schedule}
		assert.Equal(t, test.want, job.ResolvedSchedule("example-com"), test.schedule)
	}
}

// TestRangesIncludeTheirEnds, and what is between them at night.
func TestRangesIncludeTheirEnds(t *testing.T) {
	found := map[string]bool{}
	for i := range 500 {
		resolved := Cron{Name: "cron", Schedule: "0 H(22-2) * * *"}.ResolvedSchedule(fmt.Sprintf("site-%d", i))
		found[strings.Fields(resolved)[1]] = true
	}
	assert.Equal(t, map[string]bool{"22": true, "23": true, "0": true, "1": true, "2": true}, found)
}

// TestScheduleSpreads looks at 500 sites of one cluster: what each of them
// starts every so often does not start in the same minute.
func TestScheduleSpreads(t *testing.T) {
	for _, test := range []struct {
		schedule string
		minutes  int // of a day in which anything could start
		most     int // sites that may start in one of them
	}{
		{"H * * * *", 60, 20},       // 8.3 on average
		{"M/15 * * * *", 15, 50},    // 33
		{"M/5 * * * *", 5, 130},     // 100
		{"M H * * *", 60 * 24, 6},   // 0.3
		{"M H(2-4) * * *", 180, 11}, // 2.8
	} {
		starts := map[time.Time]int{}
		from := time.Date(2026, time.January, 1, 0, 0, 0, 0, time.UTC)
		for i := range 500 {
			resolved := Cron{Name: "cron", Schedule: test.schedule}.ResolvedSchedule(fmt.Sprintf("site-%d-example-com", i))
			require.NoError(t, checkSchedule(resolved))
			schedule, err := cron.ParseStandard(resolved)
			require.NoError(t, err)
			starts[schedule.Next(from.Add(-time.Second))]++
		}
		most := slices.Max(slices.Collect(maps.Values(starts)))
		assert.LessOrEqual(t, most, test.most, "%s: sites in one minute", test.schedule)
		assert.GreaterOrEqual(t, len(starts), min(test.minutes, 500)/2, "%s: minutes used", test.schedule)
	}
}

// TestJobsOfOneSiteSpread, too: each has a minute of its own.
func TestJobsOfOneSiteSpread(t *testing.T) {
	minutes := map[string]bool{}
	for _, name := range []string{"cron", "newsletter", "report", "search", "backup"} {
		minutes[Cron{Name: name, Schedule: "H * * * *"}.ResolvedSchedule("example-com")] = true
	}
	assert.Greater(t, len(minutes), 3)
}

func TestCheckSchedule(t *testing.T) {
	for _, good := range []string{"* * * * *", "*/5 0-6,12 1 JAN,feb mon-FRI", "0 0 29 2 *", "@yearly", "@every 1h30m"} {
		assert.NoError(t, checkSchedule(good), good)
	}
	for _, bad := range []string{
		"", "* * * *", "* * * * * *", "60 * * * *", "* * H * *", "* M * * *", "* M/2 * * *", "*/H * * * *", "@often", "0 0 31 2,4 *",
		"TZ=UTC 0 0 * * *", "CRON_TZ=UTC 0 0 * * *", "TZ=", "TZ=0", "*/0 * * * *", "5-1 * * * *",
	} {
		assert.Error(t, checkSchedule(bad), bad)
	}
}

func TestOpenFieldsThatCannotBe(t *testing.T) {
	for schedule, want := range map[string]string{
		"H/0 * * * *":      "minute H/0: a step is from 1 to 60",
		"H/61 * * * *":     "minute H/61: a step is from 1 to 60",
		"M H/25 * * *":     "hour H/25: a step is from 1 to 24",
		"H(0-60) * * * *":  "minute H(0-60): a range is from 0 to 59",
		"M H(20-24) * * *": "hour H(20-24): a range is from 0 to 23",
		"H(2) * * * *":     "minute H(2): write H, H/15 or H(2-4)",
		"H(2-4)/2 * * * *": "minute H(2-4)/2: write H, H/15 or H(2-4)",
		"H,30 * * * *":     "minute H,30: write H, H/15 or H(2-4)",
		"Hourly":           "minute Hourly: write H, H/15 or H(2-4)",
	} {
		_, err := Cron{Name: "cron", Schedule: schedule}.resolve("example-com")
		assert.EqualError(t, err, want)
	}
}

func TestIsTimeZone(t *testing.T) {
	for _, good := range []string{"", "UTC", "Europe/Berlin", "America/Argentina/Buenos_Aires"} {
		assert.True(t, isTimeZone(good), good)
	}
	for _, bad := range []string{"Local", "local", "Mars/Olympus", "../../etc/passwd", "/etc/localtime"} {
		assert.False(t, isTimeZone(bad), bad)
	}
}
