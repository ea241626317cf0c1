package load

import (
	"strings"
	"testing"
)

const said = `Running 2s test @ http://127.0.0.1:8080
  2 threads and 64 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     1.39ms    1.20ms  20.10ms   90.00%

RESULT {"microseconds":2000000,"requests":1000,"bytes":650100,"errors":{"connect":0,"read":0,"write":0,"status":0,"timeout":0},"latency":{"p50":1390,"p90":2000,"p99":8237,"p999":12000,"max":20100}}
`

func TestParseWrk(t *testing.T) {
	t.Parallel()
	c, err := parseWrk([]byte(said))
	if err != nil {
		t.Fatal(err)
	}
	if c.PerSecond() != 500 || c.Latency.P50 != 1390 || c.Latency.P99 != 8237 {
		t.Errorf("%+v", c)
	}
	if err := c.Check(650); err != nil {
		t.Error(err)
	}
	for name, wrong := range map[string]string{
		"answers of another size":  strings.Replace(said, "650100", "640000", 1),
		"failures":                 strings.Replace(said, `"status":0`, `"status":1`, 1),
		"answers that are missing": strings.Replace(said, `"timeout":0`, `"timeout":1`, 1),
		"no answers":               strings.Replace(said, `"requests":1000`, `"requests":0`, 1),
	} {
		if c, err := parseWrk([]byte(wrong)); err != nil || c.Check(650) == nil {
			t.Errorf("%s are taken for a result, %v", name, err)
		}
	}
	if _, err := parseWrk([]byte("unable to connect")); err == nil {
		t.Error("no result is taken for one")
	}
}
