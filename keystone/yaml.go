package keystone

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"

	"gopkg.in/yaml.v3"

	"nfs-exportd/yamlfile"
)

// Messages about these files name lines, and keys that are known. All else in
// them, be it where a key stands, may be a part of a password.

// readYAML gives the value of the one document in a file.
func readYAML(path string) (*yaml.Node, fs.FileInfo, error) {
	text, info, err := readFile(path)
	if err != nil {
		return nil, nil, err
	}
	node, err := yamlfile.ParseDocument(text)
	if syntax, ok := errors.AsType[*yamlfile.SyntaxError](err); ok {
		err = errors.New(syntax.Redacted())
	}
	return node, info, err
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
	node = yamlfile.Resolve(node)
	if node.Kind != yaml.MappingNode {
		return nil, fmt.Errorf("line %d: it is not a mapping of keys to values", line)
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
			if list := yamlfile.Resolve(value); list.Kind == yaml.SequenceNode {
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
			return nil, fmt.Errorf("line %d: %s is there already in line %d: take one of them out", key.Line, keyName(key.Value), before)
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

// scalar is a value as it is written, so that a password of digits needs no
// quotes.
func scalar(node *yaml.Node) (string, error) {
	node = yamlfile.Resolve(node)
	switch {
	case node.Kind != yaml.ScalarNode:
		return "", errors.New("is not a plain value: put it in quotes")
	case yamlfile.Tagged(node):
		return "", errors.New("has a tag that is not understood here: take it out")
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
