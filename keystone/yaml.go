package keystone

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"gopkg.in/yaml.v3"
)

// maxFile is far more than any file of credentials has.
const maxFile = 1 << 20

// readYAML gives the value of the one document in a file, and the file's mode.
func readYAML(path string) (*yaml.Node, fs.FileMode, error) {
	f, err := os.Open(path) // the operator says which file
	if err != nil {
		return nil, 0, err
	}
	defer func() { _ = f.Close() }() // nothing was written to it
	info, err := f.Stat()
	if err != nil {
		return nil, 0, err
	}
	if !info.Mode().IsRegular() {
		return nil, 0, errors.New("it is not a regular file")
	}
	node, err := parseYAML(io.LimitReader(f, maxFile+1))
	return node, info.Mode(), err
}

func parseYAML(r io.Reader) (*yaml.Node, error) {
	text, err := io.ReadAll(r)
	if err != nil {
		return nil, err
	}
	if len(text) > maxFile {
		return nil, fmt.Errorf("it is larger than %d bytes", maxFile)
	}
	decoder := yaml.NewDecoder(strings.NewReader(string(text)))
	var document, more yaml.Node
	switch err := decoder.Decode(&document); {
	case errors.Is(err, io.EOF):
		return nil, errors.New("it is empty")
	case err != nil:
		return nil, notYAML(err)
	}
	if err := decoder.Decode(&more); !errors.Is(err, io.EOF) {
		return nil, errors.New("it has more than one YAML document")
	}
	return document.Content[0], nil
}

// notYAML keeps the line number of a syntax error, and leaves out all else: the
// rest of yaml's messages can quote the text, and with it a password.
func notYAML(err error) error {
	var line int
	if _, scan := fmt.Sscanf(err.Error(), "yaml: line %d:", &line); scan == nil {
		return fmt.Errorf("line %d: it is not YAML", line)
	}
	return errors.New("it is not YAML")
}

type pair struct {
	key   string
	line  int
	value *yaml.Node
}

// maxMerges is how many mappings one may be merged of, so that one that
// contains itself has an end.
const maxMerges = 100

// mapping gives the pairs of a mapping, each key once. Those of merge keys come
// after its own and do not replace them, see https://yaml.org/type/merge.html.
func mapping(node *yaml.Node) ([]pair, error) {
	merges := 0
	return merged(node, map[string]int{}, &merges)
}

// merged gives the pairs of a mapping whose keys are not among those of lines,
// which it adds.
func merged(node *yaml.Node, lines map[string]int, count *int) ([]pair, error) {
	line := node.Line
	node = dereference(node)
	if node.Kind != yaml.MappingNode {
		return nil, fmt.Errorf("line %d: it is not a mapping", line)
	}
	if *count++; *count > maxMerges {
		return nil, fmt.Errorf("line %d: it is merged of more than %d mappings", line, maxMerges)
	}
	var pairs []pair
	var merges []*yaml.Node
	own := map[string]int{}
	for i := 0; i+1 < len(node.Content); i += 2 {
		key, value := node.Content[i], node.Content[i+1]
		if key.Tag == "!!merge" {
			if list := dereference(value); list.Kind == yaml.SequenceNode {
				merges = append(merges, list.Content...)
			} else {
				merges = append(merges, value)
			}
			continue
		}
		if key.Kind != yaml.ScalarNode {
			return nil, fmt.Errorf("line %d: the key is not plain text", key.Line)
		}
		if before, ok := own[key.Value]; ok {
			return nil, fmt.Errorf("line %d: the key %s is there already in line %d", key.Line, quote(key.Value), before)
		}
		own[key.Value] = key.Line
		if _, ok := lines[key.Value]; !ok {
			lines[key.Value] = key.Line
			pairs = append(pairs, pair{key.Value, key.Line, value})
		}
	}
	for _, merge := range merges {
		more, err := merged(merge, lines, count)
		if err != nil {
			return nil, err
		}
		pairs = append(pairs, more...)
	}
	return pairs, nil
}

// dereference follows aliases.
func dereference(node *yaml.Node) *yaml.Node {
	for node.Kind == yaml.AliasNode {
		node = node.Alias
	}
	return node
}

// scalar is a value as it is written, so that a password of digits needs no
// quotes.
func scalar(node *yaml.Node) (string, error) {
	node = dereference(node)
	switch {
	case node.Kind != yaml.ScalarNode:
		return "", errors.New("is not a plain value")
	case node.Tag == "!!null":
		return "", nil
	}
	return node.Value, nil
}

func parseBool(text string) (bool, error) {
	switch strings.ToLower(text) {
	case "", "0", "f", "false", "n", "no", "off":
		return false, nil
	case "1", "t", "true", "y", "yes", "on":
		return true, nil
	}
	return false, errors.New("is neither true nor false")
}

// expandHome does what a shell would with a leading ~/.
func expandHome(path string, getenv func(string) string) string {
	if rest, ok := strings.CutPrefix(path, "~/"); ok && getenv("HOME") != "" {
		return filepath.Join(getenv("HOME"), rest)
	}
	return path
}

func readableByAll(path string, mode fs.FileMode) []string {
	if mode.Perm()&0o004 == 0 {
		return nil
	}
	return []string{fmt.Sprintf("%s holds a secret, and every user of this host can read it: chmod o= %s", path, path)}
}
