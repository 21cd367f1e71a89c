package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"nfs-exportd/exports"
)

// stage is a directory that stands for a file server, and a cloud.
type stage struct {
	machine        *machine
	scene          scene
	dir            string
	cloud          *exec.Cmd
	url            string
	env            []string
	state          string // of the files, see remember
	added, removed int    // grants in the diff of the last run
}

func newStage(m *machine, s scene) (_ *stage, err error) {
	st := &stage{machine: m, scene: s}
	if st.dir, err = os.MkdirTemp("", "nfs-exportd-bench-"); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			st.close()
		}
	}()
	if !s.cloud() {
		return st, nil
	}
	if err := os.Mkdir(st.path("exports.d"), 0o755); err != nil {
		return nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	if err := os.Symlink(self, st.path("exportfs")); err != nil {
		return nil, err
	}
	for n := range s.projects {
		if err := os.MkdirAll(st.path(fmt.Sprintf("srv/project-%05d", n)), 0o755); err != nil {
			return nil, err
		}
	}
	if err := st.configure(0, s.served); err != nil {
		return nil, err
	}
	if err := st.start(); err != nil {
		return nil, err
	}
	st.env = []string{
		"OS_AUTH_URL=" + st.url + "/identity/v3", "OS_PASSWORD=secret", "OS_USER_DOMAIN_NAME=Default",
		"NFS_EXPORTD_CONFIG=" + st.path("nfs-mounts.yaml"),
		"NFS_EXPORTD_EXPORTS_FILE=" + st.path("exports.d/nfs-exportd.exports"),
		"NFS_EXPORTD_EXPORTFS=" + st.path("exportfs"),
		"NFS_EXPORTD_ETAB=" + st.path("etab"),
		"NFS_EXPORTD_SERVE_AS=nfs.example.org",
	}
	switch {
	case !s.perProject:
		st.env = append(st.env, "OS_USERNAME=observer", "OS_SYSTEM_SCOPE=all")
	case s.one:
		st.env = append(st.env, "OS_USERNAME="+oneReader, "OS_PROJECT_NAME="+oneHome, "OS_PROJECT_DOMAIN_NAME=Default")
	default:
		st.env = append(st.env, "OS_USERNAME=observer", "OS_PROJECT_NAME=project-00000", "OS_PROJECT_DOMAIN_NAME=Default")
	}
	return st, nil
}

func (st *stage) path(name string) string { return filepath.Join(st.dir, name) }

func (st *stage) close() {
	if st.cloud != nil && st.cloud.Process != nil {
		_ = st.cloud.Process.Kill() // it has nothing to lose
		_ = st.cloud.Wait()
	}
	_ = os.RemoveAll(st.dir)
}

// configure writes a configuration that has the projects from first up to end.
func (st *stage) configure(first, end int) error {
	var b bytes.Buffer
	b.WriteString("private:\n")
	if st.scene.one {
		fmt.Fprintf(&b, "  %s: {mounts: {home: 'nfs.example.org:%s/srv/project-00000'}}\n", theOne, st.dir)
	}
	for n := first; n < end; n++ {
		directory := n
		if st.scene.onePath {
			directory = 0
		}
		fmt.Fprintf(&b, "  project-%05d: {gid: %d, mounts: {dumps: true, home: 'nfs.example.org:%s/srv/project-%05d'}}\n", n, 50000+n, st.dir, directory)
	}
	return os.WriteFile(st.path("nfs-mounts.yaml"), b.Bytes(), 0o644)
}

const (
	theOne       = "the-one" // the project that is in the cloud besides
	oneInstances = 20        // of it
	oneReader    = "one-reader"
	oneHome      = "one-home" // the project that the reader logs in for
)

// start starts the cloud.
func (st *stage) start() error {
	var document strings.Builder
	if st.scene.one {
		fmt.Fprintf(&document, "projects: {%s: {}, %s: {}}\n", theOne, oneHome)
		fmt.Fprintf(&document, "users: {%s: {password: secret, roles: {%s: [reader], %s: [reader]}}}\n", oneReader, theOne, oneHome)
		document.WriteString("instances:\n")
		for n := range oneInstances {
			fmt.Fprintf(&document, "  one-%d: {project: %s, addresses: {lan: [10.200.0.%d]}}\n", n, theOne, n+1)
		}
	}
	if err := os.WriteFile(st.path("cloud.yaml"), []byte(document.String()), 0o644); err != nil {
		return err
	}
	st.cloud = exec.Command(st.machine.testcloud, "-record", "-cloud", st.path("cloud.yaml"),
		"-projects", strconv.Itoa(st.scene.projects), "-instances", strconv.Itoa(st.scene.instances), "-latency", st.scene.latency.String())
	st.cloud.Stderr = os.Stderr
	out, err := st.cloud.StdoutPipe()
	if err != nil {
		return err
	}
	if err := st.cloud.Start(); err != nil {
		return err
	}
	url, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		return fmt.Errorf("the cloud does not say where it is: %w", err)
	}
	st.url = strings.TrimSpace(url)
	return nil
}

// run is one run of the program, of which alone the cloud then knows.
func (st *stage) run(args []string, status int) (cost, error) {
	if st.scene.cloud() {
		if _, err := st.ask(http.MethodPost, "reset-requests"); err != nil {
			return cost{}, err
		}
	}
	c, stdout, err := timed(st.env, status, append([]string{st.machine.program}, args...)...)
	st.added, st.removed = 0, 0
	for line := range bytes.Lines(stdout) {
		switch {
		case bytes.HasPrefix(line, []byte("+/")):
			st.added++
		case bytes.HasPrefix(line, []byte("-/")):
			st.removed++
		}
	}
	return c, err
}

// expect is an error unless the last run had so many grants to add and to remove.
func (st *stage) expect(added, removed int) error {
	if st.added != added || st.removed != removed {
		return fmt.Errorf("%d grants come and %d go, and not %d and %d", st.added, st.removed, added, removed)
	}
	return nil
}

// ask makes a request to the controls of the cloud.
func (st *stage) ask(method, what string) (string, error) {
	request, err := http.NewRequest(method, st.url+"/testcloud/"+what, nil)
	if err != nil {
		return "", err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = errors.New(response.Status)
	}
	return string(body), err
}

// requests tells how many log-ins and requests the last run made, and how many
// answers there were of each status.
func (st *stage) requests() (logins, all int, statuses map[string]int, err error) {
	text, err := st.ask(http.MethodGet, "requests")
	statuses = map[string]int{}
	for line := range strings.Lines(text) {
		words := strings.Fields(line)
		switch words[0] {
		case "peak":
			continue
		case "LogIn", "ReLogIn":
			logins++
		}
		statuses[words[len(words)-1]]++
		all++
	}
	return logins, all, statuses, err
}

// prepareCurl writes down the requests of the last run for curl, and tells how
// many bytes their answers have. It is an error if curl does not get answers of the
// same statuses.
func (st *stage) prepareCurl(statuses map[string]int) (int64, error) {
	config, err := st.ask(http.MethodGet, "curl")
	if err != nil {
		return 0, err
	}
	if err := os.WriteFile(st.path("curl"), []byte(config), 0o600); err != nil {
		return 0, err
	}
	counted := strings.ReplaceAll(config, "silent\n", "silent\nwrite-out = \"%{http_code} %{size_download}\\n\"\n")
	cmd := exec.Command(st.machine.curl, "-K", "-")
	cmd.Stdin = strings.NewReader(counted)
	answers, err := cmd.Output()
	if err != nil {
		return 0, fmt.Errorf("curl: %w", err)
	}
	var bytes int64
	got := map[string]int{}
	for line := range strings.Lines(string(answers)) {
		status, size, _ := strings.Cut(strings.TrimSpace(line), " ")
		n, err := strconv.ParseInt(size, 10, 64)
		if err != nil {
			return 0, fmt.Errorf("curl: %w", err)
		}
		bytes += n
		got[status]++
	}
	if !maps.Equal(got, statuses) {
		return 0, fmt.Errorf("curl had answers of the statuses %v, the program %v", got, statuses)
	}
	return bytes, nil
}

// runCurl makes the same requests, as many at a time as the program does.
func (st *stage) runCurl() (cost, error) {
	c, _, err := timed(nil, 0, st.machine.curl, "-K", st.path("curl"), "--parallel", "--parallel-max", strconv.Itoa(exports.DefaultConcurrency))
	return c, err
}

// remember notes how all files are, to see whether something writes.
func (st *stage) remember() (err error) {
	st.state, err = st.files()
	return err
}

func (st *stage) compare() error {
	state, err := st.files()
	if err == nil && state != st.state {
		err = errors.New("something was written")
	}
	return err
}

// files gives the inode, size and time of all files, and of the directory that
// they are in: a file that was there for a moment would show by its time.
func (st *stage) files() (string, error) {
	var b strings.Builder
	for _, dir := range []string{st.dir, st.path("exports.d")} {
		entries, err := os.ReadDir(dir)
		if err != nil {
			return "", err
		}
		for _, path := range append([]string{"."}, names(entries)...) {
			info, err := os.Lstat(filepath.Join(dir, path))
			if err != nil {
				return "", err
			}
			inode := info.Sys().(*syscall.Stat_t).Ino
			fmt.Fprintln(&b, dir, path, inode, info.Size(), info.ModTime().UnixNano())
		}
	}
	return b.String(), nil
}

func names(entries []os.DirEntry) []string {
	var all []string
	for _, entry := range entries {
		all = append(all, entry.Name())
	}
	return all
}
