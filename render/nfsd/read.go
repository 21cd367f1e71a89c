package nfsd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"nfs-exportd/printable"
	"nfs-exportd/render/disk"
)

const (
	// maxClients is how many NFSv4 clients are read. That is more than the kernel keeps
	// in 64 GiB of memory; it holds back a server that is flooded with clients.
	maxClients = 65536
	// maxInfo is how much is read of a client's file, in bytes. The kernel escapes three
	// texts of a client of up to 1024 bytes each, a byte as four.
	maxInfo = 16 << 10
	// maxRmtab is the longest rmtab that is read, in bytes. A client adds a line with each
	// directory that it mounts.
	maxRmtab = 8 << 20
)

// Read reads the clients of the kernel's NFS server below proc, which is /proc, and the
// file rmtab. It reads no file for which the kernel waits for a lock of its server, so
// that a server that hangs does not stop it. If ctx ends, the rest stays unknown. An
// empty proc has no server.
func Read(ctx context.Context, proc, rmtab string) *Clients {
	c := &Clients{complete: true}
	c.doubt(c.readKernel(ctx, proc))
	text, _, err := disk.Read(rmtab, true)
	switch {
	case err == nil && len(text) > maxRmtab:
		c.doubt(fmt.Errorf("%s is longer than %d MiB", printable.Word(rmtab), maxRmtab>>20))
	case err == nil:
		c.noted = parseRmtab(string(text))
	case !errors.Is(err, fs.ErrNotExist):
		c.doubt(cannotRead(rmtab, err))
	}
	c.index()
	return c
}

// errNoServer means that there is nothing to read.
var errNoServer = errors.New("no NFS server of the kernel runs here")

// readKernel reads the NFSv4 clients. Those that it read before an error are in c.
func (c *Clients) readKernel(ctx context.Context, proc string) error {
	if proc == "" {
		return errNoServer
	}
	server := filepath.Join(proc, "fs/nfsd")
	threads, err := readHead(filepath.Join(proc, "net/rpc/nfsd"), maxInfo)
	if err != nil || !hasThreads(threads) {
		return errNoServer
	}
	if err := c.readClients(ctx, filepath.Join(server, "clients"), maxClients); err != nil {
		return err
	}
	grace := filepath.Join(server, "v4_end_grace")
	ended, err := readHead(grace, maxInfo)
	switch {
	case err != nil:
		return cannotRead(grace, err)
	case !strings.HasPrefix(ended, "Y"):
		return errors.New("the NFS server has just started, and its clients are still coming back")
	}
	return nil
}

// hasThreads reads /proc/net/rpc/nfsd, which has the number of the server's threads
// behind "th".
func hasThreads(text string) bool {
	for line := range strings.Lines(text) {
		if words := strings.Fields(line); len(words) > 1 && words[0] == "th" {
			return words[1] != "0"
		}
	}
	return false
}

// readClients reads the directory of the clients once, and no more than limit of them.
// Clients that go meanwhile are left out.
func (c *Clients) readClients(ctx context.Context, path string, limit int) error {
	dir, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("the kernel does not show NFSv4 clients: %s is not there", printable.Word(path))
	}
	if err != nil {
		return cannotRead(path, err)
	}
	defer func() { _ = dir.Close() }() // nothing was written to it
	names, err := dir.Readdirnames(limit + 1)
	if err != nil && !errors.Is(err, io.EOF) {
		return cannotRead(path, err)
	}
	var unread error
	for i, name := range names {
		switch {
		case ctx.Err() != nil:
			return fmt.Errorf("there was no time to read all NFSv4 clients: %d of %d were read", i, len(names))
		case i == limit:
			return fmt.Errorf("there are more than %d NFSv4 clients", limit)
		}
		info := filepath.Join(path, name, "info")
		text, err := readHead(info, maxInfo)
		switch client, ok := parseInfo(text); {
		case isGone(err):
		case err != nil:
			unread = cannotRead(info, err)
		case !ok:
			unread = fmt.Errorf("%s has no address", printable.Word(info))
		default:
			c.clients = append(c.clients, client)
		}
	}
	return unread
}

// isGone reports whether an error means that the client is no longer there.
func isGone(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENXIO) || errors.Is(err, syscall.ESTALE)
}

func cannotRead(path string, err error) error {
	return fmt.Errorf("%s cannot be read: %s", printable.Word(path), disk.Bare(err))
}

// readHead returns the first limit bytes of a regular file. The files of /proc do not
// say how long they are.
func readHead(path string, limit int64) (string, error) {
	file, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK|syscall.O_NOFOLLOW, 0)
	if err != nil {
		return "", err
	}
	defer func() { _ = file.Close() }() // nothing was written to it
	info, err := file.Stat()
	if err != nil {
		return "", err
	}
	if !info.Mode().IsRegular() {
		return "", disk.ErrNotRegular
	}
	text, err := io.ReadAll(io.LimitReader(file, limit))
	return string(text), err
}
