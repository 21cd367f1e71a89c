// Package completion has the files that make a shell complete the command line of
// nfs-exportd. A test of the commands compares them with the flags.
package completion

import "embed"

//go:embed nfs-exportd.bash _nfs-exportd nfs-exportd.fish
var files embed.FS

// For returns the completion file for bash, zsh or fish, and false for any other
// shell.
func For(shell string) ([]byte, bool) {
	names := map[string]string{"bash": "nfs-exportd.bash", "zsh": "_nfs-exportd", "fish": "nfs-exportd.fish"}
	text, err := files.ReadFile(names[shell])
	return text, err == nil
}
