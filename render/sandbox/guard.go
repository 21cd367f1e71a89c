package sandbox

import (
	"errors"
	"fmt"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

const mountNamespace = "/proc/self/ns/mnt"

// outsideFD is the child's file descriptor of the mount namespace outside.
const outsideFD = 3

// guard returns an error unless this process is the inside of a sandbox: the first
// process of a process namespace, in another mount namespace than the one that it was
// given as a file. In the wrong namespace it would mount over the host's /etc. What its
// input says is no proof of that: anybody can write it.
func guard() error {
	if os.Getpid() != 1 {
		return errors.New("this process is not the first of a process namespace")
	}
	var fs unix.Statfs_t
	if err := unix.Fstatfs(outsideFD, &fs); err != nil {
		return fmt.Errorf("look at the mount namespace outside: %w", err)
	}
	if fs.Type != unix.NSFS_MAGIC {
		return errors.New("the mount namespace outside was not given")
	}
	if kind, err := unix.IoctlRetInt(outsideFD, unix.NS_GET_NSTYPE); err != nil || kind != unix.CLONE_NEWNS {
		return errors.New("a namespace of another kind was given")
	}
	var outside, inside syscall.Stat_t
	if err := errors.Join(syscall.Fstat(outsideFD, &outside), syscall.Stat(mountNamespace, &inside)); err != nil {
		return err
	}
	if outside.Dev == inside.Dev && outside.Ino == inside.Ino {
		return errors.New("it is in the mount namespace of the process that started it")
	}
	return nil
}

// fromSocket returns an error unless standard input is a connection, as systemd gives
// it to the service.
func fromSocket() error {
	kind, err := unix.GetsockoptInt(int(os.Stdin.Fd()), unix.SOL_SOCKET, unix.SO_DOMAIN)
	if err != nil || kind != unix.AF_UNIX {
		return errors.New("standard input is not a connection to its socket")
	}
	return nil
}
