// Package e2e tests the whole with real processes, killed and replaced under load:
// TestProcesses starts the programs themselves, TestCompose (build tag e2e, `make e2e`) the compose.yaml.
package e2e

import (
	"testing"

	"github.com/outset-settings/outset/internal/localpg/pgtest"
)

func TestMain(m *testing.M) { pgtest.Main(m) }
