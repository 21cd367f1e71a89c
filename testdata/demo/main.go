// Command demo shows nfs-exportd at work against a cloud on loopback, in a
// scratch directory: a plan, an apply, an empty plan, a refused plan and its
// approval, and what happens when the cloud refuses the log-in. It takes the
// path of the nfs-exportd to show.
//
// It needs nothing but Go. In the place of exportfs(8), which a machine that is
// no NFS server lacks, it installs itself.
package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"

	"nfs-exportd/keystone/keystonetest"
)

const mounts = `public:
  scratch: 'DIR/srv/scratch *(rw,sec=sys,sync,no_subtree_check,root_squash)'
private:
  tools:
    gid: 50380
    mounts:
      dumps: true
      scratch: nfs.example.org:DIR/srv/scratch
      home: nfs.example.org:DIR/srv/tools/home/
  maps:
    gid: 50381
    mounts:
      project: nfs.example.org:DIR/srv/maps
safety: {max_removed: 2}
`

const cloudText = `
projects: {tools: {id: 7c9ad9a1}, maps: {id: 02b1f8c4}, others: {id: f00d1234}}
users: {observer: {password: demo, roles: {system: [admin]}}}
instances:
  tools-bastion: {id: i-1, project: tools, addresses: {lan: [10.0.0.12]}}
  tools-worker:  {id: i-2, project: tools, addresses: {lan: [10.0.0.7, '2001:db8::7']}}
  maps-tiles:    {id: i-3, project: maps, addresses: {lan: [10.0.0.30]}}
  unrelated:     {id: i-4, project: others, addresses: {lan: [10.0.0.40]}}
`

func main() {
	if filepath.Base(os.Args[0]) == "exportfs" {
		if err := exportfs(filepath.Dir(os.Args[0])); err != nil {
			fmt.Fprintln(os.Stderr, "exportfs:", err)
			os.Exit(1)
		}
		return
	}
	if err := demo(); err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}

// cleanups is a keystonetest.TB outside of tests.
type cleanups struct{ todo []func() }

func (c *cleanups) Helper()          {}
func (c *cleanups) Cleanup(f func()) { c.todo = append(c.todo, f) }

func demo() error {
	if len(os.Args) != 2 {
		return errors.New("usage: demo NFS-EXPORTD")
	}
	program, err := filepath.Abs(os.Args[1])
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "nfs-exportd-demo-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	for _, sub := range []string{"exports.d", "srv/scratch", "srv/tools/home", "srv/maps"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o755); err != nil {
			return err
		}
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	if err := os.Symlink(self, filepath.Join(dir, "exportfs")); err != nil {
		return err
	}
	config := filepath.Join(dir, "nfs-mounts.yaml")
	if err := os.WriteFile(config, []byte(strings.ReplaceAll(mounts, "DIR", dir)), 0o644); err != nil {
		return err
	}

	var atEnd cleanups
	defer func() {
		for _, f := range atEnd.todo {
			f()
		}
	}()
	cloud := keystonetest.NewServer(&atEnd)
	if err := keystonetest.Load(cloud.Cloud, []byte(cloudText)); err != nil {
		return err
	}
	s := show{program: program, dir: dir, file: filepath.Join(dir, "exports.d/nfs-exportd.exports"), env: []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + dir,
		"OS_AUTH_URL=" + cloud.AuthURL(), "OS_USERNAME=observer", "OS_PASSWORD=demo",
		"OS_USER_DOMAIN_NAME=Default", "OS_SYSTEM_SCOPE=all",
		"NFS_EXPORTD_CONFIG=" + config,
		"NFS_EXPORTD_EXPORTS_FILE=" + filepath.Join(dir, "exports.d/nfs-exportd.exports"),
		"NFS_EXPORTD_EXPORTFS=" + filepath.Join(dir, "exportfs"),
		"NFS_EXPORTD_ETAB=" + filepath.Join(dir, "etab"),
		"NFS_EXPORTD_SERVE_AS=nfs.example.org",
		// The proof runs the host's exportfs, and here is none.
		"NFS_EXPORTD_NO_PREFLIGHT=1",
	}}

	fmt.Printf("A cloud is at %s. The exports file is to be in %s; below, … stands for %s.\n", cloud.URL, filepath.Dir(s.file), dir)
	s.run("What would be exported?", 0, "plan")
	s.run("So be it.", 0, "apply")
	s.run("Again: there is nothing to do, and not a word.", 0, "plan", "--detailed-exitcode")

	for _, id := range []string{"i-1", "i-2", "i-3"} {
		cloud.RemoveInstance(id)
	}
	out := s.run("All instances are gone. That is too much to believe without a person's word.", 65, "apply")
	id := regexp.MustCompile(`(?m)^plan (\S+)$`).FindStringSubmatch(out)
	if id == nil {
		return errors.New("the refused plan has no id")
	}
	s.run("Somebody has read the plan and approves of this very one.", 0, "apply", "--approve", id[1])

	if err := keystonetest.Load(cloud.Cloud, []byte("instances: {tools-new: {project: tools, addresses: {lan: [10.0.0.50]}}}")); err != nil {
		return err
	}
	s.run("A new instance.", 0, "apply")
	before, err := os.ReadFile(s.file)
	if err != nil {
		return err
	}
	refusal, ok := keystonetest.FaultNamed("status-401")
	if !ok {
		return errors.New("no fault status-401")
	}
	cloud.Inject(refusal.On(keystonetest.LogIn))
	s.run("The incident of 2019: Keystone refuses the log-in.", 77, "apply")
	after, err := os.ReadFile(s.file)
	if err != nil {
		return err
	}
	if s.failed || !bytes.Equal(before, after) {
		return errors.New("this is not what should have happened")
	}
	fmt.Println("\nThe exports file is untouched:")
	fmt.Print(indent(s.short(string(after))))
	return nil
}

// show runs a program where people can see it.
type show struct {
	program, dir, file string
	env                []string
	failed             bool
}

// run gives what the program wrote to standard output.
func (s *show) run(title string, want int, args ...string) string {
	fmt.Printf("\n== %s\n\n$ nfs-exportd %s\n", title, strings.Join(args, " "))
	cmd := exec.Command(s.program, args...)
	cmd.Env = s.env
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	fmt.Print(indent(s.short(stdout.String() + stderr.String())))
	if err != nil && cmd.ProcessState == nil {
		fmt.Println(err)
		s.failed = true
		return ""
	}
	status := cmd.ProcessState.ExitCode()
	fmt.Printf("exit status %d\n", status)
	if status != want {
		fmt.Printf("(%d was expected)\n", want)
		s.failed = true
	}
	return stdout.String()
}

// short writes "…" for the scratch directory.
func (s *show) short(text string) string { return strings.ReplaceAll(text, s.dir, "…") }

func indent(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		b.WriteString("    " + line)
	}
	return b.String()
}

// exportfs writes the table of active exports that follows from the exports
// file in a scratch directory, which is all that this demonstration needs of
// exportfs(8).
func exportfs(dir string) error {
	var table bytes.Buffer
	f, err := os.Open(filepath.Join(dir, "exports.d/nfs-exportd.exports"))
	if err != nil {
		return err
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		line, _, _ := strings.Cut(lines.Text(), " #")
		if path, client, ok := strings.Cut(line, " "); ok && strings.HasPrefix(path, "/") {
			fmt.Fprintf(&table, "%s\t%s\n", path, client)
		}
	}
	if err := lines.Err(); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "etab"), table.Bytes(), 0o644)
}
