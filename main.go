// Command nfs-exportd keeps the exports file of an NFS server in an OpenStack cloud
// up to date: it exports directories to the instances of chosen projects, by IP
// address. Package command has the commands, and the order of a run.
package main

import (
	"context"
	"net"
	"os"
	"syscall"
	"time"

	"nfs-exportd/command"
	"nfs-exportd/render/exportfs"
	"nfs-exportd/render/sandbox"
)

// version is set by the linker in packages; otherwise the build information has it.
var version = ""

func main() {
	if status, ok := sandbox.Part(os.Args); ok {
		os.Exit(status)
	}
	ctx, stop := command.UntilSignal(context.Background())
	defer stop()
	// Of the files that exportfs makes, others read the active table.
	syscall.Umask(0o022)
	app := command.App{
		Version:     version,
		Stdout:      os.Stdout,
		Stderr:      os.Stderr,
		Getenv:      os.Getenv,
		Now:         time.Now,
		Lookup:      net.DefaultResolver.LookupNetIP,
		ResolveName: exportfs.ResolveName,
		Local:       command.LocalAddresses,
		Flush:       exportfs.KernelFlush,
		NFSConf:     exportfs.NFSConf,
		ExportLock:  exportfs.LockFile,
		Proc:        "/proc",
		Self:        os.Args[0],
	}
	os.Exit(app.Run(ctx, os.Args))
}
