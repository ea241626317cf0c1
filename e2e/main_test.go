// Package e2e tests the whole with real processes, killed, replaced and upgraded under load:
// TestCompose (build tag e2e, `make e2e`) starts the compose.yaml, all others the programs
// themselves.
package e2e

import (
	"testing"

	"github.com/outset-settings/outset/internal/localpg/pgtest"
)

func TestMain(m *testing.M) { pgtest.Main(m) }
