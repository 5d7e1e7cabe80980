// Writes vectors of CronJob's own schedule parser (robfig/cron, the version that Kubernetes builds in):
//
//	cd dev/vectors/cron && go run . > ../../../src/plan/gates/schedule/vectors.tsv
//
// Each line: schedule, zone, moment, then the moments of the next three runs, or what is wrong with the schedule.
package main

import (
	"bufio"
	"fmt"
	"math/rand"
	"os"
	"strings"
	"time"
	_ "time/tzdata"

	"github.com/robfig/cron/v3"
)

var fixed = []string{
	"* * * * *", "0 * * * *", "0 3 * * *", "*/15 * * * *", "0 2 * * *", "30 2 * * *", "30 1 * * *", "0 0 29 2 *",
	"0 0 31 2 *", "0 0 30 2 *", "0 0 1 * MON", "0 0 */2 * MON", "0 0 ? * MON", "0 0 ? * ?", "0 0 */1 * MON",
	"0 0 1,15 * *", "0 9-17 * * 1-5", "5/10 * * * *", "0 0 * jan,Feb *", "0 0 * * sun", "0 0 * * 7", "0 0 * * 0-7",
	"60 * * * *", "* 24 * * *", "0 0 0 * *", "0 0 32 * *", "0 0 * 13 *", "0 0 L * *", "0 0 15W * *", "0 0 * * 5#2",
	"0 0 * * 5L", "0 0 * *", "0 0 * * * *", "", "@daily", "@every 1h", "TZ=UTC 0 0 * * *", "CRON_TZ=UTC 0 0 * * *",
	"10-5 * * * *", "*/0 * * * *", "*/x * * * *", "1-2-3 * * * *", "1/2/3 * * * *", "a * * * *", "-1 * * * *",
	"0 0 * MONDAY *", "0 0 * * MO", "*/61 * * * *", "0 0 1-31/7 * *", "0 22-23,0-3 * * *", "15,45 */6 * 3-10/2 MON-FRI",
	"0 1,3 * * *", "*/30 1-3 * * *", "0 4 8-14 * *", "0 4 8-14 * 0", "H * * * *", "0 0 1 1 ?", "59 23 31 12 *",
}

var zones = []string{"UTC", "Europe/Berlin", "America/New_York", "America/Sao_Paulo", "Asia/Kolkata", "Australia/Lord_Howe", "Africa/Cairo"}

func part(r *rand.Rand, min, max int) string {
	a, b := min+r.Intn(max-min+1), min+r.Intn(max-min+1)
	if a > b {
		a, b = b, a
	}
	switch r.Intn(8) {
	case 0, 1, 2:
		return "*"
	case 3:
		return fmt.Sprintf("*/%d", 1+r.Intn(max/2+1))
	case 4:
		return fmt.Sprintf("%d-%d", a, b)
	case 5:
		return fmt.Sprintf("%d,%d", a, b)
	case 6:
		return fmt.Sprintf("%d-%d/%d", a, b, 1+r.Intn(4))
	default:
		return fmt.Sprint(a)
	}
}

func main() {
	out := bufio.NewWriter(os.Stdout)
	defer out.Flush()
	r := rand.New(rand.NewSource(1))
	specs := append([]string{}, fixed...)
	for i := 0; i < 240; i++ {
		specs = append(specs, strings.Join([]string{part(r, 0, 59), part(r, 0, 23), part(r, 1, 31), part(r, 1, 12), part(r, 0, 6)}, " "))
	}
	for i, spec := range specs {
		write(out, r, spec, zones[i%len(zones)])
		// Days of changing clocks.
		if i < 60 {
			at(out, spec, "Europe/Berlin", time.Date(2027, 3, 27, 12, 0, 0, 0, time.UTC))
			at(out, spec, "Europe/Berlin", time.Date(2027, 10, 30, 12, 0, 0, 0, time.UTC))
		}
	}
}

func write(out *bufio.Writer, r *rand.Rand, spec, zone string) {
	at(out, spec, zone, time.Unix(1790000000+int64(r.Intn(3*365*86400)), 0))
}

func at(out *bufio.Writer, spec, zone string, t time.Time) {
	loc, err := time.LoadLocation(zone)
	if err != nil {
		panic(err)
	}
	schedule, err := cron.ParseStandard(spec)
	if err != nil {
		fmt.Fprintf(out, "%s\t%s\t%s\t!%s\n", spec, zone, t.UTC().Format(time.RFC3339), err)
		return
	}
	fmt.Fprintf(out, "%s\t%s\t%s", spec, zone, t.UTC().Format(time.RFC3339))
	next := t.In(loc)
	for i := 0; i < 3; i++ {
		next = schedule.Next(next)
		if next.IsZero() {
			fmt.Fprint(out, "\tnever")
			break
		}
		fmt.Fprintf(out, "\t%s", next.UTC().Format(time.RFC3339))
	}
	fmt.Fprintln(out)
}
