package simulation

import (
	"testing"

	"nfs-exportd/command/commandtest"
)

func TestMain(m *testing.M) { commandtest.Main(m) }
