package site

import (
	"fmt"
	"strings"
	"testing"

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
		{"* * H * *", "* * H * *"},
		{"H", "7"},
	} {
		cron := Cron{Name: "cron", Schedule: test.schedule}
		assert.Equal(t, test.want, cron.ResolvedSchedule("example-com"), test.schedule)
	}
}

func TestResolvedScheduleSpreads(t *testing.T) {
	minutes := map[string]bool{}
	for i := range 1000 {
		resolved := Cron{Name: "cron", Schedule: "H H * * *"}.ResolvedSchedule(fmt.Sprintf("site-%d", i))
		require.NoError(t, checkSchedule(resolved))
		minutes[strings.Fields(resolved)[0]] = true
	}
	assert.Len(t, minutes, 60)
}

func TestCheckSchedule(t *testing.T) {
	for _, good := range []string{"* * * * *", "*/5 0-6,12 1 JAN,feb mon-FRI", "0 0 29 2 *", "@yearly", "@every 1h30m"} {
		assert.NoError(t, checkSchedule(good), good)
	}
	for _, bad := range []string{
		"", "* * * *", "* * * * * *", "60 * * * *", "H/5 * * * *", "@often", "0 0 31 2,4 *",
		"TZ=UTC 0 0 * * *", "CRON_TZ=UTC 0 0 * * *", "TZ=", "TZ=0", "*/0 * * * *", "5-1 * * * *",
	} {
		assert.Error(t, checkSchedule(bad), bad)
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
