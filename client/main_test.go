package client_test

import (
	"flag"
	"os"
	"testing"
)

// service is the URL of a service for the examples. internal/clienttest starts one and runs them;
// elsewhere they are only compiled.
var service = os.Getenv("CLIENT_TEST_SERVICE")

func TestMain(m *testing.M) {
	flag.Parse()
	if only := flag.Lookup("test.run"); service == "" && only.Value.String() == "" {
		_ = only.Value.Set("^Test")
	}
	m.Run()
}
