package load

import (
	"strings"
	"testing"
)

const printed = `Running 2s test @ http://127.0.0.1:8080

RESULT {"microseconds":2000000,"requests":1000,"bytes":650100,"errors":0,"latency":{"p50":1390,"p99":8237,"p999":12000}}
`

func TestParseWrk(t *testing.T) {
	t.Parallel()
	c, err := parseWrk([]byte(printed))
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
		"answers of another size": strings.Replace(printed, "650100", "640000", 1),
		"failures":                strings.Replace(printed, `"errors":0`, `"errors":1`, 1),
		"no answers":              strings.Replace(printed, `"requests":1000`, `"requests":0`, 1),
	} {
		if c, err := parseWrk([]byte(wrong)); err != nil || c.Check(650) == nil {
			t.Errorf("%s pass the check, %v", name, err)
		}
	}
	if _, err := parseWrk([]byte("unable to connect")); err == nil {
		t.Error("no error without a result")
	}
}
