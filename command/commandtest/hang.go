package commandtest

import (
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// hang mounts a FUSE file system that answers nothing on dir, then makes the file ready. It
// is for a namespace in which one may mount, and ends with it.
func hang(dir, ready string) int {
	device, err := os.OpenFile("/dev/fuse", os.O_RDWR, 0)
	if err == nil {
		options := fmt.Sprintf("fd=%d,rootmode=40000,user_id=0,group_id=0", device.Fd())
		err = unix.Mount("hang", dir, "fuse", 0, options)
	}
	if err == nil {
		err = os.WriteFile(ready, nil, 0o644)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	time.Sleep(time.Minute)
	_ = device.Close() // which until then keeps the file system there
	return 0
}
