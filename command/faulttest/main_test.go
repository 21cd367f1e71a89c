package faulttest

import (
	"testing"

	"nfs-exportd/command/commandtest"
)

func TestMain(m *testing.M) { commandtest.Main(m) }

// world is a World whose machine this package breaks.
type world struct{ *commandtest.World }

func newWorld(t *testing.T, roles string, env []string) *world {
	t.Helper()
	return &world{commandtest.NewWorld(t, roles, env)}
}
